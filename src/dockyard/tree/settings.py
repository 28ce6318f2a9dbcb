"""The settings of an image file, in the order in which they are applied.

The order is Image Customizer's: host name, groups, users, directories, files, services, modules,
SELinux, overlays. Later ones may build on earlier ones (a service on a unit file that was added),
never the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dockyard.config import LoadedImage
from dockyard.errors import DockyardError, Position, Problem, Problems
from dockyard.host.files import read_regular
from dockyard.model.clear_passwords import what_is_wrong
from dockyard.model.os import AdditionalDir, AdditionalFile, Overlay, PasswordType, User
from dockyard.tree.additional import AdditionalDirectorySetting, AdditionalFileSetting
from dockyard.tree.every import AnySetting
from dockyard.tree.hostname import HostnameSetting
from dockyard.tree.modules import ModuleSetting
from dockyard.tree.overlays import OverlaySetting
from dockyard.tree.plain_text import PlainText
from dockyard.tree.scripts import ScriptSetting
from dockyard.tree.selinux import SelinuxSetting
from dockyard.tree.services import ServiceSetting
from dockyard.tree.setting import missing_source
from dockyard.tree.users import LOCKED, GroupSetting, UserSetting

# crypt(5): `$id$…`, BSDi's and the traditional DES hashes; `!` before any of them locks it.
_HASH = re.compile(r"!?(\$[0-9a-z]+\$[^:\s]{8,}|_[./0-9A-Za-z]{19}|[./0-9A-Za-z]{13})|[!*]+")


def settings_of(loaded: LoadedImage) -> tuple[AnySetting, ...]:
    """All settings of an image file but packages, storage and scripts.

    Raises DockyardError with every source file that cannot be read.
    """
    problems = Problems()
    found: list[AnySetting] = []
    chosen, at = loaded.image.os, loaded.position
    if chosen.hostname:
        found.append(HostnameSetting(chosen.hostname, at("os.hostname")))
    asked_for = (*(user.uid for user in chosen.users), *(group.gid for group in chosen.groups))
    reserved = frozenset(number for number in asked_for if number is not None)
    for index, group in enumerate(chosen.groups):
        found.append(GroupSetting(group.name, group.gid, at(f"os.groups[{index}]"), reserved))
    for index, user in enumerate(chosen.users):
        found.append(_user(user, f"os.users[{index}]", loaded, reserved, problems))
    for index, directory in enumerate(chosen.additional_dirs):
        found.append(_directory(directory, f"os.additionalDirs[{index}]", loaded))
    for index, file in enumerate(chosen.additional_files):
        found.append(_file(file, f"os.additionalFiles[{index}]", loaded))
    for verb, names in (("enable", chosen.services.enable), ("disable", chosen.services.disable)):
        for index, name in enumerate(names):
            place = at(f"os.services.{verb}[{index}]")
            found.append(ServiceSetting(name, verb == "enable", place))
    for index, module in enumerate(chosen.modules):
        mode = str(module.load_mode or "inherit")
        options = tuple(sorted(module.options.items()))
        found.append(ModuleSetting(module.name, mode, options, at(f"os.modules[{index}]")))
    if chosen.selinux.mode:
        found.append(SelinuxSetting(chosen.selinux.mode, at("os.selinux.mode")))
    for index, overlay in enumerate(chosen.overlays):
        found.append(_overlay(overlay, at(f"os.overlays[{index}]")))
    _require_readable(found, problems)
    problems.raise_any()
    return tuple(found)


def scripts_of(
    loaded: LoadedImage, key: str, hidden: tuple[Path, ...]
) -> tuple[ScriptSetting, ...]:
    """The scripts below one key of `scripts`: `postCustomization` or `finalizeCustomization`.

    hidden: files of the image file's directory that no script sees. Raises as settings_of does.
    """
    problems = Problems()
    chosen = loaded.image.scripts
    post = key == "postCustomization"
    found = []
    for index, script in enumerate(
        chosen.post_customization if post else chosen.finalize_customization
    ):
        path = loaded.local(script.path) if script.path else None
        at = f"scripts.{key}[{index}]"
        found.append(
            ScriptSetting(
                name=script.name or (path.name if path else f"{key} {index + 1}"),
                directory=loaded.beside(at, ""),
                path=path,
                content=script.content or None,
                interpreter=script.interpreter,
                arguments=script.arguments,
                environment=tuple(sorted(script.environment_variables.items())),
                hidden=hidden,
                position=loaded.position(at),
            )
        )
    _require_readable(found, problems)
    problems.raise_any()
    return tuple(found)


def _require_readable(settings: Iterable[AnySetting], problems: Problems) -> None:
    for setting in settings:
        if isinstance(setting, UserSetting):
            continue  # its files were read, and a password in clear has no identity
        try:
            _ = setting.identity
        except DockyardError as error:
            problems.extend(error.problems)


def wrong_hashes(loaded: LoadedImage) -> tuple[Problem, ...]:
    """A problem for each hash in the image file that a build refuses."""
    problems = Problems()
    for index, user in enumerate(loaded.image.os.users):
        if user.password and user.password.type is PasswordType.HASHED:
            _password(user, f"os.users[{index}]", loaded, problems)
    return problems.errors


def _user(
    user: User, key: str, loaded: LoadedImage, reserved: frozenset[int], problems: Problems
) -> UserSetting:
    keys = [*user.ssh_public_keys]
    for index, name in enumerate(user.ssh_public_key_paths):
        at = f"{key}.sshPublicKeyPaths[{index}]"
        text = _text(loaded.local(name), at, loaded, problems) or ""
        keys += [line for line in text.splitlines() if line.strip()]
    return UserSetting(
        name=user.name,
        uid=user.uid,
        password=_password(user, key, loaded, problems),
        expires_days=user.password_expires_days,
        ssh_keys=tuple(keys),
        primary_group=user.primary_group or None,
        secondary_groups=user.secondary_groups,
        shell=user.startup_command or None,
        home=user.home_directory or None,
        position=loaded.position(key),
        reserved=reserved,
    )


def _password(
    user: User, key: str, loaded: LoadedImage, problems: Problems
) -> str | PlainText | None:
    if user.password is None:
        return None
    at = f"{key}.password.value"
    match user.password.type:
        case PasswordType.LOCKED:
            return LOCKED
        case PasswordType.HASHED:
            return _hash(user.password.value, at, loaded, problems)
        case PasswordType.HASHED_FILE:
            text = _text(loaded.beside(at, user.password.value), at, loaded, problems)
            return _hash(text or "", at, loaded, problems)
        case PasswordType.PLAIN_TEXT:
            return PlainText(user.password.value)
        case PasswordType.PLAIN_TEXT_FILE:
            return _clear(loaded.beside(at, user.password.value), at, loaded, problems)
        case None:  # the reader of the file refuses it
            return None


def _clear(path: Path, at: str, loaded: LoadedImage, problems: Problems) -> PlainText | None:
    """The password that is the one line of a file."""
    if (read := _text(path, at, loaded, problems)) is None:
        return None
    password = read.removesuffix("\n")
    what, fix = what_is_wrong(password)
    if what:
        said = f"the password in {path.name} {what}"
        problems.extend([loaded.problem(at, "tree.not-a-password", said, fix=fix)])
    return PlainText(password)


def _hash(text: str, at: str, loaded: LoadedImage, problems: Problems) -> str:
    hashed = text.strip()
    if hashed and not _HASH.fullmatch(hashed):
        problem = loaded.problem(
            at,
            "tree.not-a-hash",
            "the password is not a hash that crypt(5) knows",
            why="nobody could log in with it; a password would be there in plain text",
            fix="give what `openssl passwd -6` or `mkpasswd` prints, beginning with `$`",
        )
        problems.extend([problem])
    return hashed


def _text(path: Path, at: str, loaded: LoadedImage, problems: Problems) -> str | None:
    try:
        return read_regular(path).decode()
    except UnicodeDecodeError:
        problem = loaded.problem(
            at, "tree.source-not-text", f"the file {path} is not UTF-8 text", fix="save it as UTF-8"
        )
        problems.extend([problem])
        return None
    except OSError as error:
        problems.extend([missing_source(path, loaded.position(at), error)])
        return None


def _overlay(overlay: Overlay, position: Position) -> OverlaySetting:
    return OverlaySetting(
        lower=overlay.lower_dirs,
        upper=overlay.upper_dir,
        work=overlay.work_dir,
        mount_point=overlay.mount_point,
        early=overlay.is_initrd_overlay,
        dependencies=overlay.mount_dependencies,
        options=tuple(each for each in overlay.mount_options.split(",") if each),
        position=position,
    )


def _file(file: AdditionalFile, key: str, loaded: LoadedImage) -> AdditionalFileSetting:
    return AdditionalFileSetting(
        destination=file.destination,
        source=loaded.local(file.source) if file.source else None,
        content=file.content,
        permissions=file.permissions,
        position=loaded.position(key),
    )


def _directory(
    directory: AdditionalDir, key: str, loaded: LoadedImage
) -> AdditionalDirectorySetting:
    return AdditionalDirectorySetting(
        source=loaded.local(directory.source),
        destination=directory.destination,
        new_directory_mode=directory.new_dir_permissions,
        merged_directory_mode=directory.merged_dir_permissions,
        file_mode=directory.child_file_permissions,
        position=loaded.position(key),
    )
