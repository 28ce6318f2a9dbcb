"""Mirrors of a repository: metalinks and mirror lists.

A metalink (Metalink 3.0 as MirrorManager serves it, and RFC 5854) names the mirrors of repomd.xml
with the digests that it may have; a mirror that is behind gives another file and is passed over.
A mirror list is a text with one base address per line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote
from xml.etree import ElementTree

from dockyard.host.network import whole_number
from dockyard.packages.rpm.repomd import strongest

REPOMD = "repodata/repomd.xml"
_ADDRESS = re.compile(r"(https?|file)://\S+\Z")


class MalformedMirrors(ValueError):
    """What should be a metalink or a mirror list is none."""


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Base addresses in order of preference, each ending in `/`.

    digests: (algorithm, hex) that repomd.xml may have; empty when nothing is known about it.
    """

    bases: tuple[str, ...]
    digests: frozenset[tuple[str, str]] = frozenset()


def base(address: str) -> str:
    """A base address with exactly one `/` at its end."""
    return address.rstrip("/") + "/"


def join(base: str, path: str) -> str:
    """The address of a file below a base.

    Paths are taken as the metadata has them, as servers expect; only a local path, in which every
    character is meant as it stands, has to be written as an address first.
    """
    return base + (quote(path) if base.startswith("file://") else path)


def parse_mirror_list(text: str) -> Mirrors:
    """Read a mirror list. Raises MalformedMirrors when it names no mirror."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    wrong = [line for line in lines if not _ADDRESS.match(line)]
    if wrong or not lines:
        saw = f"it has the line {wrong[0][:60]!r}" if wrong else "it is empty"
        raise MalformedMirrors(f"{saw}, where the address of a mirror should stand")
    return Mirrors(tuple(dict.fromkeys(base(line) for line in lines)))


def parse_metalink(data: bytes) -> Mirrors:
    """Read the metalink of a repomd.xml. Raises MalformedMirrors."""
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise MalformedMirrors(f"it is not well-formed XML: {error}") from error
    file = next((e for e in root.iter() if _local(e) == "file"), None)
    if file is None or file.get("name", "").rpartition("/")[2] != "repomd.xml":
        raise MalformedMirrors("it does not describe a repomd.xml")
    found = [_mirror(e, number) for number, e in enumerate(file.iter()) if _local(e) == "url"]
    mirrors = sorted(mirror for mirror in found if mirror)
    if not mirrors:
        raise MalformedMirrors("it names no mirror that speaks HTTP")
    return Mirrors(tuple(dict.fromkeys(address for _, _, address in mirrors)), _digests(file))


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _mirror(element: ElementTree.Element, number: int) -> tuple[int, int, str] | None:
    """(rank, place in the file, base address) of a <url>; None for what cannot be used."""
    address = (element.text or "").strip()
    if not _ADDRESS.match(address) or not address.endswith(f"/{REPOMD}"):
        return None
    preference, priority = element.get("preference", ""), element.get("priority", "")
    if (number_of := whole_number(preference)) is not None:
        rank = -number_of  # Metalink 3: 100 is best
    else:
        rank = whole_number(priority) or 0  # RFC 5854: 1 is best
    return rank, number, address.removesuffix(REPOMD)


def _digests(file: ElementTree.Element) -> frozenset[tuple[str, str]]:
    """The digests of the current file and of the alternates that mirrors may still have."""
    groups: list[dict[str, str]] = [{}]
    for element in file.iter():
        if _local(element) == "alternate":
            groups.append({})
        if _local(element) == "hash":
            name = element.get("type", "").replace("-", "")
            groups[-1][name] = (element.text or "").strip()
    best = (strongest(group) for group in groups)
    return frozenset(digest for digest in best if digest)
