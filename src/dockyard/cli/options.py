"""Options that several verbs share, so that they are named and described once."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from dockyard.cli.display import PROGRESS_MODES
from dockyard.cli.log import LOG_FILE, QUIET, VERBOSE
from dockyard.engine.store import default_root
from dockyard.errors import DockyardError, Problem
from dockyard.host.private import private_directory
from dockyard.host.storage import store_trouble_told
from dockyard.model.architecture import Architecture

if TYPE_CHECKING:
    from dockyard.packages.origins import Origins

Command = TypeVar("Command", bound=Callable[..., Any])

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# An image file that is not there is told by the room that reads it.
_FILE = click.Path(path_type=Path)
_EXISTING_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


def store_option(command: Command) -> Command:
    """`--store DIR`: where results, downloads and tools are kept. It is private before anything is
    put into it, and what is wrong with it is told.
    """
    return _store_option(command, make=True)


def present_store_option(command: Command) -> Command:
    """The same for verbs that only read: a store that is not there is refused, not made."""
    return _store_option(command, make=False)


def _store_option(command: Command, *, make: bool) -> Command:
    @wraps(command)
    def told(*args: Any, store: Path, **options: Any) -> Any:
        if not make:
            _require_store(store)
        with suppress(OSError):  # told where the verb comes to use it
            private_directory(store)
        with store_trouble_told(store.absolute()):
            return command(*args, store=store, **options)

    return click.option(
        "--store",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: default_root(),
        show_default="$DOCKYARD_STORE or ~/.cache/dockyard",
        help="Where results, downloads and tools are kept.",
    )(cast(Command, told))


def _require_store(place: Path) -> None:
    with suppress(OSError):  # told where the verb comes to use it
        if place.is_dir() and any(place.iterdir()):
            return
        state = "is empty" if place.is_dir() else "does not exist"
        raise DockyardError(
            Problem(
                "host.no-store",
                f"there is no store at {place.absolute()}",
                why=f"the directory {state}; a store is made by the first build or fetch",
                fix="name the store of your builds with --store or DOCKYARD_STORE",
            )
        )


def log_file_option(command: Command) -> Command:
    """`--log-file`: where the log of the run goes."""
    return click.option(
        "--log-file",
        type=click.Path(dir_okay=False, path_type=Path),
        expose_value=False,
        callback=_into(LOG_FILE),
        help="Where to write the log of this run. Default: a new file in the store's logs, "
        "where the verb has a store.",
    )(command)


def progress_option(command: Command) -> Command:
    """How the work is shown, and where its log goes: `--progress`, `-q`, `-v`, `--log-file`."""
    for decorate in (
        log_file_option,
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_into(VERBOSE),
            help="Show each program that runs and what it prints, as the log has it.",
        ),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            expose_value=False,
            callback=_into(QUIET),
            help="Show no progress: only the answer, or the error.",
        ),
        click.option(
            "--progress",
            type=click.Choice(PROGRESS_MODES),
            default="auto",
            show_default=True,
            help="How to show the work: bars on a terminal, plain lines, JSON lines, or nothing.",
        ),
    ):
        command = decorate(command)
    return command


def image_argument(command: Command) -> Command:
    """The image file, named by its place or with `--config-file`, as Image Customizer has it."""

    def both(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path:
        named = context.meta.get(_CONFIG_FILE)
        if value is None and named is None:
            raise click.MissingParameter(ctx=context, param=parameter)
        if value is not None and named is not None:
            raise click.UsageError("the image file is named twice: drop --config-file", context)
        found = value or named
        assert isinstance(found, Path)
        return found

    command = click.option(
        "--config-file",
        type=_FILE,
        is_eager=True,
        expose_value=False,
        callback=_into(_CONFIG_FILE),
        help="The image file; the same as IMAGE.",
    )(command)
    return click.argument("image", required=False, type=_FILE, callback=both)(command)


_CONFIG_FILE = "dockyard.config-file"
_RPM_MIRROR, _RPM_KEYS = "dockyard.rpm-mirror", "dockyard.rpm-key"


def _jobs(default: int | None, shown: bool | str) -> Callable[[Command], Command]:
    return click.option(
        "--jobs",
        type=click.IntRange(1, 64),
        default=default,
        show_default=shown,
        help="Steps to run side by side.",
    )


jobs_option = _jobs(2, True)
"""`--jobs N`: how many steps run side by side."""

package_jobs_option = _jobs(None, "one for each processor")
"""The same where steps make packages, each by a process that does nothing else."""


def origin_options(command: Command) -> Command:
    """`--debian-mirror` and `--mirror-dir`: where packages are looked for."""
    command = click.option(
        "--mirror-dir",
        type=_EXISTING_DIRECTORY,
        multiple=True,
        help="A directory that `dockyard fetch` filled; tried before any mirror.",
    )(command)
    return click.option(
        "--debian-mirror",
        multiple=True,
        metavar="[NAME=]ADDRESS",
        help="The base of a Debian archive: an address or a directory. With a name it is that of "
        "the archive which a distribution calls so, such as `ubuntu`. Default: the host's apt.",
    )(command)


def rpm_mirror_options(command: Command) -> Command:
    """`--rpm-mirror` and `--rpm-key`: where an RPM distribution is; `origins_of` reads them."""
    command = click.option(
        "--rpm-key",
        type=EXISTING_FILE,
        multiple=True,
        expose_value=False,
        callback=_into(_RPM_KEYS),
        help="A file with keys that the distro's repositories are signed by; only keys whose "
        "fingerprints its distro.yaml names count.",
    )(command)
    return click.option(
        "--rpm-mirror",
        multiple=True,
        metavar="ADDRESS",
        expose_value=False,
        callback=_into(_RPM_MIRROR),
        help="The base of a mirror of an RPM distribution, in place of the one that its "
        "distro.yaml names: an address or a directory.",
    )(command)


def rpm_source_option(command: Command) -> Command:
    """`--rpm-source`: packages beside the distro's repositories; with `rpm_mirror_options`."""
    command = rpm_mirror_options(command)
    return click.option(
        "--rpm-source",
        type=click.Path(exists=True, path_type=Path),
        multiple=True,
        help="A directory of RPMs or a .repo file, beside the distro's repositories.",
    )(command)


def disable_repositories_option(command: Command) -> Command:
    """`--disable-base-image-rpm-repos`, for an image that exists."""
    return click.option(
        "--disable-base-image-rpm-repos",
        is_flag=True,
        help="Take no packages from the repositories that the image itself is set up for.",
    )(command)


def architecture_option(
    help: str, default: Architecture | None = None
) -> Callable[[Command], Command]:
    """`--architecture`, which the command gets as an Architecture, or as None where there is no
    default.
    """
    return click.option(
        "--architecture",
        type=click.Choice([each.value for each in Architecture]),
        default=default and default.value,
        show_default=default is not None,
        callback=lambda context, parameter, value: value and Architecture(value),
        help=help,
    )


def package_source_options(command: Command) -> Command:
    """`--rpm-source`, `--disable-base-image-rpm-repos` and `--package-snapshot-time`, for an image
    that exists.
    """
    for decorate in (
        snapshot_time_option,
        disable_repositories_option,
        click.option(
            "--rpm-source",
            type=click.Path(exists=True, path_type=Path),
            multiple=True,
            help="A directory of RPMs or a .repo file to take packages from, too; one with the id "
            "of a repository of the image takes its place.",
        ),
    ):
        command = decorate(command)
    return command


def snapshot_time_option(command: Command) -> Command:
    """`--package-snapshot-time`."""
    return click.option(
        "--package-snapshot-time",
        default="",
        metavar="TIME",
        callback=_time,
        help="Take only packages that were published until then: YYYY-MM-DD, or an RFC 3339 time. "
        "Default: os.packages.snapshotTime of the file.",
    )(command)


def _time(context: click.Context, parameter: click.Parameter, value: str) -> str:
    from dockyard.config.scalars import is_time

    if value and not is_time(value):
        what = f"{value!r} is no time; write 2025-05-20, or 2025-05-20T23:59:59Z"
        raise click.BadParameter(what, context, parameter)
    return value


def origins_of(debian_mirror: tuple[str, ...], mirror_dir: tuple[Path, ...]) -> Origins:
    """Where packages are fetched from: what the options say, else as the host is set up."""
    from dockyard.packages.origins import Origins

    context = click.get_current_context(silent=True)
    given = context.meta if context else {}
    return Origins.of_host(
        os.environ,
        debian_mirror=debian_mirror,
        mirror_directories=mirror_dir,
        rpm_mirror=given.get(_RPM_MIRROR) or (),
        rpm_keys=given.get(_RPM_KEYS) or (),
    )


def _into(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that keeps an option's value for whatever shows the work."""

    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        context.meta[name] = value or context.meta.get(name)  # another option may say it, too
        return value

    return keep
