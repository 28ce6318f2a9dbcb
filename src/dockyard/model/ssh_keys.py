"""SSH public keys as sshd reads them: a line of `authorized_keys` (sshd(8), AUTHORIZED_KEYS FILE
FORMAT), `[options] type base64 [comment]`, the base64 holding a key of RFC 4253 section 6.6.

Nothing here returns any part of a text but the name of a key's type, so that no message can hold a
private key.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

# The types that a current sshd accepts, and how many fields follow the type's name in the key.
_FIELDS = {
    "ssh-ed25519": 1,  # the point
    "ssh-rsa": 2,  # exponent, modulus
    "ecdsa-sha2-nistp256": 2,  # name of the curve, point
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,  # point, application
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,  # name of the curve, point, application
}
_CERTIFICATES = {f"{name.removesuffix('@openssh.com')}-cert-v01@openssh.com" for name in _FIELDS}
# RequiredRSASize of sshd_config(5).
_SMALLEST_RSA = 1024
# PEM of any kind (OpenSSH's own included), PuTTY's files, and the body of OpenSSH's without its
# frame ("openssh-key-v1" and NUL, in base64).
_PRIVATE = r"BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File|b3BlbnNzaC1rZXktdjEA"
# Options have blanks only within double quotes.
_OPTIONS = r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+'
_TYPE = r"[A-Za-z0-9][A-Za-z0-9@._-]{0,63}"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why sshd would not let the holder of a key in. line: counted from 1 in the text."""

    line: int
    what: str
    why: str = ""


def holds_private_key(text: str) -> bool:
    """Whether a text is, or has in it, a private key."""
    return re.search(_PRIVATE, text) is not None


def doubts(text: str) -> Iterator[Doubt]:
    """What is doubtful about the keys in a text, one to a line; comments and empty lines are
    none.
    """
    for number, line in enumerate(text.split("\n") if text.strip() else [""], 1):
        if line.strip().startswith("#") or (text.strip() and not line.strip()):
            continue
        if doubt := _doubt(line.strip()):
            yield Doubt(number, *doubt)


def _doubt(line: str) -> tuple[str, str] | None:
    words = line.split()
    if words and not _is_known(words[0]) and (options := re.match(_OPTIONS, line)):
        after = line[options.end() :].split()
        if after and (_is_known(after[0]) or len(after) > 1):
            words = after
    if len(words) < 2 or not re.fullmatch(_TYPE, words[0]):
        return ("is no key that sshd can read", "a key is a type and its base64 text")
    kind = words[0]
    fields = _fields(words[1])
    if not fields or (_is_known(kind) and fields[0] != kind.encode()):
        return (
            "is no key that sshd can read",
            f"what follows `{kind}` is not a key of that type" if _is_known(kind) else "",
        )
    if not _is_known(kind):
        why = "OpenSSH has given it up" if kind in ("ssh-dss", "ssh-rsa1") else ""
        return f"is a key of the type `{kind}`, which sshd does not know", why
    if kind in _FIELDS and not _is_whole(kind, fields[1:]):
        return "is no key that sshd can read", f"the key of type `{kind}` is damaged or cut short"
    if kind == "ssh-rsa" and (bits := int.from_bytes(fields[2]).bit_length()) < _SMALLEST_RSA:
        return f"is an RSA key of {bits} bits", f"sshd takes {_SMALLEST_RSA} bits or more"
    return None


def _is_known(kind: str) -> bool:
    return kind in _FIELDS or kind in _CERTIFICATES


def _fields(text: str) -> list[bytes]:
    """The fields of a key (each with its length before it); empty when the text is no key."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return []
    found = []
    while data:
        size = int.from_bytes(data[:4])
        if len(data) < 4 + size:
            return []
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def _is_whole(kind: str, fields: list[bytes]) -> bool:
    if len(fields) != _FIELDS[kind] or not all(fields):
        return False
    if "ed25519" in kind:
        return len(fields[0]) == 32
    if "ecdsa" in kind:
        curve = re.search(r"nistp\d+", kind)
        return curve is not None and fields[0] == curve[0].encode() and fields[1][0] == 4
    return True
