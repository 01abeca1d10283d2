"""A healthy hour of the service as Prometheus sees it, and ways in which it goes wrong, in promtool's notation."""

from collections.abc import Mapping

# Minutes: what goes wrong begins after CALM, and is looked at SOON after that and long after.
CALM, SOON, LATE = 30, 47, 60
INSTANCE = 'instance="one", job="send-message"'
ROUTE = 'route="/v1/send-message/<company_id>/<conversation_id>"'


def metric(name: str, *labels: str) -> str:
    """A series of the instance."""
    return f"send_message_{name}{{{', '.join((INSTANCE, *labels))}}}"


def sends(outcome: str, reason: str) -> str:
    """Sends that ended so."""
    return metric("sends_total", f'outcome="{outcome}"', f'reason="{reason}"')


def requests(status: int, code: str, asked: tuple[str, str] = ("POST", ROUTE)) -> str:
    """Answers to sends, or to whatever is asked with another method and route."""
    method, route = asked
    return metric("requests_total", f'method="{method}"', route, f'status="{status}"', f'code="{code}"')


def reads(status: int, code: str) -> str:
    """Answers to requests that ask the chat service for something."""
    return requests(status, code, ("GET", 'route="/v1/fetch-contacts/<company_id>"'))


def upstream(bound: str) -> str:
    """Exchanges with the chat service that took no more seconds."""
    return metric("stage_seconds_bucket", ROUTE, 'stage="upstream"', f'le="{bound}"')


def lookups(result: str) -> str:
    """Account look-ups that ended so."""
    return metric("account_lookups_total", f'result="{result}"')


def steady(each: float) -> str:
    """A counter that grows by so much a minute."""
    return f"0+{each}x{LATE}"


def from_then_on(each: float, before: float = 0) -> str:
    """A counter that grows by `each` a minute when things go wrong, and before that by `before`."""
    return f"0+{before}x{CALM} {before * CALM + each}+{each}x{LATE - CALM}"


def once(times: int) -> str:
    """A counter that has grown by so much, once."""
    return f"0x{CALM} {times}x{LATE - CALM}"


def lately(times: int) -> str:
    """A counter that has grown by so much, once, a little before SOON."""
    return f"0x{SOON - 4} {times}x{LATE}"


def turns(before: object, after: object) -> str:
    """A gauge."""
    return f"{before}x{CALM} {after}x{LATE - CALM}"


def gone(before: object) -> str:
    """A series that ends."""
    return f"{before}x{CALM} stale"


UP = f"up{{{INSTANCE}}}"
STALE, READY, WORKERS = metric("keys_stale_workers"), metric("workers_ready"), metric("workers")
WANTED = metric("workers_wanted")
DRAINING, LOST, STARTED = metric("draining"), metric("store_lost_workers"), metric("workers_started_total")
IN_FLIGHT, SLOTS = metric("in_flight"), metric("slots")
FAST, SLOW, SLOWER, ALL = (upstream(bound) for bound in ("0.5", "2.5", "10", "+Inf"))
COUNT = metric("stage_seconds_count", ROUTE, 'stage="upstream"')
# One send a second, of which some are refused for what their callers did.
HEALTHY: Mapping[str, str] = {
    UP: f"1x{LATE}",
    sends("sent", "accepted"): steady(50),
    sends("sent", "replayed"): steady(1),
    sends("not_sent", "RATE_LIMIT_EXCEEDED"): steady(5),
    sends("not_sent", "INVALID_CONVERSATION_ID"): steady(1),
    sends("not_sent", "NO_ACCOUNT"): steady(1),
    sends("not_sent", "MESSAGE_REJECTED"): steady(1),
    sends("not_sent", "IDEMPOTENCY_IN_PROGRESS"): steady(1),
    requests(200, "none"): steady(51),
    requests(500, "INTERNAL_ERROR"): steady(0),
    FAST: steady(50),
    SLOW: steady(50),
    SLOWER: steady(50),
    ALL: steady(50),
    COUNT: steady(50),
    lookups("remembered"): steady(30),
    lookups("asked"): steady(20),
    STALE: f"0x{LATE}",
    WORKERS: f"2x{LATE}",
    READY: f"2x{LATE}",
    WANTED: f"2x{LATE}",
    DRAINING: f"0x{LATE}",
    LOST: f"0x{LATE}",
    IN_FLIGHT: f"3x{LATE}",
    SLOTS: f"48x{LATE}",
    # A deploy a quarter of an hour.
    STARTED: f"{'0x14 '}2x14 4x14 6x{LATE - 44}",
}
QUIET = {name: f"0x{LATE}" for name in HEALTHY if "s_total" in name or "upstream" in name}


def unsent(reason: str, code: str, each: float = 20) -> dict[str, str]:
    """Sends that are answered so, when things go wrong."""
    return {sends("not_sent", reason): from_then_on(each), requests(500, code): from_then_on(each)}
