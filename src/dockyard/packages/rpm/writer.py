"""Writes RPM packages of format 4, the same bytes for the same contents.

Layout: lead (96 bytes), signature header (padded to 8), main header, payload. Everything that
follows from the contents is made here: sizes, digests of files, header and payload, the tables of
directories, `rpmlib()` requires, and requires of the scriptlets' interpreters. Signing comes
after, see `signature`.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Sequence
from typing import IO

from dockyard.model.architecture import Architecture
from dockyard.packages.rpm.contents import (
    FileFlag,
    FileTrigger,
    PackagedFile,
    RpmPackage,
    RpmRelation,
    Sense,
)
from dockyard.packages.rpm.header import Header, SignatureTag, Tag, Type
from dockyard.packages.rpm.payload import LEVEL, Compressor, inodes, write_payload

LEAD_SIZE = 96
RPM_VERSION = "4.20.1"
_SHA256 = 8
_NOARCH_NUMBER = 255
_LIMIT = 0xFFFFFFFF

_RELATION_TAGS: tuple[tuple[str, Tag, Tag, Tag], ...] = (
    ("provides", Tag.PROVIDENAME, Tag.PROVIDEFLAGS, Tag.PROVIDEVERSION),
    ("requires", Tag.REQUIRENAME, Tag.REQUIREFLAGS, Tag.REQUIREVERSION),
    ("conflicts", Tag.CONFLICTNAME, Tag.CONFLICTFLAGS, Tag.CONFLICTVERSION),
    ("obsoletes", Tag.OBSOLETENAME, Tag.OBSOLETEFLAGS, Tag.OBSOLETEVERSION),
    ("recommends", Tag.RECOMMENDNAME, Tag.RECOMMENDFLAGS, Tag.RECOMMENDVERSION),
    ("suggests", Tag.SUGGESTNAME, Tag.SUGGESTFLAGS, Tag.SUGGESTVERSION),
    ("supplements", Tag.SUPPLEMENTNAME, Tag.SUPPLEMENTFLAGS, Tag.SUPPLEMENTVERSION),
    ("enhances", Tag.ENHANCENAME, Tag.ENHANCEFLAGS, Tag.ENHANCEVERSION),
)
_SCRIPTLET_TAGS: dict[str, tuple[Tag, Tag, Sense]] = {
    "pre": (Tag.PREIN, Tag.PREINPROG, Sense.SCRIPT_PRE),
    "post": (Tag.POSTIN, Tag.POSTINPROG, Sense.SCRIPT_POST),
    "preun": (Tag.PREUN, Tag.PREUNPROG, Sense.SCRIPT_PREUN),
    "postun": (Tag.POSTUN, Tag.POSTUNPROG, Sense.SCRIPT_POSTUN),
    "pretrans": (Tag.PRETRANS, Tag.PRETRANSPROG, Sense.ANY),
    "posttrans": (Tag.POSTTRANS, Tag.POSTTRANSPROG, Sense.ANY),
}
_TRIGGER_SENSES = {
    "in": Sense.TRIGGERIN,
    "un": Sense.TRIGGERUN,
    "postun": Sense.TRIGGERPOSTUN,
}


def write_package(package: RpmPackage, out: IO[bytes]) -> None:
    """Write a package. Raises ValueError for what the format cannot hold (files of 4 GiB and
    more, a path given twice).
    """
    files = sorted(package.files, key=lambda file: file.path.encode("utf-8", "surrogateescape"))
    _refuse(files)
    compressor = Compressor()
    write_payload(files, compressor)
    payload = compressor.finish()
    header = _main_header(package, files)
    header.set(Tag.PAYLOADDIGEST, Type.STRING_ARRAY, (hashlib.sha256(payload).hexdigest(),))
    header.set(Tag.PAYLOADDIGESTALGO, Type.INT32, (_SHA256,))
    header.set(Tag.PAYLOADDIGESTALT, Type.STRING_ARRAY, (compressor.plain_digest,))
    main = header.serialise(Tag.HEADERIMMUTABLE)
    out.write(lead(package))
    out.write(padded(_signature_header(main, payload, compressor.size)))
    out.write(main)
    out.write(payload)


def lead(package: RpmPackage) -> bytes:
    """The lead: long without meaning, but it is what tells an RPM from other files."""
    name = f"{package.name}-{package.version}-{package.release}".encode()[:65]
    number = _NOARCH_NUMBER
    if package.architecture != "noarch":
        number = Architecture(package.architecture).names.rpm_number
    return struct.pack(">4sBBHH66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, number, name, 1, 5)


def padded(signature: bytes) -> bytes:
    return signature + bytes(-len(signature) % 8)


def _refuse(files: Sequence[PackagedFile]) -> None:
    for earlier, later in itertools.pairwise(files):
        if earlier.path == later.path:
            raise ValueError(f"the path {later.path} is given twice")
    for file in files:
        if file.size >= _LIMIT:
            raise ValueError(f"the file {file.path} is 4 GiB or larger")


def _signature_header(main: bytes, payload: bytes, plain_size: int) -> bytes:
    digest = hashlib.md5(main, usedforsecurity=False)
    digest.update(payload)
    header = Header()
    sha1 = hashlib.sha1(main, usedforsecurity=False).hexdigest()
    header.set(SignatureTag.SHA1HEADER, Type.STRING, sha1)
    header.set(SignatureTag.SHA256HEADER, Type.STRING, hashlib.sha256(main).hexdigest())
    header.set(SignatureTag.MD5, Type.BIN, digest.digest())
    size = len(main) + len(payload)
    if size > _LIMIT or plain_size > _LIMIT:
        header.set(SignatureTag.LONGSIZE, Type.INT64, (size,))
        header.set(SignatureTag.LONGARCHIVESIZE, Type.INT64, (plain_size,))
    else:
        header.set(SignatureTag.SIZE, Type.INT32, (size,))
        header.set(SignatureTag.PAYLOADSIZE, Type.INT32, (plain_size,))
    return header.serialise(SignatureTag.HEADERSIGNATURES)


def _main_header(package: RpmPackage, files: Sequence[PackagedFile]) -> Header:
    header = Header()
    _set_identity(header, package)
    _set_files(header, files)
    _set_scriptlets(header, package)
    _set_triggers(header, package.triggers)
    relations = {name: list(getattr(package, name)) for name, *_ in _RELATION_TAGS}
    relations["requires"] += _interpreters(package)
    relations["requires"] += _rpmlib(package, files)
    for name, *tags in _RELATION_TAGS:
        _set_relations(header, relations[name], tags[0], tags[1], tags[2])
    return header


def _set_identity(header: Header, package: RpmPackage) -> None:
    header.set(Tag.HEADERI18NTABLE, Type.STRING_ARRAY, ("C",))
    for tag, text in (
        (Tag.NAME, package.name),
        (Tag.VERSION, package.version),
        (Tag.RELEASE, package.release),
        (Tag.LICENSE, package.license),
        (Tag.OS, "linux"),
        (Tag.ARCH, package.architecture),
        (Tag.PLATFORM, f"{package.architecture}-linux"),
        (Tag.RPMVERSION, RPM_VERSION),
        (Tag.BUILDHOST, "localhost"),
        (Tag.ENCODING, "utf-8"),
        (Tag.PAYLOADFORMAT, "cpio"),
        (Tag.PAYLOADCOMPRESSOR, "zstd"),
        (Tag.PAYLOADFLAGS, str(LEVEL)),
        (Tag.SOURCERPM, package.source or f"{package.name}-{package.version}.src.rpm"),
    ):
        header.set(tag, Type.STRING, text)
    for tag, text in (
        (Tag.URL, package.url),
        (Tag.VENDOR, package.vendor),
        (Tag.DISTRIBUTION, package.distribution),
        (Tag.PACKAGER, package.packager),
    ):
        if text:
            header.set(tag, Type.STRING, text)
    for tag, text in (
        (Tag.SUMMARY, package.summary),
        (Tag.DESCRIPTION, package.description or package.summary),
        (Tag.GROUP, package.group),
    ):
        header.set(tag, Type.I18NSTRING, (text,))
    header.set(Tag.BUILDTIME, Type.INT32, (package.build_time,))
    if package.epoch:
        header.set(Tag.EPOCH, Type.INT32, (package.epoch,))
    if package.changelog:
        changes = package.changelog
        header.set(Tag.CHANGELOGTIME, Type.INT32, tuple(change.time for change in changes))
        header.set(Tag.CHANGELOGNAME, Type.STRING_ARRAY, tuple(c.author for c in changes))
        header.set(Tag.CHANGELOGTEXT, Type.STRING_ARRAY, tuple(c.text for c in changes))


def _set_files(header: Header, files: Sequence[PackagedFile]) -> None:
    numbers = inodes(files)
    first_of = {inode: position for position, inode in reversed(list(enumerate(numbers)))}
    total = sum(
        file.size
        for position, file in enumerate(files)
        if not file.flags & FileFlag.GHOST and first_of[numbers[position]] == position
    )
    if total > _LIMIT:
        header.set(Tag.LONGSIZE, Type.INT64, (total,))
    else:
        header.set(Tag.SIZE, Type.INT32, (total,))
    if not files:
        return
    directories: dict[str, int] = {}
    places = []
    for file in files:
        directory, _, name = file.path.rpartition("/")
        places.append((directories.setdefault(f"{directory}/", len(directories)), name))
    header.set(Tag.DIRNAMES, Type.STRING_ARRAY, tuple(directories))
    header.set(Tag.DIRINDEXES, Type.INT32, tuple(index for index, _ in places))
    header.set(Tag.BASENAMES, Type.STRING_ARRAY, tuple(name for _, name in places))
    header.set(Tag.FILEDIGESTALGO, Type.INT32, (_SHA256,))
    header.set(Tag.FILEINODES, Type.INT32, tuple(numbers))
    count = len(files)
    header.set(Tag.FILEDEVICES, Type.INT32, (1,) * count)
    header.set(Tag.FILERDEVS, Type.INT16, (0,) * count)
    header.set(Tag.FILELANGS, Type.STRING_ARRAY, ("",) * count)
    header.set(Tag.FILESIZES, Type.INT32, tuple(file.size for file in files))
    header.set(Tag.FILEMODES, Type.INT16, tuple(file.mode for file in files))
    header.set(Tag.FILEMTIMES, Type.INT32, tuple(file.mtime for file in files))
    header.set(Tag.FILEFLAGS, Type.INT32, tuple(int(file.flags) for file in files))
    header.set(Tag.FILEVERIFYFLAGS, Type.INT32, tuple(file.verify for file in files))
    header.set(Tag.FILEUSERNAME, Type.STRING_ARRAY, tuple(file.owner for file in files))
    header.set(Tag.FILEGROUPNAME, Type.STRING_ARRAY, tuple(file.group for file in files))
    header.set(Tag.FILELINKTOS, Type.STRING_ARRAY, tuple(file.target for file in files))
    header.set(Tag.FILEDIGESTS, Type.STRING_ARRAY, _digests(files))
    if any(file.capabilities for file in files):
        header.set(Tag.FILECAPS, Type.STRING_ARRAY, tuple(file.capabilities for file in files))


def _digests(files: Sequence[PackagedFile]) -> tuple[str, ...]:
    groups: dict[int, str] = {}
    digests = []
    for file in files:
        if not file.is_regular or file.flags & FileFlag.GHOST:
            digests.append("")
            continue
        digest = groups.get(file.link, "") if file.link else ""
        if not digest:
            digest = hashlib.sha256(file.data).hexdigest()
            groups[file.link] = digest
        digests.append(digest)
    return tuple(digests)


def _set_scriptlets(header: Header, package: RpmPackage) -> None:
    for scriptlet in package.scriptlets:
        body, program, _ = _SCRIPTLET_TAGS[scriptlet.event]
        if scriptlet.script:
            header.set(body, Type.STRING, scriptlet.script)
        if len(scriptlet.interpreter) == 1:
            header.set(program, Type.STRING, scriptlet.interpreter[0])
        else:
            header.set(program, Type.STRING_ARRAY, scriptlet.interpreter)


def _set_triggers(header: Header, triggers: Sequence[FileTrigger]) -> None:
    """The two families of file triggers; their tags differ by 10, but for the priorities."""
    for per_transaction, shift, priorities in (
        (False, 0, Tag.FILETRIGGERPRIORITIES),
        (True, 10, Tag.TRANSFILETRIGGERPRIORITIES),
    ):
        chosen = [trigger for trigger in triggers if trigger.per_transaction is per_transaction]
        if not chosen:
            continue
        pairs = [(i, path) for i, trigger in enumerate(chosen) for path in trigger.paths]
        senses = tuple(int(_TRIGGER_SENSES[chosen[i].event]) for i, _ in pairs)
        texts = Type.STRING_ARRAY
        header.set(Tag.FILETRIGGERSCRIPTS + shift, texts, tuple(t.script for t in chosen))
        header.set(Tag.FILETRIGGERSCRIPTPROG + shift, texts, tuple(t.interpreter for t in chosen))
        header.set(Tag.FILETRIGGERNAME + shift, texts, tuple(path for _, path in pairs))
        header.set(Tag.FILETRIGGERINDEX + shift, Type.INT32, tuple(i for i, _ in pairs))
        header.set(Tag.FILETRIGGERVERSION + shift, texts, ("",) * len(pairs))
        header.set(Tag.FILETRIGGERFLAGS + shift, Type.INT32, senses)
        header.set(priorities, Type.INT32, tuple(trigger.priority for trigger in chosen))


def _interpreters(package: RpmPackage) -> list[RpmRelation]:
    wanted = [
        RpmRelation(scriptlet.interpreter[0], _SCRIPTLET_TAGS[scriptlet.event][2] | Sense.INTERP)
        for scriptlet in package.scriptlets
    ]
    wanted += [RpmRelation(trigger.interpreter, Sense.INTERP) for trigger in package.triggers]
    return [relation for relation in wanted if relation.name.startswith("/")]


def _rpmlib(package: RpmPackage, files: Sequence[PackagedFile]) -> list[RpmRelation]:
    """The features of rpm that are needed to install the package."""
    relations = [relation for name, *_ in _RELATION_TAGS for relation in getattr(package, name)]
    versions = [package.version, package.release, *(item.version for item in relations)]
    rich = any(relation.rich for relation in relations)
    versions += [relation.name for relation in relations if relation.rich]
    features = {"PayloadIsZstd": "5.4.18-1"}
    if files:
        features["CompressedFileNames"] = "3.0.4-1"
        features["PayloadFilesHavePrefix"] = "4.0-1"
        features["FileDigests"] = "4.6.0-1"
    if any(file.capabilities for file in files):
        features["FileCaps"] = "4.6.1-1"
    if rich:
        features["RichDependencies"] = "4.12.0-1"
    if any("~" in version for version in versions):
        features["TildeInVersions"] = "4.10.0-1"
    if any("^" in version for version in versions):
        features["CaretInVersions"] = "4.15.0-1"
    sense = Sense.LESS | Sense.EQUAL | Sense.RPMLIB
    return [RpmRelation(f"rpmlib({name})", sense, version) for name, version in features.items()]


def _set_relations(
    header: Header, relations: Sequence[RpmRelation], name: Tag, flags: Tag, version: Tag
) -> None:
    if not relations:
        return
    ordered = sorted(set(relations), key=lambda item: (item.name, item.version, int(item.sense)))
    header.set(name, Type.STRING_ARRAY, tuple(item.name for item in ordered))
    header.set(flags, Type.INT32, tuple(int(item.sense) for item in ordered))
    header.set(version, Type.STRING_ARRAY, tuple(item.version for item in ordered))
