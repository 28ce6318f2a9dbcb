"""Finds Debian archives through the host's own apt configuration.

Reads what sources.list(5) describes: one-line `.list` files, deb822 `.sources` files, and the
mirror lists that `mirror+file:` names.

Archives go by names: `debian`, `debian-security` and `ubuntu` are told from one another by the
suites that apt takes from them, any other by the last part of its address. A wrong guess does no
harm: the archive's signature is checked before anything is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

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
