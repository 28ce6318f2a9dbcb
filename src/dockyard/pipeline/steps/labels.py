"""Finds the SELinux label of every file of a root, as the image's own policy says.

The image's own matchpathcon(8) is asked, by path and kind. Labels are no attributes of the store's
files: whoever builds may not set them, and on some hosts the store has labels of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dockyard.archive import Entry, Kind
from dockyard.archive.labels import Labels, save
from dockyard.errors import DockyardError, Problem
from dockyard.host.sandbox import run_in_tree
from dockyard.pipeline.arguments.labels import FindLabels
from dockyard.pipeline.arguments.names import LABELS
from dockyard.pipeline.stack import merged_archive, merged_tree

if TYPE_CHECKING:
    from pathlib import Path

    from dockyard.engine.work import Work

# What matchpathcon(8) calls each kind. A hard link's other names have the label of the first.
_KINDS = {
    Kind.DIRECTORY: "dir",
    Kind.FILE: "file",
    Kind.SYMLINK: "lnk_file",
    Kind.CHARACTER: "chr_file",
    Kind.BLOCK: "blk_file",
    Kind.FIFO: "pipe",
}
_PROGRAM = "/usr/sbin/matchpathcon"
_BYTES = 1 << 20  # of arguments, of which the kernel takes two mebibytes
_NONE = "<<none>>"


def find_labels(work: Work, wanted: FindLabels) -> None:
    """Fills `labels`."""
    merged = merged_archive(work, wanted.below, wanted.epoch)
    found: Labels = {}
    with merged_tree(work, wanted.below) as tree:
        if not (tree / _PROGRAM.lstrip("/")).is_file():
            raise DockyardError(
                Problem(
                    "build.no-selinux-programs",
                    f"files cannot be labelled: the image has no {_PROGRAM}",
                    wanted.position,
                    fix="install the package that has it: selinux-utils or libselinux-utils",
                )
            )
        for kind, name in _KINDS.items():
            asked = [_path(each, wanted) for each in merged if each.kind is kind]
            for some in _portions(asked):
                found |= _labels(tree, name, some)
    save(found, work.out / LABELS)
    work.progress(f"{len(found)} of {len(merged)} files")


def _path(entry: Entry, wanted: FindLabels) -> str:
    path = f"/{entry.path.decode(errors='surrogateescape')}"
    if "\n" in path:
        raise DockyardError(
            Problem(
                "build.unlabelled-name",
                f"the file {path!r} cannot be labelled: its name has a line break",
                wanted.position,
                fix="rename or remove it in a script of the image",
            )
        )
    return path


def _portions(paths: Sequence[str]) -> Iterator[list[str]]:
    """Paths in pieces that fit on a command line."""
    size, some = 0, list[str]()
    for path in paths:
        size += len(path) + 16
        if size > _BYTES:
            yield some
            size, some = len(path), []
        some.append(path)
    if some:
        yield some


def _labels(tree: Path, kind: str, paths: Sequence[str]) -> Labels:
    """Labels by path; none for what the policy has no label for."""
    ran = run_in_tree(tree, [_PROGRAM, "-m", kind, *paths], check=False)
    told = ran.stdout.decode(errors="surrogateescape").splitlines()
    found: Labels = {}
    lines = (line.rpartition("\t") for line in told)
    for path, _, label in lines:
        if label and label != _NONE:
            found[path.lstrip("/").encode(errors="surrogateescape")] = label.encode()
    if not found and ran.status:
        ran_badly = ran.stderr.decode(errors="replace").splitlines()[:5]
        raise DockyardError(
            Problem(
                "build.selinux-policy",
                "the policy of the image says no labels",
                fix="repair the package that has the policy",
                excerpt=tuple(ran_badly),
            )
        )
    return found
