"""The members of an initrd while it is put together.

A file comes with everything that it needs to run: the links crossed on the way to it, its ELF
interpreter, its libraries and theirs, the libraries that it may load while it runs (as far as they
belong to a wanted feature), or the interpreter of its `#!` line.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable

from dockyard.errors import DockyardError, Problem
from dockyard.initrd import elf
from dockyard.initrd.cpio import Member
from dockyard.initrd.rooted import Rooted

_PROGRAM_FOLDERS = ("/usr/sbin", "/usr/bin")


class Contents:
    """Members by path, and what was asked for but is not in the root."""

    def __init__(
        self, root: Rooted, libraries: Iterable[str] = (), wanted_libraries: Iterable[str] = ()
    ) -> None:
        self.root = root
        self._missing: dict[str, str] = {}
        self._entries: dict[str, Member] = {}
        self._libraries = frozenset(libraries)
        self._wanted_libraries = frozenset(wanted_libraries)
        self._supplied: set[str] = set()
        self._unresolved: dict[str, str] = {}
        self._folders, self._configured = _library_folders(root)

    def entries(self) -> list[Member]:
        return list(self._entries.values())

    def __contains__(self, path: str) -> bool:
        return path.strip("/") in self._entries

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Add an empty directory and those above it."""
        name = path.strip("/")
        while name and name not in self._entries:
            self._entries[name] = Member(name.encode(), stat.S_IFDIR | mode)
            name, mode = name.rpartition("/")[0], 0o755

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._put(path, stat.S_IFLNK | 0o777, target.encode())

    def write(self, path: str, data: bytes | str, mode: int = 0o444) -> None:
        """Add a file with content of our own."""
        self._put(path, stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data)

    def node(self, path: str, mode: int, major: int, minor: int) -> None:
        """Add a character device."""
        name = path.strip("/")
        self.directory(name.rpartition("/")[0])
        self._entries[name] = Member(name.encode(), stat.S_IFCHR | mode, device=(major, minor))

    def add(self, path: str) -> bool:
        """Add a file of the root with all that it needs; False where the root lacks it."""
        trail = self.root.resolve(path)
        if trail is None:
            return False
        for name, target in trail.links:
            self.link(name, target)
        if trail.path.strip("/") in self._entries:
            return True
        if self.root.is_directory(trail.path):
            self.directory(trail.path)
            return True
        data = self.root.read(trail.path)
        if data is None:
            return False
        found = self.root.stat(trail.path)
        executable = bool(found and found.st_mode & 0o111)
        self._put(trail.path, stat.S_IFREG | (0o555 if executable else 0o444), data)
        self._add_needs(trail.path, data)
        return True

    def program(self, name: str) -> bool:
        """Add a program by its path, or by its name as found in /usr/sbin and /usr/bin."""
        path = self.find_program(name)
        return path is not None and self.add(path)

    def find_program(self, name: str) -> str | None:
        """The path of a program in the root, or None."""
        if name.startswith("/"):
            return name if self.root.is_file(name) else None
        folders = self._folders if ".so." in name else _PROGRAM_FOLDERS
        for folder in folders:
            if self.root.is_file(f"{folder}/{name}"):
                return f"{folder}/{name}"
        return None

    def require(self, name: str, reason: str) -> None:
        """Add a program; what the root lacks is noted as a problem."""
        if not self.program(name):
            self.lacks(name, reason)

    def lacks(self, name: str, reason: str) -> None:
        """Note that the root lacks a wanted part."""
        self._missing.setdefault(name, reason)

    def finish(self) -> None:
        """Raise DockyardError, one for all parts and libraries that the root lacks; call it when
        all members are added.
        """
        for name, user in sorted(self._unresolved.items()):
            if name not in self._supplied:
                self.lacks(name, user)
        self._unresolved.clear()
        if self._missing:
            raise DockyardError(
                Problem(
                    code="initrd.missing",
                    what=f"the image lacks {len(self._missing)} of the things that its initrd "
                    "is made of",
                    where="initrd",
                    fix="install the packages that provide them",
                    excerpt=tuple(f"{name}, for {why}" for name, why in self._missing.items()),
                )
            )

    def _put(self, path: str, mode: int, data: bytes) -> None:
        name = path.strip("/")
        parent = name.rpartition("/")[0]
        if parent:
            self.directory(parent)
        self._entries[name] = Member(name.encode(), mode, data)

    def _add_needs(self, path: str, data: bytes) -> None:
        if data.startswith(b"#!"):
            words = data[2:].split(b"\n", 1)[0].decode(errors="replace").split()
            if words and not self.add(words[0]):
                self.lacks(words[0], path)
            return
        facts = elf.read(data) if data.startswith(elf.MAGIC) else None
        if facts is None:
            return
        self._supplied.update((path.rpartition("/")[2], facts.soname or ""))
        if facts.interpreter and not self.add(facts.interpreter):
            self.lacks(facts.interpreter, path)
        origin = path.rpartition("/")[0]
        search = [
            part.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for part in facts.search
        ]
        for name in facts.needed:
            if not self._library(name, search):
                self._unresolved.setdefault(name, path)
        for note in facts.dlopen:
            self._dlopen(note, search, path)

    def _dlopen(self, note: elf.Dlopen, search: list[str], path: str) -> None:
        required = note.priority == "required" or note.feature in self._libraries
        if not required and note.feature not in self._wanted_libraries:
            return
        found = any(self._library(name, search) for name in note.sonames)
        if not found and required:
            self._unresolved.setdefault(note.sonames[0], path)

    def _library(self, name: str, search: list[str]) -> bool:
        if name in self._supplied:
            return True
        for folder in [*search, *self._folders]:
            if self.root.is_file(f"{folder}/{name}"):
                self._supplied.add(name)
                return self.add(f"{folder}/{name}")
        for folder in self._configured:
            if self.root.is_file(f"{folder}/{name}"):
                # The loader knows this folder by its cache only, which an initrd lacks.
                self.link(f"{self._folders[0]}/{name}", f"{folder}/{name}")
                self._supplied.add(name)
                return self.add(f"{folder}/{name}")
        return False


def _library_folders(root: Rooted) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders that the loader searches by itself, and those that its configuration adds."""
    multiarch = [
        f"/usr/lib/{name}" for name in root.names("/usr/lib") if name.endswith("-linux-gnu")
    ]
    known = [*multiarch, "/usr/lib64", "/usr/lib"]
    folders = [folder for folder in known if root.is_directory(folder)]
    folders.sort(key=lambda folder: not root.is_file(f"{folder}/libc.so.6"))
    configured: list[str] = []
    for name in root.names("/etc/ld.so.conf.d"):
        for line in (root.text(f"/etc/ld.so.conf.d/{name}") or "").splitlines():
            folder = line.partition("#")[0].strip()
            if folder.startswith("/") and folder not in configured:
                configured.append(folder)
    return tuple(folders), tuple(configured)
