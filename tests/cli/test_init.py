"""`dockyard init`: what it writes is valid, whatever is asked for, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from here import Here

from dockyard.config import load_image
from dockyard.formats import Holds, holding

CODE = "from dockyard.cli.main import main; main()"
SECRET = Ed25519PrivateKey.generate()
PUBLIC = (
    SECRET.public_key()
    .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    .decode()
)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return home


def init(here: Here, *words: str | Path) -> Any:
    done = here("init", *map(str, words), "--json")
    answer = json.loads(done.stdout)
    assert answer["ok"] is (done.returncode == 0)
    return answer


def judged(here: Here, file: Path) -> Any:
    return json.loads(here("validate-config", str(file), "--json").stdout)


@pytest.mark.parametrize("form", holding(Holds.DISK))
def test_what_it_writes_is_valid_and_can_be_built(form: str, here: Here, tmp_path: Path) -> None:
    answer = init(here, tmp_path / "shop", "--format", form)
    assert answer["ok"] and (tmp_path / "shop/image.yaml").is_file()
    found = judged(here, tmp_path / "shop/image.yaml")
    assert found["ok"] and found["result"]["buildable"] and not found["remarks"]
    image = load_image(tmp_path / "shop/image.yaml").image
    assert (image.name, image.os.hostname, image.output.image.format) == ("shop", "shop", form)


@pytest.mark.parametrize("name", ["123", "true", "on", "null", "1e3", "a.b"])
def test_names_stay_what_they_are(name: str, here: Here, tmp_path: Path) -> None:
    user = "off" if name == "on" else "_"
    assert init(here, tmp_path, "--name", name, "--user", user)["ok"]
    image = load_image(tmp_path / "image.yaml").image
    assert (image.name, image.os.users[0].name) == (name, user)


def test_the_user_has_a_key_and_becomes_root(here: Here, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(f"{PUBLIC} alice: at work\n")
    words = ("--user", "al.ice", "--ssh-key", tmp_path / "key.pub")
    assert init(here, tmp_path, *words)["result"]["key"] == str(tmp_path / "key.pub")
    image = load_image(tmp_path / "image.yaml").image
    [user] = image.os.users
    assert user.ssh_public_keys == (f"{PUBLIC} alice: at work",)
    assert user.secondary_groups == ("sudo",)
    [rule] = image.os.additional_files
    # sudo passes over names with a dot.
    assert rule.destination == "/etc/sudoers.d/al_ice"
    assert rule.content == "al.ice ALL=(ALL:ALL) NOPASSWD: ALL\n"


def test_a_key_of_the_callers_is_found(here: Here, home: Path, tmp_path: Path) -> None:
    (home / ".ssh/id_ed25519.pub").write_text("no key")
    (home / ".ssh/id_rsa.pub").write_text(PUBLIC)
    assert init(here, tmp_path)["result"]["key"] == str(home / ".ssh/id_rsa.pub")


def test_nobody_and_root_are_users_without_sudo(here: Here, tmp_path: Path) -> None:
    assert init(here, tmp_path / "a", "--user", "none")["result"]["user"] is None
    assert load_image(tmp_path / "a/image.yaml").image.os.users == ()
    assert init(here, tmp_path / "b", "--user", "root")["ok"]
    image = load_image(tmp_path / "b/image.yaml").image
    assert image.os.users[0].secondary_groups == () and not image.os.additional_files


def test_nothing_is_overwritten(here: Here, tmp_path: Path) -> None:
    (tmp_path / "image.yaml").write_text("mine")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/image.yaml").symlink_to(tmp_path / "nowhere")
    for place in (tmp_path, tmp_path / "linked"):
        assert [each["code"] for each in init(here, place)["problems"]] == ["init.exists"]
    assert (tmp_path / "image.yaml").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_all_mistakes_are_told_at_once(here: Here, tmp_path: Path) -> None:
    answer = init(here, tmp_path / "x", "--name", "a_b", "--user", "a b")
    assert [each["file"] for each in answer["problems"]] == ["--name", "--user"]
    assert not (tmp_path / "x").exists()


def test_a_private_key_is_refused_and_not_repeated(here: Here, tmp_path: Path) -> None:
    text = SECRET.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()
    (tmp_path / "key").write_text(text)
    done = here("init", str(tmp_path), "--ssh-key", str(tmp_path / "key"))
    assert done.returncode == 1 and "private key" in done.stderr
    assert text.splitlines()[1] not in done.stderr
    assert not (tmp_path / "image.yaml").exists()


def test_a_person_is_asked_three_questions(tmp_path: Path) -> None:
    (tmp_path / "My_Shop").mkdir()
    near, far = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", CODE, "init", "My_Shop"],
        stdin=far, stdout=far, stderr=far, cwd=tmp_path,
    )  # fmt: skip
    os.close(far)
    answers = iter([b"my_shop", b"", b"zip", b"vhdx", b"bob"])
    told, seen, until = b"", 0, time.monotonic() + 60
    while time.monotonic() < until and select.select([near], [], [], 60)[0]:
        try:
            told += os.read(near, 4096)
        except OSError:  # the other end is closed
            break
        if told[seen:].rstrip(b" ").endswith(b"]:"):
            seen = len(told)
            os.write(near, next(answers) + b"\r")
    os.close(near)
    assert running.wait(60) == 0, told
    text = told.decode()
    assert "'my_shop' is not a host name" in text and "is not one of" in text
    image = load_image(tmp_path / "My_Shop/image.yaml").image
    assert (image.name, image.output.image.format) == ("my-shop", "vhdx")
    assert [user.name for user in image.os.users] == ["bob"]
