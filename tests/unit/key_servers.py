"""A key server on loopback, the key sets that it answers, and a clock for those who fetch them."""

import json
import threading
from collections.abc import Callable
from typing import Any, Self

import jwt

from app.tokens.fetched import MAX_SET_BYTES, FetchedKeys
from app.tokens.keys import KeySource
from app.tokens.verifier import TokenVerifier
from app.upstream.slots import Slots
from app.upstream.transport import Transport
from tests.people import AUDIENCE, ISSUER, claims
from tests.unit.keys import private_key, segment
from tests.unit.upstream.peers import Caller, Peer

PATIENCE = 20.0
ALGORITHMS = ("RS256", "ES256", "EdDSA")
_READERS = {"R": "RS256", "a": "RS256", "w": "RS256", "P": "ES256", "E": "EdDSA"}

Behaviour = Callable[[Caller], None]


def jwk(kind: str, **changes: Any) -> dict[str, Any]:
    """The public key of this kind as an entry of a set; a change to None leaves the member out."""
    algorithm: Any = jwt.get_algorithm_by_name(_READERS[kind[0]])
    entry: dict[str, Any] = algorithm.to_jwk(private_key(kind).public_key(), as_dict=True)
    entry = {**entry, "kid": kind, "use": "sig", "key_ops": None, **changes}
    return {name: value for name, value in entry.items() if value is not None}


def key_set(*kinds: str) -> bytes:
    """The set of these keys; each is named as its kind."""
    return json.dumps({"keys": [jwk(kind) for kind in kinds]}).encode()


def signed(kind: str, algorithm: str, **header: Any) -> str:
    """A good token of the key of this kind; its header names the key unless told otherwise."""
    named = {name: value for name, value in {"kid": kind, **header}.items() if value is not None}
    return jwt.encode(claims(), private_key(kind), algorithm=algorithm, headers=named)


def forged(kid: str) -> str:
    """A token that is good but for its signature, of a key that nobody has."""
    parts = [{"alg": "RS256", "kid": kid}, claims()]
    return ".".join([*(segment(json.dumps(part).encode()) for part in parts), segment(bytes(256))])


def checker(keys: KeySource, algorithms: tuple[str, ...] = ALGORITHMS) -> TokenVerifier:
    """A verifier with these keys."""
    return TokenVerifier(keys, algorithms=algorithms, issuer=ISSUER, audience=AUDIENCE)


def http(status: int, body: bytes = b"", *fields: str) -> bytes:
    """An answer of these bytes."""
    lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def answers(status: int, body: bytes = b"", *fields: str) -> Behaviour:
    """Answer this."""
    return lambda caller: caller.send(http(status, body, *fields))


def publishes(*kinds: str) -> Behaviour:
    """Answer the set of these keys."""
    return answers(200, key_set(*kinds))


class KeyServer:
    """Does to each request what `behaviour` says then; `asked` is set when a request is there."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked = threading.Event()
        self._peer = Peer(self._serve)
        self.url = self._peer.url

    @property
    def fetches(self) -> int:
        """How many requests there were."""
        return len(self._peer.requests)

    def __enter__(self) -> Self:
        self._peer.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._peer.__exit__()

    def _serve(self, caller: Caller) -> None:
        while True:
            caller.request()
            self.asked.set()
            self.behaviour(caller)


class Time:
    """A clock that stands still. Who waits goes on when it is moved, or when told that an event came, or fails."""

    def __init__(self) -> None:
        # What ends whoever waits, if anything.
        self.fault: BaseException | None = None
        self._now = 1000.0
        self._over = False
        self._waiting: Callable[[], bool] | None = None
        self._changed = threading.Condition()

    def __call__(self) -> float:
        return self._now

    def wait(self, event: threading.Event, seconds: float) -> None:
        """As threading.Event.wait, on this clock; at once when time is over."""
        until = self._now + seconds
        with self._changed:
            self._waiting = lambda: bool(self._over or self.fault or event.is_set() or self._now >= until)
            self._changed.notify_all()
            self._changed.wait_for(self._waiting)
            self._waiting = None
        if self.fault:
            raise self.fault

    def advance(self, seconds: float = 0.0) -> None:
        """Move the clock; returns when who waited has done all that was due, and waits again."""
        with self._changed:
            self._now += seconds
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._waiting and not self._waiting(), PATIENCE)

    def start(self, seconds: float) -> None:
        """Move the clock and wait for nothing."""
        with self._changed:
            self._now += seconds
            self._changed.notify_all()

    def end(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


class Fetching:
    """Fetched keys with a verifier, on a clock of their own, for one `with` block."""

    def __init__(self, url: str, *, slots: Slots | None = None, transport: Transport | None = None) -> None:
        self.time = Time()
        self._transport = transport or Transport(max_body_bytes=MAX_SET_BYTES)
        self.keys = FetchedKeys(
            url,
            ALGORITHMS,
            transport=self._transport,
            slots=slots or Slots(8),
            clock=self.time,
            wait=self.time.wait,
        )
        self.verify = checker(self.keys).verify

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.time.end()
        self.keys.close()
        self._transport.close()
