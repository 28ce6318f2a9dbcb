"""Readers of the texts in a root: how it boots, what it mounts, who is in it, what is installed.

What is drawn is cut at its NULs into the files of a small root, which all readers then look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from dockyard.archive import Archive, Entry, Kind
from dockyard.disk import boot_entries, grub_reset, grub_settings, other_mounts
from dockyard.disk.boot_files import boot_files
from dockyard.disk.command_words import NO_CHANGE, CommandLineChange
from dockyard.disk.gpt import TableEntry
from dockyard.errors import DockyardError
from dockyard.filesystems.image import Region
from dockyard.filesystems.probe import Content
from dockyard.inspection.accounts import services_of, users_of
from dockyard.inspection.boot import boot_of
from dockyard.inspection.disks import FoundPartition
from dockyard.inspection.image import architecture_of, distribution_of
from dockyard.inspection.mount_points import put_together
from dockyard.inspection.packages import installed
from dockyard.inspection.systems import mounts_of
from dockyard.inspection.tree import Mounted, Tree
from dockyard.tree.device_ids import DeviceIdsSetting
from fuzz.target import Target
from nasty_archive import directory, file

_FILES: Mapping[str, str] = {
    "usr/lib/os-release": 'ID=harbor\nVERSION_ID="1.0"\nID_LIKE="fedora azurelinux"\n# more\n',
    "etc/fstab": "PARTUUID=00000000-0000-0000-0000-000000000002 /data ext4 defaults,ro 0 2\n"
    "# more\n/dev/sda3 /opt\\040x xfs subvol=a 0 0\ntmpfs /tmp tmpfs\nLABEL=a none swap sw\n",
    "etc/crypttab": "a UUID=00000000-0000-0000-0000-000000000002 none luks\n",
    "usr/lib/repart.d/10-root.conf": "[Partition]\nType=root\nSizeMinBytes=1G\n",
    "boot/loader/entries/a.conf": "title A\nversion 6.1\nlinux /vmlinuz\ninitrd /initrd /b\n"
    'options root=UUID=0000 $kernelopts "a b"\noptions quiet\n',
    "boot/grub2/grub.cfg": "set kernelopts='a b'\nblscfg\nmenuentry A { linux /v root=x; }\n",
    "boot/grub2/grubenv": "# GRUB Environment Block\nkernelopts=ro quiet\n#####",
    "etc/default/grub": 'GRUB_TIMEOUT=5\nexport GRUB_CMDLINE_LINUX="a b \\"c\\""\n',
    "etc/kernel/cmdline": "root=UUID=0000 ro\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\na:x:1000:1000::/home/a:/sbin/nologin\n",
    "etc/shadow": "root:!*:1::::::\na:$6$x:1::::::\n",
    "etc/group": "root:x:0:a,root\n",
    "root/.ssh/authorized_keys": "ssh-ed25519 AAAA a\n",
    "var/lib/dpkg/status": "Package: a\nStatus: install ok installed\nInstalled-Size: 7\n\n",
    "etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=targeted\n",
    "usr/bin/sh": "\x7fELF\x02\x01",
}
_LINKS = {"etc/os-release": "../usr/lib/os-release", "boot/again": "again", "lib": "/usr/lib"}
_CHANGE = CommandLineChange(("quiet",), ("rw", 'a="b c"'), (("0000", "1111"),))


def _archive(texts: Sequence[bytes]) -> Archive:
    contents = dict(zip((name.encode() for name in _FILES), texts, strict=False))
    links = [
        Entry(name.encode(), Kind.SYMLINK, 0o777, target=target.encode())
        for name, target in _LINKS.items()
    ]
    kept = [directory(b"usr/lib/modules/6.1"), file(b"usr/lib/modules/6.1/a"), directory(b"efi")]
    return Archive.from_entries([*links, *kept, *map(file, contents)], contents)


@dataclass(frozen=True)
class _Files:
    """A root as customizing reads it."""

    tree: Tree

    def names(self, directory: str) -> Sequence[str]:
        return self.tree.names(directory)

    def content(self, path: str) -> bytes | None:
        return self.tree.content(path)


def _partitions(folder: Path) -> list[FoundPartition]:
    return [
        FoundPartition(
            TableEntry(number, UUID(int=number), UUID(int=number), number << 20, 1 << 20, "a"),
            Region(folder / "disk", number << 20, 1 << 20),
            Content("ext4", "ext4", str(UUID(int=number)), "a"),
        )
        for number in (1, 2, 3)
    ]


def _system(folder: Path) -> Callable[[bytes], object]:
    found = _partitions(folder)
    empty = Archive.from_entries([directory(b"b")])

    def feed(drawn: bytes) -> None:
        root = _archive(drawn.split(b"\0"))
        tree = Tree([Mounted(b"", root)])
        archives = {1: root, 2: empty, 3: empty}
        mounts = {1: "/", **mounts_of(found, archives, 1)}
        put_together((at, number, archives[number]) for number, at in mounts.items())
        boot_of(tree, None)
        for ask in (distribution_of, architecture_of, users_of, services_of):
            ask(tree)
        installed(tree)
        boot_files(_Files(tree))

    return feed


def _changed(text: str) -> None:
    """What customizing changes of such files: with nothing to change they are what they were."""
    for by_grub in (True, False):
        assert boot_entries.changed_entry(text, NO_CHANGE, by_grub=by_grub) == text
        boot_entries.changed_entry(text, _CHANGE, by_grub=by_grub)
    boot_entries.names_options(text)
    fields = boot_entries.fields_of(text)
    boot_entries.entry_text(fields)
    lines = [*other_mounts.lines(text)]
    assert len(lines) == len(text.splitlines())
    kept, _ = other_mounts.kept_beside(text, {("LABEL", "a")}, {"/"})
    other_mounts.with_others("a / ext4\n", kept)
    DeviceIdsSetting((("0000", "1111"), ("a", "b"))).changed(text)
    grub_reset.timeout_of(text)
    with suppress(DockyardError):
        files = {"/etc/default/grub": text}
        assert grub_settings.changed_settings(files, NO_CHANGE) == files
        grub_settings.changed_settings(files, _CHANGE)
    grub_settings.names_in({"/etc/default/grub": text})


def _text(drawn: bytes) -> None:
    _changed(drawn.decode(errors="surrogateescape"))


def targets() -> tuple[Target, ...]:
    """The targets of this module."""
    texts = tuple(each.encode() for each in _FILES.values())
    return (
        Target("system", _system, (b"\0".join(texts),), 8192),
        Target("changes", lambda _: _text, texts),
    )
