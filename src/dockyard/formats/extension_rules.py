"""What an image file asks for that lies outside of an extension: told before any work, by path."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from dockyard.formats.guest import of_a_disk
from dockyard.model.base import Mistake
from dockyard.model.image import Image

_ETC = "/etc"
_ACCOUNTS = "/etc/passwd, /etc/shadow and /etc/group"


def outside(image: Image, name: str, places: Sequence[str]) -> Iterator[Mistake]:
    """A mistake for each setting that changes what the format has not. places: what it has."""
    yield from of_a_disk(image, name, "it has no disk and does not boot: its host does")
    has = f"it has what lies below {' and '.join(places)} alone"
    for at, path in _destinations(image):
        if not _within(path, places):
            yield Mistake(
                at,
                "format.extension-outside",
                f"{path} cannot be in the format {name}",
                f"choose a place below {places[0]}, or another format",
                has,
            )
    for at, what, fits in _settings(image):
        if not fits or _ETC not in places:
            yield Mistake(
                at,
                "format.extension-outside",
                f"`{'.'.join(map(str, at))}` changes {what}, which the format {name} has not",
                "remove it, or choose another format",
                has,
            )
    if image.os.packages.install and _ETC in places:
        yield Mistake(
            ("os", "packages", "install"),
            "format.extension-outside",
            f"packages bring programs, which the format {name} has not",
            "write the format sysext",
            has,
        )
    if image.os.packages.remove or image.os.packages.remove_package_manager:
        key = "remove" if image.os.packages.remove else "removePackageManager"
        yield Mistake(
            ("os", "packages", key),
            "format.extension-removes",
            "an extension can take nothing away from what it lies over",
            f"remove `{key}`, or choose another format",
        )


def _destinations(image: Image) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for index, file in enumerate(image.os.additional_files):
        yield ("os", "additionalFiles", index, "destination"), file.destination
    for index, folder in enumerate(image.os.additional_dirs):
        yield ("os", "additionalDirs", index, "destination"), folder.destination


def _settings(image: Image) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """Settings in use: their keys, what they change, and whether that is a matter of /etc which a
    file of it decides.
    """
    os = image.os
    for key, given, what, fits in (
        ("hostname", os.hostname, "/etc/hostname", True),
        ("users", os.users, _ACCOUNTS, False),
        ("groups", os.groups, _ACCOUNTS, False),
        ("services", os.services.enable or os.services.disable, "links in /etc/systemd", True),
        ("modules", os.modules, "/etc/modprobe.d and /etc/modules-load.d", True),
        ("selinux", os.selinux.mode, "/etc/selinux and the labels of all files", False),
    ):
        if given:
            yield ("os", key), what, fits


def _within(path: str, places: Sequence[str]) -> bool:
    plain = posixpath.normpath("/" + path.lstrip("/"))
    return any(plain.startswith(f"{place}/") for place in places)
