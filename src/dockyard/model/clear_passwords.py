"""Passwords in clear: what a login can take.

A program that asks for a password reads one line of no more than 511 bytes, which libxcrypt, too,
takes at most (PAM_MAX_RESP_SIZE and CRYPT_MAX_PASSPHRASE_SIZE, less the NUL at the end).
"""

from __future__ import annotations

LONGEST = 511


def what_is_wrong(password: str) -> tuple[str, str]:
    """What speaks against a password, as the end of a sentence, and what to do; empty for a good
    one. Never any of the password.
    """
    if not password:
        return "is empty", "give a password, or set `type: locked`"
    if "\0" in password:
        return "contains NUL, where it would end", "remove the character"
    if "\n" in password or "\r" in password:
        return "contains a line's end, which nobody can type", "give one line, as Unix ends it"
    try:
        length = len(password.encode())
    except UnicodeEncodeError:
        return "contains half of a surrogate pair", "give the character itself"
    if length > LONGEST:
        return f"has {length} bytes, and logins take {LONGEST}", "give a shorter one"
    return "", ""
