"""Live media: what is on them, and what programs of others find there."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from image_parts import content, parts

from dockyard.engine.store import default_root
from dockyard.formats import Parts, by_name
from dockyard.host import removal
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.tools.trees import load_tools_lock, tools_tree
from features import covers

pytestmark = pytest.mark.build

MEDIUM = {
    *("boot/vmlinuz", "boot/initrd.img", "boot/grub/grub.cfg", "liveos/rootfs.img"),
    *("boot/grub/efi.img", "boot/grub/bios.img", "EFI/BOOT/BOOTX64.EFI"),
    *("liveos/medium.json", "docs/extra = \\more"),
}
SERVED = {
    *("vmlinuz", "initrd.img", "bootx64.efi", "pxegrub.0", "boot/grub/grub.cfg", "image.iso"),
    "docs/extra = \\more",
}


LOADERS = {"EFI/BOOT/BOOTX64.EFI", "boot/grub/bios.img", "bootx64.efi", "pxegrub.0"}


def written(name: str, given: Parts, tools: Tools) -> Path:
    assert given.kernel is not None
    out = given.kernel.with_name("out")
    out.mkdir(exist_ok=True)
    (image,) = by_name(name).write(given, out, tools)
    return image


def full_os(given: Parts) -> Parts:
    assert given.live is not None
    return replace(given, live=replace(given.live, root=None, network_words=("quiet",)))


def listed(image: Path, tools: Tools, *words: str) -> str:
    """What xorriso says of a medium."""
    return tools.run(["xorriso", "-indev", str(image), *words], read=[image]).stdout.decode()


def names(image: Path, tools: Tools) -> set[str]:
    said = listed(image, tools, "-find", "/", "-type", "f")
    return {line[2:-1] for line in said.splitlines() if line.startswith("'/")}


@covers(format="iso", judge="xorriso")
def test_a_medium_has_everything_and_boots_in_four_ways(tools: Tools, tmp_path: Path) -> None:
    image = written("iso", parts(tmp_path), tools)
    assert names(image, tools) == MEDIUM
    said = listed(
        image, tools, "-report_el_torito", "plain", "-report_system_area", "plain", "-toc"
    )
    assert "WEB_1A2B3C4D" in said
    assert "El Torito boot img :   1  BIOS" in said and "El Torito boot img :   2  UEFI" in said
    assert "grub2-mbr" in said and "GPT partition path :   2  /boot/grub/efi.img" in said


def test_a_medium_whose_initrd_is_the_system_has_no_root(tools: Tools, tmp_path: Path) -> None:
    image = written("iso", full_os(parts(tmp_path)), tools)
    assert names(image, tools) == MEDIUM - {"liveos/rootfs.img"}


def test_what_is_served_has_the_medium_where_it_is_fetched(tools: Tools, tmp_path: Path) -> None:
    given = parts(tmp_path)
    image = written("pxe-dir", given, tools)
    found = {str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()}
    assert found == SERVED
    menu = (image / "boot/grub/grub.cfg").read_text()
    assert "linux /vmlinuz root=live:http://10.0.0.1/image.iso" in menu
    assert "initrd /initrd.img" in menu
    assert names(image / "image.iso", tools) == MEDIUM
    alone = written("iso", given, tools)
    assert alone.read_bytes() == (image / "image.iso").read_bytes()


@covers(format="pxe-tar", judge="GNU tar")
def test_a_tar_has_what_the_directory_has(tools: Tools, tmp_path: Path) -> None:
    given = full_os(parts(tmp_path))
    folder, packed = written("pxe-dir", given, tools), written("pxe-tar", given, tools)
    with tarfile.open(packed) as tar:
        assert {each.uid for each in tar} == {0} and {each.mtime for each in tar} == {given.epoch}
    (tmp_path / "unpacked").mkdir()
    tools.run(
        ["tar", "-xf", str(packed), "-C", str(tmp_path / "unpacked")],
        read=[packed], write=[tmp_path / "unpacked"],
    )  # fmt: skip
    assert content(tmp_path / "unpacked") == content(folder)
    assert not (folder / "image.iso").exists()


@pytest.fixture(scope="module")
def its_tools(namespace: None) -> Tools:
    """The tools for images of aarch64, which have GRUB's modules for that."""
    return tools_tree(default_root(), load_tools_lock(target=Architecture.AARCH64)).main


@pytest.mark.long
def test_for_aarch64_there_is_uefi_alone(its_tools: Tools, tmp_path: Path) -> None:
    given = replace(parts(tmp_path), architecture=Architecture.AARCH64)
    served = written("pxe-dir", given, its_tools)
    found = {str(path.relative_to(served)) for path in served.rglob("*") if path.is_file()}
    assert found == (SERVED - LOADERS) | {"bootaa64.efi"}
    medium = served / "image.iso"
    assert names(medium, its_tools) == (MEDIUM - LOADERS) | {"EFI/BOOT/BOOTAA64.EFI"}
    said = listed(medium, its_tools, "-report_el_torito", "plain", "-report_system_area", "plain")
    assert "El Torito boot img :   1  UEFI" in said and "BIOS" not in said
    assert "grub2-mbr" not in said and "/boot/grub/efi.img" in said
    program = (served / "bootaa64.efi").read_bytes()
    start = int.from_bytes(program[60:64], "little")
    assert program[start : start + 6] == b"PE\0\0\x64\xaa", "of machines of aarch64"
    whole = content(served)
    removal.remove_tree(served)
    assert content(written("pxe-dir", given, its_tools)) == whole


@covers(format="pxe-dir", judge="grub-script-check")
def test_menus_are_read_by_grub(tools: Tools, tmp_path: Path) -> None:
    folder = written("pxe-dir", parts(tmp_path), tools)
    menu = folder / "boot/grub/grub.cfg"
    tools.run(["grub-script-check", str(menu)], read=[menu])
