"""What operators see of the requests of a test: lines in the log, and series."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask

from app.web.application import Application

ROUTE = "/v1/send-message/<company_id>/<conversation_id>"


class Heard(Sequence[dict[str, Any]]):
    """The lines of messages in the log so far."""

    def __init__(self, written: pytest.CaptureFixture[str]) -> None:
        self._written = written
        self._lines: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all())

    def __getitem__(self, index: Any) -> Any:
        """As of a list."""
        return self._all()[index]

    def _all(self) -> list[dict[str, Any]]:
        lines = map(json.loads, self._written.readouterr().err.splitlines())
        self._lines += [line for line in lines if line.get("route") == ROUTE]
        return self._lines


def counted(app: Flask, name: str, **labels: str) -> float:
    """The value of a series; 0 where there is none."""
    assert isinstance(app, Application)
    return app.monitor.metrics.registry.get_sample_value(f"send_message_{name}", labels) or 0


def by_label(app: Flask, name: str, label: str) -> dict[str, float]:
    """The values of a metric by one of its labels."""
    assert isinstance(app, Application)
    samples = [sample for metric in app.monitor.metrics.registry.collect() for sample in metric.samples]
    return {it.labels[label]: it.value for it in samples if it.name == f"send_message_{name}"}
