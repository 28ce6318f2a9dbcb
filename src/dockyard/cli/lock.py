"""`dockyard lock`: pin every package of an image, and of the tools that make it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.fetching import origin_options, step
from dockyard.cli.options import EXISTING_FILE, progress_option, store_option

if TYPE_CHECKING:
    from dockyard.model.packages import Pin
    from dockyard.packages.deb.sources import Origins
    from dockyard.packages.fetch import Progress
    from dockyard.packages.image_lock import LockedImage

_SHOWN = 40


@click.command()
@click.argument("image", type=EXISTING_FILE)
@store_option
@progress_option
@click.option(
    "--refresh-missing",
    is_flag=True,
    help="Keep every pin that can still be had; move only those whose files are gone.",
)
@click.option(
    "--rpm-source",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="A directory of RPMs or a .repo file, beside the distro's repositories.",
)
@click.option(
    "--disable-base-image-rpm-repos",
    is_flag=True,
    help="Use only what --rpm-source names, not the distro's own repositories.",
)
@origin_options
def command(
    image: Path,
    store: Path,
    progress: str,
    refresh_missing: bool,
    rpm_source: tuple[Path, ...],
    disable_base_image_rpm_repos: bool,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
) -> None:
    """Choose the packages that IMAGE asks for, and pin them in the lock beside it.

    A build takes exactly what the lock says: image.yaml has image.lock. Keep it under version
    control.
    """
    import os
    from functools import partial

    from dockyard.cli import terminal
    from dockyard.config import load_image
    from dockyard.distro.load import load_distro
    from dockyard.errors import DockyardError
    from dockyard.host import clock
    from dockyard.packages.access import Access
    from dockyard.packages.deb.sources import Origins
    from dockyard.packages.image_lock import lock_image

    began = clock.monotonic()
    loaded = load_image(image)
    if not loaded.image.distro:
        what = "the image file names no distro, so there is nothing to lock"
        fix = "add, for example: distro: ../../distros/harbor/distro.yaml"
        raise DockyardError(loaded.problem("", "lock.no-distro", what, fix=fix))
    distro = load_distro(loaded.local(loaded.image.distro))
    store = store.absolute()
    origins = Origins.of_host(
        os.environ, debian_mirror=debian_mirror, mirror_directories=mirror_dir
    )
    with (
        terminal.progress(progress) as listener,
        step(listener, f"Choose packages for {loaded.name}", "its lock is made") as fetched,
    ):
        done = lock_image(
            loaded,
            distro.distro,
            distro.directory,
            store,
            Access.of_store(store, offline=origins.offline, progress=fetched),
            tools=partial(_tool_pins, store, origins, fetched),
            extra=rpm_source,
            without_distro=disable_base_image_rpm_repos,
            refresh_missing=refresh_missing,
        )
    _tell(done, terminal.duration(clock.monotonic() - began))


def _tool_pins(
    store: Path, origins: Origins, progress: Progress, keep: Sequence[Pin] | None
) -> Sequence[Pin]:
    """The tools of the new lock: those in use, or the old ones with what is gone moved."""
    from dockyard.model.packages import Lock
    from dockyard.packages.blobs import Blobs
    from dockyard.packages.tools import load_tools_lock, request, trees_path
    from dockyard.packages.tools_lock import refresh_tools

    if keep is None:
        return load_tools_lock().packages
    places = [Blobs(store / "blobs"), *(Blobs(path) for path in origins.offline)]
    if trees_path(store, keep).is_dir() or all(
        any(place.has(pin.digest) for place in places) for pin in keep
    ):
        return keep
    moved, _ = refresh_tools(Lock("tools", request(), (), tuple(keep)), store, origins, progress)
    return moved.packages


def _tell(done: LockedImage, took: str) -> None:
    count = f"{len(done.lock.packages)} packages, {len(done.lock.tools)} of the tools"
    for line in done.changes[:_SHOWN]:
        click.echo(f"  {line}")
    if len(done.changes) > _SHOWN:
        click.echo(f"  and {len(done.changes) - _SHOWN} more changes")
    if done.first:
        state = "made"
    elif done.changes:
        state = f"{len(done.changes)} changed"
    else:
        state = "unchanged"
    click.echo(f"{done.path}: {count}, {state}, {took}")
