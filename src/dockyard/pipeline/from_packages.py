"""Reads the file of an image that is made of packages, and judges it with its distribution and its
lock.

All mistakes of the file, of the files that it names and of its lock are reported together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.config import LoadedImage, check_files
from dockyard.disk.kernel_cmdline import kernel_command_line
from dockyard.disk.layout import NO_DISK, DiskLayout, lay_out
from dockyard.distro.header import DistroHeader, read_header
from dockyard.formats import by_name as format_by_name
from dockyard.host.machine import architecture_or_default as host_architecture
from dockyard.model.architecture import Architecture
from dockyard.model.base import as_written
from dockyard.model.family import Family
from dockyard.packages import locking as locks
from dockyard.packages.access import Access
from dockyard.packages.origins import Origins
from dockyard.packages.pinned import pinned_of
from dockyard.packages.request import image_request, unknown_suites
from dockyard.packages.system import system_of
from dockyard.pipeline.acted_on import needs_disk, not_acted_on, not_buildable
from dockyard.pipeline.format_rules import EXTENSIONS, format_problems, of_nothing
from dockyard.pipeline.from_distro import enabled_modules, trusted_keys, wants_documents
from dockyard.pipeline.grub_problems import grub_problems
from dockyard.pipeline.live import live_request
from dockyard.pipeline.live_problems import live_problems
from dockyard.pipeline.named import unknown_names
from dockyard.pipeline.newest import nothing_to_update
from dockyard.pipeline.overlay_problems import overlay_problems
from dockyard.pipeline.password_hashes import with_hashes
from dockyard.pipeline.read_only import read_only_problems
from dockyard.pipeline.request import (
    ImageRequest,
    ImageSettings,
    Output,
    level_remarks,
    output_of,
    read_settings,
    unpackaged_problems,
    unread_database,
)
from dockyard.pipeline.sealing import sealing_problems
from dockyard.pipeline.source import PackageSource, image_epoch
from dockyard.pipeline.together import Together
from dockyard.pipeline.unseen import unseen_by_scripts
from dockyard.tools.declared import target_of
from dockyard.tools.trees import require_whole, tools_there
from dockyard.tree.additional import added_paths
from dockyard.tree.history import HistorySetting
from dockyard.tree.selinux import command_words

if TYPE_CHECKING:
    from dockyard.pipeline.creation import Creation


def read_request(
    loaded: LoadedImage,
    store: Path,
    origins: Origins,
    output_format: str | None = None,
    rpm_sources: Sequence[Path] = (),
    placed: Collection[Path] = (),
    level: int | None = None,
    creation: Creation | None = None,
) -> ImageRequest:
    """Read all that an image file needs. Raises DockyardError with every mistake.

    level: of compression, in place of what the file says. placed: images that were made before;
    scripts do not see them and are not shaped by them. creation: where packages come from without
    a distribution's file and a lock, which are looked for otherwise.
    """
    together = Together()
    together.extend(loaded.remarks)
    output = output_of(loaded, output_format, level)
    together.extend(level_remarks(loaded, output, level))
    together.extend(unpackaged_problems(loaded, output))
    has_disk = _judge_file(loaded, output, together, created=creation is not None)
    distro = together.get(lambda: _distro(loaded)) if creation is None else None
    lock_file = loaded.lock_path
    settings = read_settings(loaded, unseen_by_scripts(loaded, placed), together)
    seed = _seed(loaded)
    architecture = distro.distro.architecture if distro else host_architecture()
    layout = _layout(loaded, architecture, seed, together) if has_disk else NO_DISK
    if distro is not None:
        together.extend(system_of(distro.distro.kind).refused(loaded))
        together.extend(unknown_suites(loaded, distro.distro))
    if layout:
        family = distro.distro.of_family if distro else None
        _judge_layout(loaded, layout, family, architecture, together)
    together.raise_any()
    assert layout and settings
    settings = with_hashes(settings, loaded.name, seed)
    if creation is not None:
        source = creation.source(loaded, store)
        _judge_layout(loaded, layout, source.family, architecture, together)
    else:
        assert distro
        source = _source(loaded, distro, store, origins, rpm_sources, together)
    distro = source.distro
    _judge_packages(loaded, distro, source, settings, layout, output, together)
    lock = source.lock
    target = source.architecture
    if target_of(lock.tools) is not target or not tools_there(store, lock.tools):
        made_by = f"{locks.LOCK_IMAGE} {loaded.words}"
        together.get(lambda: require_whole(lock.tools, str(lock_file), made_by, target))
    together.raise_any()
    streams = enabled_modules(source.family.packaging, lock.request, settings.settings)
    keys = trusted_keys(distro.distro, lock, source.repositories, settings.settings)
    extra = (
        *command_words(loaded.image.os.selinux.mode),
        *loaded.image.os.kernel_command_line.extra_command_line,
    )
    live = live_request(loaded, output.format, seed, distro.distro.title or distro.distro.name)
    words = tuple(kernel_command_line(layout, extra).split(" ")) if has_disk else ()
    return ImageRequest(
        loaded=loaded,
        source=source,
        settings=replace(
            settings,
            settings=(*keys, *streams, *settings.settings),
            record=_record(loaded, settings, source) if creation is not None else (),
        ),
        layout=layout,
        output=output,
        command_line=live.command_line if live else words,
        seed=seed,
        origins=origins,
        remarks=together.remarks,
        live=live,
    )


def _distro(loaded: LoadedImage) -> DistroHeader:
    """The distribution that an image file names."""
    place = (loaded.distro_path or loaded.directory).resolve()
    return read_header(place, loaded.image.architecture)


def _judge_layout(
    loaded: LoadedImage,
    layout: DiskLayout,
    family: Family | None,
    architecture: Architecture,
    together: Together,
) -> None:
    """Judge a layout. family: None where it is only known by the packages."""
    if family is not None:
        together.extend(grub_problems(loaded, layout, family, architecture))
    together.extend(sealing_problems(loaded, layout))
    together.extend(overlay_problems(loaded, layout))


def _record(
    loaded: LoadedImage, chosen: ImageSettings, source: PackageSource
) -> tuple[HistorySetting, ...]:
    """The record of an image that has no lock: it tells its packages."""
    from dockyard.pipeline.image_record import record_of

    distro, packages = source.distro.distro, sorted(pin.nevra for pin in source.lock.packages)
    made_of = {"distro": distro.name, "version": distro.version, "packages": packages}
    scripts = chosen.all_scripts
    return record_of(loaded, chosen.settings, scripts, made_of, source.epoch)


def _judge_file(
    loaded: LoadedImage, output: Output, together: Together, *, created: bool = False
) -> bool:
    """Judge what an image file says by itself; gives whether the image has a disk. created: it is
    to name no distribution.
    """
    known = together.get(lambda: format_by_name(output.format, "--output-image-format"))
    # What an unknown format needs is unknown, too.
    has_disk = needs_disk(loaded, output.format) if known else bool(loaded.image.storage.disks)
    together.extend(not_buildable(loaded, needs_disk=has_disk, created=created))
    together.extend(not_acted_on(loaded))
    together.extend(live_problems(loaded, output.format))
    together.extend(format_problems(loaded, output.format))
    if output.format in EXTENSIONS:
        together.extend([of_nothing(loaded, output.format)])
    together.extend(check_files(loaded))
    together.raise_any()
    return has_disk


def _layout(
    loaded: LoadedImage, architecture: Architecture, seed: bytes, together: Together
) -> DiskLayout | None:
    storage = loaded.image.storage
    return together.get(lambda: lay_out(storage, seed, architecture, loaded.positions))


def _source(
    loaded: LoadedImage,
    distro: DistroHeader,
    store: Path,
    origins: Origins,
    rpm_sources: Sequence[Path],
    together: Together,
) -> PackageSource:
    """The lock, held against what the file asks for, and where its packages come from."""
    words, lock_file = loaded.words, loaded.lock_path
    repositories = together.get(
        lambda: system_of(distro.distro.kind).repositories(
            distro.distro,
            distro.directory,
            store,
            origins,
            extra=rpm_sources,
            without=loaded.image.os.packages.without_suites,
        )
    )
    lock = together.get(lambda: locks.load(lock_file, f"{locks.LOCK_IMAGE} {words}"))
    together.raise_any()
    assert repositories is not None and lock is not None
    request = image_request(loaded, distro.distro)
    locks.require(lock, request, repositories, str(lock_file), image=words)
    image_epoch(distro, lock)
    access = Access.of_store(store, offline=origins.offline)
    documents = wants_documents(distro.distro, lock)
    return PackageSource(distro, lock, lock_file, repositories, access, documents)


def _judge_packages(
    loaded: LoadedImage,
    distro: DistroHeader,
    source: PackageSource,
    chosen: ImageSettings,
    layout: DiskLayout,
    output: Output,
    together: Together,
) -> None:
    """Judge whether the packages have what the file names."""
    settings, repositories, access = chosen.settings, source.repositories, source.access
    together.extend(nothing_to_update(loaded, source.lock))
    together.extend(unread_database(loaded, source))
    position = loaded.position("os.packages")
    kinds = None if output.boots_nothing else layout.initrd_filesystems
    together.extend(unknown_names(settings, source.lock, repositories, access, position, kinds))
    names = {pin.name for pin in source.lock.packages}

    def provided(capability: str) -> tuple[str, ...]:
        return _provided(capability, source)

    together.extend(read_only_problems(loaded, layout, names, added_paths(settings), provided))


def _provided(capability: str, source: PackageSource) -> tuple[str, ...]:
    """The packages of repositories on this machine that have a capability."""
    repositories, architecture = source.repositories, source.architecture
    if not all(repository.is_here for repository in repositories):
        return ()
    pinned = pinned_of(source.kind)
    found = pinned.who_provides([capability], repositories, source.access, architecture, near=False)
    return found[capability].packages


def _seed(loaded: LoadedImage) -> bytes:
    storage = json.dumps(
        as_written(loaded.image.storage), separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(f"{loaded.name}\0{storage}".encode()).digest()
