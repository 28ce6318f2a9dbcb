"""An image file as a record of it may be read by everybody: what it says, without its secrets.

What may hold a secret is replaced: passwords and their hashes, SSH keys, and the environment and
the arguments of scripts. Texts that are given in place (scripts, files) are left out; who makes the
record adds their digests. Paths of the machine that builds are relative to the image file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dockyard.config.load import LoadedImage
from dockyard.config.shape import Shape, ValueKind, fields_of
from dockyard.model.base import Model

REDACTED = "[redacted]"
# What says where the image goes, and what it is made of: that is told otherwise.
# What it was chosen by is in what it says already.
_LEFT_OUT = (
    "output", "baseConfigs", "input", "previewFeatures", "variables", "profiles", "matrix"
)  # fmt: skip


def recorded(loaded: LoadedImage) -> dict[str, Any]:
    """The merged image file as plain data: every value that is not a default, by its key."""
    said = {
        key: value for key, value in _said(loaded.image, loaded).items() if key not in _LEFT_OUT
    }
    system = said.get("os", {})
    for user in system.get("users", ()):
        if "sshPublicKeys" in user:
            user["sshPublicKeys"] = [REDACTED] * len(user["sshPublicKeys"])
        password = user.get("password")
        if password and not str(password.get("type", "")).endswith("-file"):
            password.update({"value": REDACTED} if "value" in password else {})
    for script in _each(said.get("scripts", {}).values()):
        script.pop("content", None)
        if "arguments" in script:
            script["arguments"] = [REDACTED] * len(script["arguments"])
        if "environmentVariables" in script:
            script["environmentVariables"] = dict.fromkeys(script["environmentVariables"], REDACTED)
    for part in (system, said.get("iso", {}), said.get("pxe", {})):
        for file in part.get("additionalFiles", ()):
            file.pop("content", None)
    return said


def recorded_files(loaded: LoadedImage) -> list[str]:
    """The image files that it was merged from, the bases first, relative to the last one."""
    return [_relative(str(path), loaded) for path in loaded.files]


def _each(lists: Any) -> Iterator[dict[str, Any]]:
    return (item for items in lists for item in items)


def _said(model: Model, loaded: LoadedImage) -> dict[str, Any]:
    found = {}
    for key, known in fields_of(type(model)).items():
        value = getattr(model, known.name)
        if known.needed or value != known.default:
            found[key] = _plain(value, known.shape, loaded)
    return found


def _plain(value: Any, shape: Shape, loaded: LoadedImage) -> Any:
    if isinstance(value, Model):
        return _said(value, loaded)
    if isinstance(value, tuple):
        assert shape.item is not None
        return [_plain(item, shape.item, loaded) for item in value]
    if isinstance(value, dict):
        return {str(name): item for name, item in sorted(value.items())}
    if shape.kind is ValueKind.LOCAL_PATH and value:
        return _relative(value, loaded)
    if shape.kind is ValueKind.PERMISSIONS and isinstance(value, int):
        return f"{value:o}"
    return str(value) if isinstance(value, str) else value


def _relative(path: str, loaded: LoadedImage) -> str:
    """A path as it is from the directory of the image file; only a name where it leads elsewhere,
    which says nothing about another machine.
    """
    plain = os.path.normpath(loaded.local(path))
    bases = {os.path.normpath(file.absolute().parent) for file in loaded.files}
    if any(Path(plain).is_relative_to(base) for base in bases):
        return os.path.relpath(plain, loaded.directory)
    return Path(plain).name
