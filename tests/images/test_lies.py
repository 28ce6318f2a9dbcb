"""One image that lies in many ways, booted once: each lie is told, and nothing else."""

from __future__ import annotations

import struct
import uuid
import zlib
from pathlib import Path

import pytest
from command_line import ROOT, run_dockyard

HASH = (
    "$6$somesalt$JX0Uhce8rLRHbaqoSQDYsnTxsqcjCNNcrl79ieTwPGzEhxBEeJcsgDUWIOwc3sDvZN34ZJBWQep7"
    ".lcAuSesy/"
)
IMAGE = f"""\
name: honest
distro: {ROOT}/distros/harbor/distro.yaml
storage:
  bootType: efi
  disks:
    - partitions:
        - {{id: esp, type: esp, label: esp, size: 128M}}
        - {{id: root, type: root, label: root, size: 1G}}
        - {{id: data, label: data, size: 64M}}
  filesystems:
    - {{deviceId: esp, type: vfat, mountPoint: {{path: /boot/efi, options: umask=0077}}}}
    - {{deviceId: root, type: ext4, mountPoint: /}}
    - {{deviceId: data, type: ext4, mountPoint: {{path: /data, options: "noatime,nodev"}}}}
os:
  bootloader: {{resetType: hard-reset}}
  hostname: honest
  packages: {{install: [harbor-server, kernel, less, jq]}}
  groups:
    - {{name: crew, gid: 2000}}
  users:
    - name: alice
      passwordExpiresDays: 90
      primaryGroup: crew
      homeDirectory: /srv/homes/alice
      password: {{type: hashed, value: {HASH}}}
  additionalDirs:
    - {{source: site, destination: /srv/site}}
  additionalFiles:
    - destination: /etc/systemd/system/tick.service
      content: |
        [Unit]
        StartLimitIntervalSec=0
        [Service]
        ExecStart=/bin/sleep infinity
        Restart=always
        RestartSec=1
        [Install]
        WantedBy=multi-user.target
  services: {{enable: [sshd, tick]}}
  modules:
    - {{name: dummy, loadMode: always, options: {{numdummies: "2"}}}}
    - {{name: loop, loadMode: disable}}
  kernelCommandLine: {{extraCommandLine: ["console=ttyS0"]}}
  uki: {{mode: create}}
checks:
  - {{unit: sshd}}
  - {{port: 22}}
  - {{command: "ls -d /sys/class/net/dummy* | wc -l", output: "2"}}
  - {{name: there is a shop, port: 8443, timeout: 1}}
"""
LIES = """
scripts:
  finalizeCustomization:
    - content: |
        set -e
        sed -i 's/noatime,nodev/defaults/' /etc/fstab
        sed -i '/^alice:/s/:90:/:99999:/' /etc/shadow
        sed -i '/^alice:/s/:2000:/:100:/' /etc/passwd
        echo 'toor:x:0:0::/root:/bin/sh' >>/etc/passwd
        chmod 777 /srv/site/sub
        chown 1:1 /srv/site/sub/page
        printf '#!/bin/sh\\n' >/usr/bin/less
        rm /usr/bin/jq
        sed -i 's/sleep infinity/false/' /etc/systemd/system/tick.service
        cp /usr/bin/cat /usr/bin/planted
        chmod 4755 /usr/bin/planted
        echo 'ALL ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/planted
        ln -s /usr/lib/systemd/system/rescue.service /etc/systemd/system/planted.service
        : >/etc/ld.so.preload
"""
TOLD = {
    "accounts.users", "accounts.passwords", "checks[3]", "dirs./srv/site", "disk.partitions",
    "files", "files./etc/systemd/system/tick.service", "mounts./data.options", "mounts.fstab",
    "names", "names.preload", "packages.verify", "services.restarts", "services.tick.service.runs",
    "users.alice.password-expires", "users.alice.primary-group",
}  # fmt: skip
TOUCHED = ("/srv/site/sub", "/usr/bin/less", "/usr/bin/jq", "alice", "toor", "planted", "preload")


def relabel(disk: Path, number: int) -> None:
    """Give a partition another label and type, in both copies of the table (UEFI 5.3)."""
    with disk.open("r+b") as file:
        for at in (512, file.seek(0, 2) - 512):
            file.seek(at)
            header = bytearray(file.read(512))
            (table,) = struct.unpack_from("<Q", header, 72)
            count, size = struct.unpack_from("<II", header, 80)
            file.seek(table * 512)
            entries = bytearray(file.read(count * size))
            entry = (number - 1) * size
            entries[entry : entry + 16] = uuid.UUID("ca7d7ccb-63ed-4c53-861c-1742536059cc").bytes_le
            entries[entry + 56 : entry + 128] = "other".encode("utf-16-le").ljust(72, b"\0")
            file.seek(table * 512)
            file.write(entries)
            struct.pack_into("<I", header, 88, zlib.crc32(entries))
            struct.pack_into("<I", header, 16, 0)
            struct.pack_into("<I", header, 16, zlib.crc32(header[:92]))
            file.seek(at)
            file.write(header)


@pytest.mark.boot
def test_an_image_that_lies_is_told_every_lie_and_nothing_else(
    published: Path, tmp_path: Path
) -> None:
    for name, text in (("honest", IMAGE), ("lying", IMAGE + LIES)):
        place = tmp_path / name
        (place / "site/sub").mkdir(parents=True)
        (place / "site/sub/page").write_text("page\n")
        (place / "site/link").symlink_to("sub/page")
        (place / "honest.yaml").write_text(text)
        run_dockyard("lock", place / "honest.yaml", "--progress", "quiet")
        out = ["--output-image-file", str(tmp_path / f"{name}.raw"), "--progress", "quiet"]
        run_dockyard("build", place / "honest.yaml", *out)
    lying = tmp_path / "lying.raw"
    relabel(lying, 3)
    words = ["--check", "--all", "--json", "--config-file", str(tmp_path / "honest/honest.yaml")]
    verdict = run_dockyard("boot", lying, *words, "--timeout", "600", check=False).json
    failed = {check["id"]: check for check in verdict["checks"] if not check["passed"]}
    assert {id if not id.startswith("files.") or "/" in id else "files" for id in failed} == TOLD
    for id, check in failed.items():
        if id.partition(".")[0] in ("files", "accounts", "packages", "dirs") and "/etc/" not in id:
            expected, actual = (set(check[key].splitlines()) for key in ("expected", "actual"))
            assert all(any(path in line for path in TOUCHED) for line in expected ^ actual), check
    assert len(failed) < len(verdict["checks"]) / 2
    assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])
