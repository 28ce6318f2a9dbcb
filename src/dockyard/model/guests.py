"""What is asked for of roots that another system runs or takes in: containers (`oci`), WSL (`wsl`)
and extensions (`extension`).
"""

import re
from collections.abc import Iterator

from dockyard.model.base import Mistake, Model
from dockyard.model.fields import field

# The characters of an image's name in an index (OCI Image 1.1, annotations: ref.name).
_REFERENCE = re.compile(r"[A-Za-z0-9]+([-._:@/+][A-Za-z0-9]+|--[A-Za-z0-9]+)*")
_PORT = re.compile(r"([0-9]{1,5})(/(tcp|udp|sctp))?")
_LAST_PORT = 65535
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]*\$?")


class Oci(Model):
    """What a container of the image runs; formats `oci-dir` and `oci-archive`."""

    reference: str = field(
        "Name in the index of the layout. Default: the image's name and `:latest`.",
        default="",
        examples=["registry.example.com/web:1.0"],
    )
    entrypoint: tuple[str, ...] = field(
        "Program and arguments that every container starts.",
        default=(),
        examples=[["/usr/sbin/nginx"]],
    )
    cmd: tuple[str, ...] = field(
        "Arguments of the entrypoint, or the program where there is none; who starts the container "
        "may give others.",
        default=(),
        examples=[["-g", "daemon off;"]],
    )
    env: dict[str, str] = field(
        "Environment variables. `PATH` has the usual directories unless given.",
        default_factory=dict,
        examples=[{"LANG": "C.UTF-8"}],
    )
    user: str = field(
        "Who runs it: a name or number, with `:` and a group if wanted. Default: root.",
        default="",
        examples=["www-data"],
    )
    working_dir: str = field("Directory that it starts in.", default="", examples=["/srv"])
    exposed_ports: tuple[str, ...] = field(
        "Ports that it listens at, with the protocol unless it is TCP.",
        default=(),
        examples=[["80", "53/udp"]],
    )
    labels: dict[str, str] = field(
        "Labels of the image.",
        default_factory=dict,
        examples=[{"org.opencontainers.image.vendor": "Example"}],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.reference and not _REFERENCE.fullmatch(self.reference):
            yield _wrong("reference", self.reference, "is no name of an image",
                         "use letters and digits, with one of - . _ : / between")  # fmt: skip
        for name in self.env:
            if not name or "=" in name or "\0" in name:
                yield _wrong("env", name, "cannot be the name of a variable",
                             "use letters, digits and `_`")  # fmt: skip
        if self.working_dir and not self.working_dir.startswith("/"):
            yield _wrong("workingDir", self.working_dir, "is no absolute path", "begin it with /")
        if self.user and (" " in self.user or self.user.count(":") > 1 or self.user[0] == ":"):
            yield _wrong("user", self.user, "names no user", "give `user` or `user:group`")
        for index, text in enumerate(self.exposed_ports):
            found = _PORT.fullmatch(text)
            if not found or not 0 < int(found[1]) <= _LAST_PORT:
                yield Mistake(
                    ("exposedPorts", index),
                    "config.port",
                    f"{text!r} is no port",
                    "give a number from 1 to 65535, and /udp or /sctp unless it is TCP",
                )


class Wsl(Model):
    """What the system is to WSL; format `wsl`."""

    default_name: str = field(
        "Name that it is installed under. Default: the image's.",
        default="",
        examples=["Harbor"],
    )
    default_user: str = field(
        "Who a new terminal is logged in as. Default: root.", default="", examples=["ops"]
    )
    systemd: bool = field(
        "Whether systemd runs as its first process.", default=True, examples=[False]
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.default_name and not re.fullmatch(r"[A-Za-z0-9._-]+", self.default_name):
            yield _wrong("defaultName", self.default_name, "cannot be the name of a distribution",
                         "use letters, digits, `.`, `_` and `-`")  # fmt: skip
        if self.default_user and not _ACCOUNT.fullmatch(self.default_user):
            yield _wrong("defaultUser", self.default_user, "cannot be the name of a user",
                         "name one of os.users")  # fmt: skip


class Extension(Model):
    """What an extension of an image has; formats `sysext` and `confext`."""

    leave_out: tuple[str, ...] = field(
        "Files and directories whose changes are not in the extension, and may be missing.",
        default=(),
        examples=[["/etc/nginx", "/var/lib"]],
    )

    def mistakes(self) -> Iterator[Mistake]:
        for index, path in enumerate(self.leave_out):
            if not path.startswith("/") or not path.strip("/"):
                yield Mistake(
                    ("leaveOut", index),
                    "config.guest-setting",
                    f"{path!r} is no path in the image",
                    "begin it with /, and name a file or a directory",
                )


def _wrong(key: str, value: str, what: str, fix: str) -> Mistake:
    return Mistake((key,), "config.guest-setting", f"{value!r} {what}", fix)
