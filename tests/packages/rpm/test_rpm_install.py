"""rpm itself verifies, lists and installs what we write."""

from __future__ import annotations

from pathlib import Path

import pysequoia
import pytest
from packages_for_rpm import rich_package, scripted_package, write

from dockyard.host.files import make_root
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import Tools
from dockyard.install.rpm import install, verify
from dockyard.model.family import HARBOR
from dockyard.packages.rpm.signature import sign

pytestmark = pytest.mark.build


def _shell(tools: Tools, directory: Path, script: str) -> str:
    done = tools.run(["sh", "-euc", script], write=[directory], cwd=directory, check=False)
    assert done.status == 0, done.stdout + done.stderr
    return done.text


def test_rpm_finds_every_digest_and_signature_good(tools: Tools, tmp_path: Path) -> None:
    key = pysequoia.Tsk.generate("Signer")
    write(rich_package(), tmp_path / "plain.rpm")
    with (tmp_path / "signed.rpm").open("wb") as out:
        sign(tmp_path / "plain.rpm", out, key)
    (tmp_path / "key.asc").write_text(str(key.extract_certificate()))
    said = _shell(
        tools,
        tmp_path,
        f"mkdir db; rpmkeys --dbpath {tmp_path}/db --import key.asc; "
        f"rpmkeys --dbpath {tmp_path}/db --define '_pkgverify_level all' -Kv signed.rpm; "
        f"rpmkeys --dbpath {tmp_path}/db -K plain.rpm",
    )
    assert "NOT OK" not in said and "BAD" not in said
    assert "Signature" in said and "Payload SHA256 digest: OK" in said


def test_rpm_lists_what_was_given(tools: Tools, tmp_path: Path) -> None:
    write(scripted_package(), tmp_path / "a.rpm")
    said = _shell(tools, tmp_path, "rpm -qp --scripts --filetriggers a.rpm")
    assert "postinstall scriptlet (using /bin/sh):\necho post" in said
    assert "preuninstall program: /usr/sbin/ldconfig" in said
    assert "transfiletriggerin scriptlet (using /bin/sh) -- /usr/lib, /usr/lib64" in said
    assert "filetriggerpostun scriptlet (using /bin/sh) -- /usr/share" in said


def test_an_installed_package_verifies_clean(tools: Tools, tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(rich_package(), tmp_path / "a.rpm")
    try:
        make_root(root)
        install([tmp_path / "a.rpm"], root, tools, 1_700_000_000, HARBOR.packaging.database)
        assert verify(root, tools, HARBOR.packaging.database) == ()
        # The shell below is lent all of this, and what is lent comes back without set-id bits.
        assert (root / "usr/bin/su").stat().st_mode & 0o7777 == 0o4755
        said = _shell(tools, tmp_path, f"getcap {root}/usr/bin/ping; cat {root}/usr/bin/halt")
        assert "cap_net_raw=ep" in said
        assert said.replace(f"{root}/usr/bin/ping cap_net_raw=ep", "").strip() == "H" * 333
        usr = root / "usr/bin"
        assert (usr / "gzip").samefile(usr / "zcat")
        assert (usr / "halt").samefile(usr / "poweroff")
        assert not (usr / "gzip").samefile(usr / "halt")
        assert not (root / "etc/cache").exists()
    finally:
        remove_tree(root)
