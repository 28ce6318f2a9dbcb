"""What a live medium keeps is read again, and nothing else is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dockyard.formats.saved_medium import SavedMedium, saved_of
from dockyard.model.live import InitramfsType, KdumpBootFiles

SAVED = SavedMedium(InitramfsType.FULL_OS, KdumpBootFiles.KEEP, ("quiet", 'a="b c"'), ("quiet",))


def text(**other: Any) -> bytes:
    return json.dumps({**SAVED.as_json(), **other}).encode()


def test_what_is_kept_is_read_again() -> None:
    assert saved_of(text()) == SAVED
    assert saved_of(text(more=1)) == SAVED


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"version":' * 100_000,
        text(version=2),
        text(initramfsType=None),
        text(initramfsType=["full-os"]),
        text(kdumpBootFiles="some"),
        text(kernelCommandLine="quiet"),
        text(kernelCommandLine=[1]),
        text(ofTheMedium=None),
        b'{"version": 1}',
    ],
)
def test_what_we_have_not_written_is_told_apart(damaged: bytes) -> None:
    with pytest.raises(ValueError):
        saved_of(damaged)
