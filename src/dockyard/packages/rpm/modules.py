"""Modular repositories: packages that belong to streams, of which only active ones are offered.

`modules.yaml` (modulemd documents, version 2, and modulemd-defaults) says which packages a stream
of a module has. As with dnf, a stream is active when it is enabled, or when it is its module's
default and no other is enabled; packages of streams that are not active are not there; and packages
of active ones hide others of the same name, in whatever repository, but for those that are marked
as having hotfixes. Beyond dnf, a repository hides nothing of those that are preferred to it but by
a stream that is enabled by name. What an enabled stream requires of other modules is enabled along
with it where that is one stream.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockyard.errors import Position, Problem, Problems
from dockyard.model.nearest import nearest

_FORMAT = 2
_SOURCES = (".src", ".nosrc")
_PLATFORM = "platform"
_DEEPEST = 64
_OVER_ALL = -(1 << 31)  # preferred to every repository


@dataclass(frozen=True, slots=True)
class Modules:
    """What a repository says of modules.

    streams: `module:stream` → NEVRAs (with an epoch always). defaults: module → its default stream.
    requires: `module:stream` → module that it needs → streams of that which do, any if none.
    """

    streams: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    requires: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)


NONE = Modules()


class MalformedModules(ValueError):
    """The bytes are no modules.yaml."""


@dataclass(frozen=True, slots=True)
class Active:
    """What may be chosen of modules. offered: NEVRAs of active streams. streams: NEVRA → a stream
    that it is in, of all streams. hidden: names of packages in active streams → the stream. Both
    with the priority of the best repository that says so: the lower number is the preferred one.
    """

    offered: frozenset[str] = frozenset()
    streams: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    hidden: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def why_hidden(self, name: str, evr: str, arch: str, priority: int) -> str:
        """Why a package of a repository of some priority may not be chosen, in words that follow
        its name; "" when it may, as when only repositories that come after its own say otherwise.
        """
        nevra = f"{name}-{evr if ':' in evr else f'0:{evr}'}.{arch}"
        if nevra in self.offered:
            return ""
        for said, why in (
            (self.streams.get(nevra), "is in the module stream {}, which is not enabled"),
            (self.hidden.get(name), "is hidden by the module stream {}"),
        ):
            if said is not None and said[0] <= priority:
                return why.format(said[1])
        return ""


def activate(
    found: Iterable[tuple[int, Modules]],
    enabled: Sequence[str],
    positions: Mapping[str, Position],
    before: Iterable[str] = (),
) -> Active:
    """What may be chosen when some streams (`module:stream`) are enabled.

    found: priorities of repositories and what they say, the preferred first. positions: where
    streams were named. before: streams that a system has enabled already, which count where no
    other of the module is, and a repository has them. Raises DockyardError (`solve.no-module`,
    `solve.module-streams`) with every problem.
    """
    streams: dict[str, set[str]] = {}
    defaults: dict[str, str] = {}
    requires: dict[str, dict[str, tuple[str, ...]]] = {}
    reach: dict[tuple[str, str], int] = {}  # of a stream over a package
    for priority, each in found:
        for stream, nevras in each.streams.items():
            streams.setdefault(stream, set()).update(nevras)
            for nevra in nevras:
                reach.setdefault((stream, nevra), priority)
        defaults = {**each.defaults, **defaults}
        requires = {**each.requires, **requires}
    named = {each.partition(":")[0] for each in enabled}
    kept = (each for each in before if each in streams and each.partition(":")[0] not in named)
    chosen = _enabled(streams, defaults, requires, (*enabled, *kept), positions)
    names = {module: f"{module}:{stream}" for module, stream in {**defaults, **chosen}.items()}
    active = {stream for stream in names.values() if stream in streams}
    belongs: dict[str, tuple[int, str]] = {}
    hidden: dict[str, tuple[int, str]] = {}
    asked = {f"{module}:{stream}" for module, stream in chosen.items()}
    for (stream, nevra), priority in reach.items():
        said = (priority, stream)
        belongs[nevra] = min(said, belongs.get(nevra, said))
        if stream in active and not nevra.endswith(_SOURCES):
            name = nevra.rsplit("-", 2)[0]
            said = (_OVER_ALL if stream in asked else priority, stream)
            hidden[name] = min(said, hidden.get(name, said))
    offered = frozenset(nevra for stream in active for nevra in streams[stream])
    return Active(offered, belongs, hidden)


def _enabled(
    streams: Mapping[str, object],
    defaults: Mapping[str, str],
    requires: Mapping[str, Mapping[str, tuple[str, ...]]],
    enabled: Sequence[str],
    positions: Mapping[str, Position],
) -> dict[str, str]:
    """Module → the stream that is enabled of it."""
    problems = Problems()
    chosen: dict[str, str] = {}
    modules = {each.partition(":")[0] for each in enabled}
    waiting = [(stream, stream) for stream in enabled]  # with the one that the user named
    for text, named in waiting:
        module, _, stream = text.partition(":")
        where = positions.get(named)
        if text not in streams:
            problems.extend([_unknown(text, streams, where)])
            continue
        if chosen.setdefault(module, stream) != stream:
            problems.add(
                "solve.module-streams",
                f"two streams of the module {module} are to be enabled: {chosen[module]} and "
                f"{stream}",
                where,
                why="" if text == named else f"{named} requires {text}",
                fix="enable streams that go together",
            )
            continue
        for other, good in requires.get(text, {}).items():
            wanted = [each for each in good if not each.startswith("-")]
            named_too = any(f"{other}:{each}" in enabled for each in wanted)
            by_default = other not in modules and defaults.get(other) in wanted
            if not wanted or named_too or by_default:
                continue
            if len(wanted) == 1:
                waiting.append((f"{other}:{wanted[0]}", named))
                continue
            problems.add(
                "solve.module-streams",
                f"the module stream {text} needs a stream of {other}",
                where,
                why=f"{', '.join(wanted)} would do, and none of them is its default",
                fix=f"enable one of them as well, such as {other}:{wanted[0]}",
            )
    problems.raise_any()
    return chosen


def _unknown(text: str, streams: Iterable[str], where: Position | None) -> Problem:
    module, _, _stream = text.partition(":")
    same = sorted(each for each in streams if each.partition(":")[0] == module)
    near = same or nearest(text, sorted(streams), 3)
    why = f"there are {', '.join(near)}" if near else "no repository has modules"
    what = f"there is no module stream {text}"
    return Problem("solve.no-module", what, where, why, "name a stream that a repository has")


def parse(data: bytes) -> Modules:
    """Read modules.yaml. Raises MalformedModules."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        _require_shallow(yaml.parse(data, Loader=loader))
        # Scalars stay texts, so that the streams 1.1 and 1.10 are two.
        documents = [each for each in yaml.load_all(data, Loader=loader) if isinstance(each, dict)]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise MalformedModules((str(error).splitlines() or ["it is nested too deep"])[0]) from None
    defaults = {
        _text(each, "module"): stream
        for each in _of_kind(documents, "defaults")
        if (stream := _text(each, "stream"))
    }
    streams: dict[str, dict[str, None]] = {}
    requires: dict[str, dict[str, tuple[str, ...]]] = {}
    for each in _of_kind(documents, ""):
        stream = f"{_text(each, 'name')}:{_text(each, 'stream')}"
        artifacts = each.get("artifacts")
        rpms = artifacts.get("rpms") if isinstance(artifacts, dict) else None
        found = [nevra for nevra in _list(rpms) if isinstance(nevra, str)]
        if found:
            streams.setdefault(stream, {}).update(dict.fromkeys(found))
        # Of several contexts, which are made for others' streams, the first says what is needed.
        needed = dict(_requirements(each.get("dependencies")))
        requires.setdefault(stream, needed)
    kept = {stream: tuple(nevras) for stream, nevras in streams.items()}
    return Modules(kept, defaults, {name: need for name, need in requires.items() if need})


def _require_shallow(events: Iterable[Any]) -> None:
    """Raise ValueError for what is nested so deep that libyaml's composer, which calls itself for
    each level, would end the process.
    """
    depth = 0
    for each in events:
        name = type(each).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > _DEEPEST:
            raise ValueError("it is nested too deep")


def dump(modules: Modules) -> bytes:
    """What `load` reads back."""
    return json.dumps([_FORMAT, modules.streams, modules.defaults, modules.requires]).encode()


def load(path: Path) -> Modules | None:
    """What `dump` wrote; None when there is nothing, or nothing that fits."""
    try:
        version, streams, defaults, requires = json.loads(path.read_bytes())
        if version != _FORMAT:
            return None
        return Modules(
            {stream: tuple(nevras) for stream, nevras in streams.items()},
            dict(defaults),
            {
                stream: {module: tuple(good) for module, good in needed.items()}
                for stream, needed in requires.items()
            },
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _requirements(dependencies: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    for each in _list(dependencies):
        needed = each.get("requires") if isinstance(each, dict) else None
        for module, good in needed.items() if isinstance(needed, dict) else ():
            if isinstance(module, str) and module != _PLATFORM:
                yield module, tuple(name for name in _list(good) if isinstance(name, str))


def _of_kind(documents: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    name = f"modulemd-{kind}" if kind else "modulemd"
    found = (each.get("data") for each in documents if each.get("document") == name)
    return [each for each in found if isinstance(each, dict)]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key, "")
    return value if isinstance(value, str) else ""
