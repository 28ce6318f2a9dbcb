"""The file of `inject-files`: which files go where in an image that is finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from dockyard.config.decode import Decoder
from dockyard.config.load import read_model
from dockyard.config.report import Report
from dockyard.errors import Details, DockyardError, Problem
from dockyard.host.files import open_regular
from dockyard.model.image import InjectFile, InjectFilesConfig, InjectPartition

_LARGEST = 4 << 30  # what FAT holds


@dataclass(frozen=True)
class LoadedInjectFiles:
    """What the file says. items: each with its partition."""

    path: Path
    items: tuple[tuple[InjectPartition, InjectFile], ...]
    _decoder: Decoder = field(repr=False)
    _report: Report = field(repr=False)

    def source(self, item: InjectFile) -> Path:
        """The file of the host that is to be put."""
        return self.path.absolute().parent / item.source

    def problem(
        self, at: tuple[str | int, ...], code: str, what: str, **details: Unpack[Details]
    ) -> Problem:
        """A problem with what is at a path below `injectFiles`."""
        span = self._decoder.span(("injectFiles", *at))
        return self._report.problem(code, what, span, **details)


def load_inject_files(path: Path) -> LoadedInjectFiles:
    """Read the file of `inject-files`, and see that its files are there. Raises DockyardError with
    every mistake.
    """
    report = Report()
    config, decoder = read_model(InjectFilesConfig, path, report)
    report.raise_any()
    assert config is not None
    items = [(each.partition, each) for each in config.inject_files]
    whole = tuple((partition, item) for partition, item in items if partition is not None)
    loaded = LoadedInjectFiles(path, whole, decoder, report)
    if problems := [*_mistakes(loaded)]:
        raise DockyardError(*problems)
    return loaded


def _mistakes(loaded: LoadedInjectFiles) -> Iterator[Problem]:
    if not loaded.items:
        yield loaded.problem(
            (),
            "inject.nothing",
            "the file names no files to inject",
            fix="add `injectFiles`, or name the inject-files.yaml that `output.artifacts` writes",
        )
    places = Counter((partition, item.destination) for partition, item in loaded.items)
    for index, (partition, item) in enumerate(loaded.items):
        if places[partition, item.destination] > 1:
            yield loaded.problem(
                (index, "destination"),
                "config.duplicate",
                f"several files are to be put at {item.destination}",
                fix="keep one of them",
            )
        try:
            open_regular(loaded.source(item), _LARGEST).close()
        except OSError as error:
            yield loaded.problem(
                (index, "source"),
                "config.file-missing",
                f"{item.source!r} cannot be read",
                why=f"{error.strerror or error}; paths are relative to the file that says them",
                fix="correct the path",
            )
