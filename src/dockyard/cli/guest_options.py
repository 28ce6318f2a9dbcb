"""The options that say what a guest gets of this host before somebody comes into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from dockyard.vm.devices import SharedDirectory
    from dockyard.vm.errand import Copy, Errand, Share

T = TypeVar("T")

# Where a share is mounted that names no place: always writable, whatever the image's root is.
_SHARES = "/run/share"


class Given:
    """What the options say."""

    def __init__(self, copies: Sequence[Copy], shares: Sequence[Share]) -> None:
        self.copies, self.shares = tuple(copies), tuple(shares)

    def __bool__(self) -> bool:
        return bool(self.copies or self.shares)

    def errand(self) -> Errand:
        """What the guest does with it. Raises DockyardError for what cannot be copied."""
        from dockyard.vm.errand import Errand

        return Errand(self.shares, self.copies)

    @property
    def directories(self) -> tuple[SharedDirectory, ...]:
        """What the machine takes for it."""
        from dockyard.vm.devices import SharedDirectory
        from dockyard.vm.errand import tag

        return tuple(
            SharedDirectory(each.directory, tag(number), each.read_only)
            for number, each in enumerate(self.shares)
        )

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules that the guest's kernel needs for it."""
        return ("9p", "9pnet_virtio") if self.shares else ()


def _copies(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> tuple[Copy, ...]:
    from dockyard.vm.errand import Copy

    found = []
    for value in values:
        source, colon, path = value.rpartition(":")
        if not colon or not source or not path.startswith("/"):
            what = f"{value} is not SOURCE:PATH, such as tests:/opt/tests; PATH is absolute"
            raise click.BadParameter(what)
        if path.endswith("/") and path != "/":
            path += Path(source).resolve().name
        if not Path(source).exists():
            raise click.BadParameter(f"{source} does not exist")
        found.append(Copy(Path(source).absolute(), path))
    return tuple(found)


def _shares(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> tuple[Share, ...]:
    from dockyard.vm.errand import Share

    found: list[Share] = []
    for value in values:
        text, read_only = (value[:-3], True) if value.endswith(":ro") else (value, False)
        source, colon, path = text.rpartition(":")
        if not colon or not path.startswith("/"):
            source, path = text, ""
        directory = Path(source).absolute()
        if not directory.is_dir():
            what = f"{source} is no directory; write DIR, DIR:PATH or DIR:PATH:ro, PATH absolute"
            raise click.BadParameter(what)
        path = path or f"{_SHARES}/{directory.resolve().name}"
        if path in {each.path for each in found}:
            raise click.BadParameter(f"two directories are to be seen at {path}")
        found.append(Share(directory, path, read_only))
    return tuple(found)


def guest_options(command: Callable[..., T]) -> Callable[..., T]:
    """`--copy-in` and `--share`, which the command gets as one Given, `given`."""

    @click.option("--copy-in", "copies", multiple=True, callback=_copies, metavar="SOURCE:PATH",
                  help="Copy a file or directory into the guest, as root's.")  # fmt: skip
    @click.option("--share", "shares", multiple=True, callback=_shares,
                  metavar="DIR[:PATH][:ro]", help=(
        f"Let the guest read and write a directory of this host, by 9p. Default for PATH: {_SHARES}"
        "/NAME."
    ))  # fmt: skip
    @wraps(command)
    def collected(copies: tuple[Copy, ...], shares: tuple[Share, ...], **others: object) -> T:
        return command(given=Given(copies, shares), **others)

    return collected
