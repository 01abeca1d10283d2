"""Nobody sends in a company that is not theirs."""

import json
from dataclasses import replace
from functools import partial

import pytest

from tests.people import account
from tests.system.clients import Answer, ask, sending, together
from tests.system.conftest import Serve
from tests.system.standins import Services

pytestmark = pytest.mark.system

MEMBERSHIP = {f"user-{n}": f"{n:08x}-0000-4000-8000-000000000001" for n in range(20)}
COMPANIES = tuple(MEMBERSHIP.values())


def knocks_everywhere(port: int, user: str) -> list[tuple[str, Answer]]:
    """The answers to one send in each company, the user's own somewhere in between, with all sorts of claims."""
    answers = []
    for company in COMPANIES:
        body = {"message_body": user, "account_id": f"account of {company}", "company_id": company}
        claims = {"X-Company-Id": company, "X-Account-Id": f"account of {company}", "X-User-Id": "user-0"}
        request = replace(sending(user, company=company, headers=claims), body=json.dumps(body).encode())
        answers.append((company, ask(port, request)))
    return answers


def test_no_message_crosses_a_company(serve: Serve, services: Services) -> None:
    """20 users, each of one of 20 companies, send in all of them at once: 20 messages, 380 times NO_ACCOUNT.

    The chat service got each user's text for the user's own company, from the user's own account, and no other.
    """
    for user, company in MEMBERSHIP.items():
        services.accounts[user] = [account(company, account_id=f"account of {company}")]
    server = serve()

    answers = together([partial(knocks_everywhere, server.port, user) for user in MEMBERSHIP])
    for (user, own), told in zip(MEMBERSHIP.items(), answers, strict=True):
        expected = [(200, None) if company == own else (400, "NO_ACCOUNT") for company in COMPANIES]
        assert [(answer.status, answer.code) for _, answer in told] == expected, user

    entries = sorted((entry.text, entry.company_id, entry.account_id) for entry in services.ledger.entries)
    assert entries == sorted((user, company, f"account of {company}") for user, company in MEMBERSHIP.items())
