"""The headers of packages in `rpmdb.sqlite`, read from a file that a stranger may have written.

What rpm calls a table could be a view that never ends, or compute what it holds: only a table as
rpm makes it is read, and no more rows, bytes and steps than the file can have. SQLite runs in this
process, and no signal stops it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

_COLUMNS = [("hnum", "INTEGER", 1), ("blob", "BLOB", 0)]
_TABLE = "Packages"
_LEAST_HEADER = 32  # bytes
_STEPS_FOR_EACH, _STEPS_BESIDES = 64, 1_000_000  # of SQLite's machine
_STEPS_AT_ONCE = 100_000
_MAY = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_PRAGMA)


class Damaged(ValueError):
    """The database is not one of rpm; the text says why."""


def headers(data: bytes) -> tuple[bytes, ...]:
    """The headers of a database, in the order of their numbers. Raises Damaged."""
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            # A database that was kept in WAL mode cannot be opened from memory.
            database.deserialize(data[:18] + b"\1\1" + data[20:])
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(len(data), 1 << 16))
            _limit(database, len(data) // _LEAST_HEADER)
            return _headers(database, len(data))
    except sqlite3.OperationalError as error:
        why = "it has more than its size allows" if str(error) == "interrupted" else str(error)
        raise Damaged(why) from error
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise Damaged(str(error)) from error


def _limit(database: sqlite3.Connection, rows: int) -> None:
    """Let nothing but reads happen, and only so many steps."""
    left = _STEPS_FOR_EACH * rows + _STEPS_BESIDES

    def count() -> bool:
        nonlocal left
        left -= _STEPS_AT_ONCE
        return left < 0

    def judge(act: int, *_: str | None) -> int:
        return sqlite3.SQLITE_OK if act in _MAY else sqlite3.SQLITE_DENY

    database.set_progress_handler(count, _STEPS_AT_ONCE)
    database.set_authorizer(judge)


def _headers(database: sqlite3.Connection, size: int) -> tuple[bytes, ...]:
    kinds = database.execute("SELECT type FROM sqlite_master WHERE name = ?", (_TABLE,))
    # The last field is above 0 for columns that are computed.
    columns = database.execute(f"PRAGMA table_xinfo({_TABLE})").fetchall()
    told = [(name, kind.upper(), key) for _, name, kind, _, _, key, hidden in columns if not hidden]
    if kinds.fetchall() != [("table",)] or told != _COLUMNS or len(columns) != len(told):
        raise Damaged("its table of packages is not one of rpm")
    found: list[bytes] = []
    for (blob,) in database.execute(f"SELECT blob FROM {_TABLE} ORDER BY hnum"):
        if not isinstance(blob, bytes):
            raise Damaged("a package is no header")
        size -= max(len(blob), _LEAST_HEADER)
        if size < 0:
            raise Damaged("it has more than its size allows")
        found.append(blob)
    return tuple(found)
