"""Says what a lock changes in a Debian system that exists, package by package."""

from __future__ import annotations

from dockyard.model.package_change import Act, PackageChange
from dockyard.model.packages import Lock
from dockyard.packages.deb.installed import InstalledDebs
from dockyard.packages.deb.version import key

_ASKED = "asked for"
_LOCKED = "the lock says so"


def changes_of_debs(lock: Lock, installed: InstalledDebs) -> tuple[PackageChange, ...]:
    """What was chosen earlier, by name; why is what the lock itself tells."""
    assert lock.request is not None
    sizes = {
        each["Package"]: int(each["Installed-Size"]) * 1024
        for each in installed.paragraphs()
        if each.get("Installed-Size", "").isdigit()
    }
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
