"""The files of a package while its declaration is applied to them.

Order: move, drop, directories, files, links, ghosts, configuration, attributes, verification. A
path of a declaration that fits nothing is a problem: a declaration must not outlive what it was
written for.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from dockyard.distro.paths import Globs, exact
from dockyard.errors import Position, Problems
from dockyard.model.components import Aspect, Attribute, Component, Directory, File, Package
from dockyard.packages.rpm.contents import (
    ALL_CHECKS,
    FileFlag,
    PackagedFile,
    RpmRelation,
    Sense,
    Verify,
)

_ASPECTS: Mapping[Aspect, Verify] = {
    "size": Verify.SIZE,
    "mtime": Verify.MTIME,
    "digest": Verify.DIGEST,
    "mode": Verify.MODE,
    "owner": Verify.OWNER,
    "group": Verify.GROUP,
    "link": Verify.LINK,
    "caps": Verify.CAPS,
    "rdev": Verify.RDEV,
}
_GHOST_CHECKS = ALL_CHECKS & ~int(Verify.DIGEST | Verify.SIZE | Verify.LINK | Verify.MTIME)
_DOCUMENTS = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/info/")


class Payload:
    """Files by absolute path.

    name: of the component or package, for problems; where: its declaration.
    epoch: seconds; the time of everything that is declared, and the newest time of anything.
    """

    def __init__(self, name: str, where: Position | None, epoch: int) -> None:
        self.files: dict[str, PackagedFile] = {}
        self.problems = Problems()
        self._name = name
        self._where = where
        self._epoch = epoch

    def add(self, file: PackagedFile) -> None:
        """Add a file, clamped to the epoch; one that is there already is replaced."""
        self.files[file.path] = replace(file, mtime=min(file.mtime, self._epoch))

    def problem(self, code: str, what: str, fix: str = "", why: str = "") -> None:
        where: Position | str = self._where or self._name
        self.problems.add(f"distro.{code}", f"{self._name}: {what}", where, fix=fix, why=why)

    def drop_everywhere(self, drop: Globs, keep: Globs) -> None:
        """Leave out what the whole distribution leaves out; directories above what is kept stay."""
        kept = {path for path in self.files if keep.match(path) or not drop.match(path)}
        for path in list(kept):
            while (path := path.rpartition("/")[0]) and path in self.files:
                kept.add(path)
        self.files = {path: file for path, file in self.files.items() if path in kept}

    def move(self, moves: Mapping[str, str]) -> None:
        for old, new in moves.items():
            moved = [path for path in self.files if path == old or path.startswith(f"{old}/")]
            if not moved:
                self._unused("move", old)
            for path in moved:
                target = new + path[len(old) :]
                self.files[target] = replace(self.files.pop(path), path=target)

    def drop(self, globs: Iterable[str], strict: bool) -> None:
        dropped = Globs(tuple(globs))
        if strict:
            for glob in dropped.unused(self.files):
                self._unused("drop", glob)
        self.files = {path: file for path, file in self.files.items() if not dropped.match(path)}

    def apply(
        self,
        declaration: Component | Package,
        read: Callable[[str], bytes],
        imported: Mapping[str, PackagedFile],
        *,
        strict: bool,
    ) -> None:
        """Add and mark what a declaration says.

        read: gives the content of a file of the distribution. imported: the upstream package's
        files before anything was left out, for `from`. strict: every path must fit something.
        """
        for directory in declaration.directories:
            self._directory(directory)
        for file in declaration.files:
            self._file(file, read, imported)
        for path, target in declaration.links.items():
            if path in self.files and not stat.S_ISLNK(self.files[path].mode):
                self.problem("path-taken", f"the link {path} is a file of the package already")
            self.add(PackagedFile(path, stat.S_IFLNK | 0o777, target=target, mtime=self._epoch))
        for path in declaration.ghost:
            self._ghost(path)
        for path in declaration.config:
            if path in self.files:
                flags = self.files[path].flags | FileFlag.CONFIG | FileFlag.NOREPLACE
                self.files[path] = replace(self.files[path], flags=flags)
            elif strict:
                self._unused("config", path)
        for attribute in declaration.attributes:
            if not self._attribute(attribute) and strict:
                self._unused("attributes", attribute.path)
        for glob, aspects in declaration.verify_not.items():
            if not self._verify_not(glob, aspects) and strict:
                self._unused("verifyNot", glob)
        self._check_links()

    def mark_documents(self) -> None:
        """Flag documentation and copyright files by their places."""
        for path, file in self.files.items():
            if file.is_directory or not path.startswith(_DOCUMENTS):
                continue
            copyright_file = path.startswith("/usr/share/doc/") and path.endswith("/copyright")
            flag = FileFlag.LICENSE if copyright_file else FileFlag.DOC
            self.files[path] = replace(file, flags=file.flags | flag)

    def owners(self) -> tuple[RpmRelation, ...]:
        """What the package needs in place before it is unpacked, so that its files get their
        owners: rpm gives to root, with a mere warning, what belongs to a name it does not know.
        """
        users = {file.owner for file in self.files.values()} - {"root"}
        groups = {file.group for file in self.files.values()} - {"root"}
        return tuple(
            RpmRelation(text, Sense.SCRIPT_PRE)
            for text in sorted(
                [f"user({user})" for user in users] + [f"group({group})" for group in groups]
            )
        )

    def _unused(self, key: str, path: str) -> None:
        self.problem(
            "unused-declaration",
            f"`{key}` names {path}, which the package does not have",
            fix="remove it, or correct the path: the upstream package may have changed",
        )

    def _directory(self, directory: Directory) -> None:
        there = self.files.get(directory.path)
        if there and not there.is_directory:
            self.problem("path-taken", f"{directory.path} is not a directory in the package")
        self._declared(directory, stat.S_IFDIR)

    def _file(
        self, file: File, read: Callable[[str], bytes], imported: Mapping[str, PackagedFile]
    ) -> None:
        if file.path in self.files and not file.replace:
            self.problem(
                "path-taken",
                f"{file.path} is in the upstream package already",
                fix="add `replace: true` if it is meant to be replaced",
            )
        data = self._content(file, read, imported)
        flags = FileFlag.DOC if file.doc else FileFlag.NONE
        if file.config:
            flags |= FileFlag.CONFIG
        if file.config == "noreplace":
            flags |= FileFlag.NOREPLACE
        self._declared(file, stat.S_IFREG, data, flags)

    def _declared(
        self,
        declared: Directory | File,
        kind: int,
        data: bytes | memoryview = b"",
        flags: FileFlag = FileFlag.NONE,
    ) -> None:
        """Add a path with what its declaration says of any path."""
        self.add(
            PackagedFile(
                declared.path,
                kind | declared.mode,
                data,
                owner=declared.owner,
                group=declared.group,
                mtime=self._epoch,
                flags=flags | FileFlag.GHOST if declared.ghost else flags,
                verify=_GHOST_CHECKS if declared.ghost else ALL_CHECKS,
            )
        )

    def _content(
        self, file: File, read: Callable[[str], bytes], imported: Mapping[str, PackagedFile]
    ) -> bytes | memoryview:
        if file.content is not None:
            return file.content.encode()
        if file.from_ is not None:
            found = imported.get("/" + file.from_.lstrip("/"))
            if found is None or not found.is_regular:
                self._unused("from", file.from_)
                return b""
            return found.data
        if file.source is not None:
            try:
                return read(file.source)
            except OSError as error:
                self.problem("no-source-file", f"{file.source}: {error.strerror}")
        return b""

    def _ghost(self, path: str) -> None:
        file = self.files.get(path) or PackagedFile(path, stat.S_IFREG | 0o644, mtime=self._epoch)
        flags = file.flags | FileFlag.GHOST
        self.add(replace(file, data=b"", flags=flags, verify=_GHOST_CHECKS, link=0))

    def _matching(self, glob: str) -> list[str]:
        expression = exact(glob)
        return [path for path in self.files if expression.fullmatch(path)]

    def _attribute(self, attribute: Attribute) -> bool:
        paths = self._matching(attribute.path)
        for path in paths:
            file = self.files[path]
            if attribute.mode is not None:
                file = replace(file, mode=stat.S_IFMT(file.mode) | attribute.mode)
            if attribute.capabilities is not None:
                file = replace(file, capabilities=attribute.capabilities)
            self.files[path] = replace(
                file,
                owner=attribute.owner or file.owner,
                group=attribute.group or file.group,
            )
        return bool(paths)

    def _verify_not(self, glob: str, aspects: Iterable[Aspect]) -> bool:
        paths = self._matching(glob)
        for path in paths:
            checks = self.files[path].verify
            for aspect in aspects:
                checks &= ~int(_ASPECTS[aspect])
            self.files[path] = replace(self.files[path], verify=checks)
        return bool(paths)

    def _check_links(self) -> None:
        """Names of one file cannot differ in what belongs to the file."""
        groups: dict[int, PackagedFile] = {}
        for file in self.files.values():
            if not file.link:
                continue
            first = groups.setdefault(file.link, file)
            if (first.mode, first.owner, first.group, first.capabilities) != (
                file.mode,
                file.owner,
                file.group,
                file.capabilities,
            ):
                self.problem(
                    "hard-links-differ",
                    f"{first.path} and {file.path} are one file, but get other attributes",
                    fix="give the same attributes to both paths",
                )

    def result(self) -> tuple[PackagedFile, ...]:
        """The files by path. Raises DockyardError with every problem found on the way."""
        self.problems.raise_any()
        return tuple(self.files[path] for path in sorted(self.files))
