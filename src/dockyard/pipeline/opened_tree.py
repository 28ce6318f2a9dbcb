"""Lays the tree of an image out in a directory, for somebody to look around in it."""

from __future__ import annotations

import os
from pathlib import Path

from dockyard import archive
from dockyard.archive import Archive
from dockyard.errors import Problem
from dockyard.host import files
from dockyard.inspection.disks import open_disk
from dockyard.inspection.systems import find_system
from dockyard.pipeline.index_only import shown
from dockyard.pipeline.steps.existing import holdable
from dockyard.tools.unpacked import ToolTrees


def lay_out(image: Path, tree: Path, scratch: Path, tools: ToolTrees) -> tuple[Problem, ...]:
    """Fill a new directory with all file systems of an image that are mounted in it, as one tree.

    Device nodes are left out, and attributes that a user namespace cannot have. scratch: a
    directory for what must be unpacked. Gives remarks on what could not be read. Call
    `namespace.enter()` before. Raises DockyardError.
    """
    system = find_system(open_disk(image, scratch, tools.main), scratch, tools)
    whole: Archive | None = None
    for each in system.tree.mounted:
        whole = each.archive if whole is None else archive.joined(whole, each.at, each.archive)
    assert whole is not None
    files.make_root(tree)
    archive.unpack(holdable(whole).changed(shown), tree)
    for name in ("dev", "proc", "run", "sys", "tmp"):
        if not os.path.lexists(tree / name):
            (tree / name).mkdir()
    return system.remarks
