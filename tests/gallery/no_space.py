"""Runs `dockyard` on a store that a small tmpfs holds: SIZE STORE SHARED ARGUMENT...

What the store of the arguments needs of tools and repositories is linked from the shared one, so
only results go to the tmpfs. The namespace that Dockyard works in is where the tmpfs is mounted.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dockyard.cli.main import main
from dockyard.host import kernel, namespace

sys.path.insert(0, str(Path(__file__).parents[1]))
from stores import share


def run() -> None:
    size, store, shared, *arguments = sys.argv[1:]
    namespace.enter()
    Path(store).mkdir()
    kernel.mount("tmpfs", store, "tmpfs", 0, f"size={size}")
    share(Path(store), Path(shared), "repositories", "blobs")
    sys.argv = ["dockyard", *arguments]
    main()


if __name__ == "__main__":
    run()
