"""Where images go, under which names, and their digests: read once, and again only when they may be
others.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.errors import Severity
from dockyard.host import files
from dockyard.pipeline.output import image_digest, misnamed


def disk(number: int) -> Step:
    arguments = {"number": number}
    return Step("disk", "disk", "Assemble", "dockyard.host.files:digest", arguments, arguments)


@pytest.mark.parametrize("name", ["a.qcow2", "a.QCOW2", "a.img", "a", "a.2026.1"])
def test_a_name_that_fits_or_promises_nothing_is_no_matter(name: str) -> None:
    assert misnamed(Path(name), "qcow2", ".qcow2") == []


def test_a_name_that_promises_another_format_is_told() -> None:
    [problem] = misnamed(Path("out/a.vhdx"), "raw", ".raw")
    assert problem.severity is Severity.WARNING and problem.code == "build.misnamed"
    assert problem.what == "a.vhdx is written in the format raw"
    assert problem.fix and "a.raw" in problem.fix


def test_an_image_is_digested_once_until_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    step = disk(0)
    store.place(step.id).mkdir()
    store.note_answer(step, step.id)
    image = store.place(step.id) / "disk.raw"
    read = []
    digest = files.digest

    def counted(path: Path) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(files, "digest", counted)

    for content in (b"one", b"two"):
        image.parent.mkdir(exist_ok=True)
        image.unlink(missing_ok=True)
        image.write_bytes(content)
        with image.open("r+b") as file:
            file.truncate(1 << 22)
        whole = hashlib.sha256(content + bytes((1 << 22) - len(content))).hexdigest()
        assert [image_digest(step, image.name, store) for _ in range(2)] == [whole, whole]
    assert len(read) == 2


def test_digests_of_images_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first, second = disk(1), disk(2)
    for step in (first, second):
        store.place(step.id).mkdir()
        store.note_answer(step, step.id)
        (store.path(step) / "disk.raw").write_bytes(b"x")
    image_digest(first, "disk.raw", store)
    store.discard(first.id)
    image_digest(second, "disk.raw", store)
    assert list(store.record("digests")) == [second.id]
