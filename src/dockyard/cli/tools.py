"""`dockyard tools`: the programs that Dockyard brings along; show, lock and fetch them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.fetching import origin_options, step
from dockyard.cli.options import progress_option, store_option

if TYPE_CHECKING:
    from dockyard.model.packages import Lock

_SHOWN = 40


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--all", "everything", is_flag=True, help="List dependencies too.")
@click.pass_context
def command(context: click.Context, as_json: bool, everything: bool) -> None:
    """Show the tools that Dockyard brings along: what, which version, what for.

    They come from Debian, pinned by digest in a lock that comes with Dockyard
    (DOCKYARD_TOOLS_LOCK names another one), and are unpacked into the store when they are needed.
    """
    if context.invoked_subcommand is not None:
        return
    from dockyard.packages.tools import load_tools_lock

    rows = _rows(load_tools_lock(), everything or as_json)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    _table(rows)


def _rows(lock: Lock, everything: bool) -> list[dict[str, str | int]]:
    from dockyard.packages.tools import declared_trees

    rows: list[dict[str, str | int]] = []
    for tree in declared_trees():
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


def _table(rows: list[dict[str, str | int]]) -> None:
    from dockyard.cli.terminal import size

    width = {
        key: max((len(str(row[key])) for row in rows), default=0) for key in ("package", "version")
    }
    head = f"{'package':{width['package']}}  {'version':{width['version']}}  {'size':>9}  purpose"
    tree: str | int = ""
    for row in rows:
        if row["tree"] != tree:
            click.echo(f"{'' if not tree else chr(10)}tree {row['tree']}\n{head}")
            tree = row["tree"]
        package, version = row["package"], row["version"]
        shown = size(int(row["size"]))
        click.echo(
            f"{package:<{width['package']}}  {version:<{width['version']}}  {shown:>9}  "
            f"{row['purpose']}"
        )


@command.command("lock")
@click.option(
    "--refresh-missing",
    is_flag=True,
    help="Keep every pin that can still be had; move only those whose files are gone.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the lock; default: the lock in use.",
)
@origin_options
@store_option
@progress_option
def lock(
    refresh_missing: bool,
    output: Path | None,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    store: Path,
    progress: str,
) -> None:
    """Resolve the tools anew and pin what is found."""
    import os

    from dockyard.cli import terminal
    from dockyard.host.files import write_atomic
    from dockyard.packages import lockfile
    from dockyard.packages.deb.sources import Origins
    from dockyard.packages.lock import diff_pins, follow
    from dockyard.packages.tools import LOCK_TOOLS, load_tools_lock, lock_path
    from dockyard.packages.tools_lock import lock_tools, refresh_tools

    origins = Origins.of_host(
        os.environ, debian_mirror=debian_mirror, mirror_directories=mirror_dir
    )
    target = output or lock_path()
    old = load_tools_lock() if refresh_missing else lockfile.load_if_sound(lock_path(), LOCK_TOOLS)
    with (
        terminal.progress(progress) as listener,
        step(listener, "Choose the tools", "their lock is made") as tell,
    ):
        if refresh_missing and old is not None:
            new, words = refresh_tools(old, store.absolute(), origins, tell)
        else:
            new = lock_tools(store.absolute(), origins, tell)
            words = diff_pins(old.packages, new.packages) if old else []
    new = follow(old, new, str(target))
    text = lockfile.dump(new).encode()
    if not target.is_file() or target.read_bytes() != text:
        write_atomic(target, text)
    for line in words[:_SHOWN]:
        click.echo(f"  {line}")
    if len(words) > _SHOWN:
        click.echo(f"  and {len(words) - _SHOWN} more changes")
    octets = sum(pin.size for pin in new.packages)
    state = f"{len(words)} changed" if words else "unchanged" if old else "made"
    click.echo(f"{target}: {len(new.packages)} packages, {terminal.size(octets)}, {state}")


@command.command("fetch")
@origin_options
@store_option
@progress_option
def fetch(
    debian_mirror: tuple[str, ...], mirror_dir: tuple[Path, ...], store: Path, progress: str
) -> None:
    """Fetch and unpack the tools now, so that later work needs no network for them."""
    import os

    from dockyard.cli import terminal
    from dockyard.host import namespace
    from dockyard.packages.deb.sources import Origins
    from dockyard.packages.tools import load_tools_lock, tools_tree, trees_path

    namespace.enter()
    origins = Origins.of_host(
        os.environ, debian_mirror=debian_mirror, mirror_directories=mirror_dir
    )
    pins = load_tools_lock().packages
    place = trees_path(store.absolute(), pins)
    if place.is_dir():
        click.echo(f"{place}: there already")
        return
    with (
        terminal.progress(progress) as listener,
        step(listener, "Bring the tools", "the store has none of this lock") as tell,
    ):
        tools_tree(store.absolute(), pins, tell, origins=origins)
    click.echo(f"{place}: {len(pins)} packages")
