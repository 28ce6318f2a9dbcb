"""The images that one file stands for: one for each combination of its matrix, or one.

Every image is read for itself: what a variable's value makes of a file must be right each time.

Images that ask for the same packages share a lock. `web.yaml` has `web.lock`; where an axis of the
matrix, or a profile, changes what packages are asked for, its values stand in the name:
`web.minimal.lock`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import replace
from itertools import product
from pathlib import Path

from dockyard.config.decode import Decoder
from dockyard.config.load import LoadedImage, image_text, parse_image
from dockyard.config.report import Report
from dockyard.config.resources import package_names
from dockyard.config.source import Mapping, Node, Scalar, parse
from dockyard.config.source import Sequence as Items
from dockyard.config.span import Span
from dockyard.config.variables import NOTHING, Chosen
from dockyard.errors import DockyardError, Problem
from dockyard.model.nearest import nearest
from dockyard.model.variants import Matrix

_SHOWN = 12


def load_images(
    path: Path, chosen: Chosen = NOTHING, only: Sequence[str] = ()
) -> tuple[LoadedImage, ...]:
    """All images of a file, or those of the variants that are named. Raises DockyardError with
    every mistake of any, each once.

    chosen: what the command line chooses, for all of them.
    """
    return images_of(image_text(path), path, chosen, only)


def images_of(
    text: str, path: Path, chosen: Chosen = NOTHING, only: Sequence[str] = ()
) -> tuple[LoadedImage, ...]:
    """The same of the text of a file, as if it stood at a path."""
    found: list[LoadedImage] = []
    variants, wrong = _variants(text, path, chosen, only)
    problems = dict.fromkeys(wrong)
    for each in variants:
        try:
            found.append(parse_image(text, str(path), each))
        except DockyardError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise DockyardError(*problems)
    locked = tuple(_with_locks(found, text))
    _require_own_locks(locked)
    return tuple(each for each in locked if not only or each.chosen.variant in only)


def load_one(path: Path, chosen: Chosen = NOTHING, only: Sequence[str] = ()) -> LoadedImage:
    """The one image of a file, or that of the variant that is named. Raises DockyardError."""
    found = load_images(path, chosen, only)
    if len(found) == 1:
        return found[0]
    what = f"the file describes {len(found)} images, and this is for one"
    fix = f"name it with --variant: {_listed([each.chosen.variant for each in found])}"
    raise DockyardError(Problem("config.several-images", what, str(path), fix=fix))


def _variants(
    text: str, path: Path, chosen: Chosen, only: Sequence[str]
) -> tuple[list[Chosen], tuple[Problem, ...]]:
    """What is chosen for each image of a file, all of them though some only are wanted, and what is
    wrong with the choice. Of a matrix that is wrong it is one image, so that all else that is wrong
    with the file is told with it.
    """
    root = parse(text, str(path), Report())
    node = root.get("matrix") if isinstance(root, Mapping) else None
    if node is None:
        what = "there is no variant {}: the file has no matrix"
        unknown = (Problem("config.unknown-variant", what.format(each), str(path)) for each in only)
        return [chosen], tuple(unknown)
    report = Report()
    report.add_source(str(path), text)
    matrix = Decoder(report, str(path)).read(Matrix, node)
    if matrix is None or len(report):
        return [replace(chosen, axes=_first_values(node))], report.problems
    found = [replace(chosen, axes=axes) for axes in _combinations(matrix)]
    _judge(matrix, node.at, found, chosen, only, report)
    return found or [replace(chosen, axes=_first_values(node))], report.problems


def _first_values(matrix: Node) -> dict[str, str]:
    """The first value of each axis of a matrix that may be wrong."""
    axes = matrix.get("axes") if isinstance(matrix, Mapping) else None
    return {
        name.text: values.items[0].text
        for name, values in (axes.entries if isinstance(axes, Mapping) else ())
        if isinstance(values, Items) and values.items and isinstance(values.items[0], Scalar)
    }


def _judge(
    matrix: Matrix,
    at: Span,
    found: Sequence[Chosen],
    chosen: Chosen,
    only: Sequence[str],
    report: Report,
) -> None:
    """Report what is wrong with the images of a matrix, and with what the command line says."""
    for name in chosen.values:
        if name in matrix.axes:
            what = f"--set gives {name}, which is an axis of the matrix"
            report.add("config.set", what, at, fix="choose among the images with --variant")
    if not found:
        what = "the matrix leaves out every combination"
        report.add("config.exclude", what, at, fix="leave fewer out")
    first: dict[str, Chosen] = {}
    for each in found:
        other = first.setdefault(each.variant, each)
        if other is not each:
            report.add(
                "config.variant-name",
                f"two combinations of the matrix have the name {each.variant}",
                at,
                why=f"{_shown(other)}; and {_shown(each)}",
                fix="write axis values that do not join to one name, such as some without `-`",
            )
    for name in only if found else ():
        if name not in first:
            near = next(iter(nearest(name, first)), None)
            fix = f"did you mean {near}?" if near else f"the variants are {_listed(list(first))}"
            report.add("config.unknown-variant", f"there is no variant {name}", at, fix=fix)


def _combinations(matrix: Matrix) -> Iterator[dict[str, str]]:
    for values in product(*matrix.axes.values()):
        axes = dict(zip(matrix.axes, values, strict=True))
        if not any(left_out.items() <= axes.items() for left_out in matrix.exclude):
            yield axes


def _shown(chosen: Chosen) -> str:
    return ", ".join(f"{name}: {value}" for name, value in chosen.axes.items())


def _require_own_locks(images: Sequence[LoadedImage]) -> None:
    """Raise DockyardError where images that ask for different packages would have one lock, and
    where a lock would be that of another file beside: of `web.minimal.yaml`.
    """
    problems: dict[Problem, None] = {}
    first: dict[Path, tuple[LoadedImage, Hashable]] = {}
    for each in images:
        place, asked = each.lock_path, _asked(each)
        other, wanted = first.setdefault(place, (each, asked))
        of = f"variant {other.chosen.variant}" if wanted != asked else ""
        if each.lock_words:
            beside = place.with_suffix(each.path.suffix)
            of = beside.name if beside.is_file() else of
        if of:
            what = f"the lock {place.name} would be that of {of}, too"
            fix = "choose other names for the files, or for values of axes and profiles"
            problems[Problem("config.same-lock", what, str(each.path), fix=fix)] = None
    if problems:
        raise DockyardError(*problems)


def _with_locks(images: Sequence[LoadedImage], text: str) -> Iterator[LoadedImage]:
    """Images with what tells their locks apart."""
    asked = [_asked(each) for each in images]
    axes = _telling(images, asked)
    for image, wanted in zip(images, asked, strict=True):
        words = [value for name, value in image.chosen.axes.items() if name in axes]
        if profiles := image.chosen.profiles:
            plain = replace(image.chosen, profiles=())
            try:
                other: Hashable = _asked(parse_image(text, str(image.path), plain))
            except DockyardError:
                other = None  # it needs a profile
            words += profiles if other != wanted else ()
        yield replace(image, lock_words=tuple(words))


def _telling(images: Sequence[LoadedImage], asked: Sequence[Hashable]) -> set[str]:
    """The axes that change what is asked for."""
    pairs = [(each.chosen.axes, wanted) for each, wanted in zip(images, asked, strict=True)]
    axes = list(pairs[0][0]) if pairs else []
    telling = {name for name in axes if _differ(pairs, [each for each in axes if each != name])}
    # Where combinations are left out, an axis may change it that never changes alone.
    return set(axes) if _differ(pairs, [name for name in axes if name in telling]) else telling


def _differ(pairs: Sequence[tuple[Map[str, str], Hashable]], axes: Sequence[str]) -> bool:
    """Whether images that are the same in some axes ask for different packages."""
    first: dict[tuple[str, ...], Hashable] = {}
    return any(
        first.setdefault(tuple(chosen[name] for name in axes), wanted) != wanted
        for chosen, wanted in pairs
    )


def _asked(loaded: LoadedImage) -> Hashable:
    """What decides which packages an image has."""
    packages = loaded.image.os.packages
    try:
        names = package_names(loaded)
    except DockyardError:
        return (
            loaded.image.distro,
            loaded.image.architecture,
            packages,
        )  # which is told when it is used
    lists = (names.install, names.remove, names.update)
    return (
        loaded.image.distro,
        loaded.image.architecture,
        packages.snapshot_time,
        packages.update_existing_packages,
        tuple(frozenset(each.name for each in names) for names in lists),
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
