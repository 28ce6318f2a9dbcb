"""What a distribution says of every image that is made of it: the key that updates are checked
with, and whether there is anybody to read its documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dockyard.model.distro import Distro
from dockyard.model.family import Packaging
from dockyard.model.packages import Lock, Repository, Request
from dockyard.tree.additional import AdditionalFileSetting, added_paths
from dockyard.tree.setting import Setting


def trusted_keys(
    distro: Distro,
    lock: Lock,
    repositories: Iterable[Repository],
    settings: Iterable[Setting],
) -> Iterator[AdditionalFileSetting]:
    """The file with the key by which the image's packages are signed, where the distribution wants
    it; none where the image file puts a file of its own.
    """
    wanted = distro.trusted_key
    if wanted is None or not _has(lock, wanted.package):
        return
    if wanted.path in added_paths(settings):
        return
    for repository in repositories:
        if repository.id == distro.name:
            (key,) = repository.keys
            yield AdditionalFileSetting(wanted.path, Path(key), permissions=0o644)


def enabled_modules(
    packaging: Packaging, request: Request | None, settings: Iterable[Setting]
) -> Iterator[AdditionalFileSetting]:
    """The file by which dnf knows that a stream is enabled, for each that the packages were chosen
    with; none where the image file puts a file of its own.
    """
    own = added_paths(settings)
    for text in request.modules if request else ():
        module, _, stream = text.partition(":")
        path = f"{packaging.settings[0]}/modules.d/{module}.module"
        if path not in own:
            lines = f"[{module}]\nname={module}\nstream={stream}\nprofiles=\nstate=enabled\n"
            yield AdditionalFileSetting(path, content=lines, permissions=0o644)


def wants_documents(distro: Distro, lock: Lock) -> bool:
    """Whether an image gets what its packages mark as documentation."""
    return distro.document_reader is None or _has(lock, distro.document_reader)


def _has(lock: Lock, name: str) -> bool:
    return any(pin.name == name for pin in lock.packages)
