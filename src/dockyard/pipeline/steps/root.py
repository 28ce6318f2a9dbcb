"""Merges the packages' archive and every layer over it into the archive of the whole root.

One result that file systems, the initrd, the manifest and all that describes an image read: with
the digest of every file, its content says what the root is, however it was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard import archive
from dockyard.archive import labels
from dockyard.pipeline.arguments.image import MergeRoot
from dockyard.pipeline.arguments.names import INDEX, LABELS
from dockyard.pipeline.stack import merged_archive

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def merge_root(work: Work, wanted: MergeRoot) -> None:
    """Fills `index`."""
    merged = merged_archive(work, wanted.below, wanted.epoch)
    if wanted.labels is not None:
        merged = labels.labelled(merged, labels.load(work.result(wanted.labels) / LABELS))
    archive.save(merged, work.out / INDEX)
