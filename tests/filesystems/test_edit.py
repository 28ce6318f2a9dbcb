"""Files are put into file systems that exist; all else in those stays as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC

from dockyard.archive import Archive, Entry, Kind
from dockyard.errors import DockyardError
from dockyard.filesystems import by_name
from dockyard.filesystems.edit import put_files
from dockyard.host.sandbox import Tools

pytestmark = pytest.mark.build

LABEL = (("security.selinux", b"system_u:object_r:boot_t:s0\0"),)
SECONDS = 10**9
BEFORE = 1_700_000_000 * SECONDS


def archive(labelled: bool) -> Archive:
    xattrs = tuple((name.encode(), value) for name, value in LABEL) if labelled else ()

    def entry(path: bytes, kind: Kind, mode: int) -> Entry:
        return Entry(path, kind, mode, mtime_ns=BEFORE, xattrs=xattrs)

    data: dict[bytes, bytes | Path] = {
        b"EFI/Linux/one.efi": b"one" * 70_000,
        b"EFI/Linux/two.efi": b"two" * 50_000,
        b"loader.conf": b"timeout 0\n",
    }
    entries = [entry(path, Kind.DIRECTORY, 0o755) for path in (b"", b"EFI", b"EFI/Linux")]
    entries += [entry(path, Kind.FILE, 0o644) for path in data]
    return Archive.from_entries(entries, data)


@pytest.fixture(params=["vfat", "ext4"])
def made(request: pytest.FixtureRequest, tools: Tools, tmp_path: Path) -> tuple[str, Path]:
    """A file system of a kind that is edited."""
    module, image = request.param, tmp_path / "image"
    content = archive(labelled=module == "ext4")
    spec = replace(SPEC, label="BOOT", epoch=BEFORE // SECONDS)
    by_name(module).write(content, image, 40 << 20, spec, tools)
    return module, image


def put(module: str, image: Path, tools: Tools, **files: bytes) -> Archive:
    place = image.parent
    (place / "scratch").mkdir(exist_ok=True)
    wanted = {}
    for number, (path, content) in enumerate(files.items()):
        source = place / f"source-{number}"
        source.write_bytes(content)
        wanted[path] = source
    put_files(module, image, wanted, tools, place / "scratch")
    return by_name(module).read(image, tools, place / "scratch")


def test_a_file_takes_the_place_of_another(made: tuple[str, Path], tools: Tools) -> None:
    module, image = made
    before = by_name(module).read(image, tools, image.parent)
    kept = {e.path: e for e in before if e.path != b"EFI/Linux/one.efi"}
    raw = image.read_bytes()
    found = put(module, image, tools, **{"/EFI/Linux/one.efi": b"signed" * 60_000})
    assert {e.path: e for e in found if e.path in kept} == kept
    new = found.find(b"EFI/Linux/one.efi")
    old = before.find(b"EFI/Linux/one.efi")
    assert new is not None and old is not None
    assert found.read(new.path) == b"signed" * 60_000
    same = (new.mode, new.uid, new.gid, new.mtime_ns, new.xattrs)
    assert same == (old.mode, old.uid, old.gid, old.mtime_ns, old.xattrs)
    # What is not of that file lies where it lay.
    at = raw.index(b"two" * 1000)
    assert image.read_bytes()[at : at + 3000] == raw[at : at + 3000]
    check = ["fsck.vfat", "-n"] if module == "vfat" else ["e2fsck", "-fn"]
    tools.run([*check, str(image)], read=[image])


def test_a_new_file_in_new_directories(made: tuple[str, Path], tools: Tools) -> None:
    module, image = made
    path = '/EFI/new "place"/deeper/x.sig' if module == "ext4" else "/EFI/new place/deeper/x.sig"
    found = put(module, image, tools, **{path: b"signature", "/root.sig": b""})
    new = found.find(path.encode()[1:])
    assert new is not None and found.read(new.path) == b"signature"
    assert (new.mode, new.mtime_ns) == (0o644, BEFORE)
    if module == "ext4":
        assert [value for _, value in new.xattrs] == [LABEL[0][1]]
        directory = found.find(new.parent)
        assert directory is not None and [v for _, v in directory.xattrs] == [LABEL[0][1]]
    check = ["fsck.vfat", "-n"] if module == "vfat" else ["e2fsck", "-fn"]
    tools.run([*check, str(image)], read=[image])


def test_the_same_twice(made: tuple[str, Path], tools: Tools, tmp_path: Path) -> None:
    module, image = made
    copy = tmp_path / "again" / "image"
    copy.parent.mkdir()
    copy.write_bytes(image.read_bytes())
    files = {"/EFI/Linux/one.efi": b"signed" * 60_000, "/EFI/extra/a.efi": b"new"}
    put(module, image, tools, **files)
    put(module, copy, tools, **files)
    assert copy.read_bytes() == image.read_bytes()
    put(module, copy, tools, **files)
    assert copy.read_bytes() == image.read_bytes()


def test_fat_knows_names_in_any_case(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    by_name("vfat").write(archive(False), image, 40 << 20, replace(SPEC, label="BOOT"), tools)
    found = put("vfat", image, tools, **{"/efi/linux/ONE.EFI": b"signed"})
    assert found.read(b"EFI/Linux/one.efi") == b"signed"
    assert [e.path for e in found if e.path.lower().endswith(b"one.efi")] == [b"EFI/Linux/one.efi"]


@pytest.mark.parametrize("path", ["/EFI/Linux", "/loader.conf/x"])
def test_what_is_in_the_way_is_named(made: tuple[str, Path], tools: Tools, path: str) -> None:
    module, image = made
    raw = image.read_bytes()
    with pytest.raises(DockyardError) as error:
        put(module, image, tools, **{path: b"x"})
    assert error.value.problems[0].code == "inject.destination"
    assert image.read_bytes() == raw


def test_what_does_not_fit_is_told(made: tuple[str, Path], tools: Tools) -> None:
    module, image = made
    with pytest.raises(DockyardError) as error:
        put(module, image, tools, **{"/large": bytes(range(256)) * (159 << 10)})
    assert error.value.problems[0].code == "inject.no-room"
    with pytest.raises(DockyardError) as error:
        put(module, image, tools, **{"/larger": b"x" * (41 << 20)})
    assert error.value.problems[0].code == "inject.no-room"


@pytest.mark.parametrize("path", ["/new\nrm loader.conf", ("/" + '"' * 250) * 17])
def test_no_name_becomes_a_command(tools: Tools, tmp_path: Path, path: str) -> None:
    image = tmp_path / "image"
    spec = replace(SPEC, epoch=BEFORE // SECONDS)
    by_name("ext4").write(archive(labelled=False), image, 40 << 20, spec, tools)
    before = image.read_bytes()
    with pytest.raises(DockyardError, match="a name cannot be written into the file system"):
        put("ext4", image, tools, **{path: b"2"})
    assert image.read_bytes() == before


def test_no_attribute_that_an_image_has_becomes_a_command(
    made: tuple[str, Path], tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, image = made
    if module == "vfat":
        return
    found = by_name(module).read(image, tools, image.parent)
    hostile = ((b"user.a\nrm loader.conf\nea_set one.efi user.b", b"1"),)
    lying = found.changed(lambda each: replace(each, xattrs=hostile))
    monkeypatch.setattr(by_name(module), "read", lambda *_, **__: lying)
    with pytest.raises(DockyardError, match="a name cannot be written into the file system"):
        put(module, image, tools, **{"/EFI/Linux/one.efi": b"2"})
