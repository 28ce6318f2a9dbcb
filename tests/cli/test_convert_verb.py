"""`dockyard convert`: what it refuses before any work, and what takes no tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from here import Here

from dockyard.formats.containers import Container, container_of
from dockyard.host import files

MIB = 1 << 20


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Here:
    monkeypatch.setenv("DOCKYARD_STORE", str(tmp_path / "store"))
    return Here(monkeypatch, capsys)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk that is no whole mebibytes, mostly holes, with something in its last sector."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        for at, data in ((0, b"begin"), (5 * MIB - 3, b"across"), (20 * MIB + 512 - 4, b"last")):
            file.seek(at)
            file.write(data)
    return path


def words(image: Path, out: Path, format_name: str, *more: str) -> tuple[str, ...]:
    given = ("--image-file", str(image), "--output-image-file", str(out))
    return ("convert", *given, "--output-image-format", format_name, *more)


@pytest.mark.parametrize(("name", "magic"), [("vhd", b"conectix"), ("vhdx", b"vhdxfile")])
def test_the_same_disk_gives_the_same_bytes(
    here: Here, disk: Path, tmp_path: Path, name: str, magic: bytes
) -> None:
    out, copy = tmp_path / f"out.{name}", tmp_path / "copy.raw"
    assert here(*words(disk, out, name)).returncode == 0
    assert out.read_bytes()[:8] == magic
    # The same content by other writes, under another name.
    copy.write_bytes(disk.read_bytes())
    assert here(*words(copy, tmp_path / "other", name)).returncode == 0
    assert (tmp_path / "other").read_bytes() == out.read_bytes()
    assert here(*words(disk, out, name)).stdout.startswith("unchanged")


def test_a_medium_is_a_disk_as_it_is(here: Here, tmp_path: Path) -> None:
    medium, out = tmp_path / "live.iso", tmp_path / "out.raw"
    medium.write_bytes(b"\x01CD001".rjust(0x8006, b"\0") + bytes(MIB))
    assert here(*words(medium, out, "raw")).returncode == 0
    assert out.read_bytes() == medium.read_bytes()
    assert not [*(tmp_path / "store").glob("results/*")]


def test_a_fixed_vhd_has_the_disk_and_more_of_it_is_told(
    here: Here, disk: Path, tmp_path: Path
) -> None:
    out, back = tmp_path / "out.vhd", tmp_path / "back.raw"
    answer = json.loads(here(*words(disk, out, "vhd-fixed", "--json")).stdout)
    (remark,) = answer["remarks"]
    assert remark["code"] == "convert.grown" and str(MIB - 512) in remark["what"]
    result = answer["result"]
    assert (result["format"], result["from"], result["placed"]) == ("vhd-fixed", "raw", True)
    assert result["sha256"] == files.digest(out)
    assert container_of(out) is Container.VHD_FIXED
    assert here(*words(out, back, "raw")).returncode == 0
    assert back.read_bytes() == disk.read_bytes() + bytes(MIB - 512)
    assert back.stat().st_blocks * 512 < MIB


def test_the_input_is_not_changed_and_a_name_that_promises_another_format_is_told(
    here: Here, disk: Path, tmp_path: Path
) -> None:
    before = disk.read_bytes()
    done = here(*words(disk, tmp_path / "out.qcow2", "raw"))
    assert "is written in the format raw" in done.stderr
    assert disk.read_bytes() == before == (tmp_path / "out.qcow2").read_bytes()
    assert (tmp_path / "out.qcow2").stat().st_blocks == disk.stat().st_blocks


def test_all_mistakes_are_told_together_and_nothing_is_written(
    here: Here, disk: Path, tmp_path: Path
) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"no disk")
    done = here(*words(short, short, "tar", "--cosi-compression-level", "3"))
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "7 bytes" in told and "a disk cannot be converted to tar" in told
    assert "would replace what it is made of" in told
    done = here(*words(disk, tmp_path / "out", "qcow2", "--cosi-compression-level", "3"))
    assert "does nothing for the format qcow2" in done.stderr
    done = here(*words(disk, disk, "raw"))
    assert "would replace what it is made of" in " ".join(done.stderr.split())
    assert "qcow2, vmdk, raw, cosi" in here(*words(disk, tmp_path / "out", "wim")).stderr
    assert not (tmp_path / "out").exists()


def test_a_build_directory_that_cannot_be_made_is_said(
    here: Here, disk: Path, tmp_path: Path
) -> None:
    done = here(*words(disk, tmp_path / "out", "raw", "--build-dir", str(disk / "below")))
    assert done.returncode == 1 and "cannot be made" in done.stderr


def test_a_line_of_image_customizer_is_understood(here: Here, disk: Path, tmp_path: Path) -> None:
    line = words(disk, tmp_path / "out.vhdx", "vhdx", "--build-dir", str(tmp_path / "build"))
    done = here("--log-level", "info", "--disable-telemetry", *line)
    assert done.returncode == 0 and (tmp_path / "out.vhdx").read_bytes()[:8] == b"vhdxfile"


def test_options_that_are_missing_are_named(here: Here, disk: Path) -> None:
    done = here("convert", "--image-file", str(disk))
    assert done.returncode == 2 and "--output-image-file" in done.stderr
