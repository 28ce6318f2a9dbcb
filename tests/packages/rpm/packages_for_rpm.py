"""Packages that show every feature of the writer."""

from __future__ import annotations

import stat
from pathlib import Path

from dockyard.packages.rpm.contents import (
    Change,
    FileFlag,
    FileTrigger,
    PackagedFile,
    PackageScriptlet,
    RpmPackage,
    Sense,
    Verify,
    parse_relation,
)
from dockyard.packages.rpm.writer import write_package

EPOCH = 1767225600


def directory(path: str, mode: int = 0o755) -> PackagedFile:
    return PackagedFile(path, stat.S_IFDIR | mode, mtime=EPOCH)


def file(path: str, data: bytes, mode: int = 0o644, **more: object) -> PackagedFile:
    return PackagedFile(path, stat.S_IFREG | mode, data, mtime=EPOCH, **more)  # type: ignore[arg-type]


def symlink(path: str, target: str) -> PackagedFile:
    return PackagedFile(path, stat.S_IFLNK | 0o777, target=target, mtime=EPOCH)


def rich_package() -> RpmPackage:
    """One package with everything but what needs a shell to install."""
    noreplace = FileFlag.CONFIG | FileFlag.NOREPLACE
    return RpmPackage(
        name="sample",
        epoch=2,
        version="1.0~rc1",
        release="3",
        summary="A sample",
        license="MIT AND GPL-2.0-or-later",
        description="First line\n\nSecond part: ünïcode",
        url="https://example.org/",
        vendor="Vendor",
        build_time=EPOCH,
        provides=[parse_relation("sample = 2:1.0~rc1-3"), parse_relation("virtual")],
        requires=[
            parse_relation("(other >= 2 or sample)"),
            parse_relation("sample < 3:0"),
            parse_relation("virtual", Sense.SCRIPT_PRE),
        ],
        conflicts=[parse_relation("nothing")],
        files=[
            directory("/usr"),
            directory("/usr/bin"),
            directory("/etc"),
            file("/usr/bin/zcat", b"Z" * 5000, 0o755, link=7),
            file("/usr/bin/gzip", b"Z" * 5000, 0o755, link=7),
            file("/usr/bin/halt", b"H" * 333, 0o755, link=9),
            file("/usr/bin/poweroff", b"H" * 333, 0o755, link=9),
            file("/usr/bin/alone", b"", 0o755),
            file("/usr/bin/ping", b"ping", 0o755, capabilities="cap_net_raw=ep"),
            file("/usr/bin/su", b"su", 0o4755),
            symlink("/usr/bin/link", "../bin/gzip"),
            file("/etc/sample.conf", b"a=b\n", flags=noreplace),
            file("/etc/cache", b"", flags=FileFlag.GHOST, verify=int(Verify.MODE)),
            file("/usr/name with ünïcode", b"x", flags=FileFlag.DOC),
        ],
        changelog=[Change(EPOCH, "A Person <a@example.org> - 1.0", "- first")],
    )


def scripted_package() -> RpmPackage:
    """A package whose scriptlets and triggers are only looked at."""
    return RpmPackage(
        name="scripted",
        version="1",
        release="1",
        summary="Scripts",
        license="MIT",
        build_time=EPOCH,
        scriptlets=[
            PackageScriptlet("post", script="echo post\n"),
            PackageScriptlet("preun", ("/usr/sbin/ldconfig",)),
        ],
        triggers=[
            FileTrigger("in", ("/usr/lib", "/usr/lib64"), script="cat >/dev/null\n", priority=7),
            FileTrigger("postun", ("/usr/share",), script="true\n", per_transaction=False),
        ],
    )


def write(package: RpmPackage, path: Path) -> Path:
    with path.open("wb") as out:
        write_package(package, out)
    return path
