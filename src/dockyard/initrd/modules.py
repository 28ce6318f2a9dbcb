"""Chooses kernel modules with all that they depend on, and writes the indexes for just those.

Reads modules.dep (its order and paths are what modprobe(8) uses) and modules.builtin of the root,
and of every chosen module its `.modinfo` section: soft dependencies and aliases. Modules are stored
decompressed, so that the initrd's own compression sees their text and no decompressor is needed.
"""

from __future__ import annotations

import lzma
import struct
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockyard.errors import DockyardError, Problem
from dockyard.initrd import elf, kmod_index
from dockyard.initrd.rooted import Rooted

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

FOLDER = "/usr/lib/modules"
_DAMAGE = (lzma.LZMAError, zlib.error, zstd.ZstdError, struct.error, IndexError, ValueError)
_LARGEST = 1 << 30  # bytes of a module, with all that debuggers want to know
_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")


@dataclass(frozen=True, slots=True)
class KernelModule:
    """A chosen module: name (with underscores), path below the kernel's folder without the suffix
    of a compression, the names that it depends on, its content and what `.modinfo` says.
    """

    name: str
    path: str
    depends: tuple[str, ...]
    data: bytes
    info: tuple[tuple[str, str], ...]

    def values(self, key: str) -> list[str]:
        return [value for name, value in self.info if name == key]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Modules in order of their names, and the wanted names that the kernel does not know."""

    modules: tuple[KernelModule, ...]
    missing: tuple[str, ...]


class Kernel:
    """The modules of one kernel version in a root."""

    def __init__(self, root: Rooted, version: str) -> None:
        self._root = root
        self.folder = f"{FOLDER}/{version}"
        listing = root.text(f"{self.folder}/modules.dep")
        if listing is None:
            raise DockyardError(_no_modules(root, version))
        self._paths: dict[str, str] = {}
        self._depends: dict[str, tuple[str, ...]] = {}
        for line in listing.splitlines():
            path, _, needs = line.partition(":")
            name = module_name(path)
            self._paths.setdefault(name, path)
            self._depends.setdefault(name, tuple(module_name(need) for need in needs.split()))
        builtin = root.text(f"{self.folder}/modules.builtin") or ""
        self.builtin = tuple(sorted({module_name(path) for path in builtin.split()}))
        self._aliases = self._plain_aliases()

    def choose(self, names: Iterable[str]) -> Chosen:
        """The modules of these names and of all that they depend on, hard and soft."""
        pending = [module_name(name) for name in names]
        found: dict[str, KernelModule] = {}
        missing: set[str] = set()
        built_in = frozenset(self.builtin)
        soft: set[str] = set()
        while pending:
            name = pending.pop()
            if name in found or name in built_in:
                continue
            if name not in self._paths:
                pending += self._aliases.get(name, ())
                if name not in soft and name not in self._aliases:
                    missing.add(name)
                continue
            module = self._load(name)
            found[name] = module
            wanted = [module_name(other) for other in _soft(module)]
            soft.update(wanted)
            pending += [*module.depends, *wanted]
        return Chosen(
            tuple(found[name] for name in sorted(found)), tuple(sorted(missing - found.keys()))
        )

    def _plain_aliases(self) -> dict[str, list[str]]:
        """Aliases without a pattern, such as `crc32c`, by which soft dependencies name modules."""
        aliases: dict[str, list[str]] = {}
        for line in (self._root.text(f"{self.folder}/modules.alias") or "").splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == "alias" and not set(words[1]) & set("*?[:"):
                aliases.setdefault(words[1].replace("-", "_"), []).append(words[2])
        return aliases

    def builtin_aliases(self) -> list[kmod_index.Item]:
        """The aliases of what is built in, from modules.builtin.modinfo (`name.key=value`)."""
        content = self._root.read(f"{self.folder}/modules.builtin.modinfo") or b""
        items: list[kmod_index.Item] = []
        for text in content.split(b"\0"):
            name, _, fact = text.partition(b".")
            key, _, value = fact.partition(b"=")
            if key == b"alias":
                items.append((kmod_index.normal(value), 0, name))
        return items

    def _load(self, name: str) -> KernelModule:
        path = self._paths[name]
        content = self._root.read(f"{self.folder}/{path}")
        if content is None:
            raise DockyardError(
                Problem(
                    code="initrd.module-missing",
                    what=f"the kernel module {path} is listed in modules.dep but is not there",
                    where=self.folder,
                    fix="the kernel package is damaged: reinstall it, or run depmod again",
                )
            )
        try:
            data = _decompressed(path, content)
            info = elf.section(data, b".modinfo") or b""
        except _DAMAGE as error:
            raise DockyardError(
                Problem(
                    code="initrd.module-damaged",
                    what=f"the kernel module {path} is damaged",
                    where=self.folder,
                    why=str(error),
                    fix="reinstall the kernel package",
                )
            ) from error
        plain = path[: path.index(".ko") + 3]
        pairs = [text.partition("=") for text in info.decode(errors="replace").split("\0") if text]
        return KernelModule(
            name,
            plain,
            self._depends[name],
            data,
            tuple((key, value) for key, _, value in pairs),
        )


def module_name(path: str) -> str:
    """A module's name as the kernel has it: of a path or a name, with underscores."""
    name = path.rpartition("/")[2]
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name.replace("-", "_")


def _soft(module: KernelModule) -> list[str]:
    """The names in the soft dependencies of a module (`softdep=pre: a b post: c`)."""
    return [
        word
        for text in module.values("softdep")
        for word in text.split()
        if word not in ("pre:", "post:")
    ]


def _decompressed(path: str, content: bytes) -> bytes:
    """The module in a file, which may come from an image that a stranger made."""
    unpacked: lzma.LZMADecompressor | zstd.ZstdDecompressor | zlib._Decompress
    if path.endswith(".xz"):
        unpacked = lzma.LZMADecompressor(memlimit=_LARGEST)
    elif path.endswith(".zst"):
        unpacked = zstd.ZstdDecompressor()
    elif path.endswith(".gz"):
        unpacked = zlib.decompressobj(wbits=31)
    else:
        return content
    found = unpacked.decompress(content, _LARGEST)
    if not unpacked.eof:
        raise ValueError(f"it is cut short, or holds more than {_LARGEST >> 20} MiB")
    return found


def _no_modules(root: Rooted, version: str) -> Problem:
    there = [name for name in root.names(FOLDER) if root.is_directory(f"{FOLDER}/{name}")]
    if version in there:
        return Problem(
            code="initrd.no-module-index",
            what=f"{FOLDER}/{version} has no modules.dep",
            where="initrd",
            fix="run depmod for this kernel when the root is made",
        )
    return Problem(
        code="initrd.no-kernel",
        what=f"the image has no modules of the kernel {version}",
        where="initrd",
        why=f"it has those of: {', '.join(there)}" if there else "it has none of any kernel",
        fix="install a kernel package",
    )


def indexes(kernel: Kernel, chosen: tuple[KernelModule, ...]) -> dict[str, bytes]:
    """The index files for the chosen modules and the kernel's built-in ones, by their names."""
    paths = {module.name: module.path for module in chosen}
    depends: list[kmod_index.Item] = []
    aliases: list[kmod_index.Item] = []
    for priority, module in enumerate(chosen):
        needs = [paths[name] for name in module.depends if name in paths]
        line = f"{module.path}:{''.join(f' {path}' for path in needs)}"
        depends.append((module.name.encode(), priority, line.encode()))
        for alias in module.values("alias"):
            key = kmod_index.normal(alias.encode())
            aliases.append((key, priority, module.name.encode()))
    softdeps = [
        f"softdep {module.name} {text}\n" for module in chosen for text in module.values("softdep")
    ]
    return {
        "modules.dep.bin": kmod_index.index(depends),
        "modules.alias.bin": kmod_index.index(aliases),
        "modules.symbols.bin": kmod_index.index(()),
        "modules.builtin.bin": kmod_index.index((name.encode(), 0, b"") for name in kernel.builtin),
        "modules.builtin.alias.bin": kmod_index.index(kernel.builtin_aliases()),
        "modules.softdep": "".join(softdeps).encode(),
    }
