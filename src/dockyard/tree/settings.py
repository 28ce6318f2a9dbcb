"""The settings of an image file, in the order in which they are applied.

The order is Image Customizer's: host name, groups, users, directories, files, services, modules.
Later ones may build on earlier ones (a service on a unit file that was added), never the other way
round.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dockyard.errors import DockyardError, Position, Problems
from dockyard.model.image import Image
from dockyard.model.image import Script as ScriptModel
from dockyard.model.os import AdditionalDir, AdditionalFile, PasswordType
from dockyard.model.os import User as UserModel
from dockyard.tree.additional import AdditionalDirectory
from dockyard.tree.additional import AdditionalFile as File
from dockyard.tree.hostname import Hostname
from dockyard.tree.modules import Module
from dockyard.tree.scripts import Script
from dockyard.tree.services import Service
from dockyard.tree.setting import Setting, missing_source
from dockyard.tree.users import LOCKED, Group, User

Positions = Mapping[str, Position]


def settings_of(image: Image, positions: Positions) -> tuple[Setting, ...]:
    """All settings of an image file but packages, storage and scripts.

    Raises DockyardError with every source file that cannot be read.
    """
    problems = Problems()
    found: list[Setting] = []
    chosen = image.os
    if chosen.hostname:
        found.append(Hostname(chosen.hostname, positions.get("os.hostname")))
    for index, group in enumerate(chosen.groups):
        found.append(Group(group.name, group.gid, positions.get(f"os.groups[{index}]")))
    for index, user in enumerate(chosen.users):
        found.append(_user(user, f"os.users[{index}]", positions, problems))
    for index, directory in enumerate(chosen.additional_dirs):
        found.append(_directory(directory, positions.get(f"os.additionalDirs[{index}]")))
    for index, file in enumerate(chosen.additional_files):
        found.append(_file(file, positions.get(f"os.additionalFiles[{index}]")))
    for verb, names in (("enable", chosen.services.enable), ("disable", chosen.services.disable)):
        for index, name in enumerate(names):
            at = positions.get(f"os.services.{verb}[{index}]")
            found.append(Service(name, verb == "enable", at))
    for index, module in enumerate(chosen.modules):
        mode = str(module.load_mode or "inherit")
        options = tuple(sorted(module.options.items()))
        found.append(Module(module.name, mode, options, positions.get(f"os.modules[{index}]")))
    _require_readable(found, problems)
    problems.raise_any()
    return tuple(found)


def scripts_of(
    scripts: tuple[ScriptModel, ...],
    key: str,
    directory: Path,
    hidden: tuple[Path, ...],
    positions: Positions,
) -> tuple[Script, ...]:
    """The scripts below one key (`scripts.postCustomization`, …). Raises as settings_of does."""
    problems = Problems()
    found = []
    for index, script in enumerate(scripts):
        path = Path(script.path) if script.path else None
        found.append(
            Script(
                name=script.name
                or (path.name if path else f"{key.rpartition('.')[2]} {index + 1}"),
                directory=directory,
                path=path,
                content=script.content or None,
                interpreter=script.interpreter,
                arguments=script.arguments,
                environment=tuple(sorted(script.environment_variables.items())),
                hidden=hidden,
                position=positions.get(f"{key}[{index}]"),
            )
        )
    _require_readable(found, problems)
    problems.raise_any()
    return tuple(found)


def _require_readable(settings: list[Setting] | list[Script], problems: Problems) -> None:
    for setting in settings:
        try:
            _ = setting.identity
        except DockyardError as error:
            problems.extend(error.problems)


def _user(user: UserModel, key: str, positions: Positions, problems: Problems) -> User:
    keys = [*user.ssh_public_keys]
    for index, name in enumerate(user.ssh_public_key_paths):
        at = positions.get(f"{key}.sshPublicKeyPaths[{index}]")
        keys += [line for line in _text(name, at, problems).splitlines() if line.strip()]
    return User(
        name=user.name,
        uid=user.uid,
        password=_password(user, key, positions, problems),
        expires_days=user.password_expires_days,
        ssh_keys=tuple(keys),
        primary_group=user.primary_group or None,
        secondary_groups=user.secondary_groups,
        shell=user.startup_command or None,
        home=user.home_directory or None,
        position=positions.get(key),
    )


def _password(user: UserModel, key: str, positions: Positions, problems: Problems) -> str | None:
    if user.password is None:
        return None
    match user.password.type:
        case PasswordType.LOCKED:
            return LOCKED
        case PasswordType.HASHED:
            return user.password.value
        case PasswordType.HASHED_FILE:
            at = positions.get(f"{key}.password.value")
            return _text(user.password.value, at, problems).strip()
        case _:
            problems.add(
                "tree.plain-password",
                f"the password of {user.name} is given in clear",
                positions.get(f"{key}.password.type"),
                why="a hash needs a random salt, and nothing in an image may be random",
                fix="give `type: hashed` and what `openssl passwd -6` or `mkpasswd` prints",
            )
            return None


def _text(name: str, position: Position | None, problems: Problems) -> str:
    try:
        return Path(name).read_text()
    except OSError as error:
        problems.extend([missing_source(Path(name), position, error)])
        return ""


def _file(file: AdditionalFile, position: Position | None) -> File:
    return File(
        destination=file.destination,
        source=Path(file.source) if file.source else None,
        content=file.content,
        permissions=file.permissions,
        position=position,
    )


def _directory(directory: AdditionalDir, position: Position | None) -> AdditionalDirectory:
    return AdditionalDirectory(
        source=Path(directory.source),
        destination=directory.destination,
        new_directory_mode=directory.new_dir_permissions,
        merged_directory_mode=directory.merged_dir_permissions,
        file_mode=directory.child_file_permissions,
        position=position,
    )
