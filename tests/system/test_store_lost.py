"""The store is lost, and comes back: nobody's request fails, and neither side admits more than 30."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.system.clients import Answer, Connection, sending, together
from tests.system.conftest import Serve
from tests.system.faults.losses import Loss, file_held
from tests.system.processes import await_until
from tests.system.servers import Server, gunicorn
from tests.system.standins import Services
from tests.unit.stores.servers import Server as Valkey

pytestmark = pytest.mark.system

LOST, BACK = "store lost", "store back"
BACK_WITHIN_SECONDS = 35
# With two workers each keeps half of 30.
SHARE = 15


@pytest.fixture(params=["valkey killed", "valkey stopped", "file held"])
def loss(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loss]:
    """Each way to lose a store that runs."""
    if request.param == "file held":
        with file_held(tmp_path) as held:
            yield held
        return
    valkey: Valkey = request.getfixturevalue("valkey")
    killed = request.param == "valkey killed"
    lose, restore = (valkey.kill, valkey.start) if killed else (valkey.pause, valkey.resume)
    yield Loss(request.getfixturevalue("valkey_url"), lose, restore)


@pytest.fixture(params=["valkey not started", "no folder for the file"])
def absence(request: pytest.FixtureRequest, tmp_path: Path) -> Loss:
    """Each way in which there is no store yet."""
    if request.param == "valkey not started":
        valkey: Valkey = request.getfixturevalue("stopped_valkey")
        return Loss(request.getfixturevalue("valkey_url"), lambda: None, valkey.start)
    in_the_way = tmp_path / "folder"
    in_the_way.touch()
    return Loss(f"sqlite:///{in_the_way}/state.sqlite3", lambda: None, in_the_way.unlink)


def connections(server: Server, stack: ExitStack, each: int = 1) -> list[Connection]:
    """Connections of which each worker holds as many, worker by worker."""
    pids = [pid for pid in server.pids() for _ in range(each)]
    return [stack.enter_context(server.connect_to(pid)) for pid in pids]


def keep_sending(connection: Connection, name: str, ended: threading.Event) -> list[Answer]:
    """Send until the event, as one user after the other, so that nobody reaches any limit."""
    answers: list[Answer] = []
    while not ended.is_set():
        answers.append(connection.ask(sending(f"a-member-{name}-{len(answers) // 10}")))
    return answers


def lose_under_way(server: Server, services: Services, loss: Loss) -> list[Answer]:
    """The answers of eight senders, four at each worker, in whose midst the store is lost."""
    ended = threading.Event()

    def lose() -> list[Answer]:
        try:
            services.ledger.await_entries(80)
            loss.lose()
            server.await_events(LOST, count=2)
            services.ledger.await_entries(len(services.ledger.entries) + 80)
        finally:
            ended.set()
        return []

    with ExitStack() as stack:
        held = connections(server, stack, each=4)
        calls: list[Callable[[], list[Answer]]] = [
            partial(keep_sending, connection, str(n), ended) for n, connection in enumerate(held)
        ]
        return [answer for answers in together([*calls, lose]) for answer in answers]


def each_worker_admits_its_share(server: Server, user: str) -> None:
    """Of 20 sends of one user at each worker 15 are sent, the rest refused; together that is the limit."""
    with ExitStack() as stack:
        for connection in connections(server, stack):
            answers = [connection.ask(sending(user)) for _ in range(20)]
            assert [answer.status for answer in answers] == [200] * SHARE + [429] * 5
            assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"30"}


def workers_share_the_limit(server: Server, user: str) -> None:
    """Of 40 sends of one user, in turn at each worker, 30 are sent, with 29 to 0 left."""
    with ExitStack() as stack:
        in_turn = islice(cycle(connections(server, stack)), 40)
        answers = [connection.ask(sending(user)) for connection in in_turn]
        assert [answer.status for answer in answers] == [200] * 30 + [429] * 10
        assert [answer.remaining for answer in answers[:30]] == list(range(29, -1, -1))


def test_losing_the_store_fails_no_request(
    serve: Serve, services: Services, loss: Loss, record_property: Callable[[str, object], None]
) -> None:
    """All answers stay 200, one of each sender late at most; then the local limit holds, later the shared one.

    The log of each process says lost, and back within 35 s.
    """
    server = serve(STORE_URL=loss.url)
    workers_share_the_limit(server, "a-member-before")

    answers = lose_under_way(server, services, loss)
    slowest = max(answer.seconds for answer in answers)
    record_property("slowest_answer_seconds", round(slowest, 3))
    print(f"slowest of {len(answers)} answers: {slowest:.3f} s")  # noqa: T201 - a figure for those who look
    assert {answer.status for answer in answers} == {200}
    assert slowest < 2

    each_worker_admits_its_share(server, "a-member-meanwhile")
    loss.restore()
    server.await_events(BACK, count=2, seconds=BACK_WITHIN_SECONDS)
    workers_share_the_limit(server, "a-member-after")
    assert [len(server.events(event)) for event in (LOST, BACK)] == [2, 2]


def test_the_service_starts_without_its_store(serve: Serve, absence: Loss) -> None:
    """It is ready and sends, with the local limit until the store is there, then with the shared one."""
    server = serve(STORE_URL=absence.url)

    each_worker_admits_its_share(server, "a-member-meanwhile")
    await_until(lambda: len(server.events(LOST)) == 2, lambda: server.log)
    absence.restore()
    server.await_events(BACK, count=2, seconds=BACK_WITHIN_SECONDS)
    workers_share_the_limit(server, "a-member-after")


def test_workers_know_how_many_they_are(prepare: Serve, tmp_path: Path) -> None:
    """Where the command line overrules WEB_CONCURRENCY, the local limit is still divided by the real number."""
    (tmp_path / "file").touch()
    server = prepare(gunicorn("-w", "2"), STORE_URL=f"sqlite:///{tmp_path}/file/state", WEB_CONCURRENCY="1")

    each_worker_admits_its_share(server.start(workers=2), "a-member")
