"""The store for several machines: Redis or Valkey, as a single server, with sentinels, or as a cluster."""

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from redis.exceptions import ResponseError

from app.errors import Outcome
from app.stores import Claim, Decision, StoreLostError, UnreadableRecordError
from app.stores.records import KEPT, SECOND, WIDTH, decide, judge, lifetime
from app.stores.redis.servers import LOST, Call, Servers

CALL_SECONDS = 0.2
# A probe may have to find a new master among servers that do not respond, and no request waits for it.
PROBE_SECONDS = 1.0

# Errors of parsing a reply that is not one of our scripts'.
_UNREADABLE = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)

# The prefixes keep our keys apart from those of other users of the server, and windows from keys.
WINDOW_PREFIX = "send-message:window:"
KEY_PREFIX = "send-message:key:"

# `app.stores.records.admit` in Lua. TIME is the server's clock, so the clients' clocks do not matter. Lua's
# numbers hold microseconds exactly until the year 2255, but print 14 digits by default.
HIT = f"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local length, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local stamps = redis.call('GET', KEYS[1]) or ''
local newest = tonumber(string.sub(stamps, -{WIDTH})) or 0
if newest > now + window then
  stamps, newest = '', 0
end
local admitted = #stamps < length
  or tonumber(string.sub(stamps, -length, {WIDTH - 1} - length)) <= now - window
if admitted then
  local stamp = math.max(now, newest)
  stamps = string.sub(stamps .. string.format('%0{WIDTH}.0f', stamp), -length)
  redis.call('SET', KEYS[1], stamps, 'PX', math.ceil((stamp + window - now) / 1000))
end
return {{admitted and 1 or 0, string.format('%.0f', now), stamps}}
"""

# `app.stores.records` in Lua, on a hash. Arguments: fingerprint, owner, lease, kept (both in microseconds), again.
CLAIM = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'owner', 'state', 'lapses_at', 'answer')
local same = known[1] == ARGV[1]
local lapsed = known[4] and tonumber(known[4]) <= now
local unknown = known[3] == 'unknown' or (known[3] == 'claimed' and lapsed)
if not known[2] or (ARGV[5] == '1' and same and unknown) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'owner', ARGV[2], 'state', 'claimed',
    'lapses_at', string.format('%.0f', now + ARGV[3]))
  redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[4] / 1000))
  return {1, 1, 'claimed', 0, ''}
end
return {known[2] == ARGV[2] and 1 or 0, same and 1 or 0, known[3], lapsed and 1 or 0, known[5] or ''}
"""

# Arguments: fingerprint, owner, outcome, answer, kept (in milliseconds).
SETTLE = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[2] then
  return
end
if ARGV[3] == 'not_sent' then
  redis.call('DEL', KEYS[1])
  return
end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'owner', ARGV[2], 'state', ARGV[3], 'answer', ARGV[4])
if not owner then
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
"""
# A value of another type, or one that the script cannot compute with.
_OF_A_RECORD = re.compile("^WRONGTYPE|attempt to ")
_CODE = re.compile("[A-Z]{1,20}")


class _Reading(AbstractContextManager[None]):
    """Turns errors in reading a record into UnreadableRecordError."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, _UNREADABLE):
            raise UnreadableRecordError(type(error).__name__) from error


_reading = _Reading()


class RedisStore:
    """Windows and keys on `servers`; connects on the first call, also after a fork."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """Like `Store.hit`; the clock is the server's."""
        with self._within(CALL_SECONDS) as call:
            return self._hit(call, WINDOW_PREFIX + key, limit, window * SECOND)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """Like `Store.claim`; a failover to a replica that has not received a claim loses it."""
        record = (fingerprint, owner, *lifetime(lease), int(again))
        with self._within(CALL_SECONDS) as call:
            reply = self._servers.run(call, CLAIM, KEY_PREFIX + key, *record)
            with _reading:
                mine, same, state, lapsed, answer = reply
                return judge(mine, same, state.decode(), lapsed, answer)

    def settle(self, key: str, fingerprint: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """Like `Store.settle`."""
        with self._within(CALL_SECONDS) as call:
            self._servers.run(call, SETTLE, KEY_PREFIX + key, fingerprint, owner, outcome, answer, KEPT // 1000)

    def probe(self) -> None:
        """Like `Store.probe`: a real hit on each master, because only a write reveals a full or read-only one."""
        with self._within(PROBE_SECONDS) as call:
            for key in self._servers.samples(call, WINDOW_PREFIX + "(probe)"):
                self._hit(call, key, 1, SECOND)

    def close(self) -> None:
        """Like `Store.close`; also drops what is known about the servers."""
        self._servers.forget()

    def _hit(self, call: Call, key: str, limit: int, length: int) -> Decision:
        reply = self._servers.run(call, HIT, key, limit * WIDTH, length)
        with _reading:
            admitted, now, stamps = reply
            return decide(
                admitted=bool(admitted), now=int(now), stamps=stamps.decode(), limit=limit, window=length
            )

    @contextmanager
    def _within(self, seconds: float) -> Iterator[Call]:
        try:
            yield Call(time.monotonic() + seconds)
        except (*LOST, *_UNREADABLE) as error:
            if isinstance(error, ResponseError) and _OF_A_RECORD.search(str(error)):
                raise UnreadableRecordError(type(error).__name__) from error
            # After a server restart every idle connection is dead.
            self._servers.forget()
            raise StoreLostError(_name_of(error)) from error


def _name_of(error: Exception) -> str:
    """Return the name of the error, or its code (NOREPLICAS, MISCONF, BUSY) if redis-py has no name for that."""
    code = str(error).partition(" ")[0]
    if isinstance(error, ResponseError) and error.status_code is None and _CODE.fullmatch(code):
        return code
    return type(error).__name__
