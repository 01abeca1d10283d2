"""Calls of the running service: printed as curl commands, or made and their responses shown."""

import http.client
import json
import os
import shlex
import socket
import sys
import urllib.request
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app.sandbox.credentials import make_token
from app.sandbox.directory import COMPANY, home_of

# Filled in each time a command is printed, so that no two commands send the same message.
FRESH_KEY = ("-H", "Idempotency-Key: {fresh}")
TELLING_HEADERS = ("x-send-outcome", "x-ratelimit-", "x-request-id", "retry-after", "idempotent-")
ANNOUNCEMENT = "sandbox.json"


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the text is a sentence for the developer."""


def announce(var: Path, port: int) -> Path:
    """Write the port for `running_port` to a file of mode 0600, to be removed when the service stops."""
    announcement = var / ANNOUNCEMENT
    announcement.touch(0o600)
    announcement.write_text(json.dumps({"port": port}))
    return announcement


def running_port(var: Path) -> int:
    """Return the port of the service that runs with this folder. Raises SandboxError if none does."""
    try:
        port = int(json.loads((var / ANNOUNCEMENT).read_text())["port"])
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return port
    except (FileNotFoundError, ConnectionRefusedError):
        raise SandboxError(
            "The service is not running here; start it with make run in another terminal."
        ) from None


@dataclass(frozen=True, slots=True)
class Call:
    """A message sent by a user, or without a token if `user` is None; without `text` the body lacks it.

    `options` are arguments for curl alone, which also expands a range or a list in `conversation` into several
    requests.
    """

    user: str | None = "jane"
    company: str = COMPANY
    conversation: str = home_of("jane")[1]
    text: str | None = "Hello from the sandbox"
    options: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The path of the operation."""
        return f"/v1/send-message/{self.company}/{self.conversation}"

    @property
    def body(self) -> str:
        """The JSON body, in ASCII."""
        return json.dumps({} if self.text is None else {"message_body": self.text})

    def headers(self, var: Path) -> dict[str, str]:
        """Return the headers, with a fresh token for 12 hours."""
        authorization = {"Authorization": f"Bearer {make_token(var, self.user)}"} if self.user else {}
        return {**authorization, "Content-Type": "application/json"}


def reference_page(var: Path, port: int) -> str:
    """Return the URL of the reference page, with a token for 12 hours in the fragment, which is never sent."""
    return f"http://127.0.0.1:{port}/docs#token={make_token(var, 'jane')}"


def command(var: Path, word: str) -> str:
    """Return the shell command that runs one of the sandbox's commands."""
    if var == Path("var"):
        return f"make {word}"
    return f"{shlex.quote(os.path.relpath(sys.executable))} -m app.sandbox {word} --var {shlex.quote(str(var))}"


def as_curl(call: Call, var: Path, port: int) -> str:
    """Return the call as a curl command, bypassing any proxy in the environment, which cannot reach loopback."""
    direct = ["--noproxy", "*"] if urllib.request.getproxies() else []
    headers = [word for name, value in call.headers(var).items() for word in ("-H", f"{name}: {value}")]
    options = [option.format(fresh=uuid.uuid4()) for option in call.options]
    url = f"http://127.0.0.1:{port}{call.path}"
    return shlex.join(["curl", "-i", *direct, url, *headers, *options, "-d", call.body])


def send(call: Call, var: Path, port: int) -> tuple[int, str]:
    """Make the call with a fresh Idempotency-Key; returns the status and the response in readable form.

    Raises OSError, ValueError or http.client.HTTPException if the connection fails or is silent for 60 s, or if
    the response is not JSON.
    """
    headers = {**call.headers(var), "Idempotency-Key": str(uuid.uuid4())}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", quote(call.path), call.body, headers)
        answer = connection.getresponse()
        text = json.dumps(json.load(answer), indent=2, ensure_ascii=False)
    told = [f"{name}: {value}" for name, value in answer.getheaders() if name.lower().startswith(TELLING_HEADERS)]
    return answer.status, "\n".join([f"HTTP/1.1 {answer.status} {answer.reason}", *told, "", text])
