"""The account files of a tree: passwd(5), group(5), shadow(5), gshadow(5), subuid(5).

Written by us rather than by the image's useradd: the same lines whatever the distribution, no
clock, no lock files, no back-ups. Lines that are not touched keep their bytes. Numbers from 1000 to
60000 are chosen as shadow-utils does: the one above the highest, else the lowest that is free, and
none that others ask for. A user's own group gets the user's number where that is one of these and
free; subordinate numbers are for these users alone.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from dockyard.errors import DockyardError, Problem
from dockyard.model.digits import number_in

FIRST_ID = 1000
LAST_ID = 60000
_ORDINARY = range(FIRST_ID, LAST_ID + 1)
FIRST_SUBORDINATE = 100_000
SUBORDINATE_COUNT = 65536
_NUMBER = 2  # the field of a number, in passwd and group


class AccountFiles(Protocol):
    """Where the account files are: in a tree in work, or what is known of an image."""

    def lstat(self, path: str, /) -> os.stat_result | None:
        """What is at a path, or None."""

    def read_text(self, path: str, /) -> str:
        """The text of a file; empty where there is none."""

    def write(self, path: str, data: bytes, /, *, mode: int, gid: int) -> None:
        """Write a file."""


@dataclass(slots=True)
class _Table:
    """One colon-separated file: its lines in order, each as its fields. What is no line of an
    account, such as a comment or a `+` of NIS, stays as it is. least: fields of one that is.
    """

    path: str
    rows: list[list[str]]
    mode: int
    gid: int
    present: bool
    least: int

    @classmethod
    def read(cls, files: AccountFiles, path: str, mode: int, least: int) -> _Table:
        found = files.lstat(path)
        rows = [line.split(":") for line in files.read_text(path).split("\n")]
        if rows[-1] == [""]:
            rows.pop()
        if found is None:
            return cls(path, rows, mode, 0, False, least)
        return cls(path, rows, stat.S_IMODE(found.st_mode), found.st_gid, True, least)

    def find(self, name: str) -> list[str] | None:
        """The line of an account. Raises DockyardError for one that is none."""
        row = next((row for row in self.rows if row[0] == name), None)
        if row is not None and len(row) < self.least:
            raise _broken_line(self.path, name)
        return row

    def number(self, row: list[str]) -> int:
        """The number of the user or group of a line. Raises DockyardError where there is none."""
        found = number_in(row[_NUMBER])
        if found is None:
            raise _broken_line(self.path, row[0])
        return found

    def numbers(self) -> dict[int, str]:
        """All users or groups by number."""
        found: dict[int, str] = {}
        for row in self.rows:
            number = number_in(row[_NUMBER]) if len(row) >= self.least else None
            if number is not None:
                found[number] = row[0]
        return found

    def text(self) -> bytes:
        return "".join(":".join(row) + "\n" for row in self.rows).encode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the tree as passwd(5) has it."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(slots=True)
class Accounts:
    """The account files of one tree, read once, changed in memory, written by `save`."""

    files: AccountFiles
    day: int  # days since 1970-01-01 that a changed password is dated with
    reserved: frozenset[int] = frozenset()  # never chosen for who asks for no number
    _passwd: _Table = field(init=False)
    _group: _Table = field(init=False)
    _shadow: _Table = field(init=False)
    _gshadow: _Table = field(init=False)
    _sub: tuple[_Table, _Table] = field(init=False)

    def __post_init__(self) -> None:
        self._passwd = _Table.read(self.files, "/etc/passwd", 0o644, 7)
        self._group = _Table.read(self.files, "/etc/group", 0o644, 4)
        self._shadow = _Table.read(self.files, "/etc/shadow", 0o640, 5)
        self._gshadow = _Table.read(self.files, "/etc/gshadow", 0o640, 4)
        self._sub = (
            _Table.read(self.files, "/etc/subuid", 0o644, 3),
            _Table.read(self.files, "/etc/subgid", 0o644, 3),
        )

    def save(self) -> None:
        """Write the files back; gshadow, subuid and subgid only where the tree has them."""
        for table in (self._passwd, self._group, self._shadow):
            self.files.write(table.path, table.text(), mode=table.mode, gid=table.gid)
        for table in (self._gshadow, *self._sub):
            if table.present:
                self.files.write(table.path, table.text(), mode=table.mode, gid=table.gid)

    def user(self, name: str) -> Account | None:
        """A user by name."""
        row = self._passwd.find(name)
        if row is None:
            return None
        gid = number_in(row[3])
        if gid is None:
            raise _broken_line(self._passwd.path, name)
        return Account(name, self._passwd.number(row), gid, row[5], row[6])

    def group_id(self, name: str) -> int | None:
        """A group's number by name."""
        row = self._group.find(name)
        return None if row is None else self._group.number(row)

    def add_group(self, name: str, gid: int | None = None) -> int:
        """Add a group, or find it. Raises DockyardError when it has another number already."""
        have = self.group_id(name)
        if have is not None:
            if gid is not None and gid != have:
                raise _taken(f"the group {name} has the number {have} in the image, not {gid}")
            return have
        number = self._free(self._group, gid, f"group {name}")
        self._group.rows.append([name, "x", str(number), ""])
        self._gshadow.rows.append([name, "!", "", ""])
        return number

    def add_member(self, group: str, user: str) -> None:
        """Add a user to a group's members; the group must exist."""
        for table in (self._group, self._gshadow):
            row = table.find(group)
            if row is not None:
                members = [member for member in row[3].split(",") if member]
                if user not in members:
                    row[3] = ",".join([*members, user])

    def add_user(
        self, name: str, *, uid: int | None, group: str | None, home: str | None, shell: str | None
    ) -> Account:
        """Add a user, locked and without a password, or change one that is there where told.

        group: the primary group's name, which must exist; None: a group of the user's own.
        """
        row = self._passwd.find(name)
        if row is not None:
            if uid is not None and uid != self._passwd.number(row):
                raise _taken(f"the user {name} has the number {row[2]} in the image, not {uid}")
            row[3] = row[3] if group is None else str(self.group_id(group))
            row[5] = home or row[5]
            row[6] = shell or row[6]
        else:
            number = self._free(self._passwd, uid, f"user {name}")
            gid = self.group_id(group) if group else self._own_group(name, number)
            self._passwd.rows.append(
                [
                    name,
                    "x",
                    str(number),
                    str(gid),
                    "",
                    home or f"/home/{name}",
                    shell or "/bin/bash",
                ]
            )
            self._shadow.rows.append([name, "!", str(self.day), "0", "99999", "7", "", "", ""])
            if number in _ORDINARY:
                self._add_subordinate(name)
        account = self.user(name)
        assert account is not None
        return account

    def set_password(self, name: str, hashed: str) -> None:
        """Set the second field of a user's shadow line; "!" locks."""
        row = self._shadow_row(name)
        row[1] = hashed
        row[2] = str(self.day)

    def set_expiry(self, name: str, days: int) -> None:
        """Set after how many days the password must be changed; -1: never.

        The days do not count before the first boot: without a day of the last change, there is no
        ageing (shadow(5)), and `password_age` has the first boot set it.
        """
        row = self._shadow_row(name)
        row[4] = "" if days < 0 else str(days)
        row[2] = str(self.day) if days < 0 else ""

    def _shadow_row(self, name: str) -> list[str]:
        row = self._shadow.find(name)
        if row is None:
            row = [name, "!", str(self.day), "0", "99999", "7", "", "", ""]
            self._shadow.rows.append(row)
        return row

    def _own_group(self, name: str, number: int) -> int:
        have = self.group_id(name)
        if have is not None:
            return have
        free = number in _ORDINARY and number not in self._group.numbers()
        return self.add_group(name, number if free else None)

    def _free(self, table: _Table, wanted: int | None, what: str) -> int:
        taken = table.numbers()
        if wanted is not None:
            if wanted in taken:
                raise _taken(f"the number {wanted} of {what} belongs to {taken[wanted]} already")
            return wanted
        avoided = taken.keys() | self.reserved
        highest = max((number for number in taken if number in _ORDINARY), default=FIRST_ID - 1)
        above = range(highest + 1, LAST_ID + 1)
        for number in chain(above, _ORDINARY):
            if number not in avoided:
                return number
        raise _taken(f"no number from {FIRST_ID} to {LAST_ID} is left for {what}")

    def _add_subordinate(self, name: str) -> None:
        for table in self._sub:
            if table.present and table.find(name) is None:
                ranges = [
                    (number_in(row[1]) or 0, number_in(row[2]) or 0)
                    for row in table.rows
                    if len(row) == table.least
                ]
                first = max([FIRST_SUBORDINATE, *(start + count for start, count in ranges)])
                table.rows.append([name, str(first), str(SUBORDINATE_COUNT)])


def _broken_line(path: str, name: str) -> DockyardError:
    return DockyardError(
        Problem(
            "tree.account-line",
            f"the line of {name} in {path} of the image is not that of an account",
            why="it has too few fields, or something else than a number where one belongs",
            fix="correct or remove the line in the image",
        )
    )


def _taken(what: str) -> DockyardError:
    return DockyardError(
        Problem(
            "tree.id-taken", what, fix="choose another number, or leave it out to get a free one"
        )
    )
