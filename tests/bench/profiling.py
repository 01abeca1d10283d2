"""Where the CPU of a send goes, from within: `python -m tests.bench.profiling SECONDS`, set by the environment.

One thread calls the application as gunicorn would, and a timer that runs on its CPU time (setitimer(2)) looks now
and then where it is. A look belongs to the innermost module of ours on the stack, else to Flask.
"""

import io
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from werkzeug.test import EnvironBuilder

from tests.bench.load import Tokens
from tests.people import ACME

# Metrics, where there are any, count as under gunicorn.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp())

from app import create_app

USERS = 400
INTERVAL = 0.001
ROOT = f"{Path(__file__).resolve().parents[2]}/"
STAGES = {
    "app/tokens/": "auth",
    "app/web/limits": "limit",
    "app/stores/": "limit",
    "app/accounts": "account",
    "app/strict_json": "body",
    "app/web/bodies": "body",
    "app/schemas": "body",
    "app/web/ids": "body",
    "app/web/sending": "body",
    "app/idempotency": "body",
    "app/upstream/": "upstream",
    "app/chat/": "upstream",
    "app/web/rendering": "answer",
    "app/web/logs": "log",
    "config/logs": "log",
    "app/web/metrics": "metrics",
    "app/web/increments": "metrics",
    "app/web/labels": "metrics",
    "app/web/monitoring": "metrics",
    "app/": "guards and state",
}
# Where a file of ours only waits for what Flask does.
_FLASK = "app/web/application"


class Profile:
    """Counts in which stage the main thread is."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def look(self, _: int, frame: FrameType | None) -> None:
        """One look; a signal handler."""
        self.seen[_stage(frame)] += 1


def _stage(frame: FrameType | None) -> str:
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(ROOT) and not path.startswith((f"{ROOT}.venv", f"{ROOT}tests")):
            ours = path.removeprefix(ROOT)
            if not ours.startswith(_FLASK):
                return next((stage for prefix, stage in STAGES.items() if ours.startswith(prefix)), "Flask")
        frame = frame.f_back
    return "Flask"


def environments() -> list[dict[str, Any]]:
    """A WSGI environment a user."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = Tokens(Path(folder) / "tokens", USERS).path.read_text().split()
    return [_environment(number, token) for number, token in enumerate(tokens)]


def _environment(number: int, token: str) -> dict[str, Any]:
    path = f"/v1/send-message/{ACME}/b2c3d4e5-f6a7-8901-bcde-{number:012x}"
    headers = [("Authorization", f"Bearer {token}")]
    body = json.dumps({"message_body": "Hello from the bench"})
    return EnvironBuilder(
        path, method="POST", headers=headers, data=body, content_type="application/json"
    ).get_environ()


def main(seconds: float) -> None:
    """Print microseconds of CPU a send, by stage."""
    app, prepared, profile = create_app(), environments(), Profile()
    body = prepared[0]["wsgi.input"].getvalue()
    statuses: Counter[str] = Counter()

    def start(status: str, *_: Any) -> Callable[[bytes], object]:
        statuses[status] += 1
        return bytes

    def send(environ: dict[str, Any]) -> None:
        answer = app({**environ, "wsgi.input": io.BytesIO(body)}, start)
        b"".join(answer)
        answer.close()  # type: ignore[attr-defined] # Werkzeug's iterable has it

    for environ in prepared:
        send(environ)
    statuses.clear()
    signal.signal(signal.SIGPROF, profile.look)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    ends, began = time.monotonic() + seconds, time.process_time()
    while time.monotonic() < ends:
        for environ in prepared:
            send(environ)
    took = time.process_time() - began
    signal.setitimer(signal.ITIMER_PROF, 0)
    assert set(statuses) == {"200 OK"}, statuses
    sends, looks = statuses.total(), profile.seen.total()
    shares = {stage: 1e6 * took / sends * count / looks for stage, count in profile.seen.items()}
    sys.stdout.write(json.dumps({"sends": sends, "looks": looks, "stages": shares}) + "\n")


if __name__ == "__main__":
    main(float(sys.argv[1]))
