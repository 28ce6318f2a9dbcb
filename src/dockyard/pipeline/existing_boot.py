"""How an image that exists boots: facts that are read once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockyard.disk.boot_files import BootFiles, BootKind, boot_files
from dockyard.errors import DockyardError

if TYPE_CHECKING:
    from dockyard.inspection.tree import Tree

_OTHERS = {
    "/boot/grub/menu.lst": "GRUB 0.97",
    "/boot/grub/grub.conf": "GRUB 0.97",
    "/boot/extlinux/extlinux.conf": "extlinux",
    "/extlinux.conf": "extlinux",
    "/boot/syslinux/syslinux.cfg": "syslinux",
    "/boot/refind_linux.conf": "rEFInd",
    "/boot/limine.conf": "Limine",
    "/etc/lilo.conf": "LILO",
}


@dataclass(frozen=True, slots=True)
class ExistingUki:
    """A UKI. version: of its kernel. addons: whether any adds words. stub: the version of systemd
    that its stub is of; 0 where it does not say.
    """

    path: str
    version: str
    addons: bool
    is_signed: bool
    stub: int


@dataclass(frozen=True, slots=True)
class ExistingBoot:
    """How an image boots. kind: a BootKind; empty where it is none, why then says more. esp: where
    the EFI system partition is mounted, if it is. kernels: releases that have modules.
    """

    kind: str = ""
    why: str = ""
    esp: str = ""
    ukis: tuple[ExistingUki, ...] = ()
    kernels: tuple[str, ...] = ()
    command_lines: tuple[str, ...] = ()

    @property
    def boot_kind(self) -> BootKind | None:
        return BootKind(self.kind) if self.kind else None


def read_boot(tree: Tree) -> ExistingBoot:
    """How a system boots, read of its tree."""
    try:
        found = boot_files(tree)
    except DockyardError as error:
        problem = error.problems[0]
        return ExistingBoot(why=f"{problem.what} ({problem.where})")
    return ExistingBoot(
        kind=found.kind or "",
        why="" if found.kind else _unknown(found, tree),
        esp=found.esp,
        ukis=tuple(
            ExistingUki(each.path, each.version, bool(each.addons), each.is_signed, each.stub)
            for each in found.ukis
        ),
        kernels=found.kernels,
        command_lines=tuple(dict.fromkeys(found.command_lines)),
    )


def _unknown(found: BootFiles, tree: Tree) -> str:
    for path, loader in _OTHERS.items():
        if tree.entry(path) is not None:
            return f"it has {path}: {loader} is not a boot loader that is known here"
    if found.entries:
        return "it has boot entries, but neither GRUB nor systemd-boot that would show them"
    if found.menus:
        return f"{', '.join(path for path, _ in found.menus)} has no entry with a `linux` command"
    if not found.esp:
        return "neither a grub.cfg nor a mounted EFI system partition was found in it"
    return f"{found.esp} has neither UKIs, nor boot entries, nor a grub.cfg"
