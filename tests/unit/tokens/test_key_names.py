"""Which fetched key a token is verified with, and what a name that is not known causes."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.key_servers import (
    Fetching,
    KeyServer,
    answers,
    forged,
    jwk,
    publishes,
    signed,
)
from tests.unit.keys import MEMBER, refuse
from tests.unit.tokens.fetches import EC, FAILURES, RSA

pytestmark = pytest.mark.enable_socket


@pytest.mark.parametrize("behaviour", ["publishes", *FAILURES])
def test_many_unknown_keys(server: KeyServer, loaded: Fetching, behaviour: str) -> None:
    """1,000 names of keys cause one fetch in 30 s, a failed one too; good tokens pass meanwhile."""
    server.behaviour = FAILURES[behaviour][0] if behaviour in FAILURES else publishes("RSA")
    names = iter([f"unknown-{number}" for number in range(1000)])
    for moment in range(4):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda name: refuse(forged(name), loaded), [next(names) for _ in range(250)]))
        assert loaded.verify(RSA) == MEMBER
        loaded.time.advance(10)
        assert server.fetches == (2 if moment > 1 else 1)


def test_rotated_in_key(server: KeyServer, loaded: Fetching) -> None:
    """Its tokens are refused at once until the set is fetched again, within 30 s of the first of them."""
    server.behaviour = publishes("RSA", "P-256")
    refuse(EC, loaded)
    loaded.time.advance(30)
    assert (loaded.verify(EC), loaded.verify(RSA), server.fetches) == (MEMBER, MEMBER, 2)
    loaded.time.advance(60)
    refuse(forged("unknown"), loaded)
    loaded.time.advance()
    assert server.fetches == 3


def test_an_unknown_key_is_asked_for_once(server: KeyServer, loaded: Fetching) -> None:
    """From then on the set is fetched as often as ever."""
    refuse(forged("unknown"), loaded)
    for _ in range(7):
        loaded.time.advance(30)
    assert server.fetches == 2


def test_token_that_names_no_key(server: KeyServer, fetching: Fetching) -> None:
    """Every key of its algorithm is tried, eight at most."""
    others = [jwk("another RSA", kid=f"other-{number}") for number in range(8)]
    unnamed = signed("RSA", "RS256", kid=None)
    server.behaviour = answers(200, json.dumps({"keys": [*others[1:], jwk("P-256"), jwk("RSA")]}).encode())
    assert fetching.verify(unnamed) == MEMBER
    server.behaviour = answers(200, json.dumps({"keys": [*others, jwk("RSA")]}).encode())
    fetching.time.advance(300)
    assert fetching.verify(RSA) == MEMBER
    refuse(unnamed, fetching)
    assert server.fetches == 2


def test_keys_of_one_name(server: KeyServer, fetching: Fetching) -> None:
    """Keys of several kinds may share a name (RFC 7517 section 4.5)."""
    keys = [jwk("RSA", kid="now"), jwk("P-256", kid="now"), jwk("Ed25519", kid="now")]
    server.behaviour = answers(200, json.dumps({"keys": keys}).encode())
    for kind, algorithm in (("RSA", "RS256"), ("P-256", "ES256"), ("Ed25519", "EdDSA")):
        assert fetching.verify(signed(kind, algorithm, kid="now")) == MEMBER
    refuse(signed("another RSA", "RS256", kid="now"), fetching)


def test_header_that_points_to_a_key(loaded: Fetching) -> None:
    """Keys and addresses of keys in a token are ignored and never asked (RFC 8725 section 3.10)."""
    with KeyServer(publishes("another RSA")) as evil:
        pointers = {"jku": evil.url, "x5u": evil.url, "jwk": jwk("another RSA"), "x5c": ["MIIB"]}
        refuse(signed("another RSA", "RS256", **pointers), loaded)
        refuse(signed("another RSA", "RS256", **{**pointers, "kid": "RSA"}), loaded)
        refuse(signed("another RSA", "RS256", **{**pointers, "kid": None}), loaded)
        assert loaded.verify(signed("RSA", "RS256", **pointers)) == MEMBER
        loaded.time.advance(300)
        assert evil.fetches == 0
