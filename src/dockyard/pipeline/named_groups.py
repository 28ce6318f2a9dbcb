"""Which groups an image has before its own settings make any: from its packages.

Packages announce groups (`group(NAME)`), or have them in /etc/group or in files of sysusers.d(5).
A group that a package's script speaks of may exist: only what is certain is told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from dockyard.errors import Problem
from dockyard.packages.package_file import PackageFile
from dockyard.tree.setting import Setting
from dockyard.tree.users import GroupSetting, UserSetting

# Debian's base-passwd makes the first of the second.
_GROUP_FILES = ("/etc/group", "/usr/share/base-passwd/group.master")
_SYSUSERS = "/usr/lib/sysusers.d/"
_ANNOUNCED = re.compile(r"group\((.+)\)")


def unknown_groups(
    settings: Sequence[Setting], packages: Sequence[PackageFile], there: Collection[str] = ()
) -> list[Problem]:
    """The problems of users in groups that nothing makes. there: those that an image has."""
    users = [each for each in settings if isinstance(each, UserSetting)]
    asked = {group for user in users for group in user.groups}
    # A user without a primary group gets one of its own name.
    known = {each.name for each in settings if isinstance(each, GroupSetting | UserSetting)}
    known.update(there)
    if asked <= known:
        return []
    for package in packages:
        known.update(_announced(package))
    # Without a look at all data first.
    for listed in (True, False):
        if asked <= known:
            return []
        for package in packages:
            known.update(_brought(package, listed))
    known.update(group for group in asked - known if any(_speaks(each, group) for each in packages))
    return [problem for user in users for problem in user.lacking(known)]


def _announced(package: PackageFile) -> Iterator[str]:
    for name in package.provides():
        if match := _ANNOUNCED.fullmatch(name):
            yield match[1]


def _brought(package: PackageFile, listed: bool) -> Iterator[str]:
    """The groups of the package's files. listed: see `PackageFile.contents`."""
    for path, data in package.contents(_tells, listed=listed):
        for line in data.decode(errors="replace").splitlines():
            if path in _GROUP_FILES:
                yield line.partition(":")[0]
                continue
            words = line.split()
            if len(words) > 1 and words[0].rstrip("!") in ("u", "g"):
                yield words[1]
            elif len(words) > 2 and words[0] == "m":
                yield words[2]


def _tells(path: str) -> bool:
    return path in _GROUP_FILES or (path.startswith(_SYSUSERS) and path.endswith(".conf"))


def _speaks(package: PackageFile, group: str) -> bool:
    """Whether a script of the package has the name in it."""
    word = re.compile(rf"(?<![\w-]){re.escape(group)}(?![\w-])")
    return any(word.search(script) for script in package.scripts())
