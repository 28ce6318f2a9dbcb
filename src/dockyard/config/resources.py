"""What an image file refers to on this machine: whether it is there, and what its lists say."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from dockyard.config.bundled import bundled_distros, is_name
from dockyard.config.clear_passwords import revealed
from dockyard.config.load import LoadedImage, read_model
from dockyard.config.report import Report
from dockyard.errors import DockyardError, Position, Problem, Severity
from dockyard.host.files import LARGEST_SOURCE, open_regular, read_regular
from dockyard.model import ssh_keys
from dockyard.model.image import PackageList
from dockyard.model.nearest import nearest
from dockyard.model.users import PRIVATE_KEY, SSH_KEY_FIX

_LISTS = (
    ("install", "installLists", "install_lists"),
    ("remove", "removeLists", "remove_lists"),
    ("update", "updateLists", "update_lists"),
)
_DISK = "input.image.path"


@dataclass(frozen=True, slots=True)
class PackageName:
    """A package that the user names, and where."""

    name: str
    position: Position


@dataclass(frozen=True, slots=True)
class PackageNames:
    """All packages that an image file names, those of its lists first, each once."""

    install: tuple[PackageName, ...]
    remove: tuple[PackageName, ...]
    update: tuple[PackageName, ...]


def package_names(loaded: LoadedImage) -> PackageNames:
    """The packages to install, remove and update. Raises what is wrong with the lists."""
    report = Report()
    found: dict[str, tuple[PackageName, ...]] = {}
    for key, lists_key, lists_field in _LISTS:
        names: dict[str, PackageName] = {}
        for index, path in enumerate(getattr(loaded.image.os.packages, lists_field)):
            at = f"os.packages.{lists_key}[{index}]"
            for name in _read_list(loaded, loaded.local(path), at, report):
                names.setdefault(name.name, name)
        for index, text in enumerate(getattr(loaded.image.os.packages, key)):
            position = loaded.position(f"os.packages.{key}[{index}]")
            names.setdefault(text, PackageName(text, position))
        found[key] = tuple(names.values())
    report.raise_any()
    return PackageNames(found["install"], found["remove"], found["update"])


def _read_list(loaded: LoadedImage, path: Path, at: str, report: Report) -> Iterator[PackageName]:
    try:
        listed, decoder = read_model(PackageList, path, report)
    except DockyardError as error:
        report.extend(tuple(_missing(loaded, at, str(path), error.problems[0].why, path)))
        return
    for index, name in enumerate(listed.packages if listed else ()):
        yield PackageName(name, decoder.span(("packages", index)).position)


def referenced(loaded: LoadedImage) -> tuple[Path, ...]:
    """The local files and directories that the image file names."""
    found = []
    for at, path, _ in _references(loaded):
        local = loaded.local(path)
        # A distribution may be named by its directory, which may have much else in it.
        found.append(local / "distro.yaml" if at == "distro" and local.is_dir() else local)
    for _, _, lists_field in _LISTS:
        found += [loaded.local(path) for path in getattr(loaded.image.os.packages, lists_field)]
    return tuple(found)


def check_files(loaded: LoadedImage) -> list[Problem]:
    """Every local file that the image file names and that is not there, or not of its kind.

    Also what is wrong with lists of packages and with SSH keys in files, and what would bring
    passwords in clear into the image; remarks are among it.
    """
    problems: list[Problem] = []
    for at, path, directory in _references(loaded):
        local = loaded.local(path)
        if at == "distro" and is_name(path) and not local.exists():
            problems += _unknown_distro(loaded, path)
            continue
        try:
            mode = local.stat().st_mode
        except OSError as error:
            problems += _missing(loaded, at, path, error.strerror or "", local)
            continue
        if at == "distro" and stat.S_ISDIR(mode):
            continue  # A distribution may be named by its directory.
        if stat.S_ISDIR(mode) != directory:
            problems.append(
                loaded.problem(
                    at,
                    "config.wrong-file-kind",
                    f"{path!r} is {'not ' if directory else ''}a directory",
                    fix="use `additionalFiles` for a file"
                    if directory
                    else "use `additionalDirs` for a directory",
                )
            )
        elif not directory:
            problems += _unusable(loaded, at, path, local)
    into_image = [(at, path) for at, path, _ in _references(loaded) if ".additional" in at]
    problems += revealed(loaded, into_image)
    try:
        package_names(loaded)
    except DockyardError as error:
        problems += error.problems
    return problems


def _unusable(loaded: LoadedImage, at: str, path: str, local: Path) -> Iterator[Problem]:
    """What is wrong with a file that is there: its kind, its size, or the keys in it."""
    try:
        # A disk may be of any size: it is not read into an image, but is one.
        open_regular(local, sys.maxsize if at == _DISK else LARGEST_SOURCE).close()
        if "sshPublicKeyPaths" in at:
            yield from _keys(loaded, at, path, read_regular(local).decode(errors="replace"))
    except OSError as error:
        yield loaded.problem(
            at,
            "config.file-unusable",
            f"{path!r} cannot be used",
            why=error.strerror or str(error),
            fix="name a regular file that can be read",
        )


def _keys(loaded: LoadedImage, at: str, path: str, text: str) -> Iterator[Problem]:
    if ssh_keys.holds_private_key(text):
        code, _, fix, why = PRIVATE_KEY
        yield loaded.problem(at, code, f"{path!r} holds a private key", why=why, fix=fix)
        return
    for doubt in ssh_keys.doubts(text):
        yield loaded.problem(
            at,
            "config.ssh-key",
            f"line {doubt.line} of {path!r} {doubt.what}",
            why=doubt.why or "sshd passes over it: nobody can log in with it",
            fix=SSH_KEY_FIX,
            severity=Severity.WARNING,
        )


def _missing(loaded: LoadedImage, at: str, path: str, why: str, local: Path) -> Iterator[Problem]:
    what, near = f"{path!r} cannot be read", _near(local)
    if not local.exists():
        what, why = f"there is no {path!r}", "paths are relative to the file that says them"
    fix = "correct the path"
    if near:
        names = " or ".join(str(PurePath(path).with_name(name)) for name in near)
        fix = f"did you mean {names}?"
    yield loaded.problem(at, "config.file-missing", what, why=why, fix=fix)


def _unknown_distro(loaded: LoadedImage, name: str) -> Iterator[Problem]:
    if name in bundled_distros():
        return
    known = ", ".join(bundled_distros()) or "none"
    yield loaded.problem(
        "distro",
        "config.no-such-distro",
        f"there is no distribution {name!r}",
        why=f"it is neither beside the file nor among those that come with Dockyard: {known}",
        fix="correct the name, or give the path of a distro.yaml",
    )


def _near(path: Path) -> list[str]:
    """Names beside a missing path that it may have been meant to be."""
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return []
    return [name for name in nearest(path.name, names, 2) if name != path.name]


def _references(loaded: LoadedImage) -> Iterator[tuple[str, str, bool]]:
    """Place, path, and whether it is to be a directory."""
    image = loaded.image
    if image.distro:
        yield "distro", image.distro, False
    if image.input.image.path:
        yield _DISK, image.input.image.path, False
    for at, files in (
        ("os", image.os.additional_files),
        ("iso", image.iso.additional_files if image.iso else ()),
        ("pxe", image.pxe.additional_files if image.pxe else ()),
    ):
        for index, file in enumerate(files):
            if file.source:
                yield f"{at}.additionalFiles[{index}].source", file.source, False
    for index, directory in enumerate(image.os.additional_dirs):
        yield f"os.additionalDirs[{index}].source", directory.source, True
    for index, user in enumerate(image.os.users):
        for number, path in enumerate(user.ssh_public_key_paths):
            yield f"os.users[{index}].sshPublicKeyPaths[{number}]", path, False
        if user.password and str(user.password.type).endswith("-file"):
            at = f"os.users[{index}].password.value"
            yield at, str(loaded.beside(at, user.password.value)), False
    for kind, scripts in (
        ("postCustomization", image.scripts.post_customization),
        ("finalizeCustomization", image.scripts.finalize_customization),
    ):
        for index, script in enumerate(scripts):
            if script.path:
                yield f"scripts.{kind}[{index}].path", script.path, False
