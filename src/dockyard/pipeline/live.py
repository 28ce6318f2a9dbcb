"""What a live medium, or what a network boots, is asked for: put together from the keys `iso` and
`pxe` and, where the input is a live medium itself, from what that has kept.

The root of a live system is an image on the medium, or fetched (bootstrap), or the initramfs is the
whole system (full-os).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dockyard.config import LoadedImage
from dockyard.disk.command_words import words_of
from dockyard.disk.identity import derive
from dockyard.formats import Holds, holding
from dockyard.formats.saved_medium import SavedMedium
from dockyard.initrd.options import InitrdFeature
from dockyard.model.live import InitramfsType, Iso, KdumpBootFiles, Pxe
from dockyard.model.output import ImageFormat
from dockyard.tree.additional import AdditionalFileSetting

FORMATS = frozenset(holding(Holds.LIVE))
FETCHED = "image.iso"
"""The file that an initrd fetches the root from, where nothing names another."""

_LONGEST_LABEL = 32


def known_medium(saved: SavedMedium | None, words: Sequence[str]) -> SavedMedium:
    """What is known of a live medium: of ours what it has kept, else what its menu says. words: of
    that.
    """
    return saved or SavedMedium(InitramfsType.BOOTSTRAP, None, _kept(words), ())


@dataclass(frozen=True)
class LiveRequest:
    """What a live image is asked for.

    full_os: the initramfs is the whole system. url: of the ISO, for what a network boots; empty for
    a medium, and for full-os. words: of the kernel command line, beside what finds the root.
    saved_words: those of them that were asked for of the medium alone. files: for the medium.
    keeps_boot_files: for kdump. label: of the medium. title: of its menu.
    """

    full_os: bool
    url: str
    words: tuple[str, ...]
    saved_words: tuple[str, ...]
    files: tuple[AdditionalFileSetting, ...]
    keeps_boot_files: bool
    label: str
    title: str
    for_network: bool = False
    modules: tuple[str, ...] = field(default=())

    @property
    def features(self) -> frozenset[InitrdFeature]:
        """What its initrd can do."""
        if self.full_os:
            return frozenset()
        if not self.for_network:
            return frozenset((InitrdFeature.LIVE,))
        found = {InitrdFeature.LIVE, InitrdFeature.LIVE_NETWORK}
        if self.url.startswith("nfs:"):
            return frozenset(found | {InitrdFeature.LIVE_NFS})
        secure = {InitrdFeature.LIVE_TLS} if self.url.startswith("https:") else set()
        return frozenset(found | {InitrdFeature.LIVE_FETCH} | secure)

    @property
    def medium_words(self) -> tuple[str, ...]:
        """The kernel command line of the medium."""
        root = () if self.full_os else (f"root=live:LABEL={self.label}",)
        return (*root, *self.words)

    @property
    def network_words(self) -> tuple[str, ...]:
        """The kernel command line over the network."""
        root = () if self.full_os else (f"root=live:{self.url}",)
        return (*root, *self.words)

    @property
    def command_line(self) -> tuple[str, ...]:
        """The kernel command line of what is written."""
        return self.network_words if self.for_network else self.medium_words

    @property
    def fetched_name(self) -> str:
        return self.url.rpartition("/")[2] or FETCHED

    @property
    def saved(self) -> SavedMedium:
        """What the medium keeps for when it is customized again."""
        return SavedMedium(
            InitramfsType.FULL_OS if self.full_os else InitramfsType.BOOTSTRAP,
            KdumpBootFiles.KEEP if self.keeps_boot_files else KdumpBootFiles.NONE,
            self.words,
            self.saved_words,
        )


def live_request(
    loaded: LoadedImage,
    chosen: str,
    seed: bytes,
    title: str,
    before: SavedMedium | None = None,
    booted: Sequence[str] = (),
) -> LiveRequest | None:
    """What the image file asks for of a live image; None for other formats.

    chosen: the format. seed: decides the label. title: of the menu. before: what a medium that is
    customized has kept. booted: words of the kernel command line that the image has already.
    """
    if chosen not in FORMATS:
        return None
    for_network = chosen != ImageFormat.ISO
    asked: Iso | Pxe = (loaded.image.pxe if for_network else loaded.image.iso) or Iso()
    kind = asked.initramfs_type or (before.initramfs_type if before else None)
    default = InitramfsType.FULL_OS if for_network else InitramfsType.BOOTSTRAP
    key = "pxe" if for_network else "iso"
    files = tuple(
        AdditionalFileSetting(
            each.destination,
            loaded.local(each.source) if each.source else None,
            each.content,
            each.permissions,
            loaded.position(f"{key}.additionalFiles[{index}]"),
        )
        for index, each in enumerate(asked.additional_files)
    )
    kdump = asked.kdump_boot_files or (before.kdump_boot_files if before else None)
    of_medium = _words(asked.kernel_command_line.extra_command_line)
    saved = _joined(before.of_medium if before else (), of_medium)
    extra = _words(loaded.image.os.kernel_command_line.extra_command_line)
    full_os = (kind or default) is InitramfsType.FULL_OS
    return LiveRequest(
        full_os=full_os,
        url=_url(asked) if for_network and not full_os else "",
        words=_joined(before.words if before else _kept(booted), extra, saved),
        saved_words=saved,
        files=files,
        keeps_boot_files=kdump is KdumpBootFiles.KEEP,
        label=_label(loaded.name, seed),
        title=title,
        for_network=for_network,
        modules=loaded.image.os.initrd.modules,
    )


def _url(asked: Iso) -> str:
    if not isinstance(asked, Pxe):
        return ""
    base = asked.bootstrap_base_url
    return asked.bootstrap_file_url or (f"{base.rstrip('/')}/{FETCHED}" if base else "")


def _label(name: str, seed: bytes) -> str:
    """The volume id: the image's name, and eight digits by which no two images have the same."""
    digits = derive(seed, "medium").hex[:8].upper()
    plain = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    return f"{plain[: _LONGEST_LABEL - 9]}_{digits}"


def _words(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for text in given for word in words_of(text))


def _joined(*lists: Sequence[str]) -> tuple[str, ...]:
    """Words of several lists, each word once, where it comes last."""
    words = [word for each in lists for word in each]
    return tuple(word for at, word in enumerate(words) if word not in words[at + 1 :])


# Of a disk: what finds and checks its root, and what a boot loader adds.
_OF_ROOT = (
    *("root=", "rootflags=", "rootfstype=", "roothash=", "usrhash=", "systemd.verity", "resume="),
    *("BOOT_IMAGE=", "initrd=", "rd.systemd.verity", "mount.usr", "rd.luks", "rd.lvm", "rd.md"),
    "rd.live",
)


def _kept(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a disk's kernel command line that hold for a live system as well."""
    return tuple(
        word for word in words if word not in ("ro", "rw") and not word.startswith(_OF_ROOT)
    )
