"""Where the host's apt configuration says that Debian is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.packages.deb.apt_sources import known_archives

ONE_LINE = """\
# deb http://commented.example/debian trixie main
deb-src http://source.example/debian trixie main
deb [arch=amd64 signed-by=/k.gpg] http://first.example/debian/ trixie main contrib # why
deb http://security.example/debian-security trixie-security main
deb http://vendor.example/apt stable nonfree
deb http://ports.example/ubuntu-ports noble main
deb http://ubuntu-security.example/u noble-security main
"""

DEB822 = """\
Types: deb deb-src
# a comment
URIs: http://second.example/debian
 https://third.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
Enabled: no

Types: deb-src
URIs: http://source.example/debian
Suites: trixie
Components: main
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    (tmp_path / "sources.list.d/old.list.bak").write_text(ONE_LINE.replace("first", "bak"))
    return tmp_path


def test_both_forms_are_read_in_order(apt: Path) -> None:
    assert known_archives(apt)["debian"] == (
        "http://first.example/debian",
        "http://second.example/debian",
        "https://third.example/debian",
    )


def test_mirror_lists_are_followed(tmp_path: Path) -> None:
    listed = tmp_path / "mirrors.txt"
    listed.write_text(
        "# near\nhttps://near.example/debian priority:1\nhttps://far.example/debian\n"
    )
    (tmp_path / "sources.list").write_text(f"deb mirror+file:{listed} trixie main\n")
    found = ("https://near.example/debian", "https://far.example/debian")
    assert known_archives(tmp_path)["debian"] == found


def test_archives_are_told_by_their_suites_else_by_their_addresses(apt: Path) -> None:
    found = known_archives(apt)
    assert found["debian-security"] == ("http://security.example/debian-security",)
    assert found["ubuntu"] == ("http://ports.example/ubuntu-ports",)
    assert found["apt"] == ("http://vendor.example/apt",)
    assert "http://ubuntu-security.example/u" not in found["ubuntu"]
