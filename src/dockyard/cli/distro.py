"""`dockyard distro`: build a distribution's repository, lock it, check it, list what it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.options import progress_option, store_option

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools
    from dockyard.packages.deb.sources import Origins

DISTRO = click.Path(exists=True, path_type=Path)
DIRECTORY = click.Path(file_okay=False, path_type=Path)

mirror_option = click.option(
    "--debian-mirror",
    multiple=True,
    metavar="ADDRESS",
    help="A Debian archive to take packages from; default: the host's own apt sources.",
)

directory_option = click.option(
    "--mirror-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="A directory that `dockyard fetch` filled; tried before any mirror.",
)


@click.group()
def command() -> None:
    """Build and look at a distribution: packages and signed repository."""


@command.command()
@click.argument("path", type=DISTRO)
@store_option
@mirror_option
@directory_option
@click.option("--keys", type=DIRECTORY, help="Where signing keys are kept.")
@click.option("--tools", type=DIRECTORY, help="A tools tree to use in place of Dockyard's own.")
@click.option("--no-check", is_flag=True, help="Publish even what is not closed.")
@progress_option
def build(
    path: Path,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    keys: Path | None,
    tools: Path | None,
    no_check: bool,
    progress: str,
) -> None:
    """Build the distribution at PATH and publish its repository in the store.

    Fetches the pinned upstream packages, makes an RPM of each, adds the distribution's own
    packages, signs them, and proves that every requirement can be met. What did not change is not
    made again.
    """
    from dockyard.cli import terminal
    from dockyard.distro.build import build_distro
    from dockyard.host import namespace

    namespace.enter()
    origins = _origins(debian_mirror, mirror_dir)
    with terminal.progress(progress) as listener:
        built = build_distro(
            path,
            store.absolute(),
            lambda: _tools(tools, store.absolute(), origins),
            origins=origins,
            keys=keys,
            listener=listener,
            check=not no_check,
        )
    state = f"{built.made} made" if built.changed else "nothing changed"
    click.echo(f"{built.path}: {built.total} packages, {state}, signed by {built.fingerprint}")


@command.command()
@click.argument("path", type=DISTRO)
@store_option
@mirror_option
@directory_option
@click.option(
    "--refresh-missing",
    is_flag=True,
    help="Keep every pin that can still be had; move only those whose files are gone.",
)
def lock(
    path: Path,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    refresh_missing: bool,
) -> None:
    """Pin the upstream package of every component.

    Prints what changed against the lock before, and why where pins were moved; warns of what the
    pinned packages need and no component gives.
    """
    from dockyard.distro.load import load_distro
    from dockyard.distro.locking import make_lock, where_to_declare

    loaded = load_distro(path)
    origins = _origins(debian_mirror, mirror_dir)
    made = make_lock(loaded, store.absolute(), origins, refresh_missing=refresh_missing)
    for warning in made.unmet:
        click.echo(f"warning: {warning}", err=True)
    if made.missing:
        click.echo(where_to_declare(loaded, made.missing), err=True)
    for line in made.changes:
        click.echo(line)
    count = len(made.lock.packages)
    click.echo(f"{made.path}: {count} packages pinned, {len(made.changes)} changed")


@command.command()
@click.argument("path", type=DISTRO)
@store_option
def check(path: Path, store: Path) -> None:
    """Prove the published repository whole: relations, installability, file conflicts."""
    from dockyard.distro.check import check_repository
    from dockyard.distro.load import load_distro
    from dockyard.distro.repository import published, repository_path
    from dockyard.errors import DockyardError, Problem

    loaded = load_distro(path)
    name = loaded.distro.name
    place = repository_path(store.absolute(), name)
    if not published(store.absolute(), name):
        raise DockyardError(
            Problem(
                "distro.not-published",
                f"the store has no repository of {name}",
                str(place),
                fix=f"run: dockyard distro build {path}",
            )
        )
    problems = check_repository(place, loaded.places())
    if problems:
        raise DockyardError(*problems)
    click.echo(f"{place}: every requirement is met, no files conflict")


@command.command(name="list")
@click.argument("path", type=DISTRO)
def list_packages(path: Path) -> None:
    """List the packages of the distribution: name, version, and what each is made of."""
    from dockyard.distro.listing import listing
    from dockyard.distro.load import load_distro

    rows = listing(load_distro(path))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for name, version, origin in rows:
        click.echo(f"{name:{widths[0]}}  {version:{widths[1]}}  {origin}".rstrip())


def _origins(mirrors: tuple[str, ...], directories: tuple[Path, ...] = ()) -> Origins:
    import os

    from dockyard.packages.deb.sources import Origins

    return Origins.of_host(os.environ, debian_mirror=mirrors, mirror_directories=directories)


def _tools(given: Path | None, store: Path, origins: Origins) -> Tools:
    from dockyard.host.sandbox import Tools

    if given:
        return Tools(given.absolute())
    from dockyard.packages.tools import tools_tree

    return tools_tree(store, origins=origins).main
