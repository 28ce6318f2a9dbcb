"""`dockyard distro`: build a distribution's repository, lock it, check it, list what it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.display import display
from dockyard.cli.options import (
    architecture_option,
    origin_options,
    origins_of,
    package_jobs_option,
    progress_option,
    store_option,
)
from dockyard.cli.verb import Noun, remark, wants_json
from dockyard.model.architecture import Architecture


class _Distro(click.Path):
    """A distribution: its directory or file, or the name of one that comes with Dockyard."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from dockyard.config.bundled import bundled_distros

        return super().convert(bundled_distros().get(str(value), value), param, ctx)


Command = TypeVar("Command", bound=Callable[..., Any])

DISTRO = _Distro(exists=True, path_type=Path)
DIRECTORY = click.Path(file_okay=False, path_type=Path)


_with = click.option(
    "--with",
    "beside",
    multiple=True,
    metavar="NAME",
    help="Check it together with this distribution, as it is published in the store; may be given "
    "several times.",
)


_architecture = architecture_option(
    "That of the packages, of a distribution for several. Default: its first."
)


@click.group(cls=Noun)
def command() -> None:
    """Build and look at a distribution: packages and signed repository."""


def _making(command: Command) -> Command:
    """What `build` and `plan` share, so that a plan is that of the build: PATH, --architecture,
    --store, where packages come from, --keys, --no-check and --with.
    """
    for decorate in (
        _with,
        click.option("--no-check", is_flag=True, help="Publish even what is not closed."),
        click.option("--keys", type=DIRECTORY, help="Where signing keys are kept."),
        origin_options,
        store_option,
        _architecture,
        click.argument("path", type=DISTRO),
    ):
        command = decorate(command)
    return command


@command.command()
@_making
def plan(
    path: Path,
    architecture: Architecture | None,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    keys: Path | None,
    no_check: bool,
    beside: tuple[str, ...],
) -> Answer:
    """Show what `dockyard distro build PATH` would do, and why. Changes nothing."""
    from dockyard.cli.plan import as_json, as_text
    from dockyard.distro.build import plan_distro
    from dockyard.engine.store import Store

    origins = origins_of(debian_mirror, mirror_dir)
    planned = plan_distro(
        path,
        Store(store),
        architecture,
        origins=origins,
        keys=keys,
        check=not no_check,
        beside=beside,
    )
    return Answer(as_text(planned.plan), as_json(planned.plan))


@command.command()
@_making
@package_jobs_option
@progress_option
def build(
    path: Path,
    architecture: Architecture | None,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    keys: Path | None,
    no_check: bool,
    beside: tuple[str, ...],
    jobs: int | None,
    progress: str,
) -> Answer:
    """Build the distribution at PATH and publish its repository in the store.

    Fetches the pinned upstream packages, makes an RPM of each, adds the distribution's own
    packages, signs them, and proves that every requirement can be met. What did not change is not
    made again.
    """
    from dockyard.distro.build import build_distro
    from dockyard.engine.store import Store

    origins = origins_of(debian_mirror, mirror_dir)
    with display(progress) as listener:
        built = build_distro(
            path,
            Store(store),
            architecture,
            origins=origins,
            keys=keys,
            listener=listener,
            jobs=jobs,
            check=not no_check,
            beside=beside,
        )
    remark(built.remarks)
    state = f"{built.made} made" if built.changed else "nothing changed"
    text = f"{built.path}: {built.total} packages, {state}, signed by {built.fingerprint}"
    if built.given_up and built.given_up.results:
        from dockyard.cli.store_text import given_up

        text += f"\n{given_up(built.given_up)}"
    return Answer(
        text,
        {
            "repository": str(built.path),
            "packages": built.total,
            "made": built.made,
            "changed": built.changed,
            "fingerprint": built.fingerprint,
            "givenUp": built.given_up.size if built.given_up else 0,
        },
    )


@command.command()
@click.argument("path", type=DISTRO)
@_architecture
@store_option
@origin_options
@click.option(
    "--refresh-missing",
    is_flag=True,
    help="Keep every pin that can still be had; move only those whose files are gone.",
)
def lock(
    path: Path,
    architecture: Architecture | None,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    refresh_missing: bool,
) -> Answer:
    """Pin the upstream package of every component.

    Prints what changed against the lock before, and why where pins were moved; warns of what the
    pinned packages need and no component gives.
    """
    from dockyard.distro.load import load_distro
    from dockyard.distro.locking import make_lock, where_to_declare

    loaded = load_distro(path, architecture)
    origins = origins_of(debian_mirror, mirror_dir)
    made = make_lock(loaded, store.absolute(), origins, refresh_missing=refresh_missing)
    pinned = terminal.count(len(made.lock.packages), "package")
    declare = where_to_declare(loaded, made.missing) if made.missing else ""
    if not wants_json():
        for warning in made.unmet:
            terminal.say(f"warning: {warning}", err=True)
        if declare:
            terminal.say(declare, err=True)
    lines = list(made.changes)
    lines.append(f"{made.path}: {pinned} pinned, {len(made.changes)} changed")
    return Answer(
        "\n".join(lines),
        {
            "lock": str(made.path),
            "packages": len(made.lock.packages),
            "changes": list(made.changes),
            "unmet": list(made.unmet),
            "declare": declare,
        },
    )


@command.command()
@click.argument("path", type=DISTRO)
@_architecture
@_with
@store_option
@origin_options
def check(
    path: Path,
    architecture: Architecture | None,
    store: Path,
    beside: tuple[str, ...],
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
) -> Answer:
    """Say what a distribution takes from where, with every mistake. Asks no network.

    Of one that is built here, the published repository is proven whole as well: relations,
    installability, file conflicts.
    """
    from dockyard.cli.distro_text import as_json, as_text
    from dockyard.distro.described import describe

    found = describe(path, store.absolute(), origins_of(debian_mirror, mirror_dir), architecture)
    if not found.parts:
        if beside:
            problem = "only the repository of a distribution that is built here is checked with it"
            raise click.BadParameter(problem, param_hint="--with")
        return Answer(as_text(found), {**as_json(found), "repository": None})
    place = _proven(path, architecture, store, beside)
    text = f"{as_text(found)}\n\n{place}: every requirement is met, no files conflict"
    return Answer(text, {**as_json(found), "repository": str(place)})


def _proven(
    path: Path, architecture: Architecture | None, store: Path, beside: tuple[str, ...]
) -> Path:
    """The published repository of a distribution, which is whole. Raises DockyardError."""
    from dockyard.config.bundled import distro_word
    from dockyard.distro.build import repositories_beside
    from dockyard.distro.check import check_repository
    from dockyard.distro.load import load_distro
    from dockyard.engine.store import Store
    from dockyard.errors import DockyardError, Problem
    from dockyard.packages.published import published, repository_path

    loaded = load_distro(path, architecture)
    name = loaded.distro.published_name
    place = repository_path(store.absolute(), name)
    if not published(store.absolute(), name):
        raise DockyardError(
            Problem(
                "distro.not-published",
                f"the store has no repository of {name}",
                str(place),
                fix=f"run: dockyard distro build {distro_word(path)}"
                + loaded.distro.of_architecture(" --architecture "),
            )
        )
    others = repositories_beside(Store(store), loaded, beside)
    if problems := check_repository(place, loaded.places(), others.values()):
        raise DockyardError(*problems)
    return place


@command.command(name="list")
@click.argument("path", type=DISTRO)
@_architecture
def list_packages(path: Path, architecture: Architecture | None) -> Answer:
    """List the packages of the distribution: name, version, and what each is made of."""
    from dockyard.distro.listing import listing
    from dockyard.distro.load import load_distro

    rows = listing(load_distro(path, architecture))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    lines = [
        f"{name:{widths[0]}}  {version:{widths[1]}}  {origin}".rstrip()
        for name, version, origin in rows
    ]
    found = [{"name": name, "version": version, "origin": origin} for name, version, origin in rows]
    return Answer("\n".join(lines), {"packages": found})
