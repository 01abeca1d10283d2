"""Dashboard, alerts and runbook speak of what the service has, and of each other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.errors import ServerError, ServiceError, every_error
from app.upstream.exchange import ANSWERS
from app.upstream.transport import NoAnswerError, NothingSentError
from app.web.labels import ACCEPTED, REPLAYED
from tests.conventions.watched import (
    ALWAYS,
    PARTS,
    PREFIX,
    Metric,
    alerts,
    declared,
    documented,
    expressions,
    first_look,
    panels,
    rules,
    runbook,
)
from tests.environs import ROOT
from tests.system.prometheus import RULES, SHIPPED, hurried, promtool, scrape_config

# Refusals that no send in earnest ends in: they come before authentication, or from no route at all.
NO_SENDS = {"UNAUTHORIZED", "NOT_FOUND", "METHOD_NOT_ALLOWED", "INVALID_ID"}
KEY_SET = re.compile(r'KeySetError\("(\w+)"\)').findall
# A 1xx is no final answer, and a 2xx is judged by what it says.
NEVER = {"status_1xx", "status_2xx"}


def test_every_alert_is_in_the_runbook_and_nothing_else() -> None:
    """In the same order, with its three parts."""
    assert list(runbook()) == [alert["alert"] for alert in alerts()]
    for section in runbook().values():
        assert tuple(section) == PARTS
        assert all(part.strip() for part in section.values())


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_says_what_it_is(alert: dict[str, Any]) -> None:
    """How urgent it is, what happened, and where to read on."""
    assert alert["labels"]["severity"] in {"page", "warn"}
    assert alert["annotations"]["summary"].strip()
    assert alert["annotations"]["description"].strip()
    assert alert["annotations"]["runbook_url"] == f"docs/operating/runbook.md#{alert['alert'].lower()}"
    assert first_look(alert["alert"]).strip()


def test_the_runbook_leads_to_its_own_sections() -> None:
    """Every #anchor is an alert's."""
    found = set(re.findall(r"\(#(.*?)\)", (SHIPPED / "runbook.md").read_text()))
    assert found <= {title.lower() for title in runbook()}


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_asks_for_what_there_is(expression: str) -> None:
    """Metrics of the table in metrics.md, with labels that they have; or what a rule has recorded."""
    series = {name: labels for metric in documented().values() for name, labels in metric.series.items()}
    for name, _, selector in re.findall(rf"(?<![\w:])({PREFIX}\w+)(\{{(.*?)\}})?", expression, re.DOTALL):
        asked = set(re.findall(r'(\w+)\s*(?:=|!=|=~|!~)\s*"', selector))
        assert asked <= series[name] | ALWAYS
    grouped = {label for found in re.findall(r"(?:by|on) \((.*?)\)", expression) for label in found.split(", ")}
    assert grouped <= set.union(*(set(labels) for labels in series.values())) | ALWAYS
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert set(re.findall(r"\b\w+(?::\w+)+", expression)) <= recorded


def test_the_table_of_metrics_is_what_is_measured() -> None:
    """Names, kinds and labels; two of them are the listener's own."""
    own = {Metric(f"{PREFIX}{name}", "gauge", frozenset()) for name in ("draining", "workers_wanted")}
    assert set(documented().values()) == {*declared(), *own}


def test_every_reason_is_in_the_table() -> None:
    """Where nothing was sent, and where nobody knows."""
    page = (SHIPPED / "metrics.md").read_text()
    rows = dict(re.findall(r"^\| `(sent|not_sent|unknown)` \| (.*?) \|", page, re.MULTILINE))
    assert {outcome: set(re.findall(r"`(\w+)`", words)) for outcome, words in rows.items()} == {
        "sent": {ACCEPTED, REPLAYED},
        "not_sent": NothingSentError.REASONS,
        # A 4xx has a code of its own.
        "unknown": (NoAnswerError.REASONS | ANSWERS) - NEVER - {"status_4xx"},
    }


def test_every_reason_is_explained() -> None:
    """What happened, and what to do first: an operator finds there whatever word the log has."""
    section = (SHIPPED / "metrics.md").read_text().partition("### Reasons\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \| [^|]+ \| [^|]+ \|$", section, re.MULTILINE)
    words = NothingSentError.REASONS | NoAnswerError.REASONS | ANSWERS
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(words - NEVER)


def test_every_reason_of_keys_is_explained() -> None:
    """Those that fetching them has besides."""
    words = {found for module in (ROOT / "app" / "tokens").glob("*.py") for found in KEY_SET(module.read_text())}
    assert words <= set(re.findall(r"`(\w+)`", runbook()["KeysStale"]["First action"]))
    assert len(words) > 1


def test_the_dashboard_shows_every_metric() -> None:
    """So that nothing is measured in vain."""
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    assert [name for name in documented() if not re.search(rf"\b{name}(_bucket)?\b", shown)] == []


def test_the_dashboard_can_be_imported() -> None:
    """Its panels ask the Prometheus that is chosen, have ids of their own and lie beside each other."""
    document = json.loads((SHIPPED / "dashboard.json").read_text())
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    assert "datasource" in {variable["name"] for variable in document["templating"]["list"]}
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    places = [panel["gridPos"] for panel in document["panels"]]
    taken = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("error", every_error())
def test_sends_are_told_apart_by_whose_fault_it_is(error: type[ServiceError]) -> None:
    """What callers can mend is left out of the sends in earnest; what they cannot is not."""
    (earnest,) = [rule["expr"] for rule in rules() if "record" in rule]
    left_out = "|".join(re.findall(r'reason!~"(.*?)"', earnest))
    theirs = error.status < 500 and error.code != "CHAT_SERVICE_BUSY"
    # The outcome of a send that is told again was counted when it was found out.
    expected = theirs or error.code == "SEND_OUTCOME_UNKNOWN"
    if error.code not in NO_SENDS:
        assert bool(re.fullmatch(left_out, error.code)) == expected


@pytest.mark.parametrize("error", every_error(ServerError), ids=lambda error: error.code)
def test_whatever_sends_fail_of_has_a_section(error: type[ServiceError]) -> None:
    """SendsFailing may count it: who is woken by that is led on, whichever code it is."""
    if error.outcome == "not_sent" and error.code not in NO_SENDS:
        assert re.search(rf"`{error.code}`\s+\[\w+\]\(#", runbook()["SendsFailing"]["First action"])


def test_prometheus_takes_what_is_shipped(tmp_path: Path) -> None:
    """The rules, also hurried, and the configuration."""
    for text in (RULES.read_text(), hurried(RULES.read_text())):
        (tmp_path / "alerts.yml").write_text(text)
        assert f"{len(rules())} rules found" in promtool("check", "rules", str(tmp_path / "alerts.yml"))
    (tmp_path / "prometheus.yml").write_text(scrape_config())
    promtool("check", "config", str(tmp_path / "prometheus.yml"))
