"""What a booted image is asked: one list for everything that its image file settled."""

from __future__ import annotations

from collections.abc import Sequence

from dockyard.disk.layout import DiskLayout
from dockyard.errors import Position
from dockyard.model.packages import PackageKind, Pin
from dockyard.tree.check import Check
from dockyard.tree.setting import Setting

RPM = "rpm"


def image_checks(
    pins: Sequence[Pin],
    settings: Sequence[Setting],
    command_line: str,
    layout: DiskLayout,
    packages_at: Position | None,
    command_line_at: Position | None,
) -> list[Check]:
    """Every check of an image: packages, kernel command line, partitions, then each setting."""
    found = []
    if any(pin.name == RPM for pin in pins):
        found.append(_packages(pins, packages_at))
    found.append(_command_line(command_line, command_line_at))
    found.append(_partitions(layout))
    for setting in settings:
        found += setting.checks()
    return found


def _packages(pins: Sequence[Pin], position: Position | None) -> Check:
    names = sorted(pin.nevra for pin in pins if pin.kind is PackageKind.RPM)
    # A package has an epoch of 0 as often as none; a lock writes neither.
    script = (
        "rpm -qa --qf '%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}\\n' "
        "| sed 's/-0:/-/' | LC_ALL=C sort"
    )
    title = f"the {len(names)} packages of the lock are installed, and no others"
    return Check("packages", title, script, "\n".join(names), position)


def _command_line(command_line: str, position: Position | None) -> Check:
    script = "tr -d '\\0' < /proc/cmdline"
    return Check(
        "kernel.command-line", "the kernel command line is as built", script, command_line, position
    )


def _partitions(layout: DiskLayout) -> Check:
    """The partitions of the disk that holds the root, by number, id and size."""
    script = (
        "disk=$(lsblk --noheadings --output PKNAME $(findmnt --noheadings --output SOURCE /)); "
        "lsblk --noheadings --raw --bytes --output PARTN,PARTUUID,SIZE,TYPE /dev/$disk "
        "| sed -n 's/ part$//p' | sort -n"
    )
    expect = "\n".join(f"{item.number} {item.guid} {item.size}" for item in layout.partitions)
    return Check("disk.partitions", "the disk has the partitions asked for", script, expect)
