"""What the dpkg of a tree is told when packages change; that it does so is shown by builds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from debian_archive import deb
from dockyard.errors import DockyardError
from dockyard.host.process import Completed
from dockyard.install import deb_change
from dockyard.model.family import DEBIAN

STATUS = "Package: {}\nVersion: {}\nArchitecture: all\nStatus: install ok installed\n\n"


class Dpkg:
    """One that stands in for that of a tree, and writes its database when it is done."""

    def __init__(self, root: Path, then: str) -> None:
        self.status = root / "var/lib/dpkg/status"
        self.then = then
        self.told: list[tuple[Sequence[str], bytes | None]] = []

    def __call__(
        self, tree: Path, argv: Sequence[str], *, stdin: bytes | None = None, **_: Any
    ) -> Completed:
        self.told.append((argv, stdin))
        self.status.write_text(self.then)
        return Completed(tuple(argv), 0, b"", b"")


def change(
    root: Path, monkeypatch: pytest.MonkeyPatch, come: dict[str, Path], gone: list[str], then: str
) -> Dpkg:
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS.format("lib", "1"))
    for name in ("usr/sbin", "etc"):
        (root / name).mkdir(parents=True)
    dpkg = Dpkg(root, then)
    monkeypatch.setattr(deb_change, "run_in_tree", dpkg)
    deb_change.change(come, gone, root, 0, DEBIAN.packaging)
    return dpkg


def test_names_of_what_goes_reach_dpkg_and_no_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dpkg = change(tmp_path / "root", monkeypatch, {}, ["lib_1_all"], "")
    assert dpkg.told[0][1] == b"lib purge\n"
    assert [argv[0] for argv, _ in dpkg.told] == ["/usr/bin/dpkg"] * 2


def test_nothing_runs_for_a_lock_that_removes_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    with pytest.raises(DockyardError):
        change(root, monkeypatch, {}, ['x"$(touch owned)"_1_all'], "")
    assert (root / "var/lib/dpkg/status").read_text()  # dpkg was not run


def test_settings_that_were_changed_stay_and_dpkg_does_not_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lib.deb"
    file.write_bytes(deb({"Package": "lib", "Version": "2", "Architecture": "all"}))
    then = STATUS.format("lib", "2")
    dpkg = change(tmp_path / "root", monkeypatch, {"lib_2_all": file}, ["lib_1_all"], then)
    [(argv, _)] = dpkg.told
    assert {"--force-confdef", "--force-confold"} <= set(argv)
