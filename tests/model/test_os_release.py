"""Which file says what system a root is of."""

from __future__ import annotations

import pytest

from dockyard.model.os_release import release_of


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"/etc/os-release": "ID=a", "/usr/lib/os-release": "ID=b"}, "ID=a"),
        ({"/usr/lib/os-release": "ID=b"}, "ID=b"),
        ({"/etc/os-release": "", "/usr/lib/os-release": "ID=b"}, ""),
        ({}, None),
    ],
)
def test_the_first_file_that_is_there_counts_alone(
    files: dict[str, str], found: str | None
) -> None:
    assert release_of(files.get) == found
