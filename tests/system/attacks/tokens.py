"""Forged tokens and odd headers: nobody gets in, nobody is asked anything, and every refusal says the same."""

from functools import partial

from tests.people import ACME, CONVERSATION, token
from tests.system.attacks.forged_pairs import forgeries_of_pairs
from tests.system.attacks.forgeries import DAY, forgeries
from tests.system.attacks.ground import PREVIOUS, Lane, in_lanes, serve, watched
from tests.system.attacks.oracles import no_entry
from tests.system.clients import JSON, Request, ask, sending
from tests.system.faults.stage import Report, Stage
from tests.unit.keys import pem, signed

SECRETS = {"JWT_PREVIOUS_SECRET": PREVIOUS, "JWT_MAX_LIFETIME_SECONDS": str(DAY)}
TARGET = f"/v1/send-message/{ACME}/{CONVERSATION}"
_BODY = b'{"message_body": "canary-text", "access_token": "%b"}'


def headers() -> dict[str, tuple[list[str], bool]]:
    """The fields of a request, by name, and whether they present a token. All the tokens are good."""
    good = token()
    absent = {
        "nothing": [],
        "empty": ["Authorization:"],
        "the scheme alone": ["Authorization: Bearer"],
        "the scheme and spaces": ["Authorization: Bearer   "],
        "no scheme": [f"Authorization: {good}"],
        "Basic": [f"Authorization: Basic {good}"],
        "JWT": [f"Authorization: JWT {good}"],
        "Token": [f"Authorization: Token {good}"],
        "no space": [f"Authorization: Bearer{good}"],
        "a colon": [f"Authorization: Bearer:{good}"],
        "another scheme first": [f"Authorization: Basic x, Bearer {good}"],
        "two fields, the other first": ["Authorization: Basic x", f"Authorization: Bearer {good}"],
        "a cookie": [f"Cookie: access_token={good}; Authorization=Bearer {good}"],
        "another field": [f"X-Authorization: Bearer {good}", f"Proxy-Authorization: Bearer {good}"],
        "a field with an underscore": [f"HTTP_AUTHORIZATION: Bearer {good}", f"X_Authorization: Bearer {good}"],
    }
    presented = {
        "two tokens": [f"Authorization: Bearer {good} {good}"],
        "two tokens with a comma": [f"Authorization: Bearer {good},{good}"],
        "two fields": [f"Authorization: Bearer {good}"] * 2,
        "two fields, the other last": [f"Authorization: Bearer {good}", "Authorization: Basic x"],
        "quotes": [f'Authorization: Bearer "{good}"'],
        "a parameter": [f"Authorization: Bearer token={good}"],
        "a parameter behind": [f'Authorization: Bearer {good}, realm="x"'],
        "the scheme twice": [f"Authorization: Bearer Bearer {good}"],
        "null": ["Authorization: Bearer null"],
        "brackets": [f"Authorization: Bearer <{good}>"],
        "Latin-1": [f"Authorization: Bearer \xa0{good}"],
    }
    return {
        **{name: (lines, False) for name, lines in absent.items()},
        **{name: (lines, True) for name, lines in presented.items()},
    }


def _with(lines: list[str], query: str = "") -> bytes:
    body = _BODY % token().encode()
    lengths = [f"{name}: {value}" for name, value in {**JSON, "Content-Length": len(body)}.items()]
    head = [f"POST {TARGET}{query} HTTP/1.1", "Host: a", *lines, *lengths, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def _present(text: str) -> bytes:
    request = sending(text="canary-text")
    return Request(
        request.method, request.target, {**JSON, "Authorization": f"Bearer {text}"}, request.body
    ).to_bytes()


@watched
def forged(stage: Stage) -> Report:
    """Every forgery and every odd header, against a secret and against key pairs."""
    pair = {"JWT_SECRET": "", "JWT_ALGORITHMS": "RS256 ES256"}
    for name, kind in (("JWT_PUBLIC_KEY", "RSA"), ("JWT_PREVIOUS_PUBLIC_KEY", "P-256")):
        pair[f"{name}_FILE"] = str(stage.folder / name)
        (stage.folder / name).write_text(pem(kind))
    trap = f"http://127.0.0.1:{stage.trap.port}/"
    ports = {"secret": serve(stage, SECRETS).port, "pairs": serve(stage, pair).port}
    tokens = {"secret": forgeries(trap), "pairs": {**forgeries(trap), **forgeries_of_pairs(trap)}}
    odd = headers()
    report = Report("forged tokens and odd headers")
    for name, port in ports.items():
        attacks = [(which, _present(text), True) for which, text in tokens[name].items()]
        attacks += [(which, _with(lines), presented) for which, (lines, presented) in odd.items()]
        attacks.append(("a query", _with([], f"?access_token={token()}"), False))
        report.violations += in_lanes(port, attacks, partial(_refused, name))
    report.figures |= {f"tokens against {name}": len(forged) for name, forged in tokens.items()}
    report.figures["forms of headers"] = len(odd) + 1
    _judge(stage, report)
    # All of this is worth nothing where good tokens are refused as well.
    for name, text in (("secret", token()), ("pairs", signed("RS256")), ("pairs", signed("ES256"))):
        status = ask(ports[name], sending(headers={"Authorization": f"Bearer {text}"})).status
        report.violations += [f"{status} to a good token of {name}"] * (status != 200)
    return report


def _refused(place: str, lane: Lane, attack: tuple[str, bytes, bool]) -> list[str]:
    name, data, presented = attack
    return [f"{place}, {name}: {wrong}" for wrong in no_entry(lane.exchange(data), presented=presented)]


def _judge(stage: Stage, report: Report) -> None:
    """Nobody may have been asked anything."""
    asked = {
        "connections to the trap": len(stage.trapped),
        "account look-ups": len(stage.services.lookups),
        "messages sent": len(stage.ledger.entries),
    }
    report.figures |= asked
    report.violations += [f"{count} {what}" for what, count in asked.items() if count]
