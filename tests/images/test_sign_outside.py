"""What boots is taken out of an image, signed outside and injected again; nothing else changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import EXAMPLES, run_dockyard
from test_variants import variant

from dockyard.disk.pe import Program
from dockyard.filesystems.image import Region
from dockyard.filesystems.vfat import read
from dockyard.formats.containers import Container, RawDisk
from dockyard.inspection.disks import partitions_of
from features import covers

ARTIFACTS = "output: {artifacts: {items: [ukis, shim, bootloader], path: ./out}}\n"
INJECTED = "out/inject-files.yaml"
# Runs a tool as `dockyard` does: in the namespace, which a test that boots is not in.
RUN = """
import sys
from pathlib import Path
from dockyard.engine.store import default_root
from dockyard.host import namespace
from dockyard.tools.trees import tools_tree
namespace.enter()
place = Path(sys.argv[1])
tools_tree(default_root()).main.run(sys.argv[2:], write=[place], cwd=place)
"""


def tool(place: Path, *words: str | Path) -> None:
    subprocess.run([sys.executable, "-c", RUN, place, *words], check=True, env=os.environ)


def esp_of(image: Path) -> tuple[int, int]:
    """Where the EFI system partition is: from and to which byte."""
    raw = RawDisk(image, image.stat().st_size, Container.RAW)
    first = partitions_of(image, raw).partitions[0].entry
    return first.start, first.start + first.size


def signed(place: Path) -> list[Path]:
    """Sign all programs below a directory with a key of this test."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
         "-subj", "/CN=test", "-keyout", "key", "-out", "crt"], cwd=place, check=True
    )  # fmt: skip
    programs = sorted(path for path in place.rglob("*") if path.suffix.lower() == ".efi")
    for program in programs:
        # What boot loaders bring is signed by nobody; a UKI by us.
        assert not Program(program.read_bytes(), program.name).is_signed
        tool(place, "sbsign", "--key", "key", "--cert", "crt", "--output", program, program)
    return programs


def signed_outside(place: Path) -> tuple[Path, Path]:
    """An image file, and its image with signed programs, which are left in `out`."""
    image = variant(place, name="signed", more=ARTIFACTS)
    out, new = place / "signed.img", place / "new.img"
    told = run_dockyard(
        "build", image, "--output-image-file", out, "--progress", "quiet", "--json"
    ).json
    described, *taken = map(Path, told["artifacts"])
    assert described == place / INJECTED
    programs = signed(place / "out")
    assert sorted(taken) == programs and len(programs) == 3
    words = ("inject-files", "--config-file", described, "--progress", "quiet")
    run_dockyard(*words, "--image-file", out, "--output-image-file", new)
    return image, new


@covers("output.artifacts")
@pytest.mark.build
def test_only_the_programs_of_an_image_change(published: Path, tmp_path: Path) -> None:
    _, new = signed_outside(tmp_path)
    out = tmp_path / "signed.img"
    words = ("inject-files", "--config-file", tmp_path / INJECTED, "--progress", "quiet")
    start, end = esp_of(out)
    before, after = out.read_bytes(), new.read_bytes()
    assert before[:start] == after[:start] and before[end:] == after[end:]
    esp = read(Region(new, start, end - start))
    for entry in esp:
        if entry.path.lower().endswith(b".efi"):
            found = tmp_path / "out/found"
            found.write_bytes(esp.read(entry.path))
            assert Program(found.read_bytes(), str(entry.path)).is_signed
            tool(tmp_path / "out", "sbverify", "--cert", "crt", "found")
    # The same into a qcow2, and in place of the image.
    again, packed = tmp_path / "again.img", tmp_path / "new.qcow2"
    run_dockyard(*words, "--image-file", out, "--output-image-file", packed,
                 "--output-image-format", "qcow2")  # fmt: skip
    run_dockyard(*words, "--image-file", packed, "--output-image-file", again,
                 "--output-image-format", "raw")  # fmt: skip
    run_dockyard(*words, "--image-file", out)
    assert again.read_bytes() == after == out.read_bytes()


@covers("output.artifacts")
@pytest.mark.boot
@pytest.mark.long
def test_a_signed_image_boots(published: Path, tmp_path: Path) -> None:
    image, new = signed_outside(tmp_path)
    asked = ("boot", new, "--config-file", image, "--check", "--json")
    verdict = run_dockyard(*asked, check=False).json
    assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])
    # The build knows its programs without their signatures; all else is as it made it.
    failed = {check["id"] for check in verdict["checks"] if not check["passed"]}
    assert {each.partition(".")[0] for each in failed} <= {"files"}


@pytest.mark.build
def test_files_without_room_are_told_with_their_partition(published: Path, tmp_path: Path) -> None:
    image, config = tmp_path / "disk.raw", tmp_path / "inject.yaml"
    run_dockyard("build", EXAMPLES / "minimal/image.yaml", "--output-image-file", image, "-q")
    (tmp_path / "large").write_bytes(os.urandom(90 << 20))
    config.write_text(
        "injectFiles:\n  - partition: {idType: part-label, id: esp}\n"
        "    source: large\n    destination: /large\n"
    )
    words = ("--config-file", config, "--image-file", image, "--output-image-file", tmp_path / "o")
    done = run_dockyard("inject-files", *words, "-q", check=False)
    assert done.status == 1 and not (tmp_path / "o").exists()
    assert "inject.no-room" in done.stderr and "inject.yaml:2:41" in done.stderr
    assert "partition 1 esp is to take 90 MiB of files" in " ".join(done.stderr.split())
