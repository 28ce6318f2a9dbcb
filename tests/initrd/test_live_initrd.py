"""An initrd that finds a live root, and one that is the whole system."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from fake_root import KERNEL, elf, make
from newc import Member, members

from dockyard.archive import Archive, Entry, Kind
from dockyard.errors import DockyardError
from dockyard.host import process
from dockyard.initrd.build import build_initrd
from dockyard.initrd.live import _GENERATOR_TEXT
from dockyard.initrd.options import InitrdFeature, InitrdOptions
from dockyard.initrd.whole import write_whole
from nasty_archive import CAPABILITY, file

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EPOCH = 1_767_225_600
LIVE = frozenset((InitrdFeature.LIVE,))
NETWORK = LIVE | {InitrdFeature.LIVE_NETWORK, InitrdFeature.LIVE_FETCH}


def live_root(place: Path) -> Path:
    """A root whose kernel has what a live system needs."""
    root = make(place)
    folder = root / f"usr/lib/modules/{KERNEL}"
    names = ("squashfs", "overlay", "isofs")
    for name in names:
        (folder / f"kernel/{name}.ko").write_bytes(elf(modinfo=[f"alias=fs-{name}"]))
    with (folder / "modules.dep").open("a") as listing:
        listing.writelines(f"kernel/{name}.ko:\n" for name in names)
    for name in ("mkdir", "ln", "chmod"):
        (root / "usr/bin" / name).write_bytes(b"#!/bin/sh\n")
    return root


def built(root: Path, features: frozenset[InitrdFeature]) -> dict[str, Member]:
    out = root.with_name("initrd")
    build_initrd(root, InitrdOptions(KERNEL, (), features=features), out, EPOCH)
    return {member.name: member for member in members(zstd.decompress(out.read_bytes()))}


def test_a_live_initrd_mounts_an_overlay_over_the_image(tmp_path: Path) -> None:
    found = built(live_root(tmp_path / "root"), LIVE)
    units = "etc/systemd/system"
    assert b"What=/run/live/image" in found[f"{units}/run-live-root.mount"].data
    assert b"lowerdir=/run/live/root" in found[f"{units}/sysroot.mount"].data
    assert stat.S_ISLNK(found[f"{units}/initrd-root-fs.target.requires/sysroot.mount"].mode)
    assert b"loop\n" in found["etc/modules-load.d/initrd.conf"].data
    assert found["usr/lib/systemd/system-generators/live-root-generator"].mode & 0o111
    assert not any("network" in name for name in found)


def test_what_a_kernel_lacks_is_told_by_name(tmp_path: Path) -> None:
    root = live_root(tmp_path / "root")
    listing = root / f"usr/lib/modules/{KERNEL}/modules.dep"
    listing.write_text(listing.read_text().replace("kernel/overlay.ko:\n", ""))
    with pytest.raises(DockyardError) as caught:
        built(root, LIVE)
    assert any("kernel module overlay" in line for line in caught.value.problems[0].excerpt)


def test_what_fetching_needs_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        built(live_root(tmp_path / "root"), NETWORK | {InitrdFeature.LIVE_TLS})
    told = "\n".join(caught.value.problems[0].excerpt)
    for name in ("curl", "systemd-networkd.service", "systemd-network", "certificate authorities"):
        assert name in told


@pytest.mark.parametrize(
    ("words", "device", "waits"),
    [
        ("quiet root=live:LABEL=WEB_1", "/dev/disk/by-label/WEB_1", "/run/live/medium"),
        ("root=live:UUID=2026-01-01", "/dev/disk/by-uuid/2026-01-01", "/run/live/medium"),
        ("root=x root=live:/dev/sr0", "/dev/sr0", "/run/live/medium"),
        ("root=live:http://10.0.0.1/image.iso", None, "network-online.target"),
        ("root=UUID=x", None, None),
    ],
)
def test_the_generator_has_the_root_wait_for_what_it_comes_from(
    tmp_path: Path, words: str, device: str | None, waits: str | None
) -> None:
    (tmp_path / "cmdline").write_text(f"{words}\n")
    script = tmp_path / "generator"
    script.write_text(_GENERATOR_TEXT.replace("/proc/cmdline", str(tmp_path / "cmdline")))
    units = tmp_path / "units"
    units.mkdir()
    process.run(["sh", str(script), str(units)], env={"PATH": "/usr/bin:/bin"})
    medium, source = units / "run-live-medium.mount", units / "live-image.service.d/source.conf"
    assert medium.exists() == (device is not None)
    if device:
        assert f"What={device}\nWhere=/run/live/medium\n" in medium.read_text()
    assert source.exists() == (waits is not None)
    if waits:
        assert waits in source.read_text()


SYSTEM = [
    file(b"usr/lib/systemd/systemd", 0o755),
    file(b"etc/one", 0o640, uid=7, gid=8),
    Entry(b"etc/two", Kind.HARDLINK, target=b"etc/one"),
    Entry(b"etc/link", Kind.SYMLINK, 0o777, target=b"one"),
]


def test_a_whole_system_is_unpacked_as_it_is(tmp_path: Path) -> None:
    root = Archive.from_entries(SYSTEM, {b"etc/one": b"data"})
    out = tmp_path / "initrd"
    size, packed = write_whole(root, out, EPOCH)
    archive = zstd.decompress(out.read_bytes())
    assert (len(archive), out.stat().st_size) == (size, packed)
    found = {member.name: member for member in members(archive)}
    assert found["init"].data == b"usr/lib/systemd/systemd"
    assert found["etc/two"].data == b"data" and not found["etc/one"].data
    assert found["etc/link"].data == b"one"
    assert {"dev/console", ".", "etc", "usr/lib/systemd"} <= found.keys()
    write_whole(root, tmp_path / "again", EPOCH)
    assert (tmp_path / "again").read_bytes() == out.read_bytes()


def test_what_an_initramfs_cannot_hold_is_refused_by_path(tmp_path: Path) -> None:
    ping = file(b"usr/bin/ping", 0o755, xattrs=((b"security.capability", CAPABILITY),))
    with pytest.raises(DockyardError) as caught:
        write_whole(Archive.from_entries([*SYSTEM, ping]), tmp_path / "initrd", EPOCH)
    (problem,) = caught.value.problems
    assert problem.where == "/usr/bin/ping" and "bootstrap" in problem.fix
    with pytest.raises(DockyardError) as caught:
        write_whole(Archive.from_entries(SYSTEM[1:]), tmp_path / "initrd", EPOCH)
    assert caught.value.problems[0].code == "initrd.no-systemd"
