"""What is said to Redis: one script for each decision, which the server runs without anything in between."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import redis

from app.stores.window import WIDTH

# The name in the key keeps other users of the same server, and other kinds of values, apart.
WINDOW_PREFIX = "send-message:window:"
KEY_PREFIX = "send-message:key:"


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script on a single key, so that it runs on any kind of server, cluster included."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)

    def run(self, client: "redis.Redis | redis.RedisCluster", key: str, *arguments: int | str | bytes) -> Any:  # noqa: ANN401 - as Redis answers
        """One round trip, or two on a server that does not know the script yet; raises redis.RedisError."""
        try:
            return client.evalsha(self.sha, 1, key, *arguments)
        except redis.exceptions.NoScriptError:
            return client.eval(self.text, 1, key, *arguments)


# `app.stores.window.admit` in Lua. TIME is the server's clock, so the clocks of the machines that ask do not
# matter. Lua's numbers hold microseconds exactly until the year 2255, but print them in 14 digits by default.
HIT = Script(f"""
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
""")

# `app.stores.keys` in Lua, on a hash. Arguments: fingerprint, owner, lease, kept (both in microseconds), again.
CLAIM = Script("""
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
""")

# Arguments: owner, outcome, answer.
SETTLE = Script("""
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
if ARGV[2] == 'not_sent' then
  return redis.call('DEL', KEYS[1])
end
return redis.call('HSET', KEYS[1], 'state', ARGV[2], 'answer', ARGV[3])
""")
