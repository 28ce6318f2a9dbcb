"""Which files of the user's have passwords in clear: these files go nowhere, neither into the image
nor to its scripts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dockyard.config.load import LoadedImage
from dockyard.errors import Problem


def beside_image_files(loaded: LoadedImage) -> Iterator[Path]:
    """Files with such passwords, as they are below the directories of the image files."""
    directories = {file.absolute().parent for file in loaded.files}
    for path in loaded.passwords.files:
        real = path.resolve()
        for directory in directories:
            whole = directory.resolve()
            if real.is_relative_to(whole):
                yield directory / real.relative_to(whole)


def revealed(loaded: LoadedImage, sources: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    """A problem for each source of files of the image that has a password in clear. sources: the
    place and the path of each.
    """
    known = dict.fromkeys(path.resolve() for path in loaded.passwords.files)
    for at, path in sources if known else ():
        source = loaded.local(path).resolve()
        for secret in known:
            if secret.is_relative_to(source) or _is_same(secret, source):
                yield loaded.problem(
                    at,
                    "config.password-revealed",
                    f"{path!r} would bring a password in clear into the image",
                    why=f"a password is in {secret.name}, and everyone who has the image could "
                    "read it there",
                    fix=f"keep {secret.name} elsewhere",
                )


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, as hard links are."""
    try:
        return one.samefile(other)
    except OSError:
        return False  # which is told of what is not there
