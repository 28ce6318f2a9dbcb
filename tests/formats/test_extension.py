"""An extension has what was added, says what it fits, and is found by its ids; nothing that is lost
in it is lost without a word.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from image_parts import OS_RELEASE, base, parts, tree

from dockyard.archive import Archive, Entry, Kind
from dockyard.disk import gpt
from dockyard.errors import DockyardError
from dockyard.filesystems import by_name as filesystem
from dockyard.filesystems.image import Region
from dockyard.formats import by_name
from dockyard.formats.extension import system_of
from dockyard.formats.extension_content import added
from dockyard.host.sandbox import Tools
from dockyard.model.guests import Extension
from dockyard.model.output import OutputImage
from features import covers

OLD = {b"usr/lib/os-release": OS_RELEASE, b"usr/bin/old": b"old", b"etc/motd": b"hello"}
NEW = {**OLD, b"usr/bin/old": b"changed", b"usr/bin/new": b"new" * 9000, b"opt/it/a": b"1"}


def written(
    folder: Path, tools: Tools, root: Archive, name: str = "sysext", *left: str
) -> tuple[Path, ...]:
    settings = OutputImage(extension=Extension(leave_out=left))
    given = dataclasses.replace(parts(folder, root), settings=settings)
    return by_name(name).write(given, folder, tools)


def inside(image: Path, tools: Tools, scratch: Path) -> Archive:
    """What is on the first partition."""
    with image.open("rb") as file:
        table = gpt.read(file)
    assert table is not None
    entry = table.entries[0]
    return filesystem("erofs").read(Region(image, entry.start, entry.size), tools, scratch)


@pytest.mark.build
def test_it_has_what_is_new_or_changed_and_says_what_it_fits(tools: Tools, tmp_path: Path) -> None:
    image, told = written(tmp_path, tools, tree(NEW))
    assert (image.name, told.name) == ("web.raw", "web.roothash")
    found = inside(image, tools, tmp_path)
    release = b"usr/lib/extension-release.d/extension-release.web"
    files = {entry.path for entry in found if entry.kind is Kind.FILE}
    assert files == {b"usr/bin/old", b"usr/bin/new", b"opt/it/a", release}
    assert found.read(release) == b'ID=small\nVERSION_ID="9"\nARCHITECTURE=x86-64\n'
    entry = found.find(release)
    assert entry is not None and entry.xattr(b"user.extension-release.strict") == b"false"
    assert found.read(b"usr/bin/old") == b"changed"


@pytest.mark.build
def test_the_level_of_the_system_goes_before_its_version(tools: Tools, tmp_path: Path) -> None:
    release = OS_RELEASE + b"SYSEXT_LEVEL=2\nCONFEXT_LEVEL=3\n"
    below = tree({b"usr/lib/os-release": release})
    for name, place, level in (("sysext", b"usr/a", b"SYSEXT"), ("confext", b"etc/a", b"CONFEXT")):
        (tmp_path / name).mkdir()
        given = parts(tmp_path / name, tree({b"usr/lib/os-release": release, place: b"x"}))
        given = dataclasses.replace(given, base=below)
        image, _ = by_name(name).write(given, tmp_path / name, tools)
        found = inside(image, tools, tmp_path)
        (path,) = (each.path for each in found if each.name == b"extension-release.web")
        assert path.startswith(b"usr/lib/" if name == "sysext" else b"etc/ext")
        assert b"ID=small\n%b_LEVEL=" % level in found.read(path)


@pytest.mark.build
def test_the_hash_tree_fits_and_the_ids_are_the_halves_of_its_root(
    tools: Tools, tmp_path: Path
) -> None:
    image, told = written(tmp_path, tools, tree(NEW))
    root_hash = told.read_text().strip()
    with image.open("rb") as file:
        table = gpt.read(file)
    assert table is not None
    data, hashes = table.entries
    assert data.guid.hex + hashes.guid.hex == root_hash
    for entry, name in ((data, "data"), (hashes, "hashes")):
        part = image.read_bytes()[entry.start : entry.start + entry.size]
        (tmp_path / name).write_bytes(part)
    places = [tmp_path / "data", tmp_path / "hashes"]
    argv = ["veritysetup", "verify", *map(str, places), root_hash]
    tools.run(argv, read=places)
    (tmp_path / "data").write_bytes(bytes(4096) + (tmp_path / "data").read_bytes()[4096:])
    assert tools.run(argv, read=places, check=False).status


@pytest.mark.build
def test_other_content_has_other_ids(tools: Tools, tmp_path: Path) -> None:
    tables = []
    for name, content in (("a", b"1"), ("b", b"2")):
        (tmp_path / name).mkdir()
        image, _ = written(tmp_path / name, tools, tree({**OLD, b"usr/new": content}))
        with image.open("rb") as file:
            tables.append(gpt.read(file))
    one, two = tables
    assert one and two and one.guid != two.guid
    assert {each.guid for each in one.entries}.isdisjoint(each.guid for each in two.entries)


@pytest.mark.build
def test_what_would_be_lost_is_refused_unless_it_is_said(tools: Tools, tmp_path: Path) -> None:
    files = {**NEW, b"etc/new.conf": b"x", b"var/lib/it/state": b"y", b"etc/ld.so.cache": b"z"}
    files.pop(b"usr/bin/old")
    with pytest.raises(DockyardError) as caught:
        written(tmp_path, tools, tree(files))
    outside, removed = caught.value.problems
    assert outside.code == "formats.extension-outside"
    assert "/etc/new.conf" in outside.excerpt and "/var/lib/it/state" in outside.excerpt
    assert "leaveOut: [/etc/new.conf, /var, /var/lib]" in outside.fix
    assert removed.code == "formats.extension-removes" and removed.where == "/usr/bin/old"
    files[b"usr/bin/old"] = b"old"
    written(tmp_path, tools, tree(files), "sysext", "/etc/new.conf", "/var")
    with pytest.raises(DockyardError) as caught:
        written(tmp_path, tools, base())
    assert caught.value.problems[0].code == "formats.extension-empty"


def test_a_link_to_what_stays_behind_is_a_file_of_its_own() -> None:
    entries = [
        Entry(b"usr/a", Kind.FILE),
        Entry(b"usr/b", Kind.HARDLINK, target=b"usr/a"),
        Entry(b"usr/c", Kind.HARDLINK, target=b"usr/a"),
    ]
    root = Archive.from_entries(entries, {b"usr/a": b"data"})
    below = Archive.from_entries(entries[:1], {b"usr/a": b"data"})
    found = added(root, below, (b"usr",), ())
    assert [(each.path, each.kind) for each in found][2:] == [
        (b"usr/b", Kind.FILE),
        (b"usr/c", Kind.HARDLINK),
    ]
    assert found.read(b"usr/c") == b"data"


@covers(format="{name}", judge="systemd-dissect")
@pytest.mark.build
@pytest.mark.parametrize("name", ["sysext", "confext"])
def test_systemd_finds_it_valid(tools: Tools, oracles: Tools, tmp_path: Path, name: str) -> None:
    changed = b"usr/new" if name == "sysext" else b"etc/new"
    image, _ = written(tmp_path, tools, tree({**OLD, changed: b"1"}), name)
    done = oracles.run(["systemd-dissect", "--validate", str(image)], read=[image])
    assert not done.stderr.replace(b"OK", b"").strip()
    # Without a partition of a type that it knows it is none.
    with image.open("r+b") as file:
        table = gpt.read(file)
        assert table is not None
        entries = tuple(dataclasses.replace(each, type_guid=each.guid) for each in table.entries)
        gpt.write(dataclasses.replace(table, entries=entries), file)
    argv = ["systemd-dissect", "--validate", str(image)]
    assert oracles.run(argv, read=[image], check=False).status


def test_what_it_fits_is_read_as_systemd_reads_it() -> None:
    own = {b"etc/os-release": b"ID=own\n", b"usr/lib/os-release": OS_RELEASE}
    assert system_of(tree(own)) == {"ID": "own"}
    assert system_of(tree(OLD))["ID"] == "small"


def test_a_hostile_os_release_is_text_of_a_bounded_size() -> None:
    hostile = OS_RELEASE + b"BAD=\xff\xfe\n" + b"A=" + b"x" * (1 << 20)
    told = system_of(tree({b"usr/lib/os-release": hostile}))
    assert told["ID"] == "small" and sum(map(len, told.values())) < 1 << 16
