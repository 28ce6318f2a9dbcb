"""Whether somebody can come into an image that is booted: told from its files, before it is.

A guest that lacks what this takes boots, and says nothing: minutes would go by until that is called
a failure. What only its kernel knows is left to the guest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.formats.containers import container_of
from dockyard.inspection.accounts import services_of, users_of
from dockyard.inspection.disks import open_disk
from dockyard.inspection.systems import find_system
from dockyard.inspection.tree import Tree
from dockyard.tools.unpacked import ToolTrees

_BIN = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
_AGENT = ("cat", "chmod", "cut", "head", "ln", "mkdir", "mkfifo", "sh", "systemctl", "tail",
          "timeout", "touch")  # fmt: skip
_SSHD = ("/usr/sbin/sshd", "/usr/bin/sshd", "/usr/lib/openssh/sshd-session")
_SSH_UNITS = ("sshd.service", "ssh.service", "sshd.socket", "ssh.socket")
_SYSTEMD = re.compile(r"/libsystemd-shared-(\d+)[^/]*$")
_LEAST_SYSTEMD = 256
_MODULES = "/usr/lib/modules"


@dataclass(frozen=True, slots=True)
class Access:
    """What is wanted of a guest. verb: the option or verb that wants it. user: who comes in.
    programs: what it runs beside what all of it takes. ssh: whether by its SSH server. modules: of
    its kernel, with what wants each.
    """

    verb: str
    user: str = "root"
    programs: Sequence[str] = ()
    ssh: bool = False
    modules: Sequence[str] = ()


def disk_problems(image: Path, access: Access, scratch: Path, tools: ToolTrees) -> list[Problem]:
    """What a disk lacks; nothing where that cannot be known. Call `namespace.enter()` before."""
    try:
        if not container_of(image).is_raw:
            return []
        tree = find_system(open_disk(image, scratch, tools.main), scratch, tools).tree
    except DockyardError:  # what cannot be read may boot all the same
        return []
    return list(tree_problems(tree, access, image))


def tree_problems(tree: Tree, access: Access, image: Path) -> Iterator[Problem]:
    """What a tree lacks, each a problem. image: the place to name."""
    where = str(image)
    wanted = (*_AGENT, *access.programs)
    if lacking := [name for name in wanted if not any(tree.entry(f"{b}/{name}") for b in _BIN)]:
        yield Problem(
            "boot.no-programs",
            f"{access.verb} needs programs that the image lacks: {', '.join(lacking)}",
            where,
            fix="install what has them (coreutils, systemd), or look at it with `dockyard boot`",
        )
    version = _systemd(tree)
    if version is not None and version < _LEAST_SYSTEMD:
        yield Problem(
            "boot.no-answers",
            f"{access.verb} does not work with systemd {version}, which the image has",
            where,
            why=f"it is reached by credentials, since version {_LEAST_SYSTEMD}",
            fix="log in at the console, with `dockyard boot`",
        )
    if access.user not in {user.name for user in users_of(tree)}:
        fix = "name another one with --user"
        yield Problem("boot.no-user", f"the image has no user {access.user}", where, fix=fix)
    if access.ssh:
        yield from _ssh(tree, where)
    for name in ("virtio_console", *access.modules):
        if not has_module(tree, name):
            yield Problem(
                "boot.no-module",
                f"{access.verb} needs the kernel module {name}, which the image lacks",
                where,
                fix="install the package of the kernel that has it",
            )


def has_module(tree: Tree, name: str) -> bool:
    """Whether each kernel of a tree has a module, or has it built in. Where no modules are, nothing
    is known, and it is taken for there.
    """
    versions = tree.names(_MODULES)
    wanted = re.compile(rf"/{re.escape(name).replace('_', '[-_]')}\.ko(?:\.(?:xz|gz|zst))?$")
    loose = dict.fromkeys(versions, False)
    for path, _ in tree.entries():
        if path.startswith(f"{_MODULES}/") and wanted.search(path):
            loose[path.split("/")[4]] = True
    for version, found in loose.items():
        built_in = tree.text(f"{_MODULES}/{version}/modules.builtin")
        if built_in is None:
            continue
        if not found and not any(wanted.search(line) for line in built_in.splitlines()):
            return False
    return True


def _ssh(tree: Tree, where: str) -> Iterator[Problem]:
    if not any(tree.entry(path) for path in _SSHD):
        fix = "install openssh-server; or use --shell, which needs none"
        yield Problem("boot.no-ssh-server", "the image has no SSH server", where, fix=fix)
    elif not {*services_of(tree).enabled} & {*_SSH_UNITS}:
        fix = "enable it: os.services.enable with sshd (or ssh); or use --shell"
        what = "the SSH server of the image is not started at boot"
        yield Problem("boot.no-ssh-server", what, where, fix=fix)


def _systemd(tree: Tree) -> int | None:
    """The version of systemd, which is in the name of its library; None where that is not there."""
    found = (_SYSTEMD.search(path) for path, _ in tree.entries())
    return next((int(each[1]) for each in found if each), None)
