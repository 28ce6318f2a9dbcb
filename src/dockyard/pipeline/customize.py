"""Reads what is to be changed in an image that exists, and judges it before anything is copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.config import LoadedImage, check_files
from dockyard.disk.command_words import words_of
from dockyard.disk.layout import NO_DISK, DiskLayout
from dockyard.engine.events import Listener, ignore
from dockyard.engine.store import Store
from dockyard.errors import Problem, Severity
from dockyard.formats import Holds, Part, holding
from dockyard.formats import by_name as format_by_name
from dockyard.formats.saved_medium import SavedMedium
from dockyard.model.storage import BootType
from dockyard.packages.access import Access
from dockyard.packages.origins import Origins
from dockyard.pipeline.acted_on import Refused, refusals
from dockyard.pipeline.boot_changes import BootChanges, boot_changes
from dockyard.pipeline.existing import read_existing
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.existing_layout import layout_of, made_otherwise
from dockyard.pipeline.existing_limits import unheld_problems
from dockyard.pipeline.existing_names import unknown_in_image, without_program
from dockyard.pipeline.existing_parts import missing_parts
from dockyard.pipeline.existing_read_only import read_only_warnings
from dockyard.pipeline.existing_verity import mounts_of_devices, with_verity
from dockyard.pipeline.format_rules import EXTENSIONS, WITHOUT_DISK, format_problems
from dockyard.pipeline.from_distro import enabled_modules
from dockyard.pipeline.grub_problems import grub_problems
from dockyard.pipeline.image_record import made_of_image, record_of
from dockyard.pipeline.input_image import input_file, input_named_by
from dockyard.pipeline.live import FORMATS, known_medium, live_request
from dockyard.pipeline.live_problems import live_problems
from dockyard.pipeline.new_ids import id_problems, named_anew, with_new_ids
from dockyard.pipeline.new_layout import left_behind, new_layout
from dockyard.pipeline.overlay_problems import overlay_problems
from dockyard.pipeline.overrides import Overrides
from dockyard.pipeline.package_changes import (
    changed,
    changes_packages,
    judge_unmanaged,
    read_changes,
    refused,
    used_keys,
)
from dockyard.pipeline.password_hashes import with_hashes
from dockyard.pipeline.request import (
    ImageRequest,
    ImageSettings,
    level_remarks,
    output_of,
    read_settings,
    unpackaged_problems,
)
from dockyard.pipeline.room import too_small
from dockyard.pipeline.sealing import sealing_problems
from dockyard.pipeline.together import Together
from dockyard.pipeline.unseen import unseen_by_scripts
from dockyard.tools.declared import TOOLS
from dockyard.tools.trees import load_tools_lock, lock_path, made_by, require_whole
from dockyard.tree.device_ids import DeviceIdsSetting
from dockyard.tree.fstab_device import FstabDeviceSetting

if TYPE_CHECKING:
    from collections.abc import Collection

    from dockyard.packages.oci.access import Registries

_ABOUT_NEW = {
    "os.bootloader.type": Refused(
        lambda image: image.os.bootloader.type,
        "what a new image boots with",
        "remove it",
    ),
    "architecture": Refused(
        lambda image: image.architecture,
        "packages for a processor",
        "remove it",
    ),
}


_NO_DISK = holding(Holds.LIVE, Holds.ROOT, Holds.GUEST, Holds.EXTENSION)


def not_customizable(loaded: LoadedImage) -> Iterator[Problem]:
    """A problem for every key in use that customizing has no use for."""
    because = "asks for a new image, and one that exists keeps its own"
    return refusals(loaded, _ABOUT_NEW, because)


def read_customization(
    loaded: LoadedImage,
    overrides: Overrides,
    store: Store,
    origins: Origins,
    registries: Registries,
    placed: Collection[Path] = (),
    listener: Listener = ignore,
) -> ImageRequest:
    """Read the image that an image file is to be applied to. Raises DockyardError with every
    mistake.

    registries: have images that are fetched once all else is judged. placed: images that were made
    before; scripts do not see them. listener: is told of reading an image that is new to the store.
    """
    together = Together()
    together.extend(loaded.remarks)
    together.extend(not_customizable(loaded))
    at = loaded.position("input.image.path")
    # The command line comes first: then it does not matter what the file says.
    found = check_files(loaded)
    missing = [each for each in found if overrides.input is None or each.where != at]
    together.extend(missing)
    output = output_of(loaded, overrides.output_format, overrides.level)
    together.extend(level_remarks(loaded, output, overrides.level))
    together.extend(unpackaged_problems(loaded, output))
    known = together.get(lambda: format_by_name(output.format, "--output-image-format"))
    has_disk = known is not None and Part.DISK in known.needs
    laid_out = has_disk or (bool(loaded.image.storage.disks) and output.format not in WITHOUT_DISK)
    together.extend(live_problems(loaded, output.format))
    together.extend(format_problems(loaded, output.format))
    is_live, without_disk = output.format in FORMATS, output.format in WITHOUT_DISK
    told = not any(each.where == at for each in missing)
    named = together.get(lambda: input_named_by(loaded, overrides.input)) if told else None
    hidden = unseen_by_scripts(loaded, placed, overrides.input)
    settings = read_settings(loaded, hidden, together)
    given = input_file(named, loaded, registries, together) if named else None
    source = None
    if given is not None:
        source = together.get(lambda: read_existing(given.path, store, origins, listener))
    if source is not None and used_keys(loaded):
        source = _with_changes(loaded, source, overrides, store, origins, together)
    together.extend(_covered(given.path, source) if given and source else ())
    layout = NO_DISK
    if source is not None and source.medium is None and not without_disk:
        layout = _layout(loaded, source, has_disk, together)
    boot = None
    if source is None or is_live:
        pass
    elif source.medium is not None:
        together.extend(_without_disk(loaded, source, output.format))
    elif not without_disk:
        boot = together.get(lambda: boot_changes(loaded, source, layout))
    if source is not None and settings is not None:
        access = Access.of_store(store.root, offline=origins.offline)
        written = layout if laid_out else NO_DISK
        together.extend(_of_contents(loaded, source, settings, written, boot, access))
    together.raise_any()
    assert settings is not None and source is not None
    seed = bytes.fromhex(source.digest)
    settings = with_hashes(settings, loaded.name, seed)
    record = record_of(
        loaded,
        settings.settings,
        settings.all_scripts,
        made_of_image(source, overrides),
        source.epoch,
    )
    if any(laid.kept for laid, _ in layout.verity) or output.format in EXTENSIONS:
        record = ()  # it would be in what is kept
    together.extend(sealing_problems(loaded, layout if has_disk else NO_DISK))
    if has_disk:
        together.extend(overlay_problems(loaded, layout))
    together.raise_any()
    live = live_request(loaded, output.format, seed, loaded.name, _saved(source), _booted(source))
    asked = source.changes.lock.request if source.changes else None
    streams = enabled_modules(source.family.packaging, asked, settings.settings)
    runs_programs = bool(settings.all_scripts or source.changes or boot)
    return ImageRequest(
        loaded=loaded,
        source=_with_its_tools(source) if runs_programs or live else source,
        settings=replace(
            settings,
            record=record,
            settings=(*_of_devices(loaded, source, layout), *streams, *settings.settings),
        ),
        layout=layout if laid_out else NO_DISK,
        output=output,
        command_line=live.command_line if live else (),
        seed=seed,
        origins=origins,
        remarks=together.remarks,
        boot=boot,
        live=live,
    )


def _with_its_tools(source: DiskSource) -> DiskSource:
    """An image with tools for its architecture, among which is an emulator for its programs, and
    what live media boot with.
    """
    if source.architecture is TOOLS:
        return source
    target = source.architecture
    pins = load_tools_lock(target=target).packages
    require_whole(pins, str(lock_path(target)), made_by(target), target)
    return replace(source, tools=pins)


def _covered(image: Path, source: DiskSource) -> Iterator[Problem]:
    """A warning for each mount point that hides something, which is not kept."""
    for at, first in source.storage.covered.items():
        yield Problem(
            "image.covered",
            f"what lies below the mount point {at} itself is left behind, such as {first}",
            str(image),
            why=f"the file system that is mounted at {at} hides it from the system",
            fix="move it elsewhere in the image before, where it is needed",
            severity=Severity.WARNING,
        )


def _of_contents(
    loaded: LoadedImage,
    source: DiskSource,
    settings: ImageSettings,
    layout: DiskLayout,
    boot: BootChanges | None,
    access: Access,
) -> Iterator[Problem]:
    """What is asked for, held against what the image has."""
    given, scripts = settings.settings, bool(settings.all_scripts)
    # In place of a disk that cannot be laid out, the image's own was taken: nothing goes there.
    if not loaded.image.storage.disks or layout.guid != layout_of(source).guid:
        yield from too_small(loaded, source, layout, given, scripts=scripts)
    yield from unheld_problems(source, layout, given, scripts=scripts)
    if source.changes is None and changes_packages(loaded):
        return  # they could not be decided: what they would bring is not known
    yield from unknown_in_image(loaded, source, given, access)
    yield from without_program(source, given, settings.all_scripts, access)
    yield from read_only_warnings(loaded, source, layout, given, access)
    if boot is not None:
        yield from missing_parts(loaded, source, settings, layout, boot, access)


def _without_disk(loaded: LoadedImage, source: DiskSource, chosen: str) -> Iterator[Problem]:
    """A problem for a format with a disk, which a live medium has not."""
    if Part.DISK in format_by_name(chosen).needs:
        yield loaded.problem(
            "output.image.format",
            "live.no-disk-to-keep",
            f"{source.image.name} is a live medium, and has no disk to write as {chosen}",
            fix=f"write one of the formats {', '.join(_NO_DISK)}",
        )


def _saved(source: DiskSource) -> SavedMedium | None:
    """What a live medium says of how it was made."""
    medium = source.medium
    return known_medium(medium.saved, medium.words) if medium else None


def _booted(source: DiskSource) -> tuple[str, ...]:
    """The words of the kernel command line that an image boots with."""
    return words_of(source.boot.command_lines[0]) if source.boot.command_lines else ()


def _layout(
    loaded: LoadedImage, source: DiskSource, has_disk: bool, together: Together
) -> DiskLayout:
    """The disk of the new image: a new one for its tree, or as it was, with verity devices where
    its format has a disk.
    """
    if loaded.image.storage.disks:
        laid = together.get(lambda: new_layout(loaded, source))
        together.extend(left_behind(loaded, source, laid) if laid else ())
        if loaded.image.storage.boot_type is BootType.HYBRID:
            together.extend([_hybrid(loaded)])
        if laid and loaded.image.storage.boot_type is BootType.LEGACY:
            together.extend(grub_problems(loaded, laid, source.family, source.architecture))
        return laid or layout_of(source)
    layout = layout_of(source)
    if not has_disk:
        return layout
    if loaded.image.storage.reset_partitions_uuids_type:
        together.extend(id_problems(loaded, source))
        layout = with_new_ids(source, layout)
    seed = bytes.fromhex(source.digest)
    layout = together.get(lambda: with_verity(loaded, source, layout, seed)) or layout
    together.extend(made_otherwise(source, layout))
    return layout


def _hybrid(loaded: LoadedImage) -> Problem:
    return loaded.problem(
        "storage.bootType",
        "boot.hybrid-of-packages",
        "an image that exists cannot be made one for BIOS and UEFI",
        why="its boot loader for the one firmware is kept, and the other one's would be beside it "
        "with a menu of its own",
        fix="set `bootType: efi` or `bootType: legacy`, or build the image from packages",
    )


def _of_devices(
    loaded: LoadedImage, source: DiskSource, layout: DiskLayout
) -> Iterator[FstabDeviceSetting | DeviceIdsSetting]:
    """What files of the image are to say of its devices."""
    if loaded.image.storage.reset_partitions_uuids_type:
        yield from named_anew(source, layout)
    yield from mounts_of_devices(loaded, layout)


def _has_no_distro(loaded: LoadedImage) -> bool:
    """Whether nothing is where the distribution is to be, as the check of its files tells."""
    return loaded.distro_path is not None and not loaded.distro_path.exists()


def _with_changes(
    loaded: LoadedImage,
    source: DiskSource,
    overrides: Overrides,
    store: Store,
    origins: Origins,
    together: Together,
) -> DiskSource:
    """The image with what is to change among its packages."""
    found = tuple(refused(loaded, source))
    together.extend(found)
    if found:
        return source
    access = Access.of_store(store.root, offline=origins.offline)
    if loaded.image.os.packages.remove_package_manager:
        together.get(lambda: judge_unmanaged(source, access.cache))
    read = together.get(
        lambda: read_changes(loaded, source, overrides, origins, access, store.root),
        known=("distro.missing",) if _has_no_distro(loaded) else (),
    )
    changes, remarks = read or (None, ())
    together.extend(remarks)
    return changed(source, changes)
