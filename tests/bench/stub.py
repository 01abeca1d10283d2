"""The services behind, as light as Python can be: `python stub.py PORT`, in the rivals' environment for its loop.

`/accounts/users/{user}/accounts` and `/{milliseconds}/chat/send-message/{company}/{conversation}`, which answers
so much later; with `hang` in place of the milliseconds, never. `/v1/…`, the service's own path, at once.
"""

import asyncio
import json
import sys

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_COMPANY = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
_ACCOUNT = {"account_id": "account-1", "company_id": _COMPANY, "active": True}
_ACCOUNTS = json.dumps({"accounts": [{**_ACCOUNT, "roles": ["conversations"], "access_level": "member"}]}).encode()
_ACCOUNTS = _HEAD % len(_ACCOUNTS) + _ACCOUNTS
_SENT = {
    "author": "Jane Doe",
    "body": "Hello from the bench",
    "date_created": "2025-03-23T18:30:00.000Z",
    "is_me": True,
    "message_type": "sms_message",
    "sent_by_id": "account-1",
    "sent_by_username": "Jane Doe",
    "message_id": _COMPANY,
}
_REST = json.dumps(_SENT).encode()[1:]
_SENT_HEAD = _HEAD % (len(_REST) + len(b'{"conversation_id": "", ') + 36)


class Stub(asyncio.Protocol):
    """One connection; requests on it come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment] # of a stream it is one
        self._data = b""

    def data_received(self, data: bytes) -> None:
        data = self._data + data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or len(data) < end + _length(data[:end]):
            self._data = data
            return
        self._data = b""
        path = data[: data.find(b" ", 5)].partition(b" ")[2]
        if data.startswith(b"GET"):
            self._transport.write(_ACCOUNTS)
            return
        answer = _SENT_HEAD + b'{"conversation_id": "' + path[-36:] + b'", ' + _REST
        delay = path[1 : path.find(b"/", 1)]
        if delay in {b"0", b"v1"}:
            self._transport.write(answer)
        elif delay != b"hang":
            asyncio.get_running_loop().call_later(int(delay) / 1000, self._transport.write, answer)


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    return int(head[at + 17 : head.find(b"\r\n", at + 17)]) if at >= 0 else 0


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
