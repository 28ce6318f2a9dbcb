"""Paths inside a root: nothing that an image or a user names leads out of it.

`InRoot` is the only way in which a step touches a path that a user or an image names. Every path
is resolved by the kernel with openat2(2) and RESOLVE_IN_ROOT: `..` and absolute symbolic links
stay inside the root. The last component is never followed: writing to a symbolic link replaces it,
as install(1) does.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from dockyard.errors import DockyardError, Problem
from dockyard.host import kernel
from dockyard.host.files import require_regular

LARGEST = 1 << 30
"""The most bytes of a file that are read at once."""

_NO_FILE = {
    errno.ELOOP: "its links run in circles",
    errno.ENXIO: "it is a socket; a regular file is wanted",
}
_LONGEST_NAME = 255
_RESOLVE = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS


class InRoot:
    """A directory as the root of all paths. Paths are absolute or relative; both start at the
    root.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> InRoot:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def read(self, path: str) -> bytes:
        """The content of a file; symbolic links are followed inside the root. Raises OSError, and
        DockyardError for what is no regular file, or is larger than `LARGEST`.
        """
        # A FIFO would have us wait for a writer.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
        try:
            descriptor = kernel.openat2(self._root, _encode(path), flags, resolve=_RESOLVE)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # so nothing has that name
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
            if error.errno not in _NO_FILE:
                raise
            raise DockyardError(_not_read(path, _NO_FILE[error.errno])) from error
        try:
            require_regular(os.fstat(descriptor), LARGEST)
        except OSError as error:
            os.close(descriptor)
            raise DockyardError(_not_read(path, error.strerror or "")) from error
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def read_text(self, path: str, default: str = "") -> str:
        """The text of a file, or the default when it does not exist."""
        try:
            return self.read(path).decode(errors="surrogateescape")
        except FileNotFoundError:
            return default

    def read_link(self, path: str) -> str:
        """The target of a symbolic link. Raises OSError."""
        with self._parent(path) as (directory, name):
            return os.readlink(name, dir_fd=directory)

    def directory(self, path: str) -> str:
        """The plain path of a directory, relative to the root: without links. Raises OSError."""
        found = self._directory(path)
        try:
            whole, root = (Path(f"/proc/self/fd/{it}").readlink() for it in (found, self._root))
        finally:
            os.close(found)
        return str(whole.relative_to(root))

    def lstat(self, path: str) -> os.stat_result | None:
        """The attributes of a path, its last component not followed; None when it does not
        exist.
        """
        try:
            with self._parent(path) as (directory, name):
                return os.stat(name or ".", dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, path: str) -> list[str]:
        """The sorted names in a directory; empty when there is none."""
        try:
            descriptor = self._directory(path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return []
        try:
            with os.scandir(descriptor) as found:
                return sorted(entry.name for entry in found)
        finally:
            os.close(descriptor)

    def write(
        self,
        path: str,
        data: bytes | Iterable[bytes],
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
    ) -> None:
        """Write a file, whole; missing directories above it are made, 0755 and root's. data: the
        content, at once or in pieces.
        """
        self.make_directories(str(PurePosixPath(path).parent))
        with self._parent(path) as (directory, name):
            self._require_name(path, name)
            part = self._free_part(directory, name)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(part, flags, 0o600, dir_fd=directory)
            with os.fdopen(descriptor, "wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
                os.fchown(file.fileno(), uid, gid)
                os.fchmod(file.fileno(), mode)
            self._take_place(path, directory, part, name)

    def make_directories(self, path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        """Make a directory and those above it; the given attributes go to those that are made."""
        _require_possible(path)
        try:
            os.close(self._directory(path))
            return
        except OSError:
            pass  # something lacks, or is in the way: see what
        done = PurePosixPath("/")
        for part in PurePosixPath("/", path).parts[1:]:
            done = done / part
            try:
                os.close(self._directory(str(done)))
                continue
            except FileNotFoundError:
                pass
            except (NotADirectoryError, OSError) as error:
                raise self._not_a_directory(path, str(done)) from error
            with self._parent(str(done)) as (directory, name):
                try:
                    os.mkdir(name, 0o700, dir_fd=directory)
                except FileExistsError as error:  # a symbolic link that leads nowhere
                    raise self._not_a_directory(path, str(done)) from error
                os.chown(name, uid, gid, dir_fd=directory)
                os.chmod(name, mode, dir_fd=directory)

    def symlink(self, path: str, target: str) -> None:
        """Make a symbolic link, in place of a file or link that is there."""
        self.make_directories(str(PurePosixPath(path).parent))
        with self._parent(path) as (directory, name):
            self._require_name(path, name)
            part = self._free_part(directory, name)
            os.symlink(target, part, dir_fd=directory)
            os.chown(part, 0, 0, dir_fd=directory, follow_symlinks=False)
            self._take_place(path, directory, part, name)

    def remove(self, path: str) -> None:
        """Remove a file or link; nothing happens when it is not there."""
        try:
            with self._parent(path) as (directory, name):
                self._require_name(path, name)
                os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            return

    def remove_all(self, path: str) -> None:
        """Remove a file or link, or a directory with all below it; nothing happens when it is not
        there.
        """
        found = self.lstat(path)
        if found is None or not stat.S_ISDIR(found.st_mode):
            self.remove(path)
            return
        for name in self.names(path):
            self.remove_all(f"{path}/{name}")
        with self._parent(path) as (directory, name):
            self._require_name(path, name)
            os.rmdir(name, dir_fd=directory)

    def set_attributes(self, path: str, *, mode: int, uid: int, gid: int) -> None:
        """Set owner and mode of a file or directory; a symbolic link at the end is not followed."""
        with self._parent(path) as (directory, name):
            name = name or "."  # the root itself
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            os.chown(name, uid, gid, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISLNK(found.st_mode):
                os.chmod(name, mode, dir_fd=directory)

    def _directory(self, path: str, flags: int = os.O_PATH) -> int:
        return kernel.openat2(self._root, _encode(path), flags | os.O_DIRECTORY, resolve=_RESOLVE)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the directory that holds a path, and the path's last name in it."""
        clean = PurePosixPath("/", path)
        if ".." in (clean.name,):
            raise DockyardError(Problem("tree.path", f"{path} does not end in a name"))
        _require_possible(path)
        descriptor = self._directory(str(clean.parent), os.O_RDONLY)
        try:
            yield descriptor, clean.name
        finally:
            os.close(descriptor)

    @staticmethod
    def _free_part(directory: int, name: str) -> str:
        """The name for what is made, before it takes its own; whatever had it is removed."""
        part = _part(name)
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=directory)
        return part

    @staticmethod
    def _take_place(path: str, directory: int, part: str, name: str) -> None:
        """Give a file or link that was just made its name."""
        try:
            os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
        except IsADirectoryError as error:
            os.unlink(part, dir_fd=directory)
            raise DockyardError(
                Problem(
                    "tree.is-a-directory",
                    f"{path} is a directory in the image; a file or link cannot take its place",
                    fix="write the whole path of what is to be there, its name included",
                )
            ) from error

    @staticmethod
    def _require_name(path: str, name: str) -> None:
        if not name:
            raise DockyardError(Problem("tree.path", f"{path} is the root directory itself"))

    @staticmethod
    def _not_a_directory(path: str, part: str) -> DockyardError:
        return DockyardError(
            Problem(
                "tree.not-a-directory",
                f"{path} cannot be made in the image: {part} is not a directory there",
                fix="choose another destination, or a package set without that file",
            )
        )


def _not_read(path: str, why: str) -> Problem:
    return Problem(
        "tree.not-a-file",
        f"{path} of the image cannot be read",
        why=why,
        fix="see which package or script makes it, and leave that out",
    )


def _part(name: str) -> str:
    """The name under which a file is written before it takes its own; short whatever the name."""
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.part"


def _require_possible(path: str) -> None:
    """Raise DockyardError for what no file system takes: NUL, and names over 255 bytes."""
    long = next((part for part in path.split("/") if len(os.fsencode(part)) > _LONGEST_NAME), None)
    if long is not None:
        raise DockyardError(
            Problem(
                "tree.path",
                f"the name {long[:40]}… has {len(os.fsencode(long))} bytes",
                why=f"a file system takes up to {_LONGEST_NAME} bytes in one name",
                fix="choose a shorter name",
            )
        )
    if "\0" in path:
        raise DockyardError(
            Problem("tree.path", f"{path!r} has a NUL character", fix="write it without")
        )


def _encode(path: str) -> bytes:
    return os.fsencode(str(PurePosixPath("/", path)))
