"""Places a finished image where the user wants it, and knows when it lies there already."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem
from dockyard.host import files
from dockyard.host.conditions import mode_for_caller
from dockyard.pipeline.request import ImageRequest

_RECORD = "outputs"


def place(result: Path, artefact: str, target: Path, store: Store) -> bool:
    """Copy an artefact of a result to a path, whole or not at all, holes and all.

    False when what lies there was placed from the same result and has not been touched since.
    """
    target = target.absolute()
    with files.exclusive(store.root / "locks" / _RECORD):
        outputs = store.record(_RECORD)
        known = outputs.get(str(target))
        if isinstance(known, dict) and known == _stamp(target, result.name):
            return False
        _copy(result / artefact, target)
        outputs[str(target)] = _stamp(target, result.name)
        store.keep_record(_RECORD, outputs)
    return True


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.remove_parts(target)  # of builds that were killed while they copied
        files.copy_sparse(source, part)
        part.chmod(mode_for_caller())
        part.rename(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise DockyardError(
            Problem(
                "build.output",
                f"the image could not be written to {target}",
                why=error.strerror or str(error),
                fix="make room or choose another place with --output-image-file",
            )
        ) from error


def placed_files(store: Store) -> frozenset[Path]:
    """Every path at which an image was ever placed."""
    return frozenset(Path(path) for path in store.record(_RECORD))


def _stamp(target: Path, result: str) -> dict[str, object] | None:
    """What shows that a file is the one that was placed, without reading it."""
    try:
        found = target.stat()
    except OSError:
        return None
    return {
        "result": result,
        "inode": found.st_ino,
        "size": found.st_size,
        "modified": found.st_mtime_ns,
    }


def output_path(request: ImageRequest, chosen: Path | None) -> Path:
    """Where the image goes: what the command line says, else the file, else its name here."""
    if chosen is not None:
        return chosen
    if told := request.loaded.image.output.image.path:
        return request.loaded.local(told)
    return Path(f"{request.name}{request.extension}")
