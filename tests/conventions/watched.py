"""What docs/operating has for watching the service, read."""

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml  # type: ignore[import-untyped]

from app.web.metrics import Metrics
from tests.system.prometheus import RULES, SHIPPED

PREFIX = "send_message_"
# What Prometheus puts on every series.
ALWAYS = frozenset({"job", "instance"})
PARTS = ("Customers", "First look", "First action")
_SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| (.*?) \|", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by its whole name; labels are those that the service gives it."""

    name: str
    kind: str
    labels: frozenset[str]

    @property
    def series(self) -> dict[str, frozenset[str]]:
        """The names that its samples have, with their labels."""
        if self.kind != "histogram":
            return {self.name: self.labels}
        plain = {f"{self.name}_{part}": self.labels for part in ("sum", "count")}
        return plain | {f"{self.name}_bucket": self.labels | {"le"}}


@cache
def rules() -> tuple[dict[str, Any], ...]:
    """Every rule of alerts.yml."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return tuple(rule for group in groups for rule in group["rules"])


def alerts() -> list[dict[str, Any]]:
    """Those that are alerts."""
    return [rule for rule in rules() if "alert" in rule]


def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard that shows something."""
    document = json.loads((SHIPPED / "dashboard.json").read_text())
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """All PromQL that is shipped."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*(rule["expr"] for rule in rules()), *shown]


def runbook() -> dict[str, dict[str, str]]:
    """The parts of each section, by the section's title."""
    found = _SECTION.findall((SHIPPED / "runbook.md").read_text())
    return {title: _parts(text) for title, text in found}


def first_look(alert: str) -> str:
    """The commands of a section's first look."""
    (found,) = re.findall(r"```sh\n(.*?)```", runbook()[alert]["First look"], re.DOTALL)
    return str(found)


def declared() -> list[Metric]:
    """The metrics that an application has."""
    return [_metric(collector) for collector in Metrics().registry._collector_to_names]


def documented() -> dict[str, Metric]:
    """The metrics of metrics.md, by name."""
    rows = _ROW.findall((SHIPPED / "metrics.md").read_text())
    return {
        PREFIX + name: Metric(PREFIX + name, kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in rows
    }


def _metric(collector: Any) -> Metric:
    name = collector._name + "_total" * (collector._type == "counter")
    return Metric(name, collector._type, frozenset(collector._labelnames))


def _parts(text: str) -> dict[str, str]:
    pieces = re.split(r"^\*\*([A-Z][a-z ]+):\*\* ", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))
