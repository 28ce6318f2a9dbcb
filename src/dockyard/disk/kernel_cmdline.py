"""The kernel command line of an image: what finds the root, then what the image file adds.

Nothing is added that nobody asked for: no console, no quiet. Sources: kernel-command-line(7),
systemd-veritysetup-generator(8).
"""

from __future__ import annotations

from collections.abc import Sequence

from dockyard.disk.fstab import mounted_from, source
from dockyard.disk.partitions import DiskLayout, PartitionLayout, VerityLayout
from dockyard.errors import DockyardError, Problem
from dockyard.model.storage import CorruptionOption, FileSystemType, MountIdType

_CORRUPTION = {
    CorruptionOption.IGNORE: "ignore-corruption",
    CorruptionOption.PANIC: "panic-on-corruption",
    CorruptionOption.RESTART: "restart-on-corruption",
}

ROOT_HASHES = {"root": "roothash", "usr": "usrhash"}
"""The parameters that give root hashes, by the names of the devices."""


def kernel_command_line(layout: DiskLayout, extra: Sequence[str] = ()) -> str:
    """The command line for a disk. extra: arguments of the image file, last so that they win.

    The root hash of a verity device is found when its file system is written: its word has the
    name of the parameter in braces, `roothash={roothash}`.

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
    for data, device in layout.verity:
        words += verity_words(layout, data, device)
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
    device = mounted_from(root, mount)
    flags = [option for option in options if option not in ("ro", "rw", "defaults")]
    # Options for user space mean nothing to the kernel and would make the mount fail.
    flags = [flag for flag in flags if not flag.startswith(("x-", "_netdev", "nofail", "noauto"))]
    if subvolume is not None:
        flags.append(f"subvol={subvolume}")
    words = [f"root={device}", "ro" if read_only else "rw"]
    if flags:
        words.append(f"rootflags={','.join(flags)}")
    return words


def root_hash_name(device: VerityLayout) -> str:
    """The parameter that gives the root hash of a device, and the name under which it is found."""
    return ROOT_HASHES[device.name]


def verity_names(device: str) -> tuple[str, ...]:
    """All parameters that say something of a verity device. device: its name."""
    parts = (f"systemd.verity_{device}_{part}" for part in ("data", "hash", "options"))
    return (ROOT_HASHES[device], *parts)


def verity_words(
    layout: DiskLayout, data: PartitionLayout, device: VerityLayout
) -> tuple[str, ...]:
    """The words that have the initrd set up a verity device."""
    name = root_hash_name(device)
    prefix = f"systemd.verity_{device.name}"
    data_source = source(data, device.data_by)
    hashes = data if device.inline else layout.partition(device.hashes)
    hash_source = source(hashes, device.hashes_by)
    if device.hashes_by is MountIdType.UUID and not device.inline:
        hash_source = f"UUID={device.uuid}"
    options = [f"hash-offset={data.content_size}"] if device.inline else []
    if device.corruption in _CORRUPTION:
        options.append(_CORRUPTION[device.corruption])
    if device.signature:
        options.append(f"root-hash-signature={device.signature}")
    found = device.root_hash or f"{{{name}}}"
    words = (f"{name}={found}", f"{prefix}_data={data_source}", f"{prefix}_hash={hash_source}")
    return (*words, f"{prefix}_options={','.join(options)}") if options else words
