"""Publishes the repository that a step made: by a link, see `packages.published`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dockyard.engine.store import Store
from dockyard.host.removal import remove_tree
from dockyard.packages.published import path_before, published, repository_path


def is_published(store: Store, name: str, key: str) -> bool:
    """Whether a result is what is published of a distribution."""
    found = published(store.root, name)
    return found is not None and found == store.place(key).resolve()


def publish(store: Store, name: str, key: str) -> bool:
    """Make a result the repository of a distribution; gives whether it was not before.

    What was published before stays for those who still read it, what was before that is no longer
    kept.
    """
    place, result = repository_path(store.root, name), store.place(key)
    place.parent.mkdir(parents=True, exist_ok=True)
    with store.exclusive(f"repository-of-{name}"):
        if is_published(store, name, key):
            return False
        if place.is_symlink():
            _link(path_before(store.root, name), os.readlink(place))  # noqa: PTH115 (text)
        elif place.exists():
            remove_tree(place)
        _link(place, os.path.relpath(result, place.parent))
        _remove_older(place)
    return True


def _link(place: Path, target: str) -> None:
    part = place.with_name(f".{place.name}.link")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(place)


def _remove_older(place: Path) -> None:
    """Remove the directories beside the links that earlier versions of Dockyard published, but for
    one that is still linked.
    """
    linked = {each.resolve() for each in place.parent.iterdir() if each.is_symlink()}
    for each in place.parent.glob(f".{place.name}-*"):
        known = re.fullmatch("[0-9a-f]{32}", each.name.removeprefix(f".{place.name}-"))
        if known and not each.is_symlink() and each.resolve() not in linked:
            remove_tree(each)
