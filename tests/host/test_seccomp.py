"""Programs in the sandbox do not wait for the disk, and are told that they did."""

from __future__ import annotations

import pytest

from dockyard.errors import DockyardError
from dockyard.host import seccomp
from dockyard.host.sandbox import Tools

SYNC = "import ctypes; libc = ctypes.CDLL(None); print(libc.fsync(-1), libc.close(-1))"


def test_a_filter_is_whole_instructions() -> None:
    for machine in ("x86_64", "aarch64"):
        assert len(seccomp.program(machine)) % 8 == 0
    assert seccomp.program("x86_64") != seccomp.program("aarch64")
    assert len(seccomp.program("x86_64", sync=True)) < len(seccomp.program("x86_64"))


def test_nothing_runs_unconfined_where_the_calls_are_not_known() -> None:
    with pytest.raises(DockyardError, match="cannot be confined"):
        seccomp.program("vax")


@pytest.mark.build
def test_syncing_succeeds_without_doing_anything(tools: Tools) -> None:
    # A descriptor that is not open: only a call that is not made can succeed.
    assert tools.run(["python3", "-c", SYNC]).text.split() == ["0", "-1"]
