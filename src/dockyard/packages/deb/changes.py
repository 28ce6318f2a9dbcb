"""Says what a lock changes in a Debian system that exists, package by package."""

from __future__ import annotations

from dockyard.errors import DockyardError, Problem
from dockyard.model.package_change import Act, PackageChange
from dockyard.model.packages import Lock
from dockyard.packages.deb.installed import InstalledDebs
from dockyard.packages.deb.version import key

_ASKED = "asked for"
_LOCKED = "the lock says so"
_SHOWN = 8


def changes_of_debs(lock: Lock, installed: InstalledDebs) -> tuple[PackageChange, ...]:
    """What was chosen earlier, by name; why is what the lock itself tells.
    Raises DockyardError (`lock.stale`) for a lock that no solver made of what is installed.
    """
    assert lock.request is not None
    sizes = {
        each["Package"]: int(each["Installed-Size"]) * 1024
        for each in installed.paragraphs()
        if each.get("Installed-Size", "").isdigit()
    }
    if others := sorted(set(lock.removed) - installed.labels):
        raise DockyardError(
            Problem(
                "lock.stale",
                "the lock removes packages that the image does not have",
                why="it was changed by hand",
                fix="make it again: dockyard lock",
                excerpt=tuple(others[:_SHOWN]),
            )
        )
    gone = {label.partition("_")[0]: label.split("_") for label in lock.removed}
    asked = {*lock.request.install, *lock.request.update, *(name for _, name in lock.answers)}
    found = []
    for pin in lock.packages:
        _, before, _ = gone.pop(pin.name, ["", "", ""])
        act, size = Act.INSTALL, pin.unpacked
        if before:
            act = Act.UPDATE if key(pin.evr) >= key(before) else Act.DOWNGRADE
            size -= sizes.get(pin.name, 0)
        named = pin.name in asked
        why = _ASKED if named else _LOCKED
        found.append(PackageChange(pin.name, pin.arch, act, before, pin.evr, size, named, why))
    for name, version, architecture in gone.values():
        named = name in lock.request.remove
        why, size = _ASKED if named else _LOCKED, -sizes.get(name, 0)
        found.append(PackageChange(name, architecture, Act.REMOVE, version, "", size, named, why))
    return tuple(sorted(found))
