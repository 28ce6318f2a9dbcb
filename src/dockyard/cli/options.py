"""Options that several verbs share, so that they are named and described once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from dockyard.cli.terminal import PROGRESS_MODES
from dockyard.engine.store import default_root
from dockyard.host.files import private_directory
from dockyard.host.storage import store_trouble_told

Command = TypeVar("Command", bound=Callable[..., Any])

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def store_option(command: Command) -> Command:
    """`--store DIR`: where results, downloads and tools are kept; what is wrong with it is told."""

    @wraps(command)
    def told(*args: Any, store: Path, **options: Any) -> Any:
        with store_trouble_told(store.absolute()):
            return command(*args, store=store, **options)

    return click.option(
        "--store",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: default_root(),
        show_default="$DOCKYARD_STORE or ~/.cache/dockyard",
        callback=_opened,
        help="Where results, downloads and tools are kept.",
    )(cast(Command, told))


def _opened(context: click.Context, parameter: click.Parameter, store: Path) -> Path:
    """See that the store is private, before anything is put into it."""
    if not context.resilient_parsing:
        # What is wrong with it is told by the verb, when it comes to use it.
        with suppress(OSError):
            private_directory(store)
    return store


def progress_option(command: Command) -> Command:
    """`--progress MODE`: how the work is shown."""
    return click.option(
        "--progress",
        type=click.Choice(PROGRESS_MODES),
        default="auto",
        show_default=True,
        help="How to show the work: bars on a terminal, plain lines, JSON lines, or nothing.",
    )(command)
