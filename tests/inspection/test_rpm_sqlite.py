"""What is not the table that rpm makes is refused at once: SQLite runs what a database says."""

from __future__ import annotations

import sqlite3
import struct

import pytest

from dockyard.inspection.rpm_sqlite import Damaged, headers

RPM = (
    "CREATE TABLE IF NOT EXISTS 'Packages' "
    "(hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)"
)
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
PAGE, FIRST_PAGE_HEADER, INTERIOR = 4096, 100, 5


def database(*statements: str) -> bytes:
    made = sqlite3.connect(":memory:")
    for statement in statements:
        made.execute(statement)
    made.commit()
    return made.serialize()


def filled(rows: int, size: int) -> bytes:
    some = f"{ENDLESS} SELECT zeroblob({size}) FROM c LIMIT {rows}"
    return database(RPM, f"INSERT INTO Packages(blob) {some}")


def knotted(data: bytes) -> bytes:
    """A database whose inner pages all lead to one page below."""
    made = bytearray(data)
    for start in range(0, len(made), PAGE):
        at = start + (0 if start else FIRST_PAGE_HEADER)
        if made[at] == INTERIOR:
            (cells,) = struct.unpack_from(">H", made, at + 3)
            places = struct.unpack_from(f">{cells}H", made, at + 12)
            for place in places:
                made[start + place : start + place + 4] = made[start + places[0] :][:4]
    return bytes(made)


def test_headers_are_read_in_order() -> None:
    rows = ("INSERT INTO Packages VALUES (2, x'02')", "INSERT INTO Packages VALUES (1, x'01')")
    assert headers(database(RPM, *rows)) == (b"\x01", b"\x02")
    assert len(headers(filled(2000, 1000))) == 2000


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE VIEW Packages AS {ENDLESS} SELECT randomblob(9) AS blob, x AS hnum FROM c",
        "CREATE TABLE Packages(hnum INTEGER PRIMARY KEY, blob BLOB AS (zeroblob(1000000000)))",
        "CREATE TABLE Packages(hnum INTEGER PRIMARY KEY, blob BLOB, more AS (zeroblob(1000000)))",
        "CREATE TABLE Packages(hnum TEXT, blob BLOB)",
        "CREATE VIRTUAL TABLE Packages USING rtree(hnum, blob, more)",
        "CREATE TABLE Others(hnum INTEGER PRIMARY KEY, blob BLOB)",
    ],
)
def test_what_is_no_table_of_rpm_is_refused(statement: str) -> None:
    with pytest.raises(Damaged):
        headers(database(statement))


def test_more_than_the_file_can_have_is_refused() -> None:
    with pytest.raises(Damaged, match="more than its size allows"):
        headers(knotted(filled(100_000, 1)))


def test_what_is_no_blob_is_refused() -> None:
    with pytest.raises(Damaged, match="a package is no header"):
        headers(database(RPM, "INSERT INTO Packages VALUES (1, 'text')"))
