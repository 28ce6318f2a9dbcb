"""What is damaged in the store, or where an image was placed, never ends in an image."""

from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import EXAMPLES, Ran, fresh_store, run_dockyard

from dockyard.engine.store import FACTS, Store

IMAGE = EXAMPLES / "minimal/image.yaml"


def flip(path: Path) -> None:
    """Change one byte in the middle of what a file has."""
    data = path.read_bytes() if path.stat().st_size < 1 << 20 else None
    at = len(data) // 2 if data is not None else 1 << 20
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def size(path: Path) -> int:
    return path.stat().st_size


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.build
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to strangers")
def test_what_belongs_to_strangers_is_told_and_the_rest_is_verified(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first, inner, closed = (store.place(f"thing-{digit * 40}") for digit in "012")
    for place in (first, inner, closed):
        (place / "tree").mkdir(parents=True)
        (place / "tree/file").touch()
    os.chown(inner / "tree", 5, 5)
    os.chown(closed, 5, 5)

    def verify() -> Ran:
        return run_dockyard("store", "verify", "--store", store.root, check=False)

    ran = verify()
    assert ran.stdout.startswith("removed: ") and "3 damaged" in ran.stdout
    assert ran.stdout.count("damaged, cannot be removed: ") == 2
    assert "file: Permission denied; it belongs to a stranger" in ran.stdout
    assert f"remove it as root: rm -r {closed}" in ran.stdout
    assert not first.exists() and not inner.exists() and closed.exists()
    # What is only left over is no damage, but whoever clears the store says what is there still.
    assert "1 damaged" in verify().stdout
    pruned = run_dockyard("store", "prune", "--store", store.root, check=False)
    assert "error[host.cannot-remove]" in pruned.stderr and pruned.stderr.count("error[") == 1


@pytest.mark.build
def test_damage_is_named_and_made_anew(published: Path, tmp_path: Path) -> None:
    store, out = fresh_store(published, tmp_path, "store"), tmp_path / "out.raw"

    def build(*words: str) -> Ran:
        options = ("--store", store, "--output-image-file", out, "--progress", "plain")
        return run_dockyard("build", IMAGE, *options, *words)

    def result(name: str) -> Path:
        (found,) = (
            path.parent
            for path in (store / "results").glob(f"*/{FACTS}")
            if json.loads(path.read_bytes())["name"] == name
        )
        return found

    def file_system() -> Path:
        """That of the root: the largest."""
        return max((store / "results").glob("filesystem-*/filesystem"), key=size)

    # The proof of every file system is part of this one.
    kept = Store(store)
    with ThreadPoolExecutor(1) as pool:
        verified = pool.submit(build, "--verify")
        while not verified.done():
            kept.sweep()  # as another build does when it begins
            time.sleep(0.05)
    assert "verified: identical" in verified.result().stdout
    whole = digest(out)
    assert "unchanged" in build().stdout
    assert json.loads(build("--json").stdout)["result"]["sha256"] == whole

    # A file system in the store, when the image is written anew.
    out.unlink()
    flip(file_system())
    boot = run_dockyard("boot", IMAGE, "--check", "--store", store, check=False)
    assert "error[boot.damaged]" in boot.stderr and "filesystem has other content" in boot.stderr
    ran = build("--json")
    assert "its result was damaged: filesystem has other content" in ran.stderr
    assert json.loads(ran.stdout)["result"]["sha256"] == digest(out) == whole

    # What the checks of a boot are made of.
    flip(result("manifest") / "manifest.jsonl")
    boot = run_dockyard("boot", IMAGE, "--check", "--store", store, check=False)
    assert "error[boot.damaged]" in boot.stderr and "manifest.jsonl has other" in boot.stderr
    assert "its result was damaged: manifest.jsonl has other content" in build().stderr

    # What was placed.
    flip(out)
    assert "of what the store had" in build().stdout
    assert digest(out) == whole

    # A file of the tree, when it goes into a file system again.
    flip(result("packages") / "tree/usr/bin/bash")
    flip(file_system())
    out.unlink()
    ran = build()
    assert "its result was damaged: tree/usr/bin/bash has other content" in ran.stderr
    assert "its result was damaged: filesystem has other content" in ran.stderr
    assert digest(out) == whole
    assert list((store / "work").iterdir()) == []


@pytest.mark.build
def test_the_manifest_has_what_boots(published: Path, tmp_path: Path) -> None:
    ran = run_dockyard(
        "build", IMAGE, "--store", published, "--output-image-file", tmp_path / "out.raw"
    )
    again = run_dockyard(
        "build", IMAGE, "--store", published, "--output-image-file", tmp_path / "out.raw"
    )
    manifest = Path(again.stdout.splitlines()[-1].rpartition(" ")[2])
    assert ran.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    esp = [line for line in lines if line["path"].startswith("/boot/efi/")]
    programs = [line["path"] for line in esp if line["path"].endswith((".efi", ".EFI"))]
    assert "/boot/efi/EFI/BOOT/BOOTX64.EFI" in programs
    assert any(path.startswith("/boot/efi/EFI/Linux/") for path in programs)
    assert all(line.keys() <= {"path", "type", "size", "sha256"} for line in esp)
    paths = [line["path"] for line in lines]
    assert len(set(paths)) == len(paths)
