"""Where images go, under which names, and their digests: read once, and again only when they may be
others.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dockyard.disk.output import whole
from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Severity
from dockyard.host import files
from dockyard.host.stopping import Stopped
from dockyard.pipeline.output import image_digest, is_placed, misnamed, place


@pytest.mark.parametrize("name", ["a.qcow2", "a.QCOW2", "a.img", "a", "a.2026.1"])
def test_a_name_that_fits_or_promises_nothing_is_no_matter(name: str) -> None:
    assert misnamed(Path(name), "qcow2", ".qcow2") == []


def test_a_name_that_promises_another_format_is_told() -> None:
    [problem] = misnamed(Path("out/a.vhdx"), "raw", ".raw")
    assert problem.severity is Severity.WARNING and problem.code == "build.misnamed"
    assert problem.what == "a.vhdx is written in the format raw"
    assert problem.fix and "a.raw" in problem.fix


def writing(content: bytes, *beside: str) -> Callable[[Path], tuple[Path, ...]]:
    """Writes an image `web.raw`, and further files."""

    def write(out: Path) -> tuple[Path, ...]:
        assert list(out.iterdir()) == []
        made = [out / "web.raw", *(out / name for name in beside)]
        for path in made:
            path.write_bytes(content)
        return tuple(made)

    return write


def test_an_image_is_placed_once_and_again_when_it_was_touched(tmp_path: Path) -> None:
    store, target = Store(tmp_path / "store"), tmp_path / "out" / "a.raw"
    assert not is_placed("image-1", target, store)
    assert place(writing(b"image"), "image-1", target, store)
    assert is_placed("image-1", target, store)
    assert not is_placed("image-2", target, store) and not is_placed(None, target, store)
    assert not place(writing(b"image"), "image-1", target, store)
    target.write_bytes(b"touched")
    assert place(writing(b"image"), "image-1", target, store)
    assert target.read_bytes() == b"image"
    target.unlink()
    assert place(writing(b"image"), "image-1", target, store)
    assert place(writing(b"other"), "image-2", target, store)
    assert target.read_bytes() == b"other"
    assert [path.name for path in target.parent.iterdir()] == ["a.raw"]


def test_what_stands_beside_an_image_keeps_its_name(tmp_path: Path) -> None:
    target = tmp_path / "out" / "a.raw"
    place(writing(b"image", "kernel"), "image-1", target, Store(tmp_path / "store"))
    assert sorted(path.name for path in target.parent.iterdir()) == ["a.raw", "kernel"]


def test_an_image_may_be_a_directory(tmp_path: Path) -> None:
    def write(out: Path) -> tuple[Path, ...]:
        (out / "web").mkdir()
        (out / "web/kernel").write_bytes(b"kernel")
        return (out / "web",)

    store, target = Store(tmp_path / "store"), tmp_path / "pxe"
    assert place(write, "image-1", target, store)
    assert not place(write, "image-1", target, store)
    assert (target / "kernel").read_bytes() == b"kernel"


def test_an_image_that_cannot_be_placed_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "store")
    with pytest.raises(DockyardError) as caught:
        place(writing(b""), "image-1", tmp_path / "file" / "below", store)
    assert caught.value.problems[0].code == "build.output"

    def full(out: Path) -> tuple[Path, ...]:
        with whole(out / "web.raw") as part:
            part.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DockyardError) as caught:
        place(full, "image-1", tmp_path / "out" / "a.raw", store)
    (problem,) = caught.value.problems
    assert (problem.code, problem.why) == ("build.output", "No space left on device")
    assert list((tmp_path / "out").iterdir()) == []


def test_writing_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    def begin(out: Path) -> tuple[Path, ...]:
        (out / "web.raw").write_bytes(b"i")
        raise Stopped(2)

    out = tmp_path / "out"
    with pytest.raises(Stopped):
        place(begin, "image-1", out / "web.raw", Store(tmp_path / "store"))
    assert list(out.iterdir()) == []


def test_an_image_is_digested_once_until_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, image = Store(tmp_path / "store"), tmp_path / "a.raw"
    read = []
    digest = files.digest

    def counted(path: Path) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(files, "digest", counted)
    for content in (b"one", b"two"):
        image.unlink(missing_ok=True)
        image.write_bytes(content)
        with image.open("r+b") as file:
            file.truncate(1 << 22)
        whole = hashlib.sha256(content + bytes((1 << 22) - len(content))).hexdigest()
        assert [image_digest(image, store) for _ in range(2)] == [whole, whole]
    assert len(read) == 2


def test_digests_of_images_that_were_not_placed_are_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first, second = tmp_path / "a.raw", tmp_path / "b.raw"
    place(writing(b"image"), "image-1", first, store)
    second.write_bytes(b"x")
    for image in (second, first):
        image_digest(image, store)
    assert list(store.record("digests")) == [str(first)]


def test_what_belongs_to_an_image_has_the_name_of_that(tmp_path: Path) -> None:
    """So that two images of one file beside one another keep their root hashes."""
    store = Store(tmp_path / "store")

    def write(folder: Path) -> tuple[Path, ...]:
        (folder / "web.raw").write_text("image")
        (folder / "web.roothash").write_text(folder.name)
        (folder / "kernel").write_text("kernel")
        return folder / "web.raw", folder / "web.roothash", folder / "kernel"

    for name in ("web-a.raw", "web-1.2.raw", "web.img"):
        assert place(write, name, tmp_path / "out" / name, store)
    found = {each.name: each.read_text() for each in (tmp_path / "out").iterdir()}
    hashes = {name for name in found if name.endswith(".roothash")}
    assert hashes == {"web-a.roothash", "web-1.2.roothash", "web.img.roothash"}
    assert len({found[name] for name in hashes}) == 3 and found["kernel"] == "kernel"
