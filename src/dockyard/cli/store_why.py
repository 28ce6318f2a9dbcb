"""What `dockyard store why` tells: the origin of a result, who needs it, and whether it may go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dockyard.cli import terminal
from dockyard.cli.plain import plain
from dockyard.cli.store_text import age, owners, result_json

if TYPE_CHECKING:
    from dockyard.engine.store import Store
    from dockyard.keeping.inventory import Inventory, Result

_LONGEST = 12  # lines of one part


def why_json(store: Store, inventory: Inventory, result: Result, now: float) -> dict[str, Any]:
    """All that is known of a result, for a program."""
    from dockyard.keeping.choice import Wish, choose

    facts = store.facts(result.key)
    root = inventory.roots.get(result.key, "")
    return {
        **result_json(inventory, result),
        "place": str(store.place(result.key)),
        "content": store.content(result.key),
        "function": facts.get("function", ""),
        "identity": facts.get("identity", {}),
        "madeOf": dict(result.made_of),
        "steps": list(result.ids),
        "readers": list(inventory.readers[result.key]),
        "kept": root,
        "prune": choose(inventory, Wish(), now).get(result.key, ""),
    }


def why_text(facts: Mapping[str, Any], inventory: Inventory, now: float) -> str:
    """The same for a person."""
    key = facts["key"]
    used = age(now - inventory.results[key].used)
    lines = [
        plain(f"{facts['title'] or facts['name']}: {key}"),
        f"  {terminal.size(facts['size'])} in {facts['place']}, used {used}",
        f"  content sha256:{facts['content']}",
        "made by",
        f"  {facts['function']}",
    ]
    if identity := facts["identity"]:
        lines.append("of what shapes it")
        lines += _cut([f"  {name}: {_shown(value)}" for name, value in identity.items()])
    if facts["madeOf"]:
        lines.append("from the results of")
        lines += _cut([f"  {name}: {_titled(inventory, each)}"
                       for name, each in facts["madeOf"].items()])  # fmt: skip
    lines.append("for")
    names = owners(inventory, key)
    lines += _cut([f"  {name}" for name in names] or [_nobody(facts)])
    lines += _cut([f"  read by {_titled(inventory, each)}" for each in facts["readers"]])
    lines.append(f"  answers {terminal.count(len(facts['steps']), 'step')}")
    lines += _cut([f"    {each}" for each in facts["steps"]])
    lines.append(_verdict(facts))
    return "\n".join(lines)


def _nobody(facts: Mapping[str, Any]) -> str:
    if until := facts["importKeptUntil"]:
        return f"  its first use after an import, kept until {until[:10]}"
    return "  nobody, as all was built last"


def _verdict(facts: Mapping[str, Any]) -> str:
    if facts["kept"]:
        return f"prune never takes it: {facts['kept']}"
    if facts["prune"]:
        return f"prune takes it: {facts['prune']}"
    return "prune takes it only when asked by --older-than, --keep or --all"


def _titled(inventory: Inventory, key: str) -> str:
    found = inventory.results.get(key)
    return f"{key} ({found.title or found.name})" if found else f"{key} (gone)"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    room = terminal.width() - 24
    return text if len(text) <= room else f"{text[:room]}…"


def _cut(lines: list[str]) -> list[str]:
    shown = [plain(line) for line in lines[:_LONGEST]]
    more = len(lines) - _LONGEST
    return [*shown, f"  and {more} more"] if more > 0 else shown
