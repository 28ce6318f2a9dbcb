"""Keeps what is known of the packages of images that exist, beside the record of their other facts.

    <store>/metadata/installed/<key>/primary.xml   what is installed
    <store>/metadata/installed/<key>/key-<n>       the keys that the image has
    <store>/metadata/installed/<key>/facts.json    all else, the paths of the keys by their numbers

All of it can be made again from the image.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockyard.host.files import write_atomic
from dockyard.model.packages import RpmRepository
from dockyard.packages.rpm.repository import Metadata

if TYPE_CHECKING:
    from dockyard.inspection.package_facts import PackageFacts

_SETTINGS = ("repositories", "variables", "managers", "modules", "protected")


@dataclass(frozen=True)
class InstalledFacts:
    """The facts of one image, as they were kept. folder: where. See `PackageFacts` for the rest."""

    folder: Path
    place: str
    backend: str
    identity: str
    release: str
    documents: bool
    kernels: tuple[str, ...]
    settings: Mapping[str, Mapping[str, bytes]]
    keys: Mapping[str, str]

    @cached_property
    def metadata(self) -> Metadata:
        """What is installed, as a repository."""
        primary = self.folder / "primary.xml"
        return Metadata(RpmRepository(""), (), self.identity, primary.read_bytes)

    def key(self, path: str) -> Path | None:
        """The copy of a key that the image has at a path."""
        name = self.keys.get(re.sub("/+", "/", path))
        return self.folder / name if name else None

    @property
    def protected(self) -> tuple[str, ...]:
        """The names of packages that must stay, as the image's settings say."""
        return tuple(sorted(set(self._words("protected"))))

    def _words(self, kind: str) -> Iterator[str]:
        for data in self.settings[kind].values():
            for line in data.decode(errors="replace").splitlines():
                yield from line.partition("#")[0].split()

    @property
    def variables(self) -> dict[str, str]:
        """The variables of repositories; later directories count."""
        return {
            path.rpartition("/")[2]: (data.decode(errors="replace").splitlines() or [""])[0].strip()
            for path, data in self.settings["variables"].items()
        }

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams of modules (`module:stream`) that are enabled."""
        found = set()
        for data in self.settings["modules"].values():
            parser = ConfigParser(interpolation=None, strict=False)
            with contextlib.suppress(ConfigError):  # dnf passes such a file over
                parser.read_string(data.decode(errors="replace"))
            for name in parser.sections():
                section = parser[name]
                if section.get("state") == "enabled" and (stream := section.get("stream")):
                    found.add(f"{name}:{stream}")
        return tuple(sorted(found))

    @property
    def exclude(self) -> tuple[str, ...]:
        """What the managers' own settings exclude from all repositories."""
        found: set[str] = set()
        for data in self.settings["managers"].values():
            text = data.decode(errors="replace")
            for match in re.finditer(r"(?m)^\s*exclude(?:pkgs)?\s*[=:](.*(?:\n[ \t].*)*)", text):
                found |= set(re.split(r"[\s,]+", match[1].strip())) - {""}
        return tuple(sorted(found))


def keep(facts: PackageFacts, folder: Path) -> None:
    """Keep facts in a directory, the file that is looked for first written last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "primary.xml", facts.primary)
    keys: dict[str, str] = {}
    for number, (path, data) in enumerate(sorted(facts.keys.items())):
        keys[path] = f"key-{number}"
        write_atomic(folder / keys[path], data)
    plain = {name: value for name, value in asdict(facts).items()
             if name not in (*_SETTINGS, "primary", "keys", "count")}  # fmt: skip
    plain["identity"] = f"sha256:{hashlib.sha256(facts.primary).hexdigest()}"
    plain["keys"] = keys
    plain["settings"] = {
        kind: {path: base64.b64encode(data).decode() for path, data in getattr(facts, kind).items()}
        for kind in _SETTINGS
    }
    write_atomic(folder / "facts.json", json.dumps(plain).encode())


def kept(folder: Path) -> InstalledFacts | None:
    """The facts that were kept in a directory; None where they are gone, or damaged."""
    try:
        loaded: dict[str, Any] = json.loads((folder / "facts.json").read_bytes())
        settings = {
            kind: {path: base64.b64decode(text) for path, text in files.items()}
            for kind, files in loaded.pop("settings").items()
        }
        kernels = tuple(loaded.pop("kernels"))
        found = InstalledFacts(folder=folder, settings=settings, kernels=kernels, **loaded)
        whole = hashlib.sha256((folder / "primary.xml").read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return found if found.identity == f"sha256:{whole}" else None
