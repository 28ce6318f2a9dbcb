"""Unified kernel images: kernel, initrd and command line in one EFI program.

Made by ukify(1) of the tools tree; with SOURCE_DATE_EPOCH it writes the same bytes for the same
input. Format: UAPI Unified Kernel Image specification.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from dockyard.host.sandbox import Tools


@dataclass(frozen=True, slots=True)
class UkiContent:
    """What a UKI is made of.

    kernel, stub: the programs themselves (`efi.kernel`, `efi.stub`). initrd: a file of the host.
    uname: the kernel's version, shown in boot menus.
    """

    kernel: bytes
    initrd: Path
    command_line: str
    os_release: bytes
    uname: str
    stub: bytes


def build_uki(tools: Tools, content: UkiContent, out: Path, epoch: int) -> None:
    """Write a UKI to a new file; its directory is used for scratch files too.

    epoch: seconds since 1970, the time in the program's header. Raises ProcessFailed with ukify's
    own words.
    """
    scratch = out.with_name(f".{out.name}.parts")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    given = {
        "linux": content.kernel,
        "stub": content.stub,
        "os-release": content.os_release,
        "cmdline": content.command_line.encode(),
    }
    argv = ["ukify", "build", f"--uname={content.uname}", f"--initrd={content.initrd}"]
    try:
        for name, data in given.items():
            path = scratch / name
            path.write_bytes(data)
            argv.append(f"--{name}={'@' if name in ('os-release', 'cmdline') else ''}{path}")
        tools.run(
            [*argv, f"--output={scratch / 'uki'}"],
            read=[content.initrd],
            write=[scratch],
            env={"SOURCE_DATE_EPOCH": str(epoch)},
        )
        (scratch / "uki").rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
