"""The service with a fault of ours in it: at one path it meets what nobody has foreseen."""

from app import create_app

app = create_app()


@app.get("/broken")
def broken() -> str:
    """Fail."""
    raise ZeroDivisionError
