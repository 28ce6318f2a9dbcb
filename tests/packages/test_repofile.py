"""`.repo` files: what they say is taken over, and nothing that matters is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.errors import DockyardError, Position
from dockyard.model.packages import RpmRepository
from dockyard.packages.rpm import repofile

VARIABLES = {"releasever": "9", "basearch": "x86_64"}
FILE = Path("/etc/team/base.repo")

WHOLE = """\
[main]
gpgcheck=1

[base]
name=Base packages
baseurl=https://one.example/$releasever/${basearch}/
        https://two.example/$releasever/$basearch
gpgkey=KEY file:///etc/other
gpgcheck=1
repo_gpgcheck = yes
priority=10
cost=5
excludepkgs=kernel* grub2-*,shim
includepkgs = a b
metadata_expire=6h
module_hotfixes=1

[metalinked]
metalink=https://m.example/?repo=x-$releasever
gpgcheck=0

[listed]
mirrorlist=https://l.example/list
gpgcheck=no

[off]
enabled=0
baseurl=https://$unknown.example/
"""


def parse(text: str) -> tuple[RpmRepository, ...]:
    return repofile.parse(text, FILE, VARIABLES)


def test_a_whole_file_is_understood() -> None:
    base, metalinked, listed = parse(WHOLE)
    assert base == RpmRepository(
        id="base",
        base_urls=("https://one.example/9/x86_64/", "https://two.example/9/x86_64"),
        keys=("file:///etc/team/KEY", "file:///etc/other"),
        check_packages=True,
        check_metadata=True,
        priority=10,
        cost=5,
        exclude=("kernel*", "grub2-*", "shim"),
        include=("a", "b"),
        module_hotfixes=True,
        title="Base packages",
    )
    assert base.position == Position(str(FILE), 4, 1)
    assert metalinked.metalink == "https://m.example/?repo=x-9"
    assert not metalinked.check_packages
    assert listed.mirror_list == "https://l.example/list"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("[a]\nbaseurl=https://x/\n", "repofile.no-key", 1),
        ("[a]\ngpgcheck=0\n", "repofile.no-source", 1),
        ("[a]\nbaseurl=https://$what/\ngpgcheck=0\n", "repofile.unknown-variable", 2),
        ("[a]\nbaseurl=x\ngpgcheck=maybe\n", "repofile.bad-value", 3),
        ("[a]\nbaseurl=x\ngpgcheck=0\npriority=high\n", "repofile.bad-value", 4),
        ("[a]\nbaseurl=x\ngpgcheck=0\nstrict=0\n", "repofile.unsupported", 4),
        ("[a]\nbaseurl=x\ngpgcheck=0\nsslverify=0\n", "repofile.unsupported", 4),
        ("[a]\nbaseurl=x\n[a]\n", "repofile.malformed", 3),
        ("baseurl=x\n", "repofile.malformed", 1),
        ("[a b]\nbaseurl=x\ngpgcheck=0\n", "repofile.bad-id", 1),
        ("[a]\nnonsense\n", "repofile.malformed", 2),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(DockyardError) as caught:
        parse(text)
    found = {(problem.code, problem.where) for problem in caught.value.problems}
    assert (code, line) in {
        (name, where.line) for name, where in found if isinstance(where, Position)
    }


@given(st.text(max_size=200))
def test_any_text_gives_repositories_or_an_error(text: str) -> None:
    try:
        found = parse(text)
    except DockyardError:
        return
    assert all(isinstance(each, RpmRepository) for each in found)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        repofile.load(tmp_path / "none.repo", VARIABLES)
    assert caught.value.problems[0].code == "repofile.unreadable"
