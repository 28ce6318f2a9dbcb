"""Unpacks the tools: fetches what is not there, and makes what the packages' scripts would make.

That is links, users, and the cache of the dynamic linker. No time of the trees says when they were
made, so that they are the same wherever they are unpacked.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.host.sandbox import lent, run_in_tree
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.pins import fetch_pins
from dockyard.packages.deb.unpack import unpack
from dockyard.packages.fetching import Fetching
from dockyard.tools.declared import DeclaredTree, Unpacking, declared_trees, target_of

if TYPE_CHECKING:
    from dockyard.engine.work import Work

MOUNT_POINTS = ("dev", "proc", "run", "sys", "tmp", "root", "var/tmp")

_NO_BYTECODE = "/(idlelib|lib2to3|test|tests|turtledemo)/"


def unpack_tools(work: Work, wanted: Unpacking) -> None:
    """The function of the step: each tree as a directory of its name."""
    blobs = Blobs.of_store(work.store)
    fetch_pins(wanted.packages, blobs, wanted.origins, Fetching(work.progress))
    labels = {blobs.whole(pin.digest, pin.nevra): pin.nevra for pin in wanted.packages}
    lock, done = threading.Lock(), 0

    def told(path: Path) -> None:
        nonlocal done
        with lock:
            done += 1
            work.progress(f"unpacking {labels[path]}", done, len(labels), "packages")

    for tree in declared_trees(target_of(wanted.packages)):
        root = work.out / tree.name
        packages = [blobs.path(pin.digest) for pin in tree.pins(wanted.packages)]
        unpack(packages, root, drop=tree.drop, done=told, jobs=os.cpu_count() or 2)
        finish_tree(root, tree)
        _forget_times(root)


def _forget_times(root: Path) -> None:
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            os.utime(os.path.join(directory, name), (0, 0), follow_symlinks=False)  # noqa: PTH118
    os.utime(root, (0, 0))


def finish_tree(root: Path, tree: DeclaredTree) -> None:
    """Make what the packages' scripts would have made, in a tree that was just unpacked."""
    for name in MOUNT_POINTS:
        place = root / name
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)
    for path, target in tree.links.items():
        place = root / path
        if not place.is_symlink() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
    for name in ("passwd", "group"):
        master = root / "usr/share/base-passwd" / f"{name}.master"
        if master.is_file():
            (root / "etc" / name).write_bytes(master.read_bytes())
    switch = root / "usr/share/libc-bin/nsswitch.conf"
    if switch.is_file() and not (root / "etc/nsswitch.conf").exists():
        (root / "etc/nsswitch.conf").write_bytes(switch.read_bytes())
    with lent([root / "etc", root / "var/cache/ldconfig"]):
        run_in_tree(root, ["/usr/sbin/ldconfig", "-X"])
    (root / "var/cache/ldconfig/aux-cache").unlink(missing_ok=True)
    if places := sorted(place for glob in tree.bytecode for place in root.glob(glob)):
        # The tree never changes, so the bytecode need not be compared with its source.
        compiler = ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        inside = [f"/{place.relative_to(root)}" for place in places]
        with lent(places):
            run_in_tree(root, [*compiler, "-x", _NO_BYTECODE, *inside])
