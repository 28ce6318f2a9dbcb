"""Makes small .deb files, deb(5) format 2.0."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

Entry = tuple[str, dict[str, object]]

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: someone
License: GPL-2+

Files: doc/*
Copyright: someone
License: Expat or BSD-3-clause
"""
CHANGELOG = b"""\
sample (1.2-3) unstable; urgency=medium

  * A change.

 -- A Person <a@example.org>  Mon, 02 Jun 2025 10:20:30 +0200
"""


def file(path: str, data: bytes = b"", mode: int = 0o644, **more: object) -> Entry:
    return path, {"type": tarfile.REGTYPE, "data": data, "mode": mode, **more}


def directory(path: str, mode: int = 0o755) -> Entry:
    return path, {"type": tarfile.DIRTYPE, "mode": mode}


def symlink(path: str, target: str) -> Entry:
    return path, {"type": tarfile.SYMTYPE, "linkname": target, "mode": 0o777}


def hard_link(path: str, target: str) -> Entry:
    return path, {"type": tarfile.LNKTYPE, "linkname": f"./{target}"}


def device(path: str) -> Entry:
    return path, {"type": tarfile.CHRTYPE, "mode": 0o666}


def documents(name: str) -> list[Entry]:
    place = f"usr/share/doc/{name}"
    return [
        directory("usr"),
        directory("usr/share"),
        directory("usr/share/doc"),
        directory(place),
        file(f"{place}/copyright", COPYRIGHT.encode()),
        file(f"{place}/changelog.Debian.gz", gzip.compress(CHANGELOG, mtime=0)),
    ]


def make_deb(
    path: Path,
    name: str = "sample",
    entries: Sequence[Entry] = (),
    *,
    version: str = "1.2-3",
    architecture: str = "amd64",
    fields: str = "",
    conffiles: Sequence[str] = (),
) -> Path:
    """Write a package with these entries and fields (`Depends: …` lines)."""
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
        f"Maintainer: a\nSection: utils\nHomepage: https://example.org/\n{fields}"
        f"Description: a summary\n The long text.\n .\n Its end.\n"
    )
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tar(
            [
                file("control", control.encode()),
                file("conffiles", "".join(f"{line}\n" for line in conffiles).encode()),
                file("postinst", b"#!/bin/sh\n", 0o755),
            ]
        ),
        "data.tar.gz": _tar(entries or documents(name)),
    }
    out = b"!<arch>\n"
    for member, data in members.items():
        out += f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    path.write_bytes(out)
    return path


def _tar(entries: Sequence[Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for path, more in entries:
            info = tarfile.TarInfo(f"./{path}")
            data = more.get("data", b"")
            assert isinstance(data, bytes)
            info.size, info.mtime, info.uname, info.gname = len(data), 1_700_000_000, "root", "root"
            for key, value in more.items():
                if key != "data":
                    setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
