"""What Prometheus gets of a real service."""

import re
import signal
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conventions.watched import documented
from tests.system.clients import Connection, Request, ask, sending
from tests.system.processes import await_until
from tests.system.prometheus import SHIPPED, promtool
from tests.system.servers import Server, served
from tests.system.standins import Services

pytestmark = pytest.mark.system


def scraped(server: Server) -> str:
    """What it tells Prometheus now."""
    with Connection(server.metrics_port) as connection:
        return connection.ask(Request("GET", "/metrics")).body.decode()


def await_sample(server: Server, sample: str) -> None:
    """Gauges come within a second."""
    await_until(lambda: f"send_message_{sample}\n" in scraped(server), lambda: scraped(server))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """After sends with and without a key and a request that was refused."""
    with Services() as services, served(services) as running:
        keyed, nobody = {"Idempotency-Key": "one"}, {"Authorization": "Bearer x"}
        for headers in ({}, keyed, keyed, nobody):
            ask(running.port, sending(headers=headers))
        await_sample(running, "workers 2.0")
        yield running


@pytest.fixture(scope="module")
def text(server: Server) -> str:
    return scraped(server)


def test_promtool_has_no_objection(text: str) -> None:
    """To names, types, units and the form."""
    assert promtool("check", "metrics", given=text) == ""


def test_what_is_scraped_is_in_the_table(text: str) -> None:
    """Every series, with its labels and its type; and every metric of the table is scraped."""
    table = documented()
    families = {
        family.name + "_total" * (family.type == "counter"): family
        for family in text_string_to_metric_families(text)
    }
    assert set(families) == set(table)
    for name, family in families.items():
        assert family.type == table[name].kind
        for sample in family.samples:
            assert set(sample.labels) == table[name].series[sample.name]


def test_a_worker_more_is_wanted_at_once(server: Server) -> None:
    """SIGTTIN and SIGTTOU change how many there should be."""
    for number, wanted in ((signal.SIGTTIN, 3), (signal.SIGTTOU, 2)):
        server.signal(number)
        await_sample(server, f"workers_wanted {wanted}.0")
    await_sample(server, "workers 2.0")


def test_what_has_not_happened_yet_is_there(text: str) -> None:
    """At 0, so that its first time is seen as an increase."""
    assert 'send_message_sends_total{outcome="unknown",reason="reset"} 0.0\n' in text
    assert 'send_message_account_lookups_total{result="failed"} 0.0\n' in text


def test_every_field_of_a_log_line_is_in_the_table(server: Server) -> None:
    """And every field of the table is on some line of a request."""
    page = (SHIPPED / "metrics.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page[page.index("## Log lines") :], re.MULTILINE)
    table = {field for row in rows for field in re.findall(r"`(\w+)`", row)}
    written = {field for line in server.events("request") for field in line}
    assert written - {"time", "level", "logger", "event"} == table
