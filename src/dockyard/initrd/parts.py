"""What goes into an initrd, as data: units, programs and modules per feature and file system.

Names only; which libraries, rules and further units those need is found out from the root.
Sources: bootup(7) and the unit files of systemd, the kernel's Kconfig names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dockyard.initrd.options import InitrdFeature


@dataclass(frozen=True, slots=True)
class Part:
    """A set of names. Those in `wanted_*` are taken where the root has them; programs that a
    unit's ExecStart= names need not be listed.
    """

    units: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    wanted_programs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    wanted_modules: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()  # features of dlopen notes
    wanted_libraries: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()  # modules that have to be there before udev looks at a device
    wanted_rules: tuple[str, ...] = ()  # of udev


BASE = Part(
    units=(
        *("initrd.target", "initrd-fs.target", "initrd-root-device.target"),
        *("initrd-root-fs.target", "initrd-usr-fs.target", "initrd-switch-root.target"),
        *("initrd-cleanup.service", "initrd-parse-etc.service", "initrd-switch-root.service"),
        "initrd-udevadm-cleanup-db.service",
        *("basic.target", "sysinit.target", "local-fs.target", "local-fs-pre.target"),
        *("paths.target", "slices.target", "sockets.target", "timers.target", "swap.target"),
        *("emergency.target", "emergency.service", "rescue.target", "rescue.service"),
        *("shutdown.target", "umount.target", "final.target", "ctrl-alt-del.target"),
        *("poweroff.target", "reboot.target", "halt.target"),
        *("systemd-poweroff.service", "systemd-reboot.service", "systemd-halt.service"),
        *("systemd-fsck@.service", "systemd-fsck-root.service"),
        *("systemd-growfs@.service", "systemd-growfs-root.service"),
        *("modprobe@.service", "systemd-modules-load.service", "debug-shell.service"),
        *("systemd-journald.service", "systemd-journald.socket"),
        "systemd-journald-dev-log.socket",
        *("systemd-udevd.service", "systemd-udevd-control.socket"),
        *("systemd-udevd-kernel.socket", "systemd-udev-trigger.service"),
    ),
    programs=(
        "/usr/lib/systemd/systemd",
        "/usr/lib/systemd/systemd-shutdown",
        "/usr/lib/systemd/system-generators/systemd-fstab-generator",
        *("sh", "systemctl", "udevadm", "kmod", "modprobe", "mount", "umount"),
    ),
    wanted_programs=(
        "/usr/lib/systemd/systemd-executor",
        "/usr/lib/systemd/system-generators/systemd-debug-generator",
        "/usr/lib/systemd/system-generators/systemd-run-generator",
        *("journalctl", "sulogin", "fsck", "insmod", "rmmod", "lsmod", "blkid", "dmesg"),
        *("cat", "ls", "cp", "ln", "mkdir", "mv", "rm", "sleep", "echo", "bash"),
    ),
    wanted_modules=(
        # where the root is: virtio, NVMe, SATA, SCSI, Hyper-V, Xen, VMware, USB
        *("virtio_blk", "virtio_pci", "virtio_mmio", "virtio_scsi", "virtio_console"),
        *("nvme", "ahci", "ata_piix", "sd_mod", "sr_mod", "megaraid_sas", "mpt3sas"),
        *("hv_vmbus", "hv_storvsc", "xen_blkfront", "xen_scsifront", "vmw_pvscsi", "mptspi"),
        *("xhci_pci", "usb_storage", "uas", "sdhci_pci", "mmc_block"),
        # what systemd asks for, and where credentials come from
        *("autofs4", "efivarfs", "dmi_sysfs", "qemu_fw_cfg"),
    ),
    libraries=("kmod", "blkid", "mount"),
    wanted_libraries=("acl", "zstd"),
)

FEATURES: Mapping[InitrdFeature, Part] = {
    InitrdFeature.VERITY: Part(
        units=(
            *("veritysetup.target", "veritysetup-pre.target", "remote-veritysetup.target"),
            "system-systemd\\x2dveritysetup.slice",
        ),
        programs=(
            "/usr/lib/systemd/systemd-veritysetup",
            "/usr/lib/systemd/system-generators/systemd-veritysetup-generator",
            "dmsetup",
        ),
        modules=("dm_mod", "dm_verity"),
        libraries=("cryptsetup",),
    ),
    InitrdFeature.VOLATILE: Part(
        units=("systemd-volatile-root.service",),
        modules=("overlay",),
    ),
    InitrdFeature.REPART: Part(
        units=("systemd-repart.service",),
        modules=("loop",),
        libraries=("fdisk",),
        wanted_libraries=("cryptsetup",),  # for partitions that are encrypted or have verity
    ),
    InitrdFeature.CRYPT: Part(
        units=(
            *("cryptsetup.target", "cryptsetup-pre.target", "remote-cryptsetup.target"),
            "system-systemd\\x2dcryptsetup.slice",
            *("systemd-ask-password-console.path", "systemd-ask-password-console.service"),
        ),
        programs=(
            "/usr/lib/systemd/systemd-cryptsetup",
            "/usr/lib/systemd/systemd-reply-password",
            "/usr/lib/systemd/system-generators/systemd-cryptsetup-generator",
            *("dmsetup", "systemd-tty-ask-password-agent"),
        ),
        modules=("dm_mod", "dm_crypt"),
        wanted_modules=("aesni_intel", "aes_ce_blk", "xts"),
        libraries=("cryptsetup",),
    ),
    InitrdFeature.TPM: Part(
        programs=("libtss2-tcti-device.so.0",),
        wanted_modules=("tpm_tis", "tpm_crb"),
        libraries=("tpm",),
    ),
    InitrdFeature.GPT_AUTO: Part(
        programs=("/usr/lib/systemd/system-generators/systemd-gpt-auto-generator",)
    ),
    InitrdFeature.LIVE: Part(
        programs=("mkdir", "ln", "chmod", "mount"),
        modules=("squashfs", "overlay", "loop"),
        # The medium is an ISO; one that is fetched may be the root itself.
        wanted_modules=("isofs", "cdrom", "sr_mod", "erofs", "usb_storage", "uas", "ehci_pci"),
        wanted_rules=("60-cdrom_id.rules",),
        loaded=("loop",),
    ),
    InitrdFeature.LIVE_NETWORK: Part(
        units=(
            *("network.target", "network-pre.target", "network-online.target"),
            *("systemd-networkd.service", "systemd-networkd.socket"),
            "systemd-networkd-wait-online.service",
        ),
        modules=("isofs",),
        wanted_modules=(
            *("af_packet", "virtio_net", "vmxnet3", "hv_netvsc", "ena", "gve", "e1000", "e1000e"),
            *("igb", "igc", "ixgbe", "ixgbevf", "i40e", "iavf", "ice", "r8169", "tg3", "bnxt_en"),
            *("mlx4_en", "mlx5_core", "qede", "xen_netfront", "atlantic", "usbnet", "cdc_ether"),
        ),
    ),
    InitrdFeature.LIVE_FETCH: Part(programs=("curl",)),
    InitrdFeature.LIVE_TLS: Part(),
    # The kernel mounts by address; getent finds that of a name.
    InitrdFeature.LIVE_NFS: Part(programs=("cp", "umount", "getent"), modules=("nfs", "nfsv4")),
    InitrdFeature.EMERGENCY_SHELL: Part(programs=("sulogin",)),
}

FILESYSTEMS: Mapping[str, Part] = {
    # udev takes a btrfs device for ready only when it can ask /dev/btrfs-control.
    "btrfs": Part(modules=("btrfs",), wanted_programs=("fsck.btrfs",), loaded=("btrfs",)),
    "erofs": Part(modules=("erofs",)),
    "ext4": Part(modules=("ext4",), programs=("fsck", "fsck.ext4")),
    "overlay": Part(modules=("overlay",)),
    "squashfs": Part(modules=("squashfs",)),
    "vfat": Part(
        modules=("vfat",),
        wanted_modules=("nls_cp437", "nls_iso8859_1", "nls_ascii", "nls_utf8"),
        wanted_programs=("fsck.vfat",),
    ),
    "xfs": Part(modules=("xfs",), wanted_programs=("fsck.xfs",)),
}

UDEV_RULES = (
    *("50-udev-default.rules", "55-dm.rules", "60-block.rules", "60-persistent-storage.rules"),
    *("60-persistent-storage-dm.rules", "64-btrfs.rules", "80-drivers.rules"),
    *("95-dm-notify.rules", "99-systemd.rules"),
)
# Subsystems without a device that is needed to find a root and mount it. They are more than half:
# each terminal is a device, each block of memory, and each timer that may wake the machine up. The
# system itself looks at all devices again.
PASSED_OVER_SUBSYSTEMS = (
    *("tty", "vc", "vtconsole", "memory", "wakeup", "workqueue", "event_source", "clockevents"),
    "machinecheck",
)
REQUIRED_UDEV_RULES = frozenset(
    ("50-udev-default.rules", "60-persistent-storage.rules", "80-drivers.rules", "99-systemd.rules")
)
