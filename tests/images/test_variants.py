"""Variants of the smallest image: other root file systems, dracut, scripts, formats."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_line import EXAMPLES, ROOT, run_dockyard

from features import covers

SCRIPTS = """
scripts:
  postCustomization:
    - name: stamp
      content: |
        #!/bin/sh
        set -e
        cat /_imageconfigs/beside.txt > /etc/stamp
        echo "$WHO $1" >> /etc/stamp
        ln -s /etc/stamp /etc/stamp-link
        rm /etc/issue
      arguments: [argument]
      environmentVariables: {WHO: somebody}
"""


# What a root needs that is only read.
VAR_PARTITION = "        - {id: var, type: var, label: var, size: 300M}\n"
VAR_FILE_SYSTEM = "    - {deviceId: var, type: ext4, mountPoint: /var}\n"


def variant(
    place: Path, *, root: str = "ext4", packages: Sequence[str] = (), more: str = "", name: str
) -> Path:
    """An image file like examples/minimal, with its lock."""
    text = (EXAMPLES / "minimal/image.yaml").read_text()
    text = text.replace("../../distros", str(ROOT / "distros")).replace(
        "name: minimal", f"name: {name}"
    )
    text = text.replace("      type: ext4\n", f"      type: {root}\n")
    if root == "erofs":
        text = text.replace("          size: 1G\n", "          size: 1G\n" + VAR_PARTITION)
        text = text.replace("      mountPoint: /\n", "      mountPoint: /\n" + VAR_FILE_SYSTEM)
    wanted = "".join(f"      - {package}\n" for package in packages)
    text = text.replace("      - e2fsprogs\n", f"      - e2fsprogs\n{wanted}")
    image = place / f"{name}.yaml"
    image.write_text(text + more)
    run_dockyard("lock", image, "--progress", "quiet")
    return image


def build(image: Path, *words: str) -> Path:
    out = image.with_suffix(".img")
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet", *words)
    return out


def check(image: Path, *words: str | Path) -> None:
    verdict = run_dockyard("boot", image, *words, "--check", "--json", check=False).json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])


# What a server keeps and asks where nothing below its root can be written.
KEPT_IN_VAR = """\
  - unit: systemd-resolved
  - unit: systemd-logind
  - port: 22
  - name: the server's host keys are those of /var
    command: sshd -T | sed -n 's/^hostkey //p' | sort; ls /var/lib/ssh/*_key
    output: |-
      /var/lib/ssh/ssh_host_ecdsa_key
      /var/lib/ssh/ssh_host_ed25519_key
      /var/lib/ssh/ssh_host_ecdsa_key
      /var/lib/ssh/ssh_host_ed25519_key
  - name: the host keys are not made again
    command: |
      before=$(cat /var/lib/ssh/*) && systemctl restart sshd-keygen sshd &&
      test "$(cat /var/lib/ssh/*)" = "$before"
  - name: names are looked up
    command: getent hosts $(hostname) && resolvectl query localhost && test -s /etc/resolv.conf
  - name: nothing below / can be made
    command: "! touch /etc/x /x 2>/dev/null"
"""


PACKAGES = {"xfs": ["xfsprogs"], "btrfs": ["btrfs-progs"], "erofs": []}

# A disk with swap space, and a root that takes the rest.
GROWTH = {
    "    - partitionTableType: gpt\n": "    - partitionTableType: gpt\n      maxSize: 1536M\n",
    "        - id: root\n": "        - {id: swap, type: swap, size: 64M}\n        - id: root\n",
    "          size: 1G\n": "          size: grow\n",
}
GROWN = """
checks:
  - name: the root file system takes most of the larger disk
    command: test $(($(stat --file-system --format '%b * %S' /))) -gt 2500000000
"""


@pytest.mark.build
@pytest.mark.parametrize("root", sorted(PACKAGES))
def test_a_root_of_another_kind_is_the_same_bytes_twice(
    root: str, published: Path, tmp_path: Path
) -> None:
    image = variant(tmp_path, root=root, packages=PACKAGES[root], name=f"root-{root}")
    build(image, "--verify")


@covers(file_system="{root}")
@pytest.mark.boot
@pytest.mark.long
@pytest.mark.parametrize("root", sorted(PACKAGES))
def test_a_root_of_another_kind_boots(root: str, published: Path, tmp_path: Path) -> None:
    image = variant(tmp_path, root=root, packages=PACKAGES[root], name=f"root-{root}")
    build(image)
    check(image)


@pytest.mark.boot
@pytest.mark.long
def test_a_server_boots_from_a_root_that_is_only_read(published: Path, tmp_path: Path) -> None:
    place = tmp_path / "server"
    shutil.copytree(EXAMPLES / "server", place)
    image = place / "image.yaml"
    text = image.read_text().replace("../../distros", str(ROOT / "distros"))
    for written, only_read in {
        "name: server\n": "name: server-only-read\n",
        "      type: ext4\n": "      type: erofs\n",
        "          size: 2G\n": f"          size: 2G\n{VAR_PARTITION}",
        "      mountPoint: /\n": f"      mountPoint: /\n{VAR_FILE_SYSTEM}",
        "      - kernel\n": "      - kernel\n      - cronie\n",
    }.items():
        assert text.count(written) == 1
        text = text.replace(written, only_read)
    image.write_text(text + KEPT_IN_VAR)
    run_dockyard("lock", image, "--progress", "quiet")
    build(image)
    check(image, "--timeout", "600")


@covers(file_system="{root}")
@pytest.mark.boot
@pytest.mark.parametrize(
    "root", ["btrfs", *(pytest.param(root, marks=pytest.mark.long) for root in ("ext4", "xfs"))]
)
def test_a_root_grows_with_its_disk_and_swap_space_is_in_use(
    root: str, published: Path, tmp_path: Path
) -> None:
    image = variant(
        tmp_path, root=root, packages=PACKAGES.get(root, []), more=GROWN, name=f"grow-{root}"
    )
    text = image.read_text()
    for fixed, grown in GROWTH.items():
        assert fixed in text
        text = text.replace(fixed, grown)
    image.write_text(text)
    out = build(image)
    with out.open("rb+") as disk:
        disk.truncate(3 << 30)
    check(out, "--config-file", image)


@covers()
@pytest.mark.boot
def test_an_initrd_of_dracut_boots(published: Path, tmp_path: Path) -> None:
    image = variant(tmp_path, packages=["dracut"], name="by-dracut")
    text = image.read_text().replace(
        "  hostname: minimal", "  initrd: {builder: dracut}\n  hostname: minimal"
    )
    image.write_text(text)
    build(image)
    check(image)


@pytest.mark.build
def test_a_script_changes_the_image_and_is_repeated_when_its_files_change(
    published: Path, tmp_path: Path
) -> None:
    (tmp_path / "beside.txt").write_text("one\n")
    image = variant(tmp_path, more=SCRIPTS, name="scripted")
    out = build(image)
    assert b"one\nsomebody argument\n" in out.read_bytes()
    plan = run_dockyard("plan", image, "--json").json["steps"]
    assert {step["action"] for step in plan} <= {"reuse", "skip"}
    (tmp_path / "beside.txt").write_text("two\n")
    plan = run_dockyard("plan", image, "--json").json["steps"]
    (scripts,) = [step for step in plan if step["name"] == "scripts"]
    assert scripts["action"] == "run" and "script stamp changed" in scripts["reason"]


@pytest.mark.build
@pytest.mark.parametrize("written", ["qcow2", "vhd-fixed"])
def test_other_formats_are_the_same_bytes_twice(
    written: str, published: Path, tmp_path: Path
) -> None:
    image = EXAMPLES / "minimal/image.yaml"
    out = tmp_path / "out"
    words = ["--output-image-format", written, "--output-image-file", str(out), "--verify"]
    run_dockyard("build", image, *words, "--progress", "quiet")
    magic = out.read_bytes()
    assert (
        magic.startswith(b"QFI\xfb") if written == "qcow2" else magic[-512:].startswith(b"conectix")
    )


@pytest.mark.build
def test_packages_that_the_boot_needs_are_told_together_before_anything_is_built(
    published: Path, tmp_path: Path
) -> None:
    image = variant(tmp_path, name="bare")
    text = image.read_text()
    image.write_text(text.replace("- harbor-core", "- systemd").replace("      - e2fsprogs\n", ""))
    run_dockyard("lock", image, "--progress", "quiet")
    done = run_dockyard("plan", image, check=False)
    message = " ".join(done.stderr.split())
    assert message.count("error[") == message.count("does not boot as asked") == 1
    for told in ("e2fsprogs: fsck.ext4, for the file system ext4", "udev: ", "util-linux: "):
        assert told in message
