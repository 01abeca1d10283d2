"""The long form of the attack laboratory: `python -m tests.system.attacks.siege [--seed N] [--only WORD]`.

Prints what each scene measured, and exits with 1 if any of them saw a promise broken. It stops by itself.
"""

import sys
from collections.abc import Iterator
from functools import partial

from tests.system.attacks.mutations import mutated
from tests.system.attacks.oddities import odd
from tests.system.attacks.raw import raw
from tests.system.attacks.slow import slow
from tests.system.attacks.strange_kids import strange_kids
from tests.system.attacks.tenants import crossing, interleaved
from tests.system.attacks.tokens import forged
from tests.system.faults.playing import Scene, play
from tests.system.servers import PRELOADED


def scenes() -> Iterator[tuple[str, Scene]]:
    """All scenes at full length, by names that `--only` looks into."""
    yield "tokens: forged", forged
    yield "tokens: changed", partial(mutated, count=100_000)
    yield "tokens: strange kids", partial(strange_kids, count=10_000, seconds=70)
    yield "tenants: crossing", partial(crossing, count=50)
    yield "tenants: interleaved", partial(interleaved, count=10_000)
    yield "tenants: interleaved, preloaded", partial(interleaved, count=10_000, kind=PRELOADED)
    yield "requests: mangled", partial(raw, count=10_000)
    yield "requests: odd", partial(odd, rounds=8)
    yield "connections: slow", slow


if __name__ == "__main__":
    sys.exit(play("Sends all that is hostile to a real service.", scenes()))
