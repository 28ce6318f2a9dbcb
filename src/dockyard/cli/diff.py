"""`dockyard diff`: what changed from one image to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.options import origin_options, origins_of, progress_option, store_option
from dockyard.cli.plain import plain
from dockyard.cli.verb import Verb

if TYPE_CHECKING:
    from dockyard.inspection import Difference
    from dockyard.inspection.difference import Changed

_MOST = 20  # what is shown of one kind
_MOST_LINES = 40  # of one file's diff


@click.command(cls=Verb, failure=2)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Show every path and line.")
@click.option("--times", is_flag=True, help="Times of files count, too.")
@origin_options
@store_option
@progress_option
def command(
    before: Path,
    after: Path,
    everything: bool,
    times: bool,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    progress: str,
) -> Answer:
    """Show what changed from one image to another: packages, files, settings, boot, partitions.

    Both are disks of any format that `inspect` reads. The exit status is 0 when the images are
    binary-equal or equal in content, 1 when they are different, 2 when one cannot be read.
    """
    from dockyard.cli.inspect import inspected
    from dockyard.inspection import Verdict, compare

    origins = origins_of(debian_mirror, mirror_dir)
    with inspected(store, origins, progress, before, after, digests=True) as (one, two):
        terminal.remark((*one.remarks, *two.remarks))
        found = compare(one, two, times=times)
        same = found.verdict is not Verdict.DIFFERENT
        head = f"{before} and {after} are {found.verdict.value}"
        lines = [head, *_text(found, everything)]
        return Answer("\n".join(map(plain, lines)), _json(found), passed=same)


def _text(found: Difference, everything: bool) -> Iterator[str]:
    most = None if everything else _MOST
    yield from _part("facts", [_arrow(each) for each in found.facts], None)
    packages = [f"+ {each.name} {each.version}" for each in found.packages_added]
    packages += [f"- {each.name} {each.version}" for each in found.packages_removed]
    packages += [f"  {_arrow(each)}" for each in found.packages_changed]
    yield from _part("packages", packages, most)
    yield from _part("files added", [f"+ {path}" for path in found.added], most)
    yield from _part("files removed", [f"- {path}" for path in found.removed], most)
    changed = [f"  {each.path}: {', '.join(each.what)}" for each in found.changed if not each.lines]
    yield from _part("files changed", changed, most)
    for each in found.changed:
        if each.lines:
            shown = [f"  {line}" for line in each.lines]
            title = f"{each.path} ({', '.join(each.what)})"
            yield from _part(title, shown, None if everything else _MOST_LINES)
    if found.grown:
        word = "more" if found.grown > 0 else "less"
        yield ""
        yield f"{terminal.size(abs(found.grown))} of data {word}"


def _arrow(each: Changed) -> str:
    return f"{each.name}: {each.before or 'none'} → {each.after or 'none'}"


def _part(title: str, lines: list[str], most: int | None) -> Iterator[str]:
    if not lines:
        return
    yield ""
    yield title
    yield from (f"  {line}" for line in lines[:most])
    if most is not None and len(lines) > most:
        yield f"  and {len(lines) - most} more; --all shows them"


def _json(found: Difference) -> dict[str, Any]:
    return {
        "verdict": found.verdict.value,
        "facts": _changes(found.facts),
        "packages": {
            "added": [_package(each.name, each.version) for each in found.packages_added],
            "removed": [_package(each.name, each.version) for each in found.packages_removed],
            "changed": _changes(found.packages_changed),
        },
        "files": {
            "added": _sizes(found.added),
            "removed": _sizes(found.removed),
            "changed": [
                {"path": each.path, "what": list(each.what), "diff": list(each.lines)}
                for each in found.changed
            ],
        },
        "grown": found.grown,
    }


def _changes(changes: Iterable[Changed]) -> list[dict[str, str | None]]:
    return [
        {"name": each.name, "before": each.before or None, "after": each.after or None}
        for each in changes
    ]


def _package(name: str, version: str) -> dict[str, str]:
    return {"name": name, "version": version}


def _sizes(paths: Mapping[str, int]) -> list[dict[str, str | int]]:
    return [{"path": path, "size": size} for path, size in paths.items()]
