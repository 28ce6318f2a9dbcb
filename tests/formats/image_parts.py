"""The parts of a small image, made without building one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.disk.layout import DiskLayout, lay_out
from dockyard.formats import Parts
from dockyard.formats.parts import LivePart
from dockyard.formats.saved_medium import SavedMedium
from dockyard.formats.system import (
    EntryKind,
    LoaderEntry,
    MountedSystem,
    System,
    SystemPackage,
)
from dockyard.host import files
from dockyard.model.architecture import Architecture
from dockyard.model.guests import Wsl
from dockyard.model.live import InitramfsType
from dockyard.model.output import OutputImage
from dockyard.model.storage import Disk, Partition, Storage

MIB = 1 << 20
EPOCH = 1_767_225_600

SYSTEM = System(
    architecture=Architecture.AARCH64,
    release='ID=small\nPRETTY_NAME="Sm\u00e5ll"\n',
    loader="systemd-boot",
    entries=(
        LoaderEntry(EntryKind.UKI, "/boot/efi/EFI/Linux/web.efi", "root=x quiet", "6.1"),
        LoaderEntry(EntryKind.FILE, "/boot/loader/entries/web.conf", "root=x", "6.1"),
    ),
    packages=(SystemPackage("bash", "5.2", "1", "aarch64"),),
    mounted=(
        MountedSystem(1, "vfat", "1A2B-3C4D", "/boot/efi"),
        MountedSystem(2, "ext4", "88d2fa9b-7a32-450a-a9f8-aa9c3de79298", "/"),
    ),
)


def layout() -> DiskLayout:
    """A disk of 41 MiB and 512 KiB: no whole mebibytes."""
    partitions = (Partition(id="esp", size=16 * MIB), Partition(id="root", size=24 * MIB))
    size = 42 * MIB - MIB // 2
    return lay_out(Storage(disks=(Disk(max_size=size, partitions=partitions),)), b"seed")


OS_RELEASE = b'NAME="Small"\nID=small\nVERSION_ID="9"\n'


def base() -> Archive:
    """The root of an image that exists."""
    return tree({b"usr/lib/os-release": OS_RELEASE, b"usr/bin/old": b"old", b"etc/motd": b"hello"})


def tree(files: dict[bytes, bytes]) -> Archive:
    """A root of these files alone."""
    entries = [Entry(path, Kind.FILE, mtime_ns=EPOCH * 10**9) for path in files]
    return Archive.from_entries(entries, dict(files))


def parts(folder: Path, root: Archive | None = None, *, backwards: bool = False) -> Parts:
    """The parts of an image `web`. backwards: the same content by other writes, so that holes do
    not lie alike.
    """
    places = {"esp": (16 * MIB, (0, 10 * MIB)), "root": (20 * MIB, (3 * MIB, 19 * MIB))}
    made = {}
    for key, (size, data) in places.items():
        made[key] = folder / f"{key}.image"
        with made[key].open("wb") as file:
            file.truncate(size)
            for at in reversed(data) if backwards else data:
                file.seek(at)
                file.write(os.fsencode(key) * 50_000)
    live = _live(folder)
    return Parts(
        name="web",
        kernel=folder / "kernel",
        initrd=folder / "initrd",
        live=live,
        describe=lambda disk, size: SYSTEM,
        architecture=Architecture.X86_64,
        seed=b"seed",
        epoch=EPOCH,
        root=root,
        layout=layout(),
        partitions=made,
        base=base(),
        settings=OutputImage(wsl=Wsl(systemd=False)),
    )


def _live(folder: Path) -> LivePart:
    """What a live image has. Its kernel, initrd and root are no such things."""
    made = {name: folder / name for name in ("kernel", "initrd", "live-root", "extra = \\more")}
    for name, path in made.items():
        path.write_text(f"the {name} of it\n" * 5000)
    return LivePart(
        title="A Title's Test",
        label="WEB_1A2B3C4D",
        root=made["live-root"],
        medium_words=("root=live:LABEL=WEB_1A2B3C4D", "a=$b c"),
        network_words=("root=live:http://10.0.0.1/image.iso",),
        files={"docs/extra = \\more": made["extra = \\more"]},
        saved=SavedMedium(InitramfsType.BOOTSTRAP, None, ("a=$b c",), ()),
    )


def content(image: Path) -> bytes:
    """All that an image has, be it a file or a directory."""
    if not image.is_dir():
        return image.read_bytes()
    found = b""
    for path in files.below(image):
        mode = path.lstat().st_mode
        found += b"%b %o\0" % (bytes(path.relative_to(image)), mode)
        found += bytes(path.readlink()) if stat.S_ISLNK(mode) else b""
        found += path.read_bytes() if stat.S_ISREG(mode) else b""
    return found
