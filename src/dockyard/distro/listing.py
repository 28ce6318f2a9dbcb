"""What a distribution has, for people: one row per package."""

from __future__ import annotations

from dockyard.distro.load import LoadedDistro
from dockyard.distro.lock import lock_path
from dockyard.distro.relations import evr_text
from dockyard.packages import lockfile


def listing(loaded: LoadedDistro) -> list[tuple[str, str, str]]:
    """(name, version, origin) of every package, by name; `-` for what the lock does not pin."""
    path = lock_path(loaded)
    pins = {pin.name: pin for pin in lockfile.load(path).packages} if path.is_file() else {}
    rows = []
    for _, upstream, declaration in loaded.imports():
        pin = pins.get(upstream)
        version = evr_text(pin.evr) if pin else "-"
        origin = f"{pin.repository} {upstream} {pin.evr}" if pin else f"{upstream}, not in the lock"
        rows.append((declaration.rename or upstream, version, origin))
    for package in loaded.packages:
        rows.append((package.name, f"{package.version}-{package.release}", "own"))
    rows += [(repository.id, "", "repository") for repository in loaded.distro.repositories]
    return sorted(rows)
