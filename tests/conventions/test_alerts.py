"""Each alert fires on the series it is for and on no others, by promtool's own reckoning."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.conventions.series import (
    ALL,
    CALM,
    COUNT,
    DRAINING,
    FAST,
    HEALTHY,
    IN_FLIGHT,
    LATE,
    LOST,
    QUIET,
    READY,
    SLOW,
    SLOWER,
    SOON,
    STALE,
    STARTED,
    UP,
    WANTED,
    WORKERS,
    from_then_on,
    gone,
    lately,
    lookups,
    once,
    reads,
    requests,
    sends,
    steady,
    turns,
    unsent,
)
from tests.system.prometheus import RULES, promtool

BUSY = {sends("sent", "accepted"): steady(800), requests(200, "none"): steady(800)}
SILENT: Mapping[str, Mapping[str, str]] = {
    "all is well": {},
    "two unknown sends": {sends("unknown", "reset"): once(2)},
    "one unknown send in 200": {sends("sent", "accepted"): steady(800), sends("unknown", "reset"): steady(4)},
    "two unknown sends on a quiet night": QUIET | {sends("unknown", "reset"): once(2)},
    "one refused connection in 40": BUSY | unsent("refused", "CHAT_SERVICE_UNAVAILABLE"),
    "two refused connections on a quiet night": QUIET
    | {sends("not_sent", "refused"): once(2), requests(500, "CHAT_SERVICE_UNAVAILABLE"): once(2)},
    "one read in 500 that fails on a night with few sends": QUIET
    | {requests(200, "none"): steady(2), reads(200, "none"): steady(1000)}
    | dict.fromkeys((reads(500, "CHAT_SERVICE_UNAVAILABLE"), reads(500, "OVERLOADED")), from_then_on(2)),
    "many who load the reference": {
        requests(500, "OVERLOADED", ("GET", 'route="/docs/assets/<name>"')): from_then_on(20)
    },
    "one key in 40 that cannot be kept": BUSY | unsent("IDEMPOTENCY_UNAVAILABLE", "IDEMPOTENCY_UNAVAILABLE"),
    "one send in 160 without a place": BUSY | unsent("OVERLOADED", "OVERLOADED", 5),
    "one failed look-up in 40": {lookups("asked"): steady(800), lookups("failed"): from_then_on(20)},
    "two failed look-ups on a quiet night": QUIET | {lookups("failed"): once(2)},
    "wrong ids on a quiet night": QUIET | {sends("not_sent", "INVALID_CONVERSATION_ID"): from_then_on(1)},
    "a store that is lost for a moment": {LOST: f"0x{CALM} 2 0x{LATE}"},
    "an unknown send told again and again": {sends("unknown", "SEND_OUTCOME_UNKNOWN"): from_then_on(50)},
    "a few sends that fail": {sends("not_sent", "OVERLOADED"): once(4), requests(500, "OVERLOADED"): once(4)},
    "two connections refused": {
        sends("not_sent", "refused"): once(2),
        requests(500, "CHAT_SERVICE_UNAVAILABLE"): once(2),
    },
    "a user who is far over the limit": {sends("not_sent", "RATE_LIMIT_EXCEEDED"): from_then_on(900)},
    "a caller with wrong bodies": {sends("not_sent", "INVALID_PARAMS"): from_then_on(40)},
    "a caller with wrong ids": {sends("not_sent", "INVALID_COMPANY_ID"): from_then_on(40)},
    "a failed look-up": {lookups("failed"): once(2)},
    "one slow message in 40": {SLOW: steady(49), FAST: steady(49)},
    "a slow message on a quiet night": QUIET | dict.fromkeys((SLOWER, ALL, COUNT), from_then_on(1)),
    "a deploy": {DRAINING: f"0x{CALM} 1 0x{LATE}", READY: f"2x{CALM} 0 2x{LATE}", STARTED: once(4)},
    "a reload soon after the start": dict.fromkeys((WORKERS, READY), f"4x{LATE}")
    | {STARTED: f"_x{CALM} 4 8x{LATE}"},
    "a worker that is replaced": dict.fromkeys((WORKERS, READY), f"2x{CALM} 1x3 2x{LATE}"),
    "a key server that is gone for a moment": {STALE: f"0x{CALM} 2x5 0x{LATE}"},
    "a scrape that failed": {UP: f"1x{CALM} 0 1x{LATE}"},
    "more callers than places": {IN_FLIGHT: turns(3, 64)},
    "an instance that drains": {DRAINING: turns(0, 1), READY: gone(2), WORKERS: gone(2)},
}
FIRING: Mapping[str, tuple[set[str], Mapping[str, str]]] = {
    "a worker that stays missing": ({"WorkersMissing"}, dict.fromkeys((WORKERS, READY), turns(2, 1))),
    "a worker more that cannot be had": ({"WorkersMissing"}, {WANTED: turns(2, 3)}),
    "sends without an answer": ({"SendsUnknown"}, {sends("unknown", "closed"): from_then_on(3)}),
    "all of few": (
        {"SendsUnknown"},
        {sends("sent", "accepted"): from_then_on(0, 1), sends("unknown", "status_5xx"): from_then_on(1)},
    ),
    "keys that cannot be kept": ({"SendsFailing"}, unsent("IDEMPOTENCY_UNAVAILABLE", "IDEMPOTENCY_UNAVAILABLE")),
    "a chat service that limits all": ({"SendsFailing"}, unsent("CHAT_SERVICE_BUSY", "CHAT_SERVICE_BUSY")),
    "no connection": ({"SendsFailing", "ChatServiceUnreachable"}, unsent("refused", "CHAT_SERVICE_UNAVAILABLE")),
    "no connection on a quiet night": (
        {"ChatServiceUnreachable"},
        QUIET | {sends("sent", "accepted"): from_then_on(0, 1)} | unsent("dns", "CHAT_SERVICE_UNAVAILABLE", 0.7),
    ),
    "a refused credential": (
        {"SendsFailing", "ChatCredentialRefused"},
        unsent("CHAT_SERVICE_AUTH", "CHAT_SERVICE_AUTH"),
    ),
    "one send with a refused credential": (
        {"ChatCredentialRefused"},
        {sends("not_sent", "CHAT_SERVICE_AUTH"): lately(1), requests(500, "CHAT_SERVICE_AUTH"): lately(1)},
    ),
    "one read with a refused credential": (
        {"ChatCredentialRefused"},
        {reads(500, "CHAT_SERVICE_AUTH"): lately(1)},
    ),
    "reads without a connection": (
        {"ChatServiceUnreachable"},
        {reads(500, "CHAT_SERVICE_UNAVAILABLE"): from_then_on(20)},
    ),
    "no accounts": (
        {"SendsFailing", "AccountServiceFailing"},
        unsent("refused", "ACCOUNT_SERVICE_UNAVAILABLE") | {lookups("failed"): from_then_on(20)},
    ),
    "no place to wait": (
        {"SendsFailing", "Overloaded"},
        unsent("OVERLOADED", "OVERLOADED"),
    ),
    "something else answers 404": (
        {"SendsRefused"},
        {
            sends("sent", "accepted"): from_then_on(0, 50),
            sends("not_sent", "INVALID_CONVERSATION_ID"): from_then_on(50, 1),
        },
    ),
    "a fault of ours": ({"InternalErrors"}, {requests(500, "INTERNAL_ERROR"): lately(1)}),
    "slow answers": ({"ChatServiceSlow"}, {FAST: from_then_on(30, 50), SLOW: from_then_on(40, 50)}),
    "a store that is lost": ({"StoreLost"}, {LOST: turns(0, 1)}),
    "a key server that is gone": ({"KeysStale"}, {STALE: turns(0, 2)}),
    "a worker without keys": ({"KeysMissing"}, {READY: turns(2, 1)}),
    "no worker with keys": ({"KeysMissing", "NotReady"}, {READY: turns(2, 0)}),
    "no worker": ({"NotReady"}, {READY: gone(2), WORKERS: gone(2)}),
    "a log that nobody reads": (
        {"AnswersStuck"},
        QUIET | {IN_FLIGHT: turns(3, 64)},
    ),
    "workers that die": ({"WorkersDying"}, {STARTED: from_then_on(1.5)}),
    "a machine that is gone": ({"InstanceDown"}, {UP: turns(1, 0)}),
    "a target that was forgotten": ({"InstanceDown"}, {UP: gone(1)}),
}


def hold(tmp_path: Path, changes: Mapping[str, str], expected: Mapping[int, Sequence[str]]) -> None:
    """Half a minute after these, between two scrapes, where `increase` adds most, exactly these alerts fire."""
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values} for name, values in {**HEALTHY, **changes}.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{minute}m30s",
                        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
                    }
                    for minute, names in expected.items()
                ],
            }
        ],
    }
    # YAML is a superset of JSON.
    (tmp_path / "test.yml").write_text(json.dumps(document))
    promtool("test", "rules", str(tmp_path / "test.yml"))


@pytest.mark.parametrize("case", SILENT)
def test_nothing_fires(tmp_path: Path, case: str) -> None:
    """While all is well, at what is not worth a call, and at what callers do to themselves."""
    hold(tmp_path, SILENT[case], {minute: [] for minute in range(1, LATE)})


@pytest.mark.parametrize("case", FIRING)
def test_exactly_these_fire(tmp_path: Path, case: str) -> None:
    """Soon after it begins, and not before."""
    names, changes = FIRING[case]
    hold(tmp_path, changes, {CALM: [], SOON: sorted(names)})


def test_every_alert_is_tried() -> None:
    """Each fires in one of the cases."""
    declared = {line.split()[-1] for line in RULES.read_text().splitlines() if "- alert:" in line}
    assert set.union(*(names for names, _ in FIRING.values())) == declared
