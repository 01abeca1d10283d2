"""A good token, changed at random: no change verifies, and none is answered anything but 401."""

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random
from time import monotonic

from tests.people import ACME, CONVERSATION, token
from tests.system.attacks.ground import TEXT, Lane, in_lanes, serve, watched
from tests.system.attacks.oracles import no_entry
from tests.system.faults.stage import Report, Stage
from tests.unit.keys import pem, signed

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# What a field's value may have (RFC 9110 section 5.5). White space around it is no part of it.
_VALUE = LETTERS + ".=+/~%!\"'(),:;<>?@[]{}|^`$&#* \t" + "".join(map(chr, range(0x80, 0x100)))

Change = Callable[[Random, str], str]


def _replaced(random: Random, good: str) -> str:
    at = random.randrange(len(good))
    return good[:at] + random.choice(LETTERS) + good[at + 1 :]


def _replaced_by_anything(random: Random, good: str) -> str:
    at = random.randrange(len(good))
    return good[:at] + "".join(random.choices(_VALUE, k=random.randint(1, 4))) + good[at + random.randint(0, 4) :]


def _exchanged(random: Random, good: str) -> str:
    letters = list(good)
    one, other = random.sample(range(len(good)), 2)
    letters[one], letters[other] = letters[other], letters[one]
    return "".join(letters)


def _cut(random: Random, good: str) -> str:
    begin, end = sorted(random.sample(range(len(good) + 1), 2))
    return good[:begin] + good[end:]


def _doubled(random: Random, good: str) -> str:
    begin, end = sorted(random.sample(range(len(good) + 1), 2))
    return good[:end] + good[begin:]


def _flipped(random: Random, good: str) -> str:
    """A bit of what one of the parts means, written in base64url as it should be."""
    parts = good.split(".")
    which = random.randrange(3)
    data = bytearray(base64.urlsafe_b64decode(parts[which] + "=="))
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    parts[which] = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return ".".join(parts)


def _respelt(random: Random, good: str) -> str:
    """Another spelling of the same bytes: other spare bits at the end of a part, padding, another alphabet."""
    parts = good.split(".")
    which = random.randrange(3)
    part = parts[which]
    spare = {0: 0, 2: 4, 3: 2}[len(part) % 4]
    last = LETTERS.index(part[-1])
    spellings = [part[:-1] + LETTERS[last ^ bits] for bits in range(1, 1 << spare)]
    spellings += [part + "=", part + "==", part.replace("-", "+").replace("_", "/"), f"{part}~"]
    parts[which] = random.choice(spellings)
    return ".".join(parts)


CHANGES: tuple[Change, ...] = (
    _replaced,
    _replaced_by_anything,
    _exchanged,
    _cut,
    _doubled,
    _flipped,
    _respelt,
)


def mutants(random: Random, good: Sequence[str], count: int) -> Iterator[tuple[str, str]]:
    """So many tokens, none of them one of the good ones, each with the name of what was changed."""
    while count:
        change = random.choice(CHANGES)
        text = change(random, random.choice(good))
        # These would be good tokens after all: the same one, or one with white space around it.
        if text.strip(" \t") not in good:
            count -= 1
            yield change.__name__.strip("_"), text


def _present(text: str) -> bytes:
    body = json.dumps({"message_body": TEXT}).encode()
    head = f"POST /v1/send-message/{ACME}/{CONVERSATION} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {text}\r\n"
    framing = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + framing).encode("latin-1") + body


def _refused(lane: Lane, mutant: tuple[str, str]) -> list[str]:
    change, text = mutant
    # Nothing but spaces behind the scheme presents no token.
    presented = text.strip(" \t") != ""
    return [f"{change}: {wrong}" for wrong in no_entry(lane.exchange(_present(text)), presented=presented)]


@watched
def mutated(stage: Stage, count: int) -> Report:
    """`count` changed tokens over connections that are kept, half of them against key pairs."""
    key = stage.folder / "key"
    key.write_text(pem("P-256"))
    pair = {"JWT_SECRET": "", "JWT_ALGORITHMS": "ES256", "JWT_PUBLIC_KEY_FILE": str(key)}
    good = {"HS256": [token(), token("a-member-2")], "ES256": [signed("ES256")]}
    ports = {"HS256": serve(stage).port, "ES256": serve(stage, pair).port}
    report = Report(f"{count} changed tokens")
    for algorithm, port in ports.items():
        changed = list(mutants(stage.random, good[algorithm], count // 2))
        begun = monotonic()
        report.violations += [f"{algorithm}, {wrong}" for wrong in in_lanes(port, changed, _refused)]
        report.figures[algorithm] = dict(Counter(change for change, _ in changed).most_common())
        report.figures[f"{algorithm}: refused per second"] = round(len(changed) / (monotonic() - begun))
        with Lane(port) as lane:
            statuses = {lane.exchange(_present(text)).status for text in good[algorithm]}
        report.violations += [f"{status} to a good token" for status in statuses - {200}]
    sent = len(stage.ledger.entries)
    report.figures["messages of good tokens, and of others"] = [3, sent - 3]
    report.violations += ["a changed token was good for a message"] * (sent - 3)
    return report
