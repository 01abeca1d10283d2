"""Who comes without a good token: 401, with the challenge of RFC 6750, and nobody is asked or charged."""

import pytest

from tests.conftest import Caller
from tests.people import ACME, AUDIENCE, CONVERSATION, token
from tests.wire import Wire


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer   ",
        "Basic dXNlcjpwYXNz",
        "Token abc",
    ],
)
def test_without_a_bearer_token_the_challenge_names_no_error(
    caller: Caller, wire: Wire, header: str | None
) -> None:
    """RFC 6750 section 3.1: no error code when no token was presented; and nothing is asked or counted."""
    headers = {} if header is None else {"Authorization": header}
    answer = caller.client.post(f"/v1/send-message/{ACME}/{CONVERSATION}", headers=headers, json={})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="SalesCaptain API"'
    assert answer.get_json()["error"] == "Unauthorized access"
    assert answer.get_json()["code"] == "UNAUTHORIZED"
    assert not {"X-Send-Outcome", "X-RateLimit-Limit", "Retry-After"} & set(answer.headers.keys())
    assert wire.requests == []


@pytest.mark.parametrize(
    "header",
    ["Bearer x", "Bearer a.b.c", "bearer a b", f"Bearer {token()} {token()}", f"Bearer {token()},{token()}"],
)
def test_a_bad_token_is_told_as_such_and_nothing_more(caller: Caller, wire: Wire, header: str) -> None:
    """The challenge says invalid_token; the body does not say what is wrong."""
    answer = caller.send(headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="SalesCaptain API", error="invalid_token"'
    assert wire.requests == []


@pytest.mark.parametrize("scheme", ["bEARER ", "Bearer   "])
def test_the_scheme_of_the_token_is_read_in_any_case(caller: Caller, scheme: str) -> None:
    """Authentication schemes are case-insensitive, and any number of spaces follows (RFC 9110 section 11)."""
    assert caller.send(headers={"Authorization": scheme + token()}).status_code == 200


def test_bad_tokens_touch_nobodys_budget(caller: Caller) -> None:
    """40 refused requests later the user has a full window."""
    for _ in range(40):
        caller.send(headers={"Authorization": f"Bearer {token(aud=AUDIENCE + 'x')}"})

    assert caller.send().headers["X-RateLimit-Remaining"] == "29"
