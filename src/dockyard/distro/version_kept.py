"""Warns of packages whose content changed while their versions did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dockyard.distro.load import LoadedDistro
from dockyard.distro.signing import FACTS, file_name
from dockyard.engine.store import Store
from dockyard.errors import Problem, Severity
from dockyard.packages.published import PACKAGES, published
from dockyard.packages.rpm.reader import content_digest

# How many packages a warning names.
_NAMED = 8


def version_kept(
    loaded: LoadedDistro, store: Store, key: str, made: Mapping[str, str]
) -> Iterator[Problem]:
    """A warning when packages are other than those that are published, and of the same version.

    key: the result that is to be published. made: the steps that made packages, by the names of
    those that signed them.
    """
    kept = sorted(_kept(store, loaded.distro.published_name, key, made))
    if not kept:
        return
    named = ", ".join(name.removesuffix(".rpm") for name in kept[:_NAMED])
    more = f" and {len(kept) - _NAMED} more" if len(kept) > _NAMED else ""
    yield Problem(
        "distro.version-kept",
        f"changed since the repository was last made, and of the same version: {named}{more}",
        str(loaded.files[0]),
        why="dnf compares versions: machines that have a package never get its change",
        fix="raise `revision` of the component, or `release` of a package of your own; "
        "as long as no machine uses the repository, nothing needs it",
        severity=Severity.WARNING,
    )


def _kept(store: Store, name: str, key: str, made: Mapping[str, str]) -> Iterator[str]:
    """The file names of packages that have the version of what is published, and not its content,
    whoever signed it: dnf takes the two for one.
    """
    before, now = published(store.root, name), store.place(key)
    if before is None or before == now.resolve():
        return
    old, new = (store.facts(each).get("inputs", {}) for each in (before.name, key))
    changed = [each for each, maker in made.items() if old.get(maker) != new[maker]]
    for file in _files(store, now, new, changed):
        was, is_now = (place / PACKAGES / file for place in (before, now))
        if was.is_file() and content_digest(was) != content_digest(is_now):
            yield file


def _files(
    store: Store, repository: Path, inputs: Mapping[str, str], signed: Sequence[str]
) -> list[str]:
    """The files of some packages of a repository; those of all where the store has given one up."""
    places = [store.place(inputs[each]) for each in signed]
    if all((each / FACTS).is_file() for each in places):
        return [file_name(each) for each in places]
    return sorted(each.name for each in (repository / PACKAGES).iterdir())
