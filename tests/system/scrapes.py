"""What the listener of METRICS_BIND tells: metrics, read with Prometheus' own client, and health."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.system.clients import Answer, Connection, Request, ask, sending
from tests.system.processes import await_until, children, command_line, is_running
from tests.system.servers import Server

# The route that sends, as metrics and logs name it.
ROUTE = "/v1/send-message/<company_id>/<conversation_id>"
_PREFIX = "send_message_"
# What may never go down while the master lives.
_GROWING = {"counter", "histogram"}

Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Scrape:
    """All samples of one answer, by their names without the prefix, and labels; `growing` is what only goes up."""

    samples: Mapping[Key, float]
    growing: frozenset[Key]

    def total(self, metric: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (name, having), value in self.samples.items() if name == metric and wanted <= having)

    def by(self, metric: str, *labels: str, **having: str) -> Counter[tuple[str, ...]]:
        """The sums for the values of some labels, without those that are 0."""
        sums = Counter[tuple[str, ...]]()
        for (name, every), value in self.samples.items():
            if name == metric and set(having.items()) <= every:
                sums[tuple(dict(every)[label] for label in labels)] += int(value)
        return +sums

    def fallen_since(self, before: "Scrape") -> list[str]:
        """What only goes up and has gone down, or is gone."""
        return [
            f"{name}{dict(labels)} fell from {before.samples[name, labels]} to {self.samples.get((name, labels))}"
            for name, labels in before.growing
            if self.samples.get((name, labels), 0) < before.samples[name, labels]
        ]


def tell(server: Server, path: str, method: str = "GET") -> Answer:
    """What the listener answers on a connection of its own."""
    with Connection(server.metrics_port) as connection:
        return connection.ask(Request(method, path))


def scrape(server: Server) -> Scrape:
    """All metrics of now."""
    answer = tell(server, "/metrics")
    assert answer.status == 200, answer
    return parse(answer.body.decode())


def parse(text: str) -> Scrape:
    """The samples of a text exposition."""
    samples, growing = dict[Key, float](), set[Key]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name.removeprefix(_PREFIX), frozenset(sample.labels.items()))
            assert key not in samples, f"twice: {sample}"
            samples[key] = sample.value
            if family.type in _GROWING:
                growing.add(key)
    return Scrape(samples, frozenset(growing))


def listeners(server: Server) -> list[int]:
    """The process that answers; there is none for a moment after it was killed."""
    running = [pid for pid in children(server.process.pid) if is_running(pid)]
    return [pid for pid in running if "config.serving.listener" in command_line(pid)]


def listener(server: Server) -> int:
    """The process that answers, which the master starts a second after the workers."""
    await_until(lambda: listeners(server), lambda: f"no listener:\n{server.log}")
    return listeners(server)[0]


def folder(server: Server) -> Path:
    """Where its workers keep what they count: the folder of the files that they have mapped."""
    maps = [line for pid in server.pids() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    (found,) = {Path(line.split(maxsplit=5)[5]).parent for line in maps if line.endswith(".db")}
    return found


def sent(server: Server) -> int:
    """How many messages its workers say that they sent."""
    return int(scrape(server).total("sends_total", outcome="sent"))


def send(server: Server, times: int) -> None:
    """So many messages, each of another user; all are sent."""
    for number in range(times):
        assert ask(server.port, sending(f"a-member-{number}")).status == 200
