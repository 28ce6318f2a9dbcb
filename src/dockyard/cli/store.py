"""`dockyard store`: what the store has and for whom; keep, prune, verify, export and import it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.display import display
from dockyard.cli.fetching import told_step
from dockyard.cli.options import EXISTING_FILE, present_store_option, progress_option, store_option
from dockyard.cli.plain import plain
from dockyard.cli.verb import Noun

if TYPE_CHECKING:
    from dockyard.engine.store import Store
    from dockyard.keeping.inventory import Inventory, Result

_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


class _Size(click.ParamType[int]):
    """A size in bytes: 20G."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        from dockyard.keeping.limit import parse_size

        if isinstance(value, int):
            return value
        found = parse_size(value)
        if found is None:
            self.fail(f"{value} is not a size such as 20G or 512M", param, ctx)
        return found


class _Age(click.ParamType[float]):
    """An age in seconds: 30d, 12h, 2w."""

    name = "age"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+) ?([hdw])", value.strip())
        if found is None:
            self.fail(f"{value} is not an age such as 30d, 12h or 2w", param, ctx)
        return float(int(found[1]) * _SECONDS[found[2]])


@click.group(cls=Noun, default="list")
def command() -> None:
    """Show what the store has and for whom; keep, prune, verify, export and import it.

    What is in the store can be made again, or fetched. Results are used by every build that needs
    the same; when results and downloads come above a limit (DOCKYARD_STORE_LIMIT; default: 40 GiB,
    at most half of the disk), a build that made some removes those that were not used for longest.
    """


@command.command("list")
@click.option("--image", metavar="IMAGE", help="Only what this image or distribution needs.")
@click.option("--kind", help="Only results of this kind, each by itself.")
@click.option("--all", "everything", is_flag=True, help="List every result by itself.")
@present_store_option
def list_results(image: str | None, kind: str | None, everything: bool, store: Path) -> Answer:
    """Show what the store has: size, last use, and for which image. The same as `dockyard store`.

    A size is what a result has on the disk by itself: files that several results share count for
    the first of them. Downloads, caches and logs are summed up at the end. What another image made
    first and stands for the same here is listed with --image; what it was made of there, apart.
    """
    from dockyard.cli.store_sums import sums, sums_text
    from dockyard.cli.store_text import listing, origins_text, result_json
    from dockyard.host import clock
    from dockyard.keeping.products import find_product

    kept, inventory = _opened(store)
    chosen = [each for each in inventory.results.values() if kind in (None, each.kind)]
    origins: list[Result] = []
    if image is not None:
        product = find_product(kept, image)
        own, needed = inventory.planned_for(product), inventory.needed_for(product)
        origins = [each for each in chosen if each.key in needed - own]
        chosen = [each for each in chosen if each.key in own]
    facts: dict[str, Any] = {"results": [result_json(inventory, each) for each in chosen]}
    lines = listing(inventory, chosen, clock.now(), everything or kind is not None)
    if image is not None:
        facts["origins"] = [result_json(inventory, each) for each in origins]
        lines += origins_text(origins, clock.now(), everything or kind is not None)
    if image is None and kind is None:
        facts |= sums(kept, inventory, _needed(inventory))
        lines += sums_text(facts)
    return Answer("\n".join(lines) or _none(inventory, kind), facts)


def _none(inventory: Inventory, kind: str | None) -> str:
    """That nothing is to be listed. A kind that was asked for may be misspelt."""
    kinds = ", ".join(sorted({each.kind for each in inventory.results.values()}))
    if kind is None or not kinds:
        return "the store has none"
    return f"the store has none of kind {kind}; it has {kinds}"


@command.command("why")
@click.argument("result", metavar="KEY|PATH")
@present_store_option
def why(result: str, store: Path) -> Answer:
    """Show what a result was made of, who needs it, and whether prune would take it.

    The result is named by its key, the beginning of its key, or a path in it.
    """
    from dockyard.cli.store_why import why_json, why_text
    from dockyard.host import clock
    from dockyard.keeping.inventory import find_result

    kept, inventory = _opened(store)
    found = find_result(kept, inventory, result)
    facts = why_json(kept, inventory, found, clock.now())
    return Answer(why_text(facts, inventory, clock.now()), facts)


@command.command("prune")
@click.option("--older-than", type=_Age(), help="Also what was not used for so long: 30d, 12h, 2w.")
@click.option("--keep", type=_Size(), help="Also the least recently used, down to this size: 20G.")
@click.option("--all", "everything", is_flag=True, help="Every result that may go.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@store_option
def prune(
    older_than: float | None, keep: int | None, everything: bool, dry_run: bool, store: Path
) -> Answer:
    """Remove what no image or distribution needs as it was built last, and more where asked.

    Left-overs, old logs, downloads that no known lock needs, metadata that was not used for 30
    days (with --all: for an hour) and what earlier versions kept go too. What a running process
    uses, published repositories, and what `dockyard store keep` names always stay. --keep counts
    results, not downloads.
    """
    from dockyard.cli.store_text import pruned_text, result_json
    from dockyard.host import clock, namespace
    from dockyard.keeping.choice import Wish
    from dockyard.keeping.prune import prune as prune_store

    if not dry_run:
        namespace.enter()
    kept, inventory = _opened(store)
    wish = Wish(older_than=older_than, most=keep, everything=everything)
    pruned = prune_store(kept, wish, tools=inventory.tools, needed=_tools_downloads(), dry=dry_run)
    facts = {
        "removed": not dry_run,
        "results": [
            {**result_json(inventory, each), "reason": reason} for each, reason in pruned.results
        ],
        "downloads": [each.digest for each in pruned.downloads],
        "caches": {each.name: each.size for each in pruned.caches},
        "others": pruned.others,
        "size": pruned.size,
    }
    return Answer(pruned_text(pruned, dry_run, clock.now(), everything=False), facts)


@command.command("keep")
@click.argument("image")
@present_store_option
def keep(image: str, store: Path) -> Answer:
    """Keep the results of an image or distribution: prune and the limit do not take them.

    IMAGE is an image file, the directory of a distribution, or a name that `store list` shows.
    """
    return _mark(store, image, kept=True)


@command.command("release")
@click.argument("image")
@present_store_option
def release(image: str, store: Path) -> Answer:
    """Let the results of an image go again when they are not used, after `store keep`."""
    return _mark(store, image, kept=False)


def _mark(place: Path, word: str, kept: bool) -> Answer:
    from dockyard.engine.store import Store
    from dockyard.keeping.products import find_product, keep_product

    store = Store(place)
    product = find_product(store, word)
    changed = keep_product(store, product, kept)
    state = "is kept" if kept else "may go when it is not used"
    facts = {"name": product.name, "file": str(product.file), "kept": kept, "changed": changed}
    return Answer(f"{product.name}: what it needs {state}{'' if changed else ', as before'}", facts)


@command.command("verify")
@present_store_option
@progress_option
def verify(store: Path, progress: str) -> Answer:
    """Read all results and downloads, and remove what is damaged; exit status 1 when some was.

    What was removed is made or fetched again by the next build that needs it. What cannot be
    removed is named, with what to do about it.
    """
    from dockyard.host import namespace
    from dockyard.keeping.verify import verify_store

    namespace.enter()
    kept, inventory = _opened(store)
    with (
        display(progress) as listener,
        told_step(listener, "Read all that the store has", "it is to be verified") as told,
    ):
        found = verify_store(
            kept, lambda note, done, total: told(note, done, total, "bytes"), inventory.tools
        )
    lines = []
    for each in found.damaged:
        whose = f" (for {', '.join(each.owners)})" if each.owners else ""
        done = "damaged, cannot be removed" if each.left else "removed"
        lines.append(plain(f"{done}: {each.title or each.kind} {each.name}{whose}: {each.why}"))
        if each.left:
            lines.append(plain(f"  {each.left.where}: {each.left.why}"))
            lines.append(plain(f"  {each.left.fix}"))
    lines.append(
        f"{terminal.count(found.results, 'result')} and "
        f"{terminal.count(found.downloads, 'download')} read, "
        f"{terminal.size(found.size)}: {len(found.damaged) or 'none'} damaged"
    )
    facts = {
        "results": found.results,
        "downloads": found.downloads,
        "size": found.size,
        "damaged": [
            {
                "kind": each.kind,
                "name": each.name,
                "title": each.title,
                "why": each.why,
                "for": list(each.owners),
                "left": str(each.left.where) if each.left else None,
            }
            for each in found.damaged
        ],
    }
    return Answer("\n".join(lines), facts, passed=not found.damaged)


@command.command("export")
@click.argument("what", metavar="KEY|IMAGE...", nargs=-1, required=True)
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file."
)
@click.option(
    "--zstd/--no-zstd",
    default=True,
    show_default=True,
    help="Compress it; if not, the holes of file systems are written out as zeros.",
)
@present_store_option
@progress_option
def export(what: tuple[str, ...], output: Path, zstd: bool, store: Path, progress: str) -> Answer:
    """Write results to a file that `dockyard store import` brings into another store.

    Each is named by its key or the beginning of it; an image or a distribution, by its file or
    name, stands for all results of its last build.
    """
    from dockyard.engine.holds import hold_until_the_end
    from dockyard.host import namespace
    from dockyard.keeping.travel import export_results

    namespace.enter()
    kept, inventory = _opened(store)
    keys = sorted({key for word in what for key in _named(kept, inventory, word)})
    hold_until_the_end(kept, *keys)
    with (
        display(progress) as listener,
        told_step(
            listener, f"Export {terminal.count(len(keys), 'result')}", "they are to be carried"
        ) as told,
    ):
        results = [inventory.results[key] for key in keys]
        size = export_results(
            kept,
            results,
            output,
            lambda note, done, total: told(note, done, total, "results"),
            compress=zstd,
        )
    facts = {"file": str(output.absolute()), "results": keys, "size": size}
    return Answer(f"{output}: {terminal.count(len(keys), 'result')}, {terminal.size(size)}", facts)


@command.command("import")
@click.argument("file", type=EXISTING_FILE)
@store_option
@progress_option
def import_file(file: Path, store: Path, progress: str) -> Answer:
    """Bring the results of a file that `dockyard store export` wrote into the store.

    Every result is checked against the digest of its content; all of a file is taken, or nothing.
    That a result is what its key says is the word of who exported it: import what you would run.
    What came is kept from prune until a build first uses it, for 14 days at most.
    """
    from dockyard.engine.store import Store
    from dockyard.host import namespace
    from dockyard.keeping.imported import DAYS
    from dockyard.keeping.travel import import_results

    namespace.enter()
    with (
        display(progress) as listener,
        told_step(listener, f"Import {file.name}", "its results are wanted here") as told,
    ):
        found = import_results(
            Store(store), file, lambda note, done, total: told(note, done, total, "results")
        )
    facts = {"new": list(found.new), "there": found.there, "keptDays": DAYS}
    text = f"new results: {len(found.new)}; there already: {found.there}"
    return Answer(
        f"{text}; kept from prune until a build uses them, for {DAYS} days at most", facts
    )


def _named(store: Store, inventory: Inventory, word: str) -> list[str]:
    """The keys of what a user names: one result, or all of a product."""
    from dockyard.keeping.inventory import find_result
    from dockyard.keeping.products import find_product, products

    known = products(store)
    files = {str(each.file) for each in known} | {each.name for each in known}
    if word in files or str(Path(word).absolute()) in files:
        product = find_product(store, word)
        return [inventory.by_id[each] for each in product.steps if each in inventory.by_id]
    found: Result = find_result(store, inventory, word)
    return [found.key]


def _opened(place: Path) -> tuple[Store, Inventory]:
    from dockyard.engine.store import Store
    from dockyard.keeping.inventory import take_inventory
    from dockyard.tools.trees import load_tools_lock, tools_step

    store = Store(place)
    return store, take_inventory(store, tools_step(load_tools_lock().packages).id)


def _tools_downloads() -> frozenset[str]:
    from dockyard.tools.trees import load_tools_lock

    return frozenset(pin.digest for pin in load_tools_lock().packages)


def _needed(inventory: Inventory) -> frozenset[str]:
    """The digests of all downloads that something known needs."""
    return _tools_downloads().union(*(each.downloads for each in inventory.products))
