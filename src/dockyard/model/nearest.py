"""Which of the known words a writer most likely meant by one that is not known."""

from __future__ import annotations

from collections.abc import Iterable

# The longest name of a file (NAME_MAX): what is longer is no misspelt word, and takes long to
# compare.
_LONGEST = 255


def nearest(word: str, known: Iterable[str], count: int = 1, cutoff: float = 0.6) -> list[str]:
    """The nearest known words, at most `count`, the nearest first; upper and lower case are one.

    cutoff: how alike they must be, 0 to 1, as difflib measures it.
    """
    if len(word) > _LONGEST:
        return []
    from difflib import get_close_matches  # most runs meet no unknown word

    lowered = {name.lower(): name for name in known}
    return [lowered[found] for found in get_close_matches(word.lower(), lowered, count, cutoff)]
