"""Changes the packages of an image that exists: a layer over its tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pysequoia

from dockyard.errors import DockyardError, Problems
from dockyard.host import removal
from dockyard.install import unmanaged
from dockyard.install.change import Database, change
from dockyard.install.finish import remove_written
from dockyard.install.rpmdb import Backend
from dockyard.model.packages import LockedRepository, Pin
from dockyard.packages.access import Access
from dockyard.packages.blobs import Blobs
from dockyard.packages.content_pins import file_here
from dockyard.packages.pinned_files import locate_files
from dockyard.packages.rpm.checked import Trust, check_file
from dockyard.packages.rpm.keys import fingerprints
from dockyard.packages.rpm.signature import strip_signature
from dockyard.pipeline.arguments.names import FETCH, TOOLS
from dockyard.pipeline.arguments.packages import ChangePackages, RemoveManager
from dockyard.pipeline.fetched import Fetched
from dockyard.pipeline.layer import make_layer
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def change_packages(work: Work, wanted: ChangePackages) -> None:
    """Fills `upper/`, the layer. Packages are held against their pins and their keys once more, for
    they were fetched long ago perhaps.
    """
    plain = work.out / "packages"
    plain.mkdir()
    packages = _packages(work, wanted, plain)
    database = Database(wanted.place, Backend(wanted.backend))
    tools = trees_in(work.result(TOOLS)).main

    def done(count: int) -> None:
        work.progress("changing packages", count, len(packages), "packages")

    def act(at: Path) -> None:
        done(0)
        change(
            packages,
            wanted.removed,
            at,
            tools,
            wanted.epoch,
            database,
            documents=wanted.documents,
            done=done,
        )

    def settle(upper: Path) -> None:
        remove_written(upper, wanted.packaging)

    make_layer(work, wanted.below, wanted.epoch, act, settle)
    removal.remove_tree(plain)


def remove_manager(work: Work, wanted: RemoveManager) -> None:
    """Fills `upper/`, the layer without the package manager and its data."""
    database = Database(wanted.place, Backend(wanted.backend))
    tools = trees_in(work.result(TOOLS)).main

    def act(at: Path) -> None:
        unmanaged.remove_manager(
            at,
            tools,
            wanted.epoch,
            database,
            wanted.packaging,
            wanted.architecture,
            work.store / "metadata",
            protected=wanted.protected,
            kernels=wanted.kernels,
        )

    def settle(upper: Path) -> None:
        remove_written(upper, wanted.packaging)

    make_layer(work, wanted.below, wanted.epoch, act, settle)


def _packages(work: Work, wanted: ChangePackages, plain: Path) -> list[Path]:
    """The files of what comes, checked; those pinned by content without their signatures, which
    differ between signers and would go into the database.
    """
    pins = wanted.lock.packages
    if not pins:
        return []
    fetched = Fetched.load(work.result(FETCH), work.store)
    found = _files(work, wanted, fetched)
    rules = {each.id: each for each in wanted.lock.repositories}
    problems = Problems()
    chosen: list[Path] = []
    for number, pin in enumerate(sorted(pins)):
        work.progress("checking packages", number, len(pins), "packages")
        path = found[pin]
        try:
            if pin.content is None:
                Blobs.of_store(work.store).whole(pin.digest, pin.nevra)
            rule = rules.get(pin.repository, LockedRepository(pin.repository))
            check_file(path, pin, _trust(pin, rule, fetched), wanted.lock_file or None)
        except DockyardError as error:
            problems.extend(error.problems)
            continue
        if pin.content is not None:
            path = plain / f"{pin.nevra}.rpm"
            strip_signature(found[pin], path)
        chosen.append(path)
    problems.raise_any()
    return chosen


def _files(work: Work, wanted: ChangePackages, fetched: Fetched) -> dict[Pin, Path]:
    blobs = Blobs.of_store(work.store)
    repositories = {each.id: each for each in wanted.repositories}
    found: dict[Pin, Path] = {}
    for pin in wanted.lock.packages:
        path = blobs.path(pin.digest) if pin.digest else fetched.files.get(pin.nevra)
        if path is None and pin.repository in repositories:
            path = file_here(pin, repositories[pin.repository])
        if path is not None and path.is_file():
            found[pin] = path
    if len(found) < len(wanted.lock.packages):  # removed since they were fetched
        access = Access.of_store(work.store, offline=wanted.offline)
        located = locate_files(wanted.lock, wanted.repositories, access, wanted.lock_file or None)
        found |= located.files
    return found


def _trust(pin: Pin, rule: LockedRepository, fetched: Fetched) -> Trust | None:
    if not rule.check_packages:
        return None
    keys = fetched.keys.get(pin.repository, ())
    certificates = tuple(pysequoia.Cert.from_bytes(key) for key in keys)
    return Trust(certificates, frozenset(rule.keys or fingerprints(certificates)))
