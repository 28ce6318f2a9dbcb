"""Which groups an image has before its own settings make any: from its packages.

Packages announce groups (`group(NAME)`), or have them in /etc/group or in files of sysusers.d(5).
A group that a package's scriptlet speaks of may exist: only what is certain is told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from dockyard.errors import Problem
from dockyard.packages.rpm.header import Tag
from dockyard.packages.rpm.reader import RpmFile, read_package
from dockyard.tree.setting import Setting
from dockyard.tree.users import GroupSetting, UserSetting

_GROUP_FILE = "/etc/group"
_SYSUSERS = "/usr/lib/sysusers.d/"
_ANNOUNCED = re.compile(r"group\((.+)\)")
_SCRIPTLETS = (Tag.PREIN, Tag.POSTIN)


def unknown_groups(
    settings: Sequence[Setting], packages: Sequence[Path], there: Collection[str] = ()
) -> list[Problem]:
    """The problems of users in groups that nothing makes. there: those that an image has."""
    users = [each for each in settings if isinstance(each, UserSetting)]
    asked = {group for user in users for group in user.groups}
    # A user without a primary group gets one of its own name.
    known = {each.name for each in settings if isinstance(each, GroupSetting | UserSetting)}
    known.update(there)
    if asked <= known:
        return []
    opened = [read_package(path) for path in packages]
    for package in opened:
        known.update(_announced(package))
    if asked <= known:
        return []
    for package in opened:
        known.update(_brought(package))
    known.update(group for group in asked - known if any(_speaks(each, group) for each in opened))
    return [problem for user in users for problem in user.lacking(known)]


def _announced(package: RpmFile) -> Iterator[str]:
    for relation in package.relations("provides"):
        if match := _ANNOUNCED.fullmatch(relation.name):
            yield match[1]


def _brought(package: RpmFile) -> Iterator[str]:
    """The groups of the package's files."""
    if not any(_tells(file.path) for file in package.files()):
        return
    for path, _, data in package.entries():
        text = data.decode(errors="replace") if _tells(path) else ""
        for line in text.splitlines():
            if path == _GROUP_FILE:
                yield line.partition(":")[0]
                continue
            words = line.split()
            if len(words) > 1 and words[0].rstrip("!") in ("u", "g"):
                yield words[1]
            elif len(words) > 2 and words[0] == "m":
                yield words[2]


def _tells(path: str) -> bool:
    return path == _GROUP_FILE or (path.startswith(_SYSUSERS) and path.endswith(".conf"))


def _speaks(package: RpmFile, group: str) -> bool:
    """Whether a scriptlet of the package has the name in it."""
    word = re.compile(rf"(?<![\w-]){re.escape(group)}(?![\w-])")
    return any(word.search(package.header.text(tag)) for tag in _SCRIPTLETS)
