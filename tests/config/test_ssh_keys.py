"""What sshd would make of a key; private keys are refused, and nothing of them is repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conformance import judge
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from dockyard.config import check_files, load_image, parse_image
from dockyard.errors import Severity
from dockyard.model.ssh_keys import doubts, holds_private_key

SECRET = ed25519.Ed25519PrivateKey.generate()
PUBLIC = (
    SECRET.public_key()
    .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    .decode()
)
PRIVATE = SECRET.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.OpenSSH,
    serialization.NoEncryption(),
).decode()
BODY = PRIVATE.splitlines()[1]


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )


@pytest.mark.parametrize(
    "text",
    [
        PUBLIC,
        f"{PUBLIC} alice@example.com and more",
        f'no-pty,command="echo \\"a b\\"" {PUBLIC} alice',
        f"# a comment\n\n{PUBLIC}\n{PUBLIC} b\n",
        public(rsa.generate_private_key(65537, 2048)),
        public(ec.generate_private_key(ec.SECP256R1())),
        public(ec.generate_private_key(ec.SECP521R1())),
    ],
)
def test_a_key_that_sshd_reads_is_not_doubted(text: str) -> None:
    assert not list(doubts(text))
    assert not holds_private_key(text)


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("hello world", "is no key that sshd can read", ""),
        ("", "is no key that sshd can read", "a type and its base64"),
        (PUBLIC[:-12], "is no key", "`ssh-ed25519` is not a key of that type"),
        (PUBLIC.replace("ssh-ed25519", "ssh-rsa", 1), "is no key", "not a key of that type"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", "is no key", ""),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAWE=", "is no key", "damaged or cut short"),
        ("new-type AAAACG5ldy10eXBlAAAAAWE=", "the type `new-type`, which sshd does not", ""),
        ("ssh-dss AAAAB3NzaC1kc3MAAAABYQ==", "`ssh-dss`", "given it up"),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAmGh", "an RSA key of 15 bits", "1024"),
    ],
)
def test_other_texts_are_doubted(text: str, what: str, why: str) -> None:
    (doubt,) = doubts(text)
    assert what in doubt.what and why in doubt.why


def test_a_doubtful_key_is_a_warning() -> None:
    text = f"os: {{users: [{{name: a, sshPublicKeys: ['{PUBLIC}', hello world]}}]}}"
    loaded = parse_image(text)
    (remark,) = loaded.remarks
    assert (remark.code, remark.severity) == ("config.ssh-key", Severity.WARNING)
    assert remark.where == loaded.positions["os.users[0].sshPublicKeys[1]"]


@pytest.mark.parametrize(
    "written",
    [
        "|\n" + "".join(f"      {line}\n" for line in PRIVATE.splitlines()),
        '"' + PRIVATE.replace("\n", "\\n") + '"',
        BODY,
    ],
)
def test_a_private_key_is_refused_and_kept_out_of_messages(written: str) -> None:
    users = f"os:\n  users:\n  - name: a\n    sshPublicKeys:\n    - {written}\n"
    (problem,) = judge(users)
    assert problem.code == "config.private-key"
    assert BODY[20:40] not in repr(problem)


@pytest.mark.parametrize(
    "place", ["hostname: {}", "selinux: {{mode: {}}}", "packages: {}", "{}: 1"]
)
def test_a_private_key_in_a_wrong_place_is_not_repeated(place: str) -> None:
    quoted = '"' + PRIVATE.replace("\n", "\\n") + '"'
    problems = judge("os:\n  " + place.format(quoted))
    assert problems
    assert BODY[20:40] not in repr(problems)


def test_a_syntax_error_within_a_private_key_does_not_show_it() -> None:
    problems = judge("os:\n  users:\n" + PRIVATE + "\n")
    assert problems
    assert not any(line[:20] in repr(problems) for line in PRIVATE.splitlines()[1:-1])


def test_files_of_keys_are_judged_alike(tmp_path: Path) -> None:
    (tmp_path / "good.pub").write_text(PUBLIC)
    (tmp_path / "private").write_text(PRIVATE)
    (tmp_path / "text").write_text(f"{PUBLIC}\nhello world\n")
    os.mkfifo(tmp_path / "fifo")
    image = tmp_path / "image.yaml"
    image.write_text(
        "os: {users: [{name: a, sshPublicKeyPaths: [good.pub, private, text, fifo, /dev/zero]}]}"
    )
    problems = check_files(load_image(image))
    assert [(problem.code, problem.severity.value) for problem in problems] == [
        ("config.private-key", "error"),
        ("config.ssh-key", "warning"),
        ("config.file-unusable", "error"),
        ("config.file-unusable", "error"),
    ]
    assert "line 2 of 'text'" in problems[1].what
    assert "FIFO" in problems[2].why and "device" in problems[3].why
    assert BODY[20:40] not in repr(problems)
