"""New ids of partitions and file systems, in the files that name them: fstab(5), crypttab(5), and
the words that kernel-install(8) gives to new kernels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dockyard.tree.check import Check
from dockyard.tree.setting import Tree

_FILES = ("/etc/fstab", "/etc/crypttab", "/etc/kernel/cmdline")
_WITHIN = "[0-9A-Za-z-]"  # what may be part of a longer id


@dataclass(frozen=True, slots=True)
class DeviceIdsSetting:
    """`storage.resetPartitionsUuidsType`. ids: what was there, and what takes its place."""

    ids: tuple[tuple[str, str], ...]

    @property
    def identity(self) -> dict[str, Any]:
        return {"deviceIds": [list(pair) for pair in self.ids]}

    def describe(self) -> str:
        return f"new ids of devices in {', '.join(_FILES)}"

    def apply(self, tree: Tree) -> None:
        for path in _FILES:
            if tree.files.lstat(path) is None:
                continue
            text = tree.files.read(path).decode(errors="surrogateescape")
            if (made := self.changed(text)) != text:
                tree.files.write(path, made.encode(errors="surrogateescape"))

    def changed(self, text: str) -> str:
        """A text with the new ids, all of them put in at once."""
        found = {old.lower(): new for old, new in self.ids}
        names = "|".join(re.escape(old) for old in sorted(found, key=len, reverse=True))
        pattern = rf"(?<!{_WITHIN})({names})(?!{_WITHIN})"
        return re.sub(pattern, lambda match: found[match[1].lower()], text, flags=re.IGNORECASE)

    def checks(self) -> list[Check]:
        """Each old id is nowhere."""
        names = " ".join(f"-e {old}" for old, _ in self.ids)
        script = f"grep --no-messages --ignore-case --count {names} {' '.join(_FILES)} | grep -v :0"
        return [Check("devices.ids", "no file names a device by its old id", script, "")]
