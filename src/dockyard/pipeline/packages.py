"""The step that installs an image's packages into an empty tree, and remembers what it holds."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard import archive
from dockyard.engine.plan import Step, Work
from dockyard.errors import Problem, Problems
from dockyard.host import files, removal
from dockyard.model.packages import Lock, Pin, Repository
from dockyard.packages.access import Access
from dockyard.pipeline.layers import INDEX, TREE
from dockyard.pipeline.toolbox import Toolbox

if TYPE_CHECKING:
    from dockyard.packages.fetch import FetchEvent


def packages_step(
    lock: Lock,
    lock_file: Path,
    repositories: Sequence[Repository],
    access: Access,
    toolbox: Toolbox,
    epoch: int,
    unknown_names: Callable[[], Sequence[Problem]],
    *,
    documents: bool = True,
) -> Step:
    """The step whose result is `tree/`, all packages of a lock installed, and `index` of it.

    unknown_names: asked again when all packages are here, before the first is installed.
    documents: also what packages mark as documentation.
    """

    def work(work: Work) -> None:
        from dockyard.install.finish import finish
        from dockyard.install.rpm import install
        from dockyard.packages.pinned_files import resolve_files

        def fetched(event: FetchEvent) -> None:
            work.progress(f"fetching {event.wanted.label}")

        work.progress("checking packages")
        telling = dataclasses.replace(access, progress=fetched)
        found = resolve_files(lock, repositories, telling, str(lock_file))
        problems = Problems()
        problems.extend(unknown_names())
        problems.raise_any()
        unsigned = work.out / "packages"
        packages = _without_foreign_signatures(found, unsigned)
        tree = work.out / TREE
        files.make_root(tree)

        def installed(done: int) -> None:
            work.progress("installing packages", done, len(packages), "packages")

        installed(0)
        install(packages, tree, toolbox.trees.main, epoch, documents=documents, installed=installed)
        removal.remove_tree(unsigned)
        work.progress("finishing the tree")
        finish(tree, epoch)
        work.progress("reading the tree")
        listed = archive.scan(tree, epoch=epoch)
        archive.save(listed, work.out / INDEX)
        work.digested(
            {f"{TREE}/{os.fsdecode(entry.path)}": entry.digest for entry in listed if entry.digest}
        )

    pins = {pin.nevra: pin.content or pin.digest for pin in lock.packages}
    return Step(
        "packages",
        f"Install {len(pins)} packages",
        {"packages": pins, "documents": documents, "epoch": epoch},
        (toolbox.step,),
        work,
    )


def _without_foreign_signatures(found: Mapping[Pin, Path], directory: Path) -> list[Path]:
    """The files to install: those pinned by content as the converter wrote them, without signature.

    The signature has been verified; it would go into the rpmdb, and it differs between signers.
    """
    from dockyard.packages.rpm.signature import strip_signature

    directory.mkdir()
    chosen = []
    for pin, path in sorted(found.items()):
        if pin.content is None:
            chosen.append(path)
        else:
            plain = directory / f"{pin.nevra}.rpm"
            strip_signature(path, plain)
            chosen.append(plain)
    return chosen
