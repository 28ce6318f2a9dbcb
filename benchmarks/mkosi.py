"""mkosi, as Debian has it: makes Debian images that are no work of ours, to compare and try with.

It runs under bubblewrap from a tree that Dockyard's Debian client resolves, fetches, verifies and
unpacks, in the same namespace as a build of ours, as root of it. What makes it quick is given to
it: no documentation in the image, packages and metadata cached, the network not asked again
(`CacheOnly=always`), and its workspace on the file system of its output.

A recipe (YAML) names the suite, the packages of the tree that mkosi runs in (`tools`), with
`links`, and those of the image.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks import measure
from dockyard.errors import DockyardError
from dockyard.host import namespace, removal
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.pins import fetch_pins, open_suites, pin
from dockyard.packages.deb.solve import Wish, solve
from dockyard.packages.deb.suite import Suite
from dockyard.packages.deb.unpack import unpack
from dockyard.packages.origins import Origins
from dockyard.tools.declared import DeclaredTree, Purpose
from dockyard.tools.unpacking import finish_tree

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_DROP = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale")
_PYTHON = ("usr/lib/python3*",)
_DIRECTORIES = ("cache", "packages", "workspace", "output", "mkosi.sandbox/etc/apt/sources.list.d")

_CONFIGURATION = """\
[Distribution]
Distribution=debian
Release={suite}
Repositories=main

[Output]
Format=disk
ImageId=server
OutputDirectory=output
ManifestFormat=json
Seed=0e9a6fe0-68f6-408c-bbeb-136054d20445

[Build]
CacheDirectory=cache
PackageCacheDirectory=packages
WorkspaceDirectory=workspace
BuildSources=
WithNetwork=no

[Content]
Bootable=yes
Bootloader={loader}
WithDocs=no
SourceDateEpoch=1767225600
Packages={packages}
"""


def main(verb: str, directory: str, *options: str) -> None:
    """prepare DIRECTORY RECIPE [PACKAGE …]: make the tree and the configuration, for an image of
    these packages in place of those of the recipe. run DIRECTORY PROGRAM …: run a
    program of the tree, such as mkosi, as root in the work directory.
    """
    namespace.enter()
    root = Path(directory)
    if verb == "prepare":
        try:
            _prepare(root, Path(options[0]), options[1:])
        except DockyardError as error:
            sys.exit("\n".join(f"{each.what}: {each.why}" for each in error.problems))
    else:
        # Who entered the namespace has one id in a sandbox; root has all, as has what it writes.
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        os.execvp("bwrap", _sandboxed(root, list(options)))


def _prepare(root: Path, recipe: Path, image: Sequence[str]) -> None:
    declared: dict[str, Any] = yaml.safe_load(recipe.read_text())
    tree = root / "tree"
    origins = Origins.of_host(os.environ)
    if not tree.is_dir():
        _unpack(root, tree, recipe.name, declared, origins)
    work = root / "work"
    removal.remove_tree(work)
    for name in _DIRECTORIES:
        (work / name).mkdir(parents=True)
    packages = "".join(f"\n    {name}" for name in image or declared["image"])
    text = _CONFIGURATION.format(
        suite=declared["suite"], packages=packages, loader=declared["loader"]
    )
    (work / "mkosi.conf").write_text(text)
    # Without a source of its own mkosi asks for the archive of debug symbols too.
    source = {
        "Types": "deb",
        "URIs": origins.need_mirrors()[0],
        "Suites": declared["suite"],
        "Components": "main",
        "Signed-By": _KEYRING,
    }
    text = "".join(f"{key}: {value}\n" for key, value in source.items())
    (work / "mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources").write_text(text)


def _unpack(
    root: Path, tree: Path, recipe: str, declared: dict[str, Any], origins: Origins
) -> None:
    names, suite = tuple(declared["tools"]), Suite(declared["suite"])
    index, _ = open_suites([suite], root, origins)
    pins = [pin(each) for each in solve(index, [Wish(name, recipe) for name in names])]
    blobs = Blobs(root / "blobs")
    fetch_pins(pins, blobs, origins)
    purpose = Purpose("mkosi", "to compare with", names)
    declaration = DeclaredTree("mkosi", suite, (purpose,), declared["links"], _DROP, _PYTHON)
    part = root / "tree.part"
    removal.remove_tree(part)
    unpack([blobs.path(each.digest) for each in pins], part, drop=_DROP)
    finish_tree(part, declaration)
    (part / "etc/resolv.conf").touch()
    part.rename(tree)


def _sandboxed(root: Path, argv: list[str]) -> list[str]:
    tree, work = root / "tree", root / "work"
    # With a process namespace, so that nothing it starts is left or goes uncounted.
    words = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    words += ["--cap-add", "ALL", "--clearenv", "--tmpfs", "/"]
    for name in ("usr", "etc", "var"):
        words += ["--ro-bind", str(tree / name), f"/{name}"]
    for name in ("bin", "sbin", "lib", "lib64"):
        words += ["--symlink", f"usr/{name}", f"/{name}"]
    words += ["--dev-bind", "/dev", "/dev", "--proc", "/proc", "--ro-bind", "/sys", "/sys"]
    words += ["--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var/tmp"]
    words += ["--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf"]
    words += ["--bind", str(work), str(work), "--chdir", str(work)]
    environment = {"PATH": "/usr/sbin:/usr/bin", "HOME": str(work), "LC_ALL": "C.UTF-8"}
    for name, value in environment.items():
        words += ["--setenv", name, value]
    return [*words, *argv]


if __name__ == "__main__":
    measure.adopt_orphans()
    main(*sys.argv[1:])
