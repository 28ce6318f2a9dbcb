"""Which packages rpm must install itself, one after another, because something of them depends on
what is in the tree at that moment, or cannot be unpacked apart.

All others come out the same when all files are laid first and what runs once for the whole
transaction (%posttrans, transaction file triggers) is run over them: in both ways it runs when
every file is there. A scriptlet of a single package runs before or after its own files, with some
packages there and others not yet; no other order can promise the same outcome.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from dockyard.packages.rpm import capabilities
from dockyard.packages.rpm.contents import FileFlag, PackagedFile, Sense
from dockyard.packages.rpm.header import Header, Tag

_TRIGGER_PREIN = 1 << 25
# Tags of rpmtag.h that Dockyard neither writes nor reads otherwise.
_TRIGGERNAME, _TRIGGERFLAGS = 1066, 1068
_PREFIXES = 1098
_SCRIPT_FLAGS = {5025: "%posttrans", 5078: "%transfiletriggerin"}
_ALONE = {
    "%pretrans": (Tag.PRETRANS, Tag.PRETRANSPROG),
    "%pre": (Tag.PREIN, Tag.PREINPROG),
    "%post": (Tag.POSTIN, Tag.POSTINPROG),
}
_ACCOUNTS = ("user(", "group(", "groupmember(")
_NODES = (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK)
_DEEPEST = 200  # deeper than any sound package, and no deeper than functions call themselves
_LONGEST_NAME = 255 - len(";5f3e2a10")  # rpm's mark on a file's name until all of it is there
_PLACED = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO)


def reasons(header: Header, files: Sequence[PackagedFile]) -> list[str]:
    """Why a package is to be installed by rpm itself, a line each; empty when it need not be."""
    return [*_scripts(header), *_kinds(header, files), *_places(files), *_links(files)]


def unpackable(header: Header) -> bool:
    """Whether the payload is of the form that `unpack` reads: not that of files of 4 GiB and more,
    whose entries have no names, nor a difference to another package.
    """
    return Tag.LONGFILESIZES not in header and header.text(Tag.PAYLOADFORMAT, "cpio") == "cpio"


def _scripts(header: Header) -> Iterable[str]:
    for name, tags in _ALONE.items():
        if any(tag in header for tag in tags):
            yield f"it has a {name} scriptlet"
    senses = header.numbers(_TRIGGERFLAGS)
    if _TRIGGERNAME in header and any(s & (Sense.TRIGGERIN | _TRIGGER_PREIN) for s in senses):
        yield "it has triggers for other packages"
    if any(sense & Sense.TRIGGERIN for sense in header.numbers(Tag.FILETRIGGERFLAGS)):
        yield "it has file triggers that run for each package"
    for tag, name in _SCRIPT_FLAGS.items():
        if any(header.numbers(tag)):
            yield f"rpm expands the text of its {name} scriptlets"
    provides = zip_longest(header.texts(Tag.PROVIDENAME), header.texts(Tag.PROVIDEVERSION))
    if any(name and name.startswith(_ACCOUNTS) and version for name, version in provides):
        yield "it makes users or groups before its files are unpacked"


def _kinds(header: Header, files: Iterable[PackagedFile]) -> Iterable[str]:
    if _PREFIXES in header:
        yield "it can be relocated"
    if not unpackable(header):
        yield "its payload has files of 4 GiB or more, or is a difference to another package"
    if len(set(header.numbers(Tag.FILEDEVICES))) > 1:
        yield "its files come from several devices"
    for file in files:
        if stat.S_IFMT(file.mode) in _NODES:
            yield f"it has the device or socket {file.path}"
        elif stat.S_IFMT(file.mode) not in _PLACED:
            yield f"it has {file.path}, of a kind that is not known"
        if file.capabilities:
            try:
                capabilities.attribute(file.capabilities)
            except ValueError as error:
                yield str(error)


def _places(files: Iterable[PackagedFile]) -> Iterable[str]:
    kept = [file for file in files if not file.flags & FileFlag.GHOST]
    leaves = {file.path for file in kept if not file.is_directory}
    for file in kept:
        if file.path.count("/") > _DEEPEST:
            yield f"it has a path of more than {_DEEPEST} names"
            break
        name = file.path.rpartition("/")[2]
        if not file.is_directory and len(os.fsencode(name)) > _LONGEST_NAME:
            yield f"it has a name of more than {_LONGEST_NAME} bytes, which rpm refuses: {name}"
            break
        parent = file.path.rpartition("/")[0]
        while parent:
            if parent in leaves:
                yield f"it has {file.path} and, as no directory, {parent}"
                break
            parent = parent.rpartition("/")[0]


def _links(files: Iterable[PackagedFile]) -> Iterable[str]:
    first: dict[int, PackagedFile] = {}
    for file in files:
        if file.link and file.is_regular and not file.flags & FileFlag.GHOST:
            other = first.setdefault(file.link, file)
            if _attributes(other) != _attributes(file):
                yield f"it has one file as {other.path} and {file.path}, with other attributes"


def _attributes(file: PackagedFile) -> tuple[object, ...]:
    return file.mode, file.owner, file.group, file.mtime, file.capabilities
