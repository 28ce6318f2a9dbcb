"""Readers of texts: image files, repository files, menus of GRUB, lists of packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dockyard.config import parse_image
from dockyard.disk import grub_environment, grub_menu, grub_script
from dockyard.model.os_release import variables
from dockyard.packages.deb.control import paragraphs
from dockyard.packages.rpm import repofile
from fuzz.target import Target

_ROOT = Path(__file__).parents[1]
_MENU = """\
set default=0
if [ "${grub_platform}" = "efi" ]; then
  insmod part_gpt
fi
menuentry 'Harbor Linux' --class harbor --id x {
    search --no-floppy --fs-uuid --set=root 1234
    linux /boot/vmlinuz root="UUID=1" ro $kernelopts "a b" 'c d' e\\ f
    initrd /boot/initrd.img
}
submenu "More" { menuentry more { linux16 /vmlinuz quiet; } }
function f { echo $1; }
"""
_REPOSITORY = """\
[base]
name = Base $releasever
baseurl = https://example.org/$basearch/
  https://example.net/
gpgcheck=1
gpgkey=file:///etc/pki/key
enabled = yes
priority=10
# more
[more]
metalink=https://example.org/metalink
"""
_CONTROL = """\
Package: bash
Status: install ok installed
Version: 5.2-1
Description: a shell
 with more
 .

Package: dash
"""


def _text(read: Callable[[str], object]) -> Callable[[Path], Callable[[bytes], object]]:
    return lambda _: lambda drawn: read(drawn.decode(errors="replace"))


def _grub(text: str) -> None:
    grub_menu.read_menu(text, "grub.cfg")
    tokens = grub_script.tokens_of(text, "grub.cfg")
    assert grub_script.text_of(tokens) == text, "the tokens are not the text"
    list(grub_script.commands_of(tokens))
    grub_environment.variables_of(text)
    variables(text)


def _examples() -> tuple[bytes, ...]:
    found = sorted(_ROOT.glob("examples/*/*.yaml"))
    return tuple(path.read_bytes() for path in found)


def targets() -> tuple[Target, ...]:
    """The targets of this module."""
    place = Path("/etc/yum.repos.d/a.repo")
    return (
        Target("config", _text(parse_image), _examples(), 8192),
        Target("grub", _text(_grub), (_MENU.encode(), b"# GRUB Environment Block\na=b\n####")),
        Target(
            "repofile",
            _text(lambda text: repofile.parse(text, place, {"basearch": "x86_64"})),
            (_REPOSITORY.encode(),),
        ),
        Target("control", _text(lambda text: list(paragraphs(text))), (_CONTROL.encode(),)),
    )
