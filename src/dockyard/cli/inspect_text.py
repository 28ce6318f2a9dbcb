"""What `dockyard inspect` tells a person and a program of an image.

Text that an image brought is shown by `plain`: it may have escapes for terminals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dockyard.archive import Kind
from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.plain import plain
from dockyard.errors import DockyardError, Problem

if TYPE_CHECKING:
    from dockyard.inspection import Inspected
    from dockyard.inspection.accounts import User
    from dockyard.inspection.image import InspectedPartition

_LABEL = 12
_MOST_BRANCHES = 20  # what is shown of one directory


def as_text(found: Inspected, *, packages: bool, users: bool, services: bool) -> str:
    """An image for a person."""
    lines = [_head(found), ""]
    lines += _partitions(found)
    lines += _section("boot", _boot(found))
    lines += _section("packages", _packages(found, packages))
    lines += _section("users", _users(found.users, users))
    lines += _section("services", _services(found, services))
    lines += _section("SELinux", [_selinux(found)])
    verity = [f"{name} {value}" for name, value in found.verity.items()]
    lines += _section("dm-verity", verity or ["none"])
    return "\n".join(map(plain, lines))


def _head(found: Inspected) -> str:
    about = [found.format, terminal.size(found.size), found.distribution.title]
    about += [found.architecture.value] if found.architecture else []
    about += [f"host name {found.hostname}"] if found.hostname else []
    return f"{found.path}: {', '.join(about)}"


def _section(name: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{'' if number else name:<{_LABEL}}{line}"


def _partitions(found: Inspected) -> Iterator[str]:
    rows = [_partition_row(each) for each in found.partitions]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
    yield ""


def _partition_row(each: InspectedPartition) -> tuple[str, ...]:
    held = f"{each.files} files, {terminal.size(each.used)}" if each.files else ""
    return (
        f"partition {each.number}" if each.number else "the disk",
        each.type if each.number else "",
        terminal.size(each.size),
        each.filesystem or "unknown",
        each.mount or "not mounted",
        held,
    )


def _boot(found: Inspected) -> Iterator[str]:
    boot = found.boot
    word = "kernel" if len(boot.kernels) == 1 else "kernels"
    kernels = f"{word} {', '.join(boot.kernels)}" if boot.kernels else "no kernel"
    yield f"{', '.join(boot.loaders) or 'no boot loader'}; {kernels}"
    for entry in boot.entries:
        yield f"{entry.title} ({entry.kind}, {entry.path})"
        if entry.command_line:
            yield f"  {entry.command_line}"


def _packages(found: Inspected, everything: bool) -> Iterator[str]:
    database = found.database
    if database.kind is None:
        yield "no database of packages"
        return
    total = sum(each.size for each in database.packages)
    size = terminal.size(total)
    yield f"{len(database.packages)} by {database.kind.value}, {size} ({database.place})"
    for each in database.packages if everything else ():
        yield f"{each.name} {each.version} {each.architecture}, {terminal.size(each.size)}"


def _users(users: Sequence[User], everything: bool) -> Iterator[str]:
    shown = [user for user in users if everything or user.login]
    for user in shown:
        keys = f", {user.keys} SSH key{'s' if user.keys > 1 else ''}" if user.keys else ""
        groups = f", in {', '.join(user.groups)}" if user.groups else ""
        shell = f", {user.shell}" if everything else ""
        password = {"none": "no password", "locked": "password locked", "set": "password set"}
        yield f"{user.name} ({user.uid}): {password[user.password]}{keys}{groups}{shell}"
    if len(shown) < len(users):
        yield f"and {len(users) - len(shown)} that cannot log in"


def _services(found: Inspected, everything: bool) -> Iterator[str]:
    services = found.services
    target = f"; the default is {services.default_target}" if services.default_target else ""
    yield f"{len(services.enabled)} enabled, {len(services.masked)} masked{target}"
    if everything:
        yield from services.enabled
        yield from (f"{name} (masked)" for name in services.masked)


def _selinux(found: Inspected) -> str:
    selinux = found.selinux
    if not selinux.mode:
        return "not configured"
    return f"{selinux.mode}, policy {selinux.policy}, {selinux.labelled} files labelled"


def as_json(found: Inspected) -> dict[str, Any]:
    """An image for a program."""
    family = found.distribution.family
    return {
        "path": str(found.path),
        "format": found.format,
        "size": found.size,
        "partitionTable": found.table or None,
        "partitions": [_partition_json(each) for each in found.partitions],
        "distribution": {
            "id": found.distribution.id,
            "version": found.distribution.version,
            "title": found.distribution.title,
            "family": family.name if family else None,
        },
        "architecture": found.architecture.value if found.architecture else None,
        "hostname": found.hostname or None,
        "boot": {
            "loaders": list(found.boot.loaders),
            "kernels": list(found.boot.kernels),
            "entries": [
                {
                    "kind": each.kind,
                    "title": each.title,
                    "path": each.path,
                    "kernel": each.kernel,
                    "commandLine": each.command_line,
                }
                for each in found.boot.entries
            ],
        },
        "packages": {
            "kind": found.database.kind.value if found.database.kind else None,
            "database": found.database.place or None,
            "installed": [
                {
                    "name": each.name,
                    "version": each.version,
                    "architecture": each.architecture,
                    "size": each.size,
                    "license": each.license or None,
                }
                for each in found.database.packages
            ],
        },
        "users": [_user_json(user) for user in found.users],
        "services": {
            "enabled": list(found.services.enabled),
            "masked": list(found.services.masked),
            "defaultTarget": found.services.default_target or None,
        },
        "selinux": {
            "mode": found.selinux.mode or None,
            "policy": found.selinux.policy or None,
            "labelled": found.selinux.labelled,
        },
        "verity": dict(found.verity),
    }


def _partition_json(each: InspectedPartition) -> dict[str, Any]:
    return {
        "number": each.number,
        "label": each.label,
        "type": each.type,
        "guid": each.guid,
        "start": each.start,
        "size": each.size,
        "attributes": f"{each.attributes:#x}",
        "fileSystem": {
            "type": each.filesystem,
            "uuid": each.uuid or None,
            "label": each.name or None,
            "mountPoint": each.mount or None,
            "files": each.files,
            "dataSize": each.used,
        }
        if each.filesystem
        else None,
    }


def _user_json(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "uid": user.uid,
        "gid": user.gid,
        "home": user.home,
        "shell": user.shell,
        "password": user.password,
        "sshKeys": user.keys,
        "groups": list(user.groups),
        "login": user.login,
    }


def tree_text(found: Inspected, directory: str, depth: int) -> Answer:
    """What is below a directory, the largest first. Raises DockyardError."""
    at = "/" + directory.strip("/")
    entry = found.tree.entry(at)
    if entry is None or entry.kind is not Kind.DIRECTORY:
        raise DockyardError(
            Problem(
                "image.no-directory",
                f"the image has no directory {directory}",
                str(found.path),
                fix="give the path of a directory of the image, such as /usr",
            )
        )
    sizes: dict[str, list[int]] = {}
    prefix = at.rstrip("/") + "/"
    for path, each in found.tree.entries():
        if not path.startswith(prefix) or path == at:
            continue
        parts = path[len(prefix) :].split("/")
        size = each.size if each.kind is Kind.FILE else 0
        for level in range(min(depth, len(parts))):
            row = sizes.setdefault("/".join(parts[: level + 1]), [0, 0])
            row[0] += size
            row[1] += 1
    total = sum(row[0] for path, row in sizes.items() if "/" not in path)
    lines = [f"{terminal.size(total):>10}  {at}"]
    lines += _branches(sizes, "", 0)
    rows = [{"path": prefix + path, "size": row[0], "names": row[1]} for path, row in sizes.items()]
    return Answer("\n".join(map(plain, lines)), {"directory": at, "size": total, "below": rows})


def _branches(sizes: Mapping[str, list[int]], above: str, level: int) -> Iterator[str]:
    start = len(above) + 1 if above else 0
    below = [
        path
        for path in sizes
        if path.startswith(f"{above}/" if above else "") and "/" not in path[start:]
    ]
    below.sort(key=lambda each: (-sizes[each][0], each))
    indent = "  " * (level + 1)
    for path in below[:_MOST_BRANCHES]:
        size, names = sizes[path]
        more = f" ({names - 1} names)" if names > 1 else ""
        yield f"{terminal.size(size):>10}  {indent}{path[start:]}{more}"
        yield from _branches(sizes, path, level + 1)
    if left := below[_MOST_BRANCHES:]:
        rest = terminal.size(sum(sizes[path][0] for path in left))
        yield f"{rest:>10}  {indent}and {len(left)} more"
