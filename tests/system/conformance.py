"""Requests made up from the OpenAPI document, valid and not: `python -m tests.system.conformance 2500`.

schemathesis makes them and holds every answer to all of its checks: it is documented, what is valid is taken, what
is not is refused, authentication is not ignored.
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

from tests.people import ACME, token
from tests.system.clients import Request, ask
from tests.system.servers import Server, settings
from tests.system.standins import Services

# Of the companies that could be made up the member has an account in one, and U+0000 is refused in any text.
CONFIGURATION = f'generation.allow-x00 = false\nparameters."path.company_id" = "{ACME}"\n'
# The published structure has no word for it, the description says it: a text of something but white space.
# Engines differ about `\s`, so it is written out.
NOT_BLANK = "[^" + "".join(f"\\u{code:04x}" for code in range(0x10000) if chr(code).isspace()) + "]"
MANY = 2500


def conform(examples: int, seconds: int, *options: str) -> tuple[int, str]:
    """How many requests were made, and what schemathesis says; it ends within `seconds`.

    Raises AssertionError if it found anything, or fewer requests than `examples`.
    """
    with tempfile.TemporaryDirectory() as name, Services() as services:
        server = Server(Path(name), {**settings(services, Path(name)), "RATE_LIMIT": "1000000 per minute"})
        try:
            server.start()
            return _ask(server.port, Path(name), examples, seconds, options)
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
    """The document, with what its description says of the text in the words of its schema."""
    operation = document["paths"]["/v1/send-message/{company_id}/{conversation_id}"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"]["message_body"]["pattern"] = NOT_BLANK
    return document


if __name__ == "__main__":
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    sys.stdout.write(conform(examples, seconds=examples + 60)[1])
