"""Container images and distributions of WSL: what they say, what they leave out, who reads them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from image_parts import EPOCH, parts

from dockyard.archive import Archive, Entry, Kind, scan_stream
from dockyard.errors import DockyardError
from dockyard.formats import by_name
from dockyard.formats.guest import of_guest
from dockyard.host.sandbox import Tools
from dockyard.model.guests import Oci, Wsl
from dockyard.model.output import OutputImage
from dockyard.packages.oci.manifest import check_digest, read_manifest
from dockyard.packages.oci.reference import Reference
from features import covers
from nasty_archive import plain, same, same_data

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
ASKED = Oci(
    reference="registry.example.com/web:1.0",
    entrypoint=("/bin/server", "--log"),
    cmd=("two words",),
    env={"LANG": "C.UTF-8", "A": "b=c"},
    user="www:www",
    working_dir="/srv",
    exposed_ports=("80", "53/udp"),
    labels={"org.example.b": "2", "a": "1"},
)

WSL = Wsl()


def root() -> Archive:
    """A small root with what a guest has no use for, and what it must keep."""
    entries = [
        Entry(b"bin/server", Kind.FILE, 0o755, xattrs=((b"security.capability", CAPABILITY),)),
        Entry(b"bin/started", Kind.HARDLINK, target=b"bin/server"),
        Entry(b"dev/null", Kind.CHARACTER, 0o666, rdev=(1, 3)),
        Entry(b"dev/zero", Kind.HARDLINK, target=b"dev/null"),
        Entry(b"etc/passwd", Kind.FILE, uid=0),
        Entry(b"usr/lib/systemd/systemd", Kind.FILE, 0o755),
        Entry(
            "srv/grü".encode(),
            Kind.FILE,
            uid=1000,
            gid=1000,
            xattrs=(
                (b"security.selinux", b"x\0"),
                (b"trusted.overlay.opaque", b"y"),
                (b"user.note", b"kept"),
            ),
        ),
    ]
    data = {
        b"bin/server": b"\x7fELF" * 9000,
        b"etc/passwd": b"root:x:0:0::/:\nops:x:1000:1000::/:\n",
    }
    dated = [dataclasses.replace(each, mtime_ns=EPOCH * 10**9) for each in entries]
    return Archive.from_entries(dated, dict(data))


def written(
    name: str, folder: Path, tools: Tools, given: Archive, oci: Oci = ASKED, wsl: Wsl = WSL
) -> Path:
    settings = OutputImage(oci=oci, wsl=wsl)
    asked = dataclasses.replace(parts(folder, given), settings=settings)
    (out,) = by_name(name).write(asked, folder, tools)
    return out


def blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    data: bytes = (
        layout / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")
    ).read_bytes()
    assert len(data) == descriptor["size"]
    check_digest(data, descriptor["digest"], "a blob")
    return data


def unpacked(packed: bytes, folder: Path) -> Archive:
    (folder / "stream").write_bytes(gzip.decompress(packed))
    return scan_stream(folder / "stream")


@pytest.mark.build
def test_our_reader_and_the_specification_find_one_layer(tools: Tools, tmp_path: Path) -> None:
    layout = written("oci-dir", tmp_path, tools, root())
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout / "index.json").read_bytes())
    (entry,) = index["manifests"]
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": ASKED.reference}
    assert entry["platform"] == {"architecture": "amd64", "os": "linux"}
    reference = Reference("registry.example.com", "web", "1.0", "")
    text = (layout / "index.json").read_bytes()
    assert read_manifest(text, "", "", reference).entries[0].digest == entry["digest"]
    found = read_manifest(blob(layout, entry), entry["mediaType"], entry["digest"], reference)
    assert found.config is not None and not found.is_index
    config = json.loads(blob(layout, {"digest": found.config.digest, "size": found.config.size}))
    assert config["created"] == "2026-01-01T00:00:00Z" == config["history"][0]["created"]
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["config"] == {
        "User": "www:www",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Env": [
            "A=b=c",
            "LANG=C.UTF-8",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ],
        "Entrypoint": ["/bin/server", "--log"],
        "Cmd": ["two words"],
        "WorkingDir": "/srv",
        "Labels": {"a": "1", "org.example.b": "2"},
    }
    (layer,) = found.entries
    packed = blob(layout, {"digest": layer.digest, "size": layer.size})
    assert packed[4:8] == bytes(4), "a time in the head of the gzip file"
    plain = gzip.decompress(packed)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    assert len([*(layout / "blobs/sha256").iterdir()]) == 3
    read = unpacked(packed, tmp_path)
    same(read, of_guest(root()))
    same_data(read, of_guest(root()))
    server = read.find(b"bin/server")
    assert server is not None and server.xattr(b"security.capability") == CAPABILITY


@pytest.mark.build
def test_nothing_asked_for_gives_a_path_and_a_name_alone(tools: Tools, tmp_path: Path) -> None:
    layout = written("oci-dir", tmp_path, tools, root(), Oci())
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "web:latest"
    config = json.loads(blob(layout, json.loads(blob(layout, entry))["config"]))
    assert [*config["config"]] == ["Env"] and len(config["config"]["Env"]) == 1


def test_a_guest_has_no_devices_and_nothing_that_means_something_to_its_host() -> None:
    found = of_guest(root())
    assert found.find(b"dev") is not None and found.find(b"dev/null") is None
    assert found.find(b"dev/zero") is None
    odd = found.find("srv/grü".encode())
    assert odd is not None and odd.xattrs == ((b"user.note", b"kept"),)
    assert found.read(b"bin/started") == b"\x7fELF" * 9000


@pytest.mark.build
def test_a_name_that_is_a_removal_in_a_layer_is_refused(tools: Tools, tmp_path: Path) -> None:
    bad = Archive.from_entries([Entry(b"srv/.wh.data", Kind.FILE)])
    for name in ("oci-dir", "oci-archive"):
        with pytest.raises(DockyardError) as caught:
            written(name, tmp_path, tools, bad)
        (problem,) = caught.value.problems
        assert (problem.code, problem.where) == ("formats.whiteout", "/srv/.wh.data")
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and path.name.startswith(".")]


@pytest.mark.build
def test_the_archive_is_the_layout_as_a_tar(tools: Tools, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    layout = written("oci-dir", tmp_path / "a", tools, root())
    archive = written("oci-archive", tmp_path / "b", tools, root())
    with tarfile.open(archive, "r:") as file:
        names = file.getnames()
        found = {each.name: file.extractfile(each) for each in file if each.isfile()}
        told = {name: data.read() for name, data in found.items() if data}
    assert set(names) >= {"blobs", "blobs/sha256", "index.json", "oci-layout"}
    assert told == {
        str(path.relative_to(layout)): path.read_bytes()
        for path in layout.rglob("*")
        if path.is_file()
    }


@covers(format="oci-archive", judge="skopeo and umoci")
@covers(format="oci-dir", judge="skopeo")
@pytest.mark.build
@pytest.mark.parametrize("given", [root, plain])
def test_skopeo_and_umoci_read_it(tools: Tools, oracles: Tools, tmp_path: Path, given: Any) -> None:
    archive = written("oci-archive", tmp_path, tools, given())
    copied, bundle = tmp_path / "copied", tmp_path / "bundle"
    for path in (copied, bundle):
        path.mkdir()
    layout = written("oci-dir", tmp_path, tools, given())
    argv = ["skopeo", "inspect", "--config", f"oci:{layout}"]
    told = json.loads(oracles.run(argv, read=[layout]).text)
    argv = ["skopeo", "--insecure-policy", "copy", f"oci-archive:{archive}", f"oci:{copied}/it:1.0"]
    oracles.run(argv, read=[archive], write=[copied])
    argv = ["skopeo", "inspect", "--config", f"oci:{copied}/it:1.0"]
    config = json.loads(oracles.run(argv, read=[copied]).text)
    assert told == config
    assert config["created"] == "2026-01-01T00:00:00Z"
    assert config["config"]["Entrypoint"] == ["/bin/server", "--log"]
    argv = ["umoci", "raw", "unpack", "--image", f"{copied}/it:1.0", f"{bundle}/root"]
    oracles.run(argv, read=[copied], write=[bundle])
    for entry in of_guest(given()):
        path = bundle / "root" / os.fsdecode(entry.path)
        found = path.lstat()
        if entry.kind is not Kind.SYMLINK:  # umoci gives the owner last, which clears set-id bits
            assert found.st_mode & 0o777 == entry.mode & 0o777, path
        if entry.uid:  # root of the sandbox is another one here
            assert (found.st_uid, found.st_gid) == (entry.uid, entry.gid), path
        if entry.kind is Kind.FILE:
            assert found.st_size == entry.size, path
    stat_ = ["umoci", "stat", "--image", f"{copied}/it:1.0", "--json"]
    (history,) = json.loads(oracles.run(stat_, read=[copied]).text)["history"]
    assert history["created_by"] == "dockyard"


@covers(format="wsl", judge="GNU tar")
@pytest.mark.build
def test_a_distribution_of_wsl_is_a_gzip_of_the_root(tools: Tools, tmp_path: Path) -> None:
    out = written("wsl", tmp_path, tools, root(), wsl=Wsl(default_user="ops"))
    assert out.name == "web.wsl"
    listed = tools.run(["tar", "--list", "--gzip", f"--file={out}"], read=[out]).text
    assert "etc/passwd" in listed.splitlines()
    same_data(unpacked(out.read_bytes(), tmp_path), of_guest(root()))


@pytest.mark.build
def test_what_wsl_is_told_and_the_image_has_not_is_refused(tools: Tools, tmp_path: Path) -> None:
    bare = Archive.from_entries([Entry(b"etc/motd", Kind.FILE)])
    with pytest.raises(DockyardError) as caught:
        written("wsl", tmp_path, tools, bare, wsl=Wsl(default_user="ops"))
    codes = [each.code for each in caught.value.problems]
    assert codes == ["formats.wsl-systemd", "formats.wsl-user"]
    written("wsl", tmp_path, tools, bare, wsl=Wsl(systemd=False))
