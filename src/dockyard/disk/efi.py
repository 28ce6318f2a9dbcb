"""The kernel and the EFI programs that a disk boots, read from the image's root.

The boot loader and its stub come from the root when it brings them (so an image boots what its
distribution built and signed), else from the tools tree. Paths are resolved inside the root.
"""

from __future__ import annotations

from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.model.family import BootLoader

KERNELS = ("usr/lib/modules/{0}/vmlinuz", "boot/vmlinuz-{0}", "usr/lib/modules/{0}/Image")


def loader(root: Path, tools: Tools, wanted: BootLoader, architecture: Architecture) -> bytes:
    """The program of a boot loader. Raises DockyardError when there is none."""
    return _program(root, tools, wanted, wanted.program.format(architecture.names.efi))


def stub(root: Path, tools: Tools, wanted: BootLoader, architecture: Architecture) -> bytes:
    """The stub that a UKI starts with. Raises DockyardError when there is none."""
    return _program(root, tools, wanted, wanted.stub.format(architecture.names.efi))


def addon_stub(root: Path, tools: Tools, wanted: BootLoader, architecture: Architecture) -> bytes:
    """The stub that an addon of a UKI starts with. Raises DockyardError when there is none."""
    return _program(root, tools, wanted, wanted.addon.format(architecture.names.efi))


def kernel(root: Path, version: str) -> bytes:
    """The kernel of a version. Raises DockyardError when the root has none."""
    places = [place.format(version) for place in KERNELS]
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


def _program(root: Path, tools: Tools, wanted: BootLoader, name: str) -> bytes:
    for base in (root, tools.root):
        with InRoot(base) as tree:
            try:
                return tree.read(f"{wanted.folder}/{name}")
            except FileNotFoundError:
                continue
    raise DockyardError(
        Problem(
            code="disk.no-boot-loader",
            what=f"neither the image nor the tools have {name}",
            where=wanted.folder,
            fix=f"install the package of {wanted.name}: {' or '.join(wanted.packages)}",
        )
    )
