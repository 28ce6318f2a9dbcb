"""Passwords in clear, and the hashes that are made of them: SHA-512 of crypt(5), `$6$`.

Every crypt(3) that can read /etc/shadow of a supported distribution reads it (glibc since 2.7,
libxcrypt), also where only FIPS 140 algorithms are allowed: see docs/decisions/0027.
"""

from __future__ import annotations

from typing import NoReturn

ROUNDS = 100_000
"""Twenty times what crypt(3) takes by default: some 50 ms for a login, as for each guess."""


class PlainText:
    """A password while an image file is read. It is part of no data, no text and no message."""

    __slots__ = ("_password",)

    def __init__(self, password: str) -> None:
        self._password = password

    def __repr__(self) -> str:
        return "PlainText(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a password in clear is not handed on")

    def hashed(self, salt: str) -> str:
        """The hash for shadow(5). salt: up to 16 of `./0-9A-Za-z`."""
        from passlib.handlers.sha2_crypt import sha512_crypt  # most images need it not

        return str(sha512_crypt.using(salt=salt, rounds=ROUNDS).hash(self._password))
