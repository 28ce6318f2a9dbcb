"""Whether a built image can answer questions at all: told from its manifest, before it is booted.

The guest answers with its own shell, coreutils, util-linux and systemd. One that lacks them boots
into silence, and minutes would go by until that is called a failure.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from dockyard.errors import DockyardError, Position, Problem

# By the package that brings them, as most distributions name it.
PROGRAMS = {
    "bash or dash": ("sh",),
    "coreutils": (
        *("cat", "cut", "head", "id", "ls", "mkdir", "mkfifo", "sha256sum", "sort", "stat", "tail"),
        *("timeout", "tr"),
    ),
    "grep": ("grep",),
    "sed": ("sed",),
    "util-linux": ("findmnt", "lsblk"),
    "glibc's getent": ("getent",),
    "systemd": ("systemctl",),
}
_PLACES = ("/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/")
_SYSTEMD = re.compile(r"^systemd-(?:\d+:)?(\d+)")
_LEAST_SYSTEMD = 256


def require_answers(manifest: Path, packages_at: Position) -> None:
    """Raise DockyardError when an image lacks what its checks need."""
    programs: set[str] = set()
    version = 0
    with manifest.open("rb") as lines:
        for line in lines:
            told = json.loads(line)
            path = str(told["path"])
            place, _, name = path.rpartition("/")
            if f"{place}/" in _PLACES:
                programs.add(name)
            elif path == "/usr/lib/systemd/systemd":
                found = _SYSTEMD.match(str(told.get("package", "")))
                version = int(found[1]) if found else _LEAST_SYSTEMD
    problems = []
    lacking = {
        package: missing
        for package, names in PROGRAMS.items()
        if (missing := [name for name in names if name not in programs])
    }
    if lacking:
        names = ", ".join(name for missing in lacking.values() for name in missing)
        problems.append(
            Problem(
                "boot.no-answers",
                f"the image cannot answer checks: it lacks {names}",
                packages_at,
                fix=f"install {', '.join(lacking)}, or boot it without --check",
            )
        )
    if version < _LEAST_SYSTEMD:
        problems.append(
            Problem(
                "boot.no-answers",
                f"the image cannot answer checks: its systemd is {version or 'missing'}",
                packages_at,
                why=f"the questions reach systemd by credentials, since version {_LEAST_SYSTEMD}",
                fix="boot it without --check",
            )
        )
    if problems:
        raise DockyardError(*problems)
