"""Lists every file of an image; and for checks, notes what the running system is to be like."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from dockyard import archive
from dockyard.install import deb_database, rpm
from dockyard.model.packages import PackageKind
from dockyard.pipeline.arguments.image import ListFiles, NoteExpectations
from dockyard.pipeline.arguments.names import COMMAND_LINE, EXPECTED, MANIFEST, TOOLS
from dockyard.pipeline.expected import expected_of
from dockyard.pipeline.stack import load_root, merged_tree, scratch_tree
from dockyard.pipeline.steps.filesystem import content_of
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def list_files(work: Work, wanted: ListFiles) -> None:
    """Fills `manifest.jsonl` and, where the image boots, `cmdline`. The files of FAT file systems
    are listed as they are there: what an image boots is in none of the trees.
    """
    if wanted.told:
        shutil.copyfile(work.result(wanted.told) / COMMAND_LINE, work.out / COMMAND_LINE)
    merged = load_root(work.result, wanted.root, wanted.below)
    tools = trees_in(work.result(TOOLS)).main
    with merged_tree(work, wanted.below[:1]) as tree:
        place = wanted.packaging.database
        if wanted.packaging.kind is PackageKind.DEB:
            owners = deb_database.file_owners(tree, place)
        else:
            owners = rpm.file_owners(tree, tools, work.out / "rpmdb", place)
    places = [os.fsencode((system.mount or "").strip("/")) for system in wanted.fat]
    listed = merged
    for system, at in zip(wanted.fat, places, strict=True):
        part = content_of(system, load_root(work.result, system.root, system.below), work)
        listed = archive.planted(listed, at, part)
    (work.out / MANIFEST).write_bytes(archive.manifest(listed, owners, places))


def note_expectations(work: Work, wanted: NoteExpectations) -> None:
    """Fills `expected.json`: what no list of files tells."""
    merged = load_root(work.result, wanted.root, wanted.below)
    tools = trees_in(work.result(TOOLS)).main
    with scratch_tree(work, wanted.below) as whole:
        expected = expected_of(merged, whole, tools, wanted.packaging, wanted.esp)
        expected.save(work.out / EXPECTED)
