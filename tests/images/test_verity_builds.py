"""Checked roots in new images, of builds and of `create`: held against their hash trees by
veritysetup, the same bytes again, and booted.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import EXAMPLES, run_dockyard
from test_customize_verity import require_hash
from test_verity_boots import image_file

from features import covers

SERVER = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, label: esp, size: 128M}
        - {id: root, type: root, label: root, size: 2G}
        - {id: roothash, type: root-verity, label: roothash, size: 32M}
        - {id: var, type: var, label: var, size: 1G}
  verity:
    - {id: checked, name: root, dataDeviceId: root, hashDeviceId: roothash}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: {path: /boot/efi, options: umask=0077}}
    - {deviceId: checked, type: erofs, mountPoint: {path: /, options: ro}}
    - {deviceId: var, type: ext4, mountPoint: /var}
"""
PACKAGES = "[harbor-server, kernel, systemd-cryptsetup, cryptsetup-bin, dmsetup]"


@covers("storage.verity, root")
@pytest.mark.build
@pytest.mark.parametrize(
    ("layout", "parameter"),
    [("root", "roothash"), pytest.param("usr-inline", "usrhash", marks=pytest.mark.long)],
)
def test_checked_data_are_built_the_same_again_and_hold_against_their_tree(
    layout: str, parameter: str, published: Path, tmp_path: Path
) -> None:
    image, log = image_file(tmp_path, layout), tmp_path / "log"
    out = image.with_suffix(".img")
    words = ("--verify", "--verbose", "--log-file", log, "--progress", "quiet")
    run_dockyard("build", image, "--output-image-file", out, *words)
    assert "veritysetup verify" in log.read_text()
    require_hash(out, parameter, tmp_path / "data")


@pytest.fixture
def created(published: Path, tmp_path: Path) -> Path:
    """A server with a checked root, made of RPMs alone."""
    text = (EXAMPLES / "create/config.yaml").read_text()
    _, _, rest = text.partition("os:\n")
    config, out = tmp_path / "config.yaml", tmp_path / "created.raw"
    user = "- name: ops\n      password: {type: plain-text, value: tell nobody}\n"
    rest = rest.replace("[harbor-core, kernel, e2fsprogs]", PACKAGES)
    config.write_text(f"{SERVER}os:\n" + rest.replace("- name: ops\n", user))
    given = ("--config-file", config, "--rpm-source", published / "repositories/harbor")
    run_dockyard("create", *given, "--output-image-file", out, "--progress", "quiet")
    return out


@pytest.mark.build
def test_a_created_image_has_a_checked_root(created: Path, tmp_path: Path) -> None:
    require_hash(created, "roothash", tmp_path / "data")


@pytest.mark.boot
@pytest.mark.long
def test_a_created_server_boots_from_its_checked_root(created: Path, published: Path) -> None:
    given = ("--config-file", created.with_name("config.yaml"))
    rpms = ("--rpm-source", published / "repositories/harbor")
    told = run_dockyard("boot", created, *given, *rpms, "--check", "--timeout", "600", "--json",
                        check=False).json  # fmt: skip
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert {"verity.root", "users.ops.password"} <= {check["id"] for check in told["checks"]}
    assert told["passed"]
