"""Licences, changelogs and descriptions of Debian packages."""

from __future__ import annotations

import gzip

import pytest
from debs import CHANGELOG, COPYRIGHT

from dockyard.distro.upstream import (
    UNKNOWN_LICENSE,
    changelog,
    description,
    license_expression,
    source_rpm,
    spdx,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("GPL-3.0+", "GPL-3.0-or-later"),
        ("Expat", "MIT"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("MPL-2.0", "MPL-2.0"),
        ("public-domain", "LicenseRef-public-domain"),
        ("odd/name_1", "LicenseRef-odd-name-1"),
    ],
)
def test_short_names(name: str, expected: str) -> None:
    assert spdx(name) == expected


def _file(*terms: str) -> str:
    paragraphs = "\n".join(f"Files: {n}\nLicense: {term}\n" for n, term in enumerate(terms))
    return f"Format: https://example.org/copyright-format/1.0/\n\n{paragraphs}"


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (["GPL-2+"], "GPL-2.0-or-later"),
        (["GPL-2+", "GPL-2+ and Expat"], "GPL-2.0-or-later AND MIT"),
        (["GPL-2+ or Artistic", "Expat"], "(Artistic-1.0-Perl OR GPL-2.0-or-later) AND MIT"),
        (["Expat, and ISC or Apache-2.0"], "(Apache-2.0 OR ISC) AND MIT"),
        (["GPL-2+ with OpenSSL exception"], "GPL-2.0-or-later"),
        ([], UNKNOWN_LICENSE),
    ],
)
def test_copyright_files_become_one_expression(terms: list[str], expected: str) -> None:
    assert license_expression(_file(*terms)) == expected


def test_free_text_is_read_for_common_licences() -> None:
    text = "version 2 or any later\nversion; see\n/usr/share/common-licenses/GPL-2."
    assert license_expression(text) == "GPL-2.0-or-later"
    assert license_expression("All rights reserved.") == UNKNOWN_LICENSE


def test_a_copyright_file_of_two_paragraphs() -> None:
    assert license_expression(COPYRIGHT) == "(BSD-3-Clause OR MIT) AND GPL-2.0-or-later"


def test_changelogs_give_noon_of_the_day() -> None:
    (change,) = changelog(gzip.compress(CHANGELOG))
    assert change.author == "A Person <a@example.org> - 1.2-3"
    assert change.text == "* A change."
    assert (change.time % 86400, change.time // 86400) == (43200, 20241)


def test_a_damaged_changelog_is_no_changelog() -> None:
    assert changelog(gzip.compress(CHANGELOG)[:40]) == ()
    assert changelog(b"") == ()


def test_sources_and_descriptions() -> None:
    assert source_rpm({"Package": "a", "Version": "1:2-3"}) == "a-2-3.src.rpm"
    named = {"Package": "a", "Version": "2-3+b1", "Source": "src (2-3)"}
    assert source_rpm(named) == "src-2-3.src.rpm"
    assert description({"Package": "a", "Description": "Short\nLong.\n.\nEnd."}) == (
        "Short",
        "Long.\n\nEnd.",
    )
