"""A layer over a tree that keeps scriptlets from making an index that is there already: in place of
the program a script that does nothing for the commands that made it, and calls the program for all
others.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from dockyard.archive import Archive, Kind
from dockyard.host import files
from dockyard.install.indices import MadeIndex

_KEPT = ".kept"
_SHELLS = (b"usr/bin/sh", b"bin/sh")


def write_masks(indices: Sequence[MadeIndex], composed: Archive, layer: Path) -> bool:
    """Fill a directory that does not exist with the layer for a tree of this archive; False, and no
    directory, where there is nothing to mask, or no shell.
    """
    called: dict[str, list[tuple[str, ...]]] = {}
    for index in indices:
        for program, *arguments in index.commands:
            called.setdefault(program, []).append(tuple(arguments))
    if not called or not any(composed.find(shell) for shell in _SHELLS):
        return False
    files.make_root(layer)
    for program, commands in called.items():
        _write_mask(program, commands, composed, layer)
    return True


def _write_mask(
    program: str, commands: Sequence[tuple[str, ...]], composed: Archive, layer: Path
) -> None:
    found = composed.find(os.fsencode(program))
    if found is None:
        return
    place = layer / program
    copy_directories(composed, os.path.dirname(program), layer)  # noqa: PTH120 (a path inside)
    kept = place.parent / _KEPT / place.name
    kept.parent.mkdir()
    if found.kind is Kind.SYMLINK:
        target = os.fsdecode(found.target)
        kept.symlink_to(target if target.startswith("/") else f"../{target}")
    else:
        kept.write_bytes(composed.read(found.path))
        kept.chmod(found.mode)
    known = "|".join(
        shlex.quote(" ".join(words))
        for arguments in commands
        for words in (arguments, ("-a", *arguments))
    )
    inside = f"/{os.path.dirname(program)}/{_KEPT}/{place.name}"  # noqa: PTH120
    text = f'#!/bin/sh\ncase "$*" in {known}) exit 0;; esac\nexec {shlex.quote(inside)} "$@"\n'
    place.write_text(text)
    place.chmod(0o755)


def copy_directories(tree: Archive, path: str, into: Path) -> None:
    """Make a directory of a tree, and those above it, in a layer over it, with the attributes that
    they have in the tree; those that are there stay.
    """
    parts = path.split("/")
    for number in range(1, len(parts) + 1):
        name = "/".join(parts[:number])
        place = into / name
        if place.is_dir():
            continue
        place.mkdir()
        entry = tree.find(os.fsencode(name))
        if entry is not None:
            os.chown(place, entry.uid, entry.gid)
            place.chmod(entry.mode)
