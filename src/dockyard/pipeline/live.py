"""What a live medium, or what a network boots, is asked for: judged, and put together from the keys
`iso` and `pxe` and, where the input is a live medium itself, from what that has kept.

A live system has no disk: what an image file says of partitions, boot loaders and UKIs is for other
formats, and said so. Its root is an image on the medium, or fetched (bootstrap), or the initramfs
is the whole system (full-os).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dockyard.config import LoadedImage
from dockyard.disk.command_words import words_of
from dockyard.disk.identity import derive
from dockyard.errors import Problem, Severity
from dockyard.initrd.options import InitrdFeature
from dockyard.model.architecture import Architecture
from dockyard.model.live import InitramfsType, Iso, KdumpBootFiles, Pxe
from dockyard.model.os import InitrdBuilder, SelinuxMode
from dockyard.model.output import ImageFormat
from dockyard.tree.additional import AdditionalFileSetting, plain_path

FORMATS = frozenset((ImageFormat.ISO, ImageFormat.PXE_DIR, ImageFormat.PXE_TAR))
_FETCHED = "image.iso"
_FETCHABLE = ("http", "https", "ftp", "tftp")
_LONGEST_LABEL = 32
_OWN_PLACES = ("/boot/", "/liveos/", "/EFI/", "/efi/")
_OWN_NAMES = ("/vmlinuz", "/initrd.img", "/bootx64.efi", "/pxegrub.0", f"/{_FETCHED}")
_OF_A_DISK = ("storage", "os.bootloader", "os.uki")


@dataclass(frozen=True, slots=True)
class SavedMedium:
    """What a live medium has kept of what it was made with, or what shows on it. words: of its
    kernel command line, beside what finds the root. of_medium: those asked for of the medium alone.
    """

    initramfs_type: InitramfsType | None
    kdump_boot_files: KdumpBootFiles | None
    words: tuple[str, ...]
    of_medium: tuple[str, ...]


def saved_medium(facts: Mapping[str, Any]) -> SavedMedium:
    """What is known of a live medium: of ours what it has kept, else what its menu says."""
    saved = facts["saved"]
    if not saved:
        return SavedMedium(InitramfsType.BOOTSTRAP, None, _kept(facts["words"]), ())
    return SavedMedium(
        InitramfsType(saved["initramfsType"]),
        KdumpBootFiles(saved["kdumpBootFiles"]),
        tuple(saved["kernelCommandLine"]),
        tuple(saved["ofTheMedium"]),
    )


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
        secure = (InitrdFeature.LIVE_TLS,) if self.url.startswith("https:") else ()
        return frozenset((InitrdFeature.LIVE, InitrdFeature.LIVE_NETWORK, *secure))

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
        return self.url.rpartition("/")[2] or _FETCHED

    @property
    def saved(self) -> Mapping[str, object]:
        """What the medium keeps for when it is customized again."""
        return {
            "initramfsType": "full-os" if self.full_os else "bootstrap",
            "kdumpBootFiles": "keep" if self.keeps_boot_files else "none",
            "kernelCommandLine": list(self.words),
            "ofTheMedium": list(self.saved_words),
            "label": self.label,
        }


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


def live_problems(loaded: LoadedImage, chosen: str) -> Iterator[Problem]:
    """What an image file asks for of live media that cannot be, and remarks. chosen: the format."""
    image = loaded.image
    sections = {"iso": image.iso, "pxe": image.pxe}
    used = "pxe" if chosen in (ImageFormat.PXE_DIR, ImageFormat.PXE_TAR) else "iso"
    fits = chosen in FORMATS and sections[used] is not None
    for key, section in sections.items():
        if section is not None and not fits:
            yield loaded.problem(
                key,
                "live.other-format",
                f"`{key}` is given, and the format is {chosen}",
                why=f"it says what is on {'a live ISO' if key == 'iso' else 'a boot server'}",
                fix=f"write the format {'iso' if key == 'iso' else 'pxe-dir or pxe-tar'}, "
                f"or remove `{key}`",
            )
    if chosen not in FORMATS:
        return
    yield from _without_a_disk(loaded, chosen)
    if (asked := sections[used]) is not None:
        yield from _files(loaded, asked, used)
    if used == "pxe":
        yield from _fetching(loaded, image.pxe or Pxe())


def _without_a_disk(loaded: LoadedImage, chosen: str) -> Iterator[Problem]:
    image = loaded.image
    if image.storage.verity:
        yield loaded.problem(
            "storage.verity",
            "live.verity",
            f"the format {chosen} has no dm-verity",
            why="its root is an image on the medium, below a layer in memory",
            fix="remove storage.verity, or choose another format",
        )
    if image.os.initrd.builder is InitrdBuilder.DRACUT:
        yield loaded.problem(
            "os.initrd.builder",
            "live.dracut",
            "the initrd of a live system is not made by dracut",
            fix="remove os.initrd.builder",
        )
    asked = image.pxe if chosen != ImageFormat.ISO else image.iso
    full = asked and asked.initramfs_type is InitramfsType.FULL_OS
    full = full or (chosen != ImageFormat.ISO and not (asked and asked.initramfs_type))
    if full and image.os.selinux.mode not in (None, SelinuxMode.DISABLED):
        yield loaded.problem(
            "os.selinux.mode",
            "live.selinux",
            "SELinux needs labels, which an initramfs cannot hold",
            why="`initramfsType: full-os` is asked for, or the default of the format",
            fix="use `initramfsType: bootstrap`, or `mode: disabled`",
        )
    used = [key for key in _OF_A_DISK if _is_given(loaded, key)]
    if used:
        yield replace(
            loaded.problem(
                used[0],
                "live.no-disk",
                f"{', '.join(used)}: not used for the format {chosen}",
                why="a live system has no disk; it boots with GRUB from its medium",
            ),
            severity=Severity.NOTE,
        )


def _is_given(loaded: LoadedImage, key: str) -> bool:
    image = loaded.image
    return bool(
        {
            "storage": image.storage.disks or image.storage.boot_type,
            "os.bootloader": image.os.bootloader.reset_type,
            "os.uki": image.os.uki,
        }[key]
    )


def _files(loaded: LoadedImage, asked: Iso, key: str) -> Iterator[Problem]:
    for index, file in enumerate(asked.additional_files):
        path = plain_path(file.destination)
        if path.startswith(_OWN_PLACES) or path in _OWN_NAMES:
            yield loaded.problem(
                f"{key}.additionalFiles[{index}].destination",
                "live.own-place",
                f"{path} is where the medium has what it boots with",
                fix=f"choose a place outside of {', '.join(_OWN_PLACES)}",
            )


def _fetching(loaded: LoadedImage, asked: Pxe) -> Iterator[Problem]:
    url = asked.bootstrap_base_url or asked.bootstrap_file_url
    key = "bootstrapFileUrl" if asked.bootstrap_file_url else "bootstrapBaseUrl"
    if asked.initramfs_type is InitramfsType.BOOTSTRAP and not url:
        yield loaded.problem(
            "pxe.initramfsType",
            "live.no-url",
            "a bootstrap initramfs must know where to fetch the root",
            fix="add bootstrapBaseUrl: the URL of the directory that the files are served from",
        )
    scheme = url.partition(":")[0]
    if url and scheme not in _FETCHABLE:
        yield loaded.problem(
            f"pxe.{key}",
            "live.url-scheme",
            f"the initrd does not fetch by {scheme}",
            why=f"it fetches with curl: {', '.join(_FETCHABLE)}",
            fix="serve the files by http",
        )
    if asked.bootstrap_file_url.endswith("/"):
        yield loaded.problem(
            "pxe.bootstrapFileUrl",
            "live.no-file-name",
            "the URL of the image ends without the name of a file",
            fix="add the name, such as image.iso, or give bootstrapBaseUrl",
        )
    elif url and asked.initramfs_type is None:
        yield loaded.problem(
            f"pxe.{key}",
            "live.nothing-fetched",
            f"`{key}` is given, and nothing is fetched",
            why="without initramfsType the initramfs is the whole system",
            fix="add `initramfsType: bootstrap`",
        )


def architecture_problems(loaded: LoadedImage, architecture: Architecture) -> Iterator[Problem]:
    """Live media are made for processors that the tools have a boot loader for."""
    if architecture is not Architecture.X86_64:
        yield loaded.problem(
            "output.image.format",
            "live.architecture",
            f"live media for {architecture} are not made",
            why="the tools have GRUB for x86_64 alone",
            fix="choose another format",
        )


def _url(asked: Iso) -> str:
    if not isinstance(asked, Pxe):
        return ""
    base = asked.bootstrap_base_url
    return asked.bootstrap_file_url or (f"{base.rstrip('/')}/{_FETCHED}" if base else "")


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
