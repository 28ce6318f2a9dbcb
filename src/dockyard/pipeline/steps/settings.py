"""Applies settings and scripts to a tree without copying it: as a layer over what is below."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.in_root import InRoot
from dockyard.pipeline.arguments.settings import ApplySettings
from dockyard.pipeline.layer import make_layer
from dockyard.tree.setting import Setting, Tree

if TYPE_CHECKING:
    from dockyard.engine.work import Work

# What the kernel says of names in a tree, whatever holds it: the rest is told of the store.
_OF_THE_TREE = (errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENXIO)


def apply_settings(work: Work, wanted: ApplySettings) -> None:
    """Fills `upper/`, the layer."""

    def act(at: Path) -> None:
        with InRoot(at) as inside:
            tree = Tree(at, inside, wanted.epoch)
            for number, setting in enumerate(wanted.settings):
                work.progress(setting.describe(), number, len(wanted.settings), "settings")
                with _told_where(setting):
                    setting.apply(tree)

    make_layer(work, wanted.below, wanted.epoch, act)


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
