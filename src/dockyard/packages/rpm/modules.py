"""Modular repositories: packages that belong to streams, of which only default ones are offered.

`modules.yaml` (modulemd documents, version 2, and modulemd-defaults) says which packages a stream
of a module has. As with dnf, packages of a stream that nobody enabled are not there, and packages
of a default stream hide others of the same name. Streams cannot be enabled here, so a repository
shows what a fresh system sees.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FORMAT = 1
_SOURCES = (".src", ".nosrc")


@dataclass(frozen=True, slots=True)
class Modules:
    """What modules say about a repository's packages.

    streams: NEVRA (with an epoch always) → `module:stream` it is in. offered: the NEVRAs of
    default streams. names: the names of packages in default streams.
    """

    streams: dict[str, str]
    offered: frozenset[str]
    names: frozenset[str]

    def why_hidden(self, name: str, evr: str, arch: str) -> str:
        """Why a package may not be chosen, in words that follow its name; "" when it may."""
        nevra = f"{name}-{evr if ':' in evr else f'0:{evr}'}.{arch}"
        if nevra in self.offered:
            return ""
        if nevra in self.streams:
            return f"is in the module stream {self.streams[nevra]}, which is not a default"
        if name in self.names:
            return "is hidden by a module's default stream"
        return ""


NONE = Modules({}, frozenset(), frozenset())


class MalformedModules(ValueError):
    """The bytes are no modules.yaml."""


def parse(data: bytes) -> Modules:
    """Read modules.yaml. Raises MalformedModules."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        # Scalars stay texts, so that the streams 1.1 and 1.10 are two.
        documents = [each for each in yaml.load_all(data, Loader=loader) if isinstance(each, dict)]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise MalformedModules((str(error).splitlines() or ["it is nested too deep"])[0]) from None
    defaults = {
        _text(each, "module"): _text(each, "stream") for each in _of_kind(documents, "defaults")
    }
    streams: dict[str, str] = {}
    offered: set[str] = set()
    for each in _of_kind(documents, ""):
        module, stream = _text(each, "name"), _text(each, "stream")
        artifacts = each.get("artifacts")
        found = artifacts.get("rpms") if isinstance(artifacts, dict) else None
        for nevra in found if isinstance(found, list) else ():
            if not isinstance(nevra, str):
                continue
            streams[nevra] = f"{module}:{stream}"
            if stream and defaults.get(module) == stream:
                offered.add(nevra)
    return _modules(streams, offered)


def dump(modules: Modules) -> bytes:
    """What `load` reads back."""
    return json.dumps([_FORMAT, modules.streams, sorted(modules.offered)]).encode()


def load(path: Path) -> Modules | None:
    """What `dump` wrote; None when there is nothing, or nothing that fits."""
    try:
        version, streams, offered = json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return None
    return _modules(streams, offered) if version == _FORMAT else None


def _modules(streams: dict[str, str], offered: Iterable[str]) -> Modules:
    nevras = frozenset(offered)
    names = (nevra.rsplit("-", 2)[0] for nevra in nevras if not nevra.endswith(_SOURCES))
    return Modules(streams, nevras, frozenset(names))


def _of_kind(documents: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    name = f"modulemd-{kind}" if kind else "modulemd"
    found = (each.get("data") for each in documents if each.get("document") == name)
    return [each for each in found if isinstance(each, dict)]


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key, "")
    return value if isinstance(value, str) else ""
