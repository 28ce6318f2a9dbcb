"""Finds Debian archives through the host's own apt configuration.

Reads what sources.list(5) describes: one-line `.list` files, deb822 `.sources` files, and the
mirror lists that `mirror+file:` names. No address of an archive is written in Dockyard or in a
lock: a lock names suites and paths, this module says where they are on this host.

Archives go by names: `debian`, `debian-security` and `ubuntu` are told from one another by the
suites that apt takes from them, any other by the last part of its address. A wrong guess does no
harm: the archive's signature is checked before anything is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.model.debian_archive import DEBIAN_ARCHIVE
from dockyard.model.family import DEBIAN
from dockyard.packages.deb.control import paragraphs

APT_DIRECTORY = Path(DEBIAN.packaging.settings[0])

_SECURITY = "debian-security"
_UBUNTU = "ubuntu"
_SUITES: Mapping[str, str] = {
    **dict.fromkeys(("stable", "oldstable", "oldoldstable", "testing"), DEBIAN_ARCHIVE),
    **dict.fromkeys(("unstable", "sid", "experimental"), DEBIAN_ARCHIVE),
    **dict.fromkeys(("buster", "bullseye", "bookworm", "trixie", "forky", "duke"), DEBIAN_ARCHIVE),
    **dict.fromkeys(("bionic", "focal", "jammy", "noble"), _UBUNTU),
    **dict.fromkeys(("oracular", "plucky", "questing", "resolute"), _UBUNTU),
}
_SECURE = ("-security", "/updates")
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.+-]*)=(.+)")
_ONE_LINE = re.compile(r"^\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)(?:\s+(.*))?$")


@dataclass(frozen=True, slots=True)
class AptSource:
    """One entry of apt's configuration for binary packages. signed_by: what it says of its keys:
    paths of files, fingerprints, or a key itself; empty where apt's own keys count.
    architectures: Debian's names of those that it is for; empty for all.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    architectures: tuple[str, ...] = ()

    @property
    def archives(self) -> frozenset[str]:
        """The known archives that it may be, by the suites that it is asked for.

        Ubuntu's security suites are in its archive, and in another that has nothing else.
        """
        if "main" not in self.components:
            return frozenset()
        found = set()
        for suite in self.suites:
            archive = _SUITES.get(re.split("[-/]", suite, maxsplit=1)[0])
            secure = suite.endswith(_SECURE)
            if archive == DEBIAN_ARCHIVE:
                found.add(_SECURITY if secure else archive)
            elif archive and not secure:
                found.add(archive)
        return frozenset(found)

    @property
    def own_archives(self) -> frozenset[str]:
        """Those of `archives` whose name its address ends with, and whose keys are the archive's or
        apt's own: a vendor's repository may have suites of the same names.
        """
        ends = {uri.rstrip("/").rpartition("/")[2] for uri in self.uris}
        by_archive = all("-archive-" in Path(key).name for key in self.signed_by.split())
        return self.archives & ends if by_archive else frozenset()


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
        yield from sources_in(file.name, text)


def sources_in(name: str, text: str) -> Iterator[AptSource]:
    """The enabled entries of a file of apt's. name: its name, which says its form."""
    return _deb822(text) if name.endswith(".sources") else _one_line(text)


def _deb822(text: str) -> Iterator[AptSource]:
    for written in paragraphs(text):
        fields = {name.lower(): value for name, value in written.items()}

        def words(name: str, fields: Mapping[str, str] = fields) -> tuple[str, ...]:
            return tuple(fields.get(name, "").split())

        enabled = fields.get("enabled", "yes").strip().lower()
        if "deb" in words("types") and enabled not in ("no", "false", "off", "without", "0"):
            yield AptSource(
                words("uris"),
                words("suites"),
                words("components"),
                fields.get("signed-by", ""),
                words("architectures"),
            )


def _one_line(text: str) -> Iterator[AptSource]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].rstrip())
        if match and not line.lstrip().startswith("deb-src"):
            words, uri, suite, components = match.groups()
            options = {
                name.lower(): value.split(",")
                for name, _, value in (word.partition("=") for word in (words or "").split())
            }
            yield AptSource(
                (uri,),
                (suite,),
                tuple((components or "").split()),
                " ".join(options.get("signed-by", ())),
                tuple(options.get("arch", ())),
            )


def known_archives(directory: Path = APT_DIRECTORY) -> Mapping[str, tuple[str, ...]]:
    """Name → base addresses of the archives that the host's apt uses, in order, each once and
    without a slash at the end.
    """
    found: dict[str, dict[str, None]] = {}
    known = {*_SUITES.values(), _SECURITY}
    for source in apt_sources(directory):
        bases = [base.rstrip("/") for uri in source.uris for base in _bases(uri)]
        for name in sorted(source.archives):
            found.setdefault(name, {}).update(dict.fromkeys(bases))
        for base in bases:
            name = base.rpartition("/")[2]
            if name not in known:
                found.setdefault(name, {})[base] = None
    return {name: tuple(bases) for name, bases in found.items()}


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
