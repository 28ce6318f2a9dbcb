"""What crypt(3) of this machine, by which its users log in, makes of a password."""

from __future__ import annotations

import ctypes
import ctypes.util


def opens(password: str, hashed: str | bytes) -> bool:
    """Whether a password opens an account that has this hash."""
    crypt = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    wanted = hashed if isinstance(hashed, bytes) else hashed.encode()
    found: bytes | None = crypt(password.encode(), wanted)
    return found == wanted
