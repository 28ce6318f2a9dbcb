"""A root is built as a container image, a distribution of WSL and a file system, of packages and of
an image with a disk: the same bytes twice, and nothing in it of a disk.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from command_line import EXAMPLES, ROOT, run_dockyard

from dockyard.archive import Archive, Kind, scan_stream
from features import covers

QUIET = ("--progress", "quiet")
IMAGE = f"""\
name: web
distro: {ROOT}/distros/harbor/distro.yaml
os:
  hostname: web
  packages: {{install: [harbor-core]}}
  users: [{{name: ops}}]
output:
  image:
    oci: {{cmd: [bash], labels: {{made: here}}}}
    wsl: {{defaultUser: ops}}
"""


def layer_of(layout: Path) -> Path:
    """The layer of an image, uncompressed."""

    def blob(entry: dict[str, str]) -> Path:
        return layout / "blobs/sha256" / entry["digest"].removeprefix("sha256:")

    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    (layer,) = json.loads(blob(entry).read_text())["layers"]
    out = layout.with_suffix(".layer")
    out.write_bytes(gzip.decompress(blob(layer).read_bytes()))
    return out


def require_guest(root: Archive) -> None:
    """Assert that a root has nothing of a disk, and no device."""
    names = {entry.path for entry in root}
    assert not [each for each in root if each.kind in (Kind.CHARACTER, Kind.BLOCK)]
    assert not [each for each in names if each.startswith((b"boot/efi/", b"boot/vmlinuz"))]
    fstab = root.read(b"etc/fstab").decode()
    assert not [line for line in fstab.splitlines() if line and not line.startswith("#")]
    assert b"usr/lib/os-release" in names


@covers("output.image.format, oci", "output.image.format, wsl")
@pytest.mark.build
def test_a_root_of_packages_is_that_of_a_guest(published: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.yaml"
    image.write_text(IMAGE)
    run_dockyard("lock", image, *QUIET)
    layout = tmp_path / "layout"
    words = ("--output-image-format", "oci-dir", "--verify", "--json", *QUIET)
    told = run_dockyard("build", image, "--output-image-file", layout, *words).json
    assert told["format"] == "oci-dir" and told["verified"] and told["placed"]
    root = scan_stream(layer_of(layout))
    require_guest(root)
    assert b"ops:" in root.read(b"etc/passwd")
    assert root.find(b"etc/wsl.conf") is None
    again = run_dockyard("build", image, "--output-image-file", layout, *words[:2], *QUIET)
    assert again.stdout.startswith("unchanged")
    out = tmp_path / "web.wsl"
    wsl = ("--output-image-format", "wsl", *QUIET)
    run_dockyard("build", image, "--output-image-file", out, *wsl)
    (tmp_path / "wsl").write_bytes(gzip.decompress(out.read_bytes()))
    root = scan_stream(tmp_path / "wsl")
    require_guest(root)
    assert root.read(b"etc/wsl.conf") == b"[boot]\nsystemd = true\n\n[user]\ndefault = ops\n"
    assert root.read(b"etc/wsl-distribution.conf") == b"[oobe]\ndefaultName = web\n"
    mask = root.find(b"etc/systemd/system/systemd-networkd.service")
    assert mask is not None and mask.target == b"/dev/null"
    assert root.find(b"etc/resolv.conf") is None
    for image in (layout, out):
        told = run_dockyard("inspect", image, "--json").json
        assert (told["distribution"]["id"], told["hostname"]) == ("harbor", "web")
        assert "harbor-core" in {each["name"] for each in told["packages"]["installed"]}
    assert run_dockyard("diff", layout, layout).status == 0


@covers("output.image.format, oci")
@pytest.mark.build
def test_a_root_of_an_image_with_a_disk_is_that_of_a_guest(published: Path, tmp_path: Path) -> None:
    base, config = tmp_path / "base.raw", tmp_path / "config.yaml"
    run_dockyard("build", EXAMPLES / "minimal/image.yaml", "--output-image-file", base, *QUIET)
    config.write_text("os: {hostname: guest, imageHistory: none}\n")
    outs = []
    for name in ("one", "two"):
        out = tmp_path / name
        given = ("--config-file", config, "--image-file", base, "--output-image-file", out)
        run_dockyard("customize", *given, "--output-image-format", "oci-dir", *QUIET)
        outs.append(out)
    files = [
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for out in outs
    ]
    assert files[0] == files[1] and len(files[0]) == 5
    root = scan_stream(layer_of(outs[0]))
    require_guest(root)
    assert root.read(b"etc/hostname") == b"guest\n"


@covers("output.image.format, squashfs and erofs")
@pytest.mark.build
def test_a_root_of_an_image_with_a_disk_is_a_file_system(published: Path, tmp_path: Path) -> None:
    outs = {name: tmp_path / f"out.{name}" for name in ("raw", "erofs", "squashfs", "customized")}
    for name in ("raw", "erofs", "squashfs"):
        words = ("--output-image-format", name, "--output-image-file", outs[name], *QUIET)
        run_dockyard("build", EXAMPLES / "minimal/image.yaml", *words)
    told = run_dockyard("inspect", outs["erofs"], "--json").json
    assert told["distribution"]["id"] == "harbor"
    found = run_dockyard("diff", outs["erofs"], outs["squashfs"], "--json", check=False).json
    assert found["files"] == {"added": [], "removed": [], "changed": []}
    # An image of one file system goes in, too.
    config = tmp_path / "config.yaml"
    config.write_text("os: {imageHistory: none}\n")
    given = ("--config-file", config, "--image-file", outs["raw"])
    words = ("--output-image-format", "erofs", "--output-image-file", outs["customized"], *QUIET)
    run_dockyard("customize", *given, *words)
    found = run_dockyard("diff", outs["erofs"], outs["customized"], "--json", check=False).json
    assert found["packages"] == {"added": [], "removed": [], "changed": []}


@covers("output.image.format, directory")
@pytest.mark.build
def test_a_root_is_a_directory_of_the_callers(published: Path, tmp_path: Path) -> None:
    image, out = tmp_path / "image.yaml", tmp_path / "out"
    image.write_text(IMAGE)
    run_dockyard("lock", image, *QUIET)
    words = ("--output-image-file", out, "--output-image-format", "directory", *QUIET)
    told = run_dockyard("build", image, *words, "--verify", "--json").json
    assert told["verified"] and told["placed"]
    assert "ops:" in (out / "etc/passwd").read_text()
    assert (out / "bin").is_symlink() and (out / "usr/bin/bash").stat().st_mode & 0o7777 == 0o755
    assert {path.lstat().st_uid for path in out.rglob("*")} == {tmp_path.stat().st_uid}
    assert (out / "etc/shadow").stat().st_mode & 0o077 in (0, 0o040)
    assert run_dockyard("build", image, *words).stdout.startswith("unchanged")
    (out / "etc/mine").touch()
    again = run_dockyard("build", image, *words, check=False)
    assert again.status == 1 and "files that are not its own" in " ".join(again.stderr.split())
