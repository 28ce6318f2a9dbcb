"""Which package provides what is missing, and what is like it."""

from __future__ import annotations

from pathlib import Path

import pytest
from listed_packages import metadata, package
from rpm_repositories import access, add_rpm, index

from dockyard.model.architecture import Architecture
from dockyard.model.packages import Request, RpmRepository
from dockyard.packages.pool import PackagePool
from dockyard.packages.providing import providers, who_provides

BASE = metadata(
    "base",
    package("e2fsprogs", files=["/usr/sbin/fsck.ext4", "/usr/share/man/man8/fsck.ext4.8.gz"]),
    package("util-linux", files=["/usr/bin/mount", "/usr/lib/systemd/system/fstrim.service"]),
    package("zlib1g", provides=["libz.so.1()(64bit)"], files=["/usr/lib64/libz.so.1"]),
    package("other-mount", "1-1", "i686", files=["/usr/bin/mount"]),
    package("busybox-static", files=["/opt/busybox/umount"]),
    package("perl-base", provides=["perl(strict)"]),
)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("/usr/sbin/fsck.ext4", ("e2fsprogs",)),
        ("/sbin/fsck.ext4", ("e2fsprogs",)),
        ("mount", ("util-linux",)),
        ("libz.so.1", ("zlib1g",)),
        ("perl(strict)", ("perl-base",)),
        ("util-linux", ("util-linux",)),
    ],
)
def test_the_package_of_a_path_program_library_or_capability(
    tmp_path: Path, wanted: str, names: tuple[str, ...]
) -> None:
    packages = PackagePool([BASE], Request(()), tmp_path)
    assert providers([wanted], packages)[wanted].packages == names


def test_what_is_near_is_named_where_nothing_fits(tmp_path: Path) -> None:
    packages = PackagePool([BASE], Request(()), tmp_path)
    found = providers(["/usr/bin/umount", "utillinux", "nothing-like-it"], packages)
    assert found["/usr/bin/umount"].near == (("/opt/busybox/umount", "busybox-static"),)
    assert "busybox-static (it has /opt/busybox/umount)" in found["/usr/bin/umount"].advice
    assert found["utillinux"].near == (("util-linux", "util-linux"),)
    assert found["nothing-like-it"].advice == ""


def test_lists_of_files_are_read_where_primary_does_not_know(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    add_rpm(root, "units", path="/usr/lib/systemd/system/a.service")
    index(root, apart=True)
    repository = RpmRepository("r", (root.as_uri() + "/",), check_packages=False)
    path = "/usr/lib/systemd/system/a.service"
    found = who_provides([path], [repository], access(tmp_path / "store"), Architecture.X86_64)
    assert found[path].packages == ("units",)
    assert found[path].advice == "install the package units"
