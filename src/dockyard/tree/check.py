"""A check: one fact about a running image, and how to ask for it.

Every setting of an image file has checks. A check's script runs inside the booted guest as root,
under the guest's own /bin/sh, with no input; it prints the fact to stdout, and the setting holds
when that is exactly what is expected, white space at both ends aside. What cannot be asked is said
as such, never passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from dockyard.errors import Position

SECONDS = 30
"""How long a check may take inside the guest, unless it says otherwise."""


class Turn(Enum):
    """When a check is asked. What changes nothing that another one looks at is asked at any time,
    beside others; what has something mounted, before all others; what may do anything, after them.
    Those that come before and after are asked one by one, in their order.
    """

    BEFORE = "before"
    ANY = "any"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Check:
    """One question to a booted image.

    id: dotted and unique within an image, such as `users.alice.shell`.
    title: what is checked, for a person, as a statement: `alice's shell is /bin/bash`.
    script: POSIX sh that prints the fact to stdout, using what is in the image alone. Bytes of
    paths that are not UTF-8 are lone surrogates, here and in `expect`.
    expect: the stdout that makes the check pass, stripped.
    setting: where the user asked for it; None for what every image promises.
    seconds: how long the script may take inside the guest.
    turn: when it is asked.
    """

    id: str
    title: str
    script: str
    expect: str
    setting: Position | None = None
    seconds: int = SECONDS
    turn: Turn = Turn.ANY


@dataclass(frozen=True, slots=True)
class Unasked:
    """Something that a booted image is not asked about.

    what: a noun phrase, such as `the packages`. why: the reason, for a person.
    """

    what: str
    why: str
    setting: Position | None = None


Question: TypeAlias = Check | Unasked
