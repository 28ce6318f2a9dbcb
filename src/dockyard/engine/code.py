"""Which code shapes what a function makes: its module, and all of Dockyard that this imports.

Found from the text of the modules, so that nothing is loaded for it; what is imported within a
function counts, what stands below `if TYPE_CHECKING:` does not. A change of the command line, or of
another step, leaves the digest as it is.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import dockyard

_PACKAGE = "dockyard"
_ROOT = Path(dockyard.__file__).parent
_IMPORT = re.compile(
    r"(?P<indent>[ \t]*)(?:"
    r"from[ ](?P<place>dockyard[\w.]*)[ ]import[ ](?:\((?P<many>[^)]*)\)|(?P<names>[^\n]*))"
    r"|import[ ](?P<plain>dockyard[\w.]*)"
    r"|if[ ](?P<types>TYPE_CHECKING\b)[^\n]*:)"
)
_NAME = re.compile(r"\w+")


@cache
def code_of(*modules: str) -> str:
    """SHA-256, in hex, over the sources of modules and of all that they import of Dockyard."""
    digest = hashlib.sha256()
    for name in sorted(frozenset().union(*map(closure, modules))):
        digest.update(f"{name}\0{_digest(name)}\0".encode())
    return digest.hexdigest()


@cache
def closure(module: str) -> frozenset[str]:
    """A module and all that it imports of Dockyard, packages that contain them among them."""
    found: set[str] = set()
    pending = [module]
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found.add(name)
        above = name.rpartition(".")[0]
        pending += [*_imports(name), *([above] if above else [])]
    return frozenset(found)


@cache
def _imports(module: str) -> tuple[str, ...]:
    text = _source(module).decode()
    found: list[str] = []
    hidden: int | None = None  # the indentation of an `if TYPE_CHECKING:` that goes on
    end = 0
    for match in _statements(text):
        indent = len(match["indent"])
        if hidden is not None and (indent <= hidden or _left(text[end : match.start()], hidden)):
            hidden = None
        end = match.end()
        if match["types"]:
            hidden = indent
        elif hidden is None:
            found += _named(match)
    return tuple(found)


def _statements(text: str) -> Iterator[re.Match[str]]:
    """The lines that import of Dockyard or hide what does; found by the words that they have, which
    takes a fraction of the time that looking at each line does.
    """
    end = 0
    for place in sorted(at for word in (_PACKAGE, "TYPE_CHECKING") for at in _places(text, word)):
        start = text.rfind("\n", 0, place) + 1
        if start >= end and (match := _IMPORT.match(text, start)):
            end = match.end()
            yield match


def _places(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


def _left(text: str, indent: int) -> bool:
    """Whether a block of this indentation ends in a text that follows it."""
    lines = (line for line in text.splitlines() if line.strip())
    return any(len(line) - len(line.lstrip()) <= indent for line in lines)


def _named(match: re.Match[str]) -> list[str]:
    if match["plain"]:
        return [match["plain"]]
    place = match["place"]
    text = re.sub(r"\bas[ ]\w+|#[^\n]*", "", match["many"] or match["names"] or "")
    names = [f"{place}.{name}" for name in _NAME.findall(text)]
    return [place, *(name for name in names if name in _modules())]


@cache
def _modules() -> dict[str, str]:
    """Where the source of each module of Dockyard is."""
    found: dict[str, str] = {}
    pending = [(_PACKAGE, str(_ROOT))]
    while pending:
        package, directory = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name
                if name == "__init__.py":
                    found[package] = entry.path
                elif name.endswith(".py"):
                    found[f"{package}.{name[:-3]}"] = entry.path
                elif "." not in name and name != "__pycache__" and entry.is_dir():
                    pending.append((f"{package}.{name}", entry.path))
    return found


@cache
def _source(module: str) -> bytes:
    path = _modules().get(module)
    if path is None:
        return b""
    with open(path, "rb", buffering=0) as file:
        return file.read()


@cache
def _digest(module: str) -> str:
    return hashlib.sha256(_source(module)).hexdigest()
