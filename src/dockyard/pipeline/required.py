"""What the packages of an image must bring so that it boots, asked of the lock before any work.

Which package has a file is what the metadata of repositories on this machine say: planning never
asks the network. Where a repository is elsewhere, and for what no repository has or a script may
bring, the step that needs it tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dockyard.disk.growth import growth
from dockyard.disk.layout import DiskLayout
from dockyard.errors import DockyardError, Problem
from dockyard.initrd.build import requirements
from dockyard.initrd.options import InitrdFeature, InitrdOptions
from dockyard.model.architecture import Architecture
from dockyard.model.os import BootloaderType, Initrd, InitrdBuilder
from dockyard.model.packages import Lock, Repository
from dockyard.model.storage import FileSystemType
from dockyard.packages.access import Access
from dockyard.packages.pinned import pinned_of
from dockyard.packages.providing import BINARIES
from dockyard.pipeline.labels_steps import LABELLED
from dockyard.pipeline.loaders import loader_type
from dockyard.pipeline.request import ImageRequest
from dockyard.tree.additional import added_paths

# What the running system calls for a file system that it mounts. The kernel repairs xfs and btrfs
# itself when it mounts them; FAT is checked where there is a program to do it.
_PROGRAMS: Mapping[FileSystemType, tuple[str, ...]] = {FileSystemType.EXT4: ("fsck.ext4",)}
VERITY = ("/usr/lib/systemd/systemd-veritysetup", "dmsetup")
_SELINUX = ("/etc/selinux/config", "matchpathcon", "restorecon")
_GROWTH = ("/usr/bin/systemd-repart", "/usr/lib/systemd/systemd-growfs")


def require_parts(request: ImageRequest) -> None:
    """Raise DockyardError, one for all packages that the lock lacks and the boot needs."""
    scripts = request.settings.post_scripts or request.settings.final_scripts
    if scripts or request.output.boots_nothing:
        return
    brought, source = added_paths(request.settings.settings), request.packages
    wanted = {
        name: why
        for name, why in _wanted(request).items()
        if brought.isdisjoint((name, *(f"{place}/{name}" for place in BINARIES)))
    }
    lacking = missing_packages(
        wanted, source.lock, source.repositories, source.access, request.architecture
    )
    if lacking:
        raise DockyardError(_problem(request, lacking, wanted))


def _wanted(request: ImageRequest) -> dict[str, str]:
    if request.live is not None:
        if request.live.full_os:
            return {"/usr/lib/systemd/systemd": "every system"}
        return requirements(InitrdOptions("", (), features=request.live.features))
    wanted = wanted_parts(request.layout, request.loaded.image.os.initrd)
    loader = request.family.by_grub
    chosen = loader_type(request) is BootloaderType.GRUB and not request.by_bios
    if loader is not None and chosen:
        programs = loader.named_for(request.architecture).programs
        wanted |= {file: "GRUB" for _, file in programs}
    if (mode := request.loaded.image.os.selinux.mode) in LABELLED:
        wanted |= dict.fromkeys(_SELINUX, f"SELinux {mode}")
    return wanted


def missing_packages(
    wanted: Iterable[str],
    lock: Lock,
    repositories: Sequence[Repository],
    access: Access,
    architecture: Architecture,
) -> dict[str, list[str]]:
    """The packages that a lock lacks, each with the programs and paths that are wanted of it; none
    where metadata on this machine cannot tell.
    """
    if not all(repository.is_here for repository in repositories):
        return {}
    try:
        pinned = pinned_of(lock.kind)
        found = pinned.who_provides(wanted, repositories, access, architecture, near=False)
    except DockyardError:
        return {}  # metadata that cannot be read is told by what fetches from there
    locked = {pin.name for pin in lock.packages}
    lacking: dict[str, list[str]] = {}
    for name, provided in found.items():
        if provided.packages and not locked & set(provided.packages):
            lacking.setdefault(" or ".join(provided.packages), []).append(name)
    return lacking


def wanted_parts(layout: DiskLayout, initrd: Initrd) -> dict[str, str]:
    """Programs and paths that a boot from this layout needs, each with what it is for."""
    wanted = _of_layout(layout)
    features = frozenset([InitrdFeature.VERITY] if layout.verity else [])
    if initrd.builder is InitrdBuilder.DRACUT:
        sets_up = dict.fromkeys(VERITY if layout.verity else (), "dm-verity")
        return {"/usr/bin/dracut": "the initrd", **sets_up, **wanted}
    options = InitrdOptions("", layout.initrd_filesystems, features=features)
    return {**requirements(options), **wanted}


def _of_layout(layout: DiskLayout) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for partition in layout.partitions:
        system = partition.filesystem
        if partition.swap:
            wanted["swapon"] = f"the swap space {partition.key}"
        if system is not None and system.mounts:
            for program in _PROGRAMS.get(system.type, ()):
                wanted.setdefault(program, f"the file system {system.type} on {partition.key}")
    if growth(layout):
        wanted |= dict.fromkeys(_GROWTH, "`size: grow`, which holds at boot as well")
    return wanted


def _problem(
    request: ImageRequest, lacking: Mapping[str, list[str]], wanted: Mapping[str, str]
) -> Problem:
    count = "a package" if len(lacking) == 1 else f"{len(lacking)} packages"
    return Problem(
        code="build.missing-packages",
        what=f"the image lacks {count} without which it does not boot as asked",
        where=request.loaded.position("os.packages.install"),
        why="its lock has no package with these files",
        fix=f"add to os.packages.install: {', '.join(lacking)}; then run "
        f"`dockyard lock {request.loaded.words}`",
        excerpt=tuple(
            f"{package}: {listed(names)}, for {wanted[names[0]]}"
            for package, names in lacking.items()
        ),
    )


def listed(names: Sequence[str]) -> str:
    """The names of some paths, as far as there is room for them."""
    bases = [name.rpartition("/")[2] for name in names]
    more = f" and {len(bases) - 3} more" if len(bases) > 3 else ""
    return ", ".join(bases[:3]) + more
