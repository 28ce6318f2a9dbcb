"""Numbers in the texts of strangers: an id, a size, a version."""

from __future__ import annotations

_MOST_DIGITS = 18  # below 2⁶³; Python itself refuses thousands of them with a ValueError


def number_in(text: str) -> int | None:
    """The number that a text of decimal digits stands for; None for any other text, and for more
    digits than an id, a size or a version has.
    """
    if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    return None
