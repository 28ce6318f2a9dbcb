"""A signal to the process alone ends what runs within seconds, and leaves nothing half done."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import CODE, EXAMPLES, ROOT, fresh_store

from stores import share

MESSAGE = "interrupted; what was finished is kept, the same command goes on"
SECONDS = 8.0  # about two on an idle machine


def names(directory: Path) -> list[str]:
    """What a directory has, but for the files that are locked."""
    return [path.name for path in directory.iterdir() if path.suffix != ".lock"]


def stop(begun: str, after: float, number: signal.Signals, *words: str | Path) -> list[str]:
    """Run dockyard, signal it some seconds after a line of its progress, and give what it said."""
    command = [sys.executable, "-c", CODE, *map(str, words), "--progress", "plain"]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr
    try:
        while begun not in (line := process.stderr.readline()):
            assert line, f"it ended before: {begun}"
        time.sleep(after)
        process.send_signal(number)
        sent = time.monotonic()
        said = process.stderr.read().splitlines()
        assert process.wait(30) == 128 + number
        assert time.monotonic() - sent < SECONDS
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    return said


@pytest.mark.build
def test_a_build_is_stopped_with_nothing_half_done(published: Path, tmp_path: Path) -> None:
    store = fresh_store(published, tmp_path, "store")
    build: tuple[str | Path, ...] = ("build", EXAMPLES / "minimal/image.yaml", "--store", store)
    build = (*build, "--output-image-file", tmp_path / "out.raw")
    for begun, after, number in (
        ("Unpack packages", 0.2, signal.SIGINT),
        ("Make the index", 0.1, signal.SIGTERM),
        ("Write ext4", 0.1, signal.SIGINT),
    ):
        said = stop(begun, after, number, *build)
        assert said[-1] == MESSAGE
        assert any("interrupted after" in line for line in said)
        assert not any("error" in line or "Traceback" in line for line in said)
        assert not any("failed" in line for line in said)
        assert names(store / "work") == []
        # What is there is whole: it has the record that comes last.
        results = [path for path in (store / "results").iterdir() if path.is_dir()]
        assert all((result / ".step.json").is_file() for result in results)
        assert not (tmp_path / "out.raw").exists()


@pytest.mark.build
def test_unpacking_tools_is_stopped(published: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "blobs").symlink_to(published / "blobs")
    said = stop("Unpack", 2, signal.SIGINT, "tools", "fetch", "--store", store)
    assert said[-1] == MESSAGE
    assert names(store / "results") == []


@pytest.mark.build
def test_a_distribution_is_stopped(published: Path, tmp_path: Path) -> None:
    store = share(tmp_path / "store", published, "blobs")
    build = ("distro", "build", ROOT / "distros/harbor", "--store", store)
    said = stop("Convert", 2, signal.SIGTERM, *build)
    assert said[-1] == MESSAGE
    assert not (store / "repositories/harbor").exists()
    assert names(store / "work") == []
