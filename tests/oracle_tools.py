"""Programs of others that judge what we write: a tree of Debian packages, for tests alone."""

from __future__ import annotations

import os
from pathlib import Path

from dockyard.host.sandbox import Tools
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.pins import fetch_pins, open_suites, pin
from dockyard.packages.deb.solve import Wish, solve
from dockyard.packages.deb.suite import Suite
from dockyard.packages.deb.unpack import unpack
from dockyard.packages.origins import Origins
from dockyard.tools.declared import DeclaredTree, Purpose
from dockyard.tools.unpacking import finish_tree

_DROP = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/zsh",
         "usr/share/bash-completion", "usr/share/lintian")  # fmt: skip
_ALWAYS = ("base-files", "base-passwd", "bash", "coreutils", "dash", "libc-bin")


def oracle_tools(directory: Path, *names: str) -> Tools:
    """A tree with some packages and what they depend on, in a directory where it may be already.
    Inside the namespace.
    """
    tree = directory / "tree"
    if not tree.is_dir():
        suite, origins = Suite("trixie"), Origins.of_host(os.environ)
        index, _ = open_suites([suite], directory, origins)
        wanted = (*_ALWAYS, *names)
        pins = [pin(each) for each in solve(index, [Wish(name, "a test") for name in wanted])]
        blobs = Blobs(directory / "blobs")
        fetch_pins(pins, blobs, origins)
        purpose = Purpose("oracles", "to judge what we write", wanted)
        declared = DeclaredTree("oracles", suite, (purpose,), {"usr/bin/sh": "dash"}, _DROP, ())
        part = directory / "tree.part"
        unpack([blobs.path(each.digest) for each in pins], part, drop=_DROP)
        finish_tree(part, declared)
        part.rename(tree)
    return Tools(tree)
