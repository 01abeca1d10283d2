"""How the long form of a laboratory is played: `python -m … [--seed N] [--only WORD]`."""

import argparse
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

from tests.system.faults.stage import Report, Stage

Scene = Callable[[Stage], Report]


def play(description: str, scenes: Iterable[tuple[str, Scene]]) -> int:
    """Play the scenes whose names have the word that was asked for, and print what each measured.

    Returns 1 if any of them saw a promise broken. It stops by itself.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--only", default="", help="scenes whose names have this word")
    asked = parser.parse_args()
    # Whoever ends it early gets rid of what it has started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = [(name, scene) for name, scene in scenes if asked.only in name]
    if not wanted:
        parser.error(f"no scene's name has {asked.only!r} in it")
    broken: list[str] = []
    threading.excepthook = lambda details: broken.append(f"in the laboratory: {details.exc_value!r}")
    begun = monotonic()
    say(f"seed {asked.seed}")
    for name, scene in wanted:
        broken += [f"{name}: {violation}" for violation in _play(scene, asked.seed).violations]
    say(f"== {monotonic() - begun:.0f} s, seed {asked.seed}, VIOLATIONS: {len(broken)}", *sorted(set(broken)))
    return min(len(broken), 1)


def _play(scene: Scene, seed: int) -> Report:
    begun = monotonic()
    # The path of a Unix socket, which Valkey has below it, may not be long.
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, Stage(Path(folder), seed) as stage:
        try:
            report = scene(stage)
        except AssertionError as error:
            # What the harness waits for in vain is broken too, and the other scenes are still worth playing.
            report = Report("a scene that could not be played", violations=[str(error)])
    report.figures["scene (s)"] = round(monotonic() - begun, 1)
    say(str(report))
    return report


def say(*lines: str) -> None:
    """Print the lines now."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()
