"""Images with checked roots are customized as their file says, and others become such images."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import ROOT, run_dockyard
from test_verity_boots import image_file

from dockyard.disk.verity import root_hash
from dockyard.filesystems.making import made_as
from dockyard.formats.containers import Container, RawDisk
from dockyard.inspection.disks import FoundDisk, partitions_of
from dockyard.inspection.verity import FoundTree, find_trees
from features import covers

FILE = "os:\n  additionalFiles:\n    - {content: new, destination: %s}\n"
ALL = "storage: {reinitializeVerity: all}\n"
NONE = "storage: {reinitializeVerity: none}\n"


def base(place: Path, layout: str) -> Path:
    out = place / f"{layout}.img"
    image = image_file(place, layout)
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet")
    return out


def customized(place: Path, image: Path, text: str) -> tuple[Path, str]:
    """The new image, and what was said where there is none."""
    config, out = place / "config.yaml", place / "out.img"
    config.write_text(text)
    words = ("--config-file", config, "--image-file", image, "--output-image-file", out)
    said = run_dockyard("customize", *words, "--progress", "quiet", check=False)
    return out, said.stderr


def disk_of(image: Path) -> FoundDisk:
    return partitions_of(image, RawDisk(image, image.stat().st_size, Container.RAW))


def content(image: Path, number: int) -> bytes:
    """What a partition holds."""
    (found,) = [each for each in disk_of(image).partitions if each.number == number]
    with image.open("rb") as disk:
        disk.seek(found.entry.start)
        return disk.read(found.entry.size)


def only_tree(image: Path) -> FoundTree:
    (found,) = find_trees(disk_of(image).partitions)
    return found


def require_hash(image: Path, parameter: str, scratch: Path) -> None:
    """The root hash that the image boots with is that of its data."""
    told = run_dockyard("inspect", image, "--json").json["verity"]
    tree = only_tree(image)
    scratch.write_bytes(content(image, tree.data)[: tree.superblock.data_size])
    assert told == {parameter: root_hash(scratch, tree.superblock).hex()}


@covers("storage.verity, root", "storage.reinitializeVerity")
@pytest.mark.build
def test_a_checked_root_is_kept_or_hashed_anew_as_the_file_says(
    published: Path, tmp_path: Path
) -> None:
    image = base(tmp_path, "root")
    require_hash(image, "roothash", tmp_path / "data")
    _, said = customized(tmp_path, image, FILE % "/etc/new")
    assert "image.verity-undecided" in said
    _, said = customized(tmp_path, image, FILE % "/etc/new" + NONE)
    assert "image.verity-kept" in said and "/etc/new" in said
    _, said = customized(tmp_path, image, "os: {hostname: other}\n" + NONE)
    assert "image.verity-kept" in said and "os.hostname" in said
    out, said = customized(tmp_path, image, FILE % "/var/lib/new" + NONE)
    tree = only_tree(image)
    assert content(out, tree.data) == content(image, tree.data)
    assert content(out, tree.hashes) == content(image, tree.hashes)
    assert content(out, 4) != content(image, 4)
    require_hash(out, "roothash", tmp_path / "data")
    out, _ = customized(tmp_path, image, FILE % "/etc/new" + ALL)
    assert only_tree(out) == tree and content(out, tree.data) != content(image, tree.data)
    require_hash(out, "roothash", tmp_path / "data")
    words = [run_dockyard("inspect", each, "--json").json["boot"]["entries"][0]["commandLine"]
             for each in (image, out)]  # fmt: skip
    plain = [{word for word in line.split() if not word.startswith("roothash")} for line in words]
    assert plain[0] == plain[1]


@covers(
    "storage.verity, usr",
    "storage.verity, inline",
    "storage.reinitializeVerity",
    file_system="erofs",
)
@pytest.mark.build
def test_an_inline_tree_of_usr_is_hashed_anew(published: Path, tmp_path: Path) -> None:
    image = base(tmp_path, "usr-inline")
    require_hash(image, "usrhash", tmp_path / "data")
    out, _ = customized(tmp_path, image, FILE % "/usr/lib/new" + ALL)
    require_hash(out, "usrhash", tmp_path / "data")
    assert only_tree(out) == only_tree(image)
    made = [made_as("ext4", disk_of(each).partitions[1].region) for each in (image, out)]
    assert made[0] == made[1] and made[0]["inodes"]


PLAIN = f"""\
name: plain
distro: {ROOT}/distros/harbor/distro.yaml
storage:
  bootType: efi
  disks:
    - partitions:
        - {{id: esp, type: esp, label: esp, size: 96M}}
        - {{id: root, type: root, label: root, size: 701M}}
        - {{id: hash, label: hash, size: 8M}}
        - {{id: small, label: small, size: 2M}}
        - {{id: var, type: var, label: var, size: 250M}}
  filesystems:
    - {{deviceId: esp, type: vfat, mountPoint: {{path: /boot/efi, options: umask=0077}}}}
    - {{deviceId: root, type: ext4, mountPoint: /}}
    - {{deviceId: var, type: ext4, mountPoint: /var}}
os:
  bootloader: {{resetType: hard-reset}}
  uki: {{mode: create}}
  packages:
    install: [harbor-core, kernel, e2fsprogs, systemd-cryptsetup, cryptsetup-bin, dmsetup]
"""
DEVICE = """\
storage:
  verity:
    - id: v
      name: root
      dataDevice: {idType: part-label, id: %s}
      hashDevice: {idType: part-label, id: %s}
      corruptionOption: panic
"""
CHECKS = """\
checks:
  - name: veritysetup finds the data as they were
    command: veritysetup status root | grep -Ex ' *status:.*verified'
  - name: the root is checked
    command: test "$(findmnt -no SOURCE /)" = /dev/mapper/root
"""


def plain(place: Path) -> Path:
    image, out = place / "plain.yaml", place / "plain.img"
    image.write_text(PLAIN)
    run_dockyard("lock", image, "--progress", "quiet")
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet")
    return out


@pytest.mark.build
def test_what_cannot_be_data_and_hashes_is_refused(published: Path, tmp_path: Path) -> None:
    image = plain(tmp_path)
    for data, hashes, told in (
        ("rot", "hash", "no partition with the label rot"),
        ("root", "var", "the partition var has a file system that is mounted"),
        ("var", "hash", "the partition var is not mounted at /"),
        ("root", "small", "the partition small has 2M"),
        ("root", "root", "data and hash tree are to be in one partition"),
    ):
        out, said = customized(tmp_path, image, DEVICE % (data, hashes))
        assert "image.verity-partition" in said and told in " ".join(said.split())
        assert not out.exists()


@covers("storage.verity, root", "storage.reinitializeVerity")
@pytest.mark.boot
def test_a_plain_image_gets_a_checked_root_is_hashed_anew_and_boots(
    published: Path, tmp_path: Path
) -> None:
    base_image = plain(tmp_path)
    out, said = customized(tmp_path, base_image, DEVICE % ("root", "hash") + CHECKS)
    assert out.exists(), said
    require_hash(out, "roothash", tmp_path / "data")
    # It is an image like any other now: it is hashed anew.
    again = tmp_path / "again"
    again.mkdir()
    new, said = customized(again, out, FILE % "/etc/new" + ALL + CHECKS)
    assert new.exists(), said
    require_hash(new, "roothash", tmp_path / "data")
    words = ("--config-file", again / "config.yaml", "--image-file", out, "--check", "--json")
    ran = run_dockyard("boot", new, *words, check=False)
    assert [check for check in ran.json["checks"] if not check["passed"]] == []
    assert (ran.json["systemState"], ran.json["failedUnits"]) == ("running", [])
