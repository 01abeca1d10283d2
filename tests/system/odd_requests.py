"""Requests that no well-behaved client sends, byte by byte, and what each is refused with."""

from tests.people import ACME, CONVERSATION

SEND = f"/v1/send-message/{ACME}/{CONVERSATION}"
# Refused by gunicorn's parser: the application never sees them.
REFUSED = {
    "no request line": b"\r\n\r\n\r\n",
    "no method": b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /v1\r\nHost: a\r\n\r\n",
    "a version to come": b"GET /v1 HTTP/9.9\r\nHost: a\r\n\r\n",
    "babble": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "spaces in the target": b"GET /v 1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long target": b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a field without colon": b"GET /v1 HTTP/1.1\r\nHost: a\r\nbabble\r\n\r\n",
    "a space in a name": b"GET /v1 HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n",
    "a folded field": b"GET /v1 HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
    "a NUL": b"GET /v1 HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n",
    "many fields": b"GET /v1 HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 200 + b"\r\n",
    "a long field": b"GET /v1 HTTP/1.1\r\nHost: a\r\nX-A: " + b"b" * 70_000 + b"\r\n\r\n",
    "a negative length": b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length and chunks": b"POST /v1 HTTP/1.1\r\nHost: a\r\n"
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a compressed body": b"POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
}
# Bodies that nobody reads when the answer is 401.
MALFORMED = {
    "no size": b"zz\r\nhello\r\n0\r\n\r\n",
    "too long a chunk": b"5\r\nhelloXX0\r\n\r\n",
    "a length in the trailer": b"0\r\nContent-Length: 99\r\n\r\n",
}
# Nearly as long as any body may be in chunks of any size, and not all of it.
CUT_OFF = f"POST {SEND} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n70000\r\n".encode().ljust(
    450_000, b"x"
)
# Requests that hold something secret where the parser refuses them.
INDISCREET = {
    "a field without colon": "GET /v1 HTTP/1.1\r\nHost: a\r\nAuthorization Bearer {}\r\n\r\n",
    "a folded field": "GET /v1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n {}\r\n\r\n",
    "a name": "GET /v1 HTTP/1.1\r\nHost: a\r\n({}): a\r\n\r\n",
    "a version": "GET /v1 HTTP/{}\r\nHost: a\r\n\r\n",
    "a method": "{} /v1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target": "GET v1?token={} HTTP/1.1\r\nHost: a\r\n\r\n",
    "an expectation": "GET /v1 HTTP/1.1\r\nHost: a\r\nExpect: {}\r\n\r\n",
    "a coding": "GET /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {}\r\n\r\n0\r\n\r\n",
    "a line before the request": "\r\nAuthorization: Bearer {}\r\n\r\n\r\n",
}
PATHS = {
    "//": (404, "NOT_FOUND"),
    "///evil.example/%2e%2e": (404, "NOT_FOUND"),
    "//evil.example/..": (404, "NOT_FOUND"),
    f"/v1//send-message/{ACME}/{CONVERSATION}": (404, "NOT_FOUND"),
    f"/v1/send-message//{CONVERSATION}": (404, "NOT_FOUND"),
    # Werkzeug takes slashes at the beginning off before it looks for a route, without a redirect.
    f"/{SEND}": (405, "METHOD_NOT_ALLOWED"),
    f"{SEND}/": (404, "NOT_FOUND"),
    f"{SEND}//": (404, "NOT_FOUND"),
    f"/v1/send-message/{ACME}%2f{CONVERSATION}": (405, "METHOD_NOT_ALLOWED"),
    f"/v1/send-message/{ACME}%2f..%2f{ACME}/{CONVERSATION}": (404, "NOT_FOUND"),
    f"/v1/../v1/send-message/{ACME}/{CONVERSATION}": (404, "NOT_FOUND"),
    f"/v1/send-message/{ACME}/..": (405, "METHOD_NOT_ALLOWED"),
    f"/v1/send-message/{ACME}/%2e%2e": (405, "METHOD_NOT_ALLOWED"),
    f"/v1/send-message/{ACME}": (404, "NOT_FOUND"),
    f"/V1/send-message/{ACME}/{CONVERSATION}": (404, "NOT_FOUND"),
    "/v1;a=b": (404, "NOT_FOUND"),
    "/v1/": (404, "NOT_FOUND"),
    "/health/ready/": (404, "NOT_FOUND"),
    "/%00": (404, "NOT_FOUND"),
    "/%ff%fe": (404, "NOT_FOUND"),
    "/%0d%0aSet-Cookie:%20a=b": (404, "NOT_FOUND"),
    "/../../etc/passwd": (404, "NOT_FOUND"),
    "http://evil.example/nothing": (404, "NOT_FOUND"),
}
IDS = {
    f"/v1/send-message/{ACME}/..": "INVALID_CONVERSATION_ID",
    f"/v1/send-message/../{CONVERSATION}": "INVALID_COMPANY_ID",
    f"/v1/send-message/%2e%2e/{CONVERSATION}": "INVALID_COMPANY_ID",
    f"/v1/send-message/{ACME}%00/{CONVERSATION}": "INVALID_COMPANY_ID",
    f"/v1/send-message/{ACME};a=b/{CONVERSATION}": "INVALID_COMPANY_ID",
    f"/v1/send-message/{ACME}%20/{CONVERSATION}": "INVALID_COMPANY_ID",
    f"/v1/send-message/{ACME}/{CONVERSATION}%0d%0a": "INVALID_CONVERSATION_ID",
    f"/v1/send-message/{ACME}/%252e%252e": "INVALID_CONVERSATION_ID",
}
