"""Changes the Debian packages of a tree that exists, by the dpkg of the tree itself.

dpkg installs and removes by calls of their own, and removing first would take from scripts what
they need. So what is to go is marked before (dpkg(1), --set-selections): then dpkg removes of it
what stands in the way of a package that comes, when that is unpacked, and the rest when all that
comes is set up. Settings of what goes, go with it. Packages that others depend on in advance
(Pre-Depends) come first, set up before the others are unpacked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping
from dockyard.host.in_root import InRoot
from dockyard.host.sandbox import run_in_tree
from dockyard.install.deb import (
    DPKG,
    ENVIRONMENT,
    NO_SERVICE,
    PACKAGES_INSIDE,
    POLICY,
    Count,
    come_first,
    failed,
    shown,
)
from dockyard.install.deb_database import INSTALLED, known_packages
from dockyard.install.deb_first_boot import prepare_first_boot
from dockyard.model.family import Packaging
from dockyard.packages.deb.installed import GONE
from dockyard.packages.deb.package import DebPackage, read_deb

_SERVER = "/usr/sbin/sshd"
# Settings that somebody changed stay when a package has others now: dpkg would ask.
_KEEPING = ("--force-confdef", "--force-confold")
# What packages want to hear before they go: the image file has said so.
_ASKED: Mapping[str, str] = {"SUDO_FORCE_REMOVE": "yes"}
_SHOWN = 8


def change(
    packages: Mapping[str, Path],
    removed: Sequence[str],
    root: Path,
    epoch: int,
    packaging: Packaging,
    *,
    done: Callable[[int], None] | None = None,
) -> None:
    """Bring packages into a tree, and remove others from it.

    packages: .deb files by their labels (`name_version_arch`). removed: labels of what goes, those
    that are updated among them. root: the tree; call `namespace.enter()` before. epoch: seconds,
    the time that scripts are told. done: told how many packages are set up. Raises DockyardError
    when dpkg refuses, a script fails, or the outcome is not what was asked for.
    """
    before = _installed(root, packaging)
    _require(before, before | set(removed))
    opened = {label: read_deb(path) for label, path in sorted(packages.items())}
    come = {label.partition("_")[0] for label in packages}
    gone = sorted({label.partition("_")[0] for label in removed} - come)
    env = {**ENVIRONMENT, **_ASKED, "SOURCE_DATE_EPOCH": str(epoch)}
    count = Count(done)
    with InRoot(root) as inside, TemporaryDirectory(prefix=".packages-", dir=root.parent) as name:
        place = Path(name)
        place.chmod(0o755)
        _, read = shown(opened, place)
        policy, had_server = inside.lstat(POLICY), bool(inside.lstat(_SERVER))

        def dpkg(*arguments: str) -> None:
            stopping.check()
            argv = [*DPKG, *_KEEPING, *arguments]
            ended = run_in_tree(root, argv, env=env, check=False, read=read, told=count)
            if ended.status:
                raise DockyardError(failed(ended))

        if not policy:
            inside.write(POLICY, NO_SERVICE, mode=0o755)
        if gone:
            words = "".join(f"{name} purge\n" for name in gone).encode()
            argv = [*DPKG, "--set-selections"]
            ended = run_in_tree(root, argv, stdin=words, env=env, check=False)
            if ended.status:
                raise DockyardError(failed(ended))
        for wave in waves(opened):
            files = [f"{PACKAGES_INSIDE}/{label}.deb" for label in wave]
            dpkg("--auto-deconfigure", "--install", *files)
        if gone:
            dpkg("--purge", "--pending")
        if not policy and inside.read(POLICY) == NO_SERVICE:
            inside.remove(POLICY)
        if not had_server:
            prepare_first_boot(inside)
    _require(_installed(root, packaging), before - set(removed) | set(packages))


def waves(packages: Mapping[str, DebPackage]) -> list[tuple[str, ...]]:
    """The labels of packages in the order in which they are installed: those of one wave together,
    and each wave after what it depends on in advance.
    """
    left = {label: {**each.control, "Essential": "no"} for label, each in packages.items()}
    found: list[tuple[str, ...]] = []
    while left:
        first = dict(left)
        # What comes first may itself have packages that come before it.
        while (before := come_first(first)) and len(before) < len(first):
            first = {label: first[label] for label in before}
        found.append(tuple(sorted(first)))
        left = {label: each for label, each in left.items() if label not in first}
    return found


def _installed(root: Path, packaging: Packaging) -> set[str]:
    """The labels of what is installed, with the state of what is so in part."""
    return {
        each.label
        if each.status.split()[1:] == INSTALLED.split()[1:]
        else f"{each.label} (in part)"
        for each in known_packages(root, packaging.database)
        if each.status.rpartition(" ")[2] not in GONE
    }


def _require(found: set[str], wanted: set[str]) -> None:
    """Raise DockyardError when other packages are installed than should be."""
    if found == wanted:
        return
    words = [f"{each} is not there" for each in sorted(wanted - found)]
    words += [f"{each} is still there" for each in sorted(found - wanted)]
    raise DockyardError(
        Problem(
            "tree.packages-differ",
            "the image has other packages than it should after they were changed",
            why="; ".join(words[:_SHOWN]),
            fix="a package's script installs or removes others, or dpkg reads relations in another "
            "way than the solver; leave out the package",
        )
    )
