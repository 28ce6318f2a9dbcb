"""ext2, ext3 and ext4 of any features are taken the place of by what has the same ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC

from dockyard.archive import Archive
from dockyard.filesystems import ext4
from dockyard.filesystems.probe import probe
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, hard_entries, plain_entries, same


@pytest.mark.build
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ext2", ""),
        ("ext3", ""),
        ("ext4", "^metadata_csum,^64bit"),
        ("ext4", "uninit_bg,^metadata_csum,^orphan_file"),
        ("ext4", "^has_journal,metadata_csum_seed"),
    ],
)
def test_it_stays_what_it_is(tools: Tools, tmp_path: Path, kind: str, options: str) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    with old.open("wb") as opened:
        opened.truncate(64 << 20)
    # mke2fs gives so small a file system blocks of 1 KiB, which cannot hold the largest attribute.
    argv = ["mke2fs", "-q", "-F", "-b", "4096", "-t", kind]
    argv += ["-O", options] if options else []
    argv += [str(old)]
    tools.run(argv, write=[old])
    archive = Archive.from_entries([*plain_entries(), *hard_entries()], DATA)
    spec = replace(SPEC, options=ext4.made_as(old))
    ext4.write(archive, new, 96 << 20, spec, tools)
    assert ext4.made_as(new)["features"] == ext4.made_as(old)["features"]
    before, after = probe(old), probe(new)
    assert before and after and before.kind == after.kind
    if not options:
        assert after.kind == kind
    same(ext4.read(new), archive)
    tools.run(["e2fsck", "-f", "-n", str(new)], read=[new])
