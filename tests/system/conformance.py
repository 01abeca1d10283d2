"""Requests made up from the OpenAPI document, valid and not: `python -m tests.system.conformance 2500`.

schemathesis makes them and holds every answer to all of its checks: it is documented, what is valid is taken, what
is not is refused, authentication is not ignored. The member has the role that an operation asks for, and the chat
service answers it what it says that it gives.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from app.web.declarations import Operation
from app.web.reference.document import example_of, operation_id
from tests.conventions.operations import OPERATIONS
from tests.people import ACME, account, token
from tests.system.clients import Request, ask
from tests.system.servers import Server, settings
from tests.system.standins import Services

# Of the companies that could be made up the member has an account in one, and U+0000 is refused in any text.
# What is invalid may be too long for a request line as well: the server itself answers that, 414 without a body.
TOO_LONG = 414
CONFIGURATION = f"""
generation.allow-x00 = false
parameters."path.company_id" = "{ACME}"
checks.negative_data_rejection.expected-statuses = [400, 401, 403, 405, {TOO_LONG}, 429]
"""
# The published structure has no word for it, the description says it: a text of something but white space.
# Engines differ about `\s`, so it is written out.
NOT_BLANK = "[^" + "".join(f"\\u{code:04x}" for code in range(0x10000) if chr(code).isspace()) + "]"
MANY = 2500


def conform(examples: int, seconds: int, *options: str) -> tuple[int, str]:
    """How many requests were made of each operation, at least, and what schemathesis says.

    Each operation takes at most `seconds`. Raises AssertionError if anything was found, or too few were made.
    """
    ended = [_conform(operation, examples, seconds, options) for operation in OPERATIONS]
    return min(made for made, _ in ended), "\n".join(said for _, said in ended)


def _conform(operation: Operation, examples: int, seconds: int, options: tuple[str, ...]) -> tuple[int, str]:
    only = ("--include-operation-id", operation_id(operation), *options)
    with tempfile.TemporaryDirectory() as name, Services() as services:
        services.accounts["a-member"] = [account(ACME, roles=[operation.declaration.role])]
        services.otherwise = example_of(operation.declaration.gives) if operation.declaration.gives else None
        server = Server(Path(name), {**settings(services, Path(name)), "RATE_LIMIT": "1000000 per minute"})
        try:
            server.start()
            return _ask(server.port, Path(name), examples, seconds, only)
        finally:
            server.close()


def _ask(port: int, folder: Path, examples: int, seconds: int, options: tuple[str, ...]) -> tuple[int, str]:
    document = folder / "openapi.json"
    document.write_text(json.dumps(_with_what_is_said(ask(port, Request("GET", "/openapi.json")).document)))
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    bearer = f"Authorization: Bearer {token(exp=int(time.time()) + 2 * seconds)}"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run", str(document)]
    command += ["--url", f"http://127.0.0.1:{port}", "--header", bearer, "--checks", "all"]
    command += ["--max-examples", str(examples), "--continue-on-failure", *options]
    done = subprocess.run(
        command,
        cwd=folder,
        # Nothing of coverage's settings: measured from another folder, what setup.cfg leaves out would be left in.
        env={"PATH": os.environ["PATH"], "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = re.search(r"(\d+) generated, \1 passed", done.stdout)
    assert made is not None, done.stdout
    assert int(made[1]) >= examples, done.stdout
    return int(made[1]), done.stdout


def _with_what_is_said(document: Any) -> Any:
    """The document, with what else is said: of the text, in the words of its schema, and of the server."""
    for described in (each for path in document["paths"].values() for each in path.values()):
        described["responses"][f"{TOO_LONG}"] = {"description": "Refused by the server itself"}
    operation = document["paths"]["/v1/send-message/{company_id}/{conversation_id}"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"]["message_body"]["pattern"] = NOT_BLANK
    return document


if __name__ == "__main__":
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    sys.stdout.write(conform(examples, seconds=examples + 60)[1])
