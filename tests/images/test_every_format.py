"""The disk of an image is the same in every format, and so are the bytes of a format."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import jsonschema_rs
import pytest
from command_line import EXAMPLES, run_dockyard

from cosi_schema import SCHEMA
from features import covers

MINIMAL = EXAMPLES / "minimal/image.yaml"
# In this order each is made of the one before.
FORMATS = ("qcow2", "vhd", "cosi", "vhdx", "vmdk", "vhd-fixed", "baremetal-image", "raw")


def convert(image: Path, out: Path, name: str, *words: str) -> dict[str, object]:
    level = ("--cosi-compression-level", "1") if name in ("cosi", "baremetal-image") else ()
    given = ("--image-file", image, "--output-image-file", out, "--output-image-format", name)
    told = run_dockyard("convert", *given, *level, *words, "--json", "--progress", "quiet").json
    assert isinstance(told, dict)
    return told


@covers(
    "output.image.format, cosi", "output.image.format, vhd and vhdx", "output.image.format, vmdk"
)
@pytest.mark.build
def test_the_disk_is_the_same_after_every_format(published: Path, tmp_path: Path) -> None:
    image = tmp_path / "base.raw"
    run_dockyard("build", MINIMAL, "--output-image-file", image, "--progress", "quiet")
    before = image.read_bytes()
    last = image
    for name in FORMATS:
        out = tmp_path / f"to-{name}"
        told = convert(last, out, name)
        assert told["format"] == name and told["placed"]
        last = out
    assert last.read_bytes() == before == image.read_bytes()
    assert last.stat().st_blocks * 512 < 1.1 * image.stat().st_blocks * 512
    # Whatever it came in, the same disk gives the same bytes.
    for name in ("vhd", "cosi", "vhdx", "vmdk"):
        again = tmp_path / f"again-{name}"
        convert(image, again, name, "--build-dir", str(tmp_path / "build"))
        assert again.read_bytes() == (tmp_path / f"to-{name}").read_bytes()
    assert [*(tmp_path / "build").iterdir()] == []
    _judge(tmp_path / "to-cosi")


# What a machine has written to its disk before it boots: done here, too.
ON_DISK = ("cosi", "baremetal-image")
SHOWN = {
    "cosi": ["output.image.format, cosi"],
    "vhd": ["output.image.format, vhd and vhdx"],
    "vhdx": ["output.image.format, vhd and vhdx"],
    "vmdk": ["output.image.format, vmdk"],
}


@pytest.mark.boot
@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=covers(*SHOWN.get(each, ()), format=each)) for each in FORMATS[:-1]],
)
def test_an_image_boots_in_every_format(name: str, published: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out.{name}"
    words = ("--output-image-format", name, "--progress", "quiet")
    run_dockyard("build", MINIMAL, "--output-image-file", out, *words)
    before, started = out.read_bytes(), out
    if name in ON_DISK:
        started = tmp_path / "disk"
        with started.open("wb") as disk:
            disk.truncate(4 << 30)
        run_dockyard("burn", out, started, "--yes", "--progress", "quiet")
    asked = ("--config-file", MINIMAL, "--check", "--timeout", "600", "--json")
    told = run_dockyard("boot", started, *asked, check=False).json
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert (told["systemState"], told["failedUnits"]) == ("running", [])
    assert out.read_bytes() == before


def _judge(cosi: Path) -> None:
    with tarfile.open(cosi, "r:") as file:
        member = file.extractfile("metadata.json")
        assert member is not None
        told = json.load(member)
    jsonschema_rs.validator_for(SCHEMA).validate(told)
    assert [each["mountPoint"] for each in told["images"]] == ["/boot/efi", "/"]
    assert told["bootloader"]["type"] == "systemd-boot"
    (entry,) = told["bootloader"]["systemdBoot"]["entries"]
    assert entry["type"] == "uki-standalone" and entry["path"].startswith("/boot/efi/EFI/Linux/")
    assert "root=" in entry["cmdline"] and entry["kernel"].startswith("6.")
    assert {each["name"] for each in told["osPackages"]} >= {"bash", "systemd"}
    assert all(":" not in each["version"] for each in told["osPackages"])
