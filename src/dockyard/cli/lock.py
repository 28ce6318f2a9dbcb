"""`dockyard lock`: pin every package of an image, and of the tools that make it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.options import EXISTING_FILE, progress_option, store_option

if TYPE_CHECKING:
    from dockyard.engine.events import Listener
    from dockyard.packages.fetch import FetchEvent, Progress
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
@click.option(
    "--mirror-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    envvar="DOCKYARD_MIRROR_DIR",
    help="A directory that `dockyard fetch` filled; tried before any mirror.",
)
def command(
    image: Path,
    store: Path,
    progress: str,
    refresh_missing: bool,
    rpm_source: tuple[Path, ...],
    disable_base_image_rpm_repos: bool,
    mirror_dir: tuple[Path, ...],
) -> None:
    """Choose the packages that IMAGE asks for, and pin them in the lock beside it.

    A build takes exactly what the lock says: image.yaml has image.lock. Keep it under version
    control.
    """
    from dockyard.cli import terminal
    from dockyard.config import load_image
    from dockyard.distro.load import load_distro
    from dockyard.errors import DockyardError
    from dockyard.host import clock
    from dockyard.packages.access import Access
    from dockyard.packages.image_lock import lock_image
    from dockyard.packages.tools import load_tools_lock

    began = clock.monotonic()
    loaded = load_image(image)
    if not loaded.image.distro:
        what = "the image file names no distro, so there is nothing to lock"
        fix = "add, for example: distro: ../../distros/harbor/distro.yaml"
        raise DockyardError(loaded.problem("", "lock.no-distro", what, fix=fix))
    distro = load_distro(loaded.local(loaded.image.distro))
    with terminal.progress(progress) as listener, _step(listener, loaded.name) as fetched:
        done = lock_image(
            loaded,
            distro.distro,
            distro.directory,
            store.absolute(),
            Access.of_store(store.absolute(), offline=mirror_dir, progress=fetched),
            tools=load_tools_lock().packages,
            extra=rpm_source,
            without_distro=disable_base_image_rpm_repos,
            refresh_missing=refresh_missing,
        )
    _tell(done, terminal.duration(clock.monotonic() - began))


@contextmanager
def _step(listener: Listener, name: str) -> Iterator[Progress]:
    """Shows locking as one step, and what is fetched as its progress."""
    from dockyard.engine.events import StepFailed, StepFinished, StepProgress, StepStarted
    from dockyard.host import clock

    began = clock.monotonic()
    title = f"Choose packages for {name}"

    def fetched(event: FetchEvent) -> None:
        wanted = event.wanted
        note = f"fetching {wanted.label}"
        listener(StepProgress("lock", note, event.received, wanted.size, "bytes"))

    listener(StepStarted("lock", title, "its lock is made"))
    try:
        yield fetched
    except BaseException:
        listener(StepFailed("lock", title, clock.monotonic() - began))
        raise
    listener(StepFinished("lock", title, clock.monotonic() - began))


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
