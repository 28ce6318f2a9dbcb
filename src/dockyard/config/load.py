"""Image files from disk: read, checked one by one, merged with the files that they build on.

Every file of a chain must be right by itself. All mistakes of all files are reported together.
A file that is reached twice counts once, where it is reached first.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, Unpack

from dockyard.config.bundled import bundled_distros
from dockyard.config.decode import Decoder, dotted
from dockyard.config.kinds import FileKind, require_kind
from dockyard.config.merge import merge_files
from dockyard.config.passwords import Passwords
from dockyard.config.report import Report
from dockyard.config.source import Mapping, Node, Scalar, Sequence, parse, read_text
from dockyard.config.span import Span
from dockyard.config.variables import NOTHING, Chosen, Scope, Value, declared, unknown_values
from dockyard.errors import Details, DockyardError, Position, Problem
from dockyard.model.base import Model, Segment
from dockyard.model.image import Image, PackageList, Profile

M = TypeVar("M", bound=Model)
# Image files built on one another; more is a mistake, and would exhaust the walk.
_DEEPEST = 32


@dataclass(frozen=True)
class LoadedImage:
    """An image file, merged with its bases.

    image: the merged model. Local paths are relative to `directory`; those that a base config
    says are absolute.
    positions: where each value stands, by its path, such as `os.users[0].name`.
    files: every image file that was read, the bases first.
    chosen: which of the images it is that the file may stand for. lock_words: what tells its lock
    from those of the others.
    """

    image: Image
    path: Path
    positions: Map[str, Position]
    files: tuple[Path, ...]
    _spans: Map[str, Span] = field(repr=False)
    _report: Report = field(repr=False)
    chosen: Chosen = NOTHING
    lock_words: tuple[str, ...] = ()
    passwords: Passwords = field(default_factory=Passwords, repr=False)

    @property
    def directory(self) -> Path:
        return self.path.absolute().parent

    @property
    def name(self) -> str:
        """The image's name: what the file says, or the file's own name."""
        return self.image.name or self.path.stem

    @property
    def lock_path(self) -> Path:
        """Where its lock is: `web.yaml` has `web.lock` beside it."""
        return self.path.with_name(".".join((self.path.stem, *self.lock_words, "lock")))

    @property
    def words(self) -> str:
        """What names the image on a command line."""
        chosen = self.chosen
        said = [f"--variant {chosen.variant}"] if chosen.variant else []
        said += [f"--profile {name}" for name in chosen.profiles]
        hidden = self.passwords.variables
        words = (
            f"{name}={'…' if name in hidden else ','.join(value)}"
            for name, value in chosen.values.items()
        )
        said += [f"--set {shlex.quote(word)}" for word in words]
        return " ".join([str(self.path), *said])

    @property
    def told_apart_by(self) -> str:
        """What tells the image from every other of its file, but for what may be a secret: who has
        a quick hash of a password need not try the slow one.
        """
        hidden = self.passwords.variables
        told = {name: value for name, value in self.chosen.values.items() if name not in hidden}
        return replace(self.chosen, values=told).record

    def local(self, path: str) -> Path:
        """A local path of the model as a path that can be opened."""
        return self.directory / path

    @property
    def distro_path(self) -> Path | None:
        """The file or directory of the distribution: the one at the path, else the one of that name
        that comes with Dockyard.
        """
        named = self.image.distro
        if not named:
            return None
        local = self.local(named)
        return local if local.exists() else bundled_distros().get(named, local)

    def beside(self, at: str, path: str) -> Path:
        """A path that is plain text in the model, such as `password.value`: relative to the file
        that says it, which may be a base config.
        """
        return Path(self.position(at).file).absolute().parent / path

    def position(self, at: str) -> Position:
        """Where a value stands, or the nearest thing around it that is written."""
        return self._report.position(self._span(at))

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """What is worth saying about the files although they are valid."""
        return self._report.remarks

    def problem(self, at: str, code: str, what: str, **details: Unpack[Details]) -> Problem:
        """A problem with the value at a path, with its line shown unless there is an excerpt."""
        return self._report.problem(code, what, self._span(at), **details)

    def _span(self, at: str) -> Span:
        while at and at not in self._spans:
            at = at[: max(at.rfind("."), at.rfind("["), 0)]
        return self._spans[at]


def load_image(path: Path, chosen: Chosen = NOTHING) -> LoadedImage:
    """Read an image file and all that it builds on. Raises a DockyardError with every mistake."""
    return parse_image(image_text(path), str(path), chosen)


def image_text(path: Path) -> str:
    """The text of an image file. Raises DockyardError where it is none."""
    text = read_text(path)
    require_kind(
        path, text, FileKind.IMAGE, "name an image file, such as examples/server/image.yaml"
    )
    return text


def parse_image(text: str, file: str = "image.yaml", chosen: Chosen = NOTHING) -> LoadedImage:
    """An image file from its text, as if it stood in `file`."""
    return _load(Path(file), text, chosen)


def load_package_list(path: Path) -> PackageList:
    """Read a list of packages."""
    return load_model(PackageList, path)


def load_model(model: type[M], path: Path) -> M:
    """Read a file that holds one model and builds on no other."""
    report = Report()
    value, _ = read_model(model, path, report)
    report.raise_any()
    assert value is not None
    return value


def parse_model(model: type[M], text: str, file: str = "text.yaml") -> M:
    """One model from its text, as if it stood in `file`."""
    report = Report()
    root = parse(text, file, report)
    value = Decoder(report, file).read(model, root) if root is not None else None
    report.raise_any()
    assert value is not None
    return value


def read_model(model: type[M], path: Path, report: Report) -> tuple[M | None, Decoder]:
    """The same, with the mistakes left in a report."""
    file = str(path)
    decoder = Decoder(report, file)
    root = parse(read_text(path), file, report)
    return (decoder.read(model, root) if root is not None else None), decoder


def _load(path: Path, text: str, chosen: Chosen) -> LoadedImage:
    chain = _Chain(chosen)
    chain.add(path, text, (), chosen.all_values)
    report = chain.report
    report.extend(chain.not_known())
    report.raise_any()
    image, decoder = chain.image, chain.decoder
    if len(chain.trees) > 1:
        merged, _ = chain.trees[0]
        for tree, profile in chain.trees[1:]:
            merged = merge_files(merged, tree, report, profile=profile)
        report.raise_any()
        decoder = Decoder(report, str(path))
        image = decoder.read(Image, merged)
        report.raise_any()
    assert image is not None and decoder is not None
    spans = {dotted(at): span for at, span in decoder.spans.items()}
    positions = {at: span.position for at, span in spans.items()}
    files = tuple(chain.files)
    loaded = LoadedImage(image, path, positions, files, spans, report, chosen)
    return replace(loaded, passwords=chain.passwords)


class _Chain:
    """The files of one image, the bases first, each with those of its profiles that are chosen."""

    def __init__(self, chosen: Chosen) -> None:
        self.report = Report()
        self.wanted = chosen
        # Of each, whether it is a profile of the file before.
        self.trees: list[tuple[Node, bool]] = []
        self.files: list[Path] = []
        self.passwords = Passwords()
        self.seen: set[str] = set()
        # The names of all variables and profiles that the files have.
        self.variables: set[str] = set()
        self.offered: dict[str, None] = {}
        # Of the file that was read last.
        self.image: Image | None = None
        self.decoder: Decoder | None = None

    def add(self, path: Path, text: str, above: tuple[Path, ...], given: Map[str, Value]) -> None:
        """given: the values that variables have already, by name."""
        self.seen.add(os.path.realpath(path))
        file = str(path)
        root = parse(text, file, self.report)
        if root is None:
            return
        variables = declared(root, file)
        self.variables.update(variables)
        scope = Scope(variables, given, self.wanted, self.report)
        written, root = root, scope.fill(root)
        decoder = Decoder(self.report, file)
        image = decoder.read(Image, root)
        self.passwords.note(path, written, image)
        if image is not None:
            self.confine_scripts(image, (), decoder)
            for name, profile in image.profiles.items():
                self.confine_scripts(profile, ("profiles", name), decoder)
        below = {**given, **scope.known}
        chosen = self.chosen(root)
        for tree in (root, *chosen):
            for at, base, when in _bases(tree):
                if scope.holds(when):
                    self.add_base(path.parent / base, at, (*above, path), below)
        self.trees += [(root, False), *((tree, True) for tree in chosen)]
        self.files.append(path)
        self.image, self.decoder = image, decoder

    def chosen(self, root: Node) -> list[Node]:
        """What the chosen profiles of a file say."""
        profiles = root.get("profiles") if isinstance(root, Mapping) else None
        if not isinstance(profiles, Mapping):
            return []
        self.offered.update({key.text: None for key, _ in profiles.entries})
        found = [profiles.get(name) for name in self.wanted.all_profiles]
        return [node for node in found if isinstance(node, Mapping)]

    def not_known(self) -> Iterator[Problem]:
        """What was chosen that the files do not have."""
        yield from unknown_values(self.wanted, self.variables)
        for name in self.wanted.all_profiles:
            if name not in self.offered:
                names = ", ".join(self.offered)
                yield Problem(
                    "config.unknown-profile",
                    f"no file has a profile {name}",
                    fix=f"the profiles are {names}" if names else "there are no profiles",
                )

    def add_base(
        self, path: Path, at: Span, above: tuple[Path, ...], given: Map[str, Value]
    ) -> None:
        real = os.path.realpath(path)
        reached = [os.path.realpath(file) for file in above]
        if real in reached:
            ring = [*above[reached.index(real) :], path]
            self.report.add(
                "config.base-cycle",
                "the base configs form a cycle",
                at,
                why=" builds on ".join(str(file) for file in ring),
                fix="remove one of these base configs",
            )
            return
        if real in self.seen:
            return
        if len(above) >= _DEEPEST:
            what = f"more than {_DEEPEST} image files build on one another"
            self.report.add("config.base-depth", what, at, fix="merge some of them")
            return
        try:
            text = read_text(path)
        except DockyardError as error:
            reason = "; ".join(f"{it.what}: {it.why}".rstrip(": ") for it in error.problems)
            self.report.add(
                "config.base-unreadable",
                f"the base config {str(path)!r} cannot be read",
                at,
                why=reason,
                fix="correct the path; it is relative to the file that says it",
            )
            return
        self.add(path, text, above, given)

    def confine_scripts(self, image: Profile, below: tuple[Segment, ...], decoder: Decoder) -> None:
        for kind, scripts in (
            ("postCustomization", image.scripts.post_customization),
            ("finalizeCustomization", image.scripts.finalize_customization),
        ):
            for index, script in enumerate(scripts):
                path = os.path.normpath(script.path)
                if script.path and (path.startswith(("/", "../")) or path == ".."):
                    self.report.add(
                        "config.script-outside",
                        f"the script {script.path!r} is outside the directory of this file",
                        decoder.span((*below, "scripts", kind, index, "path")),
                        why="this directory is all of the machine that scripts can see",
                        fix="move it below the file's directory and write a relative path",
                    )


def _bases(root: Node) -> Iterator[tuple[Span, str, Node | None]]:
    """The base configs of a file or profile: where they are said, their paths, their conditions."""
    bases = root.get("baseConfigs") if isinstance(root, Mapping) else None
    for item in bases.items if isinstance(bases, Sequence) else ():
        path = item.get("path") if isinstance(item, Mapping) else None
        if isinstance(path, Scalar) and path.text.strip() and "\0" not in path.text:
            assert isinstance(item, Mapping)
            yield path.at, path.text, item.get("when")
