"""`dockyard tools`: the programs that Dockyard brings along; show, lock and fetch them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.answer import Answer
from dockyard.cli.display import display
from dockyard.cli.fetching import step
from dockyard.cli.options import (
    architecture_option,
    origin_options,
    origins_of,
    progress_option,
    store_option,
)
from dockyard.cli.verb import Noun
from dockyard.model.architecture import Architecture

if TYPE_CHECKING:
    from dockyard.model.packages import Lock

_SHOWN = 40

_architecture = architecture_option(
    "Of the images that they are for: for another than that of the tools there are more.",
    default=Architecture.X86_64,
)


@click.group(cls=Noun, default="list")
def command() -> None:
    """Show, lock or fetch the tools that Dockyard brings along.

    They come from Debian, pinned by digest in a lock, and are unpacked into the store when they
    are needed. The lock in use is the one that DOCKYARD_TOOLS_LOCK names, else yours
    (~/.config/dockyard/tools.lock, where `tools lock` puts it), else the one that comes with
    Dockyard.
    """


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="List dependencies too.")
@_architecture
def list_tools(everything: bool, architecture: Architecture) -> Answer:
    """Show the tools: what, which version, what for. The same as `dockyard tools` alone."""
    from dockyard.tools.trees import load_tools_lock, lock_path

    rows = _rows(load_tools_lock(target=architecture), everything, architecture)
    return Answer(_table(rows), {"lock": str(lock_path(architecture)), "packages": rows})


def _rows(lock: Lock, everything: bool, target: Architecture) -> list[dict[str, str | int]]:
    from dockyard.tools.declared import declared_trees

    rows: list[dict[str, str | int]] = []
    for tree in declared_trees(target):
        purposes = {name: item.title for item in tree.purposes for name in item.packages}
        for pin in tree.pins(lock.packages):
            if everything or pin.name in purposes:
                rows.append(
                    {
                        "tree": tree.name,
                        "package": pin.name,
                        "version": pin.evr,
                        "size": pin.size,
                        "purpose": purposes.get(pin.name, "needed by others"),
                        "digest": pin.digest,
                    }
                )
    return rows


def _table(rows: list[dict[str, str | int]]) -> str:
    from dockyard.cli.terminal import size

    width = {
        key: max((len(str(row[key])) for row in rows), default=0) for key in ("package", "version")
    }
    head = f"{'package':{width['package']}}  {'version':{width['version']}}  {'size':>9}  purpose"
    tree: str | int = ""
    lines: list[str] = []
    for row in rows:
        if row["tree"] != tree:
            lines += ["", f"tree {row['tree']}", head][0 if tree else 1 :]
            tree = row["tree"]
        package, version = row["package"], row["version"]
        shown = size(int(row["size"]))
        lines.append(
            f"{package:<{width['package']}}  {version:<{width['version']}}  {shown:>9}  "
            f"{row['purpose']}"
        )
    return "\n".join(lines)


@command.command("lock")
@click.option(
    "--refresh-missing",
    is_flag=True,
    help="Keep every pin that can still be had; move only those whose files are gone.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the lock. Default: your own, ~/.config/dockyard/tools.lock.",
)
@_architecture
@origin_options
@store_option
@progress_option
def lock(
    refresh_missing: bool,
    output: Path | None,
    architecture: Architecture,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    store: Path,
    progress: str,
) -> Answer:
    """Resolve the tools again and pin what is found.

    What has changed goes into a lock of your own, which is used in place of Dockyard's from then
    on. Remove the file to return to Dockyard's.
    """
    from dockyard.cli import terminal
    from dockyard.packages import lockfile
    from dockyard.packages.locking import diff_pins, follow
    from dockyard.tools.locking import lock_tools, refresh_tools
    from dockyard.tools.trees import load_tools_lock, lock_path, made_by, own_lock_path

    origins = origins_of(debian_mirror, mirror_dir)
    used, target = lock_path(architecture), output or own_lock_path(architecture)
    if refresh_missing:
        old: Lock | None = load_tools_lock(target=architecture)
    else:
        old = lockfile.load_if_sound(used, made_by(architecture))
    with (
        display(progress) as listener,
        step(listener, "Choose the tools", "their lock is made") as tell,
    ):
        if refresh_missing and old is not None:
            new, words = refresh_tools(old, store.absolute(), origins, tell)
        else:
            new = lock_tools(store.absolute(), origins, tell, architecture)
            words = diff_pins(old.packages, new.packages) if old else []
    new = follow(old, new, str(target))
    text = lockfile.dump(new).encode()
    if output is None and used.is_file() and used.read_bytes() == text:
        target = used
    elif not target.is_file() or target.read_bytes() != text:
        _write(target, text)
    lines = [f"  {line}" for line in words[:_SHOWN]]
    if len(words) > _SHOWN:
        lines.append(f"  and {len(words) - _SHOWN} more changes")
    octets = sum(pin.size for pin in new.packages)
    state = f"{len(words)} changed" if words else "unchanged" if old else "made"
    lines.append(f"{target}: {len(new.packages)} packages, {terminal.size(octets)}, {state}")
    facts = {
        "lock": str(target.absolute()),
        "packages": len(new.packages),
        "size": octets,
        "changes": list(words),
    }
    return Answer("\n".join(lines), facts)


def _write(target: Path, text: bytes) -> None:
    from dockyard.errors import DockyardError, Problem
    from dockyard.host.files import write_atomic

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, text)
    except OSError as error:
        what, why = "the lock of the tools cannot be written", error.strerror or str(error)
        fix = "choose another file with --output, and name it in DOCKYARD_TOOLS_LOCK"
        raise DockyardError(Problem("tools.lock-write", what, str(target), why, fix)) from error


@command.command("fetch")
@_architecture
@origin_options
@store_option
@progress_option
def fetch(
    architecture: Architecture,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    store: Path,
    progress: str,
) -> Answer:
    """Fetch and unpack the tools now, so that later work needs no network for them."""
    from dockyard.host import namespace
    from dockyard.tools.trees import load_tools_lock, tools_ready, tools_tree

    namespace.enter()
    origins = origins_of(debian_mirror, mirror_dir)
    pins = load_tools_lock(target=architecture).packages
    fetched = not tools_ready(store, pins)
    with display(progress if fetched else "quiet") as listener:
        place = tools_tree(store, pins, listener, origins=origins).main.root.parent
    facts = {"directory": str(place), "packages": len(pins), "fetched": fetched}
    return Answer(f"{place}: {f'{len(pins)} packages' if fetched else 'there already'}", facts)
