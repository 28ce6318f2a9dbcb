"""`dockyard distro` as a person runs it, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dockyard.cli.distro import command
from dockyard.distro.build import build_distro
from dockyard.engine.store import Store, default_root
from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools
from stores import share

OWN = """\
name: small
version: "1"
epoch: 1767225600
packages: [own.yaml]
"""
PACKAGE = "{name: own, version: 1, summary: Own, license: MIT}\n"
BINARY = """\
name: other
version: "10"
repositories: [{id: base, baseurl: "https://example.org/"}]
"""

DEBIAN = f"""\
name: another
version: "13"
archive:
  suites: [{{name: stable, components: [main, extra]}}, {{name: stable-updates}}]
  signedBy: ["{"0" * 40}"]
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "distro.yaml").write_text(OWN)
    (tmp_path / "own.yaml").write_text(PACKAGE)
    return tmp_path


def _fails(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, DockyardError)
    return result.exception.problems[0].code


def test_list_names_every_package(own: Path) -> None:
    result = CliRunner().invoke(command, ["list", str(own)])
    assert (result.exit_code, result.output) == (0, "own  1-1  own\n")


def test_list_names_the_suites_of_an_archive(own: Path) -> None:
    (own / "distro.yaml").write_text(DEBIAN)
    result = CliRunner().invoke(command, ["list", str(own)])
    names = [line.split()[0] for line in result.output.splitlines()]
    assert names == [f"another:stable{part}" for part in ("-updates:main", ":extra", ":main")]


def test_check_needs_a_repository(own: Path) -> None:
    assert _fails("check", str(own), "--store", str(own / "store")) == "distro.not-published"


def test_lock_needs_an_upstream(own: Path) -> None:
    assert _fails("lock", str(own), "--store", str(own / "store")) == "distro.no-upstream"


@pytest.mark.parametrize(
    ("text", "code"),
    [(BINARY, "distro.not-built"), (DEBIAN, "distro.not-built"), (OWN, "distro.no-lock")],
)
def test_what_cannot_be_built_is_refused_before_any_work(own: Path, text: str, code: str) -> None:
    (own / "distro.yaml").write_text(
        text.replace(
            "[own.yaml]",
            "[own.yaml]\ncomponents: [c.yaml]\nupstream: {debian: {suites: [{name: trixie}]}}",
        )
    )
    (own / "c.yaml").write_text("components: {tool: }\n")

    with pytest.raises(DockyardError) as caught:
        build_distro(own, Store(own / "store"), keys=own / "keys")
    assert caught.value.problems[0].code == code
    assert not any((own / "store/results").iterdir())


@pytest.mark.build
def test_a_distribution_that_imports_nothing_needs_no_lock(own: Path, tools: Tools) -> None:
    store = share(own / "store", default_root())
    arguments = ["--store", str(store), "--keys", str(own / "keys"), "--progress", "quiet"]
    planned = CliRunner().invoke(command, ["plan", str(own), *arguments[:4]])
    assert "Make own" in planned.output and planned.output.endswith("has not been made before\n")
    result = CliRunner().invoke(command, ["build", str(own), *arguments])
    assert result.exit_code == 0, result.exception
    assert "1 packages, 1 made" in result.output
    again = CliRunner().invoke(command, ["build", str(own), *arguments])
    assert "nothing changed" in again.output
    checked = CliRunner().invoke(command, ["check", str(own), *arguments[:2]])
    assert "every requirement is met" in checked.output
