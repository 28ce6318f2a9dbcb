"""Run on its own: lets the kernel fill images as others do, and says what it shows of them.

Reads lines of JSON, each a task (see `Task`), and answers each with one line: the pickled entries
that the kernel shows, in base64, or `!` and an error. Needs root and loop devices, which the
product never uses.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pickle
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dockyard.archive import scan
from nasty_archive import ACL, CAPABILITY, LABEL

_CLONE = 0x40049409
_XFS_GO_DOWN = 0x8004587D
_WITHOUT_FLUSH = 2
_BTRFS_SUBVOLUME, _BTRFS_SNAPSHOT = 0x50009418, 0x50009417
_BTRFS_DEFAULT, _BTRFS_LOOKUP = 0x40089413, 0xD0009412
_BTRFS_QUOTA, _BTRFS_GROUP = 0xC0109428, 0x4010942A
_NAMES = 60
# What a file system keeps for itself, or ACLs a second time.
_UNSEEN = [b"trusted.xfs:autofsck", b"trusted.SGI_ACL_FILE", b"trusted.SGI_ACL_DEFAULT"]


@dataclass(frozen=True)
class Task:
    """kind, image, options: what to mount, and how. work: the function that fills it. seed: of its
    choices. crash: leave the image as a crash would, as `image` with `.crashed`. below: what of it
    is shown.
    """

    kind: str
    image: str
    work: str
    options: str = "loop"
    seed: int = 0
    crash: bool = False
    below: str = ""


@contextlib.contextmanager
def mounted(kind: str, image: str, options: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as at:
        subprocess.run(["mount", "-t", kind, "-o", options, image, at], check=True)
        try:
            yield Path(at)
        finally:
            subprocess.run(["umount", at], check=True)


def forms(at: Path, chance: random.Random) -> None:
    """Every form in which a file system keeps directories, attributes, links and data."""
    for count, length in ((3, 5), (30, 40), (300, 60), (3000, 90), (9000, 20)):
        names = at / f"names-{count}"
        names.mkdir()
        for index in range(count):
            (names / f"{index:0{length}}").touch()
        for index in range(0, count, 3):
            (names / f"{index:0{length}}").unlink()
    _attributes(at / "attributes")
    _data(at / "data", chance)
    links = at / "links"
    links.mkdir()
    for length in (1, 59, 150, 330, 400, 700, 1000, 1023):
        (links / f"{length}").symlink_to("t" * length)
    os.mknod(links / "null", 0o20666, os.makedev(1, 3))
    os.mknod(links / "far", 0o60660, os.makedev(259, 70000))
    os.mkfifo(links / "fifo", 0o600)
    (links / "first").write_text("linked")
    os.link(links / "first", at / "second")
    os.chown(links / "first", 70000, 4294967294)
    for name, seconds in (("before", -100), ("1970", 0), ("2040", 2_208_988_800)):
        (links / name).touch()
        os.utime(links / name, ns=(0, seconds * 10**9 + 123_456_789))


def _attributes(at: Path) -> None:
    at.mkdir()
    for count, size in ((1, 10), (12, 30), (100, 200), (700, 90), (3, 3000), (2, 16000)):
        path = at / f"{count}-{size}"
        path.touch()
        for index in range(count):
            value = bytes([index & 0xFF]) * size
            with contextlib.suppress(OSError):  # Btrfs keeps each in a block
                os.setxattr(path, f"user.{index:05}", value)
    for index in range(0, 700, 2):
        os.removexattr(at / "700-90", f"user.{index:05}")
    path = at / "spaces"
    path.mkdir()
    os.setxattr(path, "trusted.md5", b"x")
    os.setxattr(path, "user.empty", b"")
    os.setxattr(path, "security.selinux", LABEL)
    os.setxattr(path, "system.posix_acl_access", ACL)
    os.setxattr(path, "system.posix_acl_default", ACL)
    (at / "capable").touch()
    os.setxattr(at / "capable", "security.capability", CAPABILITY)
    (at / "link").symlink_to("capable")
    os.setxattr(at / "link", "security.selinux", LABEL, follow_symlinks=False)


def _data(at: Path, chance: random.Random) -> None:
    at.mkdir()
    (at / "words").write_bytes(b"".join(b"%d words\n" % index for index in range(200_000)))
    (at / "small").write_bytes(b"small")
    (at / "noise").write_bytes(chance.randbytes(3_000_000))
    with open(at / "holes", "wb") as opened:
        for index in range(1500):
            opened.seek(index * 131072)
            opened.write(b"%d" % index * 300)
        opened.truncate(1500 * 131072 + 5)
    with open(at / "reserved", "wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, 1 << 20)
        opened.seek(300_000)
        opened.write(b"in the middle")
    for name in ("words", "holes", "noise"):
        with open(at / name, "rb") as source, open(at / f"{name}-cloned", "wb") as clone:
            with contextlib.suppress(OSError):
                fcntl.ioctl(clone.fileno(), _CLONE, source.fileno())
            clone.seek(70_000)
            clone.write(b"written over")


def churn(at: Path, chance: random.Random) -> None:
    """Changes of every kind, some of them flushed, as a system makes them that then crashes."""
    forms_of_change = (_create, _create, _create, _remove, _rename, _attribute, _write, _link)
    (at / "d0").mkdir(exist_ok=True)
    for step in range(2500):
        chance.choice(forms_of_change)(at / f"d{chance.randrange(6)}", chance)
        if step % 500 == 250:
            subprocess.run(["sync", "-f", str(at)], check=True)
        if chance.random() < 0.01:
            _flush(at / f"d{chance.randrange(6)}")


def _flush(at: Path) -> None:
    for path in sorted(at.iterdir())[:3] if at.is_dir() else []:
        if path.is_file() and not path.is_symlink():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def _any(at: Path, chance: random.Random) -> Path:
    return at / (f"{chance.randrange(_NAMES)}-" + "n" * chance.choice((3, 40, 200)))


def _create(at: Path, chance: random.Random) -> None:
    path = _any(at, chance)
    at.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        match chance.randrange(6):
            case 0:
                path.mkdir()
            case 1:
                path.symlink_to("t/" * chance.choice((5, 150, 450)))
            case 2:
                for index in range(40):
                    (at / f"many-{chance.randrange(5000)}-{index}").touch()
            case _:
                path.write_bytes(chance.randbytes(chance.choice((0, 10, 5000, 70_000))))


def _remove(at: Path, chance: random.Random) -> None:
    path = _any(at, chance)
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if at.is_dir() and chance.random() < 0.2:
        for name in sorted(at.glob("many-*"))[:60]:
            name.unlink()
    if chance.random() < 0.02:
        shutil.rmtree(at, ignore_errors=True)


def _rename(at: Path, chance: random.Random) -> None:
    with contextlib.suppress(OSError):
        _any(at, chance).rename(_any(at.with_name(f"d{chance.randrange(6)}"), chance))


def _attribute(at: Path, chance: random.Random) -> None:
    with contextlib.suppress(OSError):
        path = _any(at, chance)
        for index in range(chance.choice((1, 1, 30))):
            value = b"v" * chance.choice((3, 200, 2000))
            os.setxattr(path, f"user.{index}", value, follow_symlinks=False)
        if chance.random() < 0.3:
            os.removexattr(path, "user.0", follow_symlinks=False)


def _write(at: Path, chance: random.Random) -> None:
    with contextlib.suppress(OSError), open(_any(at, chance), "rb+") as opened:
        for _ in range(chance.choice((1, 3, 40))):
            opened.seek(chance.randrange(60) * 8192)
            opened.write(chance.randbytes(chance.choice((100, 5000))))
        if chance.random() < 0.3:
            opened.truncate(chance.randrange(100_000))


def _link(at: Path, chance: random.Random) -> None:
    with contextlib.suppress(OSError):
        os.link(_any(at, chance), _any(at, chance), follow_symlinks=False)


def subvolumes(at: Path, chance: random.Random) -> None:
    """What installers lay out: the root and others beside it, nested ones, and a snapshot."""
    (at / "deep/er").mkdir(parents=True)
    for name in ("root", "home", "root/var", "deep/er/one", "root/var/two"):
        _make_subvolume(at / name)
    (at / "root/etc").mkdir()
    (at / "root/etc/os-release").write_text("NAME=Example\n")
    (at / "root/var/log").write_bytes(b"log\n" * 100_000)
    (at / "home/user").mkdir()
    (at / "home/user/file").write_bytes(chance.randbytes(100_000))
    os.utime(at / "root", ns=(0, 10**18))
    _make_subvolume(at / "before", at / "root", read_only=True)
    (at / "root/etc/os-release").write_text("NAME=Example 2\n")
    with directory(at / "root") as root:
        fcntl.ioctl(root, _BTRFS_DEFAULT, struct.pack("<Q", _tree_of(root)))


@contextlib.contextmanager
def directory(at: Path) -> Iterator[int]:
    descriptor = os.open(at, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make_subvolume(at: Path, source: Path | None = None, *, read_only: bool = False) -> None:
    """struct btrfs_ioctl_vol_args_v2 of linux/btrfs.h."""
    call = _BTRFS_SNAPSHOT if source else _BTRFS_SUBVOLUME
    with directory(at.parent) as parent, directory(source or at.parent) as given:
        head = struct.pack("<qQQ32x", given, 0, 2 if read_only else 0)
        fcntl.ioctl(parent, call, bytearray(head + at.name.encode().ljust(4040, b"\0")))


def _tree_of(descriptor: int) -> int:
    """struct btrfs_ioctl_ino_lookup_args, asked for the root of a subvolume."""
    asked = bytearray(struct.pack("<QQ", 0, 256).ljust(4096, b"\0"))
    fcntl.ioctl(descriptor, _BTRFS_LOOKUP, asked)
    return int.from_bytes(asked[:8], "little")


def groups(at: Path, chance: random.Random) -> None:
    """A subvolume, and a quota group of level 1 above it."""
    _make_subvolume(at / "one")
    with directory(at) as root:
        fcntl.ioctl(root, _BTRFS_QUOTA, bytearray(struct.pack("<QQ", 1, 0)))
        fcntl.ioctl(root, _BTRFS_GROUP, struct.pack("<QQ", 1, 1 << 48 | 100))


def flushed(at: Path, chance: random.Random) -> None:
    """A file that is flushed on its own, which Btrfs notes in its log tree."""
    subprocess.run(["sync", "-f", str(at)], check=True)
    with open(at / "flushed", "wb") as opened:
        opened.write(chance.randbytes(9000))
        opened.flush()
        os.fsync(opened.fileno())


def grow(at: Path, chance: random.Random) -> None:
    """Write 16 MiB into each directory, and note how far that went."""
    for inside in (at / "home", at / "root"):
        number, written = 0, 0
        try:
            with open(inside / "large", "wb", buffering=0) as opened:
                while written < 16 << 20:
                    written += opened.write(chance.randbytes(1 << 16))
                    os.fsync(opened.fileno())
        except OSError as error:
            number = error.errno or 0
        (at / f"{inside.name}.full").write_text(f"{number} at {written}")


def nothing(at: Path, chance: random.Random) -> None:
    """Only look."""


WORKS: dict[str, Callable[[Path, random.Random], None]] = {
    work.__name__: work for work in (forms, churn, subvolumes, groups, flushed, grow, nothing)
}


def shown(task: Task) -> str:
    with mounted(task.kind, task.image, task.options) as at:
        WORKS[task.work](at, random.Random(task.seed))
        if task.crash and task.kind == "btrfs":
            shutil.copy(task.image, task.image + ".crashed")
        elif task.crash:
            with directory(at) as root:
                fcntl.ioctl(root, _XFS_GO_DOWN, struct.pack("I", _WITHOUT_FLUSH))
    image = task.image
    if task.crash:
        if task.kind == "xfs":
            shutil.copy(image, image + ".crashed")
        image += ".recovered"
        shutil.copy(task.image + ".crashed", image)
    with mounted(task.kind, image, task.options) as at:
        found = scan(at / task.below, exclude_xattrs=_UNSEEN)
        return base64.b64encode(pickle.dumps(found.entries)).decode()


for line in sys.stdin:
    try:
        answer = shown(Task(**json.loads(line)))
    except Exception as error:
        answer = f"!{error}"
    print(answer.replace("\n", " "), flush=True)
