"""The scenes of the fault laboratory, short; `make chaos` plays them in full and holds them to their times."""

import pytest

from tests.system import prometheus
from tests.system.faults.agreement import agreement
from tests.system.faults.alarms_behind import chat_service
from tests.system.faults.crowds import crowd
from tests.system.faults.deadlines import nobody_listens, slow_service
from tests.system.faults.deaths import (
    killed_master,
    killed_workers,
    replaced_workers,
    terminated,
    worn_out_workers,
)
from tests.system.faults.drains import drained
from tests.system.faults.keepalive import keepalive_race
from tests.system.faults.keys import keyed_sends, storm
from tests.system.faults.losses import LOSSES
from tests.system.faults.probes import probed
from tests.system.faults.restarts import WAYS as RESTARTS
from tests.system.faults.restarts import rolling_restarts
from tests.system.faults.sends import sends
from tests.system.faults.soak import soak
from tests.system.faults.stage import Stage, hold
from tests.system.faults.stores import lost_store
from tests.system.faults.totals import kept_totals
from tests.system.proxies import require

pytestmark = pytest.mark.system

# For a machine that has other things to do as well.
SLACK = 3.0


def test_no_answer_says_what_the_ledger_does_not(stage: Stage) -> None:
    """Whatever the chat service does: sent is in its ledger, not_sent is not, and nothing is there twice."""
    hold(sends(stage, count=400, callers=16))


def test_a_key_is_sent_under_once_however_often_it_is_repeated(stage: Stage) -> None:
    """Also while the first request is still under way; replays are the first answer to the byte."""
    hold(keyed_sends(stage, count=100, callers=16))


def test_of_twenty_who_come_at_once_one_sends(stage: Stage) -> None:
    """The others get its answer, or are asked to wait."""
    hold(storm(stage, keys=5, callers=20))


def test_a_worker_that_dies_sends_nothing_twice(stage: Stage) -> None:
    """Under a key whose worker was killed the outcome is unknown in the end, or the message was sent."""
    hold(killed_workers(stage, kills=3, every=1))


def test_keys_outlive_the_master(stage: Stage) -> None:
    """All processes are killed; what was sent is replayed by those that follow."""
    hold(killed_master(stage, alone=False))


def test_sighup_fails_no_send(stage: Stage) -> None:
    """All workers are replaced under load."""
    hold(replaced_workers(stage, times=1))


def test_max_requests_fails_no_send(stage: Stage) -> None:
    """Workers leave and are replaced under load."""
    hold(worn_out_workers(stage, seconds=2))


def test_sigterm_fails_no_send_under_way(stage: Stage) -> None:
    """What the chat service has is answered before the process ends."""
    hold(terminated(stage, sends=16))


def test_sigterm_resets_nobody_who_has_connected(stage: Stage) -> None:
    """Also where the first byte comes a moment later; who comes too late is refused."""
    hold(drained(stage, times=2, gap=0.005))


@pytest.mark.parametrize("way", RESTARTS)
def test_rolling_restarts_behind_nginx_lose_nothing(stage: Stage, way: str) -> None:
    """Each of two instances is restarted in the ways that docs/operating tells, while its workers wear out."""
    require()
    hold(rolling_restarts(stage, way, times=2, latency=0.3))


@pytest.mark.parametrize("name", ["Valkey stopped", "cluster node stopped", "sentinel failover"])
def test_a_lost_store_refuses_keys_and_nothing_else(stage: Stage, name: str) -> None:
    """Sends without a key go on, those with one are told that it cannot be honoured, until the store is back."""
    hold(lost_store(stage, name, LOSSES[name], seconds=1, slack=SLACK))


def test_where_nobody_listens_nothing_is_sent(stage: Stage) -> None:
    """The caller knows it long before the deadline."""
    hold(nobody_listens(stage, sends=3, slack=SLACK))


def test_a_slow_chat_service_costs_no_more_than_the_deadline(stage: Stage) -> None:
    """A total holds against a hang and against every kind of drip."""
    hold(slow_service(stage, sends=8, slack=SLACK))


@pytest.mark.parametrize("way", ["hangs, then is started again", "cannot be reached"])
def test_a_crowd_that_waits_is_in_nobodys_way(stage: Stage, way: str) -> None:
    """Health, 401 and 400 are answered meanwhile, and sends succeed soon after the chat service is back."""
    hold(crowd(stage, clients=60, asked=20, way=way, slack=SLACK))


def test_an_idle_connection_that_is_about_to_close_is_no_trap(stage: Stage) -> None:
    """Sends at the idle limit of the chat service seldom end unknown, and never twice or untrue."""
    hold(keepalive_race(stage, idle=0.5, rounds=4, lanes=16, share=0.05))


def test_ledger_log_and_metrics_agree_to_the_last_one(stage: Stage) -> None:
    """Whatever was answered is logged, counted, and true of what the chat service got."""
    hold(agreement(stage, count=300, callers=16))


def test_no_total_is_lost_with_a_worker(stage: Stage) -> None:
    """Workers are replaced, wear out and are killed; the files of their metrics do not pile up."""
    hold(kept_totals(stage, restarts=6))


def test_probes_are_answered_while_a_crowd_waits(stage: Stage) -> None:
    """The listener needs no thread of a worker."""
    hold(probed(stage, clients=60, asked=20, within=SLACK))


def test_ordinary_traffic_leaves_nothing_open(stage: Stage) -> None:
    """What is asked in the long form for ten minutes works at all; growth shows only there."""
    hold(soak(stage, seconds=3, judged=False))


def test_an_alert_fires_and_its_runbook_finds_the_cause(stage: Stage) -> None:
    """With a real Prometheus; nothing else fires, and nothing any more when the chat service is back."""
    for program in ("prometheus", "jq", "curl"):
        prometheus.require(program)
    hold(chat_service(stage, "down"))
