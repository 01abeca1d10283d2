"""What is said to SQLite: one statement for each decision, so that no lock is held between two of them.

`now` comes from SQLite itself. It reads its clock once for a statement, after that statement has taken the
write lock, so the stamps of a record never run backwards whatever process they come from. The clock of
`julianday` has milliseconds (`unixepoch('subsec')` would need SQLite 3.42).
"""

from app.stores.window import WIDTH

_NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000"

# Each step brings the schema one version on, and `user_version` counts them. A step only ever adds, so that
# the release before it goes on working on the same file.
SCHEMA = (
    """
    CREATE TABLE windows (
        key TEXT NOT NULL UNIQUE,
        expires_at INTEGER NOT NULL,
        admitted INTEGER NOT NULL,
        stamps TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE keys (
        key TEXT NOT NULL UNIQUE,
        expires_at INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        owner TEXT NOT NULL,
        state TEXT NOT NULL,
        lapses_at INTEGER NOT NULL,
        answer BLOB
    ) STRICT
    """,
)

_NEWEST = f"substr(stamps, -{WIDTH})"
_IN_THE_FUTURE = f"CAST({_NEWEST} AS INTEGER) > excluded.stamps + :window"
_ADMITTED = f"""(
    length(stamps) < :length
    OR CAST(substr(stamps, -:length, {WIDTH}) AS INTEGER) <= excluded.stamps - :window
    OR {_IN_THE_FUTURE}
)"""

# `app.stores.window.admit` in SQL. The row that would be inserted carries `now` as its only stamp; the right
# sides of SET all see the row as it was.
HIT = f"""
INSERT INTO windows (key, expires_at, admitted, stamps)
VALUES (:key, {_NOW} + :window, 1, printf('%0{WIDTH}d', {_NOW}))
ON CONFLICT (key) DO UPDATE SET
    admitted = {_ADMITTED},
    expires_at = CASE
        WHEN NOT {_ADMITTED} THEN expires_at
        WHEN {_IN_THE_FUTURE} THEN excluded.expires_at
        ELSE max(excluded.expires_at, {_NEWEST} + :window)
    END,
    stamps = CASE
        WHEN NOT {_ADMITTED} THEN stamps
        WHEN {_IN_THE_FUTURE} THEN excluded.stamps
        ELSE substr(stamps || max(excluded.stamps, {_NEWEST}), -:length)
    END
RETURNING admitted, {_NOW}, stamps
"""  # noqa: S608 - made of the constants above

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
RETURNING owner = :owner, fingerprint = :fingerprint, state, lapses_at <= {_NOW}, answer
"""  # noqa: S608 - as above

SETTLE = "UPDATE keys SET state = :outcome, answer = :answer WHERE key = :key AND owner = :owner"

RELEASE = "DELETE FROM keys WHERE key = :key AND owner = :owner"

TABLES = ("windows", "keys")

LOOK = {
    table: f"""
    SELECT max(rowid), total(expires_at <= {_NOW})
    FROM (SELECT rowid, expires_at FROM {table} WHERE rowid > :after ORDER BY rowid LIMIT :count)
    """  # noqa: S608 - as above
    for table in TABLES
}

SWEEP = {
    table: f"DELETE FROM {table} WHERE rowid > :after AND rowid <= :last AND expires_at <= {_NOW}"  # noqa: S608 - as above
    for table in TABLES
}
