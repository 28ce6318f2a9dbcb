"""What settings name and Debian packages lack, told before these are installed."""

from __future__ import annotations

from pathlib import Path

from debian_archive import Member, deb
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin, Request
from dockyard.packages.access import Access
from dockyard.pipeline.named import unknown_names

REPAIR = ("sbin/fsck", "sbin/fsck.ext4")
CORE = ("usr/lib/systemd/systemd", "usr/bin/udevadm", "usr/bin/mount")


def lacking(store: Path, *files: str) -> dict[str, str]:
    """The code and the advice of each problem of an image with these files and an ext4 root."""
    known = Access.of_store(store)
    members = [Member(f"./{name}", b"a") for name in files]
    control = {"Package": "a", "Version": str(len(files)), "Architecture": "amd64"}
    digest = known.blobs.add_bytes(deb(control, members))
    pin = Pin("a", "1", "amd64", "debian:a:main", "pool/a.deb", PackageKind.DEB, 1, digest)
    rule = LockedRepository("debian:a:main", PackageKind.DEB)
    lock = Lock("web", Request(("a",)), (rule,), (pin,))
    return {each.code: each.fix for each in unknown_names((), lock, [], known, None, ("ext4",))}


def test_an_image_without_a_kernel_is_told_what_debian_calls_one(tmp_path: Path) -> None:
    found = lacking(tmp_path, *CORE, *REPAIR)
    assert list(found) == ["initrd.no-kernel"]
    assert found["initrd.no-kernel"].endswith("linux-image-amd64 or linux-image-cloud-amd64")


def test_an_image_without_what_repairs_its_root_is_told(tmp_path: Path) -> None:
    assert list(lacking(tmp_path, *CORE, "boot/vmlinuz-6.1")) == ["build.file-system-needs"]
    assert lacking(tmp_path, *CORE, "boot/vmlinuz-6.1", *REPAIR) == {}
