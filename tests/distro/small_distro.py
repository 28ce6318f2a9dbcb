"""A distribution of two imported packages and one of its own, with its offline mirror."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from debs import directory, documents, file, make_deb

from dockyard.distro.build import BuiltDistro, PlannedDistro, build_distro, plan_distro
from dockyard.engine import events
from dockyard.engine.store import Store
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin
from dockyard.packages import lockfile
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import Suite
from dockyard.packages.origins import Origins

DISTRO = """\
name: small
version: "1"
title: Small
epoch: 1767225600
upstream: {debian: {suites: [{name: trixie}]}}
components: [all.yaml]
packages: [base.yaml]
"""
BASE = """\
name: base
version: "1"
summary: The base
license: MIT
directories: [{path: /usr}, {path: /usr/bin}]
files: [{path: /etc/passwd, source: passwd}, {path: /etc/group, content: "root:x:0:\\n"}]
"""
SUITE = Suite("trixie").id
COMPONENTS = "components: {tool: {requiresPre: [base]}, library: }\n"


@dataclass(frozen=True)
class Small:
    """The distribution at `place`; beside it the mirror, stores, and keys."""

    place: Path

    @classmethod
    def make(cls, above: Path) -> Small:
        small = cls(above / "small")
        small.place.mkdir()
        (small.place / "distro.yaml").write_text(DISTRO)
        (small.place / "base.yaml").write_text(BASE)
        (small.place / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        small.components(COMPONENTS)
        small.deb("tool", Depends="library (>= 1)")
        small.deb("library")
        return small

    @property
    def mirror(self) -> Path:
        return self.place.parent / "mirror"

    def components(self, text: str) -> None:
        (self.place / "all.yaml").write_text(text)

    def deb(
        self, name: str, *, path: str = "", postinst: str = "", data: bytes = b"x", **fields: str
    ) -> None:
        """Put a package into the mirror, and its pin into the lock. path: of its file."""
        place = path or f"usr/bin/{name}"
        entries = [*documents(name), directory("usr/bin"), file(place, data, 0o755)]
        deb = make_deb(
            self.place.parent / f"{name}.deb", name, entries, postinst=postinst, **fields
        )
        digest = Blobs(self.mirror).add_bytes(deb.read_bytes())
        size, where = deb.stat().st_size, f"pool/{name}.deb"
        pin = Pin(name, "1.2-3", "amd64", SUITE, where, PackageKind.DEB, size, digest=digest)
        pins = {each.name: each for each in self._lock().packages} | {name: pin}
        lock = replace(self._lock(), packages=tuple(pins[name] for name in sorted(pins)))
        (self.place / "distro.lock").write_text(lockfile.dump(lock))

    def _lock(self) -> Lock:
        path = self.place / "distro.lock"
        if path.is_file():
            return lockfile.load(path, "")
        return Lock("small", repositories=(LockedRepository(SUITE, PackageKind.DEB),))

    @property
    def origins(self) -> Origins:
        return Origins(offline=(self.mirror,))

    def store(self, name: str = "store") -> Store:
        return Store(self.place.parent / name)

    def keys(self, store: str = "store") -> Path:
        return self.place.parent / f"{store}-keys"

    def plan(
        self, store: str = "store", *, check: bool = True, beside: Sequence[str] = ()
    ) -> PlannedDistro:
        return plan_distro(
            self.place,
            self.store(store),
            origins=self.origins,
            keys=self.keys(store),
            check=check,
            beside=beside,
        )

    def build(
        self,
        store: str = "store",
        *,
        check: bool = True,
        jobs: int | None = 2,
        seen: list[events.Event] | None = None,
    ) -> BuiltDistro:
        return build_distro(
            self.place,
            self.store(store),
            origins=self.origins,
            keys=self.keys(store),
            listener=events.ignore if seen is None else seen.append,
            jobs=jobs,
            check=check,
        )


def names(steps: Iterable[object]) -> list[str]:
    """The names of steps, in order of the alphabet."""
    return sorted(str(getattr(step, "name", "")) for step in steps)
