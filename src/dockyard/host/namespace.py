"""The user and mount namespace in which all work on trees is done.

`enter` moves the calling process into it. Inside, the process is uid 0 with every capability over
its own mounts and over 65536 ids: id 0 is the user that called, ids 1 to 65535 are the user's
subordinate ids (subuid(5), newuidmap(1)). Root enters it in the same way as anyone else, so that
what a build makes never depends on who builds.

Files that are made inside belong to subordinate ids outside: only code inside the namespace may
read their owners or capabilities, or remove them.
"""

from __future__ import annotations

import os
import pwd
import threading
from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host import kernel
from dockyard.host.process import run

MAPPED_IDS = 65536
_FALLBACK_FOR_ROOT = 100_000


@dataclass(frozen=True, slots=True)
class SubordinateRange:
    """A range of ids in the parent namespace that a user may map: first id and number of ids."""

    first: int
    count: int


def subordinate_range(file: Path, user: str, uid: int) -> SubordinateRange | None:
    """The first range of at least 65535 ids that subuid(5) or subgid(5) gives to a user, or
    None.
    """
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in (user, str(uid)):
            found = SubordinateRange(int(fields[1]), int(fields[2]))
            if found.count >= MAPPED_IDS - 1:
                return found
    return None


_entered = False


def entered() -> bool:
    """Whether `enter` has moved this process already."""
    return _entered


def enter() -> None:
    """Move this process into a new user and mount namespace; does nothing when it is in one
    already.

    Must be called before the first thread is started. Raises DockyardError with what to mend.
    """
    global _entered
    if _entered:
        return
    if threading.active_count() != 1:
        raise RuntimeError("namespace.enter() must come before the first thread")
    if _suffices(Path("/proc/self/uid_map")) and _suffices(Path("/proc/self/gid_map")):
        # Inside such a namespace already: of a program that started this one, or of a container.
        kernel.unshare(kernel.CLONE_NEWNS)
    else:
        _enter_new()
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    _entered = True


def _suffices(map_file: Path) -> bool:
    """Whether this process is root of a user namespace that has all ids of ours, and not so many
    that ours could be made inside it.
    """
    if os.geteuid() != 0:
        return False
    mapped = 0
    for line in sorted(map_file.read_text().splitlines(), key=lambda line: int(line.split()[0])):
        first, _, count = map(int, line.split())
        if first > mapped:
            break
        mapped = max(mapped, first + count)
    return MAPPED_IDS <= mapped < _FALLBACK_FOR_ROOT + MAPPED_IDS


def _enter_new() -> None:
    uid, gid = os.getuid(), os.getgid()
    user = _user_name(uid)
    ranges = tuple(
        subordinate_range(Path(file), user, uid) for file in ("/etc/subuid", "/etc/subgid")
    )
    if uid == 0:
        default = SubordinateRange(_FALLBACK_FOR_ROOT, MAPPED_IDS)
        ranges = tuple(found or default for found in ranges)
    uids, gids = ranges
    if uids is None or gids is None:
        raise DockyardError(_no_subordinate_ids(user))
    _unshare_and_map(uid, gid, uids, gids)
    os.setgid(0)
    os.setuid(0)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _no_subordinate_ids(user: str) -> Problem:
    return Problem(
        code="host.no-subordinate-ids",
        what=f"the user {user} has no range of 65536 subordinate ids",
        where="/etc/subuid and /etc/subgid",
        why="files in an image belong to many users; without root they are held as subordinate ids",
        fix=f"as root, run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
    )


def _unshare_and_map(uid: int, gid: int, uids: SubordinateRange, gids: SubordinateRange) -> None:
    """Unshare while a child that stayed outside waits to write the maps of this process."""
    parent = os.getpid()
    ready_read, ready_write = os.pipe()
    result_read, result_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready_write)
        os.close(result_read)
        os.read(ready_read, 1)
        message = b""
        try:
            _write_maps(parent, uid, gid, uids, gids)
        except BaseException as error:
            message = str(error).encode()[:2000] or b"unknown"
        os.write(result_write, message)
        os._exit(0)
    os.close(ready_read)
    os.close(result_write)
    try:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    except OSError as error:
        os.close(ready_write)
        os.waitpid(child, 0)
        raise DockyardError(
            Problem(
                code="host.no-user-namespace",
                what="this host does not let its users make user namespaces",
                why=str(error),
                fix="see what blocks them with: dockyard doctor",
            )
        ) from error
    os.write(ready_write, b"x")
    os.close(ready_write)
    with os.fdopen(result_read, "rb") as result:
        message = result.read()
    os.waitpid(child, 0)
    if message:
        raise DockyardError(
            Problem(
                code="host.id-map-failed",
                what="the ids of the user namespace could not be mapped",
                why=message.decode(errors="replace"),
                fix="run: dockyard doctor",
            )
        )


def _write_maps(
    pid: int, uid: int, gid: int, uids: SubordinateRange, gids: SubordinateRange
) -> None:
    for name, own, found in (("uid", uid, uids), ("gid", gid, gids)):
        numbers = (0, own, 1, 1, found.first, MAPPED_IDS - 1)
        if os.geteuid() == 0:
            # Root may write the map itself, and need not be named in /etc/subuid.
            text = "{} {} {}\n{} {} {}\n".format(*numbers)
            Path(f"/proc/{pid}/{name}_map").write_text(text)
        else:
            run([f"new{name}map", str(pid), *map(str, numbers)])
