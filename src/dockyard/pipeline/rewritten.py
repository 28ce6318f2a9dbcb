"""What verbs have in common that write an image out of another without steps: the formats that hold
a disk, the directory for the raw disk, and the name by content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dockyard.engine.code import code_of
from dockyard.errors import DockyardError, Problem
from dockyard.formats import Holds, holding, supported
from dockyard.formats import by_name as format_by_name
from dockyard.formats.blocks import content_seed
from dockyard.formats.disk_format import DiskFormat, Wrapping
from dockyard.pipeline.artefact import shaping_modules

if TYPE_CHECKING:
    from dockyard.formats.system import System
    from dockyard.host.sandbox import Tools
    from dockyard.tools.unpacked import ToolTrees

# Seconds since 1970 for formats that note a time: the content of a disk has none.
_EPOCH = 0


def disk_format(name: str, code: str, what: str) -> DiskFormat:
    """The format of a name. Raises DockyardError (code, what) for one that holds no disk."""
    known = holding(Holds.DISK)
    if name in known:
        chosen = format_by_name(name)
        assert isinstance(chosen, DiskFormat)
        return chosen
    why = "it does not hold a disk" if name in supported() else ""
    fix = f"choose one of: {', '.join(known)}"
    raise DockyardError(Problem(code, what, "--output-image-format", why=why, fix=fix))


def level_problems(chosen: DiskFormat | None, level: int | None, code: str) -> Iterator[Problem]:
    """A problem where a level of compression is given to a format that has none."""
    if chosen is not None and level is not None and not chosen.is_compressed:
        yield Problem(
            code,
            f"--cosi-compression-level does nothing for the format {chosen.name}",
            fix="leave it out, or choose the format cosi or baremetal-image",
        )


def named_by(code: str, format_name: str, shaped: Mapping[str, object]) -> str:
    """What names a new image, by all that it is made of. code: the module that makes it."""
    made = {**shaped, "format": format_name, "code": code_of(code, *shaping_modules(format_name))}
    text = json.dumps(made, sort_keys=True)
    return f"image-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def scratch_directory(build_dir: Path | None, out: Path) -> TemporaryDirectory[str]:
    """A directory for the raw disk: below build_dir, which is made; else beside the image."""
    return TemporaryDirectory(prefix=".disk-", dir=build_dir or out)


def make_build_dir(build_dir: Path | None) -> None:
    """Make the directory that --build-dir names. Raises DockyardError (`image.build-dir`)."""
    if build_dir is None:
        return
    try:
        build_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        what = "the directory for the raw disk cannot be made"
        fix = "choose another one with --build-dir"
        raise DockyardError(Problem("image.build-dir", what, str(build_dir), why, fix)) from error


def wrap(
    chosen: DiskFormat,
    disk: Path,
    size: int,
    image: Path,
    name: str,
    level: int | None,
    main: Tools,
    tools: ToolTrees | None,
    scratch: Path,
) -> None:
    """Write a raw disk of size bytes in a format. name: what the names of its parts begin with.
    tools: for formats that tell what is on the disk.
    """

    def describe(disk: Path, size: int) -> System:
        from dockyard.inspection.described import describe as describe_system

        assert tools is not None
        return describe_system(disk, size, scratch, tools)

    given = Wrapping(
        name=name, seed=content_seed(disk, size), epoch=_EPOCH, level=level, describe=describe
    )
    chosen.wrap(disk, size, image, given, main)
