"""`python -m config check`: the settings as they are. `docs` and `env` print what is made from their table."""

import argparse
import os
import sys

from app import create_app
from app.web.declarations import DeclarationError
from config import documents, report
from config.settings import SERVER, SettingsError, read, settled

_DOCUMENTS = {"docs": documents.page, "env": documents.example}


def main() -> int:
    """Run the command; returns 1 if the service could not start with the settings in the environment, else 0."""
    parser = argparse.ArgumentParser(prog="python -m config", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["check", *_DOCUMENTS], default="docs")
    what = parser.parse_args().what
    if what in _DOCUMENTS:
        _say(*_DOCUMENTS[what]())
        return 0
    return _check()


def _check() -> int:
    # What it says is about the service under gunicorn.
    reading = read({**os.environ, SERVER: "gunicorn"})
    report.tell_unread(reading, os.environ)
    _say(*report.rows(reading), *report.strangers(os.environ))
    try:
        # Finds the problems that only the application can detect; it opens no connection.
        create_app(settled(reading))
    except (SettingsError, DeclarationError) as error:
        _say(str(error))
        return 1
    _say("The service can start with these settings.")
    return 0


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
