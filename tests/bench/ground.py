"""What a measurement stands on: stub and Valkey on the callers' core, servers on theirs, all ended at its end."""

import http.client
import os
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from tests.bench.contenders import RIVALS, ROOT, Contender, Place, environ
from tests.bench.load import BenchError, Burst, Plan, Tokens, burst
from tests.bench.programs import Program, await_quiet, core_busy
from tests.people import ACME, CONVERSATION
from tests.system.processes import PATIENCE, ReservedPort
from tests.unit.stores.servers import server as valkey_server

SERVER_CORE, CALLER_CORE, BOTH_CORES = "0", "1", "0,1"
_BODY = b'{"message_body": "Hello from the bench"}'


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one server."""

    seen: Burst
    cpu: float
    # Seconds that its core was busy with something else.
    others: float = 0.0

    @property
    def cpu_per_send(self) -> float:
        """Seconds of the server's CPU for an answer."""
        return self.cpu / max(1, self.seen.good + self.seen.bad)


class Running:
    """A server that answers."""

    def __init__(
        self, contender: Contender, place: Place, program: Program, tokens: Tokens, first: str | None = None
    ) -> None:
        self.contender, self.place, self.program = contender, place, program
        self._tokens = tokens
        self._first = first or contender.asks
        self.seconds_to_start = self._await_answer()

    def measure(self, plan: Plan = Plan(), *, cores: str = CALLER_CORE) -> Sample:  # noqa: B008 - frozen
        """Ask it so, and count its CPU meanwhile, once servers asked before it have done what was left to do."""
        await_quiet(SERVER_CORE)
        before, busy = self.program.cpu(), core_busy(SERVER_CORE)
        try:
            seen = burst(
                self.place.port,
                self._tokens,
                replace(plan, method=self.contender.asks),
                cores=cores,
                checks_outcome=self.contender.keeps_promises,
            )
        except BenchError as error:
            raise BenchError(f"{self.contender.title}: {error}\n{self.program.output}") from error
        spent = self.program.cpu() - before
        alone = cores == CALLER_CORE
        return Sample(seen, spent, core_busy(SERVER_CORE) - busy - spent if alone else 0.0)

    def _await_answer(self) -> float:
        while not self._answers():
            late = time.monotonic() - self.program.started > PATIENCE
            if late or self.program.has_ended():
                raise BenchError(f"{self.contender.title} does not start:\n{self.program.output}")
            time.sleep(0.002)
        return time.monotonic() - self.program.started

    def _answers(self) -> bool:
        method, headers = self._first, {"Content-Type": "application/json"}
        path = "/v1" if method == "GET" else f"/v1/send-message/{ACME}/{CONVERSATION}"
        headers["Authorization"] = f"Bearer {self._tokens.first()}"
        with closing(http.client.HTTPConnection("127.0.0.1", self.place.port, timeout=PATIENCE)) as connection:
            try:
                connection.request(method, path, _BODY if method == "POST" else None, headers)
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False


class Ground:
    """For one `with` block: the services behind, a Valkey for those who need one, and tokens of `users` users."""

    def __init__(self, folder: Path, users: int, *, cores: str = CALLER_CORE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._cores = folder, cores
        self.tokens = Tokens(folder / "tokens", users)
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        # Of a short name, because of what it makes there.
        self._valkey = self._stack.enter_context(valkey_server(self.folder / "v"))
        assert self._valkey._process is not None
        os.sched_setaffinity(self._valkey._process.pid, set(map(int, self._cores.split(","))))
        self._port = self._reserve()
        command = [str(RIVALS / "python"), "tests/bench/stub.py", str(self._port)]
        output, environ = self.folder / "stub.log", {"PATH": "/usr/bin:/bin"}
        stub = Program(command, output, cores=self._cores, environ=environ, folder=ROOT)
        self._stub = self._stack.enter_context(stub)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def chat_url(self, delay: int | str) -> str:
        """The chat service that answers after so many milliseconds; after `hang`, never."""
        return f"http://127.0.0.1:{self._port}/{delay}/chat"

    def ask_stub(self, plan: Plan) -> Sample:
        """What callers see of the stub alone."""
        before = self._stub.cpu()
        seen = burst(self._port, self.tokens, plan, cores=CALLER_CORE, checks_outcome=False)
        return Sample(seen, self._stub.cpu() - before)

    def start(
        self, contender: Contender, *, cores: str = SERVER_CORE, first: str | None = None, **how: Any
    ) -> Running:
        """Return when it has answered for the first time, to a `first` request; it is ended with the block."""
        self._count += 1
        folder = self.folder / f"{self._count}-{contender.key}"
        folder.mkdir()
        place = Place(self._reserve(), folder, **how)
        settings = self.settings(place, contender)
        program = Program(contender.command(place), folder / "log", cores=cores, environ=settings, folder=ROOT)
        self._stack.enter_context(program)
        return Running(contender, place, program, self.tokens, first)

    def settings(self, place: Place, contender: Contender) -> dict[str, str]:
        """The environment of a server."""
        metrics = {"METRICS_BIND": f"127.0.0.1:{self._reserve()}"}
        return {**environ(place, self._port, self._valkey.socket), **metrics, **contender.environ}

    def _reserve(self) -> int:
        return self._stack.enter_context(ReservedPort()).number
