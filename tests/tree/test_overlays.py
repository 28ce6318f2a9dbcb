"""Overlay mounts: lines of fstab, directories, and what a disk cannot have."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockyard.config import parse_image
from dockyard.disk.layout import lay_out
from dockyard.errors import DockyardError
from dockyard.host.in_root import InRoot
from dockyard.pipeline.overlay_problems import overlay_problems
from dockyard.tree.overlays import FSTAB, OverlaySetting
from dockyard.tree.setting import Tree
from dockyard.tree.settings import settings_of


@pytest.fixture
def tree(tmp_path: Path, namespace: None) -> Iterator[Tree]:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "srv/a").mkdir(parents=True)
    (root / "srv/a").chmod(0o2770)
    os.chown(root / "srv/a", 5, 6)
    (root / "srv/a").chmod(0o2770)
    (root / "etc/fstab").write_text("PARTUUID=1 / ext4 defaults 0 1")
    with InRoot(root) as files:
        yield Tree(root, files, 0)


def setting(text: str) -> OverlaySetting:
    (found,) = settings_of(parse_image(f"os: {{overlays: [{text}]}}\n"))
    assert isinstance(found, OverlaySetting)
    return found


PLAIN = "{lowerDirs: [/srv/a, /etc], upperDir: /var/o/u, workDir: /var/o/w, mountPoint: /srv/m}"
EARLY = (
    "{lowerDirs: [/etc], upperDir: /var/o/u, workDir: /var/o/w, mountPoint: /etc, "
    "isInitrdOverlay: true, mountDependencies: [/var], mountOptions: 'noatime,redirect_dir=on'}"
)


def test_a_line_and_the_directories(tree: Tree) -> None:
    setting(PLAIN).apply(tree)
    assert tree.files.read_text(FSTAB).splitlines() == [
        "PARTUUID=1 / ext4 defaults 0 1",
        "overlay /srv/m overlay lowerdir=/srv/a:/etc,upperdir=/var/o/u,workdir=/var/o/w,"
        "x-systemd.requires-mounts-for=/var/o/u 0 0",
    ]
    upper, work = (tree.files.lstat(path) for path in ("/var/o/u", "/var/o/w"))
    assert upper is not None and work is not None and tree.files.lstat("/srv/m")
    assert (stat.S_IMODE(upper.st_mode), upper.st_uid, upper.st_gid) == (0o2770, 5, 6)
    assert (stat.S_IMODE(work.st_mode), work.st_uid) == (0o755, 0)


def test_in_the_initrd_the_root_is_at_sysroot(tree: Tree) -> None:
    early = setting(EARLY)
    early.apply(tree)
    assert tree.files.read_text(FSTAB).splitlines()[-1] == (
        "overlay /etc overlay lowerdir=/sysroot/etc,upperdir=/sysroot/var/o/u,"
        "workdir=/sysroot/var/o/w,x-initrd.mount,x-systemd.requires-mounts-for=/sysroot/var,"
        "x-systemd.requires-mounts-for=/sysroot/var/o/u,noatime,redirect_dir=on 0 0"
    )
    _, mounted = early.checks()
    assert mounted.expect.splitlines() == [
        *("lowerdir=/sysroot/etc", "noatime", "upperdir=/sysroot/var/o/u"),
        "workdir=/sysroot/var/o/w",
    ]


def test_with_selinux_what_is_above_has_the_labels_of_what_is_below(tree: Tree) -> None:
    place = "/etc/selinux/targeted/contexts/files"
    tree.files.make_directories(place)
    tree.files.write("/etc/selinux/config", b"SELINUXTYPE=targeted\n")
    setting(EARLY).apply(tree)
    assert tree.files.read_text(f"{place}/file_contexts.subs") == "/var/o/u /etc\n"


def test_what_is_to_be_shown_must_be_there(tree: Tree) -> None:
    with pytest.raises(DockyardError) as caught:
        setting(PLAIN.replace("/srv/a", "/srv/b")).apply(tree)
    assert [each.code for each in caught.value.problems] == ["tree.no-lower-directory"]
    assert tree.files.read_text(FSTAB).count("\n") == 0


DISK = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: root, size: 1G}
        - {id: var, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
    - {deviceId: var, type: ext4, mountPoint: {path: /var, options: "OPTIONS"}}
os:
  bootloader: {resetType: hard-reset}
  overlays:
"""


def codes(*overlays: str, options: str = "noatime") -> list[str]:
    lines = "".join(f"    - {each}\n" for each in overlays)
    loaded = parse_image(DISK.replace("OPTIONS", options) + lines)
    laid = lay_out(loaded.image.storage, b"seed")
    return [problem.code for problem in overlay_problems(loaded, laid)]


def test_what_a_disk_cannot_have_is_told_together() -> None:
    assert codes(PLAIN) == []
    apart = PLAIN.replace("workDir: /var/o/w", "workDir: /variable/w")
    apart = apart.replace("/srv/m", "/srv/n").replace("/var/o/u", "/var/o/v")
    assert codes(EARLY, apart) == ["build.overlay-too-early", "build.overlay-two-file-systems"]
    assert codes(EARLY, options="noatime,x-initrd.mount") == []
    assert codes(EARLY.replace("/var", "/srv")) == []


def test_broken_rules_are_told_together() -> None:
    broken = (
        "{lowerDirs: [etc, '/a b'], upperDir: /u, workDir: /u/w, mountPoint: '/a:b', "
        "mountOptions: 'a b'}"
    )
    with pytest.raises(DockyardError) as caught:
        parse_image(f"os: {{overlays: [{broken}, {broken}]}}\n")
    codes = [problem.code for problem in caught.value.problems]
    assert codes.count("config.overlay-nested") == 2 and codes.count("config.duplicate") == 3
    assert len(codes) >= 13
