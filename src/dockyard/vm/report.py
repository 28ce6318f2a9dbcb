"""What the guest answered: the records that `script` makes it send, read as they come."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

# Numbers of up to nine digits, so that what is damaged is passed over, and never waited for long.
_HEADER = re.compile(rb"@([a-z]+) ([!-~]+) (-?[0-9]{1,9}) ([0-9]{1,9})")


class RecordKind(StrEnum):
    """The kinds of records, in the order in which a good boot sends them."""

    HELLO = "hello"  # the guest's services are starting; text: uptime in seconds
    UPTIME = "uptime"  # the system has come up; text: uptime in seconds
    JOBS = "jobs"  # it has not come up in time; text: the jobs it waits for
    STATE = "state"  # text: systemctl is-system-running
    FAILED = "failed"  # id: a failed unit; text: systemctl status
    TIMES = "times"  # text: systemd-analyze time
    BEGIN = "begin"  # id: the place of the check that is about to run
    ERRORS = "errors"  # id: the same; text: the end of its stderr, if it wrote any
    CHECK = "check"  # id: the same; status: its exit status; text: its stdout
    END = "end"
    TROUBLE = "trouble"  # what is to be copied or shared could not be; text: why
    READY = "ready"  # all that is to be copied or shared is there
    HOSTKEYS = "hostkeys"  # text: public keys of the SSH server, one a line
    STATUS = "status"  # status: that of the command or shell that has ended
    EMERGENCY = "emergency"  # the boot ended in emergency mode; text: failed units and journal


@dataclass(frozen=True, slots=True)
class GuestRecord:
    kind: RecordKind
    id: str
    status: int
    text: str


class GuestReport:
    """Reads the stream of records."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[GuestRecord]:
        """The records that are complete with this data. What is not a record is passed over."""
        self._data += data
        while True:
            line, newline, rest = self._data.partition(b"\n")
            if not newline:
                return
            header = _HEADER.fullmatch(line)
            if not header or header[1].decode() not in frozenset(RecordKind):
                self._data = rest
                continue
            length = int(header[4])
            if len(rest) <= length:
                return
            self._data = rest[length + 1 :]
            text = rest[:length].decode(errors="surrogateescape")
            yield GuestRecord(
                RecordKind(header[1].decode()), header[2].decode(), int(header[3]), text
            )
