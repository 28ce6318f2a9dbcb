"""The steps that lay settings and scripts over an image's packages, and merge all into its root.

Settings that can change what boots are a layer of their own, so that others repeat neither initrd
nor EFI system partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from dockyard.disk.fstab import mounted_from, source
from dockyard.disk.growth import growth
from dockyard.disk.partitions import FileSystemLayout, PartitionLayout
from dockyard.engine.step import Step, names_of
from dockyard.pipeline.arguments.image import MergeRoot
from dockyard.pipeline.arguments.settings import ApplySettings
from dockyard.pipeline.foreign import emulator
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.source import PackageSource
from dockyard.tree.additional import AdditionalDirectorySetting, AdditionalFileSetting, plain_path
from dockyard.tree.every import AnySetting, settled
from dockyard.tree.fstab import FstabSetting, Mount, SubvolumeLimit
from dockyard.tree.fstab_device import FstabDeviceSetting
from dockyard.tree.hostname import HostnameSetting
from dockyard.tree.overlays import OverlaySetting
from dockyard.tree.selinux import SelinuxSetting
from dockyard.tree.users import GroupSetting, UserSetting

_STEPS = "dockyard.pipeline.steps"

# What the initrd and the EFI partition are made from, beside the packages: files in these places,
# and every setting that may write there.
_BOOT_PLACES = tuple(
    f"{path}/"
    for path in (
        "/usr", "/lib", "/lib64", "/bin", "/sbin", "/boot", "/etc/systemd", "/etc/udev",
        "/etc/modprobe.d", "/etc/repart.d", "/etc/os-release", "/etc/ld.so.conf",
        "/etc/ld.so.conf.d", "/etc/crypttab", "/etc/passwd", "/etc/group",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Stack:
    """A root tree: the results that make it up, the lowest first, and the step that merges them."""

    layers: tuple[Step, ...]
    root: Step

    @property
    def names(self) -> tuple[str, ...]:
        return names_of(self.layers)


def layers_over(request: ImageRequest, lowest: Step, tools: Step) -> tuple[Step, ...]:
    """The step that makes the lowest tree, and every layer over it, in order."""
    below: tuple[Step, ...] = (lowest,)
    for make in _LAYERS:
        if layer := make(request, below, tools):
            more = [each for each in emulator(request, tools) if each not in layer.inputs]
            below = (*below, replace(layer, inputs=(*layer.inputs, *more)) if more else layer)
    return below


def _packages(request: ImageRequest, below: tuple[Step, ...], tools: Step) -> Step | None:
    if isinstance(request.source, PackageSource) or request.source.changes is None:
        return None
    # An image whose packages stay need not load it.
    from dockyard.pipeline.package_change_steps import package_layer

    return package_layer(request, request.source.changes, below, tools)


def _unmanaged(request: ImageRequest, below: tuple[Step, ...], tools: Step) -> Step | None:
    if not request.loaded.image.os.packages.remove_package_manager:
        return None
    from dockyard.pipeline.package_change_steps import unmanaged_layer

    if isinstance(request.source, PackageSource):
        return unmanaged_layer(request, None, below, tools)
    from dockyard.pipeline.package_changes import installed_facts

    return unmanaged_layer(request, installed_facts(request.source), below, tools)


def _boot_settings(request: ImageRequest, below: tuple[Step, ...], tools: Step) -> Step | None:
    chosen = [each for each in request.settings.settings if shapes_boot(each)]
    title = "Apply settings that shape the boot"
    return layer_step("boot-settings", title, chosen, below, request.epoch)


def _settings(request: ImageRequest, below: tuple[Step, ...], tools: Step) -> Step | None:
    chosen = [each for each in request.settings.settings if not shapes_boot(each)]
    return layer_step(
        "settings", "Apply settings", [*mounts_of(request), *chosen], below, request.epoch
    )


def _scripts(request: ImageRequest, below: tuple[Step, ...], tools: Step) -> Step | None:
    chosen = request.settings.post_scripts
    return layer_step("scripts", "Run scripts", chosen, below, request.epoch)


def _boot(request: ImageRequest, below: tuple[Step, ...], tools: Step) -> Step | None:
    if request.boot is None:
        return None
    from dockyard.pipeline.boot_layer import boot_layer  # a build need not load it

    return boot_layer(request, request.boot, below)


def _final_scripts(request: ImageRequest, below: tuple[Step, ...], tools: Step) -> Step | None:
    chosen = request.settings.final_scripts
    return layer_step("final-scripts", "Run final scripts", chosen, below, request.epoch)


def _record(request: ImageRequest, below: tuple[Step, ...], tools: Step) -> Step | None:
    chosen = request.settings.record
    return layer_step("record", "Record what is done", chosen, below, request.epoch)


# Each gives the step of one layer over those below, or None where there is nothing to do.
_LAYERS: tuple[Callable[[ImageRequest, tuple[Step, ...], Step], Step | None], ...] = (
    _packages,
    _boot_settings,
    _settings,
    _scripts,
    _unmanaged,
    _boot,
    _final_scripts,
    _record,  # last: any other key changes it, which is to repeat nothing
)


def layer_step(
    name: str, title: str, settings: Sequence[AnySetting], below: tuple[Step, ...], epoch: int
) -> Step | None:
    """A step that applies settings in order; None where there are none. below: the packages step,
    then the layers so far.
    """
    if not settings:
        return None
    wanted = ApplySettings(settled(settings), names_of(below), epoch)
    details = tuple(setting.describe() for setting in settings)
    function = f"{_STEPS}.settings:apply_settings"
    return Step.of("settings", title, function, wanted, below, name=name, details=details)


def merged(
    name: str, title: str, layers: tuple[Step, ...], epoch: int, labels: Step | None = None
) -> Stack:
    """The root tree that layers make up. name, title: of the step that merges them. labels: the
    step that finds SELinux labels of its files, if they are to have some.
    """
    wanted = MergeRoot(names_of(layers), epoch, labels.name if labels else None)
    function = f"{_STEPS}.root:merge_root"
    inputs = (*layers, *([labels] if labels else []))
    return Stack(layers, Step.of("root", title, function, wanted, inputs, name=name))


def shapes_boot(setting: AnySetting) -> bool:
    """Whether a setting may change what the initrd or the EFI partition is made from."""
    match setting:
        case (
            HostnameSetting()
            | GroupSetting()
            | UserSetting()
            | FstabSetting()
            | FstabDeviceSetting()
            | SelinuxSetting()
            | OverlaySetting()
        ):
            return False
        case AdditionalFileSetting(destination=destination):
            return _in_boot_place(destination)
        case AdditionalDirectorySetting(content=content):
            return any(_in_boot_place(setting.target(path)) for path, _, _ in content)
        case _:
            return True


def _in_boot_place(path: str) -> bool:
    return f"{plain_path(path)}/".startswith(_BOOT_PLACES)


def mounts_of(request: ImageRequest) -> tuple[FstabSetting, ...]:
    """The setting that is `storage.filesystems`; none for a disk that is kept, as an image that
    exists says itself what it mounts.
    """
    if not request.is_laid_out:
        return ()
    mounts: list[Mount] = []
    limits: list[SubvolumeLimit] = []
    for partition in request.layout.partitions:
        system = partition.filesystem
        if system is None:
            continue
        limits += _limits(request, partition, system)
        for mount, subvolume in system.mounts:
            at = request.partition_position(partition.number)
            options = tuple(mount.options.split(",")) if mount.options else ()
            where = mounted_from(partition, mount)
            kind, below = system.type.kernel_name, subvolume or ""
            mounts.append(Mount(mount.path, kind, where, options, at, below))
    swaps = tuple(source(item, None) for item in request.layout.partitions if item.swap)
    ordered = tuple(sorted(mounts, key=lambda mount: mount.path))
    grown = growth(request.layout)
    return (FstabSetting(request.fstab, ordered, swaps, grown, tuple(limits)),)


def _limits(
    request: ImageRequest, partition: PartitionLayout, system: FileSystemLayout
) -> Iterator[SubvolumeLimit]:
    for one in system.subvolumes:
        if one.most is not None or one.most_own is not None:
            yield SubvolumeLimit(
                str(system.uuid),
                one.number,
                one.path,
                one.most or 0,
                one.most_own or 0,
                request.partition_position(partition.number),
            )
