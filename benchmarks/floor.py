"""What no build of the same image can be much quicker than, run as a program of its own.

    python -m benchmarks.floor unpack IMAGE STORE SCRATCH
    python -m benchmarks.floor mkfs IMAGE STORE SCRATCH
    python -m benchmarks.floor convert STORE IMAGE FORMAT OUT
    python -m benchmarks.floor remove PATH…

`unpack` lays the payloads of the lock's packages out in pure Python, in one process and with their
modes and owners, and makes one ext4 of the result: no dependency is checked, no digest, no
signature; no database, no scriptlet, no initrd, no disk. `mkfs` makes the ext4 of the image's last
build, fed with the same stream as the build's. Both print their own times as JSON, without the time
that Python takes to start. `convert` is `qemu-img convert`, in the sandbox that a build runs it in.
`remove` removes trees whose files belong to subordinate ids.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from benchmarks import measure
from dockyard import archive
from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.archive import TreeSource, linked
from dockyard.archive.entry import order
from dockyard.config import load_image
from dockyard.engine.store import Store
from dockyard.filesystems import FilesystemSpec, ext4
from dockyard.host import namespace, removal
from dockyard.host.sandbox import Tools
from dockyard.packages.origins import Origins
from dockyard.packages.rpm.header import Tag
from dockyard.packages.rpm.reader import read_package
from dockyard.pipeline.arguments.names import INDEX, TREE, UPPER
from dockyard.pipeline.build import PlannedImage, plan_image
from dockyard.pipeline.stack import package_trees
from dockyard.tools.trees import tools_tree
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

_FIRST = ("filesystem", "setup")  # they make the links and directories that others go through
_HEAD = 110  # bytes of an entry's head, cpio(5)
_LAYERS = ("boot-settings", "settings", "scripts", "final-scripts")


def main(verb: str, *words: str) -> None:
    namespace.enter()
    if verb == "remove":
        for word in words:
            removal.remove_tree(Path(word))
        return
    if verb == "convert":
        _convert(*words)
        return
    image, store, scratch = map(Path, words)
    planned = plan_image(load_image(image), Store(store), Origins.of_host(os.environ))
    kept = Store(store)
    steps = (each.step for each in planned.plan.decisions)
    results = {step.name: kept.path(step) for step in steps if kept.has(step)}
    tools = trees_in(results["tools"]).main
    scratch.mkdir(parents=True)
    if verb == "unpack":
        packages = _packages(planned, store)
        owners = _owners(results["packages"] / TREE)

        def work() -> None:
            made = unpack(packages, scratch / "tree", owners)
            _mkfs(made, scratch, planned, tools)
    else:
        whole = _last_build(results)

        def work() -> None:
            _mkfs(whole, scratch, planned, tools)

    print(json.dumps(asdict(measure.call(work))))


def _convert(store: str, image: str, name: str, out: str) -> None:
    """Convert an image to a format, as qemu-img does it by itself."""
    given, made = Path(image), Path(out)
    tools = tools_tree(Path(store)).main
    argv = ["qemu-img", "convert", "-O", name, str(given), str(made)]

    def work() -> None:
        tools.run(argv, read=[given], write=[made])

    made.touch()
    print(json.dumps(asdict(measure.call(work))))
    made.unlink()


def unpack(packages: Iterable[Path], tree: Path, owners: Mapping[str, int]) -> Archive:
    """Lay packages out in a directory that does not exist, and give the archive of it."""
    tree.mkdir()
    tree.chmod(0o755)
    root = os.fsencode(tree)
    entries = {b"": Entry(b"", Kind.DIRECTORY, 0o755)}
    for package in packages:
        for entry, data in _contents(package, owners):
            _place(root, entry, data, entries)
            entries[entry.path] = entry
    ordered = sorted(entries.values(), key=lambda entry: order(entry.path))
    return Archive(ordered, (TreeSource(tree),))


def _contents(package: Path, owners: Mapping[str, int]) -> Iterator[tuple[Entry, memoryview]]:
    """The entries of a payload with their data; further names of a file come without."""
    opened = read_package(package)
    header = opened.header
    directories = header.texts(Tag.DIRNAMES)
    names = header.texts(Tag.BASENAMES)
    places = header.numbers(Tag.DIRINDEXES)
    people = zip(header.texts(Tag.FILEUSERNAME), header.texts(Tag.FILEGROUPNAME), strict=True)
    ids = {
        (directories[at] + name).lstrip("/"): (owners[f"u:{user}"], owners[f"g:{group}"])
        for name, at, (user, group) in zip(names, places, people, strict=True)
    }
    with package.open("rb") as source:
        source.seek(opened.payload_offset)
        plain = memoryview(zstd.decompress(source.read()))
    groups: dict[int, list[Entry]] = {}
    for inode, mode, links, mtime, name, data in _cpio(plain):
        uid, gid = ids[name]
        kind = archive.entry.KIND_OF_FORMAT[stat.S_IFMT(mode)]
        path = os.fsencode(name)
        link = bytes(data) if kind is Kind.SYMLINK else b""
        size = len(data) if kind is Kind.FILE else 0
        entry = Entry(path, kind, stat.S_IMODE(mode), uid, gid, mtime * 10**9, size, None, link)
        if kind is not Kind.FILE or links == 1:
            yield entry, data
            continue
        group = groups.setdefault(inode, [])
        group.append(entry)
        if len(group) == links:  # the data stand with the last
            first = min(group, key=lambda each: order(each.path))
            whole = Entry(first.path, kind, entry.mode, uid, gid, entry.mtime_ns, len(data))
            yield whole, data
            for each in group:
                if each is not first:
                    yield linked(each.path, whole), data[:0]


def _cpio(data: memoryview) -> Iterator[tuple[int, int, int, int, str, memoryview]]:
    """Inode, mode, links, time, path and data of each entry."""
    at = 0
    while True:
        head = bytes(data[at : at + _HEAD])
        inode, mode, _, _, links, mtime, size, _, _, _, _, length, _ = (
            int(head[start : start + 8], 16) for start in range(6, _HEAD, 8)
        )
        name = bytes(data[at + _HEAD : at + _HEAD + length - 1])
        if name == b"TRAILER!!!":
            return
        at += _HEAD + length
        at += -at % 4
        path = name.decode("utf-8", "surrogateescape").removeprefix("./").lstrip("/")
        yield inode, mode, links, mtime, path, data[at : at + size]
        at += size + -size % 4


def _place(root: bytes, entry: Entry, data: memoryview, known: dict[bytes, Entry]) -> None:
    parent = entry.parent
    if parent not in known:
        above = Entry(parent, Kind.DIRECTORY, 0o755)
        _place(root, above, data[:0], known)
        known[parent] = above
    path = root + b"/" + entry.path
    if entry.kind is Kind.DIRECTORY:
        if entry.path not in known:
            os.mkdir(path)  # noqa: PTH102 (bytes)
    elif entry.kind is Kind.SYMLINK:
        if entry.path not in known:
            os.symlink(entry.target, path)  # noqa: PTH211 (bytes)
        os.lchown(path, entry.uid, entry.gid)
        return
    elif entry.kind is Kind.HARDLINK:
        os.link(root + b"/" + entry.target, path)
        return
    else:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
    os.chown(path, entry.uid, entry.gid)
    os.chmod(path, entry.mode)  # noqa: PTH101 (bytes)


def _mkfs(content: Archive, scratch: Path, planned: PlannedImage, tools: Tools) -> None:
    system = max(planned.request.layout.partitions, key=lambda each: each.size)
    spec = FilesystemSpec(uuid=UUID(int=1), label="root", epoch=planned.request.epoch)
    ext4.write(content, scratch / "filesystem", system.size, spec, tools)


def _last_build(results: Mapping[str, Path]) -> Archive:
    """The archive of the root of the build whose results these are."""
    packages = results["packages"]
    whole = archive.load(packages / INDEX, package_trees(packages))
    for kind in _LAYERS:
        if kind in results:
            whole = archive.merge(whole, results[kind] / UPPER)
    return archive.subtree(whole, b"", [b"boot/efi"])


def _packages(planned: PlannedImage, store: Path) -> list[Path]:
    """The packages of the lock, from the published repository."""
    source = planned.request.packages
    name = source.distro.distro.name
    pins = sorted(source.lock.packages, key=lambda pin: (pin.name not in _FIRST, pin.name))
    return [store / "repositories" / name / pin.path for pin in pins]


def _owners(tree: Path) -> dict[str, int]:
    """Numbers of the users (`u:name`) and groups (`g:name`) of a tree."""
    found = {}
    for letter, name in (("u", "passwd"), ("g", "group")):
        for line in (tree / "etc" / name).read_text().splitlines():
            fields = line.split(":")
            found[f"{letter}:{fields[0]}"] = int(fields[2])
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
