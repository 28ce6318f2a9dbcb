"""The initrd of a root: complete, the same from any copy, and refused when parts are missing."""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_root import DEBIAN, FEDORA, KERNEL, Layout, elf, make
from newc import Member, members, unpack

from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools
from dockyard.initrd import modules
from dockyard.initrd.build import InitrdReport, build_initrd, requirements
from dockyard.initrd.dracut import build_with_dracut
from dockyard.initrd.early import mount_unit
from dockyard.initrd.options import EarlyMount, InitrdFeature, InitrdOptions

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EPOCH = 1_767_225_600
PLAIN = InitrdOptions(KERNEL)


def built(root: Path, options: InitrdOptions = PLAIN) -> tuple[InitrdReport, dict[str, Member]]:
    out = root.with_name(f"{root.name}.initrd")
    report = build_initrd(root, options, out, EPOCH)
    archive = zstd.decompress(out.read_bytes())
    found = {member.name: member for member in members(archive)}
    assert (report.size, report.content_size) == (out.stat().st_size, len(archive))
    assert report.entries == len(found)
    return report, found


def missing(root: Path, options: InitrdOptions = PLAIN) -> dict[str, str]:
    """What the one error names, with what each is for."""
    out = root.with_name("refused")
    with pytest.raises(DockyardError) as error:
        build_initrd(root, options, out, EPOCH)
    assert not out.exists()
    (problem,) = error.value.problems
    assert f"lacks {len(problem.excerpt)} of the things" in problem.what
    return dict(line.split(", for ", 1) for line in problem.excerpt)


@pytest.fixture(params=[DEBIAN, FEDORA], ids=["debian", "fedora"])
def layout(request: pytest.FixtureRequest) -> Layout:
    assert isinstance(request.param, Layout)
    return request.param


def test_systemd_comes_with_all_that_it_needs(tmp_path: Path, layout: Layout) -> None:
    _, found = built(make(tmp_path / "root", layout))
    assert found["init"].data == b"usr/lib/systemd/systemd"
    assert found["etc/initrd-release"].data == layout.os_release.encode()
    libraries = {Path(name).name for name in found if re.search(r"\.so(\.\d)?$", name)}
    assert libraries == {
        *("ld-linux-x86-64.so.2", "libc.so.6", "libkmod.so.2", "libzstd.so.1"),
        *("libsystemd-core.so", "libsystemd-shared.so"),
    }
    assert found[f"{layout.libraries}/libzstd.so.1"].data == b"/opt/vendor/libzstd.so.1"
    assert found["usr/bin/sh"].data == b"dash" and "usr/bin/dash" in found
    assert found["bin"].data == b"usr/bin"
    assert stat.S_ISLNK(found["usr/sbin"].mode) == layout.sbin_is_link


def test_every_member_has_its_directory(tmp_path: Path, layout: Layout) -> None:
    _, found = built(make(tmp_path / "root", layout))
    for name in found:
        parent = name.rpartition("/")[0]
        assert not parent or found[parent].mode & 0o170000 == 0o040000, name


def test_units_are_followed_where_they_cannot_do_without(tmp_path: Path) -> None:
    report, found = built(make(tmp_path / "root"))
    assert {"systemd-journald-audit.socket", "systemd-udevd-varlink.socket"} <= set(report.units)
    folder = "usr/lib/systemd/system"
    assert f"{folder}/systemd-udevd.service.d/site.conf" in found
    assert found[f"{folder}/sysinit.target.wants/systemd-udevd.service"].data
    assert found[f"{folder}/ctrl-alt-del.target"].data == b"reboot.target"
    assert not any("getty" in name for name in found)
    assert "usr/lib/systemd/sulogin-shell" in found


def test_rules_bring_their_programs_and_groups(tmp_path: Path) -> None:
    _, found = built(make(tmp_path / "root"))
    assert "usr/lib/udev/ata_id" in found
    assert "usr/lib/udev/rules.d/70-mouse.rules" not in found
    assert found["etc/group"].data == b"disk:x:6:\nroot:x:0:\n"
    assert found["etc/shadow"].data.startswith(b"root:*:")


def test_devices_that_no_root_needs_are_passed_over(tmp_path: Path) -> None:
    _, found = built(make(tmp_path / "root"))
    drop_in = found["etc/systemd/system/systemd-udev-trigger.service.d/devices.conf"]
    first, reset, command = drop_in.data.decode().splitlines()
    assert (first, reset) == ("[Service]", "ExecStart=")
    assert command.startswith("ExecStart=-udevadm trigger --subsystem-nomatch=tty ")
    assert not {"block", "pci", "virtio", "virtio-ports", "usb"} & set(re.split("[ =]", command))


def test_modules_come_decompressed_with_what_they_depend_on(tmp_path: Path) -> None:
    options = InitrdOptions(KERNEL, modules=("loop", "dm-verity", "virtio-pci"))
    report, found = built(make(tmp_path / "root"), options)
    assert report.modules == ("dm_mod", "dm_verity", "hash_generic", "loop", "virtio_blk")
    assert "nvme" in report.missing and "virtio_pci" not in report.missing
    folder = f"usr/lib/modules/{KERNEL}"
    assert found[f"{folder}/kernel/virtio_blk.ko"].data.startswith(b"\x7fELF")
    assert found[f"{folder}/modules.softdep"].data == b"softdep loop pre: hash-alias post: absent\n"
    assert found["etc/modprobe.d/site.conf"].data == b"options loop max_loop=4\n"


def test_btrfs_is_loaded_before_udev_asks_for_it(tmp_path: Path) -> None:
    root = make(tmp_path / "root")
    (root / f"usr/lib/modules/{KERNEL}/modules.builtin").write_text("fs/btrfs.ko\nfs/ext4.ko\n")
    _, found = built(root, InitrdOptions(KERNEL, ("btrfs",)))
    assert found["etc/modules-load.d/initrd.conf"].data == b"btrfs\n"
    order = found["etc/systemd/system/systemd-udevd.service.d/modules.conf"].data
    assert b"After=systemd-modules-load.service" in order
    _, found = built(root, InitrdOptions(KERNEL, ("ext4",)))
    assert "etc/modules-load.d/initrd.conf" not in found


def test_the_same_bytes_from_a_copy_made_in_another_order(tmp_path: Path, layout: Layout) -> None:
    contents = []
    for name, reverse in (("a", False), ("b", True)):
        root = make(tmp_path / name, layout, reverse=reverse)
        built(root)
        contents.append((tmp_path / f"{name}.initrd").read_bytes())
    assert contents[0] == contents[1]


def test_modes_do_not_depend_on_the_files_own(tmp_path: Path) -> None:
    _, found = built(make(tmp_path / "root"))
    assert found["usr/bin/dash"].mode == 0o100555
    modes = {item.mode for item in found.values() if item.mode & 0o170000 == 0o100000}
    assert modes <= {0o100444, 0o100555, 0o100400}


def test_all_that_is_missing_is_named_in_one_error(tmp_path: Path) -> None:
    root = make(tmp_path / "root")
    for name in ("usr/bin/udevadm", "usr/bin/fsck.ext4", "usr/lib/systemd/system/basic.target"):
        (root / name).unlink()
    options = InitrdOptions(KERNEL, modules=("zfs",), features=frozenset((InitrdFeature.VERITY,)))
    found = missing(root, options)
    assert found["udevadm"] == "every initrd"
    assert found["fsck.ext4"] == "the file system ext4"
    assert found["dmsetup"] == "the feature verity"
    assert {"libcryptsetup.so.12", "the kernel module zfs"} <= set(found)
    assert "/usr/lib/systemd/system/basic.target" in found


@pytest.mark.parametrize("layout", [DEBIAN, FEDORA], ids=["debian", "fedora"])
def test_what_a_root_must_have_is_known_without_it(tmp_path: Path, layout: Layout) -> None:
    known = requirements(InitrdOptions("", ("ext4", "xfs")))
    assert known["fsck.ext4"] == "the file system ext4"
    assert known["/usr/lib/systemd/system/modprobe@.service"] == "every initrd"
    root = make(tmp_path / "root", layout)
    for name in known:
        places = [name] if name.startswith("/") else [f"/usr/sbin/{name}", f"/usr/bin/{name}"]
        assert any((root / place[1:]).is_file() for place in places), name


def test_a_library_that_is_nowhere_is_named_with_its_user(tmp_path: Path) -> None:
    root = make(tmp_path / "root")
    (root / "usr/bin/dash").write_bytes(elf(["libgone.so.1"]))
    assert missing(root) == {"libgone.so.1": "/usr/bin/dash"}


@pytest.mark.parametrize(
    ("gone", "code"),
    [
        ("usr/lib/systemd/systemd", "initrd.no-systemd"),
        (f"usr/lib/modules/{KERNEL}/modules.dep", "initrd.no-module-index"),
        (f"usr/lib/modules/{KERNEL}/kernel/loop.ko", "initrd.module-missing"),
    ],
)
def test_a_root_that_cannot_boot_is_refused(tmp_path: Path, gone: str, code: str) -> None:
    root = make(tmp_path / "root")
    (root / gone).unlink()
    with pytest.raises(DockyardError) as error:
        build_initrd(root, InitrdOptions(KERNEL, modules=("loop",)), tmp_path / "out", EPOCH)
    assert [problem.code for problem in error.value.problems] == [code]


@pytest.mark.parametrize("damage", [b"", b"\x7fELF\x02\x01", b"\xfd7zXZ\x00"])
def test_a_damaged_module_is_named(tmp_path: Path, damage: bytes) -> None:
    root = make(tmp_path / "root")
    (root / f"usr/lib/modules/{KERNEL}/kernel/virtio_blk.ko.xz").write_bytes(damage)
    with pytest.raises(DockyardError) as error:
        build_initrd(root, PLAIN, tmp_path / "out", EPOCH)
    assert error.value.problems[0].code == "initrd.module-damaged"
    assert "virtio_blk" in error.value.problems[0].what


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".xz", lzma.compress),
        (".zst", zstd.compress),
        (".gz", gzip.compress),
    ],
)
def test_a_module_is_unpacked_up_to_a_size(
    monkeypatch: pytest.MonkeyPatch, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    name, plain = f"a.ko{suffix}", bytes(9 << 20)
    monkeypatch.setattr(modules, "_LARGEST", 16 << 20)
    assert modules._decompressed(name, pack(plain)) == plain
    monkeypatch.setattr(modules, "_LARGEST", 9 << 20)
    with pytest.raises(ValueError, match="cut short, or holds more than 9 MiB"):
        modules._decompressed(name, pack(plain + b"more"))


def test_another_kernel_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as error:
        build_initrd(make(tmp_path / "root"), InitrdOptions("1.0"), tmp_path / "out", EPOCH)
    assert error.value.problems[0].code == "initrd.no-kernel"
    assert KERNEL in error.value.problems[0].why


def test_links_never_lead_out_of_the_root(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"of the host")
    root = make(tmp_path / "root")
    (root / "etc/modprobe.d/up.conf").symlink_to("../../../../secret")
    (root / "etc/modprobe.d/absolute.conf").symlink_to(secret)
    (root / "etc/modprobe.d/circle.conf").symlink_to("circle.conf")
    _, found = built(root)
    assert not any(b"of the host" in member.data for member in found.values())


def test_features_bring_their_files(tmp_path: Path) -> None:
    root = make(tmp_path / "root")
    (root / "usr/lib/systemd/system/systemd-repart.service").write_text("")
    (root / "usr/lib/repart.d").mkdir()
    (root / "usr/lib/repart.d/50-data.conf").write_text("[Partition]\nFormat=ext4\n")
    options = InitrdOptions(KERNEL, features=frozenset((InitrdFeature.REPART,)))
    assert set(missing(root, options)) == {"mkfs.ext4"}
    (root / "usr/bin/mkfs.ext4").write_bytes(elf())
    report, found = built(root, options)
    assert "systemd-repart.service" in report.units
    assert "usr/lib/repart.d/50-data.conf" in found
    assert (
        b"After=sysroot.mount"
        in found["etc/systemd/system/systemd-repart.service.d/root.conf"].data
    )
    shell = InitrdOptions(KERNEL, features=frozenset((InitrdFeature.EMERGENCY_SHELL,)))
    (root / "usr/bin/sulogin").write_bytes(elf())
    _, found = built(root, shell)
    assert "etc/systemd/system/emergency.service.d/shell.conf" in found
    assert b"SULOGIN_FORCE" in found["etc/systemd/system/rescue.service.d/shell.conf"].data


@pytest.mark.build
def test_modprobe_finds_the_modules_as_depmod_would(tools: Tools, tmp_path: Path) -> None:
    root = make(tmp_path / "root")
    tools.run(["depmod", "-b", str(root), KERNEL], write=[root])
    options = InitrdOptions(KERNEL, modules=("loop", "dm-verity"))
    built(root, options)
    inside = tmp_path / "inside"
    inside.mkdir()
    unpack(zstd.decompress((tmp_path / "root.initrd").read_bytes()), inside)

    def asked(tree: Path, *argv: str) -> str:
        done = tools.run(
            ["modprobe", "-d", str(tree), "-S", KERNEL, *argv], read=[tree], check=False
        )
        return done.text.replace(str(tree), "").replace(".ko.xz", ".ko")

    for name in ("dm-verity", "dm_verity", "loop", "virtio-blk", "ext4", "hash-alias"):
        assert asked(inside, "--show-depends", name) == asked(root, "--show-depends", name), name
    for alias in ("virtio:d00000002vX", "block-b-dev", "block-major-7-3", "fs-ext4"):
        answer = asked(inside, "-R", alias)
        assert answer and answer == asked(root, "-R", alias), alias


def test_dracut_is_asked_for_only_where_the_image_has_it(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as error:
        build_with_dracut(make(tmp_path / "root"), PLAIN, tmp_path / "out")
    assert error.value.problems[0].code == "initrd.no-dracut"


@pytest.mark.build
def test_dracut_runs_inside_the_tree_and_leaves_it_as_it_is(
    namespace: None, tools: Tools, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    for folder in ("dev", "proc", "tmp", "run", "usr/bin"):
        (root / folder).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    shutil.copytree(tools.root / "usr/lib64", root / "usr/lib64", symlinks=True)
    loader = "usr/lib/x86_64-linux-gnu"
    (root / loader).mkdir(parents=True)
    libraries = ("libc.so.6", "ld-linux-x86-64.so.2", "libselinux.so.1", "libpcre2-8.so.0")
    for name in libraries:
        shutil.copy(tools.root / loader / name, root / loader)
    for name, source in (("sh", "dash"), *((each, each) for each in ("cat", "head", "mkdir"))):
        shutil.copy(tools.root / "usr/bin" / source, root / "usr/bin" / name)
    # Stands for dracut: writes its arguments, the last of which is the file to write, and as much
    # as an initrd with all drivers may have.
    dracut = root / "usr/bin/dracut"
    drivers = 80 << 20
    dracut.write_text(
        '#!/bin/sh\nfor out; do :; done\necho "$@" > "$out"\n'
        'while [ "$1" != --include ]; do shift; done; (cd "$2"; cat etc/fstab) >> "$out"\n'
        f'head -c {drivers} /dev/zero >> "$out"\n'
    )
    dracut.chmod(0o755)
    before = sorted(path.name for path in root.rglob("*"))
    features = frozenset((InitrdFeature.CRYPT, InitrdFeature.VERITY))
    options = InitrdOptions(KERNEL, ("xfs", "ext4"), ("nvme",), features, (SIGNED,))
    size = build_with_dracut(root, options, tmp_path / "out")
    whole = zstd.decompress((tmp_path / "out").read_bytes())
    assert whole.endswith(bytes(drivers))
    written = whole[:-drivers].decode()
    assert size == (tmp_path / "out").stat().st_size
    assert "--no-hostonly" in written and "--reproducible" in written
    assert f"--kver {KERNEL} " in written and "--filesystems ext4 xfs " in written
    assert "--add-drivers nvme --add crypt systemd-veritysetup " in written
    assert "PARTLABEL=my\\040boot /boot/efi vfat ro,noauto 0 0\n" in written
    assert sorted(path.name for path in root.rglob("*")) == before


SIGNED = EarlyMount("PARTLABEL=my boot", "/boot/efi", "vfat", "ro,noauto", ("root",))


def test_devices_wait_for_the_mount_with_their_signatures(tmp_path: Path) -> None:
    _, found = built(make(tmp_path / "root", DEBIAN), InitrdOptions(KERNEL, mounts=(SIGNED,)))
    assert found["etc/fstab"].data == b"PARTLABEL=my\\040boot /boot/efi vfat ro,noauto 0 0\n"
    drop_in = found["etc/systemd/system/systemd-veritysetup@root.service.d/signature.conf"]
    assert drop_in.data == b"[Unit]\nWants=boot-efi.mount\nAfter=boot-efi.mount\n"
    _, found = built(make(tmp_path / "plain", DEBIAN))
    assert "etc/fstab" not in found


def test_mounts_have_the_units_of_their_paths() -> None:
    # As `systemd-escape --path --suffix=mount` gives them.
    assert mount_unit("/") == "-.mount"
    assert mount_unit("/boot") == "boot.mount"
    assert mount_unit("/boot/my-x.y") == "boot-my\\x2dx.y.mount"
    assert mount_unit("/.a/ü") == "\\x2ea-\\xc3\\xbc.mount"
