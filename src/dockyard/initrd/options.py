"""What an initrd is asked to be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class InitrdFeature(StrEnum):
    """A part of an initrd beyond finding, checking and mounting a plain root file system."""

    VERITY = "verity"  # root or usr on dm-verity, by roothash= or usrhash=
    VOLATILE = "volatile"  # systemd.volatile=: a root in memory or under an overlay
    REPART = "repart"  # grow and make partitions by the root's repart.d at first boot
    CRYPT = "crypt"  # root on LUKS
    TPM = "tpm"  # secrets and measurements of a TPM 2.0
    GPT_AUTO = "gpt-auto"  # find the root partition by its type where root= names none
    LIVE = "live"  # root=live:…: a root image on a medium, below a layer in memory
    LIVE_NETWORK = "live-network"  # a card with an address, for a root image that is elsewhere
    LIVE_FETCH = "live-fetch"  # which is fetched by http, ftp or tftp
    LIVE_TLS = "live-tls"  # the same by https, which needs to know whom to trust
    LIVE_NFS = "live-nfs"  # which is in a directory that NFS serves
    EMERGENCY_SHELL = "emergency-shell"  # an emergency shell without a password: test images only


@dataclass(frozen=True, slots=True)
class EarlyMount:
    """A file system that is mounted, only to be read, before verity devices are set up.

    source, path, kind, options: as in fstab(5). devices: the names of the devices that wait for it.
    """

    source: str
    path: str
    kind: str
    options: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InitrdOptions:
    """What one initrd holds.

    kernel: the version whose modules are taken (a directory below /usr/lib/modules).
    filesystems: kinds that the initrd mounts; the module and the checker of each are taken.
    modules: further kernel modules by name; all must exist. mounts: what is mounted before the root
    is set up. level: zstd's compression level.
    """

    kernel: str
    filesystems: tuple[str, ...] = ("ext4",)
    modules: tuple[str, ...] = ()
    features: frozenset[InitrdFeature] = frozenset()
    mounts: tuple[EarlyMount, ...] = ()
    level: int = 3
