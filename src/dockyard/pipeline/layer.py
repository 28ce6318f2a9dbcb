"""Makes one layer of a root tree: the upper directory of an overlay in which something acts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.host import removal
from dockyard.install.finish import clamp_times, refuse_sockets
from dockyard.pipeline.arguments.names import UPPER
from dockyard.pipeline.linked_names import Names, bring_up, linked_names, touched
from dockyard.pipeline.stack import merged_archive, writable_tree

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def make_layer(
    work: Work,
    below: Sequence[str],
    epoch: int,
    act: Callable[[Path], None],
    settle: Callable[[Path], None] = lambda upper: None,
) -> None:
    """Fill `upper/`. below: the names of the results that it is over. act: called with the tree,
    perhaps several times, each time anew. settle: called with `upper/` at the end, outside of the
    overlay.
    """
    begun = work.out.stat().st_ctime_ns
    groups = linked_names(merged_archive(work, below, epoch))
    together: set[Names] = set()
    while found := _act(work, below, act, groups, together):
        # Again, over a tree in which these are whole; the third time in which all are.
        together = together | found if not together else set(groups)
        removal.remove_tree(work.out / UPPER)
    settle(work.out / UPPER)
    refuse_sockets(work.out / UPPER)
    # Programs that read the tree, such as dracut, see the times that the archive will have.
    clamp_times(work.out / UPPER, epoch, begun)


@contextmanager
def whole_files(work: Work, below: Sequence[str], epoch: int) -> Iterator[Path]:
    """The tree, in which the block removes files, and gives new ones their places: that becomes
    `upper/`. Into a file that is there nothing is written, so that one of several names parts from
    the others, as it does where such a file is replaced on a machine.
    """
    begun = work.out.stat().st_ctime_ns
    with writable_tree(work, below) as at:
        yield at
    clamp_times(work.out / UPPER, epoch, begun)


def _act(
    work: Work,
    below: Sequence[str],
    act: Callable[[Path], None],
    groups: Sequence[Names],
    together: Collection[Names],
) -> set[Names]:
    """Act once, with the names of some files together; gives the files of which names were parted
    all the same.
    """
    with writable_tree(work, below) as at:
        bring_up(together, at)
        act(at)
        return touched([names for names in groups if names not in together], work.out / UPPER, at)
