"""What is in the tree of an image that exists, by name: so that what a file asks of the image is
answered before any work.

    <store>/metadata/installed/<key>/contents.json

It is read only where a file asks, and can be made again from the image.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.archive import Kind
from dockyard.engine.codec import decode, encode
from dockyard.host.files import write_atomic
from dockyard.tree.modules import module_name
from dockyard.tree.services import UNIT_DIRECTORIES, all_starters, can_be_enabled

if TYPE_CHECKING:
    from dockyard.inspection.tree import Tree

FILE = "contents.json"
ACCOUNT_FILES = ("/etc/passwd", "/etc/group")
_MODULES = "/usr/lib/modules"
_NOTHING = "/dev/null"  # where the link of a masked unit leads


@dataclass(frozen=True)
class ExistingContents:
    """directories, files: every path, links in it followed; what is no directory is a file. links:
    where symbolic links lead that lead to something, links in that followed. units: those that are
    there, and whether they can be enabled. starters: units that start others by their directories,
    with those. modules, built_in: of all kernels, with underscores. accounts: the text of account
    files, by their paths.
    """

    directories: frozenset[str]
    files: frozenset[str]
    links: Mapping[str, str]
    units: Mapping[str, bool]
    starters: tuple[tuple[str, str], ...]
    modules: frozenset[str]
    built_in: frozenset[str]
    accounts: Mapping[str, str]

    def place(self, path: str) -> str:
        """A path with the links in it followed, the last one too; as it is where nothing is."""
        at = ""
        for part in posixpath.normpath(path).strip("/").split("/"):
            at = f"{at}/{part}"
            at = self.links.get(at, at)
        return at

    def has(self, path: str) -> bool:
        """Whether anything is at a path."""
        return self.place(path) in self.files or self.has_directory(path)

    def has_directory(self, path: str) -> bool:
        """Whether a directory is at a path."""
        return self.place(path) in self.directories


def read_contents(tree: Tree) -> ExistingContents:
    """What is known of a tree."""
    kinds = {path: entry.kind for path, entry in tree.entries()}
    directories = frozenset(path for path, kind in kinds.items() if kind is Kind.DIRECTORY)
    found = {path: tree.place(path) for path, kind in kinds.items() if kind is Kind.SYMLINK}
    files = _Units(tree)
    units = {name for place in UNIT_DIRECTORIES for name in tree.names(place) if "." in name}
    loadable, built_in = (
        frozenset(_modules(tree, listing)) for listing in ("modules.dep", "modules.builtin")
    )
    return ExistingContents(
        directories=directories,
        files=frozenset(kinds.keys() - directories),
        links={path: place for path, place in found.items() if place is not None},
        units={name: _is_masked(tree, name) or can_be_enabled(files, name) for name in units},
        starters=tuple(all_starters(files)),
        modules=loadable,
        built_in=built_in,
        accounts={path: tree.text(path) or "" for path in ACCOUNT_FILES},
    )


def keep_contents(contents: ExistingContents, folder: Path) -> None:
    """Keep what is known in a directory."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / FILE, json.dumps(encode(contents)).encode())


def kept_contents(folder: Path) -> ExistingContents | None:
    """What was kept in a directory; None where it is gone, or damaged."""
    try:
        return decode(ExistingContents, json.loads((folder / FILE).read_bytes()))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def _modules(tree: Tree, listing: str) -> Iterator[str]:
    for kernel in tree.names(_MODULES):
        for line in (tree.text(f"{_MODULES}/{kernel}/{listing}") or "").splitlines():
            yield module_name(line)


def _is_masked(tree: Tree, name: str) -> bool:
    """Whether a unit leads to nothing: that cannot be enabled either, which systemctl tells."""
    return any(tree.link(f"{place}/{name}") == _NOTHING for place in UNIT_DIRECTORIES)


class _Units:
    """A tree, for what reads units."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def names(self, path: str, /) -> tuple[str, ...]:
        return self._tree.names(path)

    def read_text(self, path: str, /) -> str:
        return self._tree.text(path) or ""
