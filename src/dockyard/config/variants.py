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
from dockyard.config.source import Mapping, parse
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
    problems: dict[Problem, None] = {}
    for each in _variants(text, path, chosen, only):
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


def _variants(text: str, path: Path, chosen: Chosen, only: Sequence[str]) -> list[Chosen]:
    """What is chosen for each image of a file; all of them, though some only are wanted."""
    matrix = _matrix(text, path)
    if matrix is None:
        if only:
            what = f"there is no variant {only[0]}: the file has no matrix"
            raise DockyardError(Problem("config.unknown-variant", what, str(path)))
        return [chosen]
    _refuse_said(matrix, chosen, path)
    found = [replace(chosen, axes=axes) for axes in _combinations(matrix)]
    names = [each.variant for each in found]
    if not found:
        what = "the matrix leaves out every combination"
        raise DockyardError(Problem("config.exclude", what, str(path), fix="leave fewer out"))
    problems = [*_same_names(found, path)]
    for name in only:
        if name not in names:
            near = next(iter(nearest(name, names)), None)
            fix = f"did you mean {near}?" if near else f"the variants are {_listed(names)}"
            what = f"there is no variant {name}"
            problems.append(Problem("config.unknown-variant", what, str(path), fix=fix))
    if problems:
        raise DockyardError(*problems)
    return found


def _matrix(text: str, path: Path) -> Matrix | None:
    """The matrix of a file. Raises DockyardError for one that is wrong; all else that is wrong is
    left to who reads the whole.
    """
    root = parse(text, str(path), Report())
    node = root.get("matrix") if isinstance(root, Mapping) else None
    if node is None:
        return None
    report = Report()
    report.add_source(str(path), text)
    matrix = Decoder(report, str(path)).read(Matrix, node)
    report.raise_any()
    return matrix


def _refuse_said(matrix: Matrix, chosen: Chosen, path: Path) -> None:
    """Raise DockyardError where the command line gives a value that the matrix gives."""
    said = [name for name in chosen.values if name in matrix.axes]
    if said:
        what = f"--set gives {said[0]}, which is an axis of the matrix"
        fix = "choose among the images with --variant"
        raise DockyardError(Problem("config.set", what, str(path), fix=fix))


def _combinations(matrix: Matrix) -> Iterator[dict[str, str]]:
    for values in product(*matrix.axes.values()):
        axes = dict(zip(matrix.axes, values, strict=True))
        if not any(left_out.items() <= axes.items() for left_out in matrix.exclude):
            yield axes


def _same_names(images: Sequence[Chosen], path: Path) -> Iterator[Problem]:
    """Combinations that nobody could tell apart: `x` and `y-z`, `x-y` and `z`."""
    first: dict[str, Chosen] = {}
    for each in images:
        other = first.setdefault(each.variant, each)
        if other is not each:
            yield Problem(
                "config.variant-name",
                f"two combinations of the matrix have the name {each.variant}",
                str(path),
                why=f"{_shown(other)}; and {_shown(each)}",
                fix="write axis values that do not join to one name, such as some without `-`",
            )


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
        return (loaded.image.distro, packages)  # which is told when it is used
    lists = (names.install, names.remove, names.update)
    return (
        loaded.image.distro,
        packages.snapshot_time,
        packages.update_existing_packages,
        tuple(frozenset(each.name for each in names) for names in lists),
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
