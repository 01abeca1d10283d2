"""What the FastAPI rivals promise where they promise the same as the service."""

import json
import logging
import os
import re
import time
import uuid
from typing import Annotated

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, StrictBool, StrictStr, ValidationError
from redis.asyncio import Redis

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
LIMIT = int(os.environ["RATE_LIMIT"].split()[0])
WINDOW = 1_000_000 * {"second": 1, "minute": 60}[os.environ["RATE_LIMIT"].split()[-1]]
LIFETIME = float(os.environ.get("ACCOUNT_CACHE_SECONDS", "30"))
SECRET, ISSUER, AUDIENCE = (os.environ[name] for name in ("JWT_SECRET", "JWT_ISSUER", "JWT_AUDIENCE"))

# An exact moving window in one call.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(oldest) <= now - window do
    redis.call('LPOP', KEYS[1])
    oldest = redis.call('LINDEX', KEYS[1], 0)
end
local count = redis.call('LLEN', KEYS[1])
local admitted = count < limit
if admitted then
    redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
    redis.call('PEXPIRE', KEYS[1], window / 1000)
    count = count + 1
end
return {admitted and 1 or 0, limit - count, math.ceil((tonumber(oldest or now) + window) / 1000000)}
"""

# Not the root logger: httpx would write a line of its own for each request.
logger = logging.getLogger("send_message")
logger.addHandler(logging.StreamHandler())
logger.setLevel(logging.INFO)
logger.propagate = False
valkey = Redis.from_url(f"unix://{os.environ['VALKEY_SOCKET']}")
decide = valkey.register_script(SCRIPT)
_accounts: dict[str, tuple[float, list[dict]]] = {}


class Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


def not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("blank")
    return value


class NewMessage(BaseModel):
    message_body: Annotated[StrictStr, AfterValidator(not_blank)]


class SentMessage(BaseModel):
    model_config = ConfigDict(extra="ignore")

    conversation_id: StrictStr
    author: StrictStr
    body: StrictStr
    date_created: StrictStr
    is_me: StrictBool
    message_type: StrictStr
    sent_by_id: StrictStr
    sent_by_username: StrictStr
    message_id: StrictStr


def _once(pairs: list) -> dict:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name twice")
    return document


def _no_constant(name: str):
    raise ValueError(name)


_READER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def verified(authorization: str) -> str:
    try:
        claims = jwt.decode(
            authorization[7:],
            SECRET,
            algorithms=["HS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
    except jwt.InvalidTokenError:
        raise Refusal(401, "UNAUTHORIZED") from None
    return claims["sub"]


async def admitted(user: str) -> dict[str, str]:
    is_admitted, remaining, reset = await decide(keys=[f"limit:{user}"], args=[LIMIT, WINDOW])
    if not is_admitted:
        raise Refusal(429, "RATE_LIMIT_EXCEEDED")
    told = {"Limit": LIMIT, "Remaining": remaining, "Reset": reset}
    return {f"X-RateLimit-{name}": str(value) for name, value in told.items()}


def canonical(given: str) -> str:
    if not ID.fullmatch(given):
        raise Refusal(400, "INVALID_ID")
    return given.lower()


def accounts_of(user: str) -> list[dict] | None:
    kept = _accounts.get(user)
    return kept[1] if kept and kept[0] > time.monotonic() else None


def remember(user: str, accounts: list[dict]) -> None:
    _accounts[user] = (time.monotonic() + LIFETIME, accounts)


def account_in(company_id: str, accounts: list[dict]) -> dict:
    for account in accounts:
        if account["company_id"] == company_id:
            if account["active"] and "conversations" in account["roles"]:
                return account
            raise Refusal(403, "FORBIDDEN")
    raise Refusal(400, "NO_ACCOUNT")


def read(body: bytes) -> str:
    try:
        return NewMessage.model_validate(_READER.decode(body.decode())).message_body
    except (ValueError, ValidationError):
        raise Refusal(400, "INVALID_PARAMS") from None


def checked(status: int, content: bytes, conversation_id: str) -> bytes:
    if status != 200:
        raise Refusal(500, "SEND_OUTCOME_UNKNOWN")
    try:
        message = SentMessage.model_validate_json(content)
    except ValidationError:
        raise Refusal(500, "SEND_OUTCOME_UNKNOWN") from None
    if message.conversation_id.lower() != conversation_id:
        raise Refusal(500, "SEND_OUTCOME_UNKNOWN")
    return (
        b'{"message":"Message sent successfully!","data":'
        + message.__pydantic_serializer__.to_json(message)
        + b"}"
    )


def error_body(status: int, code: str, path: str) -> bytes:
    return json.dumps({"error": code, "code": code, "timestamp": time.time(), "path": path}).encode()


def log(request_id: str, route: str, status: int, code: str | None, user: str | None, started: float) -> None:
    line = {
        "time": time.time(),
        "level": "INFO",
        "event": "request",
        "request_id": request_id,
        "route": route,
        "status": status,
        "code": code,
        "user": user,
        "total_ms": round((time.monotonic() - started) * 1000, 2),
    }
    logger.info(json.dumps(line))


def new_id() -> str:
    return uuid.uuid4().hex
