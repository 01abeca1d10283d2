"""What every answer has, whatever its route, method and status."""

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

EVERYWHERE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Request-ID": "request-1",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def paths(app: Flask) -> list[str]:
    """One path of each route, and one of none."""
    adapter = app.url_map.bind("service.test")
    rules = [adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "x")) for rule in app.url_map.iter_rules()]
    return [*rules, "/nothing"]


@pytest.mark.parametrize("method", METHODS)
def test_every_answer_has_them(app: Flask, client: FlaskClient, method: str) -> None:
    """On every path: 200, 401, 404, 405, or what else there is. Pages have them too, with words of their own."""
    for path in paths(app):
        answer = client.open(path, method=method, headers={"X-Request-ID": "request-1"})
        expected = EVERYWHERE if answer.is_json else {name: answer.headers.get(name) for name in EVERYWHERE}
        assert {**answer.headers, **expected} == dict(answer.headers), f"{method} {path}"


def test_a_fault_of_ours_has_them(app: Flask, client: FlaskClient) -> None:
    """A view that raises is answered as everything else."""
    app.add_url_rule("/fault", view_func=lambda: str(1 // 0), endpoint="fault")
    answer = client.get("/fault", headers={"X-Request-ID": "request-1"})
    assert {**answer.headers, **EVERYWHERE} == dict(answer.headers)
    assert answer.status_code == 500


def test_a_page_keeps_its_own_policy(app: Flask, client: FlaskClient) -> None:
    """A route that gives HTML says itself what may run on it, and where it may refer to."""
    own = {"Content-Security-Policy": "default-src 'self'", "Referrer-Policy": "same-origin"}
    app.add_url_rule("/page", view_func=lambda: Response("<p>", headers=own), endpoint="page")
    answer = client.get("/page")
    assert {name: answer.headers.getlist(name) for name in own} == {name: [text] for name, text in own.items()}
