"""What the console says: how far a boot has come, and what stopped it.

The texts are those of edk2 (BdsDxe), systemd-boot and systemd-stub, GRUB, Linux, glibc, dracut and
systemd. The list of endings is a table: what is matched, and what it means to a person.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

# Text that is placed on the screen, as menus are, counts as a line of its own.
_PLACED = re.compile(r"\x1b\[\d+;\d+H")
_CONTROL = re.compile(
    r"\x1b\[[0-9;:?=]*[A-Za-z]|\x1b[()][0-9A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>78cM]"
)
_KEPT_LINES = 400
_LINES_BEFORE, _LINES_AFTER, _WIDTH = 6, 10, 160


class Stage(IntEnum):
    """How far a boot has come."""

    FIRMWARE = 0
    BOOT_LOADER = 1
    KERNEL = 2
    INITRD = 3
    SERVICES = 4
    CHECKS = 5

    @property
    def title(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Ending:
    """A text that tells why a boot will not go on. In `what`, {0} is the pattern's group.

    until: the last stage in which the text means that.
    """

    pattern: re.Pattern[str]
    code: str
    what: str
    fix: str
    until: Stage = Stage.CHECKS


def _ending(pattern: str, code: str, what: str, fix: str, until: Stage = Stage.CHECKS) -> Ending:
    return Ending(re.compile(pattern, re.MULTILINE), code, what, fix, until)


_STAGES = (
    (Stage.BOOT_LOADER, re.compile(r"BdsDxe: starting Boot\w+ (?!\"EFI Internal Shell)")),
    (Stage.KERNEL, re.compile(r"EFI stub: Loaded initrd|^\[ +\d+\.\d+\] Linux version", re.M)),
    (Stage.INITRD, re.compile(r"Run /init as init process|Running in initrd")),
    (Stage.SERVICES, re.compile(r"Switching root|initrd-switch-root|Welcome to (?!.*initrd)")),
)

STALLED = "vm.stalled"
"""The code of an ending that a new start mends: translation went wrong in the guest."""

_ENDINGS = (
    _ending(
        r"rcu: \s*Possible timer handling issue on cpu=(\d+)",
        STALLED,
        "processor {0} of the guest stood still",
        "try again; when it happens again, boot with --cpus 1",
    ),
    _ending(
        # The kernel patches its own code while it runs; under translation half of it may be seen.
        r"Oops: (int3): 0000",
        STALLED,
        "a processor of the guest ran into code that its kernel was changing ({0})",
        "try again; when it happens again, boot with --cpus 1",
    ),
    _ending(
        r"Fatal glibc error: CPU does not support (x86-64-v\d)",
        "vm.cpu-too-old",
        "the image needs a processor of level {0}",
        "boot it with --cpu max",
    ),
    _ending(
        r"Error loading .*: (?:Access denied|Security violation)|Boot\w+ .*: Access Denied"
        r"|Verification failed: .*Security Violation|error: bad shim signature",
        "vm.secure-boot-refused",
        "the firmware, or what it started, refused what Secure Boot does not trust",
        "sign the boot loader and the kernel with a key that is enrolled, or boot without "
        "Secure Boot",
    ),
    _ending(
        r"BdsDxe: No bootable option|starting Boot\w+ \"EFI Internal Shell\"|^Shell> ",
        "vm.nothing-to-boot",
        "the firmware found nothing to boot on the disk",
        "the EFI system partition must hold EFI/BOOT/BOOTX64.EFI (aarch64: BOOTAA64.EFI) and be of "
        "type esp",
    ),
    _ending(
        r"BdsDxe: starting Boot.*\n\s*Reboot Into Firmware Interface\n\s*Boot in \d+ s",
        "vm.no-boot-entry",
        "the boot loader found no system to start",
        "the EFI system partition must hold a unified kernel image in EFI/Linux, or loader entries",
        until=Stage.BOOT_LOADER,
    ),
    _ending(
        # Menus ask for more modules, fonts and pictures than there are.
        r"grub rescue>|^error: (?!file `[^']*\.(?:mod|lst|pf2|mo|gz|png|tga|jpg|txt)' not found)"
        r".*(?:no such (?:device|partition)|not found)\.$",
        "vm.boot-loader-failed",
        "GRUB did not find its files",
        "look at the console above; the boot partition may be missing or have another id",
    ),
    _ending(
        r"EFI stub: ERROR: (.*)|Error loading (?:EFI binary )?\\(.*)",
        "vm.boot-loader-failed",
        "the kernel could not be loaded: {0}",
        "check the boot entry or the unified kernel image on the EFI system partition",
    ),
    _ending(
        r"Kernel panic - not syncing: (?:VFS: Unable to mount root fs)(.*)",
        "vm.no-root",
        "the kernel could not mount the root file system",
        "check the initrd (is there one, with the disk's driver?) and root= on the command line",
    ),
    _ending(
        r"Kernel panic - not syncing: (.*)",
        "vm.kernel-panic",
        "the kernel panicked: {0}",
        "the console's last lines show what happened before",
    ),
    _ending(
        r"(?:Job |running for )\S*virtio\S*dockyard\.report\S*(?:/start running)? "
        r"\((?:\d+min|[3-9]\ds)",
        "vm.no-report-port",
        "the guest has no driver for the port that brings its answers",
        "the image's kernel needs virtio_console, built in or as a module that is installed",
    ),
    _ending(
        r"(?:Timed out waiting for device .*?(\S+?)\.$"
        r"|Job (\S+)\.device/start running \((?:\d+min|[3-9]\ds)"
        r"|Warning: \"?(/dev/\S+?)\"? does not exist)",
        "vm.device-missing",
        "a device that the boot needs did not appear: {0}",
        "check root= and the disk's ids; the initrd must have the driver of the disk",
        until=Stage.INITRD,
    ),
    _ending(
        r"You are in (emergency|rescue) mode|Entering (emergency) mode"
        r"|Reached target .*(Emergency|Rescue) Mode|Started .*(Emergency|Rescue) Shell",
        "vm.emergency-mode",
        "the boot ended in {0} mode",
        "the console's last lines name the unit that failed",
    ),
    _ending(
        r"System is deadlocked on memory|Out of memory: Killed process \d+ \((?:systemd|init)\)",
        "vm.out-of-memory",
        "the guest ran out of memory",
        "give it more with --memory",
    ),
)


@dataclass(frozen=True, slots=True)
class FoundEnding:
    """An ending that was found in a text: what to say of it, and the lines around it."""

    code: str
    what: str
    fix: str
    lines: tuple[str, ...]


def find_ending(lines: Sequence[str], stage: Stage) -> FoundEnding | None:
    """What makes it certain that a boot in this stage fails, or None."""
    text = "\n".join(lines)
    for ending in _ENDINGS:
        if stage <= ending.until and (found := ending.pattern.search(text)):
            group = next((group for group in found.groups() if group), "").strip()
            place = text.count("\n", 0, found.start())
            around = lines[max(0, place - _LINES_BEFORE) : place + _LINES_AFTER]
            return FoundEnding(ending.code, ending.what.format(group), ending.fix, _cut(around))
    return None


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line[:_WIDTH] for line in lines)


class BootLog:
    """Reads the console's bytes as they come."""

    def __init__(self) -> None:
        self.stage = Stage.FIRMWARE
        self._lines: list[str] = []
        self._open = ""
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._said = False

    @property
    def kernel_seen(self) -> bool:
        """Whether the kernel itself, and not only its EFI stub, has spoken on this console."""
        return self._said

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        came = self._rest + self._decoder.decode(data)
        # A control sequence may be cut in two: what follows the last escape waits.
        cut = came.rfind("\x1b", max(0, len(came) - 32))
        if cut < 0 or _CONTROL.match(came[cut:]):
            cut = len(came)
        came, self._rest = came[:cut], came[cut:]
        text = _PLACED.sub("\n", self._open + came)
        text = _CONTROL.sub("", text)
        *lines, self._open = text.split("\n")
        self._open = self._open[-4096:]
        for line in lines:
            shown = line.rstrip("\r").rsplit("\r", 1)[-1].rstrip()
            if shown.strip(" ─"):
                self._lines.append(shown)
        del self._lines[:-_KEPT_LINES]
        self._advance("\n".join(lines))

    def ending(self) -> FoundEnding | None:
        """What makes it certain that this boot fails, or None."""
        return find_ending(self._shown(), self.stage)

    def tail(self, count: int = 15) -> tuple[str, ...]:
        """The last lines, without control sequences."""
        return _cut(self._shown()[-count:])

    def _shown(self) -> list[str]:
        return [*self._lines, *([self._open.rstrip()] if self._open.strip() else [])]

    def _advance(self, text: str) -> None:
        self._said = self._said or bool(re.search(r"^\[ +\d+\.\d+\] ", text, re.M))
        for stage, pattern in _STAGES:
            if stage > self.stage and pattern.search(text):
                self.stage = stage
