"""What of a tree each kind of file system cannot hold: judged once, when an image is read, and told
before any work of the kinds that it is to be written as.

FAT is not among the kinds: what goes there came from one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from dockyard.archive import Entry
from dockyard.archive.entry import path_text
from dockyard.archive.flags import XATTR_FLAGS, with_flags
from dockyard.errors import Problem
from dockyard.filesystems import btrfs, erofs, xfs
from dockyard.filesystems.ext4 import writer as ext4
from dockyard.filesystems.limits import Limit, Unheld, broken_rules, line_of, refusal

_RULES: Mapping[str, tuple[Limit, ...]] = {
    "btrfs": btrfs.RULES,
    "erofs": erofs.RULES,
    "ext4": ext4.RULES,
    "xfs": xfs.RULES,
}


def unheld(entries: Iterable[Entry], at: bytes) -> Iterator[Unheld]:
    """What of some entries cannot be held, for each kind. at: where they are mounted. Flags are no
    part of that: those that a file system lacks are left out.
    """
    for entry in entries:
        own = entry
        if entry.xattr(XATTR_FLAGS) is not None:
            own = replace(entry, xattrs=with_flags(entry.xattrs, ""))
        for kind, rules in _RULES.items():
            for rule in broken_rules(own, rules):
                path = os.fsdecode(b"/".join(part for part in (at, entry.path) if part))
                yield Unheld(kind, rule.code, f"/{path}", line_of(rule, own, at))


def told(found: Iterable[Unheld]) -> Iterator[Problem]:
    """A problem for each kind and each of its limits, with the paths."""
    groups: dict[tuple[str, str], list[Unheld]] = {}
    for each in found:
        groups.setdefault((each.kind, each.rule), []).append(each)
    for (kind, code), some in groups.items():
        rule = next(rule for rule in _RULES[kind] if rule.code == code)
        yield refusal(
            kind, rule, path_text(os.fsencode(some[0].path[1:])), [each.line for each in some]
        )
