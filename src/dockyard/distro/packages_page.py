"""The reference page of a distribution's own packages: Markdown from their declarations.

A *group* is a package without files: whoever installs it gets what it requires.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from dockyard.distro.load import LoadedDistro
from dockyard.model.components import Package

_INTRODUCTION = """\
# The packages of {title}

Made from the declarations of the distribution. {title} has {imported} imported packages, which keep
the names that they have upstream, and {own} of its own.

## Groups

A group has no files: it brings the packages below and what those depend on. An image asks for one,
for `kernel`, and for what it needs beside them.
"""


def markdown(loaded: LoadedDistro) -> str:
    """The page: the groups with all that each brings, then the packages that have files."""
    groups = [package for package in loaded.packages if is_group(package)]
    names = {group.name for group in groups}
    others = [package for package in loaded.packages if package.name not in names]
    imported = sum(1 for _ in loaded.imports())
    own = len(loaded.packages)
    lines = [_INTRODUCTION.format(title=loaded.title, imported=imported, own=own), *_table(groups)]
    for group in groups:
        inside = [name for name in group.requires if name in names]
        single = [f"`{name}`" for name in group.requires if name not in names]
        lines += [f"### `{group.name}`", "", f"{group.summary}."]
        lines += [f"It has all of {_links(inside)}, and:"] if inside else []
        lines += ["", *_wrapped(", ".join(single)), ""]
    lines += ["## Packages that make it one system", "", *_table(others)]
    return "\n".join(lines).rstrip() + "\n"


def is_group(package: Package) -> bool:
    """Whether a package has nothing but requirements."""
    payload = (package.files, package.directories, package.links, package.ghost, package.users)
    return not any(payload)


def _links(names: Iterable[str]) -> str:
    return " and ".join(f"[`{name}`](#{name})" for name in names)


def _table(packages: Iterable[Package]) -> list[str]:
    rows = [
        f"| {_links([each.name]) if is_group(each) else f'`{each.name}`'} | {each.summary} |"
        for each in packages
    ]
    return ["| package | what it is |", "| --- | --- |", *rows, ""]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)
