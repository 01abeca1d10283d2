"""A stand-in for the network: it answers prepared requests as the services behind ours would, and keeps them."""

import io
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import requests
from requests.structures import CaseInsensitiveDict

from tests.people import MEMBERS

ACCOUNTS, CHAT = "http://accounts.test", "http://chat.test/api"
Answer = requests.Response | Exception


def reply(status: int, document: Any = None, *, body: bytes | None = None, **headers: str) -> requests.Response:
    """An answer of a service, with a JSON document or these very bytes."""
    response = requests.Response()
    response.status_code = status
    response.headers = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    response.raw = io.BytesIO(json.dumps(document).encode() if body is None else body)
    return response


def sent_message(conversation_id: str, text: str, **changes: Any) -> dict[str, Any]:
    """A good SentMessage about this conversation."""
    message = {
        "conversation_id": conversation_id,
        "author": "Jane Doe",
        "body": text,
        "date_created": "2025-03-23T18:30:00.000Z",
        "is_me": True,
        "message_type": "sms_message",
        "sent_by_id": "account-a1b2",
        "sent_by_username": "Jane Doe",
        "message_id": "0c3e0000-0000-4000-8000-000000000001",
    }
    return {**message, **changes}


class Wire:
    """The account service knows MEMBERS; the chat service sends whatever it gets, unless told otherwise."""

    def __init__(self) -> None:
        self.requests: list[requests.PreparedRequest] = []
        self.answer_accounts: Callable[[str], Answer] = self._members
        self.answer_chat: Callable[[str, dict[str, Any]], Answer] = self._deliver

    @property
    def chats(self) -> list[requests.PreparedRequest]:
        """What went to the chat service."""
        return [request for request in self.requests if str(request.url).startswith(CHAT)]

    @property
    def lookups(self) -> list[requests.PreparedRequest]:
        """What went to the account service."""
        return [request for request in self.requests if str(request.url).startswith(ACCOUNTS)]

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        """Answer as a transport does, within any timeout but not without one."""
        assert timeout > 0
        self.requests.append(request)
        answer = self._answer(str(request.url), request.body)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(self, url: str, body: Any) -> Answer:
        if url.startswith(ACCOUNTS):
            user = re.fullmatch(re.escape(ACCOUNTS) + "/users/([^/]*)/accounts", url)
            assert user is not None
            return self.answer_accounts(unquote(user[1]))
        return self.answer_chat(url.rpartition("/")[2], json.loads(body) if body else {})

    @staticmethod
    def _members(user: str) -> Answer:
        return reply(200, {"accounts": MEMBERS[user]}) if user in MEMBERS else reply(404)

    @staticmethod
    def _deliver(conversation_id: str, document: dict[str, Any]) -> Answer:
        return reply(200, sent_message(conversation_id, document["message_body"]))
