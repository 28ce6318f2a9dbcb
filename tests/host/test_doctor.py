from __future__ import annotations

import importlib
import os
import signal
from pathlib import Path

import pytest

from dockyard.cli.doctor import as_text
from dockyard.host import doctor
from dockyard.host.doctor import Finding, State


def test_a_missing_library_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(f"cannot load {name}")

    monkeypatch.setattr(importlib, "import_module", fail)
    finding = doctor.check_python()
    assert finding.state is State.MISSING
    assert finding.advice


def test_a_store_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = doctor.check_store(tmp_path / "file" / "store")
    assert finding.state is State.MISSING
    assert "--store" in finding.advice


def test_what_cannot_be_tried_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = Finding("user-namespaces", State.MISSING, "refused", "mend it")
    monkeypatch.setattr(doctor, "check_user_namespaces", lambda: lacking)
    found = {finding.name: finding for finding in doctor.examine(tmp_path)}
    assert found["overlayfs"].state is State.NOTE
    assert "user-namespaces" in found["attributes"].found


def _die() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def test_a_user_without_a_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    finding = doctor.check_subordinate_ids()
    assert finding.state is State.MISSING
    assert finding.found.startswith("3999999999 has no 65536 ids")


def test_a_trial_that_dies_is_missing() -> None:
    finding = doctor._tried("name", _die, "advice")
    assert (finding.state, finding.advice) == (State.MISSING, "advice")


def test_a_report_says_what_to_do_only_where_something_is_wrong() -> None:
    told = as_text(
        [Finding("a", State.OK, "fine"), Finding("b", State.MISSING, "gone", "bring it back")]
    )
    assert "bring it back" in told
    assert "1 missing" in told
    assert "can build images" in as_text([Finding("a", State.NOTE, "slow", "buy a faster one")])
