"""Runs `dockyard` in the process of the tests."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

from dockyard.cli.main import main
from dockyard.host import stopping


@dataclass
class Here:
    """Runs `dockyard` in this process, which is quicker than another one."""

    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        self.patch.setattr(sys, "argv", ["dockyard", *words])
        self.patch.setattr(stopping, "listen", lambda _: None)
        with pytest.raises(SystemExit) as left:
            main()
        told = self.capture.readouterr()
        status = left.value.code if isinstance(left.value.code, int) else 1
        return subprocess.CompletedProcess(words, status, told.out, told.err)
