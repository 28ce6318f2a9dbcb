"""Media that others made and that have no system on them are refused by name, whatever is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import run_dockyard

from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.package import MemberKind, read_deb
from dockyard.packages.deb.pins import fetch_pins, open_suites, pin
from dockyard.packages.deb.suite import Suite
from dockyard.packages.origins import Origins

PACKAGES = ("grub-rescue-pc", "ipxe", "memtest86+")


@pytest.fixture(scope="module")
def media(published: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The ISOs that packages of the archive bring, and a floppy's that is an ISO as well."""
    place, origins = tmp_path_factory.mktemp("media"), Origins.of_host(os.environ)
    index, _ = open_suites([Suite("trixie")], published, origins)
    pins = [pin(index.named(name)[0]) for name in PACKAGES]
    blobs = Blobs.of_store(published)
    fetch_pins(pins, blobs, origins)
    made = []
    for each in pins:
        for entry in read_deb(blobs.path(each.digest)).entries():
            if entry.kind is MemberKind.FILE and entry.path.endswith((".iso", ".img")):
                path = place / Path(entry.path).name
                path.write_bytes(entry.data)
                made.append(path)
    return made


@pytest.mark.build
@pytest.mark.long
def test_a_medium_without_a_system_is_refused_by_name(media: list[Path], tmp_path: Path) -> None:
    assert len(media) >= 4
    config, out = tmp_path / "config.yaml", tmp_path / "out"
    config.write_text("os: {hostname: x}\n")
    for medium in media:
        given = ("--config-file", config, "--image-file", medium, "--output-image-file", out)
        for words in (
            ("inspect", medium),
            ("diff", medium, medium),
            ("customize", *given, "--output-image-format", "iso"),
            ("customize", *given, "--output-image-format", "raw"),
        ):
            done = run_dockyard(*words, check=False)
            text = " ".join(done.stderr.split())
            # diff(1) has 2 for trouble.
            assert done.status == (2 if words[0] == "diff" else 1) and text.count("error[") == 1
            assert "image.no-root" in text and "has no image of a system's root" in text
            assert not out.exists()
        # Its bytes go into another format all the same, and come back.
        back = tmp_path / "back.raw"
        convert = ("convert", "--output-image-format")
        run_dockyard(*convert, "qcow2", "--image-file", medium, "--output-image-file", out)
        run_dockyard(*convert, "raw", "--image-file", out, "--output-image-file", back)
        whole = medium.read_bytes()
        assert back.read_bytes()[: len(whole)] == whole
        out.unlink()
        back.unlink()
