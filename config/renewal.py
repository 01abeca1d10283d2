"""SIGHUP without the risk that gunicorn takes: where a new worker cannot start, it stops for good."""

import subprocess
import sys

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from config.settings import SettingsError

# Loading the application takes a second or two; meanwhile the workers go on, and their master waits.
_PATIENCE = 20.0


def renew(server: Arbiter) -> None:
    """Let new workers, which read all files again, replace the old ones; or leave those and log why."""
    reason = _obstacle()
    if reason:
        server.log.error("reload refused", extra={"reason": reason})
        return
    server.reload()


def _obstacle() -> str | None:
    """What keeps the service from being started now, as it was started; tried out in a process of its own."""
    command = [sys.executable, *sys.orig_argv[1:], "--check-config"]
    try:
        tried = subprocess.run(  # noqa: S603 - our own command line
            command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"The application is not loaded within {_PATIENCE:.0f} s."
    except OSError as error:
        # As while the environment that it runs from is being replaced.
        return f"The application cannot be tried out: {error.strerror}."
    if tried.returncode == 0:
        return None
    # Whatever else it wrote may hold values.
    _, beginning, problems = tried.stderr.partition(SettingsError.BEGINNING)
    return (beginning + problems).strip() or "The application cannot be loaded: gunicorn --check-config tells why."
