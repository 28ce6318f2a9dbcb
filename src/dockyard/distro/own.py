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
from dataclasses import replace
from typing import TYPE_CHECKING

from dockyard.distro.arguments import PACKAGE, OwnPackage
from dockyard.distro.making import completed, reader_of, write
from dockyard.distro.payload import Payload
from dockyard.distro.relations import declared
from dockyard.packages.rpm.contents import PackagedFile, RpmPackage, RpmRelation, Sense

if TYPE_CHECKING:
    from dockyard.engine.work import Work

_DATABASES = {"/etc/passwd": "user", "/etc/group": "group"}


def make_own(work: Work, wanted: OwnPackage) -> None:
    """The function of the step: the package, unsigned."""
    write(wanted, build(wanted), work.out / PACKAGE)


def build(own: OwnPackage) -> RpmPackage:
    """The RPM's contents. Raises DockyardError with every problem of the package."""
    package, facts = own.package, own.facts
    payload = Payload(package.name, own.where, facts.epoch)
    if package.users:
        path = f"/usr/lib/sysusers.d/{package.name}.conf"
        text = "".join(f"{line}\n" for line in package.users)
        payload.add(PackagedFile(path, stat.S_IFREG | 0o644, text.encode(), mtime=facts.epoch))
    payload.apply(package, reader_of(own), {}, strict=True)
    payload.mark_documents()
    files = payload.result()
    announced = (*_announced(payload.files.values()), *_sysusers(package.users))
    known = {relation.name for relation in announced}
    wanted = tuple(item for item in payload.owners() if item.name not in known)
    made = RpmPackage(
        name=package.name,
        epoch=package.epoch,
        version=package.version,
        release=package.release,
        architecture=package.architecture,
        summary=package.summary,
        description=package.description,
        license=package.license,
        url=package.url,
        group="System Environment/Base",
        source=f"{package.name}-{package.version}-{package.release}.src.rpm",
        requires=wanted,
        files=files,
    )
    provides = (RpmRelation(made.name, Sense.EQUAL, made.evr), *announced)
    return completed(own, replace(made, provides=provides), declared(package))


def _announced(files: Iterable[PackagedFile]) -> Iterator[RpmRelation]:
    """What the user databases among the files provide."""
    for file in files:
        kind = _DATABASES.get(file.path)
        if kind and file.is_regular:
            for line in bytes(file.data).decode().splitlines():
                if name := line.partition(":")[0]:
                    yield RpmRelation(f"{kind}({name})")


def _sysusers(lines: Iterable[str]) -> Iterator[RpmRelation]:
    """What rpm makes by sysusers.d lines: the line in base64 stands as the provide's version."""
    for line in lines:
        words = line.split()
        if len(words) < 2 or words[0] not in ("u", "u!", "g"):
            continue
        encoded = base64.b64encode(line.encode()).decode()
        kinds = ("user", "group") if words[0].startswith("u") else ("group",)
        for kind in kinds:
            if kind == "user" or words[0] == "g":
                yield RpmRelation(f"{kind}({words[1]})", Sense.EQUAL, encoded)
            else:
                yield RpmRelation(f"{kind}({words[1]})")
