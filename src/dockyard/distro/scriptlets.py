"""Scriptlets and file triggers: from the one place where they are declared into the packages that
name them.

Interpreters are named by their place below /usr: rpm knows a file by the path that its package has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dockyard.distro.paths import merged
from dockyard.model.scriptlets import Scriptlet, ScriptletEvent
from dockyard.packages.rpm.contents import FileTrigger, PackageScriptlet

_SHELL = ("/bin/sh",)


def resolve(
    names: Sequence[str], declared: Mapping[str, Scriptlet]
) -> tuple[tuple[PackageScriptlet, ...], tuple[FileTrigger, ...]]:
    """The scriptlets and triggers of a package. Raises ValueError with what does not fit."""
    missing = [name for name in names if name not in declared]
    if missing:
        raise ValueError(f"no scriptlet is named {', '.join(missing)}")
    chosen = [declared[name] for name in names]
    by_event: dict[ScriptletEvent, list[Scriptlet]] = {}
    for scriptlet in chosen:
        if not scriptlet.on.is_trigger:
            by_event.setdefault(scriptlet.on, []).append(scriptlet)
    merged = tuple(_merge(event, by_event[event]) for event in sorted(by_event))
    return merged, tuple(_trigger(item) for item in chosen if item.on.is_trigger)


def _merge(event: ScriptletEvent, several: Sequence[Scriptlet]) -> PackageScriptlet:
    if len(several) == 1:
        return PackageScriptlet(event.value, _below_usr(several[0].interpreter), several[0].script)
    if any(item.interpreter != _SHELL for item in several):
        raise ValueError(f"several scriptlets run on {event.value}, and not all are of /bin/sh")
    script = "\n".join(item.script for item in several)
    return PackageScriptlet(event.value, _below_usr(_SHELL), script)


def _below_usr(interpreter: tuple[str, ...]) -> tuple[str, ...]:
    return (merged(interpreter[0].lstrip("/")), *interpreter[1:])


def _trigger(scriptlet: Scriptlet) -> FileTrigger:
    event = scriptlet.on.value.lower()
    return FileTrigger(
        event=event.rpartition("trigger")[2],
        paths=scriptlet.paths,
        interpreter=_below_usr(scriptlet.interpreter)[0],
        script=scriptlet.script,
        per_transaction=event.startswith("transaction"),
        priority=scriptlet.priority,
    )
