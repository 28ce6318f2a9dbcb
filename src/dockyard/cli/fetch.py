"""`dockyard fetch`: fill a directory that serves as an offline mirror of locks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.answer import Answer
from dockyard.cli.choice import Choice, choice_options
from dockyard.cli.display import display
from dockyard.cli.fetching import step
from dockyard.cli.options import (
    EXISTING_FILE,
    origin_options,
    origins_of,
    progress_option,
    rpm_mirror_options,
    store_option,
)
from dockyard.cli.verb import Verb

if TYPE_CHECKING:
    from dockyard.model.packages import Lock
    from dockyard.packages.origins import Origins


@click.command(cls=Verb)
@click.argument("locks", nargs=-1, required=True, type=EXISTING_FILE, metavar="LOCK...")
@click.option(
    "--into",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory to fill; what it has already stays.",
)
@choice_options
@origin_options
@rpm_mirror_options
@store_option
@progress_option
def command(
    locks: tuple[Path, ...],
    into: Path,
    choice: Choice,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    store: Path,
    progress: str,
) -> Answer:
    """Fetch every file that LOCKs pin, into a directory that needs no network later.

    Give the directory to other verbs with --mirror-dir or DOCKYARD_MIRROR_DIR. A lock of an image
    names its repositories through the image file beside it, for which --set, --profile and
    --variant are.
    """
    from dockyard.cli import terminal
    from dockyard.packages import lockfile
    from dockyard.packages.mirror_directory import fill

    loaded = {path: lockfile.load(path) for path in locks}
    origins = origins_of(debian_mirror, mirror_dir)
    place = store.absolute()
    with (
        display(progress) as listener,
        step(listener, f"Fill {into}", f"{len(loaded)} locks") as tell,
    ):
        bases = _bases(loaded.items(), choice, place, origins)
        filled = fill(loaded, into.absolute(), place, origins, bases, tell)
    made = sorted({pin.repository for pin in filled.made})
    size = terminal.size(filled.octets)
    lines = [f"{into}: {filled.files} files, {size}, {filled.new} new"]
    given = {lock.subject for lock in loaded.values()}
    if lacking := [pin.repository for pin in filled.made if pin.repository not in given]:
        names = ", ".join(sorted(set(lacking)))
        lines.append(
            f"note: {len(lacking)} packages of {names} are built on the spot; "
            "fetch the lock of that distribution too"
        )
    facts = {
        "directory": str(into.absolute()),
        "files": filled.files,
        "size": filled.octets,
        "new": filled.new,
        "madeLocally": made,
    }
    return Answer("\n".join(lines), facts)


def _bases(
    locks: Iterable[tuple[Path, Lock]], choice: Choice, store: Path, origins: Origins
) -> dict[str, tuple[str, ...]]:
    """The addresses of the repositories that locks pin digests of, by the images' files. Where the
    Debian archive is, and mirrors of RPM distributions, the origins say.
    """
    from dockyard.config.kinds import image_file_of
    from dockyard.distro.header import read_header
    from dockyard.host.network import Network
    from dockyard.packages.system import system_of

    bases: dict[str, tuple[str, ...]] = {}
    for path, lock in locks:
        pins = [pin for pin in lock.packages if pin.digest and not store_has(store, pin.digest)]
        ids = {pin.repository for pin in pins}
        file = image_file_of(path) if ids else None
        images = choice.all(file) if file else []
        distros = dict.fromkeys((each.distro_path, each.image.architecture) for each in images)
        for distro, architecture in distros:
            if distro is None:
                continue
            header = read_header(distro, architecture)
            system = system_of(header.distro.kind)
            found = system.repositories(header.distro, header.directory, store, origins)
            with Network() as network:
                for repository in found:
                    if repository.id in ids:
                        # Those of another lock, or architecture, may have the same name.
                        found_too = system.addresses(repository, network)
                        known = bases.get(repository.id, ())
                        bases[repository.id] = tuple(dict.fromkeys((*known, *found_too)))
    return bases


def store_has(store: Path, digest: str) -> bool:
    """Whether the store has a file already."""
    from dockyard.packages.blobs import Blobs

    return Blobs.of_store(store).has(digest)
