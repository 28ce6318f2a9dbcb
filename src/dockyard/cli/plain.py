"""Text of others, as every terminal takes it: what packages, scripts, guests and file names say.

A terminal obeys control characters: it moves, wipes, asks and answers. Characters that turn the
direction of writing show one text and mean another.
"""

from __future__ import annotations


def plain(text: str, keep: str = "") -> str:
    """Text with control characters, and bytes that are no UTF-8, escaped. keep: characters that
    stay nevertheless.
    """
    whole = text.encode("utf-8", errors="surrogateescape").decode(errors="backslashreplace")
    if whole.isprintable():
        return whole
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in whole
    )
