"""What an archive has that some file system, or the program that writes it, cannot hold.

Looked at before a build, so that nothing gets lost without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

from dockyard.archive.archive import Archive
from dockyard.archive.entry import (
    DEVICES,
    NANOSECONDS,
    XATTR_ACL_ACCESS,
    XATTR_ACL_DEFAULT,
    XATTR_CAPABILITY,
    XATTR_SELINUX,
    Entry,
    Kind,
)

Paths = list[bytes]


def _utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_XATTR_TESTS: dict[str, Callable[[bytes, bytes], bool]] = {
    "acls": lambda name, _: name in (XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT),
    "capabilities": lambda name, _: name == XATTR_CAPABILITY,
    "labels": lambda name, _: name == XATTR_SELINUX,
    "trusted_xattrs": lambda name, _: name.startswith(b"trusted."),
    "user_xattrs": lambda name, _: name.startswith(b"user."),
    "empty_xattrs": lambda _, value: not value,
}
_TESTS: dict[str, Callable[[Entry], bool]] = {
    "devices": lambda entry: entry.kind in DEVICES,
    "fifos": lambda entry: entry.kind is Kind.FIFO,
    "hard_links": lambda entry: entry.kind is Kind.HARDLINK,
    "unmapped_ids": lambda entry: entry.uid > 65535 or entry.gid > 65535,
    "odd_names": lambda entry: not _utf8(entry.path),
    "fractional_times": lambda entry: entry.mtime_ns % NANOSECONDS != 0,
    "times_before_1970": lambda entry: entry.mtime_ns < 0,
    "times_after_2038": lambda entry: entry.mtime_ns >= NANOSECONDS << 31,
}


@dataclass(frozen=True, slots=True)
class Features:
    """For each feature the paths that have it, in canonical order."""

    devices: Paths = field(default_factory=list)
    fifos: Paths = field(default_factory=list)
    hard_links: Paths = field(default_factory=list)
    unmapped_ids: Paths = field(default_factory=list)
    odd_names: Paths = field(default_factory=list)
    fractional_times: Paths = field(default_factory=list)
    times_before_1970: Paths = field(default_factory=list)
    times_after_2038: Paths = field(default_factory=list)
    acls: Paths = field(default_factory=list)
    capabilities: Paths = field(default_factory=list)
    labels: Paths = field(default_factory=list)
    trusted_xattrs: Paths = field(default_factory=list)
    user_xattrs: Paths = field(default_factory=list)
    empty_xattrs: Paths = field(default_factory=list)


def features(archive: Archive) -> Features:
    """What an archive has."""
    found: dict[str, Paths] = {name: [] for name in chain(_TESTS, _XATTR_TESTS)}
    for entry in archive:
        for name, test in _TESTS.items():
            if test(entry):
                found[name].append(entry.path)
        for xattr, value in entry.xattrs:
            for feature, has in _XATTR_TESTS.items():
                paths = found[feature]
                if has(xattr, value) and (not paths or paths[-1] != entry.path):
                    paths.append(entry.path)
    return Features(**found)
