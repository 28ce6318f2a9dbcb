"""What the steps are called with that change how an image that exists boots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dockyard.disk.command_words import CommandLineChange
from dockyard.disk.grub import BootPlace
from dockyard.engine.codec import Beside
from dockyard.initrd.options import EarlyMount, InitrdFeature
from dockyard.model.architecture import Architecture
from dockyard.model.family import BootLoader
from dockyard.pipeline.arguments.image import Found


class BootWork(StrEnum):
    """What is done to the files by which an image boots."""

    NOTHING = "nothing"
    EDIT = "edit"  # entries that are there are changed
    RESET = "reset"  # menu and entries are made anew
    BIOS = "bios"  # a menu is made for the GRUB that a BIOS starts
    UKIS = "ukis"  # UKIs are made of the kernels that are there
    FOLLOW = "follow"  # the same, where there are other kernels than UKIs
    ADDONS = "addons"  # addons of UKIs are changed
    GUARD = "guard"  # UKIs stay: their kernels must, too


@dataclass(frozen=True, slots=True)
class InitrdWish:
    """An initrd to be made. always: False where it is made only for kernels that have none.
    builder: `dracut` or `dockyard`; empty for what the image itself would use. mounts: what it
    mounts before the root is set up.
    """

    always: bool
    builder: str
    filesystems: tuple[str, ...]
    modules: tuple[str, ...]
    features: tuple[InitrdFeature, ...]
    mounts: tuple[EarlyMount, ...] = ()


@dataclass(frozen=True, slots=True)
class TakeBootParts:
    """whole: whether all kernels and initrds are taken, not only what the tree lacks."""

    initrd: InitrdWish
    whole: bool
    below: Beside[tuple[str, ...]]
    epoch: int


@dataclass(frozen=True, slots=True)
class PrepareBoot:
    """parts: the step with what boots; empty where there is none. fresh: whether command lines
    start anew. initrd: where the family has that of a kernel.
    """

    work: BootWork
    change: CommandLineChange
    fresh: bool
    initrd: str
    parts: Beside[str]
    below: Beside[tuple[str, ...]]
    epoch: int


@dataclass(frozen=True, slots=True)
class ChangeEntries:
    """found: what stands for `{NAME}` in words. parts, fresh, initrd: see PrepareBoot. new_kernels:
    whether there may be others than the entries are of. place: where GRUB finds /boot. menu: that
    of the GRUB that a BIOS starts. loader: of UKIs.
    """

    work: BootWork
    change: CommandLineChange
    fresh: bool
    new_kernels: bool
    initrd: str
    parts: Beside[str]
    place: BootPlace
    menu: str
    loader: BootLoader
    architecture: Architecture
    below: Beside[tuple[str, ...]]
    epoch: int
    found: Mapping[str, Found] = field(default_factory=dict)
