"""Verbs that first fetch the tools say so, and take them from where the command line says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

VERBS = {
    "inspect": ("inspect", "disk.raw"),
    "diff": ("diff", "disk.raw", "disk.raw"),
    "lock": ("lock", "config.yaml", "--image-file", "disk.raw"),
    "customize": ("customize", "config.yaml", "--image-file", "disk.raw"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_with_an_empty_store_looks_where_it_is_told(verb: str, tmp_path: Path) -> None:
    # The head of a table, so that it is taken for a disk: it is read once the tools are there.
    (tmp_path / "disk.raw").write_bytes(bytes(510) + b"\x55\xaa" + b"EFI PART" + bytes(1 << 20))
    (tmp_path / "config.yaml").write_text("os: {packages: {install: [a]}}\n")
    (tmp_path / "mirror").mkdir()
    more = ("--store", "store", "--debian-mirror", "mirror", "--mirror-dir", "mirror")
    code = "from dockyard.cli.main import main; main()"
    argv = [sys.executable, "-c", code, *VERBS[verb], *more, "--progress", "plain"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "packages of tools" in done.stderr.partition("error[")[0], done.stderr
    assert "fetch.gone" in done.stderr and str(tmp_path / "mirror") in done.stderr
