"""A root that is only read needs a /var that is not, and host keys that lie there."""

from __future__ import annotations

import pytest

from dockyard.config import parse_image
from dockyard.disk.layout import lay_out
from dockyard.pipeline.read_only import read_only_problems

IMAGE = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {{id: esp, type: esp, size: 64M}}
        - {{id: root, type: root, size: 1G}}
        - {{id: var, size: 1G}}
  filesystems:
    - {{deviceId: esp, type: vfat, mountPoint: /boot/efi}}
    - {{deviceId: root, type: {root}, mountPoint: {{path: /, options: "{options}"}}}}
    - {{deviceId: var, type: ext4, mountPoint: {{path: {var}, options: "{var_options}"}}}}
os:
  bootloader: {{resetType: hard-reset}}
  additionalFiles: {files}
"""
HOST_KEY = "[{destination: /etc/ssh/sshd_config.d/key.conf, content: HostKey /var/lib/ssh/key}]"


def codes(
    root: str = "erofs",
    options: str = "",
    var: str = "/var",
    var_options: str = "",
    files: str = "[]",
    packages: tuple[str, ...] = (),
) -> list[str]:
    loaded = parse_image(
        IMAGE.format(root=root, options=options, var=var, var_options=var_options, files=files)
    )
    layout = lay_out(loaded.image.storage, b"seed")
    return [found.code for found in read_only_problems(loaded, layout, packages)]


@pytest.mark.parametrize(("root", "options"), [("erofs", ""), ("ext4", "noatime,ro")])
def test_a_root_that_is_only_read_needs_var(root: str, options: str) -> None:
    assert codes(root, options) == []
    assert codes(root, options, var="/srv") == ["build.read-only-var"]
    assert codes(root, options, var_options="ro") == ["build.read-only-var"]


def test_another_root_needs_nothing() -> None:
    assert codes("ext4", var="/srv", packages=("openssh-server",)) == []


def test_host_keys_need_a_place() -> None:
    server = ("openssh-server",)
    assert codes(packages=server) == ["build.read-only-ssh"]
    assert codes(packages=server, files=HOST_KEY) == []
    assert codes(packages=server, var="/srv") == ["build.read-only-var", "build.read-only-ssh"]
