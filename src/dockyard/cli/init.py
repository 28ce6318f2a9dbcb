"""`dockyard init`: write a first image file, by three questions or by options."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from dockyard.cli.answer import Answer
from dockyard.cli.options import EXISTING_FILE
from dockyard.cli.verb import Verb, wants_json
from dockyard.config.first_image import (
    FILE_NAME,
    PACKAGES,
    FirstImage,
    first_image,
    key_mistake,
    name_mistake,
    user_mistake,
)
from dockyard.errors import DockyardError, Problem
from dockyard.formats import Holds, holding

_DISTROS = tuple(PACKAGES)
_FORMATS = holding(Holds.DISK)
_KEYS = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
_NOBODY = "none"


@click.command(cls=Verb)
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--name", help="The image's name and host name. Default: the name of DIR.")
@click.option("--distro", type=click.Choice(_DISTROS),
              help=f"The distribution. Default: {_DISTROS[0]}.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(_FORMATS),
              help="Format of the image. Default: raw.")  # fmt: skip
@click.option("--user", help=(
    f"A user who logs in with an SSH key and may become root, or {_NOBODY}. Default: you."
))  # fmt: skip
@click.option("--ssh-key", type=EXISTING_FILE,
              help="The user's public key. Default: one of ~/.ssh.")  # fmt: skip
@click.option("--defaults", is_flag=True, help="Ask nothing: take the default of what is not said.")
def command(
    directory: Path,
    name: str | None,
    distro: str | None,
    form: str | None,
    user: str | None,
    ssh_key: Path | None,
    defaults: bool,
) -> Answer:
    """Write a first image file, DIR/image.yaml: a server with SSH and one user.

    On a terminal, what no option says is asked. A file that is there is never overwritten.
    """
    file = directory / FILE_NAME
    if os.path.lexists(file):
        raise DockyardError(_there(file))
    if ssh_key and user == _NOBODY:
        raise click.UsageError("--ssh-key does nothing without a user")
    asks = sys.stdin.isatty() and not defaults and not wants_json()
    name = name or _name(directory, asks)
    distro = distro or _chosen("Distribution", _DISTROS, asks)
    form = form or _chosen("Format of the image", _FORMATS, asks, "raw")
    user = user or _user(asks)
    user = "" if user == _NOBODY else user
    key = ssh_key or (_own_key() if user else None)
    wanted = FirstImage(name, distro, form, user, _key_text(key) if key else "")
    text = first_image(wanted, str(file))
    _write(file, text)
    return _answer(file, wanted, key)


def _name(directory: Path, asks: bool) -> str:
    proposed = directory.absolute().resolve().name.lower().replace("_", "-").replace(" ", "-")
    proposed = proposed if not name_mistake(proposed) else "server"
    return _asked("Name of the image", proposed, name_mistake) if asks else proposed


def _user(asks: bool) -> str:
    from dockyard.host.namespace import user_name

    # Who works as root has no name that others should have in their images.
    own = user_name(os.getuid()) if os.getuid() else "admin"
    own = own if not user_mistake(own) else "admin"
    question = f"User who may log in ({_NOBODY} for nobody)"
    return _asked(question, own, user_mistake) if asks else own


def _asked(question: str, proposed: str, mistake: Callable[[str], str]) -> str:
    """An answer that is right; the question is put again until it is."""

    def judged(text: str) -> str:
        if wrong := mistake(text):
            raise click.UsageError(wrong)
        return text

    return str(click.prompt(question, default=proposed, value_proc=judged, err=True))


def _chosen(question: str, choices: Sequence[str], asks: bool, proposed: str = "") -> str:
    """One of some choices; what cannot be chosen is not asked."""
    proposed = proposed or choices[0]
    if not asks or len(choices) == 1:
        return proposed
    return str(click.prompt(question, default=proposed, type=click.Choice(choices), err=True))


def _own_key() -> Path | None:
    """A public key of the caller's that is sound."""
    home = Path.home() / ".ssh"
    for path in (home / name for name in _KEYS):
        try:
            if not key_mistake(path.read_text()):
                return path
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _key_text(path: Path) -> str:
    from dockyard.host.files import read_regular

    try:
        text = read_regular(path, 1 << 16).decode().strip()
        wrong = key_mistake(text)
    except (OSError, UnicodeDecodeError) as error:
        wrong = f"it cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
    if wrong:
        fix = "name a .pub file, as ssh-keygen makes it"
        raise DockyardError(Problem("init.key", f"{path} is no public key", None, wrong, fix))
    return text


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x") as out:
            out.write(text)
    except FileExistsError as error:
        if not os.path.lexists(file):  # a directory above it is a file
            raise DockyardError(_refused(file, error)) from error
        raise DockyardError(_there(file)) from error
    except OSError as error:
        raise DockyardError(_refused(file, error)) from error


def _there(file: Path) -> Problem:
    fix = "name another directory, or change that file"
    return Problem("init.exists", "the image file is there already", str(file), fix=fix)


def _refused(file: Path, error: OSError) -> Problem:
    why, fix = error.strerror or str(error), "name a directory in which you may write"
    return Problem("init.not-written", "the image file cannot be written", str(file), why, fix)


def _answer(file: Path, wanted: FirstImage, key: Path | None) -> Answer:
    quoted = shlex.quote(str(file))
    steps = [
        f"dockyard lock {quoted}",
        f"dockyard build {quoted}",
        f"dockyard boot {quoted} --check",
    ]
    lines = [f"{file}: written"]
    if key:
        root = "" if wanted.user == "root" else ", and becomes root with sudo"
        lines.append(f"{wanted.user} logs in with the key {key}{root}")
    elif wanted.user:
        lines.append(f"{wanted.user} has no key yet: add one below sshPublicKeys to log in with it")
    lines += ["Next:", *(f"  {step}" for step in steps)]
    facts = {
        "file": str(file),
        "name": wanted.name,
        "distro": wanted.distro,
        "format": wanted.format,
        "user": wanted.user or None,
        "key": str(key) if key else None,
        "next": steps,
    }
    return Answer("\n".join(lines), facts)
