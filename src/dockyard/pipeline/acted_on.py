"""Which valid keys of an image file building has no use for: those about an image that exists. They
stop a build before it starts, by name.

Nothing is ever accepted and ignored: a key is either acted on, or listed here with its reason, or
has no effect by its own definition (such as `previewFeatures`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dockyard.config import LoadedImage
from dockyard.errors import Problem
from dockyard.formats import Part, supported
from dockyard.formats import by_name as format_by_name
from dockyard.model.image import Image
from dockyard.model.input import Input
from dockyard.model.os import UkiMode
from dockyard.pipeline.format_rules import WITHOUT_DISK

_CODE = "build.not-acted-on"


@dataclass(frozen=True, slots=True)
class Refused:
    """A key that means nothing to what is done. used: whether an image file asks for it. asks_for:
    what it does where it means something. instead: what to do.
    """

    used: Callable[[Image], object]
    asks_for: str
    instead: str


ABOUT_EXISTING: dict[str, Refused] = {
    "input": Refused(
        lambda image: image.input != Input(),
        "changes of the image that it names",
        "use `dockyard customize`, or remove `input`",
    ),
    "os.uki.mode": Refused(
        lambda image: image.os.uki and image.os.uki.mode in (UkiMode.PASSTHROUGH, UkiMode.MODIFY),
        "UKIs that the image has (`passthrough`, `modify`)",
        "set it to `create`, or use `dockyard customize`",
    ),
    "storage.verity": Refused(
        lambda image: any(each.data_device or each.hash_device for each in image.storage.verity),
        "dm-verity of partitions that the image has (`dataDevice`, `hashDevice`)",
        "name partitions of `storage.disks` by `dataDeviceId` and `hashDeviceId`, or use "
        "`dockyard customize`",
    ),
    "storage.resetPartitionsUuidsType": Refused(
        lambda image: image.storage.reset_partitions_uuids_type,
        "new ids of the disk that the image has",
        "use `dockyard customize`, or remove it: a build gives a new disk ids of its own",
    ),
    "storage.reinitializeVerity": Refused(
        lambda image: image.storage.reinitialize_verity,
        "new hashes of the dm-verity devices that the image has",
        "use `dockyard customize`, or remove it: a build hashes all that is checked",
    ),
}


def refusals(loaded: LoadedImage, keys: Mapping[str, Refused], because: str) -> Iterator[Problem]:
    """A problem for every key in use of a table. because: why they mean nothing."""
    for key, refused in keys.items():
        if refused.used(loaded.image):
            yield loaded.problem(
                key,
                _CODE,
                f"`{key}` {because}",
                why=f"it asks for {refused.asks_for}",
                fix=refused.instead,
            )


def not_acted_on(loaded: LoadedImage) -> Iterator[Problem]:
    """A problem for every key in use that building has no use for."""
    because = "asks for an image that exists, and a build makes a new one"
    yield from refusals(loaded, ABOUT_EXISTING, because)


def needs_disk(loaded: LoadedImage, chosen: str | None = None) -> bool:
    """Whether an image has a disk: its file lays one out, or its format needs one.

    chosen: the format, in place of the one that the file names.
    """
    name = chosen or str(loaded.image.output.image.format or "raw")
    if name in WITHOUT_DISK:
        return False
    without = name in supported() and Part.DISK not in format_by_name(name).needs
    return bool(loaded.image.storage.disks) or not without


def not_buildable(
    loaded: LoadedImage, *, needs_disk: bool = True, created: bool = False
) -> Iterator[Problem]:
    """A problem for each thing that an image made from nothing needs and the file lacks.

    needs_disk: see the function of this name. created: the command line says where packages come
    from, and the file does not.
    """
    image = loaded.image
    if image.distro and created:
        yield loaded.problem(
            "distro",
            "create.distro",
            "the image file names a distro, and `create` takes packages from --rpm-source alone",
            fix="use `dockyard lock` and `dockyard build`, or remove `distro`",
        )
    if image.architecture and created:
        yield loaded.problem(
            "architecture",
            "create.architecture",
            "the image file names an architecture, and `create` makes images for this machine's",
            fix="use `dockyard lock` and `dockyard build` with a distro, or remove `architecture`",
        )
    if not image.distro and not created:
        yield loaded.problem(
            "",
            "build.no-distro",
            "the image file names no distro",
            why="an image is made from the packages of a distribution",
            fix="add, for example: distro: harbor",
        )
    if needs_disk and not image.storage.disks:
        yield loaded.problem(
            "storage",
            "build.no-disk",
            "the image file describes no disk",
            fix="add storage.disks and storage.filesystems with an esp and a root partition",
        )
    elif image.storage.disks and not any(
        mount.path == "/" for system in image.storage.filesystems for mount in system.mount_points
    ):
        yield loaded.problem(
            "storage.filesystems",
            "build.no-root",
            "no file system is mounted at /",
            fix="give one of storage.filesystems the mountPoint /",
        )
    if not image.os.packages.install and not image.os.packages.install_lists:
        yield loaded.problem(
            "os.packages",
            "build.no-packages",
            "the image file asks for no packages",
            fix="add os.packages.install",
        )
    ids = {
        "users": ("uid", [(user.name, user.uid) for user in image.os.users]),
        "groups": ("gid", [(group.name, group.gid) for group in image.os.groups]),
    }
    for kind, (key, given) in ids.items():
        first: dict[int, str] = {}
        for index, (name, number) in enumerate(given):
            if number is not None and first.setdefault(number, name) != name:
                yield loaded.problem(
                    f"os.{kind}[{index}].{key}",
                    "build.same-id",
                    f"{name} has the {key} of {first[number]}",
                    fix="choose another number, or leave it out to get a free one",
                )
