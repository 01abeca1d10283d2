"""The service without a log line and without a count of its requests: what these cost is the difference.

An application for config/gunicorn.py, made here because the product has no such switch.
"""

from app import create_app

app = create_app()
# Fails where requests are noted in another way, so that nothing is compared with itself.
app.after_request_funcs[None].remove(app.watch.note)  # type: ignore[attr-defined] # of our own kind of Flask
