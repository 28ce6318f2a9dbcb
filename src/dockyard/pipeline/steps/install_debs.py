"""Makes the tree of an image's Debian packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard import archive
from dockyard.host import files
from dockyard.install.deb import install
from dockyard.install.finish import finish
from dockyard.packages.access import Access
from dockyard.packages.blobs import Blobs
from dockyard.packages.pinned import pinned_of
from dockyard.pipeline.arguments.names import INDEX, TOOLS, TREE
from dockyard.pipeline.arguments.settings import InstallDebs
from dockyard.pipeline.steps.install import require_expected
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def install_debs(work: Work, wanted: InstallDebs) -> None:
    """Fills `tree/`, and `index`, its archive. What settings expect of packages that were not here
    before is looked for first.
    """
    expected = wanted.expected
    # They were fetched long ago perhaps, and given up since.
    access = Access.of_store(work.store, offline=expected.offline)
    pinned = pinned_of(expected.lock.kind)
    pinned.locate(expected.lock, expected.repositories, access, expected.position)
    blobs = Blobs.of_store(work.store)
    packages = {label: blobs.whole(digest, label) for label, digest in wanted.packages.items()}
    require_expected(work.store, expected)
    tree = work.out / TREE
    files.make_root(tree)

    def installed(done: int) -> None:
        work.progress("installing packages", done, len(packages), "packages")

    installed(0)
    install(
        packages,
        tree,
        trees_in(work.result(TOOLS)).main,
        wanted.epoch,
        wanted.packaging,
        wanted.architecture,
        installed=installed,
    )
    work.progress("finishing the tree")
    # Which services start is decided by the packages' scripts, not by presets.
    finish(tree, wanted.epoch, wanted.packaging, presets=False)
    work.progress("reading the tree")
    listed = archive.scan(tree, epoch=wanted.epoch)
    archive.save(listed, work.out / INDEX)
    work.digested(
        {
            f"{TREE}/{entry.path.decode('utf-8', 'surrogateescape')}": entry.digest
            for entry in listed
            if entry.digest
        }
    )
