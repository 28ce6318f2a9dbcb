"""What is to change about a boot is decided and judged before any work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.config import load_image
from dockyard.disk.boot_files import BootKind
from dockyard.disk.layout import DiskLayout
from dockyard.errors import DockyardError
from dockyard.formats.containers import Container
from dockyard.inspection.tree import Mounted, Tree
from dockyard.model.architecture import Architecture
from dockyard.model.family import HARBOR
from dockyard.pipeline.arguments.boot import BootWork
from dockyard.pipeline.boot_changes import BootChanges, boot_changes
from dockyard.pipeline.existing_boot import ExistingBoot, ExistingUki, read_boot
from dockyard.pipeline.existing_disk import DiskSource, ExistingPartition
from dockyard.pipeline.existing_layout import layout_of

ROOT = "0f1a4c0b-0000-4000-8000-000000000001"
ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
GUIDS = [f"10000000-0000-4000-8000-00000000000{number}" for number in range(3)]
WORDS = "os: {kernelCommandLine: {extraCommandLine: ['a=\"b c\" d', e]}}"
UKI = ExistingUki("/boot/efi/EFI/Linux/a.efi", "6.1", False, False, 257)
SIGNED = replace(UKI, is_signed=True)


def source(boot: ExistingBoot) -> DiskSource:
    parts = (
        ExistingPartition(1, "esp", ESP_TYPE, GUIDS[1], 0, 1 << 20, 64 << 20, "vfat", "AB12-CD34",
                          "", "/boot/efi"),
        ExistingPartition(2, "root", LINUX, GUIDS[2], 0, 65 << 20, 1 << 30, "ext4", ROOT, "", "/"),
    )  # fmt: skip
    return DiskSource(Path("a.raw"), "", "00" * 32, Container.RAW, 2 << 30, GUIDS[0], "", parts,
                      0, Architecture.X86_64, HARBOR, 1, (), boot)  # fmt: skip


def booted(kind: BootKind, *ukis: ExistingUki, esp: str = "/boot/efi") -> DiskSource:
    return source(ExistingBoot(kind, "", esp, ukis, ("6.1",), ("root=x",)))


Read = Callable[..., BootChanges]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(text: str, of: DiskSource, layout: DiskLayout | None = None) -> BootChanges:
        file = tmp_path / "config.yaml"
        file.write_text(f"{text}\n")
        return boot_changes(load_image(file), of, layout or layout_of(of))

    return reading


CREATE = "os: {uki: {mode: create}}"
MODIFY = "os: {uki: {mode: modify}, kernelCommandLine: {extraCommandLine: [a]}}"
RESET = "os: {bootloader: {resetType: hard-reset}}"
INSTALL = "os: {packages: {update: [kernel]}}"


@pytest.mark.parametrize(
    ("text", "kind", "work"),
    [
        ("{}", BootKind.UKIS, BootWork.NOTHING),
        ("{}", BootKind.GRUB_MENU, BootWork.NOTHING),
        (WORDS, BootKind.UKIS, BootWork.UKIS),
        (WORDS, BootKind.GRUB_MENU, BootWork.EDIT),
        (WORDS, BootKind.GRUB_ENTRIES, BootWork.EDIT),
        (CREATE, BootKind.UKIS, BootWork.UKIS),
        (CREATE, BootKind.GRUB_ENTRIES, BootWork.UKIS),
        (MODIFY, BootKind.UKIS, BootWork.ADDONS),
        ("os: {uki: {mode: modify}}", BootKind.UKIS, BootWork.NOTHING),
        ("os: {uki: {mode: passthrough}}", BootKind.UKIS, BootWork.NOTHING),
        ("os: {uki: {mode: passthrough}, packages: {update: [a]}}", BootKind.UKIS, BootWork.GUARD),
        (RESET, BootKind.GRUB_MENU, BootWork.RESET),
        (RESET, BootKind.UKIS, BootWork.UKIS),
        (INSTALL, BootKind.GRUB_ENTRIES, BootWork.EDIT),
        (INSTALL, BootKind.UKIS, BootWork.FOLLOW),
        ("os: {initrd: {builder: dracut}}", BootKind.UKIS, BootWork.UKIS),
        ("os: {initrd: {builder: dracut}}", BootKind.GRUB_MENU, BootWork.NOTHING),
    ],
)
def test_what_is_done(read: Read, text: str, kind: BootKind, work: BootWork) -> None:
    found = read(text, booted(kind, *((UKI,) if kind is BootKind.UKIS else ())))
    assert found.work is work
    assert found.initrd.always is ("initrd" in text)
    assert found.makes_parts is (
        work in (BootWork.UKIS, BootWork.FOLLOW, BootWork.RESET) or "initrd" in text
        or (work is BootWork.EDIT and "packages" in text)
    )  # fmt: skip


def test_words_are_taken_apart_as_the_kernel_does(read: Read) -> None:
    found = read(WORDS, booted(BootKind.GRUB_MENU))
    assert found.change.added == ('a="b c"', "d", "e") and not found.change.ids
    assert found.initrd.builder == "" and found.initrd.filesystems == ("ext4",)
    built = read("os: {initrd: {builder: dockyard}}", booted(BootKind.GRUB_MENU))
    assert built.initrd.builder == "dockyard"


def test_a_fresh_start_says_where_the_root_is(read: Read) -> None:
    found = read(RESET, booted(BootKind.GRUB_MENU))
    assert found.fresh and found.change.added == (f"root=PARTUUID={GUIDS[2]}", "rw")
    assert found.place.filesystem == ROOT and found.place.path == "/boot"


def test_a_fresh_start_keeps_what_the_image_says_of_selinux(read: Read) -> None:
    boot = ExistingBoot(BootKind.GRUB_MENU, "", "/boot/efi", (), (), ("root=x selinux=0 quiet",))
    assert "selinux=0" in read(RESET, source(boot)).change.added
    assert "quiet" not in read(RESET, source(boot)).change.added


def test_a_boot_loader_of_another_kind_is_named() -> None:
    entries = [Entry(b"boot/grub/menu.lst", Kind.FILE, 0o644)]
    tree = Tree([Mounted(b"", Archive.from_entries(entries, {b"boot/grub/menu.lst": b""}))])
    found = read_boot(tree)
    assert found.boot_kind is None and "GRUB 0.97" in found.why


def test_ids_that_change_are_named_anew(read: Read) -> None:
    of = booted(BootKind.GRUB_MENU)
    old = layout_of(of)
    system = old.partitions[1].filesystem
    assert system is not None
    new = UUID(int=7)
    laid = replace(old.partitions[1], guid=UUID(int=8), filesystem=replace(system, uuid=new))
    found = read("{}", of, replace(old, partitions=(old.partitions[0], laid)))
    assert found.change.ids == ((GUIDS[2], str(UUID(int=8))), (ROOT, str(new)))
    assert found.work is BootWork.EDIT


@pytest.mark.parametrize(
    ("text", "of", "codes"),
    [
        (WORDS, source(ExistingBoot(why="it has syslinux")), {"boot.unknown-kind"}),
        (MODIFY, booted(BootKind.GRUB_MENU), {"boot.no-ukis"}),
        ("os: {uki: {mode: modify}, initrd: {builder: dracut}}", booted(BootKind.GRUB_MENU),
         {"boot.no-ukis", "config.uki-conflict"}),
        (MODIFY, booted(BootKind.UKIS, replace(UKI, stub=252)), {"boot.no-addons"}),
        (CREATE, booted(BootKind.GRUB_MENU, esp=""), {"boot.no-esp"}),
        (RESET, booted(BootKind.GRUB_MENU, esp=""), {"boot.no-esp"}),
        (WORDS, booted(BootKind.UKIS, SIGNED), {"boot.signed-uki"}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_at_once(
    read: Read, text: str, of: DiskSource, codes: set[str]
) -> None:
    with pytest.raises(DockyardError) as caught:
        read(text, of)
    assert {problem.code for problem in caught.value.problems} == codes
    assert all(problem.where and problem.fix for problem in caught.value.problems)


def test_words_that_grub_cannot_hand_on_are_told_before_any_work(read: Read) -> None:
    text = "os: {kernelCommandLine: {extraCommandLine: [a, 'b=\\c', \"d='e'\"]}}"
    with pytest.raises(DockyardError) as caught:
        read(text, booted(BootKind.GRUB_ENTRIES))
    assert [problem.code for problem in caught.value.problems] == ["grub.word"] * 2
    assert all("config.yaml" in str(problem.where) for problem in caught.value.problems)
    assert read(text, booted(BootKind.UKIS, UKI)).change.added[1] == "b=\\c"


def test_what_is_asked_of_an_unknown_boot_is_told_by_name(read: Read) -> None:
    text = "os: {uki: {mode: create}, bootloader: {resetType: hard-reset}}"
    with pytest.raises(DockyardError) as caught:
        read(text, source(ExistingBoot(why="it has syslinux")))
    assert [problem.why for problem in caught.value.problems] == ["it has syslinux"] * 2
    assert read("os: {hostname: a}", source(ExistingBoot(why="x"))).work is BootWork.NOTHING


def test_signed_ukis_are_made_anew_when_that_is_said(read: Read) -> None:
    assert read(CREATE, booted(BootKind.UKIS, SIGNED)).work is BootWork.UKIS
    assert read(MODIFY, booted(BootKind.UKIS, SIGNED)).work is BootWork.ADDONS


def test_an_old_stub_is_no_matter_where_there_are_addons(read: Read) -> None:
    old = replace(UKI, stub=252, addons=True)
    assert read(MODIFY, booted(BootKind.UKIS, old)).work is BootWork.ADDONS
