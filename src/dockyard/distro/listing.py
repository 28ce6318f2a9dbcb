"""What a distribution has, for people: one row per package."""

from __future__ import annotations

from dockyard.distro.evr import evr_text
from dockyard.distro.load import LoadedDistro
from dockyard.distro.lock import lock_path, pins_of
from dockyard.packages import lockfile


def listing(loaded: LoadedDistro) -> list[tuple[str, str, str]]:
    """(name, version, origin) of every package, by name; `-` for what the lock does not pin."""
    path = lock_path(loaded)
    pins = lockfile.load(path).packages if path.is_file() else ()
    rows = []
    for item, found in pins_of(loaded.imports(), pins).items():
        if found:
            pin = found[0]
            origin = f"{pin.repository} {pin.name} {pin.evr}"
            rows.append((item.rpm_name, evr_text(pin.evr, item.declaration.revision), origin))
        else:
            rows.append((item.rpm_name, "-", f"{item.upstream}, not in the lock"))
    for package in loaded.packages:
        rows.append((package.name, f"{package.version}-{package.release}", "own"))
    rows += [(repository.id, "", "repository") for repository in loaded.distro.repositories]
    for suite in loaded.distro.archive.suites if loaded.distro.archive else ():
        rows += [
            (f"{loaded.distro.name}:{suite.name}:{part}", "", "archive")
            for part in suite.components
        ]
    return sorted(rows)
