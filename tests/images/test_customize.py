"""Images that exist are customized: what was asked for changes, and nothing else does."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from command_line import EXAMPLES, run_dockyard

from features import covers

MINIMAL = EXAMPLES / "minimal/image.yaml"
CONFIG = """
os:
  hostname: changed
  groups: [{name: operators, gid: 2000}]
  users: [{name: ops, secondaryGroups: [operators]}]
  additionalFiles:
    - {content: "hello\\n", destination: /etc/hello, permissions: "640"}
  services: {disable: [fstrim.timer]}
scripts:
  postCustomization:
    - content: |
        #!/bin/sh
        set -e
        test -d /boot/efi/EFI
        rm /etc/issue
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def base(out: Path, *words: str) -> Path:
    run_dockyard("build", MINIMAL, "--output-image-file", out, "--progress", "quiet", *words)
    return out


def customize(config: Path, image: Path, out: Path, *words: str) -> dict[str, Any]:
    given: Sequence[str | Path] = ("--config-file", config, "--image-file", image)
    said = run_dockyard(
        "customize", *given, "--output-image-file", out, "--json", "--progress", "quiet", *words
    )
    answer: dict[str, Any] = said.json
    return answer


@covers(
    "input.image, raw",
    "os.hostname",
    "os.groups",
    "os.users",
    "os.services",
    "os.additionalFiles",
    "scripts",
    "os.imageHistory",
)
@pytest.mark.build
def test_what_was_asked_for_changes_and_nothing_else(
    published: Path, tmp_path: Path, config: Path
) -> None:
    image, out = base(tmp_path / "base.raw"), tmp_path / "out.raw"
    before = image.read_bytes()
    assert customize(config, image, out)["placed"]
    assert image.read_bytes() == before
    found = run_dockyard("diff", image, out, "--json", check=False).json
    assert {each["name"] for each in found["facts"]} == {
        "host name",
        "user ops",
        "enabled unit fstrim.timer",
    }
    files = found["files"]
    timer = "/etc/systemd/system/timers.target.wants"
    assert {each["path"] for each in files["removed"]} <= {
        "/etc/issue", timer, f"{timer}/fstrim.timer"
    }  # fmt: skip
    assert files["removed"][0]["path"] == "/etc/issue"
    added = {each["path"] for each in files["added"]}
    assert {"/etc/hello", "/home/ops"} <= added
    assert {"/etc/image-customizer-release", "/usr/share/image-customizer/history.json"} <= added
    accounts = {f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow")}
    accounts |= {"/etc/subuid", "/etc/subgid", "/etc/hostname"}
    assert {each["path"] for each in files["changed"]} <= accounts
    again = customize(config, image, out)
    assert not again["changed"] and not again["placed"]
    # The record has every key, and repeats no script.
    config.write_text(config.read_text().replace("os:\n", "os:\n  imageHistory: none\n"))
    # The words of customize.
    words = ("--config-file", config, "--image-file", image, "--output-image-file")
    steps = run_dockyard("plan", *words, out, "--json").json["steps"]
    told = run_dockyard("plan", *words, image, check=False)
    assert told.status == 1 and "would replace what it is made of" in told.stderr
    acts = {each["name"]: (each["action"], each["reason"]) for each in steps}
    assert acts["scripts"][0] == "reuse"
    assert acts["root"] == ("run", "it is made without record now")


@covers("input.image, qcow2")
@pytest.mark.build
def test_nothing_asked_for_keeps_all_that_the_image_has_whatever_it_comes_in(
    published: Path, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text("os: {imageHistory: none}\n")
    image, out = base(tmp_path / "base.raw"), tmp_path / "out.raw"
    customize(nothing, image, out)
    same = run_dockyard("diff", image, out, "--times", "--json").json
    assert same["verdict"] in ("binary-equal", "equal in content")
    # Out, in and out again: what is written is what was read.
    qcow2, twice = tmp_path / "out.qcow2", tmp_path / "twice.raw"
    customize(nothing, out, qcow2, "--output-image-format", "qcow2")
    words = ("--config-file", nothing, "--image-file", qcow2, "--output-image-file", twice)
    said = run_dockyard("customize", *words, "--progress", "json").stderr
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    of_disk = {each["event"] for each in events if each.get("step", "").startswith("disk-")}
    assert of_disk <= {"StepReused"}  # it was converted once, to be judged, now or before
    assert twice.read_bytes() == out.read_bytes()
    assert run_dockyard("diff", out, qcow2, "--json").json["verdict"] == "binary-equal"


@pytest.mark.build
def test_partitions_that_are_no_mounted_file_system_and_boot_code_are_kept(
    published: Path, tmp_path: Path, config: Path
) -> None:
    text = MINIMAL.read_text()
    more = "        - {id: spare, type: linux-generic, label: spare, size: 8M}\n"
    at = "        - id: root\n"
    assert text.count(at) == 1
    distro = MINIMAL.parents[2] / "distros/harbor/distro.yaml"
    text = text.replace(at, more + at).replace("../../distros/harbor/distro.yaml", str(distro))
    (tmp_path / "image.yaml").write_text(text)
    (tmp_path / "image.lock").write_bytes(MINIMAL.with_name("image.lock").read_bytes())
    image, out = tmp_path / "base.raw", tmp_path / "out.raw"
    words = ("--output-image-file", image, "--progress", "quiet")
    run_dockyard("build", tmp_path / "image.yaml", *words)
    told = run_dockyard("inspect", image, "--json").json
    (spare,) = (each for each in told["partitions"] if each["label"] == "spare")
    data = os.urandom(70_000)
    with image.open("r+b") as disk:
        disk.write(b"boot code")
        disk.seek(spare["start"] + (3 << 20))
        disk.write(data)
    customize(config, image, out)
    with out.open("rb") as disk:
        assert disk.read(9) == b"boot code"
        disk.seek(spare["start"])
        kept = disk.read(spare["size"])
    assert kept == bytes(3 << 20) + data + bytes(spare["size"] - (3 << 20) - len(data))
    assert run_dockyard("inspect", out, "--json").json["partitions"] == [
        {**each, "fileSystem": now["fileSystem"]}
        for each, now in zip(
            told["partitions"],
            run_dockyard("inspect", out, "--json").json["partitions"],
            strict=True,
        )
    ]


@pytest.mark.build
def test_all_mistakes_are_told_before_anything_is_copied(published: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "os:\n  bootloader: {type: grub}\n"
        "  additionalFiles: [{source: missing, destination: /etc/x}]\n"
    )
    short = tmp_path / "short.raw"
    short.write_bytes(b"no disk")
    words = ("--config-file", config, "--image-file", short, "--output-image-file", tmp_path / "o")
    done = run_dockyard("customize", *words, check=False)
    assert done.status == 1
    for said in ("os.bootloader.type", "missing", "7 bytes"):
        assert said in done.stderr
    image = base(tmp_path / "base.raw")
    config.write_text("os: {hostname: x}\n")
    words = ("--config-file", config, "--image-file", image, "--output-image-file", image)
    done = run_dockyard("customize", *words, check=False)
    assert "would replace what it is made of" in " ".join(done.stderr.split())
    done = run_dockyard("customize", "--config-file", config, check=False)
    assert "no image is given" in done.stderr
    config.write_text("input: {image: {path: missing.raw}}\n")
    done = run_dockyard("customize", "--config-file", config, check=False)
    assert "config.yaml:1:23" in done.stderr and done.stderr.count("error[") == 1


@covers(
    "input.image, raw", "os.hostname", "os.groups", "os.users", "os.services", "os.additionalFiles"
)
@pytest.mark.boot
@pytest.mark.long
def test_a_customized_image_boots_and_every_setting_holds(
    published: Path, tmp_path: Path, config: Path
) -> None:
    image, out = base(tmp_path / "base.raw"), tmp_path / "out.raw"
    customize(config, image, out)
    words = ("--config-file", config, "--image-file", image, "--check", "--timeout", "600")
    told = run_dockyard("boot", out, *words, "--json").json
    assert told["passed"]
    asked = {each["id"] for each in told["checks"]}
    assert {"hostname", "accounts.users", "disk.partitions", "files./etc/hello", "names"} <= asked


@covers(
    "input.image, vhd",
    "input.image, vhdx",
    "input.image, cosi",
    "output.image.format, cosi",
    "output.image.format, vhd and vhdx",
    "output.image.format, vmdk",
)
@pytest.mark.build
@pytest.mark.parametrize(
    "written", ["vhd", "vhdx", "cosi", *(pytest.param(each, marks=pytest.mark.long) for each in
                                         ("vhd-fixed", "baremetal-image", "vmdk"))]
)  # fmt: skip
def test_what_is_written_in_each_format_goes_in_again(
    published: Path, tmp_path: Path, written: str
) -> None:
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text("os: {imageHistory: none}\n")
    image, out = tmp_path / "base.image", tmp_path / "out.raw"
    level = ("--cosi-compression-level", "1") if written in ("cosi", "baremetal-image") else ()
    base(image, "--output-image-format", written, *level)
    customize(nothing, image, out)
    found = run_dockyard("diff", image, out, "--times", "--json").json
    assert found["verdict"] in ("binary-equal", "equal in content")
    once, again = tmp_path / "once.image", tmp_path / "again.image"
    for path in (once, again):
        customize(nothing, out, path, "--output-image-format", written, *level)
    assert once.read_bytes() == again.read_bytes()
    assert run_dockyard("diff", out, once, "--json").json["verdict"] == "binary-equal"
