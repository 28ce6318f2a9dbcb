"""What the kernel shows of our images is what was put into them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from kernel import by_the_kernel, kernel_shows

from dockyard.archive import Archive, features
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, SECOND, file, hard_entries, nasty, plain_entries, same

SPEC = FilesystemSpec(UUID(int=0x0A0B0C0D << 96 | 1), label="oracle", epoch=1_767_225_600)


pytestmark = [pytest.mark.build, by_the_kernel]


def _without(*without: str) -> Archive:
    """The nasty archive without the entries that a file system refuses, and some more times."""
    archive = Archive.from_entries(
        [
            *plain_entries(),
            *hard_entries(),
            file(b"t/2200", mtime_ns=7_258_118_400 * SECOND + 987_654_321),
        ],
        DATA,
    )
    has = features(archive)
    refused = {path for name in without for path in getattr(has, name)}
    return Archive.from_entries([e for e in archive if e.path not in refused], DATA)


@pytest.mark.parametrize("kind", ["ext4", "erofs", "erofs-lz4"])
def test_the_kernel_shows_everything(tools: Tools, tmp_path: Path, kind: str) -> None:
    archive, image = _without(), tmp_path / "image"
    name, _, compression = kind.partition("-")
    spec = replace(SPEC, options={"compression": compression}) if compression else SPEC
    by_name(name).write(archive, image, 96 << 20, spec, tools)
    same(kernel_shows(name, image), archive)


@pytest.mark.parametrize(
    ("kind", "without"),
    [
        ("xfs", ("empty_xattrs",)),
        ("btrfs", ()),
    ],
)
def test_the_kernel_shows_what_can_be_held(
    testing_tools: Tools, tmp_path: Path, kind: str, without: tuple[str, ...]
) -> None:
    archive, image = _without(*without), tmp_path / "image"
    assert by_name(kind).refuse(archive) == []
    by_name(kind).write(archive, image, 304 << 20, SPEC, testing_tools)
    same(kernel_shows(kind, image), archive)
    assert len(archive) > len(nasty()) - 12
