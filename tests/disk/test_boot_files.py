"""UKIs are the same bytes each time and hold what they were given; the ESP has its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.disk import efi
from dockyard.disk.esp import esp_content, uki_name
from dockyard.disk.uki import UkiContent, build_uki
from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture

EPOCH = 1_767_225_600


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that brings no boot loader of its own."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def sections(tools: Tools, uki: Path) -> str:
    return tools.run(["ukify", "inspect", str(uki)], read=[uki]).text


@pytest.mark.build
def test_a_uki_is_made_twice_with_the_same_bytes(tools: Tools, root: Path, tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"initrd" * 1000)
    stub = efi.stub(root, tools, Architecture.X86_64)
    release = b'ID=harbor\nPRETTY_NAME="Harbor Linux"\n'
    # Any EFI program passes for a kernel here; nothing starts it.
    content = UkiContent(stub, initrd, "root=PARTUUID=1 rw", release, "6.12.0-test", stub)
    written = []
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        out = tmp_path / folder / "harbor.efi"
        build_uki(tools, content, out, EPOCH)
        written.append(out.read_bytes())
        assert [path.name for path in out.parent.iterdir()] == ["harbor.efi"]
    assert written[0] == written[1]
    text = sections(tools, tmp_path / "first/harbor.efi")
    assert "root=PARTUUID=1 rw" in text and "6.12.0-test" in text and "Harbor Linux" in text
    assert initrd.read_bytes() in written[0]


@pytest.mark.build
def test_a_failed_uki_leaves_nothing(tools: Tools, tmp_path: Path) -> None:
    content = UkiContent(b"", tmp_path / "absent", "", b"", "", b"no program")
    (tmp_path / "out").mkdir()
    with pytest.raises(DockyardError):
        build_uki(tools, content, tmp_path / "out/x.efi", EPOCH)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.build
def test_the_loader_of_the_tools_serves_an_image_without_one(tools: Tools, root: Path) -> None:
    uki = root / "uki"
    content = esp_content(root, tools, {uki_name("web", "6.12.0"): uki})
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
    folder = root / efi.FOLDER
    folder.mkdir(parents=True)
    (folder / "systemd-bootaa64.efi").write_bytes(b"own loader")
    content = esp_content(root, Tools(root / "none"), {}, Architecture.AARCH64)
    assert content["EFI/BOOT/BOOTAA64.EFI"] == b"own loader"


def test_a_missing_loader_is_an_error(root: Path) -> None:
    with pytest.raises(DockyardError) as error:
        efi.stub(root, Tools(root), Architecture.X86_64)
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
