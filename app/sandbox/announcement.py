"""How the commands find the running service: `sandbox.json`, there as long as it runs."""

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

NAME = "sandbox.json"


class NotRunningError(Exception):
    """No service runs with this folder; its text is a sentence for the developer."""


@contextlib.contextmanager
def announced(var: Path, port: int) -> Iterator[None]:
    """Tell `running_port` the port as long as this lasts, in a file of mode 0600 (tempfile makes it so)."""
    text = json.dumps({"url": f"http://127.0.0.1:{port}", "port": port, "pid": os.getpid()})
    with tempfile.NamedTemporaryFile("w", dir=var, delete=False) as draft:
        draft.write(text)
    announcement = Path(draft.name).replace(var / NAME)
    try:
        yield
    finally:
        # A second sandbox with the same folder may have replaced it.
        with contextlib.suppress(FileNotFoundError):
            if announcement.read_text() == text:
                announcement.unlink()


def running_port(var: Path) -> int:
    """The port of the service that runs with this folder. Raises NotRunningError."""
    try:
        port = int(json.loads((var / NAME).read_text())["port"])
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return port
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunningError(
            "The service is not running here; start it with make run in another terminal."
        ) from None
