"""Overlay mounts: a line of /etc/fstab for each, and the directories that it needs.

Sources: the kernel's Documentation/filesystems/overlayfs.rst; systemd.mount(5) for `x-initrd.mount`
and `x-systemd.requires-mounts-for`. In the initrd the root is at /sysroot: systemd puts that before
the mount point by itself, and before no option.
"""

from __future__ import annotations

import shlex
import stat
from dataclasses import dataclass
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.tree.check import Check
from dockyard.tree.fstab import live_options
from dockyard.tree.selinux import CONFIG, policy_type
from dockyard.tree.setting import Tree

FSTAB = "/etc/fstab"
_SYSROOT = "/sysroot"
_PRIVATE = 0o755  # of the work directory, in which overlayfs makes one of its own


@dataclass(frozen=True, slots=True)
class OverlaySetting:
    """One of `os.overlays`. Directories are paths in the image; lower: topmost first."""

    lower: tuple[str, ...]
    upper: str
    work: str
    mount_point: str
    early: bool = False
    dependencies: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    position: Position | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {"overlay": self.line}

    def describe(self) -> str:
        return f"overlay at {self.mount_point}"

    @property
    def line(self) -> str:
        """The line of fstab(5)."""
        options = [
            *self._directories,
            *(["x-initrd.mount"] if self.early else []),
            *(
                f"x-systemd.requires-mounts-for={self._seen(path)}"
                for path in dict.fromkeys((*self.dependencies, self.upper))
            ),
            *self.options,
        ]
        return f"overlay {self.mount_point} overlay {','.join(options)} 0 0"

    @property
    def _directories(self) -> tuple[str, ...]:
        lower = ":".join(self._seen(path) for path in self.lower)
        upper, work = self._seen(self.upper), self._seen(self.work)
        return (f"lowerdir={lower}", f"upperdir={upper}", f"workdir={work}")

    def _seen(self, path: str) -> str:
        """Where a directory is when the overlay is mounted."""
        return f"{_SYSROOT}{path}" if self.early else path

    def apply(self, tree: Tree) -> None:
        for path in self.lower:
            found = tree.files.lstat(path)
            if found is None or not (stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)):
                raise DockyardError(self.without_lower(path))
        for path in (self.mount_point, self.upper, self.work):
            tree.files.make_directories(path)
        self._like_lower(tree)
        tree.files.set_attributes(self.work, mode=_PRIVATE, uid=0, gid=0)
        text = tree.files.read_text(FSTAB)
        ended = "" if text.endswith("\n") or not text else "\n"
        tree.files.write(FSTAB, f"{text}{ended}{self.line}\n".encode())
        self._label_like_mount_point(tree)

    def _like_lower(self, tree: Tree) -> None:
        """The root of an overlay is what its upper directory is: that is as the one below."""
        if self.lower and (found := tree.files.lstat(self.lower[0])):
            mode = stat.S_IMODE(found.st_mode)
            tree.files.set_attributes(self.upper, mode=mode, uid=found.st_uid, gid=found.st_gid)

    def _label_like_mount_point(self, tree: Tree) -> None:
        """With SELinux, files above get the labels of those that they are seen in place of
        (file_contexts.subs, selabel_file(5)).
        """
        kind = policy_type(tree.files.read_text(CONFIG))
        place = f"/etc/selinux/{kind}/contexts/files"
        if kind and tree.files.lstat(place):
            same = f"{place}/file_contexts.subs"
            text = tree.files.read_text(same)
            tree.files.write(same, f"{text}{self.upper} {self.mount_point}\n".encode())

    def without_lower(self, path: str) -> Problem:
        """The problem of a lower directory that is none."""
        return Problem(
            "tree.no-lower-directory",
            f"the overlay at {self.mount_point} is to show {path}, which is no directory",
            self.position,
            fix="correct `lowerDirs`, or make the directory with a package or `additionalDirs`",
        )

    def checks(self) -> list[Check]:
        id, at = f"overlays.{self.mount_point}", self.position
        line = shlex.quote(self.line)
        script = f"grep --line-regexp --fixed-strings --count {line} {FSTAB}"
        found = [Check(f"{id}.fstab", f"{FSTAB} has the {self.describe()}", script, "1", at)]
        options = [*self._directories, *live_options(self.options)]
        patterns = " ".join(f"-e {shlex.quote(option)}" for option in options)
        script = (
            "findmnt --noheadings --output OPTIONS --types overlay "
            f"--mountpoint {shlex.quote(self.mount_point)} "
            f"| tr , '\\n' | grep -Fx {patterns} | LC_ALL=C sort -u"
        )
        title = f"{self.mount_point} is an overlay of {', '.join(self.lower)} and {self.upper}"
        return [*found, Check(id, title, script, "\n".join(sorted(options)), at)]
