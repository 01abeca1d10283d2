"""The sandbox's commands: run, send, curls, rehearsals and token."""

import argparse
import http.client
import os
import sys
from functools import partial
from http import HTTPStatus
from pathlib import Path

from app.sandbox.calls import Call, SandboxError, as_curl, running_port, send
from app.sandbox.credentials import make_token
from app.sandbox.directory import USERS, home_of
from app.sandbox.launcher import run
from app.sandbox.rehearsals import REHEARSALS
from config.report import names

# Flushed, so that a pipe's reader gets each line at once.
say = partial(print, flush=True)
_LAST_PORT = 65535


def main() -> int:
    """Run the command given on the command line; returns the exit code."""
    given = command_line().parse_args()
    try:
        return int(given.command(given) or 0)
    except BrokenPipeError:
        # The reader closed the pipe, as `head` does; flushing stdout at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SandboxError as error:
        say(str(error))
    except (OSError, ValueError, http.client.HTTPException) as error:
        say(f"That did not work: {error}")
    return 1


def command_line() -> argparse.ArgumentParser:
    """Return the parser of all commands and their options."""
    var = argparse.ArgumentParser(add_help=False)
    var.add_argument("--var", type=Path, default=Path("var"), help="the folder of key, messages and logs (var)")
    user = argparse.ArgumentParser(add_help=False, parents=[var])
    user.add_argument("--user", choices=USERS, default="jane")
    root = argparse.ArgumentParser(prog="python -m app.sandbox", description="Try the service on this machine.")
    commands = root.add_subparsers(required=True)
    command = commands.add_parser("run", parents=[var], help="run the service and its stand-ins until Ctrl-C")
    command.set_defaults(command=_run)
    command.add_argument("--port", type=_port, default=8000)
    command.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="a setting to change"
    )
    command = commands.add_parser("send", parents=[user], help="send a message through the running service")
    command.set_defaults(command=_send)
    command.add_argument("--text", default="Hello from the sandbox")
    command.add_argument("--company", help="default: the user's")
    command.add_argument("--conversation", help="default: the first of the user's company")
    commands.add_parser("curls", parents=[var], help="print a curl for each answer").set_defaults(command=_curls)
    commands.add_parser("rehearsals", help="print docs/rehearsing.md's table").set_defaults(command=_rehearsals)
    command = commands.add_parser("token", parents=[user], help="print a token")
    command.set_defaults(command=_token)
    command.add_argument("--hours", type=float, default=12, help="below 0: expired already (12)")
    return root


def _port(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(f"{_LAST_PORT}")
    if not (is_number and 0 < int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text}: a port is 1 to {_LAST_PORT}")
    return int(text)


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or name not in names():
        raise argparse.ArgumentTypeError(f"{text}: NAME=VALUE, of docs/settings.md")
    return name, value


def _run(given: argparse.Namespace) -> None:
    run(given.var, given.port, dict(given.set), say)


def _send(given: argparse.Namespace) -> int:
    company, conversation = home_of(given.user)
    call = Call(given.user, given.company or company, given.conversation or conversation, given.text)
    status, answer = send(call, given.var, running_port(given.var))
    say(answer)
    return int(status != HTTPStatus.OK)


def _curls(given: argparse.Namespace) -> None:
    port = running_port(given.var)
    for rehearsal in REHEARSALS:
        say(f"# {rehearsal.title}\n{as_curl(rehearsal.call, given.var, port)}\n")


def _rehearsals(_given: argparse.Namespace) -> None:
    for rehearsal in REHEARSALS:
        say(rehearsal.row)


def _token(given: argparse.Namespace) -> None:
    say(make_token(given.var, given.user, given.hours))


if __name__ == "__main__":
    sys.exit(main())
