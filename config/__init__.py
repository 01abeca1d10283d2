"""The settings, what gunicorn reads of them, and in `serving` how it serves."""
