"""Reads the fenced blocks of the documentation, with the HTML comment that says what each is.

Marks, on the line before a fence (a block may be indented, as in a list):

    <!-- fragment of: os -->            YAML: goes below this key of an image file
    <!-- file: DIRECTORY/image.yaml --> YAML: a whole image file, which the tutorial's reader writes
    <!-- add to: FILE KEY -->           YAML: added below KEY at the end of that file
    <!-- distro: component -->          YAML: a distribution's file, see KINDS of the tests
    <!-- inject files -->               YAML: the file of `inject-files`
    <!-- other -->                      YAML of another program
    <!-- distro: components in FILE --> YAML: components that the reader of a how-to adds to it
    <!-- not run: REASON -->            shell: parsed, but not run with the tutorial or the how-to

YAML without a mark is a whole image file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(
    r"^(?:[ ]*<!-- (?P<mark>[^>]+?) -->\n)?"
    r"(?P<indent>[ ]*)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_INLINE = re.compile(r"`(dockyard [^`…]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block. line: of its fence, from 1."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def marked(self, kind: str) -> str | None:
        """What follows a kind of mark; None when the block has another one or none."""
        found, _, rest = self.mark.partition(":")
        return rest.strip() if found == kind else None


def blocks(*pages: Path) -> Iterator[Block]:
    """All fenced blocks of the pages, in order."""
    for page in pages or PAGES:
        text = page.read_text()
        for found in _FENCE.finditer(text):
            line = text.count("\n", 0, found.start("language")) + 1
            mark = found["mark"] or ""
            body = re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
            yield Block(page, line, found["language"], mark, body)


def shell_lines(block: Block) -> list[str]:
    """The commands of a shell block, or of the prompts of a console block."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line[2:] for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.startswith("#")]


def dockyard_words(line: str) -> list[str] | None:
    """The words after `dockyard` of a shell command, without redirections; None for another."""
    words = shlex.split(line)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    if not words or words[0].rpartition("/")[2] != "dockyard":
        return None
    end = next(
        (at for at, word in enumerate(words) if word in ("|", ">", ">>", "2>", "&&")), len(words)
    )
    return words[1:end]


def commands() -> list[tuple[str, str]]:
    """Where and what: every command of Dockyard in the shell blocks of the pages."""
    return [
        (str(block), line)
        for block in blocks()
        if block.language in ("sh", "console")
        for line in shell_lines(block)
        if dockyard_words(line) is not None
    ]


def mentions() -> list[tuple[str, str]]:
    """Where and what: every command in a sentence, which may leave its arguments out."""
    return [
        (str(page.relative_to(ROOT)), text)
        for page in PAGES
        if "reference" not in page.parts
        for text in _INLINE.findall(_FENCE.sub("", page.read_text()))
    ]
