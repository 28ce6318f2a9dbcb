"""Real boots. The image is the one that DOCKYARD_TEST_IMAGE names, any that runs systemd 256."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools
from dockyard.tree.check import Check
from dockyard.vm.guest import ask
from dockyard.vm.qemu import detect_format

pytestmark = pytest.mark.boot


@pytest.fixture
def image() -> Path:
    chosen = os.environ.get("DOCKYARD_TEST_IMAGE")
    if not chosen:
        pytest.skip("DOCKYARD_TEST_IMAGE names no image: build one of the examples")
    return Path(chosen)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_an_image_answers_and_stays_as_it_is(image: Path, tools: Tools, tmp_path: Path) -> None:
    before = digest(image)
    checks = [
        Check("right", "root's id is 0", "id -u root", "0"),
        Check("wrong", "root's id is 1", "id -u root; echo seen >&2", "1"),
        Check("writes", "the root can be written", "touch /dockyard && echo done", "done"),
        *(Check(f"many.{n}", "t", f"echo {n}\n#{'x' * 1000}", str(n)) for n in range(100)),
    ]
    verdict = ask(image, detect_format(image), checks, tools, console=tmp_path / "console")
    assert [result.passed for result in verdict.results[:2]] == [True, False]
    assert (verdict.results[1].actual, verdict.results[1].errors) == ("0", "seen")
    assert all(result.passed for result in verdict.results[3:])
    assert len(verdict.results) == len(checks)
    assert verdict.system_state in ("running", "degraded")
    assert digest(image) == before


def test_a_disk_with_nothing_to_boot_is_given_up_at_once(tools: Tools, tmp_path: Path) -> None:
    disk = tmp_path / "empty.raw"
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    with pytest.raises(DockyardError) as caught:
        ask(disk, "raw", (), tools, console=tmp_path / "console", timeout=120)
    assert caught.value.problems[0].code == "vm.nothing-to-boot"
