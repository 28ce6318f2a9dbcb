"""Draws docs/reference/tried.md: which format was booted in which way and on which architecture, by
which test, what is proven of each format, and why what is not there is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from shown import ELSEWHERE, ROOT, UNTRIED, Proof, Shown, Untried, Way, collected

from dockyard.formats.registry import Holds, holding
from dockyard.model.architecture import Architecture

PAGE = ROOT / "docs/reference/tried.md"
_HEAD = """\
# What was tried, and in which ways

Made from the tests by `scripts/generate-docs`. **boots**: an image is built, booted in a virtual
machine and asked from inside whether all that its file says is so. **boots, long**: so does a test
that `make test-long` runs. **as raw**: the disk in it is that of the format raw, byte for byte, as
the table of formats has it, so that it boots in whatever way that one does. A number leads to the
reason why something is not tried here.

"""
_DISK_WAYS = tuple(way for way in Way if way.of_disk)
_LIVE_WAYS = tuple(way for way in Way if not way.of_disk)
_NOT_PROOFS = (Proof.JUDGED, Proof.SAME_DISK)

Cell = Callable[[str, str], str]


class Page:
    """The page that is made of what tests show. holes: cells that have neither a test nor a reason;
    stale: reasons for cells that have a test, or for none.
    """

    def __init__(self, shown: Sequence[Shown]) -> None:
        self.shown = shown
        self.holes: list[str] = []
        self._used: dict[Untried, int] = {}
        self.text = "".join(self._lines())
        self.stale = [each.reason for each in UNTRIED if each not in self._used]

    def _lines(self) -> Iterator[str]:
        yield _HEAD
        for architecture in Architecture:
            yield f"## Boots on {architecture}\n\n"
            yield from self._boots(architecture, holding(Holds.DISK), _DISK_WAYS, "format")
            yield from self._boots(architecture, holding(Holds.LIVE), _LIVE_WAYS, "format")
        yield "## Formats\n\n"
        yield from self._formats()
        yield "## Root file systems and distributions\n\n"
        yield "In any format and on any architecture.\n\n"
        for name in ("file_system", "distribution"):
            yield from self._kinds(name)
        yield "## Not tried here, and why\n\n"
        for reason, number in self._used.items():
            yield f"{number}. {reason.reason}\n"
        yield "\nPrograms and machines that are not here, and what stands for them:\n\n"
        yield "".join(f"- {each}\n" for each in ELSEWHERE)
        yield "\n## The tests\n\n"
        yield from self._tests()

    def _boots(
        self, architecture: Architecture, formats: Sequence[str], ways: Sequence[Way], title: str
    ) -> Iterator[str]:
        def cell(format: str, way: str) -> str:
            found = [each for each in self._of(format=format, way=way, architecture=architecture)
                     if each.boots]  # fmt: skip
            if found:
                return _boots(found)
            raw = any(each.boots for each in self._of(
                format="raw", way=way, architecture=architecture))  # fmt: skip
            if raw and self._proven(format, Proof.SAME_DISK):
                return "as raw"
            reason = self._reason(format=format, way=way, architecture=architecture)
            return self._numbered(reason, f"{format}, {way}, {architecture}")

        yield from _table(title, formats, ways, cell)

    def _formats(self) -> Iterator[str]:
        proofs = [each for each in Proof if each not in _NOT_PROOFS]

        def cell(format: str, column: str) -> str:
            if column == "its disk":
                if format == "raw" or format not in holding(Holds.DISK):
                    return ""
                found = self._proven(format, Proof.SAME_DISK)
            elif column == Proof.JUDGED:
                judges = dict.fromkeys(each.judge for each in self._of(format=format) if each.judge)
                if judges:
                    return ", ".join(judges)
                found = []
            else:
                found = self._proven(format, Proof(column))
            if found:
                return "yes" if any(not each.seldom for each in found) else "yes, long"
            reason = self._reason(format=format, proof=column)
            return self._numbered(reason, f"{format}, {column}")

        columns = [Proof.JUDGED, *proofs, "its disk"]
        yield from _table("format", holding(*Holds), columns, cell)

    def _kinds(self, name: str) -> Iterator[str]:
        shown = [each for each in self.shown if each.boots]
        kinds = sorted({getattr(each, name) for each in shown})

        def cell(kind: str, way: str) -> str:
            return _boots([each for each in shown
                           if getattr(each, name) == kind and each.way == way])  # fmt: skip

        yield from _table(name.replace("_", " "), kinds, tuple(Way), cell)

    def _tests(self) -> Iterator[str]:
        boots: dict[str, set[str]] = {}
        proofs: dict[str, set[str]] = {}
        for each in self.shown:
            if each.boots:
                key = f"{each.format}: {each.way}, {each.architecture}"
                boots.setdefault(key, set()).add(each.test)
            for proof in each.proofs:
                said = each.judge if proof is Proof.JUDGED else ""
                key = f"{each.format}: {proof}{' ' if said else ''}{said}"
                proofs.setdefault(key, set()).add(each.test)
        for found in (boots, proofs):
            for key in sorted(found):
                yield f"- {key}: {', '.join(f'`{test}`' for test in sorted(found[key]))}\n"
            yield "\n" if found is boots else ""

    def _of(self, **wanted: str) -> list[Shown]:
        return [each for each in self.shown
                if all(getattr(each, name) == value for name, value in wanted.items())]  # fmt: skip

    def _proven(self, format: str, proof: Proof) -> list[Shown]:
        return [each for each in self._of(format=format) if proof in each.proofs]

    def _reason(self, **cell: str) -> Untried | None:
        return next((each for each in UNTRIED if each.fits(**cell)), None)

    def _numbered(self, reason: Untried | None, hole: str) -> str:
        if reason is None:
            self.holes.append(hole)
            return "?"
        return f"({self._used.setdefault(reason, len(self._used) + 1)})"


def _boots(found: Sequence[Shown]) -> str:
    if not found:
        return ""
    return "boots" if any(not each.seldom for each in found) else "boots, long"


def _table(title: str, rows: Iterable[str], columns: Sequence[str], cell: Cell) -> Iterator[str]:
    yield f"| {title} | {' | '.join(columns)} |\n| --- |{' --- |' * len(columns)}\n"
    for row in rows:
        yield f"| {row} | {' | '.join(cell(row, column) for column in columns)} |\n"
    yield "\n"


if __name__ == "__main__":
    PAGE.write_text(Page(collected()).text)
    print(PAGE.relative_to(ROOT))
