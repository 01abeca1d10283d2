"""The WSGI application, for any server: `gunicorn -c config/gunicorn.py wsgi:app`."""

import sys

from app import create_app
from app.web.declarations import DeclarationError
from config.settings import SettingsError

# gunicorn's exit status for "the application cannot be loaded": its master then stops instead of retrying.
_CANNOT_START = 4

try:
    app = create_app()
except (SettingsError, DeclarationError) as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(_CANNOT_START) from None
