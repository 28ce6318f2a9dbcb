"""What a live medium keeps of how it was made, so that customizing it again does not lose it: a
JSON object with what was asked for of the medium alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dockyard.model.live import InitramfsType, KdumpBootFiles

_VERSION = 1


@dataclass(frozen=True, slots=True)
class SavedMedium:
    """words: of its kernel command line, beside what finds the root. of_medium: those asked for of
    the medium alone. None for what is not known, of media that others made.
    """

    initramfs_type: InitramfsType | None
    kdump_boot_files: KdumpBootFiles | None
    words: tuple[str, ...]
    of_medium: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """As the medium has it."""
        return {
            "version": _VERSION,
            "initramfsType": self.initramfs_type,
            "kdumpBootFiles": self.kdump_boot_files,
            "kernelCommandLine": list(self.words),
            "ofTheMedium": list(self.of_medium),
        }


def saved_of(text: bytes) -> SavedMedium:
    """What a medium has kept. Raises ValueError for what we have not written."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise ValueError("it is of another version")
    return SavedMedium(
        InitramfsType(str(found.get("initramfsType"))),
        KdumpBootFiles(str(found.get("kdumpBootFiles"))),
        _words(found, "kernelCommandLine"),
        _words(found, "ofTheMedium"),
    )


def _words(found: Mapping[str, object], key: str) -> tuple[str, ...]:
    words = found.get(key)
    if not isinstance(words, list):
        raise ValueError(f"its {key} is no list")
    texts = tuple(word for word in words if isinstance(word, str))
    if len(texts) != len(words):
        raise ValueError(f"its {key} has what is no word")
    return texts
