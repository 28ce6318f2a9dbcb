"""Which kind of Dockyard's files a text is, so that one given for another is told by its name
instead of by a page of unknown keys.

Only top-level keys that no other kind has are looked at; what is in doubt is left to its reader.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from dockyard.errors import DockyardError, Problem


class FileKind(StrEnum):
    """A kind of file, as a sentence names it."""

    IMAGE = "an image file"
    DISTRO = "a distribution"
    LOCK = "a lock"


_KEY = re.compile(r"^([A-Za-z]+)[ \t]*:", re.MULTILINE)
_LOCK = re.compile(r'\s*\{\s*"lock"\s*:')
_OWN_KEYS = {
    FileKind.IMAGE: {"os", "storage", "output", "distro", "input", "baseConfigs", "scripts"},
    FileKind.DISTRO: {"repositories", "components", "upstream", "architectures", "version"},
}


def kind_of(text: str) -> FileKind | None:
    """The kind of a text; None when its keys do not tell."""
    if _LOCK.match(text):
        return FileKind.LOCK
    keys = set(_KEY.findall(text))
    likely = [kind for kind, own in _OWN_KEYS.items() if own & keys]
    return likely[0] if len(likely) == 1 else None


def require_kind(path: Path, text: str, wanted: FileKind, fix: str) -> None:
    """Raise DockyardError (`config.wrong-kind`) when a file is plainly of another kind."""
    found = kind_of(text)
    if found in (None, wanted):
        return
    if found is FileKind.LOCK and wanted is FileKind.IMAGE and (image := image_file_of(path)):
        fix = f"name the image file beside it: {image}"
    what = f"{path} is {found}, not {wanted}"
    raise DockyardError(Problem("config.wrong-kind", what, fix=fix))


def image_file_of(lock: Path) -> Path | None:
    """The image file beside a lock: `web.yaml` of `web.lock`, and of `web.minimal.lock`, which is
    that of some images of a matrix or of a profile.
    """
    words = lock.name.split(".")[:-1]
    names = (".".join(words[:end]) + ".yaml" for end in range(len(words), 0, -1))
    return next((file for name in names if (file := lock.with_name(name)).is_file()), None)
