"""A file system is mounted from another device: its line of fstab changes, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.host.in_root import InRoot
from dockyard.tree.fstab_device import FstabDeviceSetting
from dockyard.tree.setting import Tree

BEFORE = """\
# /dev/vda2 / ext4 rw 0 1
UUID=a\t/\text4\tdefaults,noatime,x-systemd.growfs\t0\t1
UUID=b /usr/local ext4 rw 0 2
"""


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("/", ("UUID=a\t/\text4\tdefaults,noatime,x-systemd.growfs\t0\t1",
               "/dev/mapper/root / ext4 ro,noatime 0 0")),
        ("/usr", ("", "")),
    ],
)  # fmt: skip
def test_the_line_of_a_path_changes(path: str, after: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text(BEFORE)
    name = "root" if path == "/" else "usr"
    with InRoot(tmp_path) as files:
        setting = FstabDeviceSetting(path, f"/dev/mapper/{name}", "erofs")
        setting.apply(Tree(tmp_path, files, 0))
    text = (tmp_path / "etc/fstab").read_text()
    if path == "/":
        assert text == BEFORE.replace(*after)
    else:
        assert text == f"{BEFORE}/dev/mapper/usr /usr erofs ro 0 0\n"
