"""Sound images of file systems, made once by programs of the tools tree: what is damaged then."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from dockyard.archive import Archive, streamed
from dockyard.engine.store import default_root
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.host import namespace
from dockyard.host.files import exclusive
from dockyard.host.sandbox import Tools
from dockyard.tools.trees import tools_tree
from dockyard.tools.unpacked import ToolTrees
from nasty_archive import DATA, directory, file, plain

FOLDER = Path(__file__).parents[1] / "build/fuzz"
KINDS: Mapping[str, str] = {
    "btrfs": "btrfs",
    "erofs": "erofs",
    "ext4": "ext4",
    "ext4-journal": "ext4",
    "iso9660": "iso9660",
    "squashfs": "squashfs",
    "vfat": "vfat",
    "xfs": "xfs",
}
"""The targets, and the module that reads each."""
_SIZES = {"ext4": 16, "erofs": 0, "xfs": 300, "btrfs": 128, "vfat": 2}  # MiB
_EPOCH = 1_767_225_600
_SPEC = FilesystemSpec(UUID(int=7), epoch=_EPOCH)
_MENU = "menuentry A { linux /boot/vmlinuz root=live quiet; initrd /boot/initrd.img; }\n"


def make_images() -> None:
    """Make those that are not there yet; enters the namespace for it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with exclusive(FOLDER / ".lock"):  # runs of other targets may begin at the same time
        lacking = [name for name in KINDS if not (FOLDER / name).exists()]
        if not lacking:
            return
        namespace.enter()
        trees = tools_tree(default_root())
        for name in lacking:
            made = FOLDER / f".{name}"
            made.unlink(missing_ok=True)
            _make(name, made, trees)
            made.rename(FOLDER / name)


def _make(name: str, out: Path, trees: ToolTrees) -> None:
    if name == "iso9660":
        _medium(out, trees.main)
    elif name == "ext4-journal":
        _with_journal(out, trees.main)
    elif name == "squashfs":
        _not_packed(out, trees.main)
    else:
        system = by_name(name)
        system.write(_content(name), out, _SIZES[name] << 20, _SPEC, trees.named(system.needs))


def _content(name: str) -> Archive:
    if name == "vfat":
        return Archive.from_entries([directory(b"a"), *(file(b"a/%d" % at) for at in range(40))])
    kept = [each for each in plain() if each.path not in (b"a/holes", b"a/large")]
    return Archive.from_entries(kept, DATA)


def _not_packed(out: Path, tools: Tools) -> None:
    """SquashFS whose metadata are stored as they are, so that damage meets what is in them."""
    folder = _new_folder(out)
    plainly = ["-noI", "-noId", "-noD", "-noF", "-noX"]
    argv = ["sqfstar", "-quiet", "-no-progress", *plainly, "-b", "4096"]
    with streamed(_content("squashfs")) as stream:
        tools.run([*argv, str(folder / "image")], write=[folder], stdin=stream)
    (folder / "image").rename(out)
    folder.rmdir()


def _with_journal(out: Path, tools: Tools) -> None:
    """ext4 whose journal is still to be replayed, as debugfs writes it into one."""
    folder = _new_folder(out)
    magic = bytes.fromhex("c03b3998")  # what a block of a journal begins with is escaped there
    blocks = {each: each[:1].encode() * 4096 + magic + bytes(4092) for each in ("one", "two")}
    blocks |= {"last": magic + b"l" * 4092, "f": b"f" * 20_000}
    for name, data in blocks.items():
        (folder / name).write_bytes(data)
    out.touch()
    made = ["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-U", str(_SPEC.uuid), str(out), "32m"]
    tools.run(made, write=[out], env={"SOURCE_DATE_EPOCH": str(_EPOCH)})

    def debugfs(*commands: str) -> str:
        (folder / "commands").write_text("".join(f"{each}\n" for each in commands))
        argv = ["debugfs", "-w", "-f", "commands", str(out)]
        return tools.run(argv, read=[folder], write=[out], cwd=folder).text

    told = debugfs("write f f", "mkdir d", "blocks f")
    first, second, third = re.findall(r"[0-9]+", told.rpartition("blocks f\n")[2])[:3]
    debugfs(
        "jo -c -v 3",
        f"jw -b {first},{second} one",
        f"jw -b {second},{third} two",
        f"jw -r {first}",
        f"jw -b {third} last",
        "jc",
    )
    made_anew = by_name("ext4").read(out, tools, folder).read(b"f")
    assert made_anew[4096 : 4096 + 4] == b"tttt", "the journal is not replayed"
    shutil.rmtree(folder)


def _medium(out: Path, tools: Tools) -> None:
    """ISO 9660 with all that Rock Ridge has, and what is looked for on media."""
    folder = _new_folder(out)
    tree = folder / "tree"
    contents = {
        "a/deep/er/file": "read me\n" * 400,
        "a name long enough to go on in another area of the record " * 4: "long",
        "boot/grub2/grub.cfg": _MENU,
        "boot/vmlinuz": "kernel",
        "live/filesystem.squashfs": "root",
        ".disk/info": "An installer 1.0\nmore",
        **{f"many/file with number {number:03}": "" for number in range(60)},
    }
    for name, text in contents.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tree / "a/link").symlink_to("/../a/./deep/er")
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (_EPOCH, _EPOCH), follow_symlinks=False)
    out.touch()
    argv = ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-volid", "MEDIUM", "-o", str(out)]
    tools.run([*argv, str(tree)], read=[tree], write=[out])
    shutil.rmtree(folder)


def _new_folder(out: Path) -> Path:
    folder = out.with_name(f"{out.name}.made")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
