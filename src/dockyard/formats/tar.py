"""tar, tar-zst: the root tree as one POSIX pax file, the portable stream of its archive.

It has every attribute of every file: ACLs both as text, which `tar --acls` and bsdtar take, and as
extended attributes, which `tar --xattrs` takes. What only a disk has is not in it: partitions, a
boot loader, the unified kernel image. tar-zst is the same, compressed by zstd(1).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.archive import streamed, write_stream
from dockyard.disk.output import whole
from dockyard.formats.parts import AnyFormat, Part, Parts

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

# The bytes depend on whether there are several, not on how many processors the host has.
_THREADS = 2


class Tar(AnyFormat):
    name = "tar"
    extension = ".tar"
    needs = frozenset((Part.ROOT,))
    runs_programs = False

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.root is not None
        image = out / f"{parts.name}{self.extension}"
        with whole(image) as part, part.open("wb") as file:
            write_stream(parts.root, file, portable=True)
        return (image,)


class TarZst(AnyFormat):
    name = "tar-zst"
    extension = ".tar.zst"
    needs = frozenset((Part.ROOT,))
    runs_programs = True

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.root is not None
        image = out / f"{parts.name}{self.extension}"
        with (
            whole(image) as part,
            part.open("wb") as file,
            streamed(parts.root, portable=True) as stream,
        ):
            tools.run(
                ["zstd", "--quiet", f"--threads={_THREADS}", "--stdout"], stdin=stream, stdout=file
            )
        return (image,)
