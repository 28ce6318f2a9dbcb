"""Makes an RPM of a Debian binary package under its declaration.

Files, modes, links and times are the upstream's (times no newer than the distribution's epoch),
/usr is merged, conffiles are configuration. Maintainer scripts are left out: what they would do
is declared as attributes, links, files and a few scriptlets. The result depends on nothing but
the `Conversion` and the mapped relations: same input, same bytes.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockyard.distro import upstream
from dockyard.distro.arguments import PACKAGE, Conversion
from dockyard.distro.dropped import Act
from dockyard.distro.evr import rpm_evr
from dockyard.distro.left_out import Upstream, write_note
from dockyard.distro.making import completed, reader_of, write
from dockyard.distro.mapping import read_relations
from dockyard.distro.paths import MERGED, Globs, merged, moved_target
from dockyard.distro.payload import Payload
from dockyard.distro.relations import Relations, declared
from dockyard.model.family import ARCHITECTURES, architecture_named
from dockyard.model.packages import PackageKind
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.package import DebEntry, DebPackage, MemberKind, read_deb
from dockyard.packages.rpm.contents import (
    Change,
    FileFlag,
    PackagedFile,
    RpmPackage,
)

if TYPE_CHECKING:
    from dockyard.engine.work import Work

_KINDS = {
    MemberKind.DIRECTORY: stat.S_IFDIR,
    MemberKind.FILE: stat.S_IFREG,
    MemberKind.HARDLINK: stat.S_IFREG,
    MemberKind.SYMLINK: stat.S_IFLNK,
    MemberKind.FIFO: stat.S_IFIFO,
}
# base-passwd's fixed ids, for archives that carry numbers only.
_GROUPS = {0: "root", 4: "adm", 5: "tty", 6: "disk", 8: "mail", 42: "shadow", 43: "utmp"}
_USERS = {0: "root", 6: "man", 8: "mail"}


@dataclass(frozen=True, slots=True)
class Converted:
    """The RPM's contents. left: what the scripts that are left out would have made, and the package
    does not answer for.
    """

    package: RpmPackage
    left: tuple[Act, ...]


def convert(work: Work, wanted: Conversion) -> None:
    """The function of the step: the package, unsigned, and a note of what was left out of it."""
    path = Blobs.of_store(work.store).whole(wanted.digest, wanted.upstream)
    relations = read_relations(work.result(f"relations-{wanted.name}"))
    converted = build(wanted, read_deb(path), relations)
    write(wanted, converted.package, work.out / PACKAGE)
    write_note(converted.left, work.out)


def build(conversion: Conversion, deb: DebPackage, relations: Relations) -> Converted:
    """What a Debian package becomes. relations: mapped ones. Raises DockyardError with every
    problem of the package.
    """
    declaration, facts, control = conversion.declaration, conversion.facts, deb.control
    payload = Payload(conversion.name, conversion.where, facts.epoch)
    _import(deb, payload)
    imported = dict(payload.files)
    payload.move(declaration.move)
    payload.drop(declaration.drop, conversion.strict)
    payload.drop_everywhere(Globs(facts.drop), Globs(facts.keep))
    payload.mark_documents()
    payload.apply(declaration, reader_of(conversion), imported, strict=conversion.strict)
    architecture = _architecture(control.get("Architecture", ""))
    if not architecture:
        what = f"its architecture {control.get('Architecture')} is not known"
        payload.problem("unknown-architecture", what)
    files = payload.result()
    summary, description = upstream.description(control)
    epoch, version, release = rpm_evr(control["Version"], declaration.revision)
    package = RpmPackage(
        name=conversion.name,
        epoch=epoch,
        version=version,
        release=release,
        architecture=architecture,
        summary=declaration.summary or summary,
        description=description,
        license=declaration.license or _license(deb, imported),
        url=control.get("Homepage", ""),
        group=control.get("Section", "misc"),
        source=upstream.source_rpm(control),
        requires=payload.owners(),
        files=files,
        changelog=_changelog(deb, imported),
    )
    upstream_package = Upstream(
        imported, Globs(declaration.drop), Globs(facts.drop), Globs(facts.keep)
    )
    whole = completed(conversion, package, relations.beside(declared(declaration)))
    return Converted(whole, upstream_package.left(deb))


def _architecture(debian: str) -> str:
    """What RPM calls the architecture of a Debian package; empty for an unknown one."""
    if debian == "all":
        return "noarch"
    known = architecture_named(PackageKind.DEB, debian)
    return ARCHITECTURES[PackageKind.RPM][known] if known else ""


def _import(deb: DebPackage, payload: Payload) -> None:
    """Take over the entries of the data archive."""
    configuration = {merged(path.lstrip("/")) for path in deb.conffiles}
    links: dict[str, int] = {}
    for entry in deb.entries():
        merging = entry.path in MERGED and entry.kind in (MemberKind.SYMLINK, MemberKind.DIRECTORY)
        if merging or not entry.path:
            # The root and the links of merged /usr belong to the distribution's own packages.
            continue
        if entry.kind not in _KINDS:
            payload.problem("device-node", f"/{entry.path} is a device node", fix="drop it")
            continue
        if entry.kind is MemberKind.HARDLINK:
            _hard_link(entry, payload, links)
            continue
        path = merged(entry.path)
        flags = FileFlag.NONE
        if path in configuration and entry.kind is MemberKind.FILE:
            flags = FileFlag.CONFIG | FileFlag.NOREPLACE
        payload.add(
            PackagedFile(
                path=path,
                mode=_KINDS[entry.kind] | entry.mode,
                data=entry.data,
                target=moved_target(entry.target, f"/{entry.path}", path),
                owner=_owner(entry.uname, entry.uid, _USERS, payload),
                group=_owner(entry.gname, entry.gid, _GROUPS, payload),
                mtime=max(0, entry.mtime),
                flags=flags,
            )
        )


def _hard_link(entry: DebEntry, payload: Payload, links: dict[str, int]) -> None:
    """Give the link and its target the number of one group."""
    target, path = merged(entry.target), merged(entry.path)
    first = payload.files.get(target)
    if first is None or not first.is_regular:
        payload.problem("upstream-malformed", f"{path} is a link to {target}, which does not exist")
        return
    number = links.setdefault(target, len(links) + 1)
    links[path] = number
    for name in (target, path):
        payload.files[name] = PackagedFile(
            path=name,
            mode=first.mode,
            data=first.data,
            owner=first.owner,
            group=first.group,
            mtime=first.mtime,
            flags=first.flags,
            link=number,
        )


def _owner(name: str, number: int, known: dict[int, str], payload: Payload) -> str:
    found = name or known.get(number, "")
    if not found:
        payload.problem("unknown-owner", f"a file belongs to the id {number}, which has no name")
    return found or "root"


def _document(deb: DebPackage, files: dict[str, PackagedFile], name: str) -> bytes:
    """A file of the package's documentation; its directory may be a link within the package."""
    directory = f"/usr/share/doc/{deb.control['Package']}"
    link = files.get(directory)
    if link and stat.S_ISLNK(link.mode):
        directory = f"/usr/share/doc/{link.target.rstrip('/').rpartition('/')[2]}"
    file = files.get(f"{directory}/{name}")
    if file and stat.S_ISLNK(file.mode):
        file = files.get(os.path.normpath(f"{directory}/{file.target}"))
    return bytes(file.data) if file else b""


def _license(deb: DebPackage, files: dict[str, PackagedFile]) -> str:
    text = _document(deb, files, "copyright").decode(errors="replace")
    return upstream.license_expression(text) if text else upstream.UNKNOWN_LICENSE


def _changelog(deb: DebPackage, files: dict[str, PackagedFile]) -> tuple[Change, ...]:
    for name in ("changelog.Debian.gz", "changelog.gz"):
        if changes := upstream.changelog(_document(deb, files, name)):
            return changes
    return ()
