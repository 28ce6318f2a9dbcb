"""Where images go, and under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.errors import Severity
from dockyard.pipeline.output import misnamed


@pytest.mark.parametrize("name", ["a.qcow2", "a.QCOW2", "a.img", "a", "a.2026.1"])
def test_a_name_that_fits_or_promises_nothing_is_no_matter(name: str) -> None:
    assert misnamed(Path(name), "qcow2", ".qcow2") == []


def test_a_name_that_promises_another_format_is_told() -> None:
    [problem] = misnamed(Path("out/a.vhdx"), "raw", ".raw")
    assert problem.severity is Severity.WARNING and problem.code == "build.misnamed"
    assert problem.what == "a.vhdx is written in the format raw"
    assert problem.fix and "a.raw" in problem.fix
