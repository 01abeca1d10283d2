"""The settings, gunicorn's configuration, and in `serving` the extensions of gunicorn."""
