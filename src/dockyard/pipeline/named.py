"""What settings name and the packages must bring: units, kernel modules, groups, login shells, a
kernel, and the programs that repair the root. Told from the lists of the packages' files, before
anything is built.

Only what is certain is told: where some package is still to be fetched, the setting itself finds
out when it is applied.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from dockyard.engine.code import code_of
from dockyard.errors import Position, Problem, Severity
from dockyard.host.files import write_atomic
from dockyard.model.family import ARCHITECTURES, KERNELS
from dockyard.model.packages import Lock, Repository, Request
from dockyard.packages.access import Access
from dockyard.packages.file_lists import FileLists
from dockyard.packages.pinned import pinned_of
from dockyard.tree.additional import added_paths
from dockyard.tree.modules import ModuleSetting, module_name
from dockyard.tree.services import UNIT_DIRECTORIES, ServiceSetting
from dockyard.tree.setting import Setting
from dockyard.tree.users import GroupSetting, UserSetting

if TYPE_CHECKING:
    from dockyard.packages.providing import Provided

_Provider: TypeAlias = "Callable[[Iterable[str]], Mapping[str, Provided]]"
_MODULES = "/usr/lib/modules/"
_BUILTIN = "/modules.builtin"
# Without one of these far more than a program is missing.
_CORE = {"/usr/lib/systemd/systemd", "/usr/bin/udevadm", "/usr/bin/mount"}
_PROGRAMS = ("/usr/bin", "/usr/sbin")


def unknown_names(
    settings: Sequence[Setting],
    lock: Lock,
    repositories: Sequence[Repository],
    access: Access,
    packages_at: Position | None,
    filesystems: Sequence[str] | None = (),
) -> list[Problem]:
    """The problems of names that nothing in the image has. A good answer is kept, so that an
    unchanged image does not ask again. filesystems: the kinds that the initrd mounts; None where
    nothing boots.
    """
    asked = [setting for setting in settings if isinstance(setting, ServiceSetting | ModuleSetting)]
    users = [setting for setting in settings if isinstance(setting, UserSetting)]
    added = {below_usr(path) for path in added_paths(settings)}
    answers = sorted(pin.content or pin.digest for pin in lock.packages)
    groups = sorted({group for user in users for group in user.groups})
    shells = sorted({user.shell for user in users if user.shell})
    made = sorted(each.name for each in settings if isinstance(each, GroupSetting | UserSetting))
    question = [
        *(answers, [each.identity for each in asked], sorted(added)),
        *(filesystems and list(filesystems), groups, shells, made, code_of(__name__)),
    ]
    name = hashlib.sha256(json.dumps(question).encode()).hexdigest()
    good = access.cache / "named" / name
    if good.is_file():
        return []
    pinned = pinned_of(lock.kind)
    found = pinned.file_lists(lock.packages, repositories, access)
    if found is None:
        return []
    from dockyard.pipeline.named_groups import unknown_groups

    def provided(wanted: Iterable[str]) -> Mapping[str, Provided]:
        architecture = (lock.request or Request(())).architecture
        return pinned.who_provides(wanted, repositories, access, architecture)

    def judged(there: Iterable[str]) -> list[Problem]:
        paths = {below_usr(path) for path in there} | added
        problems = unknown_units(asked, paths, provided)
        if filesystems is not None:
            problems = [*_kernel(paths, lock, packages_at), *problems]
            problems += _programs(filesystems, paths, found, provided, packages_at)
        if not problems:
            problems = [*_modules(asked, paths, found), *unknown_groups(settings, found.packages)]
        return [*problems, *unknown_shells(users, paths, provided)]

    problems = judged(found.listed)
    if problems and found.paths != found.listed:
        problems = judged(found.paths)
    if not problems:
        good.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(good, b"")
    return problems


def below_usr(path: str) -> str:
    """A path as it is where /bin, /lib and the like are links into /usr."""
    return f"/usr{path}" if path.startswith(("/lib/", "/bin/", "/sbin/", "/lib64/")) else path


def _kernel(paths: set[str], lock: Lock, position: Position | None) -> list[Problem]:
    if any(path.startswith(_MODULES) and path.endswith("/vmlinuz") for path in paths) or any(
        path.startswith("/boot/vmlinuz") for path in paths
    ):
        return []
    architecture = ARCHITECTURES[lock.kind][(lock.request or Request(())).architecture]
    names = " or ".join(name.format(architecture) for name in KERNELS[lock.kind])
    fix = f"add the package of a kernel to os.packages.install, such as {names}"
    what = "none of the image's packages has a kernel"
    return [Problem("initrd.no-kernel", what, position, fix=fix)]


def _programs(
    filesystems: Sequence[str],
    paths: set[str],
    lists: FileLists,
    provided: _Provider,
    position: Position | None,
) -> list[Problem]:
    """The programs that no package brings, of those that the initrd holds for its file systems."""
    if not paths >= _CORE:
        return []  # all that the boot lacks is told together then (pipeline.required, the initrd)
    from dockyard.initrd.parts import FILESYSTEMS, Part

    def is_there(program: str) -> bool:
        places = {f"{place}/{program}" for place in _PROGRAMS}
        return not paths.isdisjoint(places) or lists.has_any(places)

    lacking = {
        program: kind
        for kind in filesystems
        for program in FILESYSTEMS.get(kind, Part()).programs
        if not is_there(program)
    }
    if not lacking:
        return []
    found = provided(lacking)
    return [
        Problem(
            "build.file-system-needs",
            f"the {kind} root needs the program {program}, which no package of the image has",
            position,
            why="the initrd checks and repairs the root with it before it is mounted",
            fix=found[program].advice,
        )
        for program, kind in sorted(lacking.items())
    ]


def unknown_units(
    asked: Sequence[ServiceSetting | ModuleSetting], paths: set[str], provided: _Provider
) -> list[Problem]:
    known = {
        path.rpartition("/")[2] for path in paths if path.rpartition("/")[0] in UNIT_DIRECTORIES
    }
    lacking = [
        (each, problem)
        for each in asked
        if isinstance(each, ServiceSetting) and (problem := each.lacking(known))
    ]
    # To disable what is not there, nothing need be installed.
    wanted = {
        each.unit: f"{UNIT_DIRECTORIES[-1]}/{each.unit}" for each, _ in lacking if each.enable
    }
    found = provided(wanted.values()) if wanted else {}
    advice = {unit: found[path].advice for unit, path in wanted.items() if found[path].packages}
    return [
        dataclasses.replace(problem, fix=advice.get(each.unit, problem.fix))
        for each, problem in lacking
    ]


def _modules(
    asked: Sequence[ServiceSetting | ModuleSetting], paths: set[str], found: FileLists
) -> list[Problem]:
    known = {module_name(path) for path in paths if path.startswith(_MODULES) and ".ko" in path}
    modules = [each for each in asked if isinstance(each, ModuleSetting)]
    if all(each.name.replace("-", "_") in known for each in modules):
        return []
    builtin = built_in_modules(found)
    problems = [each.built_in(builtin) or each.lacking(known | builtin) for each in modules]
    return [problem for problem in problems if problem]


def unknown_shells(
    users: Sequence[UserSetting], paths: set[str], provided: _Provider
) -> list[Problem]:
    """Warnings of login shells that no package brings; a script may make them."""
    lacking = {user: user.shell for user in users if user.shell}
    lacking = {user: shell for user, shell in lacking.items() if below_usr(shell) not in paths}
    found = provided(sorted(set(lacking.values()))) if lacking else {}
    return [
        Problem(
            "tree.no-shell",
            f"{user.name}'s login shell {shell} is in no package of the image",
            user.position,
            why=f"{user.name} cannot log in with it, unless a script makes it",
            fix=found[shell].advice or "choose another startupCommand",
            severity=Severity.WARNING,
        )
        for user, shell in lacking.items()
    ]


def built_in_modules(found: FileLists) -> set[str]:
    """The modules that are part of the kernel itself."""
    for listed in (True, False):
        for package in found.packages:
            for _, data in package.contents(lambda path: path.endswith(_BUILTIN), listed=listed):
                return {module_name(line) for line in data.decode(errors="replace").splitlines()}
    return set()
