"""wsl: a distribution for the Windows Subsystem for Linux, which a double click installs.

The root as a tar compressed by gzip, named `.wsl`, with `/etc/wsl-distribution.conf` and
`/etc/wsl.conf` ("Build a custom Linux distribution for WSL", Microsoft). What these say where the
image does not bring them itself is asked for in `output.image.wsl`. Units that Microsoft asks to be
off, since WSL does what they do, are masked; WSL writes /etc/resolv.conf itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dockyard.archive import Archive, streamed
from dockyard.disk.output import whole
from dockyard.errors import Problem, Problems, Severity
from dockyard.formats.guest import Guest, of_guest
from dockyard.formats.parts import Brought, Parts
from dockyard.model.base import Mistake
from dockyard.model.image import Image

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

DISTRIBUTION, SETTINGS = "/etc/wsl-distribution.conf", "/etc/wsl.conf"
_MASKED = (
    "NetworkManager.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-tmpfiles-clean.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-tmpfiles-setup.service",
    "tmp.mount",
)
_UNITS = "/etc/systemd/system"
_SYSTEMD = b"usr/lib/systemd/systemd"


class Wsl(Guest):
    name = "wsl"
    extension: ClassVar[str] = ".wsl"
    section: ClassVar[str] = "wsl"
    runs: ClassVar[str] = "WSL"

    def judged(self, image: Image) -> Iterator[Mistake]:
        yield from super().judged(image)
        asked = image.output.image.wsl
        enabled = [name.removesuffix(".service") for name in image.os.services.enable]
        for index, name in enumerate(enabled):
            if asked.systemd and f"{name}.service" in _MASKED:
                yield Mistake(
                    ("os", "services", "enable", index),
                    "format.wsl-unit",
                    f"{name} is enabled, and is masked for the format wsl",
                    why="WSL does what it does, and the two would be at odds",
                    severity=Severity.WARNING,
                )

    def brought(self, image: Image, name: str) -> Brought:
        asked = image.output.image.wsl
        files = {
            DISTRIBUTION: f"[oobe]\ndefaultName = {asked.default_name or _plain(name)}\n",
            SETTINGS: _settings(asked.systemd, asked.default_user),
        }
        masked = {f"{_UNITS}/{unit}": "/dev/null" for unit in _MASKED} if asked.systemd else {}
        return Brought(files, masked, ("/etc/resolv.conf",))

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.root is not None
        _require_fitting(parts, parts.root)
        image = out / f"{parts.name}{self.extension}"
        with (
            whole(image) as part,
            part.open("wb") as file,
            streamed(of_guest(parts.root), portable=True) as stream,
        ):
            tools.run(["gzip", "--no-name", "--stdout"], stdin=stream, stdout=file)
        return (image,)


def _settings(systemd: bool, user: str) -> str:
    lines = ["[boot]", f"systemd = {str(systemd).lower()}"]
    lines += ["", "[user]", f"default = {user}"] if user else []
    return "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    """An image's name as that of a distribution."""
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-"
                    for each in name)  # fmt: skip
    return plain.strip("-") or "linux"


def _require_fitting(parts: Parts, root: Archive) -> None:
    """Raise DockyardError with all that is asked of the system and that it has not."""
    asked, problems = parts.settings.wsl, Problems()
    if asked.systemd and root.find(_SYSTEMD) is None:
        problems.extend([Problem(
            "formats.wsl-systemd",
            "WSL is to start systemd, and the image has none",
            fix="add systemd to os.packages.install, or set output.image.wsl.systemd: false",
        )])  # fmt: skip
    if asked.default_user and asked.default_user not in _accounts(root):
        problems.extend([Problem(
            "formats.wsl-user",
            f"the user {asked.default_user} of output.image.wsl.defaultUser is not in the image",
            fix="add the user to os.users",
        )])  # fmt: skip
    problems.raise_any()


def _accounts(root: Archive) -> set[str]:
    if root.find(b"etc/passwd") is None:
        return set()
    lines = root.read(b"etc/passwd").decode(errors="replace").splitlines()
    return {line.partition(":")[0] for line in lines}
