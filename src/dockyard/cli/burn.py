"""`dockyard burn`: write an image to a disk of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.bootable import scratch_for
from dockyard.cli.display import display
from dockyard.cli.options import (
    progress_option,
    store_option,
)
from dockyard.cli.sought import YAML, Sought, sought_options
from dockyard.cli.verb import Verb, remark, wants_json
from dockyard.errors import DockyardError, Problem, Severity

if TYPE_CHECKING:
    from dockyard.formats.containers import RawDisk
    from dockyard.inspection.disks import FoundDisk
    from dockyard.pipeline.burn import Burnt, Target


@click.command(cls=Verb)
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("device", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before the device is overwritten.")
@click.option("--partition", is_flag=True, help="DEVICE may be a partition.")
@click.option("--move-backup-gpt", "move_table", is_flag=True, help=(
    "Put the second partition table at the end of a larger device."
))  # fmt: skip
@click.option("--build-dir", type=click.Path(file_okay=False, path_type=Path), help=(
    "Where to put the raw disk of an image that is none. Default: in the store."
))  # fmt: skip
@sought_options
@store_option
@progress_option
def command(
    image: Path,
    device: Path,
    yes: bool,
    partition: bool,
    move_table: bool,
    build_dir: Path | None,
    sought: Sought,
    store: Path,
    progress: str,
) -> Answer:
    """Write the disk of IMAGE to DEVICE, a block device or a file that is one, and read it back.

    IMAGE is an image file whose built image is meant, or a disk of any format that `inspect` reads.
    All that DEVICE holds is lost. Refused is a
    device that is mounted or otherwise in use, that is too small, or that holds the running system.
    Nothing is grown: the system does that when it boots.
    """
    from dockyard.formats.containers import container_of
    from dockyard.host import clock
    from dockyard.inspection.disks import partitions_of
    from dockyard.pipeline.burn import burn, has_short_table, judged_target, opened, require_fit
    from dockyard.pipeline.together import Together

    began = clock.monotonic()
    is_file = image.suffix in YAML
    sought.require_file(is_file)
    together = Together()
    found = together.get(lambda: sought.artefact(image, store, check=False)) if is_file else None
    if not is_file:
        together.get(lambda: container_of(image))
    target = together.get(lambda: judged_target(device, partition=partition))
    together.raise_any()
    assert target is not None
    if found is not None:
        image = found.write(scratch_for(store, found.name))
    with _raw(image.absolute(), store, build_dir, progress) as raw:
        disk = partitions_of(image, raw)
        require_fit(raw, image, target, move_table)
        if not yes:
            _confirm(image, disk, target)
        with opened(target) as descriptor, display(progress) as listener:
            done = burn(disk, target, descriptor, listener, move_table=move_table)
        if not done.moved and has_short_table(raw, target):
            remark([_short_table(device)])
    return _answer(image, device, target, done, clock.monotonic() - began)


@contextmanager
def _raw(image: Path, store: Path, build_dir: Path | None, progress: str) -> Iterator[RawDisk]:
    """The raw disk of an image, for as long as a block runs."""
    from tempfile import TemporaryDirectory

    from dockyard.formats.containers import container_of, raw_disk
    from dockyard.host import files
    from dockyard.host.apart import apart
    from dockyard.host.sandbox import Tools
    from dockyard.pipeline.rewritten import make_build_dir
    from dockyard.tools.trees import enter_tools

    container = container_of(image)
    if container.is_raw:
        yield raw_disk(image, store, Tools(store))
        return
    make_build_dir(build_dir)
    place = (build_dir or store / "vm").absolute()
    place.mkdir(parents=True, exist_ok=True)
    files.remove_parts(place / "burn")  # of runs that were killed
    with TemporaryDirectory(prefix=".burn.", suffix=f".{os.getpid()}.part", dir=place) as name:
        scratch = Path(name)
        scratch.chmod(0o755)

        def converted() -> RawDisk:
            with display(progress) as listener:
                tools = enter_tools(store, listener=listener)
            return raw_disk(image, scratch, tools.main)

        # Inside the namespace nobody may write to devices.
        yield apart(converted) if container.by_programs else raw_disk(image, scratch, Tools(place))


def _confirm(image: Path, disk: FoundDisk, target: Target) -> None:
    """Have a person say that the device is meant. Raises DockyardError where nobody can."""
    if not sys.stdin.isatty() or wants_json():
        what = f"nobody can be asked whether {target.path} is to be overwritten"
        raise DockyardError(Problem("burn.not-confirmed", what, fix="say so with --yes"))
    count = terminal.count(len(disk.partitions), "partition")
    click.echo(f"write  {image}: {terminal.size(disk.raw.size)}, {count}", err=True)
    click.echo(f"to     {_told(target)}", err=True)
    if not click.confirm("All that is on it is lost. Go on?", err=True):
        raise DockyardError(Problem("burn.not-confirmed", "nothing was written"))


def _told(target: Target) -> str:
    """A target as a person knows it."""
    device, size = target.device, terminal.size(target.size)
    if device is None:
        return f"{target.path}: a file, {size}"
    parts = f", with {', '.join(device.parts)}" if device.parts else ""
    kind = f"a partition of {device.disk}" if device.disk else device.title or "a disk"
    return f"{target.path}: {kind}, {size}{parts}"


def _short_table(device: Path) -> Problem:
    return Problem(
        "burn.table-not-at-end",
        "the second partition table is not at the end of the device",
        str(device),
        why="the device is larger than the disk of the image",
        fix="nothing, where the system grows its disk when it boots; else burn with "
        "--move-backup-gpt",
        severity=Severity.NOTE,
    )


def _answer(image: Path, device: Path, target: Target, done: Burnt, seconds: float) -> Answer:
    facts = {
        "image": str(image),
        "device": str(device),
        "size": done.size,
        "data": done.data,
        "deviceSize": target.size,
        "verified": True,
        "backupMoved": done.moved,
        "oldBackupCleared": done.cleared,
        "partitionsRead": done.partitions_read,
        "seconds": round(seconds, 2),
    }
    amount = f"{terminal.size(done.size)} ({terminal.size(done.data)} of data)"
    took = terminal.duration(seconds)
    return Answer(f"{device}: {amount} written and read back, {took}", facts)
