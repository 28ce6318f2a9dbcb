"""Passwords that image files have in clear: they open the account, and are found nowhere else."""

from __future__ import annotations

import mmap
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CODE, ROOT, fresh_store, run_dockyard
from test_variants import variant

from crypt3 import opens
from features import covers

IN_FILE, IN_TEXT, LATER = "Zw7-quince marmalade", "Zw7-пирог с вишней", "Zw7-rhubarb crumble"
USERS = f"""\
  users:
    - {{name: alice, password: {{type: plain-text-file, value: alice.password}}}}
    - {{name: ben, password: {{type: plain-text, value: {IN_TEXT}}}}}
    - {{name: carl, password: {{type: plain-text, value: {IN_TEXT}}}}}
scripts:
  postCustomization:
    - {{content: "test -f /_imageconfigs/beside && ! grep -r Zw7 /_imageconfigs"}}
"""
CONFIG = f"os:\n  users: [{{name: ben, password: {{type: plain-text, value: {LATER}}}}}]\n"
HASH = re.compile(rb"^(alice|ben|carl|ops):(\$6\$rounds=100000\$[./0-9A-Za-z]{16}\$[^:\n]+):", re.M)


def image_file(place: Path) -> Path:
    (place / "alice.password").write_text(f"{IN_FILE}\n")
    (place / "beside").touch()
    return variant(place, name="clear", more=USERS)


def content(path: Path) -> mmap.mmap | bytes:
    if not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def hashes(image: Path) -> dict[str, bytes]:
    """The hashes in the account file of a disk; an image that was customized has no other one."""
    return {name.decode(): found for name, found in HASH.findall(content(image))}


def holding(places: list[Path], *passwords: str) -> Iterator[str]:
    """Files below places, and their names, with a password. What an ordinary user may not read in
    the trees of the store is in the disk as well.
    """
    words = [password.encode() for password in passwords]
    for place in places:
        for path in (place, *place.rglob("*")):
            if any(word in os.fsencode(path) for word in words):
                yield f"the name {path}"
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                held = content(path)
                yield from (str(path) for word in words if held.find(word) >= 0)


@covers("os.users")
@pytest.mark.build
def test_a_password_in_clear_is_hashed_the_same_again_and_found_nowhere(
    published: Path, tmp_path: Path
) -> None:
    store, made = fresh_store(published, tmp_path, "store"), tmp_path / "made"
    made.mkdir()
    (tmp_path / "files").mkdir()
    image, out, log = image_file(tmp_path / "files"), made / "out.raw", made / "log"
    env = {"DOCKYARD_STORE": str(store)}
    words = ("--log-file", log, "--verbose", "--progress", "json")
    said = [run_dockyard("plan", image, "--json", env=env)]
    said += [run_dockyard("build", image, "--verify", "--output-image-file", out, *words, env=env)]
    first = hashes(out)
    assert opens(IN_FILE, first["alice"]) and not opens(f"{IN_FILE}\n", first["alice"])
    assert opens(IN_TEXT, first["ben"]) and opens(IN_TEXT, first["carl"])
    assert len({each.split(b"$")[3] for each in first.values()}) == 3
    config, later = tmp_path / "files/change.yaml", made / "later.raw"
    config.write_text(CONFIG)
    given = ("--config-file", config, "--image-file", out, "--output-image-file", later)
    said += [run_dockyard("customize", *given, *words, env=env)]
    second = hashes(later)
    assert opens(LATER, second["ben"]) and second["carl"] == first["carl"]
    texts = "".join(each.stdout + each.stderr for each in said)
    assert not [each for each in (IN_FILE, IN_TEXT, LATER) if each in texts]
    assert len([*holding([image.parent], IN_FILE, IN_TEXT, LATER)]) == 3
    assert [*holding([store, made], IN_FILE, IN_TEXT, LATER)] == []


@pytest.mark.build
def test_a_created_image_has_the_hash_of_a_password_in_clear(
    published: Path, tmp_path: Path
) -> None:
    config, out = tmp_path / "config.yaml", tmp_path / "out.raw"
    text = (ROOT / "examples/create/config.yaml").read_text()
    clear = f"- name: ops\n      password: {{type: plain-text, value: {IN_TEXT}}}\n"
    config.write_text(text.replace("- name: ops\n", clear))
    given = ("--config-file", config, "--rpm-source", published / "repositories/harbor")
    run_dockyard("create", *given, "--output-image-file", out, "--progress", "quiet")
    assert opens(IN_TEXT, hashes(out)["ops"])
    assert [*holding([out], IN_TEXT)] == []


@pytest.mark.boot
def test_a_user_logs_in_at_the_console_with_the_password(published: Path, tmp_path: Path) -> None:
    image = image_file(tmp_path)
    run_dockyard("build", image, "--progress", "quiet")
    near, far = pty.openpty()
    words = ["boot", str(image)]
    running = subprocess.Popen(
        [sys.executable, "-c", CODE, *words], stdin=far, stdout=far, stderr=far, cwd=ROOT
    )
    os.close(far)
    answers = [(b"login: ", b"alice\r"), (b"Password: ", f"{IN_FILE}\r".encode()),
               (b"alice@", b"echo who-$(id -un)\r"), (b"who-alice", b"")]  # fmt: skip
    told, until = b"", time.monotonic() + 600
    try:
        while answers and running.poll() is None and time.monotonic() < until:
            told += os.read(near, 4096)
            if answers[0][0] in told:
                os.write(near, answers.pop(0)[1])
                told = told if not answers else b""
        assert b"who-alice" in told, told[-2000:]
    finally:
        running.terminate()
        running.wait()
        os.close(near)
