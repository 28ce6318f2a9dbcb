"""What a booted image is asked: one list for everything that its image file settled, and for what
the build knows of it as a whole.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.config import LoadedImage
from dockyard.disk.command_words import plain
from dockyard.disk.kernel_cmdline import root_hash_name
from dockyard.disk.layout import DiskLayout, VerityLayout
from dockyard.disk.partition_types import XBOOTLDR
from dockyard.model.family import Family
from dockyard.model.os import BootloaderType, UkiMode
from dockyard.model.packages import PackageKind, Pin
from dockyard.model.storage import BootType
from dockyard.pipeline.expected import (
    SHADOW_SCRIPT,
    VERIFY,
    Expected,
    passed_over,
    passed_over_pattern,
)
from dockyard.pipeline.file_questions import file_questions
from dockyard.tree.additional import added_paths
from dockyard.tree.check import Check, Question, Turn, Unasked
from dockyard.tree.fstab import FstabSetting
from dockyard.tree.own_checks import own_checks
from dockyard.tree.setting import Setting

_RPM_SECONDS = 120

# A service that was started again once, on a busy machine, is no fault; three times is one. systemd
# gives a block of lines for every service, with an empty line between them.
_RESTARTING = """\
systemctl show --property=Id,NRestarts,SubState '*.service' | (
    while IFS== read -r key value; do
        case $key in
            Id) id=$value ;;
            NRestarts) [ "$value" -lt 3 ] || echo "$id was started again $value times" ;;
            SubState) [ "$value" != auto-restart ] || echo "$id waits to be started again" ;;
        esac
    done
)"""
# Says of a partition that grew that it has the size that it was built with.
_GROWN = """ | while read -r line; do
    size=${{line##*SIZE=?}}
    case $line in 'PARTN="{number}" '*)
        [ "${{size%?}}" -lt {size} ] || line="${{line%SIZE=*}}SIZE=\\"{size}\\"" ;;
    esac
    echo "$line"
done"""
# systemd-repart(8) gives a name to each partition that it knows and that has none.
_NAMED = """ | sed '/^PARTN="{number}" /s/PARTLABEL="[^"]*"/PARTLABEL=""/'"""
# Finds the disk that holds the root, under whatever lies between.
_ROOT_DISK = (
    "root=$(findmnt --noheadings --nofsroot --output SOURCE /); "
    "disk=$(lsblk --noheadings --inverse --raw --output TYPE,KNAME $root "
    "| sed -n 's/^disk //p' | head -n 1); "
)
# systemd-stub(7) sets it.
_STUB = "/sys/firmware/efi/efivars/StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


@dataclass(frozen=True, slots=True)
class Built:
    """What a build left to compare with. every_file: read all files, not a sample."""

    manifest: Path
    expected: Expected
    every_file: bool = False


def image_questions(
    loaded: LoadedImage,
    pins: Sequence[Pin] | None,
    settings: Sequence[Setting],
    command_line: str,
    layout: DiskLayout,
    family: Family,
    built: Built | None,
    words: Sequence[str] = (),
) -> list[Question]:
    """Every question about an image: packages, accounts, kernel command line, partitions, each
    setting, services, files, and the user's own. pins: None for an image that was customized: it
    has what its build found in it. command_line: empty where it is not known. built: None where the
    store has no such build.
    """
    found: list[Question] = [*_packages(loaded, pins, family, built)]
    if command_line:
        found.append(_command_line(loaded, command_line))
    if words:
        found.append(_words(loaded, words))
    if layout.partitions:
        found += _disk(loaded, layout)
    for setting in settings:
        found += setting.checks()
    title = "no service is started again and again"
    found.append(Check("services.restarts", title, _RESTARTING, ""))
    if loaded.image.os.initrd.modules:
        why = "the initrd is gone when the system runs"
        at = loaded.position("os.initrd.modules")
        found.append(Unasked("the further modules of the initrd", why, at))
    if built is None:  # the most of what is not asked: told first
        why = "the store has no build of the image file as it is now"
        found.insert(0, Unasked("files, accounts and what scripts did", why))
    else:
        found += _accounts(built.expected)
        found += file_questions(
            built.manifest,
            _paths(settings),
            _foreign_mounts(layout),
            family.packaging,
            built.every_file,
            _unmounted(layout, settings),
        )
    # Last of all, for it tells whether anything that was read before was not as it was.
    sealed = [_verity(device) for _, device in layout.verity]
    return [*found, *own_checks(loaded), *sealed]


def _disk(loaded: LoadedImage, layout: DiskLayout) -> list[Question]:
    """What is asked of a disk, and of what boots from it."""
    found: list[Question] = [_partition_table(layout), _partitions(layout)]
    if loaded.image.os.uki and loaded.image.os.uki.mode is UkiMode.CREATE:
        found.append(_uki(loaded))
    by_bios = loaded.image.storage.boot_type is BootType.LEGACY
    if by_bios or loaded.image.os.bootloader.type is BootloaderType.GRUB:
        found.append(_grub(loaded))
    if by_bios:
        found.append(_bios(loaded))
    return found


def _paths(settings: Sequence[Setting]) -> set[str]:
    """The files that settings have checks of their own for."""
    tables = {"/etc/fstab"} if any(isinstance(each, FstabSetting) for each in settings) else set()
    return added_paths(settings) | tables


def _foreign_mounts(layout: DiskLayout) -> list[str]:
    """Where file systems are mounted that have no owners and modes."""
    return [
        mount.path
        for partition in layout.partitions
        if partition.filesystem and partition.filesystem.type.is_fat
        for mount, _ in partition.filesystem.mounts
    ]


def _unmounted(layout: DiskLayout, settings: Sequence[Setting]) -> dict[str, str]:
    """Where what boots belongs, each with its device, in a system that has an fstab of its own: it
    need not mount that, and systemd-gpt-auto-generator(8) does so only where the boot loader told
    from which partition it came.
    """
    if any(isinstance(each, FstabSetting) for each in settings):
        return {}
    return {
        mount.path: f"/dev/disk/by-partuuid/{partition.guid}"
        for partition in layout.partitions
        if partition.filesystem
        and (partition.filesystem.type.is_fat or partition.type_guid == XBOOTLDR)
        for mount, _ in partition.filesystem.mounts
    }


def _packages(
    loaded: LoadedImage, pins: Sequence[Pin] | None, family: Family, built: Built | None
) -> list[Question]:
    if family.packaging.kind is PackageKind.DEB:
        return [_debs(loaded, pins, built)]
    position = loaded.position("os.packages")
    tool = family.packaging.tool
    digests = built.expected.headers if built else None
    if pins is None or loaded.image.os.packages.remove_package_manager:
        names, whose = sorted(digests or ()), "image"
        has_tool = any(re.fullmatch(rf"{tool}-[^-]+-[^-]+", name) for name in names)
    else:
        names, whose = sorted(pin.nevra for pin in pins), "lock"
        has_tool = any(pin.name == tool for pin in pins)
    if not has_tool:
        why = f"the image has no {tool}; its files are asked instead"
        return [Unasked("the database of packages", why, position)]
    # A package has an epoch of 0 as often as none; a lock writes neither.
    script = (
        "rpm -qa --qf '%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}"
        f"{'' if digests is None else ' %{SHA256HEADER}'}\\n' | sed 's/-0:/-/' | LC_ALL=C sort"
    )
    if digests is not None:
        names = [f"{name} {digests.get(name, 'is not installed')}" for name in names]
    title = f"the {len(names)} packages of the {whose} are installed, and no others"
    expect = "\n".join(names)
    found: list[Question] = [Check("packages", title, script, expect, position, _RPM_SECONDS)]
    if built and built.expected.rpm is not None:
        places = passed_over(family.packaging, family.esp)
        script = (
            f"rpm -Va --noscripts {' '.join(VERIFY)} "
            f"| grep -Ev '{passed_over_pattern(places)}' | LC_ALL=C sort"
        )
        expect = "\n".join(built.expected.rpm)
        title = "rpm finds the packages as the build left them"
        found.append(Check("packages.verify", title, script, expect, position, _RPM_SECONDS))
    return found


def _debs(loaded: LoadedImage, pins: Sequence[Pin] | None, built: Built | None) -> Question:
    """The packages that dpkg has installed in full. pins: see `image_questions`."""
    position = loaded.position("os.packages")
    if pins is None:
        names, whose = (built.expected.debs if built else None) or [], "image"
    else:
        names, whose = sorted(pin.nevra for pin in pins), "lock"
    if not any(name.startswith("dpkg_") for name in names):
        why = "the image has no dpkg; its files are asked instead"
        return Unasked("the database of packages", why, position)
    script = (
        "dpkg-query --show "
        "--showformat '${db:Status-Status} ${Package}_${Version}_${Architecture}\\n' "
        "| sed 's/^installed //' | LC_ALL=C sort"
    )
    title = f"the {len(names)} packages of the {whose} are installed, and no others"
    expect = "\n".join(sorted(names))
    return Check("packages", title, script, expect, position, _RPM_SECONDS)


def _accounts(expected: Expected) -> list[Question]:
    scripts = {"passwd": "cat /etc/passwd", "group": "cat /etc/group", "shadow": SHADOW_SCRIPT}
    what = {"passwd": "users", "group": "groups", "shadow": "passwords"}
    return [
        Check(
            f"accounts.{what[name]}",
            f"the {what[name]} are those of the build, and no others",
            script,
            "\n".join(expected.accounts[name]),
        )
        for name, script in scripts.items()
    ]


def _command_line(loaded: LoadedImage, command_line: str) -> Check:
    # GRUB says first which kernel it started.
    script = "tr -d '\\0' < /proc/cmdline | sed 's/^BOOT_IMAGE=[^ ]* //'"
    title = "the kernel command line is as built"
    position = loaded.position("os.kernelCommandLine")
    return Check("kernel.command-line", title, script, command_line, position)


def _words(loaded: LoadedImage, words: Sequence[str]) -> Check:
    """The words that were put on the command line of an image that exists. Quotes are of no matter:
    GRUB sets its own.
    """
    line = """line=" $(tr -d '\\0"' </proc/cmdline) "; """
    asked = []
    for word in words:
        pattern = f"*' '{shlex.quote(plain(word))}' '*"
        asked.append(f'case "$line" in {pattern}) ;; *) echo {shlex.quote(word)} ;; esac')
    title = "the kernel command line has the words that were added"
    position = loaded.position("os.kernelCommandLine")
    return Check("kernel.words", title, line + "; ".join(asked), "", position)


def _uki(loaded: LoadedImage) -> Check:
    script = f"test -e {_STUB} && echo yes || echo no"
    title = "a unified kernel image was started"
    return Check("kernel.uki", title, script, "yes", loaded.position("os.uki"))


def _grub(loaded: LoadedImage) -> Check:
    """GRUB says on the command line which file it started."""
    script = (
        "sed 's/^BOOT_IMAGE=[^ ]*\\/vmlinuz-\\([^ ]*\\) .*/\\1/' /proc/cmdline | "
        'grep --line-regexp --fixed-strings --count "$(uname --kernel-release)"'
    )
    title = "GRUB started the kernel that runs"
    return Check("kernel.grub", title, script, "1", loaded.position("os.bootloader.type"))


def _bios(loaded: LoadedImage) -> Check:
    script = "test -e /sys/firmware/efi && echo UEFI || echo BIOS"
    title = "the machine was started by a BIOS"
    return Check("firmware.bios", title, script, "BIOS", loaded.position("storage.bootType"))


def _partition_table(layout: DiskLayout) -> Check:
    script = f"{_ROOT_DISK}lsblk --nodeps --noheadings --raw --output PTTYPE,PTUUID /dev/$disk"
    title = "the disk has the partition table that was made"
    return Check("disk.table", title, script, f"gpt {layout.guid}")


def _verity(device: VerityLayout) -> Check:
    """The kernel holds what is read against the root hash that it was booted with."""
    hash_name = root_hash_name(device)
    script = (
        f"hash=$(tr ' ' '\\n' </proc/cmdline | sed -n 's/^{hash_name}=//p'); "
        f"dmsetup status {device.name} | cut -d ' ' -f 3-; "
        f'dmsetup table {device.name} | grep -c " sha256 $hash {device.salt.hex()}"'
    )
    title = f"what is read of {device.name} is held against its root hash, and is as it was"
    return Check(f"verity.{device.name}", title, script, "verity V\n1", turn=Turn.AFTER)


def _partitions(layout: DiskLayout) -> Check:
    """The partitions of the disk that holds the root: number, id, type, label, flags, size. One
    that grows when booted is at least as large as it was built.
    """
    script = (
        f"{_ROOT_DISK}lsblk --noheadings --pairs --bytes "
        "--output TYPE,PARTN,PARTUUID,PARTTYPE,PARTLABEL,PARTFLAGS,SIZE /dev/$disk "
        "| sed -n 's/^TYPE=\"part\" //p' | sort -t '\"' -k 2n"
    )
    growing = {item.type_guid for item in layout.partitions if item.grows_when_booted}
    for item in layout.partitions:
        if item.type_guid in growing and not item.label:
            script += _NAMED.format(number=item.number)
        if item.grows_when_booted:
            script += _GROWN.format(number=item.number, size=item.size)
    expect = "\n".join(
        f'PARTN="{item.number}" PARTUUID="{item.guid}" PARTTYPE="{item.type_guid}" '
        f'PARTLABEL="{_as_lsblk(item.label)}" '
        f'PARTFLAGS="{hex(item.attributes) if item.attributes else ""}" SIZE="{item.size}"'
        for item in layout.partitions
    )
    return Check("disk.partitions", "the disk has the partitions asked for", script, expect)


def _as_lsblk(label: str) -> str:
    """A label as `lsblk --pairs` prints it: what a shell would read within quotes is in hex."""
    return re.sub(r'["\\`$]', lambda found: f"\\x{ord(found[0]):02x}", label)
