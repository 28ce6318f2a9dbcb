"""Images of Debian packages: the same bytes twice, what their dpkg says, what mmdebstrap makes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import pytest
from command_line import EXAMPLES, fresh_store, result_of, run_dockyard

from dockyard import archive
from dockyard.archive import Entry, Kind
from dockyard.host import mounts
from dockyard.host.files import make_root
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import run_in_tree
from dockyard.packages import lockfile
from dockyard.packages.origins import Origins
from features import Way, covers

EXAMPLE = EXAMPLES / "debian-server"
SUITES = {"debian-12": "bookworm", "debian-13": "trixie"}
# Essential packages, and two that others must find at work.
SMALL = """\
distro: distro
os:
  hostname: small
  packages:
    install: [init-system-helpers, openssh-server]
    withoutSuites: [{suite}-security]
  users:
    - {name: admin, uid: 1000}
"""


def small_image(place: Path, distro: str = "debian-13") -> Path:
    """An image file of few packages, with a distribution of its own."""
    shutil.copytree(EXAMPLES.parent / "distros" / distro, place / "distro")
    with (place / "distro/distro.yaml").open("a") as declared:
        declared.write("  base: essential\n")
    image = place / "image.yaml"
    image.write_text(SMALL.replace("{suite}", SUITES[distro]))
    return image


@contextmanager
def copied(tree: Path, place: Path) -> Iterator[Path]:
    """A tree that programs may write to, over one that nobody may. Inside the namespace."""
    upper, scratch, at = (place / name for name in ("upper", "scratch", "at"))
    make_root(upper)
    for directory in (scratch, at):
        directory.mkdir()
    with mounts.overlay([tree], upper, scratch, at):
        yield at
    for directory in (upper, scratch):
        remove_tree(directory)


@pytest.mark.build
@pytest.mark.parametrize("distro", ["debian-13", pytest.param("debian-12", marks=pytest.mark.long)])
def test_a_root_is_the_same_bytes_twice_and_has_nothing_of_the_build(
    published: Path, tmp_path: Path, distro: str
) -> None:
    made: list[Path] = []
    for name in ("one", "two"):
        store = fresh_store(published, tmp_path, name)
        image = small_image(tmp_path / f"place-{name}", distro)
        if made:
            shutil.copy(tmp_path / "place-one/image.lock", image.with_suffix(".lock"))
        else:
            run_dockyard("lock", image, "--store", store)
        out = tmp_path / f"{name}.tar"
        words = ("--output-image-format", "tar", "--output-image-file", out, "--store", store)
        run_dockyard("build", image, *words)
        made.append(out)
    assert made[0].read_bytes() == made[1].read_bytes()
    pins = lockfile.load(tmp_path / "place-one/image.lock").packages
    with tarfile.open(made[0]) as root:
        names = {name.removeprefix("./") for name in root.getnames()}
        status = root.extractfile("var/lib/dpkg/status")
        assert status is not None
        text = status.read().decode()
        passwd = root.extractfile("etc/passwd")
        assert passwd is not None
        users = [line.partition(":")[0] for line in passwd.read().decode().splitlines()]
    assert text.count("\nStatus: install ok installed\n") == len(pins)
    assert text.count("\nStatus: ") == len(pins)
    # Users by scripts of packages, and by settings.
    assert {"sshd", "admin"} <= set(users)
    assert "etc/hosts" in names and "etc/ssh/sshd_config" in names
    assert not [name for name in names if name.startswith("etc/ssh/ssh_host_")]
    left = ("usr/sbin/policy-rc.d", "var/log/dpkg.log", "var/lib/dpkg/lock", "run/packages")
    assert not names.intersection(left)
    assert not [
        name for name in names if name.startswith(("var/", "etc/")) and name.endswith("-old")
    ]


@pytest.mark.build
@pytest.mark.long
def test_an_image_is_the_same_bytes_twice(published: Path, tmp_path: Path) -> None:
    made: list[Path] = []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.raw"
        store = fresh_store(published, tmp_path, name)
        image = EXAMPLE / "image.yaml"
        run_dockyard("build", image, "--output-image-file", out, "--store", store)
        made.append(out)
    assert made[0].read_bytes() == made[1].read_bytes()


@pytest.mark.build
def test_dpkg_finds_the_packages_of_the_lock_as_they_were_made(
    published: Path, tmp_path: Path, namespace: None
) -> None:
    image = EXAMPLE / "image.yaml"
    run_dockyard("build", image, "--output-image-file", tmp_path / "a.raw")
    packages, manifest = (result_of(published, image, step) for step in ("packages", "manifest"))
    script = "dpkg-query -W -f '${Package}_${Version}_${Architecture} ${Status}\\n'"
    with copied(packages / "tree", tmp_path) as tree:
        listed = run_in_tree(tree, ["sh", "-c", script]).text.splitlines()
        audited = run_in_tree(tree, ["dpkg", "--audit"]).text
        verified = run_in_tree(tree, ["dpkg", "--verify"], check=False).text
    pins = lockfile.load(EXAMPLE / "image.lock").packages
    assert sorted(listed) == sorted(f"{pin.nevra} install ok installed" for pin in pins)
    assert audited == ""
    assert verified == ""
    lines = map(json.loads, (manifest / "manifest.jsonl").read_text().splitlines())
    owners = {line["path"]: line.get("package", "") for line in lines}
    assert owners["/usr/bin/dpkg"].startswith("dpkg_")
    assert owners["/usr/sbin/sshd"].startswith("openssh-server_")
    assert sum(bool(owner) for owner in owners.values()) > 0.9 * len(owners)


EFI = """\
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, label: esp, size: 128M}
        - {id: root, type: root, label: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: {path: /boot/efi, options: umask=0077}}
    - {deviceId: root, type: ext4, mountPoint: /}
"""
BIOS = """\
  bootType: legacy
  disks:
    - partitions:
        - {id: bios, type: bios-grub, size: 1M}
        - {id: root, type: root, label: root, size: 1G}
  filesystems:
    - {deviceId: root, type: ext4, mountPoint: /}
"""
VERITY = """\
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, label: esp, size: 128M}
        - {id: root, type: root, label: root, size: 1G}
        - {id: hash, type: root-verity, label: roothash, size: 64M}
        - {id: var, type: var, label: var, size: 512M}
  verity:
    - {id: verityroot, name: root, dataDeviceId: root, hashDeviceId: hash}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: {path: /boot/efi, options: umask=0077}}
    - {deviceId: verityroot, type: ext4, mountPoint: {path: /, options: ro}}
    - {deviceId: var, type: ext4, mountPoint: /var}
"""
PACKAGES = "dbus, e2fsprogs, linux-image-cloud-amd64, systemd, systemd-sysv, udev"
UKI = "  uki: {mode: create}\n"


@pytest.mark.boot
@pytest.mark.long
@pytest.mark.parametrize(
    ("storage", "packages", "more"),
    [
        pytest.param(BIOS, "", "", id="bios", marks=covers(distribution="Debian 13", way=Way.BIOS)),
        pytest.param(
            VERITY,
            ", cryptsetup-bin, dmsetup, systemd-boot-efi, systemd-cryptsetup",
            UKI,
            id="verity",
            marks=covers(distribution="Debian 13"),
        ),
        pytest.param(
            EFI,
            ", dracut, systemd-boot-efi",
            f"{UKI}  initrd: {{builder: dracut}}\n",
            id="dracut",
            marks=covers(distribution="Debian 13"),
        ),
    ],
)
def test_an_image_boots_in_other_ways(
    storage: str, packages: str, more: str, published: Path, tmp_path: Path
) -> None:
    image = tmp_path / "image.yaml"
    image.write_text(
        f"distro: debian-13\nstorage:\n{storage}os:\n  hostname: other\n"
        "  bootloader: {resetType: hard-reset}\n"
        f"  packages: {{install: [{PACKAGES}{packages}], withoutSuites: [trixie-security]}}\n{more}"
    )
    run_dockyard("lock", image)
    run_dockyard("build", image, "--output-image-file", tmp_path / "image.raw")
    verdict = run_dockyard("boot", image, "--check", "--json", check=False).json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])
    # No kernel's package made an initrd: images get one of ours, or one that was asked for.
    manifest = result_of(published, image, "manifest")
    assert '"/boot/initrd.img' not in (manifest / "manifest.jsonl").read_text()


# What mmdebstrap leaves out, by what it is for.
ONLY_OURS = {
    "etc/.updated": "the first boot has nothing to make up for",
    "var/.updated": "the same",
    "etc/hosts": "the names of the machine itself",
    "etc/systemd/system/sshd-keygen.service.d": "host keys at the first boot",
    "etc/systemd/system/sshd-keygen.service.d/image.conf": "the same",
    "var/lib/dpkg/available": "dpkg's own, which apt does not need",
}
# What it has, and an image does not: patterns.
ONLY_THEIRS = {
    r"boot/initrd\.img-.*": "images get an initrd of ours",
    r"initrd\.img(\.old)?": "links to it",
    r"dev/.*": "made at boot",
    r"run/.*": "the same",
    r"etc/ssh/ssh_host_.*": "secrets of nobody: made at the first boot",
    r"etc/(group|gshadow|passwd|shadow)-": "states before the last",
    r"var/(lib/dpkg|cache/debconf)/[^/]*-old": "the same",
    r"etc/\.pwd\.lock|var/lib/dpkg/(lock|lock-frontend|triggers/Lock)": "locks that nobody holds",
    r"var/(cache/apt/archives|lib/apt/lists)/lock": "the same",
    r"etc/(hostname|fstab|\.resolv\.conf\.systemd-resolved\.bak)": "for the image file to set",
    r"etc/apt/(sources\.list|apt\.conf\.d/99mmdebstrap)": "the same",
    r"var/lib/dpkg/arch": "written by mmdebstrap, not by dpkg",
}
# What both have, and is not the same.
DIFFERENT = {
    r"etc/(group|gshadow|passwd|shadow)": "numbers of users that packages make in another order",
    r"usr/lib/dbus-1\.0/dbus-daemon-launch-helper": "the same",
    r"var/(lib/systemd/network|log/journal)": "the same",
    r"var/lib/dpkg/triggers/File": "written in the order of packages",
    r"var/(cache/apt/archives|lib/apt/lists)/partial": "given to _apt when apt runs",
    r"etc/machine-id": "not to be written to",
}


@pytest.mark.build
@pytest.mark.long
@pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="needs mmdebstrap")
def test_mmdebstrap_makes_the_same_of_the_same_packages(published: Path, tmp_path: Path) -> None:
    image = EXAMPLE / "image.yaml"
    run_dockyard("build", image, "--output-image-file", tmp_path / "a.raw")
    place = result_of(published, image, "packages")
    ours = {
        os.fsdecode(entry.path): entry
        for entry in archive.load(place / "index", [place / "tree"])
        if entry.path
    }
    theirs = made_by_mmdebstrap(tmp_path)
    assert ours.keys() - theirs.keys() == ONLY_OURS.keys()
    more = {path for path in theirs.keys() - ours.keys() if not fits(path, ONLY_THEIRS)}
    assert more == set()
    different = {
        path: (entry, theirs[path])
        for path, entry in ours.items()
        if path in theirs and entry_of(entry) != theirs[path] and not fits(path, DIFFERENT)
    }
    assert different == {}
    assert len(ours.keys() & theirs.keys()) > 5000


def fits(path: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, path) for pattern in patterns)


def entry_of(entry: Entry) -> tuple[object, ...]:
    """What is compared of an entry: owner, mode, content or target."""
    if entry.kind is Kind.SYMLINK:
        return (entry.uid, entry.gid, os.fsdecode(entry.target))
    return (entry.uid, entry.gid, entry.mode, entry.digest or "")


def made_by_mmdebstrap(place: Path) -> dict[str, tuple[object, ...]]:
    """What mmdebstrap makes of the packages of the example's lock, as `entry_of` has it."""
    lock = lockfile.load(EXAMPLE / "image.lock")
    include = ",".join(f"{pin.name}={pin.evr}" for pin in lock.packages)
    keys = resources.files("dockyard") / "data/debian-archive"
    mirror = Origins.of_host(os.environ).need_mirrors()[0]
    command = ["mmdebstrap", "--variant=custom", f"--include={include}", f"--keyring={keys}"]
    command += ['--aptopt=APT::Install-Recommends "false"', "trixie", str(place / "root.tar")]
    command += [f"deb {mirror} {suite} main" for suite in ("trixie", "trixie-updates")]
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(lock.newest_revision)}
    subprocess.run(command, check=True, env=env, capture_output=True)
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(place / "root.tar", errors="surrogateescape") as root:
        for member in root:
            path = member.name.removeprefix("./").rstrip("/")
            if member.issym():
                found[path] = (member.uid, member.gid, member.linkname)
            elif path not in ("", "."):
                file = root.extractfile(member) if member.isreg() or member.islnk() else None
                digest = hashlib.sha256(file.read()).hexdigest() if file else ""
                found[path] = (member.uid, member.gid, member.mode, digest)
    return found
