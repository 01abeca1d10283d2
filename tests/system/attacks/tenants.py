"""Many users, each of one company: nobody sends in another's, and nobody gets another's answer."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from threading import Event

from tests.people import account
from tests.system.attacks.ground import Lane, in_lanes, serve, watched
from tests.system.attacks.oracles import blemishes
from tests.system.behaviours import delivered
from tests.system.clients import JSON, Request, sending
from tests.system.faults.laboratory import Act, Exchange
from tests.system.faults.stage import Report, Stage
from tests.system.servers import OURS, PRELOADED, Kind


@dataclass(frozen=True, slots=True)
class Tenant:
    """A user with the one company and the one account that are theirs."""

    number: int

    @property
    def user(self) -> str:
        """Their `sub`."""
        return f"tenant-{self.number}"

    @property
    def company(self) -> str:
        """The id of their company."""
        return f"{self.number:08x}-0000-4000-8000-000000000001"

    @property
    def account(self) -> str:
        """The id of their account there."""
        return f"account of {self.user}"


def _settle(stage: Stage, count: int) -> list[Tenant]:
    tenants = [Tenant(number) for number in range(count)]
    for tenant in tenants:
        stage.services.accounts[tenant.user] = [account(tenant.company, account_id=tenant.account)]
    return tenants


@watched
def crossing(stage: Stage, count: int) -> Report:
    """Each of so many users sends in each of their companies, and claims by all means to belong there."""
    tenants = _settle(stage, count)
    attempts = [(tenant, other) for tenant in tenants for other in tenants]
    stage.random.shuffle(attempts)
    told: Counter[str] = Counter()

    def knock(lane: Lane, attempt: tuple[Tenant, Tenant]) -> list[str]:
        tenant, other = attempt
        answer = lane.exchange(_claiming(tenant, other).to_bytes())
        told["sent" if answer.status == 200 else f"{answer.code}"] += 1
        own = tenant == other
        wrong = [] if own or answer.code == "NO_ACCOUNT" else [f"{answer.code} in another's company"]
        return [*blemishes(answer, 200 if own else 400), *wrong]

    report = Report(f"{count} users in {count} companies")
    report.violations = in_lanes(serve(stage).port, attempts, knock)
    report.figures["answers"] = dict(told)
    entries = Counter((entry.text, entry.company_id, entry.account_id) for entry in stage.ledger.entries)
    report.figures["messages sent"] = entries.total()
    mine = Counter((tenant.user, tenant.company, tenant.account) for tenant in tenants)
    report.violations += [
        f"sent too often or in vain: {message}" for message in (entries - mine) + (mine - entries)
    ]
    return report


def _claiming(tenant: Tenant, other: Tenant) -> Request:
    """A send that names the other's account wherever there is room."""
    body = {"message_body": tenant.user, "account_id": other.account, "company_id": other.company}
    headers = {"X-Company-Id": other.company, "X-Account-Id": other.account, "X-User-Id": other.user}
    request = sending(tenant.user, company=other.company, headers=headers)
    target = f"{request.target}?company_id={other.company}&account_id={other.number}"
    return replace(request, target=target, body=json.dumps(body).encode())


@dataclass(frozen=True, slots=True)
class Note:
    """A message that nobody else sends, in a conversation of its own."""

    tenant: Tenant
    number: int

    @property
    def conversation(self) -> str:
        """Its id."""
        return f"{self.number:08x}-0000-4000-8000-000000000002"

    @property
    def text(self) -> str:
        """What it says."""
        return f"canary-text {self.number} of {self.tenant.user}"

    def to_bytes(self) -> bytes:
        """The request that sends it."""
        tenant = self.tenant
        return sending(
            tenant.user,
            company=tenant.company,
            conversation=self.conversation,
            text=self.text,
            headers={**JSON, "X-Request-ID": f"request-{self.number}"},
        ).to_bytes()


def _at_random(seed: float) -> Act:
    """A chat service that delivers after as long as it likes, so that answers overtake each other."""
    random = Random(seed)  # noqa: S311 - chooses delays

    def act(exchange: Exchange) -> None:
        entry = exchange.take()
        Event().wait(random.choice((0, 0, 0.001, 0.005, 0.02, 0.05)))
        exchange.caller.send(delivered(entry))

    return act


@watched
def interleaved(stage: Stage, count: int, users: int = 50, lanes: int = 24, kind: Kind = OURS) -> Report:
    """`count` messages of so many users, of which `lanes` are always under way."""
    tenants = _settle(stage, users)
    notes = [Note(stage.random.choice(tenants), number) for number in range(count)]
    stage.laboratory.usual = _at_random(stage.random.random())
    # Look-ups are under way now and then as well.
    server = serve(stage, {"ACCOUNT_CACHE_SECONDS": "0.2"}, kind)
    report = Report(f"{count} messages of {users} users, preloaded: {kind is PRELOADED}")
    report.violations = in_lanes(server.port, notes, _sends, lanes)
    report.violations += _misdirected(stage, notes)
    entries = stage.ledger.entries
    places = {note.conversation: at for at, note in enumerate(notes)}
    order = [places[entry.conversation_id] for entry in entries]
    overtaken = sum(later < earlier for earlier, later in pairwise(order))
    report.figures |= {"messages sent": len(entries), "that overtook another": overtaken}
    report.figures["account look-ups"] = len(stage.services.lookups)
    return report


def _sends(lane: Lane, note: Note) -> list[str]:
    answer = lane.exchange(note.to_bytes())
    wrong = list(blemishes(answer, 200))
    if answer.status == 200:
        data = answer.document["data"]
        told = (data["body"], data["conversation_id"], data["sent_by_id"], answer.headers["X-Request-ID"])
        own = (note.text, note.conversation, note.tenant.account, f"request-{note.number}")
        wrong += [f"{note.number}: the answer to another message"] * (told != own)
    return wrong


def _misdirected(stage: Stage, notes: Sequence[Note]) -> list[str]:
    """Messages that the chat service had for somebody else, twice, or not at all."""
    had = Counter((entry.text, entry.company_id, entry.account_id) for entry in stage.ledger.entries)
    expected = Counter((note.text, note.tenant.company, note.tenant.account) for note in notes)
    return [f"misdirected: {message}" for message in (had - expected) + (expected - had)]
