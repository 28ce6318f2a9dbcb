"""Keeps what is known of the packages of Debian systems in images that exist, beside the record of
their other facts.

    <store>/metadata/installed/<key>/key-<n>      the keys that the image has
    <store>/metadata/installed/<key>/debs.json    all else, the paths of the keys by their numbers
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.host.files import write_atomic
from dockyard.packages.deb.installed import InstalledDebs

if TYPE_CHECKING:
    from dockyard.inspection.deb_facts import DebFacts

DEB_FACTS = "debs.json"


@dataclass(frozen=True)
class KnownDebs:
    """The facts of one image, as they were kept. See `DebFacts`; keys: path → file of a copy."""

    place: str
    status: str
    sources: Mapping[str, str]
    keys: Mapping[str, Path]

    @cached_property
    def installed(self) -> InstalledDebs:
        return InstalledDebs(self.status)

    @property
    def exclude(self) -> tuple[str, ...]:
        """None: what apt's preferences say is not looked at."""
        return ()

    @property
    def streams(self) -> tuple[str, ...]:
        """None: archives have no modules."""
        return ()

    @property
    def protected(self) -> tuple[str, ...]:
        """The names of packages that must stay."""
        return tuple(sorted(self.installed.protected))

    @property
    def kernels(self) -> tuple[str, ...]:
        """None: packages of kernels have the kernel's version in their names."""
        return ()

    @property
    def identity(self) -> str:
        """The digest of what is installed, as locks have it."""
        return self.installed.identity


def keep_debs(facts: DebFacts, folder: Path) -> None:
    """Keep facts in a directory, the file that is looked for first written last."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {}
    for number, (path, data) in enumerate(sorted(facts.keys.items())):
        keys[path] = f"key-{number}"
        write_atomic(folder / keys[path], data)
    body = json.dumps(
        {
            "place": facts.place,
            "status": base64.b64encode(facts.status).decode(),
            "sources": {
                path: data.decode(errors="replace") for path, data in facts.sources.items()
            },
            "keys": keys,
        }
    ).encode()
    digest = hashlib.sha256(body).hexdigest().encode()
    write_atomic(folder / DEB_FACTS, digest + b"\n" + body)


def kept_debs(folder: Path) -> KnownDebs | None:
    """The facts that were kept in a directory; None where they are gone, or damaged."""
    try:
        digest, _, body = (folder / DEB_FACTS).read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        found = json.loads(body)
        status = base64.b64decode(found["status"]).decode(errors="replace")
        keys = {path: folder / name for path, name in found["keys"].items()}
        return KnownDebs(found["place"], status, found["sources"], keys)
    except (OSError, ValueError, LookupError, TypeError):
        return None
