"""The content of an EFI system partition that boots UKIs with systemd-boot.

Layout: UAPI Boot Loader Specification and systemd-boot(7): the loader at the path where firmware
looks without being told (EFI/BOOT) and at its own, its configuration, and the UKIs in EFI/Linux,
which the loader finds by itself and sorts by version.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dockyard.disk import efi
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.model.family import BootLoader

LOADER_CONFIGURATION = b"timeout 0\n"  # boots at once; a key held down brings the menu


def uki_name(name: str, kernel: str) -> str:
    """The file name of a UKI: the image's name, then the version that the loader sorts by."""
    return f"{name}-{kernel}.efi"


def ukis_in(directory: Path) -> list[Path]:
    """The UKIs in a directory, by name."""
    return sorted(path for path in directory.iterdir() if path.suffix == ".efi")


def esp_content(
    root: Path,
    tools: Tools,
    ukis: Mapping[str, Path],
    loader: BootLoader,
    architecture: Architecture,
) -> dict[str, bytes | Path]:
    """What the partition holds, by path below it; a Path is a file of the host to copy.

    root: the image's tree, for its own boot loader. ukis: files by name (`uki_name`). loader: the
    boot loader to use.
    """
    program = efi.loader(root, tools, loader, architecture)
    content: dict[str, bytes | Path] = {
        f"EFI/BOOT/{architecture.names.removable_loader}": program,
        f"{loader.place}/{loader.program.format(architecture.names.efi)}": program,
        "loader/entries.srel": b"type1\n",
        loader.settings: LOADER_CONFIGURATION,
        **{f"EFI/Linux/{name}": path for name, path in ukis.items()},
    }
    return dict(sorted(content.items()))
