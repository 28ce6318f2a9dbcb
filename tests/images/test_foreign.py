"""Images that tools of others made: read whole, changed where asked and nowhere else, booted.

mkosi makes the tree, a Debian; mkfs, mtools and sfdisk, or systemd-repart, the disks. See
`foreign/` for how.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import ROOT, run_dockyard

from features import covers

_FOREIGN = Path(__file__).parent / "foreign"
_SUBVOLUMES = "Subvolumes=/home /var/log"
_NOTHING = "os: {imageHistory: none}\n"
_CHANGES = """\
os:
  imageHistory: none
  hostname: changed
  users: [{name: ops}]
  additionalFiles: [{content: "hello\\n", destination: /etc/hello, permissions: "640"}]
"""
_KINDS = {
    tarfile.REGTYPE: "f", tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l", tarfile.LNKTYPE: "f",
}  # fmt: skip


class Maker:
    """Makes disks, in a directory, by the scripts in `foreign/`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.output = directory / "work/output"
        if not (self.output / "server").is_dir():
            self._run("prepare", str(directory), str(_FOREIGN / "recipe.yaml"))
            self._script("tree")

    def classic(self, table: str) -> Path:
        return self._disk(f"classic-{table}", "classic", table)

    def repart(self, file_system: str, more: str = "") -> Path:
        return self._disk(file_system, "repart", file_system, more=more)

    def _disk(self, name: str, script: str, first: str, more: str = "") -> Path:
        made = self.output / f"{name}.raw"
        if not made.exists():
            self._script(script, first, made.name, more)
        return made

    def _script(self, name: str, *words: str) -> None:
        script = (_FOREIGN / f"{name}.sh").read_text()
        self._run("run", str(self._directory), "sh", "-euc", script, "sh", *words)

    def _run(self, *words: str) -> None:
        command = [sys.executable, "-m", "benchmarks.mkosi", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert not done.returncode, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory, published: Path) -> Iterator[Maker]:
    """DOCKYARD_TEST_FOREIGN: a directory in which they were made before."""
    override = os.environ.get("DOCKYARD_TEST_FOREIGN")
    yield Maker(Path(override) if override else tmp_path_factory.mktemp("foreign"))


def shown(file_system: str) -> pytest.MarkDecorator:
    return covers(
        "images of others", loader="GRUB", file_system=file_system, distribution="Debian 13"
    )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("classic", marks=shown("ext4")),
        pytest.param("xfs", marks=(pytest.mark.long, shown("xfs"))),
        pytest.param("btrfs", marks=(pytest.mark.long, shown("btrfs"))),
    ],
)
def image(request: pytest.FixtureRequest, maker: Maker) -> Path:
    if request.param == "classic":
        return maker.classic("gpt")
    return maker.repart(request.param, _SUBVOLUMES if request.param == "btrfs" else "")


def customized(text: str, image: Path, out: Path, *words: str) -> Path:
    config = out.with_suffix(".yaml")
    config.write_text(text)
    given = ("--config-file", config, "--image-file", image, "--output-image-file", out)
    run_dockyard("customize", *given, "--progress", "quiet", *words)
    return out


@pytest.mark.build
def test_it_has_the_packages_that_its_maker_says(image: Path, maker: Maker) -> None:
    told = run_dockyard("inspect", image, "--packages", "--json").json
    manifest = json.loads((maker.output / "server.manifest").read_text())
    assert told["distribution"]["id"] == "debian" and told["boot"]["loaders"] == ["grub"]
    ours = {(each["name"], each["version"]) for each in told["packages"]["installed"]}
    assert ours == {(each["name"], each["version"]) for each in manifest["packages"]}


@pytest.mark.build
def test_every_file_comes_out_as_it_went_in(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    customized(_NOTHING, image, out, "--output-image-format", "tar")
    expected = dict(_listed(image.with_name(f"{image.name}.list")))
    found = dict(_packed(out))
    assert len(expected) > 9000
    expected.pop("efi", None)  # what is mounted there
    if "xfs" in image.name:
        # What mkfs.xfs drops of a tree, which the kernel finds as little.
        renamed = {path.rpartition("/")[0] for path in expected if ":" in path}
        expected = {path: _without_sticky(facts) for path, facts in expected.items()
                    if ":" not in path}  # fmt: skip
        found = {path: facts for path, facts in found.items()
                 if path in expected or path.rpartition("/")[0] not in renamed}  # fmt: skip
    assert {path: found.get(path) for path in expected} == expected
    others = {path.partition("/")[0] for path in found.keys() - expected.keys()} - {".", ""}
    assert others <= {"boot", "efi"}  # the EFI system partition


def _without_sticky(facts: Facts) -> Facts:
    return (facts[0], facts[1] & ~stat.S_ISVTX, *facts[2:])


Facts = tuple[str, int, int, int, int, str]
"""Of a file: kind, mode, owner, group, bytes, target of a symbolic link."""


def _listed(place: Path) -> Iterator[tuple[str, Facts]]:
    """What find(1) said of the tree that the image was made of."""
    for line in place.read_text(errors="surrogateescape").splitlines():
        path, kind, mode, uid, gid, size, link = line.split("\t")
        bits = 0o777 if kind == "l" else int(mode, 8)
        yield path, (kind, bits, int(uid), int(gid), int(size) if kind == "f" else 0, link)


def _packed(place: Path) -> Iterator[tuple[str, Facts]]:
    with tarfile.open(place) as tar:
        sizes = {each.name: each.size for each in tar}
        for each in tar:
            kind = _KINDS[each.type]
            size = sizes[each.linkname] if each.islnk() else each.size
            bits = 0o777 if kind == "l" else each.mode
            link = each.linkname if each.issym() else ""
            path = each.name.removeprefix("./")
            yield path, (kind, bits, each.uid, each.gid, size if kind == "f" else 0, link)


@pytest.mark.build
def test_what_was_asked_for_changes_and_nothing_else(image: Path, tmp_path: Path) -> None:
    nothing = customized(_NOTHING, image, tmp_path / "nothing.raw")
    same = run_dockyard("diff", image, nothing, "--times", "--json").json
    assert same["verdict"] in ("binary-equal", "equal in content")
    changed = customized(_CHANGES, image, tmp_path / "changed.raw")
    found = run_dockyard("diff", image, changed, "--json", check=False).json
    assert {each["name"] for each in found["facts"]} == {"host name", "user ops"}
    assert not found["files"]["removed"]
    added = {each["path"] for each in found["files"]["added"]}
    assert {path for path in added if not path.startswith("/home/ops")} <= {
        "/etc/hello", "/etc/hostname", "/etc/subuid", "/etc/subgid",
        *(f"/etc/{name}-" for name in ("passwd", "group", "shadow", "gshadow")),
    }  # fmt: skip


@pytest.mark.build
def test_a_table_for_a_bios_is_refused_by_name(maker: Maker, tmp_path: Path) -> None:
    image = maker.classic("dos")
    config = tmp_path / "config.yaml"
    config.write_text("os: {hostname: x}\n")
    words = ("--config-file", config, "--image-file", image, "--output-image-file", tmp_path / "o")
    done = run_dockyard("customize", *words, check=False)
    assert done.status == 1 and "MBR" in done.stderr


@pytest.mark.boot
@pytest.mark.long
def test_it_boots_and_every_setting_holds(image: Path, tmp_path: Path) -> None:
    out = customized(_CHANGES, image, tmp_path / "out.raw")
    words = ("--config-file", out.with_suffix(".yaml"), "--image-file", image, "--check")
    assert run_dockyard("boot", out, *words, "--timeout", "900", "--json").json["passed"]
