"""Places the SELinux policy of an image where the user wants it: `output.selinuxPolicyPath`.

The directory gets one of the policy's name (`SELINUXTYPE`), with all that /etc/selinux has of it.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.archive import Archive, Entry, Kind
from dockyard.errors import DockyardError, Problem
from dockyard.host.files import below, digest, write_atomic
from dockyard.host.storage import output_refused
from dockyard.tree.selinux import CONFIG, PACKAGE, policy_type

if TYPE_CHECKING:
    from dockyard.pipeline.policy_place import PolicyPlace

_MODES = {Kind.FILE: 0o644, Kind.DIRECTORY: 0o755}


def write_policy(root: Archive, place: PolicyPlace) -> bool:
    """Write the policy of a root; whether anything was written. Nothing that is there is removed.

    Raises DockyardError for a root without a policy, and for a place that has other files.
    """
    path = CONFIG.strip("/").encode()
    config = root.read(path).decode(errors="replace") if root.find(path) else ""
    kind = policy_type(config)
    above = f"etc/selinux/{kind}".encode()
    entries = [each for each in root if _is_below(each, above)]
    if not kind or not entries:
        raise DockyardError(
            Problem(
                "build.no-selinux-policy",
                "the image has no SELinux policy that could be written out",
                place.where,
                why=f"{CONFIG} {f'names {kind}, which is not there' if kind else 'names none'}",
                fix=f"install the distribution's package {PACKAGE}",
            )
        )
    out = place.path / kind
    wanted = {out / os.fsdecode(each.path[len(above) + 1 :]): each for each in entries}
    _refuse_others(out, wanted.keys(), place)
    try:
        written = [_write(root, path, each) for path, each in wanted.items()]
    except OSError as error:
        why, fix = output_refused(error)
        raise DockyardError(
            Problem(
                "build.policy-place",
                f"the policy could not be written to {out}",
                place.where,
                why=why,
                fix=f"{fix} {place.name}",
            )
        ) from error
    return any(written)


def _is_below(entry: Entry, above: bytes) -> bool:
    return entry.kind in _MODES and (entry.path == above or entry.path.startswith(above + b"/"))


def _refuse_others(out: Path, wanted: Collection[Path], place: PolicyPlace) -> None:
    found = [path for path in below(out) if path not in wanted]
    if found:
        raise DockyardError(
            Problem(
                "build.policy-place",
                f"{out} has what is not of the image's policy: {found[0]}",
                place.where,
                fix="empty that directory, or choose another for the policy",
            )
        )


def _write(root: Archive, path: Path, entry: Entry) -> bool:
    if entry.kind is Kind.DIRECTORY:
        path.mkdir(parents=True, exist_ok=True, mode=_MODES[entry.kind])
        return False
    if path.is_file() and not path.is_symlink() and digest(path) == entry.digest:
        return False
    write_atomic(path, root.read(entry.path))
    path.chmod(_MODES[entry.kind])
    return True
