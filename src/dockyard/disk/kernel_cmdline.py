"""The kernel command line of an image: what finds the root, then what the image file adds.

Nothing is added that nobody asked for: no console, no quiet. Sources: kernel-command-line(7),
systemd-veritysetup-generator(8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dockyard.disk.fstab import source
from dockyard.disk.layout import DiskLayout, PartitionLayout
from dockyard.errors import DockyardError, Problem
from dockyard.model.storage import CorruptionOption, FileSystemType, Verity

_CORRUPTION = {
    CorruptionOption.IGNORE: "ignore-corruption",
    CorruptionOption.PANIC: "panic-on-corruption",
    CorruptionOption.RESTART: "restart-on-corruption",
}


@dataclass(frozen=True, slots=True)
class VerityRoot:
    """A verity device that is set up by the command line, with the root hash of its data (hex)."""

    device: Verity
    root_hash: str


def kernel_command_line(
    layout: DiskLayout, extra: Sequence[str] = (), verity: Sequence[VerityRoot] = ()
) -> str:
    """The command line for a disk. extra: arguments of the image file, last so that they win.

    Raises DockyardError when no partition is mounted at /, or an argument has a line break.
    """
    root = layout.mounted_at("/")
    if root is None or root.filesystem is None:
        raise DockyardError(
            Problem(
                code="disk.no-root",
                what="no file system is mounted at /",
                where="storage.filesystems",
                fix="give one of the file systems the mountPoint /",
            )
        )
    for argument in extra:
        if any(character in argument for character in "\n\r\0"):
            raise DockyardError(
                Problem(
                    code="disk.command-line",
                    what=f"the kernel argument {argument!r} has a line break",
                    where="os.kernelCommandLine.extraCommandLine",
                    fix="write one argument per entry",
                )
            )
    words = _root(root)
    for item in verity:
        words += _verity(layout, item)
    # A label may have a blank; the kernel and systemd both take quotes around an argument.
    own = [f'"{word}"' if " " in word else word for word in words]
    return " ".join([*own, *extra])


def _root(root: PartitionLayout) -> list[str]:
    assert root.filesystem is not None
    mount, subvolume = next(item for item in root.filesystem.mounts if item[0].path == "/")
    options = [option for option in mount.options.split(",") if option]
    read_only = (
        root.verity is not None or root.filesystem.type is FileSystemType.EROFS or "ro" in options
    )
    device = f"/dev/mapper/{root.verity.name}" if root.verity else source(root, mount.id_type)
    flags = [option for option in options if option not in ("ro", "rw", "defaults")]
    # Options for user space mean nothing to the kernel and would make the mount fail.
    flags = [flag for flag in flags if not flag.startswith(("x-", "_netdev", "nofail", "noauto"))]
    if subvolume is not None:
        flags.append(f"subvol={subvolume}")
    words = [f"root={device}", "ro" if read_only else "rw"]
    if flags:
        words.append(f"rootflags={','.join(flags)}")
    return words


def _verity(layout: DiskLayout, item: VerityRoot) -> list[str]:
    device = item.device
    name = "root" if device.name == "root" else "usr"
    prefix = f"systemd.verity_{name}"
    data = layout.partition(device.data_device_id)
    hashes = layout.partition(device.hash_device_id)
    words = [
        f"{'roothash' if name == 'root' else 'usrhash'}={item.root_hash}",
        f"{prefix}_data={source(data, device.data_device_mount_id_type)}",
        f"{prefix}_hash={source(hashes, device.hash_device_mount_id_type)}",
    ]
    if device.corruption_option in _CORRUPTION:
        words.append(f"{prefix}_options={_CORRUPTION[device.corruption_option]}")
    return words
