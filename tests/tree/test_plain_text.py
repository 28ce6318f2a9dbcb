"""Passwords in clear: their hashes are those of crypt(3), and they appear nowhere else."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from crypt3 import opens
from dockyard.config import load_image, parse_image
from dockyard.engine.codec import encode
from dockyard.errors import DockyardError
from dockyard.tree.plain_text import PlainText
from dockyard.tree.settings import settings_of
from dockyard.tree.users import UserSetting

SALT = "ab./XYZ012345678"
FILE = "os: {users: [{name: a, password: {type: plain-text-file, value: secret.txt}}]}\n"


@pytest.mark.parametrize(
    "password", ["x", "correct horse", " ", "пароль:$6$", "ß" * 255, "a" * 511]
)
def test_a_login_finds_the_password_in_its_hash(password: str) -> None:
    made = PlainText(password).hashed(SALT)
    assert made.startswith(f"$6$rounds=100000${SALT}$")
    assert opens(password, made) and not opens(password[:-1] + "?", made)


def read(place: Path, content: bytes) -> UserSetting:
    (place / "image.yaml").write_text(FILE)
    (place / "secret.txt").write_bytes(content)
    (user,) = settings_of(load_image(place / "image.yaml"))
    assert isinstance(user, UserSetting)
    return user


@pytest.mark.parametrize("content", [b"sec ret", b"sec ret\n"])
def test_the_end_of_the_line_is_no_part_of_the_password(tmp_path: Path, content: bytes) -> None:
    user = read(tmp_path, content)
    assert isinstance(user.password, PlainText)
    assert user.password.hashed(SALT) == PlainText("sec ret").hashed(SALT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\n\n", "a line's end"),
        (b"hunter2\r\n", "a line's end"),
        (b"hunter2\nhunter3\n", "a line's end"),
        (b"hunt\0er2\n", "NUL"),
        (b"hunter2" * 74, "518 bytes"),
        (b"hunter2\xff\n", "not UTF-8"),
    ],
)
def test_a_file_without_one_password_is_one_mistake(
    tmp_path: Path, content: bytes, said: str
) -> None:
    with pytest.raises(DockyardError) as caught:
        read(tmp_path, content)
    (problem,) = caught.value.problems
    assert said in problem.what and "hunt" not in repr(problem)
    assert str(problem.where) == f"{tmp_path}/image.yaml:1:65"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (r"hunter2\n", "a line's end"),
        (r"hunt\0er2", "NUL"),
        ("hunter2" * 74, "518 bytes"),
        ("", "needs a value"),
    ],
)
def test_a_value_that_is_no_password_is_one_mistake(value: str, said: str) -> None:
    text = f'os: {{users: [{{name: a, password: {{type: plain-text, value: "{value}"}}}}]}}\n'
    with pytest.raises(DockyardError) as caught:
        parse_image(text)
    (problem,) = caught.value.problems
    assert problem.code == "config.password-value" and said in problem.what
    assert "hunt" not in repr(problem)
    assert str(problem.where).startswith("image.yaml:1:")


def test_a_password_in_clear_becomes_no_data() -> None:
    clear = PlainText("hunter2")
    user = UserSetting("a", password=clear)
    assert "hunter2" not in f"{user!r} {clear}"
    with pytest.raises(TypeError, match="PlainText has no form"):
        encode(user)
    with pytest.raises(TypeError, match="not handed on"):
        pickle.dumps(user)
    with pytest.raises(AssertionError):
        _ = user.identity
