"""`dockyard lock`: pin every package of an image, and of the tools that make it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli.answer import Answer, Json
from dockyard.cli.choice import Choice, choice_options
from dockyard.cli.customization import customization_options, customizes, require_image
from dockyard.cli.display import display
from dockyard.cli.fetching import step
from dockyard.cli.input_options import input_of, registries_of
from dockyard.cli.options import (
    disable_repositories_option,
    image_argument,
    origin_options,
    origins_of,
    progress_option,
    rpm_source_option,
    store_option,
)
from dockyard.cli.verb import Verb

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.model.architecture import Architecture
    from dockyard.model.packages import Pin
    from dockyard.packages.fetch import Progress
    from dockyard.packages.image_lock import LockedImage
    from dockyard.packages.oci.access import Registries
    from dockyard.packages.origins import Origins
    from dockyard.pipeline.overrides import Overrides

_SHOWN = 40


@click.command(cls=Verb)
@image_argument
@choice_options
@store_option
@progress_option
@click.option(
    "--refresh-missing",
    is_flag=True,
    help="Keep every pin that can still be had; move only those whose files are gone.",
)
@rpm_source_option
@disable_repositories_option
@customization_options
@origin_options
@click.pass_context
def command(
    context: click.Context,
    image: Path,
    choice: Choice,
    store: Path,
    progress: str,
    refresh_missing: bool,
    rpm_source: tuple[Path, ...],
    disable_base_image_rpm_repos: bool,
    image_file: Path | None,
    image_source: str | None,
    image_cache_dir: Path | None,
    package_snapshot_time: str,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
) -> Answer:
    """Choose the packages that IMAGE asks for, and pin them in the lock beside it.

    A build takes exactly what the lock says: image.yaml has image.lock. Keep it under version
    control. Where IMAGE changes an image that exists, the lock says which packages come and go, and
    `customize` takes exactly those.
    """
    from dockyard.cli import terminal
    from dockyard.host import clock
    from dockyard.pipeline.overrides import Overrides

    began = clock.monotonic()
    images = choice.all(image)
    given = input_of(image_file, image_source)
    origins = origins_of(debian_mirror, mirror_dir)
    if customizes(images[0], given):
        overrides = Overrides(
            given,
            rpm_sources=rpm_source,
            without_image_repositories=disable_base_image_rpm_repos,
            snapshot_time=package_snapshot_time,
        )
        registries = registries_of(store, image_cache_dir, progress)
        loaded = choice.one(image)
        done = _lock_changes(
            loaded, overrides, store.absolute(), origins, registries, progress, refresh_missing
        )
        return _answer([done], terminal.duration(clock.monotonic() - began))
    require_image(context, "package_snapshot_time", "disable_base_image_rpm_repos")
    one_of_each = {each.lock_path: each for each in reversed(images)}
    locked = [
        _lock(
            each,
            store.absolute(),
            origins,
            progress,
            extra=rpm_source,
            refresh_missing=refresh_missing,
        )
        for each in reversed(one_of_each.values())
    ]
    return _answer(locked, terminal.duration(clock.monotonic() - began))


def _lock(
    loaded: LoadedImage, store: Path, origins: Origins, progress: str, **options: Any
) -> LockedImage:
    """The lock of an image that is made of packages. options: see `lock_image`."""
    from functools import partial

    from dockyard.distro.header import read_header
    from dockyard.errors import DockyardError
    from dockyard.packages.access import Access
    from dockyard.packages.image_lock import lock_image

    if loaded.distro_path is None:
        what = "the image file names no distro, so there is nothing to lock"
        fix = "add, for example: distro: harbor"
        raise DockyardError(loaded.problem("", "lock.no-distro", what, fix=fix))
    distro = read_header(loaded.distro_path, loaded.image.architecture)
    with (
        display(progress) as listener,
        step(listener, f"Choose packages for {loaded.name}", "its lock is made") as fetched,
    ):
        return lock_image(
            loaded,
            distro.distro,
            distro.directory,
            store,
            Access.of_store(store, offline=origins.offline, progress=fetched),
            origins,
            tools=partial(_tool_pins, store, origins, fetched, distro.distro.architecture),
            **options,
        )


def _lock_changes(
    loaded: LoadedImage,
    overrides: Overrides,
    root: Path,
    origins: Origins,
    registries: Registries,
    progress: str,
    refresh_missing: bool,
) -> LockedImage:
    """The lock of a file that changes an image that exists."""
    from dockyard.engine.store import Store
    from dockyard.packages.access import Access
    from dockyard.pipeline.lock_changes import lock_changes, read_input

    store = Store(root)
    with display(progress) as listener:
        source = read_input(loaded, overrides, store, origins, registries, listener)
    with (
        display(progress) as listener,
        step(listener, f"Choose packages for {loaded.name}", "its lock is made") as told,
    ):
        access = Access.of_store(root, offline=origins.offline, progress=told)
        return lock_changes(
            loaded, source, overrides, store, origins, access, refresh_missing=refresh_missing
        )


def _tool_pins(
    store: Path,
    origins: Origins,
    progress: Progress,
    target: Architecture,
    keep: Sequence[Pin] | None,
) -> Sequence[Pin]:
    """The tools of the new lock: those in use, or the old ones with what is gone moved."""
    from dockyard.model.packages import Lock
    from dockyard.packages.blobs import Blobs
    from dockyard.tools.locking import refresh_tools
    from dockyard.tools.trees import load_tools_lock, request, tools_ready

    if keep is None:
        return load_tools_lock(target=target).packages
    places = [Blobs.of_store(store), *(Blobs(path) for path in origins.offline)]
    if tools_ready(store, keep) or all(
        any(place.has(pin.digest) for place in places) for pin in keep
    ):
        return keep
    moved, _ = refresh_tools(
        Lock("tools", request(target), (), tuple(keep)), store, origins, progress
    )
    return moved.packages


def _answer(locked: Sequence[LockedImage], took: str) -> Answer:
    lines = [line for done in locked for line in _lines(done, took)]
    facts: list[Json] = [
        {
            "lock": str(done.path.absolute()),
            "packages": len(done.lock.packages),
            "tools": len(done.lock.tools),
            "first": done.first,
            "changes": list(done.changes),
        }
        for done in locked
    ]
    return Answer("\n".join(lines), facts[0] if len(facts) == 1 else {"locks": facts})


def _lines(done: LockedImage, took: str) -> list[str]:
    count = f"{len(done.lock.packages)} packages, {len(done.lock.tools)} of the tools"
    lines = [f"  {line}" for line in done.changes[:_SHOWN]]
    if len(done.changes) > _SHOWN:
        lines.append(f"  and {len(done.changes) - _SHOWN} more changes")
    if done.first:
        state = "made"
    elif done.changes:
        state = f"{len(done.changes)} changed"
    else:
        state = "unchanged"
    return [*lines, f"{done.path}: {count}, {state}, {took}"]
