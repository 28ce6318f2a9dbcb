"""What `dockyard store` tells a person and a program of results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dockyard.cli import terminal
from dockyard.cli.plain import plain

if TYPE_CHECKING:
    from dockyard.keeping.inventory import Inventory, Result
    from dockyard.keeping.prune import Pruned

_TOGETHER = 3  # results of one kind that are listed one by one
_DIGITS = 8
_AGES = ((60, 1, "s"), (3600, 60, "min"), (172800, 3600, "h"), (float("inf"), 86400, "days"))
NOBODY = "nobody"


def result_json(inventory: Inventory, result: Result) -> dict[str, Any]:
    """A result for a program."""
    until = inventory.awaited.get(result.key)
    return {
        "key": result.key,
        "name": result.name,
        "kind": result.kind,
        "title": result.title,
        "size": result.size,
        "lastUse": moment(result.used),
        "for": owners(inventory, result.key),
        "importKeptUntil": moment(until) if until else None,
    }


def owners(inventory: Inventory, key: str) -> list[str]:
    """For whom a result is: names of products, of publications, and our own programs."""
    names = [product.name for product in inventory.owners[key]]
    if key in inventory.published:
        names.append(f"repository {inventory.published[key]}")
    if inventory.tools and inventory.tools in inventory.results[key].ids and not names:
        names.append("dockyard")
    return list(dict.fromkeys(names))


def moment(seconds: float) -> str:
    """A time for a program (RFC 3339, UTC)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(seconds: float) -> str:
    """How long ago something was, for a person."""
    for most, unit, name in _AGES:
        if seconds < most:
            return f"{max(int(seconds // unit), 0)} {name} ago"
    raise AssertionError("the last age has no end")


def listing(
    inventory: Inventory, results: Iterable[Result], now: float, everything: bool
) -> list[str]:
    """Lines for results, those for the same together, the most bytes first."""
    groups: dict[tuple[tuple[str, ...], bool], list[Result]] = {}
    for result in results:
        names = tuple(owners(inventory, result.key))
        groups.setdefault((names, inventory.is_nobodys(result.key)), []).append(result)
    lines: list[str] = []
    for (names, _), group in sorted(groups.items(), key=lambda item: -_bytes(item[1])):
        who = ", ".join(names) or _nobody(inventory, group)
        lines.append(plain(f"for {who}, {terminal.size(_bytes(group))}"))
        lines += _rows(group, now, everything)
    return lines


def origins_text(results: Sequence[Result], now: float, everything: bool) -> list[str]:
    """Lines for what a plan does not have, and results of it were made of in another one."""
    if not results:
        return []
    told = "of which some of these were made first, by other plans"
    return ["", f"{told}, {terminal.size(_bytes(results))}", *_rows(results, now, everything)]


def _nobody(inventory: Inventory, results: Iterable[Result]) -> str:
    """For whom results are that no name stands for."""
    until = min((inventory.awaited.get(each.key, 0.0) for each in results), default=0.0)
    if until:
        return f"their first use after an import, kept until {moment(until)[:10]}"
    return f"{NOBODY}: no image or distribution needs them now"


def _rows(group: Sequence[Result], now: float, everything: bool) -> list[str]:
    kinds: dict[str, list[Result]] = {}
    for result in group:
        kinds.setdefault(result.kind, []).append(result)
    rows: list[tuple[int, float, str, str]] = []
    for kind, same in kinds.items():
        if len(same) > _TOGETHER and not everything:
            used = max(each.used for each in same)
            groups = {each.group for each in same}
            what = groups.pop() if len(groups) == 1 else ""
            rows.append((_bytes(same), used, f"{what or kind} ({len(same)})", f"--kind {kind}"))
        else:
            rows += [(each.size, each.used, each.title or each.name, short(each)) for each in same]
    room = terminal.width() - 2 - 10 - 2 - 11 - 2 - 2 - max(len(row[3]) for row in rows)
    lines = []
    for size, used, what, name in sorted(rows, key=lambda row: (-row[0], row[2], row[3])):
        what = plain(what)
        what = what if len(what) <= room else f"{what[: room - 1]}…"
        lines.append(
            f"  {terminal.size(size):>10}  {age(now - used):<11}  {what:<{room}}  {name}".rstrip()
        )
    return lines


def short(result: Result) -> str:
    """As much of a key as tells it from others, most likely."""
    kind, _, digits = result.key.rpartition("-")
    return f"{kind}-{digits[:_DIGITS]}"


def _bytes(results: Iterable[Result]) -> int:
    return sum(each.size for each in results)


def given_up(pruned: Pruned) -> str:
    """One line about what a build removed to stay below the limit."""
    count = len(pruned.results)
    return (
        f"store: {terminal.size(pruned.size)} in {count} least recently used "
        f"result{'s' if count != 1 else ''} removed, to stay below its limit"
    )


def pruned_text(pruned: Pruned, dry: bool, now: float, everything: bool) -> str:
    """What prune removed, or would."""
    lines: list[str] = []
    reasons: dict[str, list[Result]] = {}
    for result, reason in pruned.results:
        reasons.setdefault(reason, []).append(result)
    for reason, results in reasons.items():
        size = terminal.size(_bytes(results))
        lines.append(f"{terminal.count(len(results), 'result')}, {size}: {reason}")
        lines += _rows(results, now, everything)
    if pruned.downloads:
        size = terminal.size(sum(each.size for each in pruned.downloads))
        fetched = terminal.count(len(pruned.downloads), "download")
        lines.append(f"{fetched}, {size}: no known lock needs them")
    for each in pruned.caches:
        lines.append(f"{each.name}/, {terminal.size(each.size)}: {each.why}")
    if pruned.others:
        lines.append(f"{pruned.others} locks, logs, records and left-overs")
    if not lines:
        return "nothing is to be removed" if dry else "nothing was removed"
    said = "would be removed" if dry else "removed"
    return "\n".join([*lines, f"{terminal.size(pruned.size)} {said}"])
