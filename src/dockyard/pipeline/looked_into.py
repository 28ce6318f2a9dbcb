"""Questions about a file system that the system that runs may well leave unmounted, such as the EFI
system partition of an image that GRUB boots: its own fstab need not name it.

Where nothing is mounted at its place, the guest mounts it there, read-only, for the question alone:
in a mount namespace of its own (unshare(1)), which no other question sees.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from dockyard.tree.check import Check


def looked_into(check: Check, at: str, device: str) -> Check:
    """A question about what is at a path, asked with the device mounted there."""
    place = shlex.quote(at)
    script = (
        f"script={shlex.quote(check.script)}\n"
        f'! mountpoint -q {place} || exec sh -c "$script"\n'
        f'exec unshare --mount sh -c \'mount -o ro "$1" "$2" && eval "$0"\' '
        f'"$script" {shlex.quote(device)} {place}'
    )
    return replace(check, script=script)
