"""Trees of every kind of boot are changed: each entry of each kernel, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dockyard import archive
from dockyard.archive import Kind
from dockyard.disk.boot_files import BootKind, boot_files
from dockyard.disk.command_words import CommandLineChange
from dockyard.disk.grub import BootPlace
from dockyard.disk.pe import Program
from dockyard.disk.uki import UkiContent, build_addon, build_uki
from dockyard.engine.work import Work
from dockyard.errors import DockyardError
from dockyard.host.in_root import InRoot
from dockyard.host.sandbox import Tools
from dockyard.initrd.options import InitrdFeature
from dockyard.model.architecture import Architecture
from dockyard.model.family import DEBIAN, HARBOR, SYSTEMD_BOOT
from dockyard.pipeline.arguments.boot import (
    BootWork,
    ChangeEntries,
    InitrdWish,
    PrepareBoot,
    TakeBootParts,
)
from dockyard.pipeline.arguments.image import Found
from dockyard.pipeline.arguments.names import INDEX, INITRD, TOOLS, TREE, UPPER
from dockyard.pipeline.stack import merged_archive, merged_tree
from dockyard.pipeline.steps.boot_entries import change_entries
from dockyard.pipeline.steps.boot_parts import LINES, take_boot_parts
from dockyard.pipeline.steps.boot_settings import prepare_boot
from dockyard.pipeline.steps.boot_tree import BootTree

OLD, NEW = "5.14.0-1.el9.x86_64", "5.14.0-2.el9.x86_64"
STUBS = "usr/lib/systemd/boot/efi"
NO_INITRD = InitrdWish(False, "", ("ext4",), (), ())
CHANGE = CommandLineChange(("selinux",), ("selinux=1", "hash={H}"), (("aaaa-1", "bbbb-2"),))
FIRST = "search --no-floppy --fs-uuid --set=root aaaa-1\nconfigfile $prefix/grub.cfg\n"
MENU = f"""set timeout=1
search --no-floppy --fs-uuid --set=root aaaa-1
menuentry 'New' {{
  linux /vmlinuz-{NEW} root=UUID=aaaa-1 ro selinux=0
  initrd /initramfs-{NEW}.img
}}
menuentry 'Old' {{
  linux /vmlinuz-{OLD} root=UUID=aaaa-1 ro selinux=0
  initrd /initramfs-{OLD}.img
}}
"""
BLS = "insmod blscfg\nset kernelopts='root=UUID=aaaa-1 ro'\nblscfg\n"
GRUBENV = "# GRUB Environment Block\nkernelopts=root=UUID=aaaa-1 ro selinux=0\n".ljust(1024, "#")


def entry(version: str, options: str) -> str:
    return f"title A\nversion {version}\nlinux /vmlinuz-{version}\ninitrd /i\noptions {options}\n"


def kernels(*versions: str) -> dict[str, str]:
    found = {f"usr/lib/modules/{each}/modules.dep": "" for each in versions}
    found |= {f"boot/vmlinuz-{each}": f"kernel {each}" for each in versions}
    found |= {f"boot/initramfs-{each}.img": f"initrd {each}" for each in versions}
    return {**found, "etc/os-release": "ID=a\nPRETTY_NAME='A 1'\n"}


GRUB_MENU = {
    **kernels(OLD, NEW),
    "boot/grub2/grub.cfg": MENU,
    "boot/efi/EFI/a/grub.cfg": FIRST,
    "etc/default/grub": 'GRUB_CMDLINE_LINUX="selinux=0"\n',
}
GRUB_ENTRIES = {
    **kernels(OLD, NEW),
    "boot/grub2/grub.cfg": BLS,
    "boot/efi/EFI/a/grub.cfg": FIRST,
    "boot/loader/entries/m-old.conf": entry(OLD, "root=UUID=aaaa-1 ro selinux=0"),
    "boot/loader/entries/m-new.conf": entry(NEW, "root=UUID=aaaa-1 ro selinux=0"),
    "etc/kernel/cmdline": "root=UUID=aaaa-1 ro selinux=0\n",
}
IN_ENVIRONMENT = {
    **GRUB_ENTRIES,
    "boot/grub2/grubenv": GRUBENV,
    "boot/loader/entries/m-old.conf": entry(OLD, "$kernelopts"),
    "boot/loader/entries/m-new.conf": entry(NEW, "$kernelopts $tuned_params"),
}
ENTRIES = {
    **kernels(OLD, NEW),
    "boot/efi/EFI/systemd/systemd-bootx64.efi": "loader",
    "boot/efi/loader/entries/m-old.conf": entry(OLD, "root=UUID=aaaa-1 ro selinux=0"),
    "boot/efi/loader/entries/m-new.conf": entry(NEW, "root=UUID=aaaa-1 ro selinux=0"),
}
ALL = {
    BootKind.GRUB_MENU: GRUB_MENU,
    BootKind.GRUB_ENTRIES: GRUB_ENTRIES,
    BootKind.ENTRIES: ENTRIES,
}


class Trees:
    """Layers over a tree, made by steps one after another."""

    def __init__(self, place: Path, files: Mapping[str, str | bytes], tools: Tools) -> None:
        self.place = place
        self.below = ["input"]
        self.results = {"input": place / "input", TOOLS: place / "tools"}
        (place / "tools").mkdir()
        for name in ("main", "testing"):
            (place / "tools" / name).symlink_to(tools.root)
        for path, data in files.items():
            at = place / "input" / TREE / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(data.encode() if isinstance(data, str) else data)

    def run(self, name: str, step: Callable[[Work], None], *, layer: bool = True) -> Path:
        out = self.place / name
        out.mkdir()
        step(Work(out, self.results, out))
        self.results[name] = out
        self.below += [name] if layer else []
        return out

    def found(self, path: str) -> str:
        for name in reversed(self.below):
            at = self.results[name] / (TREE if name == "input" else UPPER) / path
            if at.is_file():
                return at.read_text(errors="replace")
        raise FileNotFoundError(path)

    def files(self) -> tuple[set[str], BootKind | None, tuple[str, ...]]:
        """All paths, and how the tree boots."""
        out = self.place / f"look-{len(self.below)}"
        out.mkdir()
        with merged_tree(Work(out, self.results, out), self.below) as at, InRoot(at) as inside:
            paths = {str(path.relative_to(at)) for path in at.rglob("*") if path.is_file()}
            read = boot_files(BootTree(at, inside))
            return paths, read.kind, read.command_lines


@pytest.fixture
def trees(tmp_path: Path, tools: Tools) -> Callable[[Mapping[str, str | bytes]], Trees]:
    return lambda files: Trees(tmp_path, files, tools)


def changed(
    trees: Trees,
    work: BootWork,
    change: CommandLineChange = CHANGE,
    *,
    initrd: InitrdWish = NO_INITRD,
    fresh: bool = False,
    new_kernels: bool = False,
    usual: str = HARBOR.initrd,
) -> None:
    """Run all three steps as a plan would."""
    (trees.place / "hash").mkdir()
    (trees.place / "hash/found").write_text("00ff\n")
    trees.results["hash"] = trees.place / "hash"
    below = tuple(trees.below)
    whole = work in (BootWork.UKIS, BootWork.FOLLOW)
    take = TakeBootParts(initrd, whole, below, 1000)
    trees.run("parts", lambda w: take_boot_parts(w, take), layer=False)
    prepare = PrepareBoot(work, change, fresh, usual, "parts", below, 1000)
    trees.run("boot", lambda w: prepare_boot(w, prepare))
    wanted = ChangeEntries(
        work=work,
        change=change,
        fresh=fresh,
        new_kernels=new_kernels,
        initrd=usual,
        parts="parts",
        place=BootPlace("cccc-3", ""),
        menu="/boot/grub2/grub.cfg",
        loader=SYSTEMD_BOOT,
        architecture=Architecture.X86_64,
        below=tuple(trees.below),
        epoch=1000,
        found={"H": Found("hash", "found")},
    )
    trees.run("entries", lambda w: change_entries(w, wanted))


Made = Callable[[Mapping[str, str | bytes]], Trees]


@pytest.mark.parametrize("kind", list(ALL))
def test_every_entry_of_every_kind_is_changed(trees: Made, kind: BootKind) -> None:
    here = trees(ALL[kind])
    before, found, lines = here.files()
    assert found is kind and set(lines) == {"root=UUID=aaaa-1 ro selinux=0"} and len(lines) == 2
    changed(here, BootWork.EDIT)
    after, found, lines = here.files()
    assert (after, found) == (before, kind)
    assert lines == ("root=UUID=bbbb-2 ro selinux=1 hash=00ff",) * 2
    if kind.by_grub:
        assert here.found("boot/efi/EFI/a/grub.cfg") == FIRST.replace("aaaa-1", "bbbb-2")


def test_other_names_of_a_changed_file_keep_what_it_held(trees: Made) -> None:
    here = trees(GRUB_MENU)
    root = here.place / "input" / TREE
    changing = ("etc/default/grub", "boot/grub2/grub.cfg")
    for path in changing:
        for name in ("one", "two"):
            (root / f"{path}.{name}").hardlink_to(root / path)
    archive.save(archive.scan(root, epoch=1), here.place / "input" / INDEX)
    changed(here, BootWork.EDIT)
    merged = merged_archive(Work(here.place, here.results, here.place), here.below, 1000)
    for path in changing:
        kept = [f"{path}.{name}".encode() for name in ("one", "two")]
        entries = [merged.find(name) for name in kept]
        assert [each and each.kind for each in entries] == [Kind.FILE, Kind.HARDLINK]
        assert entries[1] and entries[1].target == kept[0]
        assert merged.read(kept[0]).decode() == GRUB_MENU[path] != here.found(path)


def test_settings_of_a_running_machine_agree_but_for_what_is_found_later(trees: Made) -> None:
    here = trees({**GRUB_ENTRIES, "etc/default/grub": 'GRUB_CMDLINE_LINUX="selinux=0 a"\n'})
    changed(here, BootWork.EDIT)
    assert here.found("etc/kernel/cmdline") == "root=UUID=bbbb-2 ro selinux=1\n"
    assert here.found("etc/default/grub") == 'GRUB_CMDLINE_LINUX="a selinux=1"\n'


def test_options_that_entries_take_from_grub_are_changed_there(trees: Made) -> None:
    here = trees(IN_ENVIRONMENT)
    changed(here, BootWork.EDIT)
    _, _, lines = here.files()
    new = "root=UUID=bbbb-2 ro selinux=1 hash=00ff"
    assert lines == (f"{new} $tuned_params", new)
    assert here.found("boot/loader/entries/m-old.conf") == entry(OLD, "$kernelopts")
    assert len(here.found("boot/grub2/grubenv")) == 1024


@pytest.mark.parametrize("kind", [BootKind.GRUB_MENU, BootKind.GRUB_ENTRIES])
def test_a_boot_loader_made_anew_knows_the_kernels_and_the_new_words_alone(
    trees: Made, kind: BootKind, tools: Tools
) -> None:
    here = trees(ALL[kind])
    change = CommandLineChange(added=("root=UUID=cccc-3", "rw", 'a="b c"', "h={H}"))
    changed(here, BootWork.RESET, change, fresh=True)
    _, found, lines = here.files()
    words = "root=UUID=cccc-3 rw {} h=00ff"
    shown = "'a=b c'" if kind is BootKind.GRUB_ENTRIES else '"a=b c"'
    assert found is kind and lines == (words.format(shown),) * 2
    first, menu = here.found("boot/efi/EFI/a/grub.cfg"), here.found("boot/grub2/grub.cfg")
    assert "cccc-3" in first and "set prefix=($root)/grub2" in first
    assert "--set=root cccc-3" in menu and "aaaa" not in first + menu
    for text in (first, menu):
        assert tools.run(["grub-script-check"], stdin=text.encode()).status == 0
    if kind is BootKind.GRUB_MENU:
        assert menu.index(NEW) < menu.index(OLD)
        assert here.found("etc/default/grub") == "GRUB_CMDLINE_LINUX=\"'a=b c'\"\n"


@pytest.mark.parametrize("kind", list(ALL))
def test_the_menu_of_a_bios_has_every_kernel_whatever_booted_before(
    trees: Made, kind: BootKind, tools: Tools
) -> None:
    # One of the kernels is in /boot already, the other beside its entry alone.
    files = {path: text for path, text in ALL[kind].items() if path != f"boot/vmlinuz-{NEW}"}
    here = trees({**files, f"usr/lib/modules/{NEW}/vmlinuz": "its kernel"})
    change = CommandLineChange(added=("root=UUID=cccc-3", 'a="b c"', "h={H}"))
    changed(here, BootWork.BIOS, change, fresh=True)
    menu = here.found("boot/grub2/grub.cfg")
    assert tools.run(["grub-script-check"], stdin=menu.encode()).status == 0
    assert menu.index(NEW) < menu.index(OLD) and "--set=root cccc-3" in menu
    for version in (NEW, OLD):
        assert f"linux /vmlinuz-{version} root=UUID=cccc-3 'a=b c' h=00ff\n" in menu
        assert f"initrd /initramfs-{version}.img\n" in menu
    assert here.found(f"boot/vmlinuz-{NEW}") == "its kernel"


@pytest.mark.parametrize("kind", list(ALL))
def test_kernels_that_packages_bring_and_remove_come_and_go(trees: Made, kind: BootKind) -> None:
    files = {path: text for path, text in ALL[kind].items() if OLD not in path}
    third = "5.14.0-3.el9.x86_64"
    here = trees({**files, **kernels(NEW, third)})
    change = CommandLineChange(added=("b",))
    changed(here, BootWork.EDIT, change, new_kernels=True)
    paths, found, lines = here.files()
    assert found is kind and lines == ("root=UUID=aaaa-1 ro selinux=0 b",) * 2
    texts = "".join(here.found(path) for path in paths if path.endswith((".conf", "grub.cfg")))
    assert third in texts and NEW in texts and OLD not in texts


def test_a_new_kernel_whose_line_is_not_known_is_an_error(trees: Made) -> None:
    different = entry(NEW, "root=UUID=other")
    files = {**GRUB_ENTRIES, "boot/loader/entries/m-new.conf": different, **kernels("6.1.0-3")}
    here = trees(files)
    with pytest.raises(DockyardError, match="which command line") as caught:
        changed(here, BootWork.EDIT, new_kernels=True)
    assert "6.1.0-3" in caught.value.problems[0].what


@pytest.fixture
def programs(tools: Tools) -> dict[str, bytes]:
    names = ("linuxx64.efi.stub", "addonx64.efi.stub", "systemd-bootx64.efi")
    return {f"{STUBS}/{name}": (tools.root / STUBS / name).read_bytes() for name in names}


@pytest.mark.parametrize("kind", list(ALL))
def test_ukis_take_the_place_of_every_kind(
    trees: Made, kind: BootKind, programs: dict[str, bytes]
) -> None:
    kernel = programs[f"{STUBS}/linuxx64.efi.stub"]
    real = {f"boot/vmlinuz-{each}": kernel for each in (OLD, NEW)}
    here = trees({**ALL[kind], **programs, **real, "boot/System.map": "kept"})
    changed(here, BootWork.UKIS)
    paths, found, lines = here.files()
    assert found is BootKind.UKIS
    assert lines == ("root=UUID=bbbb-2 ro selinux=1 hash=00ff",) * 2
    left = {path for path in paths if path.startswith("boot/") and "/efi/" not in path}
    assert left == {"boot/System.map"}
    uki = here.place / "entries" / UPPER / f"boot/efi/EFI/Linux/vmlinuz-{OLD}.efi"
    made = Program(uki.read_bytes(), "")
    assert made.exact(".linux") == kernel
    assert made.exact(".initrd") == f"initrd {OLD}".encode()
    assert "boot/efi/EFI/BOOT/BOOTX64.EFI" in paths
    assert not [path for path in paths if "loader/entries/" in path]


@pytest.fixture
def ukis(programs: dict[str, bytes], tmp_path: Path) -> dict[str, str | bytes]:
    """An image with two UKIs, one of which has an addon, and nothing else of its kernels."""
    found: dict[str, str | bytes] = {**programs}
    found["boot/efi/EFI/systemd/systemd-bootx64.efi"] = programs[f"{STUBS}/systemd-bootx64.efi"]
    found["etc/os-release"] = "ID=a\n"
    for version in (OLD, NEW):
        (tmp_path / "initrd").write_text(f"initrd {version}")
        stub = programs[f"{STUBS}/linuxx64.efi.stub"]
        line = "root=UUID=aaaa-1 ro" if version == OLD else "root=UUID=aaaa-1 ro selinux=0"
        content = UkiContent(stub, tmp_path / "initrd", line, b"ID=a\n", version, stub)
        build_uki(content, tmp_path / version)
        found[f"boot/efi/EFI/Linux/a-{version}.efi"] = (tmp_path / version).read_bytes()
        found[f"usr/lib/modules/{version}/modules.dep"] = ""
    build_addon("selinux=0", programs[f"{STUBS}/addonx64.efi.stub"], tmp_path / "addon")
    path = f"boot/efi/EFI/Linux/a-{OLD}.efi.extra.d/a.addon.efi"
    return {**found, path: (tmp_path / "addon").read_bytes()}


def test_ukis_are_made_of_ukis_again_and_again(trees: Made, ukis: dict[str, str | bytes]) -> None:
    here = trees(ukis)
    before, _, lines = here.files()
    assert lines == ("root=UUID=aaaa-1 ro selinux=0",) * 2
    changed(here, BootWork.UKIS)
    after, found, lines = here.files()
    assert found is BootKind.UKIS and lines == ("root=UUID=bbbb-2 ro selinux=1 hash=00ff",) * 2
    # What the addon added is in the UKI now.
    assert before - after == {f"boot/efi/EFI/Linux/a-{OLD}.efi.extra.d/a.addon.efi"}
    assert after <= before
    for version in (OLD, NEW):
        uki = here.place / "entries" / UPPER / f"boot/efi/EFI/Linux/a-{version}.efi"
        assert Program(uki.read_bytes(), "").exact(".initrd") == f"initrd {version}".encode()


def test_ukis_follow_the_kernels_that_packages_leave(
    trees: Made, ukis: dict[str, str | bytes], programs: dict[str, bytes]
) -> None:
    third = "5.14.0-3.el9.x86_64"
    stub = programs[f"{STUBS}/linuxx64.efi.stub"]
    brought = {f"usr/lib/modules/{third}/vmlinuz": stub, f"boot/initramfs-{third}.img": b"new"}
    del ukis[f"usr/lib/modules/{OLD}/modules.dep"]
    here = trees({**ukis, **brought})
    changed(here, BootWork.FOLLOW, CommandLineChange())
    paths, _, lines = here.files()
    assert lines == ("root=UUID=aaaa-1 ro selinux=0",) * 2
    found = {path for path in paths if path.startswith("boot/efi/EFI/Linux/")}
    assert found == {f"boot/efi/EFI/Linux/{name}.efi" for name in (f"a-{NEW}", f"vmlinuz-{third}")}


def test_ukis_of_the_same_kernels_stay(trees: Made, ukis: dict[str, str | bytes]) -> None:
    here = trees(ukis)
    changed(here, BootWork.FOLLOW, CommandLineChange())
    upper = here.place / "entries" / UPPER
    assert not [path for path in upper.rglob("*") if path.is_file()]


def test_addons_alone_are_modified(trees: Made, ukis: dict[str, str | bytes]) -> None:
    here = trees(ukis)
    change = dataclasses.replace(CHANGE, ids=())
    changed(here, BootWork.ADDONS, change)
    _, _, lines = here.files()
    assert lines == (
        "root=UUID=aaaa-1 ro selinux=1 hash=00ff",
        "root=UUID=aaaa-1 ro selinux=0 selinux=1 hash=00ff",
    )
    upper = here.place / "entries" / UPPER
    written = {path.name for path in upper.rglob("*") if path.is_file()}
    assert written == {"a.addon.efi", f"a-{NEW}.addon.efi"}


@pytest.mark.parametrize("work", [BootWork.ADDONS, BootWork.GUARD])
def test_ukis_that_stay_are_of_the_kernels(
    trees: Made, ukis: dict[str, str | bytes], work: BootWork
) -> None:
    del ukis[f"usr/lib/modules/{OLD}/modules.dep"]
    with pytest.raises(DockyardError, match="not those of its UKIs"):
        changed(trees(ukis), work)


SCRIPT = """#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
echo "initrd of $1 with $(cat /etc/initramfs-tools/modules)" > "$out"
"""


def test_an_image_makes_its_initrds_by_its_own_program(trees: Made, shell_tree: Path) -> None:
    files: dict[str, str | bytes] = {
        str(path.relative_to(shell_tree)): path.read_bytes()
        for path in shell_tree.rglob("*") if path.is_file() and not path.is_symlink()
    }  # fmt: skip
    files |= {**GRUB_MENU, "usr/sbin/mkinitramfs": SCRIPT, "etc/initramfs-tools/modules": "a\n"}
    del files[f"boot/initramfs-{OLD}.img"]
    here = trees(files)
    tree = here.place / "input" / TREE
    for path in shell_tree.rglob("*"):
        at = tree / path.relative_to(shell_tree)
        if path.is_symlink() and not at.is_symlink():
            at.parent.mkdir(parents=True, exist_ok=True)
            at.symlink_to(path.readlink())
        elif path.is_dir():
            at.mkdir(parents=True, exist_ok=True)
        elif path.is_file():
            at.chmod(0o755)
    (tree / "usr/sbin/mkinitramfs").chmod(0o755)
    for path in (tree, *tree.rglob("*")):
        os.lchown(path, 0, 0)
    wish = InitrdWish(True, "", ("ext4",), ("b", "c"), (InitrdFeature.VERITY,))
    changed(here, BootWork.EDIT, initrd=wish, usual=DEBIAN.initrd)
    made = here.place / "parts" / NEW / INITRD
    assert made.read_text() == f"initrd of {NEW} with a\nb\nc\n"
    assert here.found(f"boot/initramfs-{NEW}.img") == made.read_text()
    # One that was nowhere comes to where the family has it.
    assert here.found(f"boot/initrd.img-{OLD}").startswith(f"initrd of {OLD} with")
    # Nothing of it is in the tree.
    assert here.found("etc/initramfs-tools/modules") == "a\n"
    assert set(json.loads((here.place / "parts" / LINES).read_text())) == {OLD, NEW}
