"""Makes the distribution's own packages out of declared files, directories and links.

A package with /etc/passwd or /etc/group announces `user(NAME)` and `group(NAME)` for all that it
holds, as packages whose files belong to them require it; sysusers.d(5) lines under `users` are
announced with their text, by which rpm makes the user before it unpacks (rpm's docs/manual/
users_and_groups.md).
"""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dockyard.distro.making import DistroFacts, write_whole
from dockyard.distro.payload import Payload
from dockyard.distro.relations import Relations
from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.distro import Package
from dockyard.packages.rpm.contents import (
    FileTrigger,
    PackagedFile,
    PackageScriptlet,
    Relation,
    RpmPackage,
    Sense,
)

_DATABASES = {"/etc/passwd": "user", "/etc/group": "group"}


@dataclass(frozen=True, slots=True)
class OwnPackage:
    """One package to be made; it can be sent to another process."""

    package: Package
    relations: Relations
    scriptlets: tuple[PackageScriptlet, ...]
    triggers: tuple[FileTrigger, ...]
    facts: DistroFacts
    directory: Path
    where: Position | None = None


def make(own: OwnPackage, out: Path) -> tuple[Problem, ...]:
    """Write the RPM, whole or not at all; returns what is wrong instead of raising it."""
    try:
        package = build(own)
    except DockyardError as error:
        return error.problems
    return write_whole(package, out, own.where)


def build(own: OwnPackage) -> RpmPackage:
    """The RPM's contents. Raises DockyardError with every problem of the package."""
    package, facts, declared = own.package, own.facts, own.relations
    payload = Payload(package.name, own.where, facts.epoch)
    if package.users:
        path = f"/usr/lib/sysusers.d/{package.name}.conf"
        text = "".join(f"{line}\n" for line in package.users)
        payload.add(PackagedFile(path, stat.S_IFREG | 0o644, text.encode(), mtime=facts.epoch))

    def read(source: str) -> bytes:
        return (own.directory / source).read_bytes()

    payload.apply(package, read, {}, strict=True)
    payload.mark_documents()
    files = payload.result()
    announced = (*_announced(payload.files.values()), *_sysusers(package.users))
    known = {relation.name for relation in announced}
    wanted = tuple(item for item in payload.owners() if item.name not in known)
    evr = f"{package.epoch}:" if package.epoch else ""
    evr += f"{package.version}-{package.release}"
    return RpmPackage(
        name=package.name,
        epoch=package.epoch,
        version=package.version,
        release=package.release,
        architecture=package.architecture,
        summary=package.summary,
        description=package.description,
        license=package.license,
        url=package.url,
        vendor=facts.vendor,
        distribution=facts.title,
        group="System Environment/Base",
        source=f"{package.name}-{package.version}-{package.release}.src.rpm",
        build_time=facts.epoch,
        requires=(*declared.requires, *wanted),
        provides=(Relation(package.name, Sense.EQUAL, evr), *announced, *declared.provides),
        conflicts=declared.conflicts,
        obsoletes=declared.obsoletes,
        recommends=declared.recommends,
        suggests=declared.suggests,
        supplements=declared.supplements,
        enhances=declared.enhances,
        files=files,
        scriptlets=own.scriptlets,
        triggers=own.triggers,
    )


def _announced(files: Iterable[PackagedFile]) -> Iterator[Relation]:
    """What the user databases among the files provide."""
    for file in files:
        kind = _DATABASES.get(file.path)
        if kind and file.is_regular:
            for line in bytes(file.data).decode().splitlines():
                if name := line.partition(":")[0]:
                    yield Relation(f"{kind}({name})")


def _sysusers(lines: Iterable[str]) -> Iterator[Relation]:
    """What rpm makes by sysusers.d lines: the line in base64 stands as the provide's version."""
    for line in lines:
        words = line.split()
        if len(words) < 2 or words[0] not in ("u", "u!", "g"):
            continue
        encoded = base64.b64encode(line.encode()).decode()
        kinds = ("user", "group") if words[0].startswith("u") else ("group",)
        for kind in kinds:
            if kind == "user" or words[0] == "g":
                yield Relation(f"{kind}({words[1]})", Sense.EQUAL, encoded)
            else:
                yield Relation(f"{kind}({words[1]})")
