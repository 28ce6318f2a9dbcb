"""Programs in the sandbox do not wait for the disk, and are told that they did."""

from __future__ import annotations

import pytest

from dockyard.host import seccomp
from dockyard.host.sandbox import Tools

SYNC = "import ctypes; libc = ctypes.CDLL(None); print(libc.fsync(-1), libc.close(-1))"


def test_a_filter_is_whole_instructions() -> None:
    for machine in ("x86_64", "aarch64", "unknown"):
        assert len(seccomp.no_sync(machine)) % 8 == 0
    assert seccomp.no_sync("x86_64") != seccomp.no_sync("aarch64")


@pytest.mark.build
def test_syncing_succeeds_without_doing_anything(tools: Tools) -> None:
    # A descriptor that is not open: only a call that is not made can succeed.
    assert tools.run(["python3", "-c", SYNC]).text.split() == ["0", "-1"]
