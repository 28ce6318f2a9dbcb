"""Where this host gets packages from: what options and the environment say, else its apt.

No address of an archive is written in Dockyard or in a lock: a lock names suites and paths, this
module says where they are on this host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.model.debian_archive import DEBIAN_ARCHIVE
from dockyard.packages.deb.apt_sources import APT_DIRECTORY, known_archives

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.+-]*)=(.+)")


@dataclass(frozen=True, slots=True)
class Origins:
    """Where this host can get packages from: never part of a lock.

    mirrors: base addresses of the Debian archive. offline: directories of blobs that serve before
    any mirror does (`packages.blobs`). others: name and base addresses of other archives. given:
    the archives whose addresses options or the environment say, not the host's apt. rpm_mirrors:
    addresses of the mirror of an RPM distribution. rpm_keys: files with keys of its repositories.
    """

    mirrors: tuple[str, ...] = ()
    offline: tuple[Path, ...] = ()
    others: tuple[tuple[str, tuple[str, ...]], ...] = ()
    given: tuple[str, ...] = ()
    rpm_mirrors: tuple[str, ...] = ()
    rpm_keys: tuple[Path, ...] = ()

    @classmethod
    def of_host(
        cls,
        environment: Mapping[str, str],
        *,
        debian_mirror: Sequence[str] = (),
        mirror_directories: Sequence[Path] = (),
        rpm_mirror: Sequence[str] = (),
        rpm_keys: Sequence[Path] = (),
        apt: Path = APT_DIRECTORY,
    ) -> Origins:
        """For each archive what the options say, else DOCKYARD_DEBIAN_MIRROR (separated by spaces),
        else the host's apt configuration. Where options name none: the directories of
        DOCKYARD_MIRROR_DIR (separated by colons), the mirrors of DOCKYARD_RPM_MIRROR (by spaces)
        and the files of DOCKYARD_RPM_KEY (by colons). debian_mirror: `ADDRESS` of the Debian
        archive, or `NAME=ADDRESS` of another one.
        """
        given = _named(environment.get("DOCKYARD_DEBIAN_MIRROR", "").split())
        given |= _named(debian_mirror)
        directories = list(mirror_directories) or _paths(environment, "DOCKYARD_MIRROR_DIR")
        rpm_named = list(rpm_mirror) or environment.get("DOCKYARD_RPM_MIRROR", "").split()
        keys = list(rpm_keys) or _paths(environment, "DOCKYARD_RPM_KEY")
        archives = {**known_archives(apt), **given}
        mirrors = archives.pop(DEBIAN_ARCHIVE, ())
        offline = tuple(path.absolute() for path in directories)
        return cls(
            mirrors,
            offline,
            tuple(sorted(archives.items())),
            tuple(sorted(given)),
            tuple(_base(text) for text in rpm_named),
            tuple(path.absolute() for path in keys),
        )

    def archive(self, name: str) -> tuple[str, ...]:
        """The base addresses of an archive; none where it is not known."""
        return self.mirrors if name == DEBIAN_ARCHIVE else dict(self.others).get(name, ())

    def need_mirrors(self) -> tuple[str, ...]:
        """The mirrors. Raises DockyardError (`debian.no-archive`) when none is known."""
        if not self.mirrors:
            raise DockyardError(
                Problem(
                    code="debian.no-archive",
                    what="no Debian archive is known on this host",
                    where=str(APT_DIRECTORY),
                    why="apt is not here, or not set up for Debian",
                    fix="name one with --debian-mirror ADDRESS or DOCKYARD_DEBIAN_MIRROR",
                )
            )
        return self.mirrors


def _named(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name → base addresses, of `ADDRESS` (the Debian archive) and `NAME=ADDRESS`."""
    found: dict[str, list[str]] = {}
    for word in words:
        match = _NAMED.fullmatch(word)
        name, address = match.groups() if match else (DEBIAN_ARCHIVE, word)
        found.setdefault(name, []).append(_base(address))
    return {name: tuple(bases) for name, bases in found.items()}


def _paths(environment: Mapping[str, str], name: str) -> list[Path]:
    return [Path(text) for text in environment.get(name, "").split(":") if text]


def _base(text: str) -> str:
    """A mirror as a person writes it: an address or a directory."""
    if "://" in text:
        return text.rstrip("/")
    return Path(text).absolute().as_uri()
