"""Makes small .deb files of tools and libraries, with their documents."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Sequence
from pathlib import Path

import debian_archive
from debian_archive import Member

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


def file(path: str, data: bytes = b"", mode: int = 0o644, *, group: str = "root") -> Member:
    return Member(f"./{path}", data, mode=mode, gname=group)


def directory(path: str, mode: int = 0o755) -> Member:
    return debian_archive.directory(f"./{path}", mode)


def symlink(path: str, target: str) -> Member:
    return debian_archive.symlink(f"./{path}", target)


def hard_link(path: str, target: str) -> Member:
    return Member(f"./{path}", kind=tarfile.LNKTYPE, target=f"./{target}")


def device(path: str) -> Member:
    return Member(f"./{path}", kind=tarfile.CHRTYPE, mode=0o666)


def documents(name: str) -> list[Member]:
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
    entries: Sequence[Member] = (),
    *,
    conffiles: Sequence[str] = (),
    postinst: str = "",
    **fields: str,
) -> Path:
    """Write a package with these entries and further fields of its control file."""
    control = {
        "Package": name,
        "Version": "1.2-3",
        "Architecture": "amd64",
        "Maintainer": "a",
        "Section": "utils",
        "Homepage": "https://example.org/",
        **fields,
        "Description": "a summary\n The long text.\n .\n Its end.",
    }
    listed = "".join(f"{line}\n" for line in conffiles).encode()
    extra = {"conffiles": listed, "postinst": f"#!/bin/sh\n{postinst}".encode()}
    data = debian_archive.deb(control, entries or documents(name), extra=extra, suffix=".gz")
    path.write_bytes(data)
    return path
