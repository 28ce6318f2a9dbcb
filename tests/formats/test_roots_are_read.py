"""Roots without a disk are read again as what they hold, and damaged ones refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_parts import OS_RELEASE, parts, tree

from dockyard.errors import DockyardError
from dockyard.formats import by_name
from dockyard.host.sandbox import Tools
from dockyard.inspection import Inspected, inspect_image
from dockyard.inspection.roots import open_root, root_file
from dockyard.tools.unpacked import ToolTrees
from features import Proof, covers

FILES = {b"usr/lib/os-release": OS_RELEASE, b"etc/hostname": b"web\n", b"usr/bin/a": b"a" * 9000}
KINDS = {
    "tar": "tar",
    "tar-zst": "tar, zstd",
    "wsl": "tar, gzip",
    "oci-dir": "oci-dir",
    "oci-archive": "oci-archive",
}


def written(name: str, folder: Path, tools: Tools) -> Path:
    (out,) = by_name(name).write(parts(folder, tree(FILES)), folder, tools)
    return out


def inspected(image: Path, tools: Tools) -> Inspected:
    scratch = image.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return inspect_image(image, scratch, ToolTrees(tools, tools), digests=True)


def refusal(image: Path, tools: Tools) -> str:
    with pytest.raises(DockyardError) as caught:
        inspected(image, tools)
    return " ".join(f"{each.what} {each.why}" for each in caught.value.problems)


@covers(format="{name}", proofs=[Proof.READ_BACK])
@pytest.mark.build
@pytest.mark.parametrize("name", KINDS)
def test_what_comes_out_goes_in(tools: Tools, tmp_path: Path, name: str) -> None:
    image = written(name, tmp_path, tools)
    found = inspected(image, tools)
    assert (found.format, found.hostname, found.table) == (KINDS[name], "web", "")
    assert (found.distribution.id, found.distribution.version) == ("small", "9")
    assert found.partitions[0].filesystem == KINDS[name]
    entry, was = found.tree.entry("/usr/bin/a"), tree(FILES).find(b"usr/bin/a")
    assert entry is not None and was is not None and entry.digest == was.digest


@pytest.mark.build
def test_a_tar_of_others_need_not_name_directories(tools: Tools, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as file:
        for path, data in FILES.items():
            member = tarfile.TarInfo(path.decode())
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    assert inspected(tmp_path / "t.tar", tools).hostname == "web"


@covers(format="{name}", proofs=[Proof.TRUNCATED])
@pytest.mark.build
@pytest.mark.parametrize("name", [each for each in KINDS if each != "oci-dir"])
def test_half_of_one_is_refused(tools: Tools, tmp_path: Path, name: str) -> None:
    image = written(name, tmp_path, tools)
    content = image.read_bytes()
    image.write_bytes(content[: len(content) // 2])
    assert refusal(image, tools)


@pytest.mark.build
def test_what_is_compressed_and_no_tar_is_refused(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image.gz"
    image.write_bytes(gzip.compress(bytes(5000)))
    assert "what gzip unpacks of it is no tar" in refusal(image, tools)


@covers(format="oci-dir", proofs=[Proof.DAMAGED, Proof.TRUNCATED])
@pytest.mark.build
def test_a_layout_that_lies_is_refused(tools: Tools, tmp_path: Path) -> None:
    layout = written("oci-dir", tmp_path, tools)
    index = layout / "index.json"
    told: dict[str, Any] = json.loads(index.read_text())
    (entry,) = told["manifests"]

    def with_manifests(*entries: object) -> str:
        index.write_text(json.dumps({**told, "manifests": entries}))
        return refusal(layout, tools)

    assert "2 manifests" in with_manifests(entry, entry)
    for digest in ("sha256:../../../etc/passwd", f"sha256:{'0' * 64}", "md5:0", 7):
        assert "lacks a blob" in with_manifests({**entry, "digest": digest})
    index.write_text("[")
    assert "index.json cannot be read" in refusal(layout, tools)
    index.write_text(json.dumps(told))
    manifest = json.loads((layout / "blobs/sha256" / entry["digest"][7:]).read_text())
    layer = layout / "blobs/sha256" / manifest["layers"][0]["digest"][7:]
    layer.write_bytes(layer.read_bytes()[:-1] + b"x")
    assert "not what its digest says" in refusal(layout, tools)
    layer.write_bytes(layer.read_bytes()[: layer.stat().st_size // 2])
    assert refusal(layout, tools)


DIGEST = "a" * 64
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(f"sha256:{DIGEST}"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["manifests", "layers", "digest", "size"]), inner)
    ),
)


@given(index=VALUES, blob=VALUES)
def test_whatever_a_layout_says_is_a_problem_and_no_crash(index: object, blob: object) -> None:
    with TemporaryDirectory() as name:
        layout = Path(name)
        (layout / "blobs/sha256").mkdir(parents=True)
        (layout / "oci-layout").touch()
        data = json.dumps(blob).encode()
        text = json.dumps(index).replace(DIGEST, hashlib.sha256(data).hexdigest())
        (layout / "index.json").write_text(text)
        (layout / "blobs/sha256" / hashlib.sha256(data).hexdigest()).write_bytes(data)
        found = root_file(layout)
        assert found is not None
        with pytest.raises(DockyardError):
            open_root(found, layout, Tools(layout))
