"""The steps of one image, from its packages to the parts that its format is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dockyard.disk.fstab import source
from dockyard.disk.growth import growth
from dockyard.disk.layout import FAT_TYPES, PartitionLayout
from dockyard.engine.step import Step
from dockyard.formats import Part
from dockyard.formats import by_name as format_by_name
from dockyard.model.os import InitrdBuilder
from dockyard.model.packages import LockedRepository, Pin, RpmRepository
from dockyard.model.storage import FileSystemType
from dockyard.pipeline import arguments
from dockyard.pipeline.arguments import ROOT
from dockyard.pipeline.request import ImageRequest
from dockyard.tools.trees import tools_step
from dockyard.tree.additional import AdditionalDirectorySetting, AdditionalFileSetting, plain_path
from dockyard.tree.every import AnySetting, settled
from dockyard.tree.fstab import FstabSetting, Mount
from dockyard.tree.hostname import HostnameSetting
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

# What a name of a FAT file system cannot have (mkfs.fat(8)).
_NOT_IN_FAT = str.maketrans(dict.fromkeys('*?.,;:/\\|+=<>[]"', "_"))
_LONGEST_FAT, _LONGEST, _LONGEST_SWAP = 11, 12, 15  # the second: what xfs holds, the least of all


@dataclass(frozen=True)
class _Stack:
    """A root tree: the results that make it up, the lowest first, and the step that merges them."""

    layers: tuple[Step, ...]
    root: Step

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.layers)


@dataclass(frozen=True)
class ImageSteps:
    """layers, root: the results that make up the root tree, and their merged archive. filesystems:
    file systems and swap spaces by the key of their partition. Made on request only: expected,
    the step that notes what a check of the running system is to find, and proofs, which read each
    file system back and compare it. needs, runs_programs: of the format.
    """

    manifest: Step
    layers: tuple[Step, ...]
    root: Step
    filesystems: Mapping[str, Step]
    proofs: tuple[Step, ...]
    expected: Step
    kernel: Step
    initrd: Step
    uki: Step
    tools: Step
    needs: frozenset[Part]
    runs_programs: bool

    @property
    def parts(self) -> tuple[Step, ...]:
        """The steps whose results the image is written from."""
        steps = {
            Part.ROOT: (self.root, *self.layers),
            Part.DISK: tuple(self.filesystems.values()),
            Part.KERNEL: (self.kernel,),
            Part.INITRD: (self.initrd,),
            Part.UKI: (self.uki,),
        }
        return tuple(step for part in Part if part in self.needs for step in steps[part])

    @property
    def goals(self) -> tuple[Step, ...]:
        """The steps whose results are looked at when the image is built."""
        return (self.manifest, *self.parts, *((self.tools,) if self.runs_programs else ()))


def image_steps(request: ImageRequest) -> ImageSteps:
    """All steps of an image."""
    format_ = format_by_name(request.output.format)
    tools = tools_step(request.lock.tools, request.origins)
    layers = _layers(request, _packages(request, tools))
    whole = _stack(ROOT, "Merge the root", layers, request.epoch)
    boot = whole
    if not (request.settings.post_scripts or request.settings.final_scripts):
        shaping = tuple(step for step in layers if step.name in ("packages", "boot-settings"))
        if shaping != layers:
            boot = _stack("boot-root", "Merge what shapes the boot", shaping, request.epoch)
    initrd = _initrd(request, boot, tools)
    uki = _uki(request, boot, initrd, tools)
    filesystems: dict[str, Step] = {}
    proofs: list[Step] = []
    fat: list[tuple[arguments.FileSystem, _Stack]] = []
    for partition in request.layout.partitions if Part.DISK in format_.needs else ():
        if partition.swap:
            filesystems[partition.key] = _swap(partition, tools)
        if partition.filesystem is None:
            continue
        boots = _boots(partition, request.family.esp)
        stack = boot if boots else whole
        wanted = _filesystem(request, partition, stack, uki if boots else None)
        step = filesystems[partition.key] = _filesystem_step(wanted, stack, tools, uki)
        proofs.append(_proof(wanted, step))
        if partition.filesystem.type in FAT_TYPES and wanted.mount:
            fat.append((wanted, stack))
    has_uki = bool(format_.needs & {Part.DISK, Part.UKI})
    return ImageSteps(
        manifest=_manifest(request, whole, fat, tools, uki if has_uki else None),
        layers=whole.layers,
        root=whole.root,
        filesystems=filesystems,
        proofs=tuple(proofs),
        expected=_expected(whole, tools, request),
        kernel=_kernel(boot),
        initrd=initrd,
        uki=uki,
        tools=tools,
        needs=format_.needs,
        runs_programs=format_.runs_programs,
    )


def shapes_boot(setting: AnySetting) -> bool:
    """Whether a setting may change what the initrd or the EFI partition is made from."""
    match setting:
        case HostnameSetting() | GroupSetting() | UserSetting() | FstabSetting():
            return False
        case AdditionalFileSetting(destination=destination):
            return _in_boot_place(destination)
        case AdditionalDirectorySetting(content=content):
            return any(_in_boot_place(setting.target(path)) for path, _, _ in content)
        case _:
            return True


def _in_boot_place(path: str) -> bool:
    return f"{plain_path(path)}/".startswith(_BOOT_PLACES)


def _packages(request: ImageRequest, tools: Step) -> Step:
    """The step that has the tree of all packages, over those that unpack each of them."""
    lock, epoch, documents = request.lock, request.epoch, request.source.documents
    fetch = _fetch(request)
    unpacked = {pin.nevra: _unpack(request, pin, fetch) for pin in sorted(lock.packages)}
    steps = tuple(unpacked.values())
    names = tuple(step.name for step in steps)
    database = Step.of(
        "database",
        "Write the database of packages",
        f"{_STEPS}.packages:make_database",
        arguments.Database(names, documents, epoch),
        (tools, *steps),
    )
    found = Step.of(
        "selection",
        "Choose what the index of kernel modules is made of",
        f"{_STEPS}.packages:select_index",
        arguments.Selection("modules", names),
        steps,
        name="modules-selection",
    )
    index = Step.of(
        "index",
        "Make the index of kernel modules",
        f"{_STEPS}.packages:make_index",
        arguments.Index(found.name, names, epoch),
        (found,),
        borrowed=steps,
        name="modules-index",
    )
    wanted = arguments.Packages(
        packages={nevra: step.name for nevra, step in unpacked.items()},
        database=database.name,
        indices=(index.name,),
        signed=tuple(sorted(pin.nevra for pin in lock.packages if pin.content is None)),
        documents=documents,
        epoch=epoch,
        packaging=request.family.packaging,
        expected=arguments.Expected(
            replace(lock, tools=()),
            request.source.repositories,
            request.origins.offline,
            settled(request.settings.settings),
            request.loaded.position("os.packages"),
            None if request.output.boots_nothing else request.layout.initrd_filesystems,
        ),
    )
    title = f"Install {len(lock.packages)} packages"
    function = f"{_STEPS}.packages:install_packages"
    inputs = (tools, database, index, *steps)
    return Step.of("packages", title, function, wanted, inputs, borrowed=(fetch,))


def _fetch(request: ImageRequest) -> Step:
    source, lock = request.source, request.lock
    wanted = arguments.Fetch(
        packages={pin.nevra: pin.content or pin.digest for pin in lock.packages},
        lock=replace(lock, tools=()),
        lock_file=str(source.lock_file),
        repositories=source.repositories,
        offline=request.origins.offline,
    )
    title = f"Fetch {len(lock.packages)} packages"
    return Step.of(arguments.FETCH, title, f"{_STEPS}.fetch:fetch_packages", wanted)


def _unpack(request: ImageRequest, pin: Pin, fetch: Step) -> Step:
    source = request.source
    rules = {each.id: each for each in request.lock.repositories}
    known = {each.id: each for each in source.repositories}
    rule = rules.get(pin.repository, LockedRepository(pin.repository))
    repository = known.get(pin.repository, RpmRepository(pin.repository))
    wanted = arguments.Package(
        digest=pin.content or pin.digest,
        checked=rule.check_packages or repository.check_packages,
        keys=rule.keys,
        pin=pin,
        rule=rule,
        repository=repository,
        lock_file=str(source.lock_file),
        offline=request.origins.offline,
    )
    return Step.of(
        "unpack",
        f"Unpack {pin.nevra}",
        f"{_STEPS}.unpack:unpack",
        wanted,
        borrowed=(fetch,),
        name=f"unpack-{pin.nevra}",
        group="Unpack packages",
    )


def _layers(request: ImageRequest, packages: Step) -> tuple[Step, ...]:
    """The packages step and every layer over it, in order."""
    chosen = request.settings
    boot: list[AnySetting] = []
    other: list[AnySetting] = []
    for setting in chosen.settings:
        (boot if shapes_boot(setting) else other).append(setting)
    mounts = [fstab_of(request)] if request.layout.partitions else []
    layers: Sequence[tuple[str, str, Sequence[AnySetting]]] = (
        ("boot-settings", "Apply settings that shape the boot", boot),
        ("settings", "Apply settings", [*mounts, *other]),
        ("scripts", "Run scripts", chosen.post_scripts),
        ("final-scripts", "Run final scripts", chosen.final_scripts),
    )
    below: tuple[Step, ...] = (packages,)
    for name, title, settings in layers:
        if settings:
            below = (*below, layer_step(name, title, settings, below, request.epoch))
    return below


def layer_step(
    name: str, title: str, settings: Sequence[AnySetting], below: tuple[Step, ...], epoch: int
) -> Step:
    """A step that applies settings in order. below: the packages step, then the layers so far."""
    names = tuple(step.name for step in below)
    wanted = arguments.Settings(settled(settings), names, epoch)
    details = tuple(setting.describe() for setting in settings)
    function = f"{_STEPS}.settings:apply_settings"
    return Step.of("settings", title, function, wanted, below, name=name, details=details)


def _stack(name: str, title: str, layers: tuple[Step, ...], epoch: int) -> _Stack:
    wanted = arguments.Root(tuple(step.name for step in layers), epoch)
    function = f"{_STEPS}.root:merge_root"
    return _Stack(layers, Step.of("root", title, function, wanted, layers, name=name))


def _initrd(request: ImageRequest, boot: _Stack, tools: Step) -> Step:
    chosen = request.loaded.image.os.initrd
    by_dracut = chosen.builder is InitrdBuilder.DRACUT
    kinds = request.layout.initrd_filesystems
    wanted = arguments.Initrd(by_dracut, kinds, chosen.modules, boot.names, request.epoch)
    maker = "Let dracut make" if by_dracut else "Put together"
    title = f"{maker} the initrd, for {', '.join(kinds)}"
    function = f"{_STEPS}.boot:make_initrd"
    return Step.of("initrd", title, function, wanted, (boot.root,), borrowed=boot.layers)


def _kernel(boot: _Stack) -> Step:
    wanted = arguments.Kernel(boot.names)
    function = f"{_STEPS}.boot:take_kernel"
    return Step.of(
        "kernel", "Take the kernel", function, wanted, (boot.root,), borrowed=boot.layers
    )


def _uki(request: ImageRequest, boot: _Stack, initrd: Step, tools: Step) -> Step:
    wanted = arguments.Uki(
        name=request.name,
        command_line=request.command_line,
        loader=request.family.loader,
        architecture=request.architecture,
        below=boot.names,
    )
    return Step.of(
        "uki",
        "Join kernel and initrd into a UKI",
        f"{_STEPS}.boot:make_uki",
        wanted,
        (tools, initrd, boot.root),
        borrowed=boot.layers,
        details=(f"kernel command line: {' '.join(request.command_line)}",),
    )


def _boots(partition: PartitionLayout, esp: str) -> bool:
    system = partition.filesystem
    return system is not None and any(mount.path == esp for mount, _ in system.mounts)


def _filesystem(
    request: ImageRequest, partition: PartitionLayout, stack: _Stack, uki: Step | None
) -> arguments.FileSystem:
    system = partition.filesystem
    assert system is not None
    mount = system.mount.path if system.mount else None
    everywhere = sorted(
        at.path
        for item in request.layout.partitions
        if item.filesystem is not None
        for at, _ in item.filesystem.mounts
    )
    return arguments.FileSystem(
        key=partition.key,
        type=system.type.value,
        size=partition.size,
        uuid=system.uuid,
        label=label_of(partition.label, system.type),
        hash_seed=system.hash_seed,
        options=dict(system.options),
        mount=mount,
        others=tuple(path for path in everywhere if path != mount),
        loader=request.family.loader,
        architecture=request.architecture,
        epoch=request.epoch,
        root=stack.root.name,
        below=stack.names,
        uki=uki.name if uki else None,
        position=request.partition_position(partition.number),
    )


def label_of(label: str, kind: FileSystemType) -> str:
    """The name of a file system: as much of the partition's as it can hold."""
    if kind in FAT_TYPES:
        return label.translate(_NOT_IN_FAT).strip()[:_LONGEST_FAT].upper()
    return label[:_LONGEST]


def _filesystem_step(wanted: arguments.FileSystem, stack: _Stack, tools: Step, uki: Step) -> Step:
    title = f"Write {wanted.type} for {wanted.mount or wanted.key}, {wanted.size >> 20} MiB"
    return Step.of(
        "filesystem",
        title,
        f"{_STEPS}.filesystem:write_filesystem",
        wanted,
        (tools, stack.root, *((uki,) if wanted.uki else ())),
        borrowed=stack.layers,
        name=f"filesystem-{wanted.key}",
        modules=(f"dockyard.filesystems.{module_of(wanted.type)}",),
    )


def module_of(kind: str) -> str:
    """The module that writes a kind of file system."""
    return "vfat" if kind == "fat32" else kind


def _proof(wanted: arguments.FileSystem, written: Step) -> Step:
    title = f"Read {wanted.type} for {wanted.mount or wanted.key} back"
    return Step.of(
        "proof",
        title,
        f"{_STEPS}.filesystem:prove_filesystem",
        arguments.Proof(wanted, written.name),
        (written, *written.inputs),
        borrowed=written.borrowed,
        name=f"proof-{wanted.key}",
        modules=written.modules,
    )


def _swap(partition: PartitionLayout, tools: Step) -> Step:
    assert partition.swap is not None
    wanted = arguments.Swap(partition.swap, partition.label[:_LONGEST_SWAP], partition.size)
    title = f"Make swap space for {partition.key}, {partition.size >> 20} MiB"
    function = f"{_STEPS}.filesystem:make_swap"
    return Step.of("swap", title, function, wanted, (tools,), name=f"swap-{partition.key}")


def _manifest(
    request: ImageRequest,
    whole: _Stack,
    fat: Sequence[tuple[arguments.FileSystem, _Stack]],
    tools: Step,
    uki: Step | None,
) -> Step:
    systems = tuple(system for system, _ in fat)
    wanted = arguments.Manifest(
        root=whole.root.name,
        uki=uki.name if uki else None,
        packaging=request.family.packaging,
        below=whole.names,
        epoch=request.epoch,
        fat=systems,
    )
    roots = [whole.root, *(stack.root for _, stack in fat)]
    inputs = {step.id: step for step in (tools, *roots, *([uki] if uki else []))}
    borrowed = {step.id: step for stack in (whole, *(s for _, s in fat)) for step in stack.layers}
    return Step.of(
        "manifest",
        "List every file",
        f"{_STEPS}.manifest:list_files",
        wanted,
        tuple(inputs.values()),
        borrowed=tuple(borrowed.values()),
    )


def _expected(whole: _Stack, tools: Step, request: ImageRequest) -> Step:
    return Step.of(
        "expected",
        "Note what checks are to find",
        f"{_STEPS}.manifest:note_expectations",
        arguments.Expectations(whole.names, request.family.packaging, request.family.esp),
        (tools, whole.root),
        borrowed=whole.layers,
    )


def fstab_of(request: ImageRequest) -> FstabSetting:
    """The setting that is `storage.filesystems`."""
    mounts = []
    for partition in request.layout.partitions:
        system = partition.filesystem
        for mount, _ in system.mounts if system else ():
            kind = "vfat" if system and system.type in FAT_TYPES else str(system and system.type)
            at = request.partition_position(partition.number)
            options = tuple(mount.options.split(",")) if mount.options else ()
            found = Mount(mount.path, kind, source(partition, mount.id_type), options, at)
            mounts.append(found)
    swaps = tuple(source(item, None) for item in request.layout.partitions if item.swap)
    ordered = tuple(sorted(mounts, key=lambda mount: mount.path))
    return FstabSetting(request.fstab, ordered, swaps, growth(request.layout))
