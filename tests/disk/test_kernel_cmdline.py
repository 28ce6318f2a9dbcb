"""The command line finds the root and adds what was asked for, and nothing else."""

from __future__ import annotations

import pytest
from storage_sections import btrfs_root, one_partition, two_partitions, verity_root

from dockyard.disk.kernel_cmdline import kernel_command_line
from dockyard.disk.layout import lay_out
from dockyard.errors import DockyardError
from dockyard.model.storage import FileSystem, FileSystemType, MountIdType, MountPoint


def test_a_plain_root() -> None:
    layout = lay_out(two_partitions(), b"seed")
    guid = layout.partition("rootfs").guid
    assert kernel_command_line(layout) == f"root=PARTUUID={guid} rw"
    extra = ["console=ttyS0", "root=/dev/sda"]
    assert kernel_command_line(layout, extra).endswith(" rw console=ttyS0 root=/dev/sda")


def test_options_for_the_kernel_become_root_flags() -> None:
    layout = lay_out(
        two_partitions(options="noatime,ro,x-systemd.growfs,errors=remount-ro"), b"seed"
    )
    text = kernel_command_line(layout)
    assert text.endswith(" ro rootflags=noatime,errors=remount-ro")


def test_a_label_with_a_blank_is_quoted() -> None:
    mount = MountPoint(path="/", id_type=MountIdType.PART_LABEL)
    filesystem = FileSystem(device_id="rootfs", type=FileSystemType.EXT4, mount_point=mount)
    layout = lay_out(one_partition(filesystem, label="my root"), b"seed")
    assert kernel_command_line(layout) == '"root=PARTLABEL=my root" rw'


def test_a_subvolume_is_named() -> None:
    text = kernel_command_line(lay_out(btrfs_root(), b"seed"))
    assert text.endswith(" rw rootflags=subvol=root")


def test_verity_names_its_devices_and_root_hash() -> None:
    storage = verity_root()
    layout = lay_out(storage, b"seed")
    text = kernel_command_line(layout)
    assert text.split(" ") == [
        "root=/dev/mapper/root",
        "ro",
        "rootflags=noatime",
        "roothash={roothash}",
        f"systemd.verity_root_data=PARTUUID={layout.partition('root').guid}",
        "systemd.verity_root_hash=PARTLABEL=hash",
        "systemd.verity_root_options=panic-on-corruption",
    ]


def test_no_root_is_an_error() -> None:
    filesystem = FileSystem(device_id="rootfs", type=FileSystemType.EXT4)
    with pytest.raises(DockyardError) as error:
        kernel_command_line(lay_out(one_partition(filesystem), b"seed"))
    assert error.value.problems[0].code == "disk.no-root"


def test_a_line_break_is_refused() -> None:
    with pytest.raises(DockyardError) as error:
        kernel_command_line(lay_out(two_partitions(), b"seed"), ["quiet\ninit=/bin/sh"])
    assert error.value.problems[0].code == "disk.command-line"
