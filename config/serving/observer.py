"""Metrics and probes of a master's workers, from the files in which they count."""

import json
import os
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from config.serving import metric_files

JSON = "application/json"

# Status, content type, body.
Reply = tuple[int, str, bytes]


class Observer:
    """Metrics and probes of a master's workers, from the files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.draining = False
        self._folder = folder
        self._has_files = self._had_files = False

    def metrics(self, accepted: str) -> Reply:
        """Return all metrics, in the format that the Accept header `accepted` selects."""
        registry = CollectorRegistry()
        Gauge("draining", "1 while the instance stops", namespace="send_message", registry=registry).set(
            self.draining
        )
        # None if the master could not tell.
        with suppress(OSError, ValueError):
            wanted = int((self._folder / metric_files.WANTED).read_text())
            text = "Worker processes that there should be"
            Gauge("workers_wanted", text, namespace="send_message", registry=registry).set(wanted)
        registry.register(self)
        try:
            encode, kind = choose_encoder(accepted)
        except (ValueError, TypeError):
            # It does not check that a version is a number: `a.b` raises ValueError.
            encode, kind = choose_encoder("")
        return HTTPStatus.OK, kind, encode(registry)

    def collect(self) -> list[Metric]:
        """Return what all workers have counted; the registry calls this method."""
        return self._collect("")

    def live(self, _: str) -> Reply:
        """Return 200: the listener is alive, and so is its master."""
        return HTTPStatus.OK, JSON, encoded({"status": "ok"})

    def ready(self, _: str) -> Reply:
        """Return whether requests should be sent here, and the reasons if not."""
        total = {
            metric.name: sum(sample.value for sample in metric.samples) for metric in self._collect("gauge_live")
        }
        workers, ready = (int(total.get(f"send_message_{name}", 0)) for name in ("workers", "workers_ready"))
        reasons = ["draining"] if self.draining else []
        if not (workers or self._is_cleared()):
            reasons.append("no worker is running")
        elif workers and not ready:
            reasons.append("no key to verify tokens with has been loaded")
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        word = "not ready" if reasons else "ready"
        return status, JSON, encoded({"status": word, "reasons": reasons, "workers": workers})

    def _is_cleared(self) -> bool:
        """Return whether the folder or all files in it were removed: workers from before that are still running.

        A starting worker makes both again, and one that has ended leaves files.
        """
        return not self._folder.exists() or (self._had_files and not self._has_files)

    def _collect(self, beginning: str) -> list[Metric]:
        """Return the metrics of all workers, from the files whose names start with `beginning`."""
        with metric_files.reading(self._folder) as files:
            self._has_files = bool(files)
            self._had_files = self._had_files or self._has_files
            wanted = [file for file in files if os.path.basename(file).startswith(beginning)]  # noqa: PTH119 - a str
            merged = MultiProcessCollector.merge(wanted)  # type: ignore[no-untyped-call]
        return list(merged)


def encoded(document: dict[str, object]) -> bytes:
    """Return the document as a line of JSON."""
    return json.dumps(document).encode() + b"\n"
