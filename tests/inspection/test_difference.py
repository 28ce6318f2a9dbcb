"""What changed between images: each change is told once, secrets never, and equal is equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.inspection import Inspected, Verdict, compare
from dockyard.inspection.accounts import Services, users_of
from dockyard.inspection.boot import Boot, BootEntry
from dockyard.inspection.image import Distribution, InspectedPartition, Selinux
from dockyard.inspection.packages import InstalledPackage, PackageDatabase
from dockyard.inspection.tree import Mounted, Tree
from dockyard.model.packages import PackageKind

FILES = {
    "/etc/hostname": b"one\n",
    "/etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
    "/etc/shadow": b"root:$6$secret:1::::::\n",
    "/usr/bin/tool": b"\x7fELF\0one",
}
KERNEL = InstalledPackage("kernel", "6.12-1", "x86_64", 100)
BASH = InstalledPackage("bash", "5.2-1", "x86_64", 10)


def an_image(
    place: Path,
    files: dict[str, bytes],
    *,
    time: int = 0,
    disk: bytes = b"x",
    mode: int = 0o644,
) -> Inspected:
    data: dict[bytes, bytes | Path] = {p.lstrip("/").encode(): text for p, text in files.items()}
    entries = [Entry(path, Kind.FILE, mode, mtime_ns=time) for path in data]
    tree = Tree([Mounted(b"", Archive.from_entries(entries, data))])
    (place / "disk").write_bytes(disk)
    partition = InspectedPartition(1, "root", "root", "guid", 0, 9, "ext4", "u", "root", "/", 4, 9)
    return Inspected(
        path=place,
        disk=place / "disk",
        format="raw",
        size=len(disk),
        table="",
        partitions=(partition,),
        distribution=Distribution("harbor", "1", "Harbor", None),
        architecture=None,
        hostname="one",
        boot=Boot(("systemd-boot",), ("6.12",), (BootEntry("uki", "t", "/u.efi", "6.12", "ro"),)),
        database=PackageDatabase(PackageKind.RPM, "/var/lib/rpm", (BASH, KERNEL)),
        users=users_of(tree),
        services=Services(("sshd.service",), (), "multi-user.target"),
        selinux=Selinux("", "", 0),
        verity={},
        remarks=(),
        tree=tree,
    )


@pytest.fixture
def one(tmp_path: Path) -> Inspected:
    (tmp_path / "one").mkdir()
    return an_image(tmp_path / "one", FILES)


def other(one: Inspected, files: dict[str, bytes], *, time: int = 0) -> Inspected:
    place = one.path.with_name("two")
    place.mkdir()
    return an_image(place, files, time=time)


def test_the_same_bytes_are_binary_equal_and_others_equal_in_content(one: Inspected) -> None:
    same = other(one, FILES)
    assert compare(one, same).verdict is Verdict.BINARY_EQUAL
    (same.path / "disk").write_bytes(b"y")
    found = compare(one, same)
    assert found.verdict is Verdict.EQUAL_IN_CONTENT
    assert not (found.facts or found.changed or found.added or found.removed or found.grown)


def test_times_count_where_they_are_asked_for(one: Inspected) -> None:
    later = other(one, FILES, time=10**9)
    assert compare(one, later).verdict is not Verdict.DIFFERENT
    found = compare(one, later, times=True)
    assert found.verdict is Verdict.DIFFERENT
    assert {each.what for each in found.changed} == {("time",)}


def test_files_are_told_with_what_changed_and_settings_with_their_lines(one: Inspected) -> None:
    files = {
        **FILES,
        "/etc/hostname": b"two\nmore\n",
        "/usr/bin/tool": b"\x7fELF\0two",
        "/new": b"12",
    }
    del files["/etc/passwd"]
    found = compare(one, other(one, files))
    assert dict(found.added) == {"/new": 2} and list(found.removed) == ["/etc/passwd"]
    changed = {each.path: each for each in found.changed}
    assert changed["/etc/hostname"].lines == ("@@ -1 +1,2 @@", "-one", "+two", "+more")
    assert changed["/usr/bin/tool"].what == ("content",) and not changed["/usr/bin/tool"].lines
    assert found.grown == 2 + 5 - len(FILES["/etc/passwd"])
    assert [each.name for each in found.facts] == ["user root"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/shadow", b"root:$6$other-secret:1::::::\n"),
        ("/etc/ssh/key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n"),
        ("/etc/binary", b"secret\0secret"),
    ],
)
def test_secrets_are_never_shown(one: Inspected, path: str, text: bytes) -> None:
    before = an_image(one.path, {**FILES, path: text.replace(b"secret", b"older")})
    found = compare(before, other(one, {**FILES, path: text}))
    (changed,) = (each for each in found.changed if each.path == path)
    assert changed.what == ("content",) and changed.lines == ()
    assert "secret" not in str(found)


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o644, 0o640), (0o640, 0o644)])
def test_what_not_all_users_of_an_image_may_read_is_not_shown(
    tmp_path: Path, before: int, after: int
) -> None:
    path, text = "/etc/NetworkManager/system-connections/wifi", b"psk=secret"
    one = an_image(tmp_path, {path: b"psk=older"}, mode=before)
    found = compare(one, an_image(tmp_path, {path: text}, mode=after))
    assert "content" in found.changed[0].what and found.changed[0].lines == ()
    assert "secret" not in str(found) and "older" not in str(found)
    shown = compare(one, an_image(tmp_path, {path: text}, mode=0o644))
    assert bool(shown.changed[0].lines) == (before == 0o644)


def test_packages_come_go_and_change_and_kernels_live_side_by_side(
    one: Inspected,
) -> None:
    newer = replace(KERNEL, version="6.13-1")
    packages = (replace(BASH, version="5.3-1"), KERNEL, newer, replace(BASH, name="zsh"))
    two = replace(other(one, FILES), database=PackageDatabase(PackageKind.RPM, "", packages))
    found = compare(one, two)
    assert [(each.name, each.before, each.after) for each in found.packages_changed] == [
        ("bash.x86_64", "5.2-1", "5.3-1")
    ]
    assert [each.name for each in found.packages_added] == ["kernel", "zsh"]
    back = compare(two, one)
    assert [each.name for each in back.packages_removed] == ["kernel", "zsh"]


def test_facts_are_told_by_what_they_are_about(one: Inspected) -> None:
    (partition,) = one.partitions
    changed = replace(
        other(one, FILES),
        partitions=(replace(partition, size=99, filesystem="xfs"), replace(partition, number=2)),
        hostname="two",
        boot=Boot((), ("6.12",), (BootEntry("uki", "t", "/u.efi", "6.12", "rw"),)),
        services=Services((), ("cups.service",), "multi-user.target"),
    )
    told = {each.name: (each.before, each.after) for each in compare(one, changed).facts}
    assert told["partition 1 size"] == ("9", "99")
    assert told["partition 1 file system"] == ("ext4", "xfs")
    assert told["partition 2 type"] == ("", "root")
    assert told["boot entry /u.efi"] == ("6.12 ro", "6.12 rw")
    assert told["host name"] == ("one", "two")
    assert told["boot loaders"] == ("systemd-boot", "")
    assert told["enabled unit sshd.service"] == ("yes", "")
    assert told["masked unit cups.service"] == ("", "yes")


def test_what_no_file_is_counts(tmp_path: Path) -> None:
    def disk(name: str, data: bytes, attributes: int = 0, filesystem: str = "LVM") -> Inspected:
        (tmp_path / name).mkdir()
        image = an_image(tmp_path / name, FILES, disk=data)
        part = InspectedPartition(
            2, "", "lvm", "guid", 4096, 4096, filesystem, "", "", "", 0, 0, attributes
        )
        return replace(image, table="guid", partitions=(*image.partitions, part))

    data = bytes(4096) + b"p" * 4096 + bytes(4096)
    one = disk("one", data)
    assert compare(one, disk("same", data)).verdict is Verdict.BINARY_EQUAL
    elsewhere = data[:3000] + b"g" + data[3001:-1] + b"t"
    assert compare(one, disk("gap", elsewhere)).verdict is Verdict.EQUAL_IN_CONTENT
    for name, other, changed in (
        ("code", disk("code", b"c" + data[1:]), "boot code"),
        ("part", disk("part", data[:8191] + b"x" + data[8192:]), "partition 2 bytes"),
        ("flags", disk("flags", data, 1 << 63), "partition 2 attributes"),
    ):
        assert [each.name for each in compare(one, other).facts] == [changed], name
    swap = [disk(f"swap{at}", bytes(4096) + bytes([at]) * 4096, 0, "swap") for at in (1, 2)]
    assert compare(*swap).verdict is Verdict.EQUAL_IN_CONTENT
