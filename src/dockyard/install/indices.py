"""Files that a program of the image generates from the files of many packages, and that take long
to generate: done once for all images in which the program reads the same input.

`select` chooses the packages that contain the program's input, and those that the program needs to
run. `make_index` runs the program in a tree of these packages alone, so that its output cannot
depend on anything else. `assemble` puts the output in place before scriptlets run, and keeps them
from running the program again, see `masks`.

A selection: `selection.json`, the packages and the commands to run. An index: `files/`, and
`index.json`, the commands whose output it is. Neither has commands where an image has no input for
the program.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard import archive
from dockyard.archive import Archive, Kind
from dockyard.host import files, mounts, removal
from dockyard.host.sandbox import run_in_tree
from dockyard.install.compose import Unsuited, compose, discard
from dockyard.install.finish import clamp_times
from dockyard.install.unpack import HEADER, INDEX, TREE
from dockyard.packages.rpm.header import Header, Tag, parse

SELECTION = "selection.json"
FILES = "files"
MADE = "index.json"

_WORD = re.compile(r"[^\s()]+")
_WANTED = frozenset((Tag.PROVIDENAME, Tag.REQUIRENAME, Tag.RECOMMENDNAME))


@dataclass(frozen=True, slots=True)
class Indexer:
    """A program that makes an index. Paths are relative to the root.

    inputs: where everything is that it reads, apart from itself and its libraries. each: the files
    for which it is called, a pattern whose group is its argument. made: what it writes for an
    argument, a pattern; without: the file among them that shows that a package brought the index.
    """

    program: str
    inputs: tuple[str, ...]
    each: str
    made: str
    without: str


INDEXERS: Mapping[str, Indexer] = {
    "modules": Indexer(
        program="usr/sbin/depmod",
        inputs=("usr/lib/modules/", "usr/lib/depmod.d/", "etc/depmod.d/"),
        each=r"usr/lib/modules/([^/]+)/modules\.builtin",
        made=r"usr/lib/modules/{}/modules\.[^/]+",
        without="usr/lib/modules/{}/modules.dep.bin",
    )
}


def select(name: str, packages: Mapping[str, Path], out: Path) -> None:
    """Record in an empty directory what an index is made from. name: a key of `INDEXERS`. packages:
    results of `unpack_package`, by names that the caller chooses.
    """
    indexer, names = INDEXERS[name], sorted(packages)
    places = [packages[each] for each in names]
    paths = [_paths(place) for place in places]
    every = {path for each in paths for path in each}
    arguments = sorted(
        found[1]
        for path in every
        if (found := re.fullmatch(indexer.each, path))
        and indexer.without.format(found[1]) not in every
    )
    chosen: set[int] = set()
    if arguments and indexer.program in every:
        begun = (indexer.program, *indexer.inputs, "etc/passwd", "etc/group")
        first = {n for n, each in enumerate(paths) if any(p.startswith(begun) for p in each)}
        chosen = _with_needs(places, paths, first)
    selection = {
        "indexer": name,
        "commands": [[indexer.program, argument] for argument in arguments] if chosen else [],
        "packages": {names[number]: _digest(places[number]) for number in sorted(chosen)},
    }
    (out / SELECTION).write_text(json.dumps(selection, indent=1) + "\n")


def _digest(place: Path) -> str:
    """SHA-256 over everything that a package unpacks to."""
    digest = hashlib.sha256((place / HEADER).read_bytes())
    digest.update((place / INDEX).read_bytes())
    return digest.hexdigest()


def _paths(place: Path) -> list[str]:
    return [
        os.fsdecode(entry.path)
        for entry in archive.load(place / INDEX, [place / TREE])
        if entry.kind is not Kind.DIRECTORY
    ]


def _with_needs(
    packages: Sequence[Path], paths: Sequence[Sequence[str]], first: set[int]
) -> set[int]:
    """Packages and those among the others that they require or recommend, transitively; versions
    are ignored.
    """
    headers = [_header(place) for place in packages]
    providing: dict[str, list[int]] = {}
    for number, (header, own) in enumerate(zip(headers, paths, strict=True)):
        for name in (*header.texts(Tag.PROVIDENAME), *(f"/{path}" for path in own)):
            providing.setdefault(name, []).append(number)
    chosen, pending = set(first), list(first)
    while pending:
        for name in _needs(headers[pending.pop()]):
            new = [number for number in providing.get(name, ()) if number not in chosen]
            chosen.update(new)
            pending += new
    return chosen


def _header(place: Path) -> Header:
    """Empty where a package has one that rpm would keep apart: then rpm installs it, and all
    others.
    """
    data = (place / HEADER).read_bytes()
    return parse(data, 0, _WANTED)[0] if data else Header()


def _needs(header: Header) -> Iterable[str]:
    for name in (*header.texts(Tag.REQUIRENAME), *header.texts(Tag.RECOMMENDNAME)):
        # A rich relation counts as all names in it.
        yield from _WORD.findall(name) if name.startswith("(") else (name,)


def make_index(selection: Path, packages: Mapping[str, Path], out: Path, epoch: int) -> None:
    """Make the index of a selection in an empty directory. packages: those of the selection, and
    any others. epoch: seconds, the time that programs are told, and no file is newer. Call
    `namespace.enter()` before. Raises DockyardError (`ProcessFailed`).
    """
    chosen = json.loads((selection / SELECTION).read_bytes())
    (out / FILES).mkdir()
    tree, upper, scratch, at = (out / name for name in (TREE, "upper", "scratch", "root"))
    places = [packages[name] for name in chosen["packages"]]
    try:
        if chosen["commands"]:
            compose(places, tree, epoch)
    except Unsuited:  # then rpm installs the packages, and their scriptlets make the index
        removal.remove_tree(tree)
        chosen["commands"] = []
    if chosen["commands"]:
        files.make_root(upper)
        for directory in (scratch, at):
            directory.mkdir()
        env = {"SOURCE_DATE_EPOCH": str(epoch), "SYSTEMD_OFFLINE": "1", "HOME": "/root"}
        with mounts.overlay([tree], upper, scratch, at):
            for program, *arguments in chosen["commands"]:
                run_in_tree(at, [f"/{program}", *arguments], env=env)
        clamp_times(upper, epoch)
        _keep(chosen, upper, out / FILES)
        discard(tree, places)
        for directory in (upper, scratch):
            removal.remove_tree(directory)
        at.rmdir()
    (out / MADE).write_text(json.dumps(chosen) + "\n")


def _keep(chosen: Mapping[str, Any], upper: Path, kept: Path) -> None:
    """Move what an index consists of out of the upper directory of an overlay."""
    indexer = INDEXERS[str(chosen["indexer"])]
    arguments = (argument for _, argument in chosen["commands"])
    made = [re.compile(indexer.made.format(re.escape(argument))) for argument in arguments]
    for entry in archive.scan(upper):
        path = os.fsdecode(entry.path)
        if entry.kind is Kind.FILE and any(each.fullmatch(path) for each in made):
            (kept / path).parent.mkdir(parents=True, exist_ok=True)
            (upper / path).rename(kept / path)


@dataclass(frozen=True, slots=True)
class MadeIndex:
    """An index that was made earlier: its files, and the commands that wrote them."""

    place: Path
    indexer: str
    commands: tuple[tuple[str, ...], ...]

    @classmethod
    def load(cls, place: Path) -> MadeIndex:
        loaded = json.loads((place / MADE).read_bytes())
        return cls(place, loaded["indexer"], tuple(map(tuple, loaded["commands"])))

    @property
    def made(self) -> Archive:
        return archive.scan(self.place / FILES)

    def is_input(self, path: str) -> bool:
        """Whether a path is part of the index's input."""
        indexer = INDEXERS[self.indexer]
        if not self.commands or (self.place / FILES / path).exists():
            return False  # its own files, and the directories that they are in
        return path == indexer.program or path.startswith(indexer.inputs)
