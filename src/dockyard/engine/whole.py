"""Plans with whole results only: nothing is made of a result that is damaged, or given out.

What was touched since it was published is read, in the namespace, which this process enters then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dockyard.engine.plan import Plan, make_plan
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.host import namespace


def whole_plan(
    goals: Sequence[Step],
    store: Store,
    last: Mapping[str, Any],
    *,
    mend: bool = True,
    read: Mapping[str, str] | None = None,
    gone: Mapping[str, str] | None = None,
) -> Plan:
    """The plan of goals, see make_plan.

    mend: remove what is damaged, so that the steps that run find its place free. read: by step id,
    a file of a result that is read whole, touched or not. gone: by step id, what a result stands
    for and is not there any more, in words.
    """
    gone = gone or {}
    damaged = dict(gone)
    looked: set[str] = set()
    while True:
        plan = make_plan(goals, store, last, damaged=damaged)
        found: dict[str, str] = {}
        keys = {each.step.id: each.key for each in plan.decisions}
        for step in plan.relied_on(goals):
            key = keys[step.id]
            if step.id in looked:
                continue
            looked.add(step.id)
            if words := _damage(key, store, (read or {}).get(step.id)):
                found[step.id] = words
                if mend:
                    namespace.enter()
                    store.discard(key)
        if not found:
            break
        damaged |= found
    for step in plan.to_run if mend else ():
        if step.id in gone and (stale := store.answer(step)):
            store.discard(stale)
    return plan


def _damage(key: str, store: Store, whole: str | None) -> str:
    """What is wrong with a result. whole: a file of it to be read, touched or not."""
    if not store.untouched(key):
        namespace.enter()
        return store.damage(key)
    if whole is not None and not store.holds(key, whole):
        return f"{whole} has other content"
    return ""
