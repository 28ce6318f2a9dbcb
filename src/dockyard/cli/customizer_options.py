"""Options that Image Customizer has beside its verbs' own, so that its scripts need another program
name and nothing else: each does what it says there, or is told to have no part here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from dockyard.cli import terminal
from dockyard.cli.log import LEAST, LOG_FORMAT, QUIET, TIMESTAMPS, VERBOSE
from dockyard.errors import Problem, Severity

Command = TypeVar("Command", bound=Callable[..., Any])

# level -> (no progress, every program, the least severity that is told of remarks)
_LEVELS: dict[str, tuple[bool, bool, Severity | None]] = {
    "panic": (True, False, Severity.ERROR),
    "fatal": (True, False, Severity.ERROR),
    "error": (True, False, Severity.ERROR),
    "warn": (True, False, Severity.WARNING),
    "info": (False, False, None),
    "debug": (False, True, None),
    "trace": (False, True, None),
}
_WITH_VALUE = ("--log-level", "--log-color", "--log-file", "--log-format", "--timestamp-file")
_FLAGS = ("--disable-telemetry",)
_DEFAULT_VERB = "customize"


def with_verb(words: Sequence[str], verbs: Sequence[str]) -> list[str]:
    """The words of a command line with its verb first: options that Image Customizer takes before
    the verb follow it, and `customize` is the verb of a line that names none but a config file.
    """
    at = 0
    while at < len(words):
        name, equals, _ = words[at].partition("=")
        if name not in (*_WITH_VALUE, *_FLAGS):
            break
        at += 1 if equals or name in _FLAGS else 2
    if at < len(words) and words[at] in verbs:
        return [words[at], *words[:at], *words[at + 1 :]]
    begins = bool(words) and words[0].startswith("-")
    if begins and any(word.partition("=")[0] == "--config-file" for word in words):
        return [_DEFAULT_VERB, *words]
    return list(words)


def log_options(command: Command) -> Command:
    """`--log-level`, `--log-color`, `--log-format`, `--timestamp-file`, `--disable-telemetry`."""
    for decorate in (
        click.option(
            "--disable-telemetry",
            is_flag=True,
            expose_value=False,
            help="Accepted: there is no telemetry.",
        ),
        click.option(
            "--timestamp-file",
            type=click.Path(dir_okay=False, path_type=Path),
            expose_value=False,
            callback=_keep(TIMESTAMPS),
            help="Write when each step began and ended into a file, one JSON object a line.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(("text", "json")),
            expose_value=False,
            callback=_keep(LOG_FORMAT),
            help="How to show the work: `json` is as `--progress json`.",
        ),
        click.option(
            "--log-color",
            type=click.Choice(("always", "auto", "never")),
            expose_value=False,
            callback=_color,
            help="Whether to use colours: `auto` means on a terminal.",
        ),
        click.option(
            "--log-level",
            type=click.Choice(tuple(_LEVELS)),
            expose_value=False,
            callback=_level,
            help="The least that is told: up to `error` no progress and no remarks, `warn` "
            "warnings, `info` everything, from `debug` on each program that runs.",
        ),
    ):
        command = decorate(command)
    return command


def build_dir_option(command: Command) -> Command:
    """`--build-dir`, which Image Customizer fills with what its work needs."""
    return click.option(
        "--build-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Accepted: all work is done in the store, see --store.",
    )(command)


def tools_dir_option(command: Command) -> Command:
    """`--tools-dir`, in which Image Customizer looks for a package manager."""
    return click.option(
        "--tools-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Accepted: Dockyard brings its own tools, and runs none of the image's.",
    )(command)


def setfiles_option(command: Command) -> Command:
    """`--setfiles-context`, under which Image Customizer runs setfiles on the host."""
    return click.option(
        "--setfiles-context",
        metavar="CONTEXT",
        help="Accepted: labels are written into the image without the host's SELinux.",
    )(command)


def without_part(
    store: Path,
    build_dir: Path | None = None,
    tools_dir: Path | None = None,
    setfiles_context: str | None = None,
) -> list[Problem]:
    """A note for each option that was given and has no part in the work, with what has."""
    told = []
    if build_dir is not None:
        why = f"all work is done in the store at {store.absolute()}, which keeps what can be reused"
        told.append(_note("--build-dir", why, "name a directory for the store with --store"))
    if tools_dir is not None:
        why = "packages are chosen and installed by tools that Dockyard brings along"
        told.append(_note("--tools-dir", why, "leave it out"))
    if setfiles_context is not None:
        why = "nothing runs on the host under a context of SELinux"
        told.append(_note("--setfiles-context", why, "leave it out"))
    return told


def _note(option: str, why: str, fix: str) -> Problem:
    what = f"{option} has no part in what is done here"
    return Problem("cli.no-part", what, why=why, fix=fix, severity=Severity.NOTE)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is not None:
            context.meta[name] = value
        return value

    return keep


def _level(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    quiet, verbose, least = _LEVELS[value]
    # -q and -v of the same line say it, too.
    context.meta[QUIET] = context.meta.get(QUIET) or quiet
    context.meta[VERBOSE] = context.meta.get(VERBOSE) or verbose
    context.meta[LEAST] = least


def _color(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    terminal.choose_colours({"always": True, "auto": None, "never": False}[value])
    context.color = terminal.colours()
