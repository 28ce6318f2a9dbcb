"""Steps that change a tree without copying it: settings and scripts, each as a layer over the
packages' tree.

A layer's result is `upper/`, the upper directory of an overlay mount: only what changed. Layers
are stacked in order; the archive of an image is the packages' archive with every layer merged over
it.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dockyard import archive
from dockyard.archive import Archive
from dockyard.engine.plan import Step, Work
from dockyard.errors import DockyardError, Position, Problem
from dockyard.host import files, mounts, removal
from dockyard.host.in_root import InRoot
from dockyard.install.finish import clamp_times, refuse_sockets
from dockyard.tree.setting import Setting, Tree

TREE = "tree"  # in the result of the packages step
INDEX = "index"  # beside it: its archive's index
UPPER = "upper"  # in the result of a layer

# What the kernel says of names in a tree, whatever holds it: the rest is told of the store.
_OF_THE_TREE = (errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENXIO)


def layer_step(
    kind: str, title: str, settings: Sequence[Setting], below: tuple[Step, ...], epoch: int
) -> Step:
    """A step that applies settings in order. below: the packages step, then the layers so far."""

    def work(work: Work) -> None:
        with _writable(work, below) as at, InRoot(at) as inside:
            tree = Tree(at, inside, epoch)
            for number, setting in enumerate(settings):
                work.progress(setting.describe(), number, len(settings), "settings")
                with _told_where(setting):
                    setting.apply(tree)
        refuse_sockets(work.out / UPPER)
        # Programs that read the tree, such as dracut, see the times that the archive will have.
        clamp_times(work.out / UPPER, epoch)

    return Step(
        kind,
        title,
        {"settings": [setting.identity for setting in settings], "epoch": epoch},
        below,
        work,
        tuple(setting.describe() for setting in settings),
    )


@contextmanager
def _writable(work: Work, below: tuple[Step, ...]) -> Iterator[Path]:
    """Mount the trees below with the work directory's `upper` on top, for the length of the
    block.
    """
    upper, scratch, at = (work.out / name for name in (UPPER, "scratch", "root"))
    files.make_root(upper)
    for directory in (scratch, at):
        directory.mkdir()
    with mounts.overlay(_lowers(work, below), upper, scratch, at):
        yield at
    removal.remove_tree(scratch)
    at.rmdir()


@contextmanager
def scratch_tree(work: Work, below: tuple[Step, ...]) -> Iterator[Path]:
    """The trees below as one directory that may be written to; what is written is thrown away."""
    with _writable(work, below) as at:
        yield at
    removal.remove_tree(work.out / UPPER)


@contextmanager
def merged_tree(work: Work, below: tuple[Step, ...]) -> Iterator[Path]:
    """The trees of the packages step and the layers over it as one directory, to read from."""
    lowers = _lowers(work, below)
    if len(lowers) == 1:
        yield lowers[0]
        return
    at = work.out / "root"
    at.mkdir()
    with mounts.overlay(lowers, None, None, at):
        yield at
    at.rmdir()


def merged_archive(work: Work, below: tuple[Step, ...], epoch: int) -> Archive:
    """The archive of the packages step's tree with every layer over it."""
    packages, *layers = below
    result = work.result(packages)
    merged = archive.load(result / INDEX, [result / TREE])
    for layer in layers:
        merged = archive.merge(merged, work.result(layer) / UPPER, epoch=epoch)
    return merged


def _lowers(work: Work, below: tuple[Step, ...]) -> list[Path]:
    packages, *layers = below
    return [work.result(layer) / UPPER for layer in reversed(layers)] + [
        work.result(packages) / TREE
    ]


@contextmanager
def _told_where(setting: Setting) -> Iterator[None]:
    """Name the setting's place in the image file in problems that name none, and in what the kernel
    says of the tree.
    """
    where: Position | str = getattr(setting, "position", None) or setting.describe()
    try:
        yield
    except DockyardError as error:
        raise DockyardError(*(_with_place(problem, where) for problem in error.problems)) from error
    except OSError as error:
        if error.errno not in _OF_THE_TREE:
            raise
        raise DockyardError(_in_the_way(setting, where, error)) from error


def _in_the_way(setting: Setting, where: Position | str, error: OSError) -> Problem:
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    return Problem(
        "tree.in-the-way",
        f"what the image has at {path or 'some place'} is in the way of: {setting.describe()}",
        where,
        why=error.strerror or str(error),
        fix="choose another place, or leave out the package or file that brought it",
    )


def _with_place(problem: Problem, where: Position | str) -> Problem:
    return problem if problem.where is not None else dataclasses.replace(problem, where=where)
