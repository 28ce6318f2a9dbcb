"""Kernel, stub and boot loader are found in the root or the tools; the ESP has its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.disk import efi
from dockyard.disk.esp import esp_content, uki_name
from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.model.family import SYSTEMD_BOOT

X86 = Architecture.X86_64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that brings no boot loader of its own."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.mark.build
def test_the_loader_of_the_tools_serves_an_image_without_one(tools: Tools, root: Path) -> None:
    uki = root / "uki"
    content = esp_content(root, tools, {uki_name("web", "6.12.0"): uki}, SYSTEMD_BOOT, X86)
    assert list(content) == [
        "EFI/BOOT/BOOTX64.EFI",
        "EFI/Linux/web-6.12.0.efi",
        "EFI/systemd/systemd-bootx64.efi",
        "loader/entries.srel",
        "loader/loader.conf",
    ]
    assert content["EFI/Linux/web-6.12.0.efi"] == uki
    loader = content["EFI/BOOT/BOOTX64.EFI"]
    assert isinstance(loader, bytes) and loader.startswith(b"MZ")


def test_the_loader_of_the_image_comes_first(root: Path) -> None:
    folder = root / SYSTEMD_BOOT.folder.lstrip("/")
    folder.mkdir(parents=True)
    (folder / "systemd-bootaa64.efi").write_bytes(b"own loader")
    content = esp_content(root, Tools(root / "none"), {}, SYSTEMD_BOOT, Architecture.AARCH64)
    assert content["EFI/BOOT/BOOTAA64.EFI"] == b"own loader"


def test_a_missing_loader_is_an_error(root: Path) -> None:
    with pytest.raises(DockyardError) as error:
        efi.stub(root, Tools(root), SYSTEMD_BOOT, X86)
    assert error.value.problems[0].code == "disk.no-boot-loader"


def test_the_kernel_is_found_in_either_place_and_never_outside(root: Path, tmp_path: Path) -> None:
    (root / "boot").mkdir()
    (root / "boot/vmlinuz-1").write_bytes(b"of boot")
    assert efi.kernel(root, "1") == b"of boot"
    (root / "usr/lib/modules/1").mkdir(parents=True)
    (root / "usr/lib/modules/1/vmlinuz").write_bytes(b"of modules")
    assert efi.kernel(root, "1") == b"of modules"
    (tmp_path / "outside").write_bytes(b"of the host")
    (root / "boot/vmlinuz-2").symlink_to(tmp_path / "outside")
    with pytest.raises(DockyardError) as error:
        efi.kernel(root, "2")
    assert error.value.problems[0].code == "disk.no-kernel"
