"""Calls of the running service: as lines of curl to paste, or made and shown."""

import http.client
import json
import shlex
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app.sandbox.credentials import make_token
from app.sandbox.directory import COMPANY, OTHER_COMPANY, home_of

TELLING_HEADERS = ("x-send-outcome", "x-ratelimit-", "x-request-id", "retry-after", "idempotent-")
_, CONVERSATION = home_of("jane")
_, OTHER_CONVERSATION = home_of("bob")


@dataclass(frozen=True, slots=True)
class Call:
    """A message that a user sends, or somebody without a token; without a text, the body lacks it."""

    user: str | None = "jane"
    company: str = COMPANY
    conversation: str = CONVERSATION
    text: str | None = "Hello from the sandbox"

    @property
    def path(self) -> str:
        """The path of the operation."""
        return f"/v1/send-message/{self.company}/{self.conversation}"

    @property
    def body(self) -> str:
        """The JSON of the body, in ASCII."""
        return json.dumps({} if self.text is None else {"message_body": self.text})

    def headers(self, var: Path) -> dict[str, str]:
        """The headers, with a fresh token for 12 hours."""
        authorization = {"Authorization": f"Bearer {make_token(var, self.user)}"} if self.user else {}
        return {**authorization, "Content-Type": "application/json"}


EXAMPLES = {
    "200 sent": Call(),
    "400 no message_body": Call(text=None),
    "400 invalid company id": Call(company="not-a-uuid"),
    "400 invalid conversation id": Call(conversation="not-a-uuid"),
    "400 no account in this company": Call(company=OTHER_COMPANY, conversation=OTHER_CONVERSATION),
    "401 no token": Call(user=None),
    "403 an account without the role": Call(user="nora"),
    "403 an account made inactive": Call(user="iris"),
    "500 the chat service fails: whether it was sent is unknown": Call(
        conversation="00000000-0000-4000-8000-000000000500"
    ),
    "500 the account service fails: not sent": Call(user="erin"),
    "429 the last of 31 at once": Call("bob", OTHER_COMPANY, f"{OTHER_CONVERSATION}?n=[1-31]"),
}
"""What the answer will be → the call. curl itself repeats a URL that has a range in it."""


def as_curl(call: Call, var: Path, port: int) -> str:
    """The call as one line for a shell, past any proxy that the environment names: it cannot see loopback."""
    direct = ["--noproxy", "*"] if urllib.request.getproxies() else []
    headers = [word for name, value in call.headers(var).items() for word in ("-H", f"{name}: {value}")]
    return shlex.join(["curl", "-i", *direct, f"http://127.0.0.1:{port}{call.path}", *headers, "-d", call.body])


def send(call: Call, var: Path, port: int) -> tuple[int, str]:
    """Make the call under a fresh Idempotency-Key; returns the status and the answer for people to read.

    Raises OSError, ValueError or http.client.HTTPException when no JSON comes back within 60 s.
    """
    headers = {**call.headers(var), "Idempotency-Key": str(uuid.uuid4())}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", quote(call.path), call.body, headers)
        answer = connection.getresponse()
        text = json.dumps(json.loads(answer.read()), indent=2, ensure_ascii=False)
    finally:
        connection.close()
    told = [f"{name}: {value}" for name, value in answer.getheaders() if name.lower().startswith(TELLING_HEADERS)]
    return answer.status, "\n".join([f"HTTP/1.1 {answer.status} {answer.reason}", *told, "", text])
