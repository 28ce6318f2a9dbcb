"""Makes the database of an image's packages, and indices of what they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.install import indices, rpmdb
from dockyard.install.compose import Unsuited
from dockyard.pipeline.arguments.names import TOOLS
from dockyard.pipeline.arguments.packages import MakeDatabase, MakeIndex, SelectIndex
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def make_database(work: Work, wanted: MakeDatabase) -> None:
    """Fills `rpmdb.sqlite`; nothing where rpm must make it while it installs the packages."""
    tools = trees_in(work.result(TOOLS)).main
    places = [work.result(name) for name in wanted.packages]
    try:
        rpmdb.make(places, work.out, tools, wanted.epoch, documents=wanted.documents)
    except Unsuited as reason:
        work.progress(f"rpm makes the database itself: {reason}")


def select_index(work: Work, wanted: SelectIndex) -> None:
    """Fills what `indices.select` says."""
    places = {name: work.result(name) for name in wanted.packages}
    indices.select(wanted.index, places, work.out)


def make_index(work: Work, wanted: MakeIndex) -> None:
    """Fills what `indices.make_index` says."""
    places = {name: work.result(name) for name in wanted.packages}
    indices.make_index(work.result(wanted.selection), places, work.out, wanted.epoch)
