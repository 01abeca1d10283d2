"""The messages that arrive in the sandbox, stored in a SQLite file."""

import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS messages (
    message_id TEXT PRIMARY KEY, conversation_id TEXT, author TEXT, body TEXT, date_created TEXT,
    sent_by_id TEXT, request_id TEXT, idempotency_key TEXT
);
"""


class Messages:
    """All messages, including those of earlier runs; for one process and any number of threads."""

    def __init__(self, database: str | Path) -> None:
        self._database = database
        self._arrival = threading.Condition()
        with self._connected() as connection:
            connection.executescript(SCHEMA)

    def keep(
        self,
        conversation_id: str,
        author: str,
        text: str,
        account_id: str,
        *,
        request_id: str | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Store a message with its request's X-Request-ID and Idempotency-Key; returns a SentMessage."""
        message = {
            "message_id": str(uuid.uuid4()),
            "conversation_id": conversation_id,
            "author": author,
            "body": text,
            "date_created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "sent_by_id": account_id,
        }
        row = [*message.values(), request_id, key]
        with self._connected() as connection:
            connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        with self._arrival:
            self._arrival.notify_all()
        return {**message, "is_me": True, "message_type": "sms_message", "sent_by_username": author}

    def after(self, number: int) -> list[dict[str, Any]]:
        """Return the messages after this `number`, oldest first; the first message has number 1."""
        with self._connected() as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(
                "SELECT rowid AS number, conversation_id, author, body, date_created FROM messages "
                "WHERE rowid > ? ORDER BY rowid",
                [number],
            )
            return [dict(row) for row in rows]

    def await_after(self, number: int, seconds: float) -> list[dict[str, Any]]:
        """Like `after`, but wait up to `seconds` for a message; returns an empty list if none arrives."""
        with self._arrival:
            return self._arrival.wait_for(lambda: self.after(number), seconds)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for one use; it waits up to 5 s for another writer."""
        with closing(sqlite3.connect(self._database, timeout=5)) as connection, connection:
            yield connection
