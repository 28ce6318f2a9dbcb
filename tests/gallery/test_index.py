"""The gallery's index names every page that the other tests hold."""

from __future__ import annotations

from error_pages import hold_index


def test_index() -> None:
    hold_index()
