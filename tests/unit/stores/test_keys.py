"""What every store promises of idempotency keys."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from app.errors import Outcome
from app.stores import Claim, ClaimState, Store, StoreLostError
from tests.unit.stores.hammer import CONTEXT
from tests.unit.stores.opened import open_store

pytestmark = pytest.mark.enable_socket

LEASE = 60.0
# A lease that is over when it begins: its owner is dead.
DEAD = 0.0


def claim(
    store: Store, key: str, owner: str, fingerprint: str = "print", *, lease: float = LEASE, again: bool = False
) -> Claim:
    return store.claim(key, fingerprint, owner, lease=lease, again=again)


def test_a_new_key_is_the_askers(store: Store, key: str) -> None:
    """Nobody knew it, so the first who asks may send."""
    assert Claim(ClaimState.NEW) == claim(store, key, "first")


def test_a_key_in_progress_is_nobody_elses(store: Store, key: str) -> None:
    """Until it is settled or its lease has run out."""
    claim(store, key, "first")
    assert claim(store, key, "second").state == ClaimState.IN_PROGRESS


def test_a_sent_key_gives_the_first_answer_to_the_byte(store: Store, key: str) -> None:
    """Whatever bytes it has, as often as it is asked for."""
    answer = bytes(range(256)) * 200
    claim(store, key, "first")
    store.settle(key, "print", "first", "sent", answer)

    assert [Claim(ClaimState.SENT, answer)] * 3 == [claim(store, key, f"repeated {n}") for n in range(3)]


def test_a_key_with_another_fingerprint_is_reused(store: Store, key: str) -> None:
    """In progress, sent or unknown: the fingerprint comes first."""
    claim(store, key, "first")
    states = [claim(store, key, "second", "other").state]
    for outcome in ("unknown", "sent"):
        store.settle(key, "print", "first", outcome, b"answer")
        states.append(claim(store, key, "second", "other", again=True).state)

    assert states == [ClaimState.REUSED] * 3


def test_not_sent_gives_the_key_back(store: Store, key: str) -> None:
    """To anybody, also with another fingerprint."""
    claim(store, key, "first")
    store.settle(key, "print", "first", "not_sent", b"")

    assert claim(store, key, "second", "other").state == ClaimState.NEW


def test_a_claim_whose_owner_died_is_unknown(store: Store, key: str) -> None:
    """A lease that ran out unsettled leaves the outcome unknown, for good."""
    claim(store, key, "first", lease=DEAD)
    assert [claim(store, key, "second").state for _ in range(2)] == [ClaimState.UNKNOWN] * 2


def test_a_late_owner_still_settles(store: Store, key: str) -> None:
    """Its lease ran out, nobody may have sent meanwhile, so what it knows is true."""
    claim(store, key, "first", lease=DEAD)
    store.settle(key, "print", "first", "sent", b"answer")

    assert Claim(ClaimState.SENT, b"answer") == claim(store, key, "second")


def test_unknown_is_kept(store: Store, key: str) -> None:
    """It is told to everybody and never becomes anybody's."""
    claim(store, key, "first")
    store.settle(key, "print", "first", "unknown", b"")

    assert [claim(store, key, "second").state for _ in range(2)] == [ClaimState.UNKNOWN] * 2


@pytest.mark.parametrize("how", ["settled", "died"])
def test_unknown_may_be_claimed_again_where_the_receiver_dedupes(store: Store, key: str, how: str) -> None:
    """With `again` one asker gets it, and the one before it can no longer settle."""
    claim(store, key, "first", lease=LEASE if how == "settled" else DEAD)
    if how == "settled":
        store.settle(key, "print", "first", "unknown", b"")

    states = [claim(store, key, owner, again=True).state for owner in ("second", "third")]
    store.settle(key, "print", "first", "not_sent", b"")

    assert states == [ClaimState.NEW, ClaimState.IN_PROGRESS]
    assert claim(store, key, "fourth").state == ClaimState.IN_PROGRESS


def test_only_the_owner_settles(store: Store, key: str) -> None:
    """What somebody else says of a claim is not recorded."""
    claim(store, key, "first")
    store.settle(key, "print", "second", "not_sent", b"")
    store.settle(key, "print", "second", "sent", b"answer")

    assert claim(store, key, "third").state == ClaimState.IN_PROGRESS


@pytest.mark.parametrize("outcome", ["sent", "unknown"])
def test_an_outcome_is_recorded_where_the_claim_is_forgotten(store: Store, key: str, outcome: Outcome) -> None:
    """As behind a replica that the claim never reached: the owner knows it, and a repeat must not be sent."""
    store.settle(key, "print", "first", outcome, b"answer")

    assert claim(store, key, "second", "other").state == ClaimState.REUSED
    assert claim(store, key, "third") == Claim(ClaimState(outcome), b"answer")


def test_not_sent_needs_no_record_where_the_claim_is_forgotten(store: Store, key: str) -> None:
    """The key is free, as it should be."""
    store.settle(key, "print", "first", "not_sent", b"")

    assert claim(store, key, "second", "other").state == ClaimState.NEW


def test_of_many_threads_one_gets_the_key(store: Store, key: str) -> None:
    """50 ask at once: one may send, 49 are told that it is in progress."""
    with ThreadPoolExecutor(50) as pool:
        states = [made.state for made in pool.map(lambda n: claim(store, key, f"owner {n}"), range(50))]

    assert {state: states.count(state) for state in set(states)} == {ClaimState.NEW: 1, ClaimState.IN_PROGRESS: 49}


def _claims_of(url: str, owner: str) -> list[str]:
    store = open_store(url)
    try:
        return [str(_claimed(store, f"key {n}", owner).state) for n in range(100)]
    finally:
        store.close()


def _claimed(store: Store, key: str, owner: str) -> Claim:
    while True:
        # A slow disk can hold a file for longer than a call waits; who claimed finds the key its own.
        with suppress(StoreLostError):
            return claim(store, key, owner)


def test_of_many_processes_one_gets_each_key(shared_url: str) -> None:
    """Four processes race for 100 keys, and each key is given out once."""
    with CONTEXT.Pool(4) as pool:
        answers = pool.starmap(_claims_of, [(shared_url, f"owner {n}") for n in range(4)])
        # Ended by itself: a SIGTERM that is handled in Python, as under coverage, can be missed by one that waits.
        pool.close()
        pool.join()

    assert [states.count("new") for states in zip(*answers, strict=True)] == [1] * 100


def test_keys_outlive_a_store_that_is_closed(shared_url: str) -> None:
    """A restart of the service forgets nothing."""
    first = open_store(shared_url)
    claim(first, "outliving", "first")
    first.settle("outliving", "print", "first", "sent", b"answer")
    first.close()

    second = open_store(shared_url)
    try:
        assert Claim(ClaimState.SENT, b"answer") == claim(second, "outliving", "second")
    finally:
        second.close()
