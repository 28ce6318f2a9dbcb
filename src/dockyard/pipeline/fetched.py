"""What is noted of fetched packages: where each is, and the keys that its repository signs with."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = "packages.json"


@dataclass(frozen=True, slots=True)
class Fetched:
    """files: paths by name, version and architecture of the package, where they are in the store;
    noted below it, so that it may be moved, and what is noted carried to another. The files of
    repositories that are directories of this machine are found by their pins, see
    `content_pins.file_here`. keys: certificates by repository, for those whose packages must be
    signed.
    """

    files: Mapping[str, Path]
    keys: Mapping[str, Sequence[bytes]]

    @classmethod
    def load(cls, place: Path, store: Path) -> Fetched:
        """Read it from the result of a step. store: the root of the store."""
        loaded: dict[str, Any] = json.loads((place / _FILE).read_bytes())
        return cls(
            {name: store / path for name, path in loaded["files"].items()},
            {name: [base64.b64decode(k) for k in keys] for name, keys in loaded["keys"].items()},
        )

    def save(self, place: Path, store: Path) -> None:
        """Write it into the result of a step, without files that are elsewhere. store: the root of
        the store.
        """
        listed = {
            "files": {
                name: str(path.relative_to(store))
                for name, path in self.files.items()
                if path.is_relative_to(store)
            },
            "keys": {
                name: [base64.b64encode(key).decode() for key in keys]
                for name, keys in self.keys.items()
            },
        }
        (place / _FILE).write_text(json.dumps(listed, indent=1, sort_keys=True) + "\n")
