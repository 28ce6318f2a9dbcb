"""A root that is only read needs a /var that is not, and host keys that lie there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.config import parse_image
from dockyard.disk.layout import lay_out
from dockyard.pipeline.read_only import HOST_KEYS, read_only_problems
from dockyard.tree.additional import added_paths
from dockyard.tree.settings import settings_of

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
  users: {users}
  overlays: {overlays}
  additionalDirs: {directories}
scripts: {{postCustomization: {scripts}}}
"""
HOST_KEY = "[{destination: /etc/ssh/sshd_config.d/key.conf, content: HostKey /var/lib/ssh/key}]"


def codes(
    root: str = "erofs",
    options: str = "",
    var: str = "/var",
    var_options: str = "",
    files: str = "[]",
    packages: tuple[str, ...] = (),
    directories: str = "[]",
    scripts: str = "[]",
    users: str = "[]",
    overlays: str = "[]",
    host_keys_of: tuple[str, ...] = (),
) -> list[str]:
    text = IMAGE.format(
        root=root,
        options=options,
        var=var,
        var_options=var_options,
        files=files,
        directories=directories,
        scripts=scripts,
        users=users,
        overlays=overlays,
    )
    loaded = parse_image(text)
    layout = lay_out(loaded.image.storage, b"seed")
    added = added_paths(settings_of(loaded))
    capabilities = {HOST_KEYS: host_keys_of}
    problems = read_only_problems(loaded, layout, packages, added, capabilities.__getitem__)
    return [found.code for found in problems]


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
    assert codes(packages=server, host_keys_of=server) == []
    assert codes(packages=server, scripts="[{content: make-a-key}]") == []
    assert codes(packages=server, var="/srv") == ["build.read-only-var", "build.read-only-ssh"]


def test_a_copied_directory_counts_by_what_is_in_it(tmp_path: Path) -> None:
    directories = f"[{{source: {tmp_path}, destination: /etc}}]"
    (tmp_path / "ssh").mkdir()
    server = ("openssh-server",)
    assert codes(packages=server, directories=directories) == ["build.read-only-ssh"]
    (tmp_path / "ssh/sshd_config").write_text("HostKey /var/lib/ssh/key")
    assert codes(packages=server, directories=directories) == []


def test_what_an_overlay_is_mounted_over_can_be_written() -> None:
    over = "[{{mountPoint: {0}, lowerDirs: [{0}], upperDir: /srv/u, workDir: /srv/w}}]"
    server = ("openssh-server", "auditd")
    assert codes(var="/srv", overlays=over.format("/var")) == []
    assert codes(packages=server, overlays=over.format("/etc")) == []


@pytest.mark.parametrize(("days", "found"), [(90, ["build.read-only-age"]), (-1, [])])
def test_passwords_cannot_age_where_no_day_can_be_written(days: int, found: list[str]) -> None:
    users = f"[{{name: anna, passwordExpiresDays: {days}}}]"
    assert codes(users=users) == found
    assert codes("ext4", users=users) == []


def test_what_writes_to_etc_at_boot_is_refused() -> None:
    assert codes(packages=("cloud-init",)) == ["build.read-only-etc"]
    assert codes(packages=("auditd", "cloud-init")) == ["build.read-only-etc"] * 2
    assert codes("ext4", packages=("auditd", "cloud-init")) == []
