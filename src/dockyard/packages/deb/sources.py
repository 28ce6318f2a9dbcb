"""Finds the Debian archive through the host's own apt configuration.

Reads what sources.list(5) describes: one-line `.list` files, deb822 `.sources` files, and the
mirror lists that `mirror+file:` names. No address of an archive is written in Dockyard or in a
lock: a lock names suites and paths, this module says where they are on this host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.model.family import DEBIAN
from dockyard.packages.deb.control import paragraphs

APT_DIRECTORY = Path(DEBIAN.packaging.settings[0])

_SUITES = frozenset(
    (
        *("stable", "oldstable", "oldoldstable", "testing", "unstable", "sid", "experimental"),
        *("buster", "bullseye", "bookworm", "trixie", "forky", "duke"),
    )
)
_ONE_LINE = re.compile(r"^\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)(?:\s+(.*))?$")


@dataclass(frozen=True, slots=True)
class AptSource:
    """One entry of apt's configuration for binary packages."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]

    @property
    def debian(self) -> bool:
        """Whether this is the main Debian archive, by the suites that it is asked for.

        A wrong guess does no harm: the archive's signature is checked before anything is used.
        """
        return "main" in self.components and any(
            suite.partition("-")[0] in _SUITES and not suite.endswith(("-security", "/updates"))
            for suite in self.suites
        )


def apt_sources(directory: Path = APT_DIRECTORY) -> Iterator[AptSource]:
    """The enabled entries of an apt configuration directory, in apt's order."""
    files = [directory / "sources.list"]
    parts = directory / "sources.list.d"
    if parts.is_dir():
        files += sorted(path for path in parts.iterdir() if path.suffix in (".list", ".sources"))
    for file in files:
        try:
            text = file.read_text(errors="replace")
        except OSError:
            continue
        yield from _deb822(text) if file.suffix == ".sources" else _one_line(text)


def _deb822(text: str) -> Iterator[AptSource]:
    for fields in paragraphs(text):
        found = {name.lower(): value.split() for name, value in fields.items()}
        enabled = fields.get("Enabled", "yes").strip().lower()
        if "deb" in found.get("types", []) and enabled not in ("no", "false", "off", "0"):
            yield AptSource(
                tuple(found.get("uris", [])),
                tuple(found.get("suites", [])),
                tuple(found.get("components", [])),
            )


def _one_line(text: str) -> Iterator[AptSource]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].rstrip())
        if match and not line.lstrip().startswith("deb-src"):
            uri, suite, components = match.groups()
            yield AptSource((uri,), (suite,), tuple((components or "").split()))


def debian_mirrors(directory: Path = APT_DIRECTORY) -> tuple[str, ...]:
    """The base addresses of the Debian archive that the host's apt uses, in order, each once and
    without a slash at the end; empty when apt is not set up for Debian.
    """
    found: dict[str, None] = {}
    for source in apt_sources(directory):
        if source.debian:
            for uri in source.uris:
                found.update(dict.fromkeys(base.rstrip("/") for base in _bases(uri)))
    return tuple(found)


def _bases(uri: str) -> Iterator[str]:
    if uri.startswith("mirror+file:"):
        path = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
        try:
            lines = path.read_text().splitlines()
        except OSError:
            return
        for line in lines:
            if words := line.partition("#")[0].split():
                yield words[0]
    elif uri.startswith(("http://", "https://", "file:///")):
        yield uri
    elif uri.startswith("file:/"):
        yield "file://" + uri.removeprefix("file:")


@dataclass(frozen=True, slots=True)
class Origins:
    """Where this host can get packages from: never part of a lock.

    mirrors: base addresses of the Debian archive. offline: directories of blobs that serve before
    any mirror does (`packages.blobs`).
    """

    mirrors: tuple[str, ...] = ()
    offline: tuple[Path, ...] = ()

    @classmethod
    def of_host(
        cls,
        environment: Mapping[str, str],
        *,
        debian_mirror: Sequence[str] = (),
        mirror_directories: Sequence[Path] = (),
        apt: Path = APT_DIRECTORY,
    ) -> Origins:
        """What the options say, else DOCKYARD_DEBIAN_MIRROR (addresses separated by spaces) and
        DOCKYARD_MIRROR_DIR (directories separated by colons), else the host's apt configuration.
        """
        named = list(debian_mirror) or environment.get("DOCKYARD_DEBIAN_MIRROR", "").split()
        directories = list(mirror_directories) or [
            Path(text) for text in environment.get("DOCKYARD_MIRROR_DIR", "").split(":") if text
        ]
        mirrors = tuple(_base(text) for text in named) or debian_mirrors(apt)
        return cls(mirrors, tuple(path.absolute() for path in directories))

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


def _base(text: str) -> str:
    """A mirror as a person writes it: an address or a directory."""
    if "://" in text:
        return text.rstrip("/")
    return Path(text).absolute().as_uri()
