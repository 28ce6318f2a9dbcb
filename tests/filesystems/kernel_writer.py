"""Run on its own: lets the kernel mount images of ext4 and change them, so that their journals have
something to replay.

Reads lines `IMAGE COPY OPTIONS SEED LAST` and answers each with an empty line, or `!` and an error.
COPY is what the image is while it is mounted, with the journal written and little else; LAST is a
file that is written at the end, or `-`. Needs root and loop devices, which the product never
uses.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_BEGINS_LIKE_A_JOURNAL = bytes.fromhex("c03b3998")


def change(at: Path, chance: random.Random) -> None:
    """Make, change and remove directories, files, links and attributes."""
    for _ in range(6):
        directory = at / f"d{chance.randrange(20)}"
        if directory.exists() and chance.random() < 0.4:
            shutil.rmtree(directory)
        directory.mkdir(exist_ok=True)
        for _ in range(chance.randrange(50)):
            path = directory / (f"f{chance.randrange(200)}" + "n" * chance.randrange(80))
            path.write_bytes(
                chance.choice(
                    [
                        b"",
                        chance.randbytes(chance.randrange(100)),
                        chance.randbytes(chance.randrange(30_000)),
                        _BEGINS_LIKE_A_JOURNAL * 4096,
                    ]
                )
            )
            if chance.random() < 0.2:
                with suppress(OSError):  # only some images have room for large ones
                    os.setxattr(path, "user.x", chance.randbytes(chance.choice([9, 900, 60_000])))
            if chance.random() < 0.1:
                # What ext2 and ext3 cannot do is left out.
                argv = ["fallocate", "--offset", "200000", "--length", "50000", str(path)]
                subprocess.run(argv, check=False, stderr=subprocess.DEVNULL)
            if chance.random() < 0.2:
                os.truncate(path, chance.randrange(100_000))
            if chance.random() < 0.2:
                path.with_name(f"l{chance.random()}").symlink_to("t" * chance.randrange(1, 900))
            if chance.random() < 0.1:
                path.with_name(f"h{chance.random()}").hardlink_to(path)


def commit(path: Path) -> None:
    """Have the journal written; `sync` would write its blocks to their own places as well."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def changed(image: str, copy: str, options: str, seed: str, last: str) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as at:
        argv = ["mount", "-t", "ext4", "-o", f"loop,{options}", image, at]
        subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
        try:
            for _ in range(3):
                change(Path(at), chance)
                commit(Path(at))
            if last != "-":
                (Path(at) / last).write_bytes(b"last")
                commit(Path(at) / last)
            subprocess.run(["cp", "--sparse=always", image, copy], check=True)
        finally:
            subprocess.run(["umount", at], check=True)


for line in sys.stdin:
    try:
        changed(*line.split())
        answer = ""
    except Exception as error:
        answer = f"!{error}"
    print(answer, flush=True)
