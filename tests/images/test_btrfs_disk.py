"""Disks of btrfs with subvolumes: built, changed by the kernel as a system does, and customized."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import EXAMPLES, run_dockyard

from features import covers

HARBOR = EXAMPLES.parent / "distros/harbor/distro.yaml"
IMAGE = f"""
name: layers
distro: {HARBOR}
storage:
  bootType: efi
  disks:
    - partitions:
        - {{id: esp, type: esp, size: 64M}}
        - {{id: root, type: root, label: root, size: 1G}}
  filesystems:
    - {{deviceId: esp, type: vfat, mountPoint: /boot/efi}}
    - deviceId: root
      type: btrfs
      btrfs:
        subvolumes:
          - {{path: root, mountPoint: /, quota: {{referencedLimit: 900M}}}}
          - path: home
            mountPoint: {{path: /home, options: noatime}}
            quota: {{referencedLimit: 30M, exclusiveLimit: 20M}}
          - {{path: root/var/lib/machines}}
          - {{path: spare/empty}}
os:
  bootloader: {{resetType: hard-reset}}
  packages: {{install: [harbor-core, kernel]}}
  users: [{{name: ops}}]
  kernelCommandLine: {{extraCommandLine: [console=ttyS0]}}
  uki: {{mode: create}}
"""
CONFIG = """
os:
  hostname: changed
  additionalFiles:
    - {content: "home\\n", destination: /home/ops/new}
    - {content: "nested\\n", destination: /srv/data/new}
"""
# What a system does with its subvolumes while it runs.
LIVED = """
btrfs subvolume create root/srv/data
echo before > root/srv/data/file
echo first > home/ops/file
mkdir snapshots
btrfs subvolume snapshot -r home snapshots/home
echo second > home/ops/file
btrfs subvolume delete spare/empty
btrfs subvolume create later
btrfs subvolume set-default later
btrfs quota rescan -w .
btrfs qgroup limit 64M root/srv/data
btrfs qgroup limit -e 10M home
"""
TOLD = """
for which in "list -puqR" "list -r" "get-default"; do
    btrfs subvolume $which . | sed 's/ gen [0-9]*//'  # counts what was ever written
done
btrfs qgroup show -re --raw . | awk '{ print $1, $4, $5, $6 }'
"""
needs_kernel = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/loop-control").exists() or not shutil.which("btrfs"),
    reason="needs root, loop devices and btrfs",
)
build = pytest.mark.build


@pytest.fixture(scope="module")
def layers(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk that was built."""
    place = tmp_path_factory.mktemp("layers")
    (place / "image.yaml").write_text(IMAGE)
    run_dockyard("lock", place / "image.yaml", "--progress", "quiet")
    out = place / "layers.raw"
    words = ("--output-image-file", out, "--progress", "quiet")
    run_dockyard("build", place / "image.yaml", *words)
    return out


def customize(text: str, image: Path, out: Path) -> None:
    config = out.with_suffix(".yaml")
    config.write_text(text)
    given = ("--config-file", config, "--image-file", image, "--output-image-file", out)
    run_dockyard("customize", *given, "--progress", "quiet")


def inside(image: Path, script: str) -> str:
    """What a script says that the kernel runs in the outermost subvolume of a disk."""
    parts = run_dockyard("inspect", image, "--json").json["partitions"]
    (at,) = (each["start"] for each in parts if each["label"] == "root")
    mounted = f"loop,offset={at},sizelimit={1 << 30},subvolid=5"
    # One file system at a time: the kernel knows them by their ids, which a copy has as well.
    begin = f'm=$(mktemp -d); mount -t btrfs -o {mounted} "{image}" $m; cd $m'
    whole = f"{begin}\n{script}\ncd /; umount $m; rmdir $m"
    argv = ["unshare", "--mount", "bash", "-euc", whole]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@covers("storage.filesystems, btrfs subvolumes", file_system="btrfs")
@build
def test_it_is_kept_as_it_is_and_comes_out_as_it_went_in(layers: Path, tmp_path: Path) -> None:
    told = run_dockyard("inspect", layers, "--json").json
    assert "rootflags=subvol=root" in str(told["boot"]["entries"])
    one, two = tmp_path / "one.raw", tmp_path / "two.raw"
    customize("os: {imageHistory: none}\n", layers, one)
    run_dockyard("diff", layers, one, "--times")
    customize("os: {imageHistory: none}\n", one, two)
    assert one.read_bytes() == two.read_bytes()


@covers("storage.filesystems, btrfs subvolumes", file_system="btrfs")
@build
@needs_kernel
def test_what_a_system_did_with_its_subvolumes_is_kept(layers: Path, tmp_path: Path) -> None:
    image, out = tmp_path / "lived.raw", tmp_path / "out.raw"
    shutil.copy(layers, image)
    inside(image, LIVED)
    before = inside(image, TOLD)
    customize(CONFIG, image, out)
    assert inside(out, TOLD) == before
    assert "root/srv/data" in before and "67108864" in before and "31457280" in before
    kept = {"snapshots/home/ops/file": "first", "home/ops/file": "second"}
    kept |= {"root/srv/data/file": "before", "root/srv/data/new": "nested"}
    kept |= {"home/ops/new": "home", "root/etc/hostname": "changed"}
    for path, text in kept.items():
        assert inside(out, f"cat {path}") == f"{text}\n"
    assert inside(out, "ls -A snapshots/home/ops later").count("new") == 0
    inside(out, "btrfs quota rescan -w .; btrfs scrub start -B .")
    assert inside(out, TOLD) == before
