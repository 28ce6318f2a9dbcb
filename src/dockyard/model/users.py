"""Users and groups of the image (`os.users`, `os.groups`)."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from dockyard.errors import Severity
from dockyard.model import ssh_keys
from dockyard.model.base import NOT_EMPTY, Mistake, Model, Segment, absolute_path_mistakes
from dockyard.model.clear_passwords import what_is_wrong
from dockyard.model.fields import LocalPath, Mark, field

# What useradd(8) accepts by default, and `$` at the end for machine accounts.
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?"
LARGEST_ID = 60000
SSH_KEY_FIX = "give the one line of a .pub file, such as `ssh-ed25519 AAAA… name`"
# Where the shells are that people name without a path.
_SHELLS = {
    "nologin": "/usr/sbin/nologin",
    **{name: f"/bin/{name}" for name in ("bash", "false", "sh", "true", "zsh", "fish", "dash")},
}
# Code, what, fix, why.
PRIVATE_KEY = (
    "config.private-key",
    "this is a private key",
    "give the public key, from the .pub file beside it, and make a new pair if others saw this one",
    "it would be in the image, where everyone who has the image can read it",
)


class PasswordType(StrEnum):
    LOCKED = "locked"
    PLAIN_TEXT = "plain-text"
    HASHED = "hashed"
    PLAIN_TEXT_FILE = "plain-text-file"
    HASHED_FILE = "hashed-file"


class Password(Model):
    """How a user may log in with a password."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "required": ["type"],
        "if": {"properties": {"type": {"const": "locked"}}},
        "then": {"properties": {"value": {"enum": ["", None]}}},
        "else": {"required": ["value"]},
    }

    type: Annotated[PasswordType, Mark.FILLED] | None = field(
        "`locked`: no password opens the account. `hashed`: `value` is a crypt(5) hash. "
        "`plain-text`: `value` is the password, of which a hash is made. The `-file` forms name a "
        "file that holds it.",
        default=None,
        examples=["locked"],
    )
    value: str = field(
        "The hash, the password, or the path of the file; empty when locked.",
        default="",
        examples=["$6$rounds=656000$…"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.type is None:
            yield Mistake(
                ("type",),
                "config.required",
                "the password has no `type`",
                "add `type: locked`, or `type: hashed` and a `value`",
                reads=(("type",),),
            )
        if self.type == PasswordType.LOCKED and self.value:
            yield Mistake(
                ("value",),
                "config.password-value",
                "a locked password has no value",
                "remove `value`, or set `type: hashed`",
            )
        if self.type not in (None, PasswordType.LOCKED) and not self.value:
            yield Mistake(
                ("type",),
                "config.password-value",
                f"a password of type {self.type} needs a value",
                "add `value`, or set `type: locked`",
            )
        # A colon or a line's end would break /etc/shadow into other fields.
        if self.type == PasswordType.HASHED and re.search(r"[:\n]", self.value):
            yield Mistake(
                ("value",),
                "config.password-value",
                "the password hash contains a colon or a newline",
                "give one hash as `mkpasswd` or `openssl passwd -6` print it",
            )
        if self.type == PasswordType.PLAIN_TEXT and self.value:
            what, fix = what_is_wrong(self.value)
            if what:
                yield Mistake(("value",), "config.password-value", f"the password {what}", fix)


def _name_mistakes(name: str, kind: str) -> Iterator[Mistake]:
    if not name.strip():
        yield Mistake(
            ("name",),
            "config.empty",
            f"the {kind} has no name",
            f"give the {kind} a `name`",
            reads=(("name",),),
        )
    elif not re.fullmatch(_NAME, name):
        yield Mistake(
            ("name",),
            f"config.{kind}-name",
            f"{name!r} is not a valid {kind} name",
            "use up to 32 letters, digits, '_', '.' and '-', starting with a letter or '_'",
            reads=(("name",),),
        )


def _id_mistakes(value: int | None, key: str) -> Iterator[Mistake]:
    if value is not None and not 0 <= value <= LARGEST_ID:
        yield Mistake(
            (key,),
            "config.out-of-range",
            f"{key} {value} is out of range",
            f"give a number from 0 to {LARGEST_ID}",
            reads=((key,),),
        )


def _ssh_key_mistakes(text: str, *at: Segment) -> Iterator[Mistake]:
    if ssh_keys.holds_private_key(text):
        yield Mistake(at, *PRIVATE_KEY, reads=(at,))
        return
    for doubt in ssh_keys.doubts(text):
        yield Mistake(
            at,
            "config.ssh-key",
            f"the text {doubt.what}",
            SSH_KEY_FIX,
            doubt.why or "sshd passes over it: nobody can log in with it",
            reads=(at,),
            severity=Severity.WARNING,
        )


class User(Model):
    """A user to create or to change."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["name"]}

    name: str = field("Login name.", default="", examples=["alice"], schema=NOT_EMPTY)
    uid: int | None = field(
        "Numeric user id, 0 to 60000. Default: the next free one.",
        default=None,
        examples=[1000],
        schema={"minimum": 0, "maximum": LARGEST_ID},
    )
    password: Password | None = field("Password of the user. Default: locked.", default=None)
    password_expires_days: int | None = field(
        "Days until the password expires, -1 (never) to 99999, counted from the first boot.",
        default=None,
        examples=[120],
        schema={"minimum": -1, "maximum": 99999},
    )
    ssh_public_keys: tuple[str, ...] = field(
        "Keys for ~/.ssh/authorized_keys, one line each.",
        default=(),
        examples=[["ssh-ed25519 AAAA… alice@example.com"]],
    )
    ssh_public_key_paths: tuple[LocalPath, ...] = field(
        "Files with such keys.", default=(), examples=[["id_ed25519.pub"]]
    )
    primary_group: str = field(
        "Primary group. Default: a group with the user's name.", default="", examples=["staff"]
    )
    secondary_groups: tuple[str, ...] = field("Further groups.", default=(), examples=[["sudo"]])
    startup_command: str = field("Login shell.", default="", examples=["/sbin/nologin"])
    home_directory: str = field("Home directory.", default="", examples=["/var/home/alice"])

    def mistakes(self) -> Iterator[Mistake]:
        yield from _name_mistakes(self.name, "user")
        yield from _id_mistakes(self.uid, "uid")
        if self.password_expires_days is not None and not -1 <= self.password_expires_days <= 99999:
            yield Mistake(
                ("passwordExpiresDays",),
                "config.out-of-range",
                f"passwordExpiresDays {self.password_expires_days} is out of range",
                "give a number from -1 (never) to 99999",
                reads=(("passwordExpiresDays",),),
            )
        for index, key in enumerate(self.ssh_public_keys):
            yield from _ssh_key_mistakes(key, "sshPublicKeys", index)
        for key, path in (
            ("startupCommand", self.startup_command),
            ("homeDirectory", self.home_directory),
        ):
            if path:
                shell = _SHELLS.get(path, "") if key == "startupCommand" else ""
                yield from absolute_path_mistakes(path, key, instead=shell)
                if ":" in path or "\n" in path:
                    yield Mistake(
                        (key,),
                        "config.path-characters",
                        f"{key} contains a colon or a newline",
                        "choose a path without it: /etc/passwd cannot hold it",
                    )


class Group(Model):
    """A group to create."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["name"]}

    name: str = field("Group name.", default="", examples=["staff"], schema=NOT_EMPTY)
    gid: int | None = field(
        "Numeric group id, 0 to 60000. Default: the next free one.",
        default=None,
        examples=[1000],
        schema={"minimum": 0, "maximum": LARGEST_ID},
    )

    def mistakes(self) -> Iterable[Mistake]:
        yield from _name_mistakes(self.name, "group")
        yield from _id_mistakes(self.gid, "gid")
