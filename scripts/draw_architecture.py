"""Draws the pictures of docs/architecture.md, and writes its table of rooms.

What the house looks like comes from the code: floors from the contract of import-linter in
pyproject.toml, a room's words from the first sentence of its package, its arrows from its imports.
The steps of a build are placed here by hand; a test compares their names and arrows with a plan.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
ROOMS, BUILD = ROOT / "docs/images/rooms.svg", ROOT / "docs/images/build.svg"
BEGIN, END = "<!-- rooms: written by scripts/generate-docs -->", "<!-- end of rooms -->"

_STYLE = """
    .paper { fill: #ffffff; } .frame { fill: #f6f8fa; stroke: #8794a1; }
    .box { fill: #ffffff; stroke: #4d6173; } .file { fill: #fff6dc; stroke: #97731a; }
    .end { fill: #e4f4e9; stroke: #2f7d4f; } .set { fill: #e6effa; stroke: #35659c; }
    text { fill: #1d2731; } .small { font-size: 12px; fill: #45525f; }
    .name { font-weight: 600; } .code { font-family: monospace; font-size: 12px; fill: #45525f; }
    .mid { text-anchor: middle; }
    .arrow { stroke: #4d6173; stroke-width: 1.4; fill: none; marker-end: url(#head); }
    .head { fill: #4d6173; }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #14191f; } .frame { fill: #1b222a; stroke: #667585; }
      .box { fill: #242e38; stroke: #8fa3b6; } .file { fill: #3a3116; stroke: #c9a648; }
      .end { fill: #183524; stroke: #62b585; } .set { fill: #1c2f45; stroke: #7fabde; }
      text { fill: #e8edf2; } .small, .code { fill: #b6c2cd; }
      .arrow { stroke: #a9b8c6; } .head { fill: #a9b8c6; }
    }
""".strip("\n")


# --- the house ---


def floors() -> list[list[str]]:
    """The rooms of each floor, from the roof down, as pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [each["layers"] for each in settings["contracts"] if each["type"] == "layers"]
    return [[name.strip().removeprefix("dockyard.") for name in row.split("|")] for row in layers]


def owned(room: str) -> str:
    """What a room owns: the first sentence of its package, without its own name."""
    place = ROOT / "src/dockyard" / room / "__init__.py"
    text = ast.get_docstring(
        ast.parse((place if place.exists() else place.parent.with_suffix(".py")).read_text())
    )
    first = re.split(r"(?<=[.:])\n\n|\n\n|(?<=\.)\s", text or "")[0].replace("\n", " ").rstrip(".")
    words = re.sub(rf"^(the )?{room}: ", "", first, flags=re.IGNORECASE)
    return words[0].upper() + words[1:]


def module_imports() -> dict[str, set[str]]:
    """For each module of Dockyard those that it imports, also for types and within functions."""
    source = ROOT / "src"
    trees = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): (
            ast.parse(path.read_text())
        )
        for path in source.rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for module, tree in trees.items():
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                # A module of a package, or something that is in the module.
                whole = {f"{node.module}.{each.name}" for each in node.names}
                names |= {name if name in trees else node.module for name in whole}
        found[module] = (names & trees.keys()) - {module}
    return found


def imported() -> dict[str, list[str]]:
    """For each room those that it imports today, in the order of the floors."""
    order = [room for floor in floors() for room in floor]
    found: dict[str, set[str]] = {room: set() for room in order}
    for module, others in module_imports().items():
        for other in others:
            one, two = (f"{name}..".split(".")[1] for name in (module, other))
            if one in found and two in found and one != two:
                found[one].add(two)
    return {room: sorted(rooms, key=order.index) for room, rooms in found.items()}


def rooms_table() -> str:
    """The rooms as a table in Markdown."""
    uses = imported()
    rows = ["| floor | room | owns | imports today |", "| --- | --- | --- | --- |"]
    for number, floor in enumerate(reversed(floors())):
        for room in floor:
            below = ", ".join(f"`{name}`" for name in uses[room])
            rows.insert(2, f"| {number} | `{room}` | {owned(room)} | {below} |")
    return "\n".join(rows)


def rooms_picture() -> str:
    """The house: a floor per layer."""
    width, gap, left = 980, 10, 24
    drawn, y = [], 76
    roof = f"M{left - 12} {y - 8}L{width / 2} 14L{width - left + 12} {y - 8}Z"
    drawn.append(f'<path class="frame" d="{roof}"/>')
    drawn.append(_text(width / 2, 52, "dockyard", "mid name"))
    for floor in floors():
        room_width = (width - 2 * left - gap * (len(floor) - 1)) / len(floor)
        words = {room: textwrap.wrap(owned(room), int((room_width - 20) / 6.8)) for room in floor}
        height = 34 + 15 * max(map(len, words.values()))
        for index, room in enumerate(floor):
            x = left + index * (room_width + gap)
            drawn.append(_rect("box", x, y, room_width, height))
            drawn.append(_text(x + 12, y + 20, room, "name"))
            for line, text in enumerate(words[room]):
                drawn.append(_text(x + 12, y + 38 + 15 * line, text, "small"))
        y += height + gap
    rule = (
        "A room may import the floors below its own; rooms of one floor do not import each other."
    )
    drawn.append(_text(width / 2, y + 16, rule, "small mid"))
    label = "The rooms of Dockyard, floor by floor: " + "; ".join(
        ", ".join(floor) for floor in floors()
    )
    return _svg(width, y + 32, label, drawn)


# --- a build ---


class Box(NamedTuple):
    """A step of the picture, by its name in a plan; capitals stand for a package or a key."""

    name: str
    column: int
    row: float
    words: str


STEPS = (
    Box("tools", 0, 0, "programs, unpacked"),
    Box("fetch", 0, 1, "what the lock pins"),
    Box("unpack-PACKAGE", 0, 2, "each once, shared"),
    Box("database", 0, 3, "of rpm, canonical"),
    Box("modules-selection", 0, 4, "what an index is of"),
    Box("modules-index", 0, 5, "as depmod makes it"),
    Box("packages", 1, 2, "all in one tree"),
    Box("boot-settings", 2, 1, "what shapes the boot"),
    Box("settings", 2, 2, "what does not"),
    Box("scripts", 2, 3, "postCustomization"),
    Box("final-scripts", 2, 4, "finalizeCustomization"),
    Box("boot-root", 3, 1, "merged for booting"),
    Box("root", 3, 4, "the canonical archive"),
    Box("expected", 3, 5, "what checks will find"),
    Box("kernel", 4, 0, "taken from the root"),
    Box("initrd", 4, 1, "put together"),
    Box("uki", 4, 2, "one EFI program"),
    Box("manifest", 4, 5, "every file, its digest"),
    Box("filesystem-KEY", 5, 3, "one per partition"),
    Box("proof-KEY", 5, 4, "read back, if asked"),
    Box("swap-KEY", 5, 5, "one per partition"),
)
# Whose result goes into which: the ones that a reader follows; what tools go into is left out.
ARROWS = (
    ("fetch", "unpack-PACKAGE"),
    ("unpack-PACKAGE", "database"),
    ("modules-selection", "modules-index"),
    ("unpack-PACKAGE", "packages"),
    ("database", "packages"),
    ("modules-index", "packages"),
    ("packages", "boot-settings"),
    ("boot-settings", "settings"),
    ("settings", "scripts"),
    ("scripts", "final-scripts"),
    ("boot-settings", "boot-root"),
    ("final-scripts", "root"),
    ("boot-root", "kernel"),
    ("boot-root", "initrd"),
    ("boot-root", "uki"),
    ("initrd", "uki"),
    ("uki", "filesystem-KEY"),
    ("root", "filesystem-KEY"),
    ("root", "manifest"),
    ("root", "expected"),
    ("filesystem-KEY", "proof-KEY"),
)
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _LEFT, _TOP = 150, 46, 182, 68, 44, 268


def build_picture() -> str:
    """One build's way, from the image file to a checked guest."""
    places = {
        box.name: (_LEFT + box.column * _ACROSS, _TOP + int(box.row * _DOWN)) for box in STEPS
    }
    drawn = [*_request(), _rect("frame", 24, 222, 1100, 452)]
    drawn.append(_text(40, 246, "engine.run: run_plan", "name"))
    drawn.append(
        _text(
            220,
            246,
            "a box is a step, by its name in a plan; a step whose inputs came out as they were is "
            "answered, not run",
            "small",
        )
    )
    for before, after in ARROWS:
        drawn.append(_arrow(_between(places[before], places[after])))
    for box in STEPS:
        x, y = places[box.name]
        drawn += _titled("box", x, y, _WIDTH, _HEIGHT, box.name, box.words)
    drawn += _written()
    label = (
        "image.yaml and image.lock become a request of source, settings, layout and output; that "
        "becomes steps; the engine runs those that have no result; the format writes the image; "
        "a guest is asked whether every setting holds"
    )
    return _svg(1148, 792, label, drawn)


def _request() -> Iterator[str]:
    """From the files of the user to a plan."""
    files = (
        ("image.yaml", "with its base configs"),
        ("image.lock", "packages and tools"),
        ("distro.yaml", "repositories, keys"),
    )
    for index, (name, words) in enumerate(files):
        yield from _titled("file", 24, 20 + 62 * index, 152, 50, name, words)
    yield from _titled("box", 222, 20, 190, 50, "model", "config.load: load_image")
    yield _arrow("M176 45H218")
    yield _rect("frame", 460, 20, 288, 174)
    yield _text(604, 41, "ImageRequest", "name mid")
    yield _text(604, 58, "pipeline.from_packages: read_request", "code mid")
    parts = (
        ("source", "packages"),
        ("settings", "one module each"),
        ("layout", "partitions, ids"),
        ("output", "format, its parts"),
    )
    for index, (name, words) in enumerate(parts):
        x, y = 472 + index % 2 * 136, 72 + index // 2 * 60
        yield from _titled("set", x, y, 128, 50, name, words)
    yield _arrow("M412 45H456")
    yield _arrow("M176 107H456")
    yield _arrow("M176 169H456")
    yield from _titled("box", 806, 20, 318, 50, "steps", "pipeline.image: image_steps")
    yield from _titled("box", 806, 114, 318, 50, "plan", "engine.plan: make_plan")
    yield _text(965, 184, "what runs, what is reused, and why", "small mid")
    yield _arrow("M748 45H802")
    yield _arrow("M965 70V110")
    yield _arrow("M965 190V218")


def _written() -> Iterator[str]:
    """What the image is written from, and what becomes of it."""
    y = 722
    yield from _titled("file", 846, y, 278, 50, "manifest", "of every file in the image")
    yield from _titled("end", 330, y, 290, 50, "image", "pipeline.artefact: write_image")
    yield from _titled("end", 24, y, 226, 50, "verdict of boot --check", "vm.guest: ask")
    yield _arrow(f"M475 674V{y - 4}")
    yield _text(487, 702, "the parts that its format needs", "small")
    yield _arrow(f"M985 674V{y - 4}")
    yield _arrow(f"M330 {y + 25}H254")
    yield _arrow(f"M137 674V{y - 4}")
    yield _text(149, 702, "what checks are to find", "small")


def _between(one: tuple[int, int], two: tuple[int, int]) -> str:
    """A path from a box to one beside or below it."""
    (x, y), (to_x, to_y) = one, two
    if x == to_x:
        return f"M{x + _WIDTH / 2} {y + _HEIGHT}V{to_y - 4}"
    start, end = (x + _WIDTH, y + _HEIGHT / 2), (to_x - 4, to_y + _HEIGHT / 2)
    middle = end[0] - 16
    return f"M{start[0]} {start[1]}H{middle - 4}L{middle + 6} {end[1]}H{end[0]}"


# --- elements ---


def _svg(width: int, height: int, label: str, drawn: Iterable[str]) -> str:
    body = "\n".join(f"  {line}" for line in drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="14" role="img" aria-label="{escape(label)}">\n'
        f"  <style>\n{_STYLE}\n  </style>\n"
        '  <defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>\n'
        f'  <rect class="paper" width="{width}" height="{height}"/>\n{body}\n</svg>\n'
    )


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _arrow(path: str) -> str:
    return f'<path class="arrow" d="{path}"/>'


def _titled(
    kind: str, x: float, y: float, width: float, height: float, name: str, words: str
) -> Sequence[str]:
    """A box with its name and a line below."""
    middle = x + width / 2
    small = "code mid" if ": " in words and "," not in words else "small mid"
    return (
        _rect(kind, x, y, width, height),
        _text(middle, y + height / 2 - 3, name, "name mid"),
        _text(middle, y + height / 2 + 15, words, small),
    )


def page_with_table(page: str) -> str:
    """The page with its table as it is to be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rooms_table()}\n\n{END}{after}"


def main() -> None:
    """Write the pictures and the table."""
    ROOMS.write_text(rooms_picture())
    BUILD.write_text(build_picture())
    PAGE.write_text(page_with_table(PAGE.read_text()))
    for path in (ROOMS, BUILD, PAGE):
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
