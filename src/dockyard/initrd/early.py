"""Mounts of an initrd before the root is set up: for the signature of a root hash, which systemd
reads while it sets the device up (root-hash-signature= of veritytab(5)).

They are lines of the initrd's own fstab(5), and each device waits for its mount by a drop-in: not
by RequiresMountsFor=, which would take the device away with the mount as the root is switched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dockyard.initrd.options import InitrdOptions

_PLAIN = re.compile(r"[A-Za-z0-9:_]")


def early_files(options: InitrdOptions) -> Mapping[str, str]:
    """The files that the mounts need, by their paths in the initrd; none without mounts."""
    if not options.mounts:
        return {}
    lines = [(each.source, each.path, each.kind, each.options) for each in options.mounts]
    # fstab(5): a blank within a field is written in octal.
    table = [" ".join(field.replace(" ", "\\040") for field in line) for line in lines]
    files = {"etc/fstab": "".join(f"{line} 0 0\n" for line in table)}
    for each in options.mounts:
        unit = mount_unit(each.path)
        for device in each.devices:
            folder = f"etc/systemd/system/systemd-veritysetup@{device}.service.d"
            files[f"{folder}/signature.conf"] = f"[Unit]\nWants={unit}\nAfter={unit}\n"
    return files


def mount_unit(path: str) -> str:
    """The unit of what is mounted at a path (systemd.unit(5), string escaping)."""
    parts = [_escaped(part) for part in path.split("/") if part]
    return f"{'-'.join(parts) or '-'}.mount"


def _escaped(part: str) -> str:
    plain = [chr(byte) for byte in part.encode()]
    return "".join(
        each if _PLAIN.fullmatch(each) or (each == "." and at) else f"\\x{ord(each):02x}"
        for at, each in enumerate(plain)
    )
