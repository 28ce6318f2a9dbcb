"""Which accelerator works here: KVM only when a guest really ran under it.

/dev/kvm can be there and useless: no permission, or a host that is itself a guest and offers only
a part of KVM, under which small programs run and firmware does not. So the firmware itself is
started, without a disk: when it speaks on its console, long mode, paging, interrupts and devices
work.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dockyard.host.files import write_atomic
from dockyard.host.sandbox import Tools
from dockyard.host.session import open_session
from dockyard.vm.qemu import (
    MEBIBYTE,
    Accel,
    Firmware,
    Machine,
    command,
    copy_writable,
    find_firmware,
)

KVM = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LIMIT_SECONDS = 15.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class AccelChoice:
    """The accelerator to use, and why it is not KVM, or an empty text."""

    accel: Accel
    why: str = ""


def probe(tools: Tools, cache: Path | None = None) -> AccelChoice:
    """Find out which accelerator to use.

    cache: a file that keeps the verdict until the host boots again or /dev/kvm changes; None to
    try in any case.
    """
    if not KVM.exists():
        return AccelChoice(Accel.TCG, "this host has no /dev/kvm")
    try:
        KVM.open("r+b", buffering=0).close()
    except OSError as error:
        return AccelChoice(Accel.TCG, f"/dev/kvm cannot be opened: {error.strerror}")
    key = f"{_BOOT_ID.read_text().strip()} {KVM.stat().st_ctime_ns}"
    if cache and (known := _read(cache, key)):
        return known
    verdict = _try_kvm(tools)
    if cache:
        told = {"key": key, "accel": verdict.accel.value, "why": verdict.why}
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(cache, json.dumps(told).encode())
    return verdict


def _read(cache: Path, key: str) -> AccelChoice | None:
    try:
        told = json.loads(cache.read_bytes())
        return AccelChoice(Accel(told["accel"]), str(told["why"])) if told["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _try_kvm(tools: Tools) -> AccelChoice:
    with TemporaryDirectory(prefix="dockyard-kvm-") as name:
        work = Path(name)
        found = find_firmware(tools.root)
        variables = work / "variables"
        copy_writable(found.variables, variables)
        machine = Machine(accel=Accel.KVM, memory=128 * MEBIBYTE)
        firmware = Firmware(found.code, variables)

        def launch(channels: Mapping[str, int]) -> subprocess.Popen[bytes]:
            return tools.start(
                command(machine, None, firmware, channels=channels),
                write=[work],
                devices=[KVM],
                stderr=errors,
                pass_fds=tuple(channels.values()),
            )

        told = work / "errors"
        with told.open("wb") as errors, open_session(("console",), launch) as session:
            spoke = False
            while not spoke and session.status is None and session.elapsed < _LIMIT_SECONDS:
                spoke = b"BdsDxe" in session.wait(_POLL_SECONDS).get("console", b"")
                if b"KVM internal error" in told.read_bytes():
                    break
        if spoke:
            return AccelChoice(Accel.KVM)
        first = told.read_text(errors="replace").strip().partition("\n")[0]
        why = first or f"a guest did not start within {_LIMIT_SECONDS:.0f} s"
        return AccelChoice(Accel.TCG, f"/dev/kvm is there, but does not work: {why}")
