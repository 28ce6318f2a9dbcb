"""Two images from one file: an honest one, and one that lies in many ways. The honest one passes
every check, the other is told every lie, and nothing else.

Each kind of check has a lie that makes it fail; one that is new and has none is told as well.
"""

from __future__ import annotations

import re
import shutil
import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, run_dockyard

pytestmark = pytest.mark.boot

HASH = (
    "$6$somesalt$JX0Uhce8rLRHbaqoSQDYsnTxsqcjCNNcrl79ieTwPGzEhxBEeJcsgDUWIOwc3sDvZN34ZJBWQep7"
    ".lcAuSesy/"
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bob"
IMAGE = f"""\
name: honest
distro: {ROOT}/distros/harbor/distro.yaml
storage:
  bootType: efi
  disks:
    - partitions:
        - {{id: esp, type: esp, label: esp, size: 128M}}
        - {{id: root, type: root, label: root, size: 1G}}
        - {{id: swap, type: swap, label: swap, size: 64M}}
        - {{id: data, label: data, size: 64M}}
        - {{id: spare, label: spare, size: 64M}}
  filesystems:
    - {{deviceId: esp, type: vfat, mountPoint: {{path: /boot/efi, options: umask=0077}}}}
    - {{deviceId: root, type: ext4, mountPoint: /}}
    - {{deviceId: data, type: ext4, mountPoint: {{path: /data, options: "noatime,nodev"}}}}
    - {{deviceId: spare, type: ext4, mountPoint: /spare}}
os:
  bootloader: {{resetType: hard-reset}}
  hostname: honest
  packages: {{install: [harbor-server, kernel, less, jq]}}
  groups:
    - {{name: crew, gid: 2000}}
    - {{name: guests, gid: 2001}}
  users:
    - name: alice
      passwordExpiresDays: 90
      primaryGroup: crew
      homeDirectory: /srv/homes/alice
      password: {{type: hashed, value: {HASH}}}
    - {{name: bob, secondaryGroups: [crew], sshPublicKeys: [{KEY}]}}
    - {{name: carol, uid: 1501, homeDirectory: /srv/homes/carol}}
    - {{name: dave, password: {{type: locked}}}}
  additionalDirs:
    - {{source: site, destination: /srv/site}}
  additionalFiles:
    - {{destination: /etc/site.conf, content: "open"}}
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
    - destination: /etc/systemd/system/tock.service
      content: |
        [Service]
        ExecStart=/bin/sleep infinity
        [Install]
        WantedBy=multi-user.target
    - destination: /etc/systemd/system/page.service
      content: |
        [Service]
        ExecStart=/usr/bin/python3 -m http.server --directory /srv/site 80
        [Install]
        WantedBy=multi-user.target
  services: {{enable: [sshd, tick, tock, page], disable: [fstrim.timer]}}
  modules:
    - {{name: dummy, loadMode: always, options: {{numdummies: "2"}}}}
    - {{name: br_netfilter, loadMode: always}}
    - {{name: loop, loadMode: disable}}
    - {{name: nbd, loadMode: auto}}
  kernelCommandLine: {{extraCommandLine: [console=ttyS0]}}
  uki: {{mode: create}}
checks:
  - {{unit: sshd}}
  - {{unit: tock, timeout: 1}}
  - {{port: 22}}
  - {{port: 80, timeout: 20}}
  - {{url: "http://localhost/link", timeout: 20}}
  - {{command: "ls -d /sys/class/net/dummy* | wc -l", output: "2"}}
  - {{command: "! test -e /etc/ld.so.preload"}}
"""


@dataclass(frozen=True)
class Lie:
    """A change to the image that its file says nothing of, as sh in its tree, and the checks that
    tell it.
    """

    script: str
    told: frozenset[str]


def lie(script: str, *told: str) -> Lie:
    return Lie(script, frozenset(told))


UNITS = "/etc/systemd/system"
LIES = {
    "mount options": lie(
        "sed -i s/noatime,nodev/defaults/ /etc/fstab", "mounts.fstab", "mounts./data.options"
    ),
    "a mount": lie("sed -i '/spare/d' /etc/fstab", "mounts.fstab", "mounts./spare"),
    "swap space": lie("sed -i '/swap/d' /etc/fstab", "mounts.fstab", "swap.*", "disk.partitions"),
    "the partition table": lie("", "disk.table"),
    "the kernel command line": lie("", "kernel.command-line", "files"),
    "a UKI": lie(
        f"""
        printf '[Service]\\nType=oneshot\\nExecStart=umount /sys/firmware/efi/efivars\\n' \\
            >{UNITS}/hide.service
        ln -s ../hide.service {UNITS}/multi-user.target.wants/hide.service""",
        "kernel.uki",
        "names",
    ),
    "the host name": lie("echo liar >/etc/hostname", "hostname", "files"),
    "a password's age": lie(
        "sed -i '/^alice:/s/:90:/:99999:/' /etc/shadow",
        "users.alice.password-expires",
        "accounts.passwords",
    ),
    "a password": lie(
        "sed -i 's/^dave:[^:]*/dave:/' /etc/shadow", "users.dave.password", "accounts.passwords"
    ),
    "a primary group": lie(
        "sed -i '/^alice:/s/:2000:/:100:/' /etc/passwd",
        "users.alice.primary-group",
        "accounts.users",
    ),
    "secondary groups": lie(
        "sed -i '/^crew:/s/bob//' /etc/group", "users.bob.groups", "accounts.groups"
    ),
    "a home directory": lie(
        "sed -i '/^carol:/s|/srv/homes|/home|' /etc/passwd",
        "users.carol.account",
        "accounts.users",
    ),
    "a shell": lie(
        "sed -i '/^dave:/s|:[^:]*$|:/bin/nosuch|' /etc/passwd", "users.dave.shell", "accounts.users"
    ),
    "an account": lie("echo 'toor:x:0:0::/root:/bin/sh' >>/etc/passwd", "accounts.users"),
    "a group": lie(
        "sed -i '/^guests:/s/2001/2002/' /etc/group", "groups.guests", "accounts.groups"
    ),
    "a key": lie(
        "echo ssh-ed25519 AAAA planted >>~bob/.ssh/authorized_keys", "users.bob.ssh-keys", "files"
    ),
    "a package": lie("rpm -e --justdb --nodeps netbase", "packages"),
    "a package's program": lie(
        "printf '#!/bin/sh\\n' >/usr/bin/less; rm /usr/bin/jq",
        "packages.verify",
        "files",
        "names",
    ),
    "a file that was added": lie("echo >>/etc/site.conf", "files./etc/site.conf"),
    "a directory": lie("chmod 777 /srv/site/sub", "files"),
    "a directory that was added": lie("chown 1:1 /srv/site/sub/page", "dirs./srv/site"),
    "a program more": lie("cp /usr/bin/cat /usr/bin/planted; chmod 4755 /usr/bin/planted", "names"),
    "a right more": lie("echo 'ALL ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/planted", "names"),
    "a library before all others": lie(": >/etc/ld.so.preload", "names.preload", "checks[6]"),
    "a unit that starts": lie(
        f"ln -s /usr/lib/systemd/system/fstrim.timer {UNITS}/timers.target.wants",
        "services.fstrim.timer",
        "names",
    ),
    "a unit that runs": lie(
        f"sed -i 's/sleep infinity/true/' {UNITS}/tock.service",
        "services.tock.service.runs",
        "checks[1]",
        f"files.{UNITS}/tock.service",
    ),
    "a unit that is started again and again": lie(
        f"sed -i 's/sleep infinity/false/' {UNITS}/tick.service",
        "services.tick.service.runs",
        "services.restarts",
        f"files.{UNITS}/tick.service",
    ),
    "a port and a page": lie(
        f"sed -i 's/site 80/site 8080/' {UNITS}/page.service",
        "checks[3]",
        "checks[4]",
        f"files.{UNITS}/page.service",
    ),
    "a module's options": lie(
        "sed -i s/numdummies=2/numdummies=1/ /etc/modprobe.d/*",
        "modules.dummy.options",
        "checks[5]",
        "files",
    ),
    "a module that is loaded": lie(
        "sed -i /br_netfilter/d /etc/modules-load.d/*", "modules.br_netfilter.loaded", "files"
    ),
    "a module that is not loaded": lie(
        "sed -i /loop/d /etc/modprobe.d/*", "modules.loop.absent", "files"
    ),
    "a module that can be loaded": lie(
        "echo install nbd /bin/false >/etc/modprobe.d/planted.conf",
        "modules.nbd.loadable",
        "names",
    ),
    "a unit that fails": lie(
        f"""
        printf '[Service]\\nType=oneshot\\nExecStart=false\\n' >{UNITS}/broken.service
        ln -s ../broken.service {UNITS}/multi-user.target.wants/broken.service""",
        "names",
    ),
}
# What the lies are about: no other path or account may be told.
TOUCHED = (
    *("/boot/efi/EFI/Linux/", "/etc/hostname", "/home/bob/.ssh/authorized_keys", "/usr/bin/less"),
    *("/usr/bin/jq", "/srv/site/sub", "/etc/modprobe.d/", "/etc/modules-load.d/", "netbase"),
    *(
        "alice",
        "bob",
        "carol",
        "dave",
        "crew",
        "toor",
        "guests",
        "planted",
        "broken",
        "hide",
        "fstrim",
    ),
)
# Which kind a check is of, by its id.
KINDS = (
    (r"(users)\..*\.([a-z-]+)", r"\1.*.\2"),
    (r"(modules)\..*\.([a-z-]+)", r"\1.*.\2"),
    (r"(services)\..*\.(?:service|timer)((?:\.runs)?)", r"\1.*\2"),
    (r"(mounts)\./[a-z/]*((?:\.options)?)", r"\1.*\2"),
    (r"(files|names)\.\d+", r"\1"),
    (r"(files|dirs)\./.*", r"\1.*"),
    (r"(groups|swap)\..*", r"\1.*"),
    (r"checks\[.*", "checks"),
)


def kind(id: str) -> str:
    for pattern, name in KINDS:
        if found := re.fullmatch(pattern, id):
            return found.expand(name)
    return id


def told_as(id: str) -> str:
    """An id as lies name it: without the number of a part, and without ids of partitions."""
    return kind(id) if id.startswith("swap.") or re.fullmatch(r"(files|names)\.\d+", id) else id


def retable(disk: Path, number: int) -> None:
    """Give the partition table another id, and a partition another label and type, in both copies
    (UEFI 5.3).
    """
    with disk.open("r+b") as file:
        for at in (512, file.seek(0, 2) - 512):
            file.seek(at)
            header = bytearray(file.read(512))
            (table,) = struct.unpack_from("<Q", header, 72)
            count, size = struct.unpack_from("<II", header, 80)
            file.seek(table * 512)
            entries = bytearray(file.read(count * size))
            entry = (number - 1) * size
            entries[entry : entry + 16] = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le
            entries[entry + 56 : entry + 128] = "other".encode("utf-16-le").ljust(72, b"\0")
            file.seek(table * 512)
            file.write(entries)
            header[56:72] = bytes(range(16))
            struct.pack_into("<I", header, 88, zlib.crc32(entries))
            struct.pack_into("<I", header, 16, 0)
            struct.pack_into("<I", header, 16, zlib.crc32(header[:92]))
            file.seek(at)
            file.write(header)


def lying(text: str) -> str:
    lines = "\n".join(each.script for each in LIES.values()).splitlines()
    script = "".join(f"        {line}\n" for line in ["set -e", *lines] if line.strip())
    text = text.replace("console=ttyS0", "console=ttyS0, quiet")
    return f"{text}scripts:\n  finalizeCustomization:\n    - content: |\n{script}"


@pytest.fixture(scope="module")
def place(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where both images are, each in a directory of its own."""
    place = tmp_path_factory.mktemp("lies")
    for name, text in (("honest", IMAGE), ("lying", lying(IMAGE))):
        (place / name / "site/sub").mkdir(parents=True)
        (place / name / "site/sub/page").write_text("page\n")
        (place / name / "site/link").symlink_to("sub/page")
        (place / name / "image.yaml").write_text(text)
        run_dockyard("lock", place / name / "image.yaml", "--progress", "quiet")
        out = place / name / "image.raw"
        words = ("--output-image-file", out, "--progress", "quiet")
        run_dockyard("build", place / name / "image.yaml", *words)
    yield place
    shutil.rmtree(place)


def ask(place: Path, name: str, *words: str) -> Any:
    """What the one image answers to the questions of the honest one's file."""
    image, file = place / name / "image.raw", place / "honest/image.yaml"
    options = ("--check", "--json", "--timeout", "600", *words)
    return run_dockyard("boot", image, "--config-file", file, *options, check=False).json


@pytest.mark.long
def test_an_honest_image_passes(place: Path) -> None:
    honest = ask(place, "honest")
    assert [check for check in honest["checks"] if not check["passed"]] == []
    assert (honest["systemState"], honest["failedUnits"], honest["passed"]) == ("running", [], True)


def test_a_lying_image_is_told_every_lie_and_nothing_else(place: Path) -> None:
    retable(place / "lying/image.raw", 3)
    verdict = ask(place, "lying", "--all")
    failed = {check["id"]: check for check in verdict["checks"] if not check["passed"]}
    told = {told_as(id) for id in failed}
    unnoticed = {name: each.told - told for name, each in LIES.items() if not each.told <= told}
    assert unnoticed == {}
    assert told - {id for each in LIES.values() for id in each.told} == set()
    assert {kind(check["id"]) for check in verdict["checks"]} == {kind(id) for id in told}
    for id, check in failed.items():
        if kind(id) in ("files", "names", "packages", "packages.verify") or "accounts" in id:
            expected, actual = (set(check[key].splitlines()) for key in ("expected", "actual"))
            assert all(any(path in line for path in TOUCHED) for line in expected ^ actual), check
    assert (verdict["systemState"], verdict["passed"]) == ("degraded", False)
    assert [unit["name"] for unit in verdict["failedUnits"]] == ["broken.service"]
