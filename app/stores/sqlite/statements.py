"""SQL statements, one per decision, so that no lock is held between two of them.

`now` comes from SQLite itself. It reads its clock once per statement, after the statement has taken the write
lock, so the stamps of a record never run backwards, whichever process they come from. The clock of `julianday` has
milliseconds (`unixepoch('subsec')` would need SQLite 3.42).

Decisions are not returned by RETURNING: the statement would hold the write lock until its thread gets the
interpreter lock again, which in a burst takes longer than other processes wait. Instead, triggers copy them to a
temporary table of the connection, which is read after the write lock is released.
"""

from app.stores.records import WIDTH

_NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000"

# The column that a sweep of each table follows, and where it starts.
_WALKS: dict[str, tuple[str, str | int]] = {"windows": ("key", ""), "keys": ("rowid", 0)}

_NOTE_WINDOW = f"SET (now, admitted, stamps) = ({_NOW}, NEW.admitted, NEW.stamps)"
_NOTE_KEY = f"""
SET (now, fingerprint, owner, state, lapses_at, answer)
    = ({_NOW}, NEW.fingerprint, NEW.owner, NEW.state, NEW.lapses_at, NEW.answer)
"""

# Run on every new connection. A later release may only add to the tables, so that the one before it goes on
# working on the same file. A window is a row that is created and removed for each occasional user: a table that is
# ordered by the key itself (WITHOUT ROWID) then writes half the pages.
BEGINNING = f"""
CREATE TABLE IF NOT EXISTS windows (
    key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, admitted INTEGER NOT NULL, stamps TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    key TEXT NOT NULL UNIQUE, expires_at INTEGER NOT NULL, fingerprint TEXT NOT NULL, owner TEXT NOT NULL,
    state TEXT NOT NULL, lapses_at INTEGER NOT NULL, answer BLOB
) STRICT;
PRAGMA temp_store = MEMORY;
CREATE TEMP TABLE window_note (now, admitted, stamps);
INSERT INTO window_note (now) VALUES (0);
CREATE TEMP TRIGGER window_made AFTER INSERT ON main.windows BEGIN UPDATE window_note {_NOTE_WINDOW}; END;
CREATE TEMP TRIGGER window_changed AFTER UPDATE ON main.windows BEGIN UPDATE window_note {_NOTE_WINDOW}; END;
CREATE TEMP TABLE key_note (now, fingerprint, owner, state, lapses_at, answer);
INSERT INTO key_note (now) VALUES (0);
CREATE TEMP TRIGGER key_made AFTER INSERT ON main.keys BEGIN UPDATE key_note {_NOTE_KEY}; END;
CREATE TEMP TRIGGER key_changed AFTER UPDATE ON main.keys BEGIN UPDATE key_note {_NOTE_KEY}; END;
"""  # noqa: S608 - made of the constants above

# As bytes: in text, SQLite searches for the n-th character from the start. substr() of no bytes is NULL.
_BYTES = "CAST(stamps AS BLOB)"
_NEWEST = f"CAST(ifnull(substr({_BYTES}, -{WIDTH}), '') AS TEXT)"
_OTHERS = f"ifnull(substr({_BYTES}, {WIDTH} - :length, :length - {WIDTH}), '')"
_IN_THE_FUTURE = f"CAST({_NEWEST} AS INTEGER) > excluded.stamps + :window"
_ADMITTED = f"""(
    length({_BYTES}) < :length
    OR CAST(substr({_BYTES}, -:length, {WIDTH}) AS INTEGER) <= excluded.stamps - :window
    OR {_IN_THE_FUTURE}
)"""

# `app.stores.records.admit` in SQL. The row that would be inserted carries `now` as its only stamp; all
# right-hand sides of SET see the row as it was.
HIT = f"""
INSERT INTO windows (key, expires_at, admitted, stamps)
VALUES (:key, {_NOW} + :window, 1, printf('%0{WIDTH}d', {_NOW}))
ON CONFLICT (key) DO UPDATE SET
    admitted = {_ADMITTED},
    expires_at = max(excluded.expires_at, {_NEWEST} + :window),
    stamps = CASE
        WHEN NOT {_ADMITTED} THEN stamps
        WHEN {_IN_THE_FUTURE} THEN excluded.stamps
        ELSE {_OTHERS} || max(excluded.stamps, {_NEWEST})
    END
"""  # noqa: S608 - as above

HIT_NOTE = "SELECT admitted, now, stamps FROM window_note"

_TAKEN = f"""(
    expires_at <= {_NOW}
    OR (
        :again AND fingerprint = :fingerprint
        AND (state = 'unknown' OR (state = 'claimed' AND lapses_at <= {_NOW}))
    )
)"""

CLAIM = f"""
INSERT INTO keys (key, expires_at, fingerprint, owner, state, lapses_at)
VALUES (:key, {_NOW} + :kept, :fingerprint, :owner, 'claimed', {_NOW} + :lease)
ON CONFLICT (key) DO UPDATE SET
    expires_at = CASE WHEN {_TAKEN} THEN excluded.expires_at ELSE expires_at END,
    fingerprint = CASE WHEN {_TAKEN} THEN excluded.fingerprint ELSE fingerprint END,
    owner = CASE WHEN {_TAKEN} THEN excluded.owner ELSE owner END,
    state = CASE WHEN {_TAKEN} THEN excluded.state ELSE state END,
    lapses_at = CASE WHEN {_TAKEN} THEN excluded.lapses_at ELSE lapses_at END,
    answer = CASE WHEN {_TAKEN} THEN NULL ELSE answer END
"""  # noqa: S608 - as above

CLAIM_NOTE = "SELECT owner = :owner, fingerprint = :fingerprint, state, lapses_at <= now, answer FROM key_note"

SETTLE = f"""
INSERT INTO keys (key, expires_at, fingerprint, owner, state, lapses_at, answer)
VALUES (:key, {_NOW} + :kept, :fingerprint, :owner, :outcome, {_NOW}, :answer)
ON CONFLICT (key) DO UPDATE SET state = excluded.state, answer = excluded.answer WHERE owner = excluded.owner
"""  # noqa: S608 - as above

RELEASE = "DELETE FROM keys WHERE key = :key AND owner = :owner"

START = {table: start for table, (_, start) in _WALKS.items()}
# LOOK finds the last of the next rows of a table; SWEEP deletes the expired ones up to it.
LOOK = {
    table: f"SELECT max({by}) FROM (SELECT {by} FROM {table} WHERE {by} > ? ORDER BY {by} LIMIT ?)"  # noqa: S608 - as above
    for table, (by, _) in _WALKS.items()
}
SWEEP = {
    table: f"DELETE FROM {table} WHERE {by} > ? AND {by} <= ? AND expires_at <= {_NOW}"  # noqa: S608 - as above
    for table, (by, _) in _WALKS.items()
}
