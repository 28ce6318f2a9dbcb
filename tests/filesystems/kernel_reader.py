"""Run on its own: lets the kernel mount images, read-only, and says what it shows.

Reads lines `TYPE IMAGE` and answers each with one line, the pickled entries in base64, or `!` and
an error. Needs root and loop devices, which the product never uses.
"""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from dockyard.archive import scan

# What XFS shows root beside: a note of its own, and each ACL once more.
_OWN = [b"trusted.xfs:autofsck", b"trusted.SGI_ACL_FILE", b"trusted.SGI_ACL_DEFAULT"]


def shown(kind: str, image: str) -> bytes:
    with tempfile.TemporaryDirectory() as at:
        subprocess.run(["mount", "-t", kind, "-o", "loop,ro", image, at], check=True)
        try:
            found = scan(Path(at), exclude=[b"lost+found"], exclude_xattrs=_OWN)
            return base64.b64encode(pickle.dumps(found.entries))
        finally:
            subprocess.run(["umount", at], check=True)


for line in sys.stdin:
    try:
        answer = shown(*line.rstrip("\n").split(" ", 1)).decode()
    except Exception as error:
        answer = f"!{error}"
    print(answer, flush=True)
