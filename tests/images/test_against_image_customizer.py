"""The same file and image given to Image Customizer and to Dockyard: what comes out differs only
where it is meant to.

It runs where DOCKYARD_IMAGE_CUSTOMIZER names that program, as root, with loop devices, udev and a
kernel that mounts FAT. The image says of itself that it is Azure Linux 3.0, and has a menu of GRUB
in that one's form; packages are left out, for it takes them by that distribution's manager.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import run_dockyard
from test_grub_images import build, variant

PROGRAM = os.environ.get("DOCKYARD_IMAGE_CUSTOMIZER", "")
pytestmark = [
    pytest.mark.build,
    pytest.mark.long,
    pytest.mark.skipif(not PROGRAM, reason="DOCKYARD_IMAGE_CUSTOMIZER names no Image Customizer"),
]
HERE = Path(__file__).parent / "ic"
DISGUISE = r"""
os:
  imageHistory: none
  additionalFiles:
    - {destination: /usr/lib/os-release, content: "ID=azurelinux\nNAME=x\nVERSION_ID=\"3.0\"\n"}
    - {destination: /usr/bin/dracut, permissions: "755", content: "#!/bin/sh\n"}
    - {destination: /etc/dracut.conf.d/none.conf, content: ""}
    - destination: /boot/grub2/grub.cfg
      content: |
        set timeout=0
        menuentry "x" {
                linux /vmlinuz root=ROOT ro selinux=0 console=ttyS0
                initrd /initrd.img
        }
"""
PACKAGES = """\
  packages:
    remove:
      - lsof
    installLists:
      - lists/tools.yaml
"""
# What useradd and the like leave behind, which is no part of a machine.
LEFT = {"/etc/.pwd.lock", *(f"/etc/{name}-" for name in
        ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"))}  # fmt: skip
# Files of the same meaning under other names: drop-ins, one each or all in one.
THEIRS = {
    "/etc/dracut.conf.d/overlay.conf", "/etc/modprobe.d/module-options.conf",
    "/etc/modprobe.d/modules-disabled.conf", "/etc/modules-load.d/modules-load.conf",
}  # fmt: skip
OURS = {
    "/etc/modprobe.d/zz-dockyard-dummy.conf", "/etc/modprobe.d/zz-dockyard-floppy.conf",
    "/etc/modules-load.d/dummy.conf",
}  # fmt: skip
# A host name without and with a line's end; days; the record; what an overlay waits for; and a
# blank at the end of a command line.
CHANGED = {
    "/etc/hostname", "/etc/shadow", "/etc/fstab", "/etc/image-customizer-release",
    "/usr/share/image-customizer/history.json", "/boot/grub2/grub.cfg",
}  # fmt: skip


@pytest.fixture(scope="module")
def image(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("base")
    plain, disguise = build(variant(place, boot="ext4", root="ext4")), place / "disguise.yaml"
    told = run_dockyard("inspect", plain, "--json").json["partitions"]
    (root,) = (each["fileSystem"] for each in told if each["label"] == "root")
    disguise.write_text(DISGUISE.replace("ROOT", f"UUID={root['uuid']}"))
    out = place / "image.raw"
    words = ("--image-file", plain, "--output-image-file", out, "--progress", "quiet")
    run_dockyard("customize", disguise, *words)
    plain.unlink()
    return out


def test_the_same_comes_out_of_both(image: Path, tmp_path: Path) -> None:
    given = shutil.copytree(HERE, tmp_path / "ic") / "config.yaml"
    text = given.read_text()
    assert PACKAGES in text and "logrotate.timer" in text
    given.write_text(text.replace(PACKAGES, "").replace("logrotate.timer", "sshd"))
    script = given.parent / "scripts/post.sh"
    script.write_text(script.read_text().replace("tree --version", "id"))
    theirs, ours = tmp_path / "theirs.raw", tmp_path / "ours.raw"
    words = ["--config-file", str(given), "--image-file", str(image)]
    more = ["--output-image-format", "raw", "--build-dir", str(tmp_path / "b")]
    subprocess.run(
        [PROGRAM, "customize", *words, "--output-image-file", str(theirs), *more],
        check=True, capture_output=True,
    )  # fmt: skip
    run_dockyard("customize", *words, "--output-image-file", ours, "--progress", "quiet")
    told = run_dockyard("diff", theirs, ours, "--json", check=False).json
    files = told["files"]
    found = {kind: {each["path"] for each in files[kind]} for kind in files}
    assert found["added"] == OURS
    assert found["removed"] == LEFT | THEIRS
    assert found["changed"] == CHANGED
    assert told["facts"] == []
