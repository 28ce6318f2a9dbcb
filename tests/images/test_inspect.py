"""`inspect` and `diff` of images that were built, against what they were built from."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import EXAMPLES, run_dockyard

from dockyard.packages import lockfile

MINIMAL = EXAMPLES / "minimal/image.yaml"


def build(out: Path, *words: str) -> Path:
    run_dockyard("build", MINIMAL, "--output-image-file", out, "--progress", "quiet", *words)
    return out


@pytest.mark.build
def test_an_image_is_told_as_it_was_asked_for(published: Path, tmp_path: Path) -> None:
    raw = build(tmp_path / "minimal.raw")
    told = run_dockyard("inspect", raw, "--json").json
    assert (told["format"], told["architecture"], told["hostname"]) == ("raw", "x86_64", "minimal")
    assert told["distribution"]["family"] == "harbor"
    mounts = {part["fileSystem"]["mountPoint"]: part for part in told["partitions"]}
    assert set(mounts) == {"/", "/boot/efi"} and mounts["/"]["fileSystem"]["type"] == "ext4"
    lock = lockfile.load(MINIMAL.with_name("image.lock"))
    installed = {(each["name"], each["version"]) for each in told["packages"]["installed"]}
    assert installed == {(pin.name, pin.evr.removeprefix("0:")) for pin in lock.packages}
    (entry,) = told["boot"]["entries"]
    assert told["boot"]["loaders"] == ["systemd-boot"] and entry["kind"] == "uki"
    assert f"root=PARTUUID={mounts['/']['guid']}" in entry["commandLine"]
    shown = run_dockyard("inspect", raw, "--packages", "--users", "--services").stdout
    assert "systemd-boot; kernel" in shown and "bash 5" in shown
    tree = run_dockyard("inspect", raw, "--tree", "/usr", "--json").json
    assert {row["path"] for row in tree["below"]} >= {"/usr/bin", "/usr/lib"}
    missing = run_dockyard("inspect", raw, "--tree", "/nowhere", check=False)
    assert missing.status == 1 and "no directory" in missing.stderr


@pytest.mark.build
def test_images_are_compared_whatever_they_come_in(published: Path, tmp_path: Path) -> None:
    raw = build(tmp_path / "one.raw")
    qcow2 = build(tmp_path / "two.qcow2", "--output-image-format", "qcow2")
    same = run_dockyard("diff", raw, qcow2, "--json").json
    assert same["verdict"] == "binary-equal" and not same["files"]["changed"]
    changed = tmp_path / "image.yaml"
    text = MINIMAL.read_text().replace("  hostname: minimal", "  hostname: other")
    distro = MINIMAL.parents[2] / "distros/harbor/distro.yaml"
    changed.write_text(text.replace("../../distros/harbor/distro.yaml", str(distro)))
    (tmp_path / "image.lock").write_bytes(MINIMAL.with_name("image.lock").read_bytes())
    other = tmp_path / "other.raw"
    run_dockyard("build", changed, "--output-image-file", other, "--progress", "quiet")
    done = run_dockyard("diff", raw, other, "--json", check=False)
    assert done.status == 1
    assert [each["name"] for each in done.json["facts"]] == ["host name"]
    (file,) = done.json["files"]["changed"]
    assert file["path"] == "/etc/hostname" and file["diff"] == ["@@ -1 +1 @@", "-minimal", "+other"]
    assert "are different" in run_dockyard("diff", raw, other, check=False).stdout
