"""The table of file systems and the directories that they are mounted at (fstab(5))."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.tree.check import Check, Turn
from dockyard.tree.setting import Tree

REPART = "/usr/lib/repart.d"
_OWN_GROWTH = re.compile(r"\d{3}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.conf$")
_REPART_PROGRAM = "/usr/bin/systemd-repart"
_SHOWN = frozenset(("ro", "noatime", "nodiratime", "nosuid", "nodev", "noexec", "sync", "dirsync"))


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system that is to be mounted. source: as /etc/fstab names it. kind: as mount(8)
    does. options: those of the image file. subvolume: of btrfs, which one.
    """

    path: str
    kind: str
    source: str
    options: tuple[str, ...] = ()
    position: Position | None = None
    subvolume: str = ""


@dataclass(frozen=True, slots=True)
class SubvolumeLimit:
    """What a subvolume of btrfs may hold: bytes, 0 for no limit. uuid: of the file system. number:
    of the subvolume, path: in the file system. most_own: for data of its own alone.
    """

    uuid: str
    number: int
    path: str
    most: int
    most_own: int
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class FstabSetting:
    """`storage.filesystems` as the running system sees it.

    text: the whole of /etc/fstab. swaps: swap spaces, as /etc/fstab names them. growth: the files
    by name that tell systemd-repart(8) which partition takes what a larger disk has. limits: of
    subvolumes, which the file system itself has.
    """

    text: str
    mounts: tuple[Mount, ...]
    swaps: tuple[str, ...] = ()
    growth: tuple[tuple[str, str], ...] = ()
    limits: tuple[SubvolumeLimit, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        growth = [list(item) for item in self.growth]
        return {"fstab": {"lines": self.text.splitlines(), "growth": growth}}

    def describe(self) -> str:
        return f"/etc/fstab with {', '.join(mount.path for mount in self.mounts)}"

    def apply(self, tree: Tree) -> None:
        for mount in self.mounts:
            tree.files.make_directories(mount.path)
        tree.files.write("/etc/fstab", self.text.encode())
        if self.growth and not tree.files.lstat(_REPART_PROGRAM):
            raise DockyardError(
                Problem(
                    code="tree.no-repart",
                    what="the image has no systemd-repart, which grows its last partition at boot",
                    fix="install the package systemd-repart, or give the partition a size",
                )
            )
        # Those of another layout, which the image had before, would make partitions again.
        for name in tree.files.names(REPART) if tree.files.lstat(REPART) else ():
            if _OWN_GROWTH.match(name):
                tree.files.remove(f"{REPART}/{name}")
        for name, text in self.growth:
            tree.files.make_directories(REPART)
            tree.files.write(f"{REPART}/{name}", text.encode())

    def checks(self) -> list[Check]:
        where = self.mounts[0].position if self.mounts else None
        title = "/etc/fstab is as the image file lays it out"
        # What follows are lines of other settings, each with a check of its own.
        script = f"head --lines={len(self.text.splitlines())} /etc/fstab"
        found = [Check("mounts.fstab", title, script, self.text, where)]
        for mount in self.mounts:
            found.append(self._check(mount))
            if live := live_options(mount.options):
                found.append(self._options_check(mount, live))
            if mount.subvolume:
                found.append(self._check_subvolume(mount))
        found += [self._check_limit(limit) for limit in self.limits]
        return found + [self._check_swap(source) for source in self.swaps]

    @staticmethod
    def _check_subvolume(mount: Mount) -> Check:
        script = (
            f"{_mounted(mount)}; findmnt --noheadings --output FSROOT "
            f"--types {mount.kind} {shlex.quote(mount.path)}"
        )
        title = f"{mount.path} is the subvolume {mount.subvolume}"
        id, expect = f"mounts.{mount.path}.subvolume", f"/{mount.subvolume}"
        return Check(id, title, script, expect, mount.position, turn=_turn(mount))

    @staticmethod
    def _check_limit(limit: SubvolumeLimit) -> Check:
        """Whether the kernel holds a subvolume to its limits (Linux 5.9 and later tell)."""
        script = (
            f"cd /sys/fs/btrfs/{limit.uuid}/qgroups; "
            f"cat 0_{limit.number}/max_referenced 0_{limit.number}/max_exclusive inconsistent"
        )
        title = f"the subvolume {limit.path} has its limits"
        expect = f"{limit.most}\n{limit.most_own}\n0"
        return Check(f"limits.{limit.path}", title, script, expect, limit.position)

    @staticmethod
    def _check_swap(source: str) -> Check:
        kind, _, value = source.partition("=")
        script = (
            f"device=$(readlink --canonicalize /dev/disk/by-{kind.lower()}/{value}); "
            'grep --count "^$device[[:blank:]]" /proc/swaps'
        )
        return Check(f"swap.{value}", f"{source} is in use as swap space", script, "1")

    @staticmethod
    def _check(mount: Mount) -> Check:
        kind, equals, value = mount.source.partition("=")
        if not equals:
            kind, value = "SOURCE", mount.source
        script = (
            f"{_mounted(mount)}; findmnt --noheadings --output FSTYPE,{kind} "
            f"--types {mount.kind} {shlex.quote(mount.path)} | sed 's/  */ /; s/ *$//'"
        )
        title = f"{mount.path} is {mount.kind} from {mount.source}"
        expect, turn = f"{mount.kind} {value}", _turn(mount)
        return Check(f"mounts.{mount.path}", title, script, expect, mount.position, turn=turn)

    @staticmethod
    def _options_check(mount: Mount, live: list[str]) -> Check:
        pattern = " ".join(f"-e {option}" for option in live)
        path = shlex.quote(mount.path)
        script = (
            f"{_mounted(mount)}; findmnt --noheadings --output OPTIONS --types {mount.kind} {path} "
            f"| tr , '\\n' | grep -Fx {pattern} | LC_ALL=C sort -u"
        )
        title = f"{mount.path} is mounted with {', '.join(live)}"
        id, expect = f"mounts.{mount.path}.options", "\n".join(live)
        return Check(id, title, script, expect, mount.position, turn=_turn(mount))


def _turn(mount: Mount) -> Turn:
    """Before all others where the check mounts the file system: they look into it."""
    return Turn.BEFORE if "noauto" in mount.options else Turn.ANY


def _mounted(mount: Mount) -> str:
    """A command that has a file system mounted: what is mounted on demand by being looked at, what
    only an administrator mounts as one does. Later questions look into both.
    """
    path = shlex.quote(mount.path)
    if "noauto" in mount.options:
        return f"ls {path} >/dev/null; mountpoint -q {path} || mount {path}"
    return f"ls {path} >/dev/null"


def live_options(options: tuple[str, ...]) -> list[str]:
    """Those of the options that the kernel shows of a mounted file system, as it shows them. All
    others, such as nofail, are systemd's and have their say in /etc/fstab.
    """
    found = {option for option in options if option in _SHOWN}
    for option in options:
        key, equals, value = option.partition("=")
        if equals and key == "umask":
            found |= {f"fmask={int(value, 8):04o}", f"dmask={int(value, 8):04o}"}
    return sorted(found)
