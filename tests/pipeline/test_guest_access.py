"""What an image lacks for somebody to come in is told from its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.inspection.tree import Mounted, Tree
from dockyard.pipeline.guest_access import _AGENT, Access, has_module, tree_problems

KERNEL = "usr/lib/modules/6.1"
WANTED = "etc/systemd/system/multi-user.target.wants"


def files(**more: str) -> dict[str, str]:
    """An image that lacks nothing."""
    return {
        **{f"usr/bin/{name}": "" for name in (*_AGENT, "systemd-run")},
        "usr/lib/systemd/libsystemd-shared-257.4-1.so": "",
        "etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
        "usr/sbin/sshd": "",
        f"{WANTED}/sshd.service": "",
        f"{KERNEL}/modules.builtin": "kernel/drivers/char/virtio_console.ko\n",
        f"{KERNEL}/kernel/net/9p/9pnet_virtio.ko.xz": "",
        f"{KERNEL}/kernel/fs/9p/9p.ko": "",
        **more,
    }


def tree(content: dict[str, str]) -> Tree:
    directories = {parent for path in content for parent in map(str, Path(path).parents)}
    entries = [Entry(b"" if name == "." else name.encode(), Kind.DIRECTORY, 0o755)
               for name in directories]  # fmt: skip
    entries += [Entry(name.encode(), Kind.FILE, 0o644) for name in content]
    data = {name.encode(): text.encode() for name, text in content.items()}
    return Tree([Mounted(b"", Archive.from_entries(entries, data))])


ACCESS = Access("--ssh", "alice", ("systemd-run",), ssh=True, modules=("9p", "9pnet_virtio"))


def codes(content: dict[str, str], access: Access = ACCESS) -> list[str]:
    return [each.code for each in tree_problems(tree(content), access, Path("i.raw"))]


def test_an_image_that_lacks_nothing() -> None:
    assert codes(files()) == []


@pytest.mark.parametrize(
    ("without", "code"),
    [
        ("usr/bin/head", "boot.no-programs"),
        ("usr/bin/systemd-run", "boot.no-programs"),
        ("etc/passwd", "boot.no-user"),
        ("usr/sbin/sshd", "boot.no-ssh-server"),
        (f"{WANTED}/sshd.service", "boot.no-ssh-server"),
        (f"{KERNEL}/kernel/fs/9p/9p.ko", "boot.no-module"),
        (f"{KERNEL}/kernel/net/9p/9pnet_virtio.ko.xz", "boot.no-module"),
    ],
)
def test_what_is_lacking_is_told(without: str, code: str) -> None:
    content = files()
    del content[without]
    assert codes(content) == [code]


def test_all_that_is_lacking_is_told_together() -> None:
    content = files()
    for name in ("usr/bin/cat", "etc/passwd", "usr/sbin/sshd"):
        del content[name]
    assert codes(content) == ["boot.no-programs", "boot.no-user", "boot.no-ssh-server"]


def test_a_systemd_that_takes_no_credentials() -> None:
    content = files(**{"usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": ""})
    del content["usr/lib/systemd/libsystemd-shared-257.4-1.so"]
    assert codes(content) == ["boot.no-answers"]


def test_without_modules_nothing_is_known_of_a_kernel() -> None:
    content = {name: text for name, text in files().items() if "modules" not in name}
    assert codes(content) == []
    assert has_module(tree({"etc/x": ""}), "9p")


def test_a_name_of_a_module_is_whole_and_hyphens_are_underscores() -> None:
    content = files(**{f"{KERNEL}/kernel/sound/snd-x.ko.zst": ""})
    assert has_module(tree(content), "snd_x")
    assert not has_module(tree(content), "x") and not has_module(tree(content), "p")
