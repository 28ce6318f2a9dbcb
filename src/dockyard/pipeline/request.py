"""Everything that one image is made of, as it is known before any work begins, and what is read of
its file whether it is made of packages (`from_packages`) or of an image (`customize`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dockyard.config import LoadedImage, referenced
from dockyard.disk.fstab import fstab
from dockyard.disk.layout import DiskLayout
from dockyard.errors import DockyardError, Position, Problem, Severity
from dockyard.formats import Part, supported
from dockyard.formats import by_name as format_by_name
from dockyard.formats.disk_format import DiskFormat
from dockyard.model.architecture import Architecture
from dockyard.model.family import Family
from dockyard.model.image_rules import KEEP_PACKAGE_MANAGER
from dockyard.model.storage import BootType
from dockyard.packages.origins import Origins
from dockyard.pipeline.live import LiveRequest
from dockyard.pipeline.source import PackageSource
from dockyard.pipeline.together import Together
from dockyard.tree.additional import AdditionalDirectorySetting
from dockyard.tree.every import AnySetting
from dockyard.tree.history import HistorySetting
from dockyard.tree.scripts import ScriptSetting
from dockyard.tree.settings import scripts_of, settings_of

if TYPE_CHECKING:
    from dockyard.pipeline.boot_changes import BootChanges
    from dockyard.pipeline.existing_disk import DiskSource

T = TypeVar("T")


@dataclass(frozen=True)
class ImageSettings:
    """What is changed in the root: settings, then scripts, in order. record: the setting that
    records it in the image, if any.
    """

    settings: tuple[AnySetting, ...]
    post_scripts: tuple[ScriptSetting, ...]
    final_scripts: tuple[ScriptSetting, ...]
    record: tuple[HistorySetting, ...] = ()

    @property
    def all_scripts(self) -> tuple[ScriptSetting, ...]:
        return (*self.post_scripts, *self.final_scripts)


@dataclass(frozen=True)
class Output:
    """What leaves the house. level: of compression, for formats that have one; None for theirs."""

    format: str
    level: int | None = None

    @property
    def extension(self) -> str:
        """The file name's ending of the format, with its dot."""
        return format_by_name(self.format).extension

    @property
    def is_compressed(self) -> bool:
        """Whether it has levels of compression."""
        chosen = format_by_name(self.format)
        return isinstance(chosen, DiskFormat) and chosen.is_compressed

    @property
    def boots_nothing(self) -> bool:
        """Whether it has the root alone."""
        return format_by_name(self.format).needs <= {Part.ROOT, Part.BASE}


@dataclass(frozen=True)
class ImageRequest:
    """One image, ready to be planned: a source, settings, a layout and an output.

    epoch: seconds, the time of everything that is made, as the source says it. command_line: words
    of the kernel command line. seed: decides every id of the disk (see docs/decisions/0008).
    origins: where what is not in the store is fetched from. remarks: warnings and notes about the
    input, to be shown once before the work. boot: what changes about how an image that exists
    boots. live: what a live system is asked for; None for others.
    """

    loaded: LoadedImage
    source: PackageSource | DiskSource
    settings: ImageSettings
    layout: DiskLayout
    output: Output
    command_line: tuple[str, ...]
    seed: bytes
    origins: Origins
    remarks: tuple[Problem, ...] = ()
    boot: BootChanges | None = None
    live: LiveRequest | None = None

    @property
    def name(self) -> str:
        return self.loaded.name

    @property
    def product(self) -> str:
        """The name with what tells the image from others of its file."""
        label = self.loaded.chosen.label
        return f"{self.name}-{label}" if label else self.name

    @property
    def packages(self) -> PackageSource:
        """The source of an image that is made of packages."""
        assert isinstance(self.source, PackageSource)
        return self.source

    @property
    def epoch(self) -> int:
        return self.source.epoch

    @property
    def architecture(self) -> Architecture:
        return self.source.architecture

    @property
    def family(self) -> Family:
        return self.source.family

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files and directories of the user's that the image is made of."""
        return (*self.loaded.files, *self.source.files, *referenced(self.loaded))

    @cached_property
    def fstab(self) -> str:
        """The table of file systems, with what an image that exists mounts from elsewhere."""
        if isinstance(self.source, PackageSource):
            return fstab(self.layout)
        from dockyard.pipeline.new_layout import fstab_over  # a build need not load it

        return fstab_over(self.layout, self.source)

    @property
    def is_laid_out(self) -> bool:
        """Whether the image file lays out the disk, and an image that exists does not bring it."""
        return bool(self.layout.partitions and self.loaded.image.storage.disks)

    @property
    def boot_type(self) -> BootType | None:
        """How a machine starts the disk; None where the image file does not lay it out."""
        return self.loaded.image.storage.boot_type if self.is_laid_out else None

    @property
    def by_bios(self) -> bool:
        """Whether the disk is laid out to boot by a BIOS alone."""
        return self.boot_type is BootType.LEGACY

    def partition_position(self, number: int) -> Position:
        """Where the image file describes a partition."""
        return self.loaded.position(f"storage.disks[0].partitions[{number - 1}]")


def unpackaged_problems(loaded: LoadedImage, output: Output) -> Iterator[Problem]:
    """A problem where the command line asks for a format that needs the package manager, and the
    file for its removal; where the file asks for both, its own rules say so.
    """
    removed = loaded.image.os.packages.remove_package_manager
    own = loaded.image.output.image.format
    if removed and output.format in KEEP_PACKAGE_MANAGER and own != output.format:
        yield loaded.problem(
            "os.packages.removePackageManager",
            "config.exclusive",
            f"`removePackageManager` cannot be combined with the format {output.format}",
            fix="remove it, or choose another format, such as qcow2",
        )


def unread_database(loaded: LoadedImage, source: PackageSource) -> Iterator[Problem]:
    """A problem where the image is to have a package manager that cannot read its packages."""
    packaging = source.family.packaging
    names = {pin.name for pin in source.lock.packages}
    if packaging.reads or packaging.tool not in names:
        return
    if not loaded.image.os.packages.remove_package_manager:
        yield loaded.problem(
            "os.packages",
            "build.unread-database",
            f"{packaging.tool} of {source.family.name} cannot read the database of packages that "
            "the image would get",
            why="it keeps packages in Berkeley DB, which nothing current writes; the image gets "
            "them in SQLite, which scanners read",
            fix="set `os.packages.removePackageManager: true`",
        )


def level_remarks(loaded: LoadedImage, output: Output, given: int | None) -> Iterator[Problem]:
    """A remark where a level of compression is asked for, and the format has none. given: by the
    command line.
    """
    if output.level is None or output.format not in supported() or output.is_compressed:
        return
    name, key = "--cosi-compression-level", "output.image.cosi.compression.level"
    yield Problem(
        "output.level",
        f"{key if given is None else name}: not used for the format {output.format}",
        loaded.position(key) if given is None else name,
        why="it has no levels of compression",
        severity=Severity.NOTE if given is None else Severity.WARNING,
    )


def output_of(loaded: LoadedImage, chosen: str | None, level: int | None) -> Output:
    """What leaves the house, by the command line, else by the file."""
    told = loaded.image.output.image
    return Output(chosen or str(told.format or "raw"), level or told.cosi.compression.level)


def read_settings(
    loaded: LoadedImage, hidden: tuple[Path, ...], together: Together
) -> ImageSettings | None:
    """hidden: files that scripts do not see. Files that are not there are not told of again where
    `check_files` told of such before.
    """

    def read(reading: Callable[[], tuple[T, ...]]) -> tuple[T, ...] | None:
        try:
            return reading()
        except DockyardError as error:
            known = together.has("config.file-missing")
            together.extend(each for each in error.problems if not (known and _is_missing(each)))
            return None

    settings = read(lambda: settings_of(loaded))
    post = read(lambda: scripts_of(loaded, "postCustomization", hidden))
    final = read(lambda: scripts_of(loaded, "finalizeCustomization", hidden))
    if settings is None or post is None or final is None:
        return None
    for setting in settings:
        if isinstance(setting, AdditionalDirectorySetting):
            together.extend(setting.remarks())
    return ImageSettings(settings, post, final)


def _is_missing(problem: Problem) -> bool:
    return problem.code == "tree.source-missing" and problem.why == os.strerror(errno.ENOENT)
