"""The user and mount namespace in which all work on trees is done.

`enter` moves the calling process into it. The process stays the user who called, as id `CALLER`,
and gains every capability over its own mounts and over the ids 0 to 65535, which are the ids of
images: all of them are subordinate ids of the user (subuid(5), newuidmap(1)). So the root of an
image is never the root of the host, nor the user who builds, whoever that is; and what a build
makes never depends on who builds.

    host             namespace of the house         namespace of confined programs
    first + 0 …      0 …            (images)        0 …            (see `confined`)
    first + 65535    65535                          65535
    the caller       65536          (CALLER)        is not there

Programs run in a second namespace inside the first one, in which the caller's id does not exist and
no mount can be changed: the mounts that they see belong to the first namespace.

Files that are made for images belong to subordinate ids outside: only code inside the namespace may
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
from dockyard.host.conditions import settle
from dockyard.host.process import run

MAPPED_IDS = 65536
# The id of the user who called, beyond all ids of images.
CALLER = MAPPED_IDS
_FALLBACK_FOR_ROOT = 100_000


@dataclass(frozen=True, slots=True)
class SubordinateRange:
    """A range of ids in the parent namespace that a user may map: first id and number of ids."""

    first: int
    count: int


def subordinate_range(file: Path, user: str, uid: int) -> SubordinateRange | None:
    """The first range of at least 65536 ids that subuid(5) or subgid(5) gives to a user, or
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
            if found.count >= MAPPED_IDS:
                return found
    return None


@dataclass(slots=True)
class _State:
    """What `enter` found and made. confined: a descriptor of the programs' user namespace."""

    entered: bool = False
    caller: int = CALLER
    confined: int = -1


_state = _State()


def entered() -> bool:
    """Whether `enter` has moved this process already."""
    return _state.entered


def caller() -> int:
    """The id that the calling user has inside: `CALLER`, but 0 in a container that has no id for it
    beside those of images.
    """
    return _state.caller


def confined() -> int:
    """A descriptor of the user namespace in which programs run; -1 before `enter`."""
    return _state.confined


def image_id(number: int) -> int:
    """The id in an image of a file's owner inside the namespace: what the caller made is root's."""
    return 0 if number == CALLER else number


def enter() -> None:
    """Move this process into a new user and mount namespace; does nothing when it is in one
    already.

    Must be called before the first thread is started. Raises DockyardError with what to fix.
    """
    if _state.entered:
        return
    settle()
    if threading.active_count() != 1:
        raise RuntimeError("namespace.enter() must come before the first thread")
    maps = [_map_of(Path(f"/proc/self/{name}_map")) for name in ("uid", "gid")]
    if os.geteuid() == 0 and all(_suffices(found) for found in maps):
        # Inside such a namespace already: of a program that started this one, or of a container.
        kernel.unshare(kernel.CLONE_NEWNS)
        if all(_has_caller(found) for found in maps):
            kernel.become(CALLER)
        else:
            _state.caller = 0
    else:
        _enter_new()
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    _state.confined = _make_confined()
    _state.entered = True


def _map_of(file: Path) -> list[tuple[int, int]]:
    """The (first id inside, number of ids) ranges of a map, in order (user_namespaces(7))."""
    lines = [line.split() for line in file.read_text().splitlines()]
    return sorted((int(first), int(count)) for first, _, count in lines)


def _suffices(found: list[tuple[int, int]]) -> bool:
    """Whether a map has all ids of images, and not so many that ours could be made inside it."""
    mapped = 0
    for first, count in found:
        if first > mapped:
            break
        mapped = max(mapped, first + count)
    return MAPPED_IDS <= mapped < _FALLBACK_FOR_ROOT + MAPPED_IDS


def _has_caller(found: list[tuple[int, int]]) -> bool:
    """Whether a map was made here: it has the caller apart."""
    return found == [(0, MAPPED_IDS), (CALLER, 1)]


def _enter_new() -> None:
    uid, gid = os.getuid(), os.getgid()
    user = user_name(uid)
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


def _make_confined() -> int:
    """Make the user namespace of confined programs and return a descriptor of it."""
    made_read, made_write = os.pipe()
    kept_read, kept_write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(made_read)
            os.close(kept_write)
            kernel.unshare(kernel.CLONE_NEWUSER)
            # Else /proc shows it to the root of the host alone, and its maps could not be written.
            kernel.set_dumpable()
            os.write(made_write, b"x")
            os.read(kept_read, 1)
        finally:
            os._exit(0)
    os.close(made_write)
    os.close(kept_read)
    try:
        if not os.read(made_read, 1):
            raise DockyardError(_no_user_namespace("a second one inside the first was refused"))
        for name in ("uid", "gid"):
            Path(f"/proc/{child}/{name}_map").write_text(f"0 0 {MAPPED_IDS}\n")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(made_read)
        os.close(kept_write)
        os.waitpid(child, 0)


def user_name(uid: int) -> str:
    """The name of a user, or the number where that has none."""
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


def _no_user_namespace(why: str) -> Problem:
    return Problem(
        code="host.no-user-namespace",
        what="this host does not let its users make user namespaces",
        why=why,
        fix="see what blocks them with: dockyard doctor",
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
        raise DockyardError(_no_user_namespace(str(error))) from error
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
        numbers = (0, found.first, MAPPED_IDS, CALLER, own, 1)
        if os.geteuid() == 0:
            # Root may write the map itself, and need not be named in /etc/subuid.
            text = "{} {} {}\n{} {} {}\n".format(*numbers)
            Path(f"/proc/{pid}/{name}_map").write_text(text)
        else:
            run([f"new{name}map", str(pid), *map(str, numbers)])
