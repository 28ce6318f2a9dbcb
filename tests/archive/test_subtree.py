"""Cutting an archive at mount points loses nothing and changes no data."""

from __future__ import annotations

from dockyard.archive import Archive, Entry, Kind, subtree


def example() -> Archive:
    entries = [
        Entry(b"", Kind.DIRECTORY, 0o755),
        Entry(b"etc/one", Kind.FILE, 0o644),
        Entry(b"var", Kind.DIRECTORY, 0o700, uid=7),
        Entry(b"var/lib/two", Kind.HARDLINK, 0o644, target=b"etc/one"),
        Entry(b"var/lib/three", Kind.HARDLINK, 0o644, target=b"etc/one"),
        Entry(b"var/log/four", Kind.FILE, 0o600),
        Entry(b"variety", Kind.SYMLINK, 0o777, target=b"var"),
    ]
    return Archive.from_entries(entries, {b"etc/one": b"1", b"var/log/four": b"4"})


def paths(archive: Archive) -> list[bytes]:
    return [entry.path for entry in archive]


def test_the_part_below_a_mount_point() -> None:
    part = subtree(example(), b"var", [b"var/log"])
    assert paths(part) == [b"", b"lib", b"lib/three", b"lib/two", b"log"]
    assert part.entries[0].mode == 0o700 and part.entries[0].uid == 7
    three, two = part.find(b"lib/three"), part.find(b"lib/two")
    assert three is not None and three.kind is Kind.FILE and three.size == 1
    assert two is not None and two.kind is Kind.HARDLINK and two.target == b"lib/three"


def test_what_is_left_keeps_the_empty_directory() -> None:
    rest = subtree(example(), b"", [b"var"])
    assert paths(rest) == [b"", b"etc", b"etc/one", b"var", b"variety"]
    assert rest.read(b"etc/one") == b"1"


def test_data_are_found_below_the_new_root() -> None:
    assert subtree(example(), b"var/log").read(b"four") == b"4"


def test_a_mount_point_that_is_not_there_is_an_empty_root() -> None:
    assert paths(subtree(example(), b"srv")) == [b""]
