"""What changing an image's packages takes to know of it: what is installed, in the words of a
repository's metadata; where the image gets packages from and by whom they must be signed; and what
must stay.

The release that repositories mean by `$releasever` is what dnf takes: the version of what provides
`system-release(releasever)`, else that of the package that provides one of the older names
(dnf.conf(5), rpm's and libdnf's DISTROVERPKG).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dockyard.inspection.packages import RpmDatabase, rpm_database
from dockyard.inspection.tree import Tree
from dockyard.model.family import MANAGER_SETTINGS, MODULES, REPOSITORIES, VARIABLES
from dockyard.packages.rpm.contents import FileFlag
from dockyard.packages.rpm.header import Header, MalformedHeader, Tag
from dockyard.packages.rpm.primary import chunk, from_chunks, installed
from dockyard.packages.rpm.reader import evr_of

_RELEASES = (
    "system-release(releasever)",
    "distribution-release(releasever)",
    "system-release",
    "distribution-release",
    "redhat-release",
)
_PROTECTED = tuple(f"/etc/{each}/protected.d" for each in ("dnf", "yum", "tdnf"))
_KEYS = "/etc/pki/rpm-gpg"
_NAMED_KEY = re.compile(r"file://(/[\w.+/-]+)")
_KERNEL = re.compile(r"/boot/vmlinuz-[^/]+|(/usr)?/lib/modules/[^/]+/vmlinuz")
_MOST = 1 << 20  # bytes of a file of settings
_INSTALLED = 0  # the state of a file that is there (rpmfiles.h)


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """place, backend: of the database of rpm. count: how many packages are installed. primary: what
    is installed, as primary.xml says it.
    release: $releasever, "" where no package says it. documents: whether files that are marked as
    documentation are there. kernels: names of the packages with a kernel. repositories, variables,
    managers, modules, protected, keys: files of settings, by their paths.
    """

    place: str
    backend: str
    count: int
    primary: bytes
    release: str
    documents: bool
    kernels: tuple[str, ...]
    repositories: dict[str, bytes]
    variables: dict[str, bytes]
    managers: dict[str, bytes]
    modules: dict[str, bytes]
    protected: dict[str, bytes]
    keys: dict[str, bytes]


def package_facts(tree: Tree) -> PackageFacts | None:
    """The facts of a tree; None where it has no database of rpm. Raises DockyardError."""
    database = rpm_database(tree)
    if database is None:
        return None
    repositories = dict(_files(tree, REPOSITORIES, ".repo"))
    texts = b"\n".join(repositories.values()).decode(errors="replace")
    keys = dict(_files(tree, (_KEYS,)))
    for path in _NAMED_KEY.findall(texts):
        if (data := tree.whole(path, _MOST)) is not None:
            keys[path] = data
    headers = list(database.parsed(frozenset(Tag)))
    return PackageFacts(
        place=database.place,
        backend=database.backend,
        count=len(headers),
        primary=_primary(headers, database),
        release=_release(headers),
        documents=_documents(headers),
        kernels=tuple(sorted({each.text(Tag.NAME) for each in headers if _has_kernel(each)})),
        repositories=repositories,
        variables=dict(_files(tree, VARIABLES)),
        managers={
            path: data for path in MANAGER_SETTINGS if (data := tree.whole(path, _MOST)) is not None
        },
        modules=dict(_files(tree, (MODULES,), ".module")),
        protected=dict(_files(tree, _PROTECTED, ".conf")),
        keys=keys,
    )


def _files(tree: Tree, folders: Iterable[str], ending: str = "") -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for name in tree.names(folder):
            data = tree.whole(f"{folder}/{name}", _MOST)
            if name.endswith(ending) and data is not None:
                yield f"{folder}/{name}", data


def _primary(headers: Iterable[Header], database: RpmDatabase) -> bytes:
    try:
        return from_chunks(chunk(installed(each)) for each in headers)
    except MalformedHeader as error:
        raise database.damaged(str(error)) from error


def _release(headers: Iterable[Header]) -> str:
    found: dict[str, str] = {}
    for header in headers:
        provided = zip(
            header.texts(Tag.PROVIDENAME), header.texts(Tag.PROVIDEVERSION), strict=False
        )
        for name, version in provided:
            if name in _RELEASES:
                own = evr_of(header).rpartition(":")[2].rpartition("-")[0]
                found.setdefault(name, version if name.endswith(")") and version else own)
    return next((found[name] for name in _RELEASES if name in found), "")


def _documents(headers: Iterable[Header]) -> bool:
    """Whether documentation is installed: it is not where every file of it was left out."""
    left_out = False
    for header in headers:
        states, flags = header.numbers(Tag.FILESTATES), header.numbers(Tag.FILEFLAGS)
        for state, flag in zip(states, flags, strict=False):
            if flag & FileFlag.DOC:
                if state == _INSTALLED:
                    return True
                left_out = True
    return not left_out


def _has_kernel(header: Header) -> bool:
    folders, indexes = header.texts(Tag.DIRNAMES), header.numbers(Tag.DIRINDEXES)
    return any(
        name.startswith("vmlinuz")
        and index < len(folders)
        and _KERNEL.fullmatch(folders[index] + name)
        for index, name in zip(indexes, header.texts(Tag.BASENAMES), strict=False)
    )
