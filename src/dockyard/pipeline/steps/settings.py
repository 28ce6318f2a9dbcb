"""Applies settings and scripts to a tree without copying it: as a layer over what is below."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host import removal
from dockyard.host.in_root import InRoot
from dockyard.install.finish import clamp_times, refuse_sockets
from dockyard.pipeline.arguments.names import UPPER
from dockyard.pipeline.arguments.settings import ApplySettings
from dockyard.pipeline.linked_names import Names, bring_up, linked_names, touched
from dockyard.pipeline.stack import merged_archive, writable_tree
from dockyard.tree.setting import Setting, Tree

if TYPE_CHECKING:
    from dockyard.engine.work import Work

# What the kernel says of names in a tree, whatever holds it: the rest is told of the store.
_OF_THE_TREE = (errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENXIO)


def apply_settings(work: Work, wanted: ApplySettings) -> None:
    """Fills `upper/`, the layer."""
    groups = linked_names(merged_archive(work, wanted.below, wanted.epoch))
    together: set[Names] = set()
    while found := _apply(work, wanted, groups, together):
        # Again, over a tree in which these are whole; the third time in which all are.
        together = together | found if not together else set(groups)
        removal.remove_tree(work.out / UPPER)
    refuse_sockets(work.out / UPPER)
    # Programs that read the tree, such as dracut, see the times that the archive will have.
    clamp_times(work.out / UPPER, wanted.epoch)


def _apply(
    work: Work, wanted: ApplySettings, groups: Sequence[Names], together: Collection[Names]
) -> set[Names]:
    """Apply all settings once, with the names of some files together; gives the files of which
    names were parted all the same.
    """
    settings = wanted.settings
    with writable_tree(work, wanted.below) as at, InRoot(at) as inside:
        bring_up(together, at)
        tree = Tree(at, inside, wanted.epoch)
        for number, setting in enumerate(settings):
            work.progress(setting.describe(), number, len(settings), "settings")
            with _told_where(setting):
                setting.apply(tree)
        return touched([names for names in groups if names not in together], work.out / UPPER, at)


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
