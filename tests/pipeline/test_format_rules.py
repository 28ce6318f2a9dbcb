"""What a format says of an image file before any work, and settings that are another format's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.config import load_image
from dockyard.errors import DockyardError, Position, Problem, Severity
from dockyard.formats import Holds, holding, supported
from dockyard.pipeline.acted_on import needs_disk
from dockyard.pipeline.format_rules import format_problems

IMAGE = """\
name: web
distro: distro.yaml
storage:
  bootType: efi
  disks:
    - partitions: [{id: esp, type: esp, size: 64M}, {id: root, type: root, size: 1G}]
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
os:
  bootloader: {resetType: hard-reset}
  packages: {install: [bash, kernel]}
  services: {enable: [sshd, systemd-networkd]}
"""


def judged(folder: Path, name: str, more: str = "", text: str = IMAGE) -> list[Problem]:
    (folder / "image.yaml").write_text(text + more)
    return [*format_problems(load_image(folder / "image.yaml"), name)]


@pytest.mark.parametrize("name", holding(Holds.GUEST))
def test_a_guest_is_told_what_of_its_file_is_for_a_disk(tmp_path: Path, name: str) -> None:
    disk, kernel, *_ = judged(tmp_path, name)
    assert disk.severity is Severity.NOTE and kernel.severity is Severity.WARNING
    assert disk.what == f"storage, os.bootloader: not used for the format {name}"
    assert isinstance(kernel.where, Position) and kernel.where.line == 12
    assert kernel.what.startswith("the package kernel is not used")
    plain = "name: web\nos: {packages: {install: [bash]}}\n"
    assert judged(tmp_path, name, text=plain) == []
    assert not needs_disk(load_image(tmp_path / "image.yaml"), name)
    (tmp_path / "image.yaml").write_text(IMAGE)
    assert not needs_disk(load_image(tmp_path / "image.yaml"), name)


def test_a_unit_that_wsl_masks_is_told(tmp_path: Path) -> None:
    found = judged(tmp_path, "wsl")[-1]
    assert found.code == "format.wsl-unit" and found.what.startswith("systemd-networkd is enabled")
    told = judged(tmp_path, "wsl", "output: {image: {wsl: {systemd: false}}}\n")
    assert "format.wsl-unit" not in [each.code for each in told]


@pytest.mark.parametrize(
    ("name", "lines"), [("sysext", {3, 4, 5, 6, 8, 9}), ("confext", {4, 5, 7, 9, 10})]
)
def test_what_lies_outside_of_an_extension_is_told_by_path(
    tmp_path: Path, name: str, lines: set[int]
) -> None:
    text = """\
name: web
os:
  hostname: web
  users: [{name: ops}]
  groups: [{name: team}]
  services: {enable: [sshd]}
  additionalFiles: [{content: a, destination: /usr/share/a}]
  additionalDirs: [{source: d, destination: /etc/d}]
  packages: {remove: [b],
    install: [c]}
"""
    found = judged(tmp_path, name, text=text)
    assert {each.severity for each in found} == {Severity.ERROR}
    places = [each.where for each in found]
    assert {place.line for place in places if isinstance(place, Position)} == lines
    assert any("/usr/share/a" in each.what for each in found) is (name == "confext")
    assert any("/etc/d" in each.what for each in found) is (name == "sysext")


@pytest.mark.parametrize("name", supported())
def test_settings_of_another_format_are_told(tmp_path: Path, name: str) -> None:
    text = "name: web\noutput: {image: {oci: {user: www}, wsl: {defaultUser: ops}}}\n"
    told = [each.what.partition(":")[0] for each in judged(tmp_path, name, text=text)]
    own = {"oci-dir": "oci", "oci-archive": "oci", "wsl": "wsl"}.get(name)
    assert told == [f"output.image.{key}" for key in ("oci", "wsl") if key != own]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ("oci: {reference: 'a b'}", "'a b' is no name of an image"),
        ("oci: {env: {'A=B': c}}", "'A=B' cannot be the name of a variable"),
        ("oci: {workingDir: srv}", "'srv' is no absolute path"),
        ("oci: {user: 'a:b:c'}", "'a:b:c' names no user"),
        ("oci: {exposedPorts: ['80', '0', '53/ip']}", "'0' is no port"),
        ("oci: {exposedPorts: ['65536']}", "'65536' is no port"),
        ("wsl: {defaultName: 'My Linux'}", "'My Linux' cannot be the name of a distribution"),
        ("wsl: {defaultUser: 'Ops Team'}", "'Ops Team' cannot be the name of a user"),
        ("extension: {leaveOut: [etc]}", "'etc' is no path in the image"),
    ],
)
def test_what_cannot_be_said_of_a_guest_is_told(tmp_path: Path, settings: str, what: str) -> None:
    with pytest.raises(DockyardError) as caught:
        judged(tmp_path, "raw", f"output: {{image: {{{settings}}}}}\n")
    assert what in [each.what for each in caught.value.problems]
