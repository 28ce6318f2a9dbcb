"""Builds an image a second time from nothing and compares every byte with the first."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockyard.engine.events import Listener
from dockyard.engine.plan import in_order, make_plan
from dockyard.engine.run import run_plan
from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem
from dockyard.host import files, removal, stopping
from dockyard.pipeline.arguments.names import TOOLS
from dockyard.pipeline.artefact import write_image
from dockyard.pipeline.image import ImageSteps
from dockyard.pipeline.request import ImageRequest

_CHUNK = 1 << 20


def verify_build(
    request: ImageRequest, steps: ImageSteps, store: Store, listener: Listener, jobs: int
) -> None:
    """Run every step again in a store of its own inside `store`, and compare the images that both
    give; read each file system back and compare it with what went into it.

    Downloads and tools are shared; results are not. Raises DockyardError at the first byte that
    differs, or with what a file system lost.
    """
    # Named and locked as the work of a step is, so that no other process sweeps it away.
    name = f"verify-{steps.manifest.id}"
    with store.exclusive(name):
        root = store.root / "work" / name
        removal.remove_tree(root)
        second = Store(root)
        try:
            for shared in ("blobs", "metadata"):
                (root / shared).symlink_to(store.root / shared)
            (tools,) = (each for each in in_order(steps.goals) if each.name == TOOLS)
            second.lend(tools, store)
            plan = make_plan((*steps.proofs, *steps.goals), second, {})
            run_plan(plan, second, listener, jobs=jobs)
            _compare(request, steps, store, second)
        finally:
            with stopping.clearing():
                removal.remove_tree(root)


def _compare(request: ImageRequest, steps: ImageSteps, first: Store, second: Store) -> None:
    """Write the image from both stores, and raise DockyardError at the first byte that differs."""
    written = []
    for store, name in ((first, "one"), (second, "two")):
        out = second.root / name
        out.mkdir()
        written.append(write_image(request, steps, store, out))
    one, two = ([*_files(paths)] for paths in written)
    if [name for name, _ in one] != [name for name, _ in two]:
        odd = sorted({name for name, _ in one} ^ {name for name, _ in two})
        raise DockyardError(_differs(f"has other files than the first: {', '.join(odd[:3])}"))
    for (name, left), (_, right) in zip(one, two, strict=True):
        if not stat.S_ISREG(left.lstat().st_mode):
            continue  # its name has all that it is
        offset = first_difference(left, right)
        if offset is not None:
            where = _place(request, name, offset)
            raise DockyardError(_differs(f"differs from the first at byte {offset}, {where}"))


def _files(written: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """All that an image has, which may be a directory, with names and modes."""
    for path in written:
        for each in [path, *(files.below(path) if path.is_dir() else ())]:
            name, mode = str(each.relative_to(path.parent)), each.lstat().st_mode
            target = f" -> {each.readlink()}" if stat.S_ISLNK(mode) else ""
            yield f"{name} {stat.filemode(mode)}{target}", each


def first_difference(one: Path, two: Path) -> int | None:
    """The offset of the first byte in which two files differ; None when they are the same."""
    with one.open("rb") as left, two.open("rb") as right:
        offset = 0
        while True:
            stopping.check()
            a, b = left.read(_CHUNK), right.read(_CHUNK)
            if a != b:
                pairs = zip(a, b, strict=False)
                at = next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))
                return offset + at
            if not a:
                return None
            offset += len(a)


def _place(request: ImageRequest, name: str, offset: int) -> str:
    if not request.layout.partitions:
        return f"in {name}"
    for partition in request.layout.partitions:
        if partition.start <= offset < partition.start + partition.size:
            return f"in the partition {partition.key}"
    return "outside every partition"


def _differs(what: str) -> Problem:
    return Problem(
        "build.not-reproducible",
        f"the second build {what}",
        why="a script is the likely cause: it may read the clock or random numbers",
        fix="compare both builds with a script removed",
    )
