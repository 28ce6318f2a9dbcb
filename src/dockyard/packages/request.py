"""What an image file asks for of the packages of its distribution."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.errors import Position, Problem
from dockyard.model.distro import Distro
from dockyard.model.packages import Request

if TYPE_CHECKING:
    from dockyard.config import LoadedImage, PackageName


def image_request(loaded: LoadedImage, distro: Distro, when: str = "") -> Request:
    """The packages that an image file asks for: what is to be removed is never chosen. when: a time
    in place of the file's. Raises what is wrong with its lists.
    """
    from dockyard.config import package_names

    names = package_names(loaded)
    order = {str(file.absolute()): at for at, file in enumerate(loaded.files)}

    def at(named: PackageName) -> int:
        """Which of the files that build on one another names it; a list counts as of the last."""
        return order.get(str(Path(named.position.file).absolute()), len(order))

    # A file removes what those below it installed, and installs what it names itself.
    installed = {each.name: each for each in names.install}
    removed = {
        each.name: each.position
        for each in names.remove
        if each.name not in installed or at(each) > at(installed[each.name])
    }
    wanted_by = {name: each.position for name, each in installed.items() if name not in removed}
    streams = enabled_streams(loaded)
    return Request(
        tuple(sorted(wanted_by)),
        exclude=tuple(sorted(removed)),
        architecture=distro.architecture,
        base=distro.archive.base if distro.archive else "",
        weak=distro.install_weak_deps,
        modules=_modules(streams, distro),
        before=snapshot_time(when or loaded.image.os.packages.snapshot_time),
        wanted_by={**streams, **wanted_by},
    )


def enabled_streams(loaded: LoadedImage) -> dict[str, Position]:
    """The streams of modules that an image file enables, and where it names each."""
    named = enumerate(loaded.image.os.packages.modules)
    return {text: loaded.position(f"os.packages.modules[{index}]") for index, text in named}


def _modules(own: Collection[str], distro: Distro) -> tuple[str, ...]:
    """The streams that are enabled: those of the image file, and of the distribution those of other
    modules.
    """
    named = {text.partition(":")[0] for text in own}
    others = (text for text in distro.modules if text.partition(":")[0] not in named)
    return tuple(sorted({*own, *others}))


def unknown_suites(loaded: LoadedImage, distro: Distro) -> Iterator[Problem]:
    """A problem for each suite that an image file leaves out, and its distribution does not have;
    and one where it leaves out all.
    """
    key = "os.packages.withoutSuites"
    known = [each.name for each in distro.archive.suites] if distro.archive else []
    names = loaded.image.os.packages.without_suites
    fix = (
        f"name one of {', '.join(known)}" if known else "remove it: the packages are no .deb files"
    )
    for index, name in enumerate(names):
        if name not in known:
            what = f"{distro.name} {distro.version} has no suite {name} to leave out"
            yield loaded.problem(f"{key}[{index}]", "build.no-such-suite", what, fix=fix)
    if known and set(known) <= set(names):
        what = f"no suite of {distro.name} {distro.version} is left to take packages from"
        yield loaded.problem(key, "build.no-suite-left", what, fix="leave one in")


def snapshot_time(text: str) -> int | None:
    """Unix seconds of a day (its beginning, UTC) or of an RFC 3339 time, as image files give them;
    None for "".
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
