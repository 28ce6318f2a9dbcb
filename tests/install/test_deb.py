"""What comes first of Debian packages, what their database says, and what a first boot needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from debian_archive import Member, deb, directory, symlink
from dockyard.host.in_root import InRoot
from dockyard.install.deb import come_first
from dockyard.install.deb_database import DebStatus, file_owners, known_packages
from dockyard.install.deb_first_boot import prepare_first_boot
from dockyard.packages.deb.package import DebPackage, read_deb
from dockyard.packages.deb.package_file import DebPackageFile
from dockyard.packages.file_lists import FileLists

DATABASE = "/var/lib/dpkg"


def packages(tmp_path: Path, *texts: str) -> dict[str, DebPackage]:
    """Packages by their names, each as `name; Field: value; …`."""
    found = {}
    for text in texts:
        name, *fields = (part.strip() for part in text.split(";"))
        control = {"Package": name, "Version": "1", "Architecture": "all"}
        control |= dict(field.split(": ", 1) for field in fields)
        path = tmp_path / f"{name}.deb"
        path.write_bytes(deb(control))
        found[name] = read_deb(path)
    return found


def test_what_others_must_find_at_work_comes_first_with_all_that_it_needs(tmp_path: Path) -> None:
    there = packages(
        tmp_path,
        "dpkg; Essential: yes; Pre-Depends: libc (>= 1); Depends: awk | gone",
        "libc; Depends: gcc-base",
        "gcc-base",
        "mawk; Provides: awk",
        "init; Pre-Depends: helpers; Depends: shell",
        "helpers; Depends: perl:any",
        "perl",
        "shell",
        "server; Depends: init",
    )
    fields = {label: each.control for label, each in there.items()}
    assert come_first(fields) == ("dpkg", "gcc-base", "helpers", "libc", "mawk", "perl")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(
        "Package: dash\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n"
        "Package: bash\nStatus: install ok half-configured\nVersion: 1:5-2\nArchitecture: amd64\n"
        "Conffiles:\n /etc/bash 00\n\n"
        "Package: libc6\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n"
    )
    return root


def test_the_database_says_what_is_there_and_in_which_state(tree: Path) -> None:
    assert [each.label for each in known_packages(tree, DATABASE)] == [
        "bash_1:5-2_amd64",
        "dash_1_amd64",
        "libc6_2_amd64",
    ]
    assert known_packages(tree, DATABASE)[0] == DebStatus(
        "bash", "1:5-2", "amd64", "install ok half-configured"
    )
    assert known_packages(tree / "var", DATABASE) == []


def test_files_belong_to_packages_also_those_that_were_moved_aside(tree: Path) -> None:
    info = tree / "var/lib/dpkg/info"
    (info / "bash.list").write_text("/.\n/bin\n/bin/bash\n/etc\n/bin/sh\n")
    (info / "bash.md5sums").write_text("/not/a/list\n")
    (info / "dash.list").write_text("/.\n/etc\n/bin/sh\n")
    (info / "libc6:amd64.list").write_text(
        "/.\n/lib/libc.so.6\n/usr/n\udcffme\n", errors="surrogateescape"
    )
    (info / "gone.list").write_text("/nobody\n")
    (tree / "var/lib/dpkg/diversions").write_text("/bin/sh\n/bin/sh.distrib\ndash\n")
    assert file_owners(tree, DATABASE) == {
        b"bin": "bash_1:5-2_amd64",
        b"usr/bin/bash": "bash_1:5-2_amd64",
        b"etc": "bash_1:5-2_amd64",
        b"usr/bin/sh.distrib": "bash_1:5-2_amd64",
        b"usr/bin/sh": "dash_1_amd64",
        b"usr/lib/libc.so.6": "libc6_2_amd64",
        b"usr/n\xffme": "libc6_2_amd64",
    }


def made(root: Path, *files: str) -> InRoot:
    for name in files:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return InRoot(root)


SERVER = ("usr/sbin/sshd", "usr/lib/systemd/system/ssh.service")
KEY_UNIT = "usr/lib/systemd/system/sshd-keygen.service"
UNITS = "etc/systemd/system"


@pytest.mark.usefixtures("namespace")
def test_host_keys_are_made_at_the_first_boot(tmp_path: Path) -> None:
    with made(tmp_path, *SERVER, KEY_UNIT) as tree:
        prepare_first_boot(tree)
    drop_in = (tmp_path / UNITS / "sshd-keygen.service.d/image.conf").read_text()
    assert "ConditionFirstBoot=\n" in drop_in
    assert "ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key\n" in drop_in
    assert not (tmp_path / UNITS / "sshd-keygen.service").exists()


@pytest.mark.usefixtures("namespace")
def test_a_server_whose_package_makes_no_host_keys_gets_a_unit(tmp_path: Path) -> None:
    with made(tmp_path, *SERVER) as tree:
        prepare_first_boot(tree)
    assert "ssh-keygen -A" in (tmp_path / UNITS / "sshd-keygen.service").read_text()
    link = tmp_path / UNITS / "ssh.service.wants/sshd-keygen.service"
    assert link.resolve() == tmp_path / UNITS / "sshd-keygen.service"


@pytest.mark.usefixtures("namespace")
def test_hosts_stay_as_a_package_has_them(tmp_path: Path) -> None:
    with made(tmp_path, "etc/os-release") as tree:
        prepare_first_boot(tree)
        assert b"localhost" in tree.read("/etc/hosts")
        tree.write("/etc/hosts", b"mine")
        prepare_first_boot(tree)
        assert tree.read("/etc/hosts") == b"mine"
    assert not (tmp_path / UNITS).exists()


def test_a_package_is_looked_into_before_it_is_installed(tmp_path: Path) -> None:
    path = tmp_path / "a.deb"
    members = [
        directory("./lib"),
        Member("./lib/modules.builtin", b"ext4"),
        symlink("./usr/a", "b"),
    ]
    control = {"Package": "a", "Version": "1", "Architecture": "all", "Provides": "b (= 1), c"}
    path.write_bytes(deb(control, members, extra={"postinst": b"addgroup sgx", "prerm": b"no"}))
    found = DebPackageFile(read_deb(path))
    assert set(found.paths()) == {"/usr/lib/modules.builtin", "/usr/a"}
    assert list(found.contents(lambda path: path.endswith("builtin"))) == [
        ("/usr/lib/modules.builtin", b"ext4")
    ]
    assert list(found.contents(lambda _: False)) == []
    assert list(found.provides()) == ["b", "c"]
    assert list(found.scripts()) == ["addgroup sgx"]


def test_what_a_package_lists_is_told_without_its_data(tmp_path: Path) -> None:
    path = tmp_path / "a.deb"
    members = [Member("./usr/a", b"1"), Member("./usr/b", b"2"), Member("./etc/c", b"3")]
    control = {"Package": "a", "Version": "1", "Architecture": "all"}
    extra = {"md5sums": b"00  usr/a\n00  bin/d\n", "conffiles": b"/etc/c\n"}
    path.write_bytes(deb(control, members, extra=extra))
    lists = FileLists((DebPackageFile(read_deb(path)),))
    assert lists.listed == {"/usr/a", "/usr/bin/d", "/etc/c"}
    assert lists.paths == {"/usr/a", "/usr/b", "/etc/c"}
    assert lists.has_any({"/usr/a", "/x"}) and lists.has_any({"/usr/b", "/x"})
    assert not lists.has_any({"/usr/x", "/x"})
    [package] = lists.packages
    for name, data, listed in (("/usr/a", b"1", True), ("/usr/b", b"2", False)):
        assert list(package.contents(name.__eq__)) == [(name, data)]
        assert list(package.contents(name.__eq__, listed=True)) == [(name, data)] * listed
