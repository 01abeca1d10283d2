"""Good requests, changed at random on the wire: in their bytes, lines, framing and lengths.

The odd lines and sizes are those of gunicorn's corpus of invalid requests, of RFC 9112, and of the literature on
request smuggling.
"""

import re
from collections.abc import Callable, Sequence
from random import Random

from tests.system.attacks.ground import KEY, TEXT, USER
from tests.system.clients import Request, sending

# Right behind the request line: what follows the first answer is then nobody's request.
CLOSE = b"\r\nConnection: close\r\n"
_OWN_FAULT = re.compile(rb"X-Request-ID:[^\r\n]*" + KEY.encode(), re.IGNORECASE)
_BYTES = [bytes([byte]) for byte in b"\0\t\n\v\r\x1f \"',:;-+_/%0159afxAZ\x7f\x80\xff"] + [b"\r\n", b"\r\n\r\n"]
_LENGTHS = [
    *(b"0", b"5", b"-1", b"+5", b"1_0", b"0x10", b"5, 5", b"5 5", b"", b"\xb2", b"5\x0b", b"05", b"65537"),
    *(b"9" * 20, b"1" * 5000),
]
_CODINGS = [
    *(b"chunked", b"CHUNKED", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"identity"),
    *(b"xchunked", b"\x0bchunked", b"chunked;q=1", b""),
]
_LINES = [
    *(b"Content-Length: " + length for length in _LENGTHS),
    *(b"Content-Length" + rest for rest in (b" : 5", b"\t: 5", b"\0: 5", b"")),
    *(b"Transfer-Encoding: " + coding for coding in _CODINGS),
    *(name + b": chunked" for name in (b"Transfer_Encoding", b"Transfer-Encoding ", b"transfer-encoding", b"TE")),
    *(b"Expect: " + what for what in (b"100-continue", b"200-ok", b"100-continue, x", b"")),
    *(b"Host: " + host for host in (b"b", b"evil.example:80", b"", b"a b", b"[::1", b"\xe4")),
    *(b"Upgrade: " + protocol for protocol in (b"h2c", b"websocket", b"TLS/1.0")),
    *(b"Content-Encoding: " + coding for coding in (b"gzip", b"identity")),
    *(b"Content-Type: " + kind for kind in (b"application/json", b"application/json;charset=utf-16", b"a/b")),
    *(b"X-Forwarded-" + rest for rest in (b"For: ::1, x", b"Proto: https", b"Ssl: off", b"Host: evil.example")),
    *(b"SCRIPT_NAME: " + path for path in (b"/v1", b"/x")),
    *(b"X-Request-ID: " + text for text in (b"a b", b"x" * 65, b"a\tb", b"\xff", b"<script>")),
    *(b"Idempotency-Key: " + text for text in (b"", b"a b", b"x" * 256, b'"', b"'; DROP TABLE keys")),
    *(b"Authorization: " + rest for rest in (b"", b"Basic YTpi", b"Bearer x", b"Negotiate")),
    *(b" folded", b"\tfolded", b"no colon", b": no name", b"(a): b", b"X-A: b\0c", b"X-A: b\rc", b"X-A:\xe4\xf6"),
    *(b"X-A: " + b"b" * 9000, b"X-A: " + b"b" * 70_000, b"\r\n".join([b"X-A: b"] * 120), b"Trailer: Host"),
]
_METHODS = (b"get", b"P@ST", b"GE", b"A" * 30, b"TRACE", b"OPTIONS", b"G\xcbT", b"")
_TARGETS = [
    *(b"*", b"v1", b"//evil.example/v1", b"http://evil.example/v1", b"/v1#a", b"/../v1", b"/%00", b"/\xe4", b""),
    *(b"/" + b"a" * 4000, b"/" + b"a" * 5000),
]
_VERSIONS = (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"HTTP/1", b"HTTP/01.1", b"HTTP/1.1 x", b"")
_FIRST = [
    *(method + b" /v1 HTTP/1.1" for method in _METHODS),
    *(b"GET " + target + b" HTTP/1.1" for target in _TARGETS),
    *(b"GET /v1 " + version for version in _VERSIONS),
    *(b"GET /v1", b"GET  /v1 HTTP/1.1", b" GET /v1 HTTP/1.1", b"PRI * HTTP/2.0", b"CONNECT a:80 HTTP/1.1"),
]
_NO_SIZES = (b"g", b"-1", b"+5", b"0x5", b"1_0", b"F" * 17, b"", b'5;a="\r"', b"\xb2", b"5 5")
_SIZES = (*_NO_SIZES, b" 5", b"5 ", b"5;a", b"F" * 15, b"7" + b"F" * 15, b"F" * 16, b"00", b"0")

Change = Callable[[Random, bytes], bytes]


def good(number: int) -> tuple[bytes, bytes, bytes, bytes]:
    """Requests that the service takes, with a request id of this number: two that send, and two that do not."""
    names = {"X-Request-ID": f"raw-{number}", "Idempotency-Key": f"{KEY}-{number}"}
    plain = sending(USER, text=f"{TEXT} {number}", headers=names)
    assert isinstance(plain.body, bytes)
    chunked = Request(
        plain.method, plain.target, plain.headers, [plain.body[:9], plain.body[9:20], plain.body[20:]]
    )
    nobody = Request(plain.method, plain.target, {"X-Request-ID": f"raw-{number}"}, chunked.body)
    requests = (plain, chunked, nobody, Request("GET", "/v1", {"X-Request-ID": f"raw-{number}"}))
    first, second, third, fourth = (request.to_bytes().replace(b"\r\n", CLOSE, 1) for request in requests)
    return first, second, third, fourth


def mangled(random: Random, data: bytes) -> bytes:
    """The request after one to three changes; still one that says that it is the last on its connection."""
    while True:
        changed = data
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            changed = random.choice(CHANGES)(random, changed)
        head = changed.partition(b"\r\n\r\n")[0] + b"\r\n"
        # A request id is told and logged: who joins a key to it has told it themselves.
        says_so = CLOSE in head and head.lower().count(b"\r\nconnection:") == 1
        if changed != data and says_so and not _OWN_FAULT.search(head):
            return changed


def misframed(random: Random, number: int) -> bytes:
    """A request without a token, on a connection that is to be kept, with chunks that are none.

    What is wrong is noticed when the answer is out: there must not be a second one.
    """
    nobody = good(number)[2].replace(CLOSE, b"\r\n")
    return _with_another_size(random, nobody, _NO_SIZES)


def _inserted(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(_BYTES) + data[at:]


def _replaced(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(_BYTES) + data[at + 1 :]


def _cut(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.choice((1, 2, 3, 20)) :]


def _ended(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _doubled(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    end = at + random.choice((1, 5, 40, 400))
    return data[:end] + data[at:end] + data[end:]


def _with_a_line(random: Random, data: bytes) -> bytes:
    """Another line in the head, or in what follows it."""
    lines = data.split(b"\r\n")
    lines.insert(random.randrange(2, max(3, len(lines))), random.choice(_LINES))
    return b"\r\n".join(lines)


def _without_a_line(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    del lines[random.randrange(len(lines))]
    return b"\r\n".join(lines)


def _with_another_first_line(random: Random, data: bytes) -> bytes:
    return random.choice(_FIRST) + data[data.find(b"\r\n") :]


def _with_another_size(random: Random, data: bytes, sizes: Sequence[bytes] = _SIZES) -> bytes:
    """In the place of a line of the body, which in a chunked one is a size every other time."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = body.split(b"\r\n")
    lines[random.randrange(len(lines))] = random.choice(sizes)
    return head + b"\r\n\r\n" + b"\r\n".join(lines)


def _with_lines_that_end_otherwise(random: Random, data: bytes) -> bytes:
    return data.replace(b"\r\n", random.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")), random.choice((1, 3, -1)))


CHANGES: tuple[Change, ...] = (
    _inserted,
    _replaced,
    _cut,
    _ended,
    _doubled,
    _with_a_line,
    _with_a_line,
    _without_a_line,
    _with_another_first_line,
    _with_another_size,
    _with_lines_that_end_otherwise,
)
