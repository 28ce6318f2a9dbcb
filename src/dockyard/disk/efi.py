"""The kernel and the EFI programs that a disk boots, read from the image's root.

systemd-boot and its stub come from the root when it brings them (so an image boots what its
distribution built and signed), else from the tools tree. Paths are resolved inside the root.
"""

from __future__ import annotations

from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.host.sandbox import Tools

FOLDER = "usr/lib/systemd/boot/efi"

# The suffix that UEFI gives to programs of an architecture (UEFI 2.10, 3.5.1.1).
_SUFFIX = {"x86_64": "x64", "aarch64": "aa64"}
_KERNELS = ("usr/lib/modules/{0}/vmlinuz", "boot/vmlinuz-{0}", "usr/lib/modules/{0}/Image")


def loader(root: Path, tools: Tools, architecture: str) -> bytes:
    """The program systemd-boot. Raises DockyardError when there is none."""
    return _program(root, tools, f"systemd-boot{suffix(architecture)}.efi")


def stub(root: Path, tools: Tools, architecture: str) -> bytes:
    """The stub that a UKI starts with. Raises DockyardError when there is none."""
    return _program(root, tools, f"linux{suffix(architecture)}.efi.stub")


def kernel(root: Path, version: str) -> bytes:
    """The kernel of a version. Raises DockyardError when the root has none."""
    places = [place.format(version) for place in _KERNELS]
    with InRoot(root) as tree:
        for place in places:
            try:
                return tree.read(place)
            except FileNotFoundError:
                continue
    raise DockyardError(
        Problem(
            code="disk.no-kernel",
            what=f"the image has no kernel {version}",
            why=f"looked for {', '.join(f'/{place}' for place in places)}",
            fix="install a kernel package",
        )
    )


def suffix(architecture: str) -> str:
    """The file name suffix of an architecture's EFI programs; raises DockyardError for others."""
    if architecture not in _SUFFIX:
        raise DockyardError(
            Problem(
                code="disk.architecture",
                what=f"no EFI boot loader is known for the architecture {architecture}",
                fix=f"use one of: {', '.join(_SUFFIX)}",
            )
        )
    return _SUFFIX[architecture]


def _program(root: Path, tools: Tools, name: str) -> bytes:
    for base in (root, tools.root):
        with InRoot(base) as tree:
            try:
                return tree.read(f"{FOLDER}/{name}")
            except FileNotFoundError:
                continue
    raise DockyardError(
        Problem(
            code="disk.no-boot-loader",
            what=f"neither the image nor the tools have {name}",
            where=f"/{FOLDER}",
            fix="install the package of systemd-boot: systemd-boot-efi or systemd-boot-unsigned",
        )
    )
