"""The SQL and the Lua mean what `admit` means."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.stores.failover import FailoverStore
from app.stores.records import SECOND, WIDTH, admit
from app.stores.redis import WINDOW_PREFIX
from tests.unit.stores.opened import open_store
from tests.unit.stores.servers import Server

pytestmark = pytest.mark.enable_socket

WINDOW = 100
LIMIT = 3

Replace = Callable[[str, str], None]
Read = Callable[[str], str]


@pytest.fixture
def sqlite_record(sqlite_url: str, tmp_path: Path) -> tuple[str, Replace, Read]:
    """The store's URL, and how a test writes and reads a record behind its back."""

    def connect() -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(tmp_path / "state.sqlite3", isolation_level=None))

    def replace(key: str, stamps: str) -> None:
        with connect() as connection:
            connection.execute("UPDATE windows SET stamps = ? WHERE key = ?", (stamps, key))

    def read(key: str) -> str:
        with connect() as connection:
            return str(connection.execute("SELECT stamps FROM windows WHERE key = ?", (key,)).fetchone()[0])

    return sqlite_url, replace, read


@pytest.fixture
def redis_record(valkey: Server) -> tuple[str, Replace, Read]:
    """As above."""

    def replace(key: str, stamps: str) -> None:
        with valkey.client() as client:
            client.set(WINDOW_PREFIX + key, stamps)

    def read(key: str) -> str:
        with valkey.client() as client:
            value = client.get(WINDOW_PREFIX + key)
            assert isinstance(value, bytes)
            return value.decode()

    return f"redis+unix://{valkey.socket}", replace, read


@pytest.mark.parametrize("record", ["sqlite_record", "redis_record"])
@pytest.mark.parametrize(
    "ages",
    [
        pytest.param([], id="no admission"),
        pytest.param([50], id="one"),
        pytest.param([99, 50, 10], id="full"),
        pytest.param([101, 50, 10], id="the third latest just left"),
        pytest.param([99, 98, 97, 50, 10], id="longer than the limit, full"),
        pytest.param([99, 98, 101, 50, 10], id="longer than the limit, with room"),
        pytest.param([300, 200, 150], id="all left"),
        pytest.param([50, 10, -60], id="full, clock stepped back"),
        pytest.param([50, -60], id="clock stepped back"),
        pytest.param([50, 10, -110], id="clock stepped back by more than a window"),
    ],
)
def test_every_store_decides_alike(record: str, ages: list[int], key: str, request: pytest.FixtureRequest) -> None:
    """For a record of admissions so many seconds ago, the answer and the record after it are those of `admit`."""
    url, replace, read = request.getfixturevalue(record)
    store = open_store(url)
    store.hit(key, LIMIT, WINDOW)
    now = time.time_ns() // 1000
    stamps = "".join(f"{now - age * SECOND:0{WIDTH}d}" for age in ages)
    replace(key, stamps)

    decision = store.hit(key, LIMIT, WINDOW)
    store.close()

    admitted, expected = admit(stamps, now, LIMIT, WINDOW * SECOND)
    after = read(key)
    assert decision.admitted == admitted
    assert after[:-WIDTH] == expected[:-WIDTH]
    # The newest stamp is the moment of the hit itself, which was a little later than `now`.
    assert 0 <= int(after[-WIDTH:]) - int(expected[-WIDTH:]) // 1000 * 1000 < 10 * SECOND


@pytest.mark.parametrize("record", ["sqlite_record", "redis_record"])
def test_a_damaged_window_is_its_users_alone(record: str, key: str, request: pytest.FixtureRequest) -> None:
    """The process decides about them by itself until the damage has left the record; others notice nothing."""
    url, replace, _ = request.getfixturevalue(record)
    store = FailoverStore(open_store(url), processes=1)
    for name in (key, f"{key} of somebody else"):
        store.hit(name, LIMIT, WINDOW)
    replace(key, "\x7f00000000000001" * 2)

    decisions = [store.hit(name, LIMIT, WINDOW) for name in (key, f"{key} of somebody else")]
    assert ([decision.shared for decision in decisions], store.degraded) == ([False, True], False)
    store.close()
