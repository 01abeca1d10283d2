"""The reference page: its own files, under a policy that lets nothing else in."""

import re

import pytest
from flask.testing import FlaskClient

from app import create_app
from config.settings import load

LOADED = r'(?:src|href)="(docs/assets/[^"]+)"'


def test_the_page_lets_nothing_in(client: FlaskClient) -> None:
    """No inline script or style, no other origin, no frame around it."""
    page = client.get("/docs")
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert re.findall(r"<script(?! src=)|<style|\son\w+=|https?://(?!www\.w3\.org/2000/svg)", page.text) == []
    assert [rule for rule in policy if "unsafe" in rule or "*" in rule or "http" in rule] == []
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)


def test_the_page_has_all_that_it_loads(client: FlaskClient) -> None:
    """Each file is there, of the type that `nosniff` asks for."""
    names = re.findall(LOADED, client.get("/docs").text)
    assert len(names) == 4
    for name in names:
        with client.get(f"/{name}") as asset:
            assert asset.status_code == 200
            assert asset.mimetype == ("text/css" if name.endswith(".css") else "text/javascript")
            assert asset.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["reference.css", "swagger-ui.css"])
@pytest.mark.parametrize(
    "fields",
    [
        {"If-Modified-Since": "Mon, 01 Jan 99999999999 00:00:00 GMT"},
        {"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"If-Match": '"x"'},
        {"Range": "bytes=0-10", "If-Range": "Mon, 01 Jan 99999999999 00:00:00 GMT"},
        {"Range": "bytes=99999999-"},
    ],
    ids=" ".join,
)
def test_a_file_comes_whole_whatever_is_asked(client: FlaskClient, name: str, fields: dict[str, str]) -> None:
    """Nobody makes an error of ours with a date, and no page asks for less."""
    with client.get(f"/docs/assets/{name}") as whole, client.get(f"/docs/assets/{name}", headers=fields) as answer:
        assert (answer.status_code, answer.data) == (200, whole.data)


def test_few_files_are_on_their_way_at_once(environ: dict[str, str]) -> None:
    """Of 32 threads 4 may be held up by those who do not read; when one of them has gone, the next may come."""
    client = create_app(load(environ | {"THREADS": "32"})).test_client()
    held = [client.get("/docs/assets/swagger-ui-bundle.js") for _ in range(4)]
    refused = client.get("/docs/assets/swagger-ui.css")
    held.pop().close()
    with client.get("/docs/assets/swagger-ui.css") as next_one:
        assert next_one.status_code == 200
    for response in held:
        response.close()
    assert [response.status_code for response in held] == [200] * 3
    assert (refused.status_code, refused.get_json()["code"]) == (500, "OVERLOADED")


@pytest.mark.parametrize("name", ["reference.js", "swagger-ui.css", "swagger-ui-bundle.js"])
def test_a_slow_reader_has_time_for_each_piece(client: FlaskClient, name: str) -> None:
    """The server gives 5 s for each: none needs a megabit/s, and all take less than a stop may (29 s)."""
    with client.get(f"/docs/assets/{name}") as answer:
        pieces = list(answer.iter_encoded())
    assert max(map(len, pieces)) <= 5 * 1_000_000 / 8
    assert len(pieces) * 5 < 29
    assert sum(map(len, pieces)) == answer.content_length


@pytest.mark.parametrize("name", ["index.html", "oauth2-redirect.html", "..%2fpages.py", "reference.html"])
def test_no_other_file_is_served(client: FlaskClient, name: str) -> None:
    """Only what the page needs; anything else is 404 in JSON."""
    answer = client.get(f"/docs/assets/{name}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "path", ["/docs", "/docs/assets/reference.js", "/docs/send-message.md", "/openapi.json", "/llms.txt"]
)
def test_the_reference_can_be_switched_off(environ: dict[str, str], path: str) -> None:
    """With REFERENCE=false nothing of it is there."""
    on, off = (create_app(load(environ | {"REFERENCE": given})).test_client() for given in ("true", "false"))
    assert on.get(path).status_code == 200
    answer = off.get(path)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "NOT_FOUND")
