"""Where a store has the repositories of the distributions that were built in it.

    <store>/repositories/<name>          a link to the result that is published
    <store>/repositories/.<name>.before  one to the result that was published before it, for those
                                         who still read that

Every link here names a result that is in use: whoever removes results from a store keeps it.
"""

from __future__ import annotations

from pathlib import Path

PACKAGES = "Packages"
METADATA = "repodata/repomd.xml"
SIGNATURE = f"{METADATA}.asc"


def repository_path(store: Path, name: str) -> Path:
    """Where the repository of a distribution is published."""
    return store / "repositories" / name


def path_before(store: Path, name: str) -> Path:
    """Where the repository that was published before is."""
    return store / "repositories" / f".{name}.before"


def published(store: Path, name: str) -> Path | None:
    """The directory of the repository that is published; None for none."""
    place = repository_path(store, name)
    if all((place / file).is_file() for file in (METADATA, SIGNATURE, key_name(name))):
        return place.resolve()
    return None


def key_name(name: str) -> str:
    """The name of the file with a distribution's public key, in its repository."""
    return f"RPM-GPG-KEY-{name}"
