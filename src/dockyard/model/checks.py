"""Questions of the user's own to a booted image (`checks`). They shape nothing in the image."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlsplit

from dockyard.model.base import Mistake, Model
from dockyard.model.fields import field

LONGEST_SECONDS = 600
_KINDS = ("command", "unit", "port", "url")
_HOST = r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+"


class ImageCheck(Model):
    """One question to the booted image: one of `command`, `unit`, `port` and `url`."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "oneOf": [{"required": [key]} for key in _KINDS],
        "dependentRequired": {"output": ["command"], "status": ["url"]},
    }

    name: str = field(
        "What is checked, as a statement, for reports. Default: made from the rest.",
        default="",
        examples=["the shop's front page is served"],
    )
    command: str = field(
        "Shell commands that root runs in the guest; the last must succeed.",
        default="",
        examples=["test -s /etc/shop.conf"],
    )
    output: str | None = field(
        "What `command` must print, white space at both ends aside.",
        default=None,
        examples=["ready\n"],
    )
    unit: str = field(
        "A systemd unit that must be active. `nginx` means `nginx.service`.",
        default="",
        examples=["nginx"],
    )
    port: int | None = field(
        "A TCP port, 1 to 65535, on which something must listen.",
        default=None,
        examples=[443],
        schema={"minimum": 1, "maximum": 65535},
    )
    url: str = field(
        "An http or https URL that must answer, asked from inside the guest: with its curl, "
        "or its bash for http.",
        default="",
        examples=["http://localhost/"],
        schema={"pattern": r"^https?://"},
    )
    status: int | None = field(
        "The status that `url` must answer with. Default: 200.",
        default=None,
        examples=[204],
        schema={"minimum": 100, "maximum": 599},
    )
    timeout: int = field(
        "Seconds, 1 to 600: how long `command` may take, or until when the others must hold.",
        default=30,
        examples=[60],
        schema={"minimum": 1, "maximum": LONGEST_SECONDS},
    )

    @property
    def title(self) -> str:
        """What is checked, as a statement."""
        if self.name:
            return self.name
        if self.unit:
            return f"{self.unit} is active"
        if self.port is not None:
            return f"something listens on port {self.port}"
        if self.url:
            return f"{self.url} answers with {self.status or 200}"
        first = self.command.strip().partition("\n")[0]
        return f"`{first}` {'prints what it should' if self.output is not None else 'succeeds'}"

    def mistakes(self) -> Iterator[Mistake]:
        given = [
            key
            for key, value in zip(
                _KINDS, (self.command.strip(), self.unit, self.port, self.url), strict=True
            )
            if value not in (None, "")
        ]
        if not given:
            yield Mistake(
                (),
                "config.required",
                "the check asks for nothing",
                "add one of `command`, `unit`, `port` and `url`",
            )
        for key in given[1:]:
            yield Mistake(
                (key,),
                "config.exclusive",
                f"`{given[0]}` and `{key}` exclude each other",
                "make two checks of them",
            )
        for key, value, needed in (
            ("output", self.output, "command"),
            ("status", self.status, "url"),
        ):
            if value is not None and given and needed not in given:
                yield Mistake(
                    (key,),
                    "config.required",
                    f"`{key}` needs `{needed}`",
                    f"remove `{key}`",
                )
        yield from self._ranges()
        yield from self._unit()
        yield from self._url()

    def _ranges(self) -> Iterator[Mistake]:
        for key, value, first, last in (
            ("port", self.port, 1, 65535),
            ("status", self.status, 100, 599),
            ("timeout", self.timeout, 1, LONGEST_SECONDS),
        ):
            if value is not None and not first <= value <= last:
                yield Mistake(
                    (key,),
                    "config.out-of-range",
                    f"{key} {value} is out of range",
                    f"give a number from {first} to {last}",
                    reads=((key,),),
                )

    def _unit(self) -> Iterator[Mistake]:
        if self.unit and not re.fullmatch(r"[A-Za-z0-9:_.\\@-]+", self.unit):
            yield Mistake(
                ("unit",),
                "config.service-name",
                f"{self.unit!r} is not the name of a unit",
                "write a name such as `sshd` or `sshd.socket`",
                reads=(("unit",),),
            )

    def _url(self) -> Iterator[Mistake]:
        if not self.url:
            return
        try:
            parts = urlsplit(self.url)
            good = (
                parts.scheme in ("http", "https")
                and bool(re.fullmatch(_HOST, parts.hostname or ""))
                and (parts.port is None or parts.port > 0)
                and self.url.isascii()
                and self.url.isprintable()
                and " " not in self.url
            )
        except ValueError:
            good = False
        if not good:
            yield Mistake(
                ("url",),
                "config.url",
                f"{self.url!r} is not a URL that can be asked",
                "write it as http://localhost/ or https://localhost:8443/path",
                reads=(("url",),),
            )
