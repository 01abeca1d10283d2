"""The sandbox's commands: run, send, curls and token."""

import argparse
import http.client
import sys
from http import HTTPStatus
from pathlib import Path

from app.sandbox.announcement import NotRunningError, running_port
from app.sandbox.calls import EXAMPLES, Call, as_curl, send
from app.sandbox.credentials import make_token
from app.sandbox.directory import USERS, home_of
from app.sandbox.launcher import LaunchError, run


def main() -> int:
    """Do what the command line says; returns the exit code."""
    given = command_line().parse_args()
    try:
        return int(given.command(given))
    except (LaunchError, NotRunningError) as error:
        say(str(error))
    except (OSError, ValueError, http.client.HTTPException) as error:
        say(f"That did not work: {error}")
    return 1


def command_line() -> argparse.ArgumentParser:
    """Which commands there are, and what they take."""
    var = argparse.ArgumentParser(add_help=False)
    var.add_argument("--var", type=Path, default=Path("var"), help="the folder of key, messages and logs (var)")
    user = argparse.ArgumentParser(add_help=False, parents=[var])
    user.add_argument("--user", choices=USERS, default="jane")
    root = argparse.ArgumentParser(prog="python -m app.sandbox", description="Try the service on this machine.")
    commands = root.add_subparsers(required=True)
    command = commands.add_parser("run", parents=[var], help="run the service and its stand-ins until Ctrl-C")
    command.set_defaults(command=run_command)
    command.add_argument("--port", type=int, choices=range(1, 65536), metavar="PORT", default=8000)
    command = commands.add_parser("send", parents=[user], help="send a message through the running service")
    command.set_defaults(command=send_command)
    command.add_argument("--text", default="Hello from the sandbox")
    command.add_argument("--company", help="default: the user's")
    command.add_argument("--conversation", help="default: the first of the user's company")
    command = commands.add_parser("curls", parents=[var], help="print a line of curl for each published answer")
    command.set_defaults(command=curls_command)
    command = commands.add_parser("token", parents=[user], help="print a token")
    command.set_defaults(command=token_command)
    command.add_argument("--hours", type=float, default=12, help="below 0: expired already (12)")
    return root


def run_command(given: argparse.Namespace) -> int:
    """Run until told to stop."""
    run(given.var, given.port, say)
    return 0


def send_command(given: argparse.Namespace) -> int:
    """Send one message; 0 if it was sent."""
    company, conversation = home_of(given.user)
    call = Call(given.user, given.company or company, given.conversation or conversation, given.text)
    status, answer = send(call, given.var, running_port(given.var))
    say(answer)
    return int(status != HTTPStatus.OK)


def curls_command(given: argparse.Namespace) -> int:
    """Print a line of curl for each published answer, with a comment above that tells the answer."""
    port = running_port(given.var)
    for answer, call in EXAMPLES.items():
        say(f"# {answer}\n{as_curl(call, given.var, port)}\n")
    return 0


def token_command(given: argparse.Namespace) -> int:
    """Print a token."""
    say(make_token(given.var, given.user, given.hours))
    return 0


def say(text: str) -> None:
    """Write a line and flush it, for a reader at the other end of a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
