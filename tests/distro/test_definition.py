"""What a definition says, resolved without a network: `dockyard distro check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from debian_archive import key
from dockyard.cli.distro import command
from dockyard.config.bundled import bundled_distros
from dockyard.distro.described import WITH_DOCKYARD, Given, Source, describe
from dockyard.errors import DockyardError
from dockyard.packages.origins import Origins

SIGNER = key("archive").extract_certificate().fingerprint.upper()
RPM = """\
name: team
version: "10"
family: enterprise-linux-10
repositories:
  - {id: base, baseurl: "https://user:word@example.org/$releasever/$basearch", gpgkey: team.asc}
  - {id: listed, metalink: "https://example.org/list", gpgkey: "https://example.org/key"}
  - {id: plain, baseurl: packages, gpgcheck: false}
  - {id: debug, baseurl: "https://example.org/debug", enabled: false}
"""
DEBIAN = """\
name: team
version: "13"
archive:
  suites:
    - {name: stable, baseurl: archive}
    - {name: trixie, archive: ours}
  signedBy: [%s, 04B54C3CDCA79751B16BC6B5225629DF75B188BD]
  keys: team.asc
"""


def definition(place: Path, text: str) -> Path:
    (place / "distro.yaml").write_text(text)
    (place / "team.asc").write_bytes(bytes(key("archive").extract_certificate()))
    return place


def sources(place: Path, origins: Origins | None = None) -> dict[str, Source]:
    found = describe(place, place / "store", origins or Origins())
    return {each.id: each for each in found.sources}


def check(*words: str | Path) -> Result:
    return CliRunner().invoke(command, ["check", *map(str, words)])


def test_repositories_of_rpms_are_where_the_definition_says(tmp_path: Path) -> None:
    found = sources(definition(tmp_path, RPM))
    base, listed, plain = found["base"], found["listed"], found["plain"]
    assert base.addresses == ("https://example.org/10/x86_64",)
    assert (base.keys, base.key_files) == ((SIGNER,), (str(tmp_path / "team.asc"),))
    assert (base.elsewhere, base.checks) == ((), ("packages",))
    # Nobody knows what a key is that is fetched later.
    assert listed.addresses == ("https://example.org/list",)
    assert (listed.keys, listed.elsewhere) == ((), ("https://example.org/key",))
    assert (plain.checks, plain.addresses) == ((), ((tmp_path / "packages").as_uri(),))
    assert not found["debug"].enabled
    assert {each.given for each in found.values()} == {Given.DEFINITION}


def test_suites_are_where_the_definition_or_the_host_says(tmp_path: Path) -> None:
    place = definition(tmp_path, DEBIAN % SIGNER)
    (tmp_path / "sources.list").write_text("deb https://host.example/ours any main\n")
    nobody = sources(place)["team:trixie:main"]
    assert (nobody.given, nobody.archive, nobody.addresses) == (Given.NOBODY, "ours", ())
    host = sources(place, Origins.of_host({}, apt=tmp_path))["team:trixie:main"]
    assert (host.given, host.addresses) == (Given.HOST, ("https://host.example/ours",))
    origins = Origins.of_host({}, debian_mirror=["ours=https://given.example"], apt=tmp_path)
    given = sources(place, origins)
    assert given["team:trixie:main"].given is Given.OPTION
    assert given["team:trixie:main"].addresses == ("https://given.example",)
    own = given["team:stable:main"]
    assert (own.given, own.archive) == (Given.DEFINITION, "")
    assert own.addresses == ((tmp_path / "archive").as_uri(),)
    assert own.key_files == (str(tmp_path / "team.asc"), WITH_DOCKYARD)
    assert set(own.keys) == {SIGNER, "04B54C3CDCA79751B16BC6B5225629DF75B188BD"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (
            RPM.replace("gpgkey: team.asc", "gpgkey: none.asc").replace(", gpgcheck: false", ""),
            ["repository.no-key", "repository.no-key"],
        ),
        (DEBIAN % ("0" * 40) + "  base: all\n", ["config.unknown-value"]),
        (DEBIAN % f"{'0' * 40}, {'1' * 40}", ["debian.no-such-key", "debian.no-such-key"]),
        (
            DEBIAN.replace("archive: ours", "archive: ours, baseurl: b").replace("%s, ", "x, "),
            ["distro.archive-twice", "distro.fingerprint"],
        ),
    ],
)
def test_every_mistake_is_told_at_once(tmp_path: Path, text: str, codes: list[str]) -> None:
    result = check(definition(tmp_path, text), "--store", tmp_path / "store")
    assert isinstance(result.exception, DockyardError), result.output
    assert sorted({*(each.code for each in result.exception.problems)}) == sorted(set(codes))
    assert len(result.exception.problems) == len(codes)


def test_it_is_told_in_lines_and_as_json(tmp_path: Path) -> None:
    place = definition(tmp_path, DEBIAN % SIGNER)
    words: list[str | Path] = [
        place,
        "--store",
        tmp_path / "store",
        "--debian-mirror",
        "ours=https://given.example",
    ]
    lines = check(*words).output.splitlines()
    assert lines[0] == "team: team 13"
    assert "  family      debian" in lines
    assert "  from        https://given.example, as an option or the environment says" in lines
    result = check(*words, "--json")
    told = json.loads(result.stdout)["result"]
    assert (told["packages"], told["base"], told["database"]) == (
        "deb",
        "required",
        "/var/lib/dpkg",
    )
    assert (told["bootLoaders"][0], told["repository"]) == ("systemd-boot", None)
    assert [each["given"] for each in told["repositories"]] == ["definition", "option"]


def test_bundled_definitions_have_no_mistake_and_harbor_is_proven_besides(tmp_path: Path) -> None:
    for name in sorted(bundled_distros().keys() - {"harbor"}):
        result = check(name, "--store", tmp_path / "store")
        assert result.exit_code == 0, (name, result.exception)
    found = describe(bundled_distros()["harbor"], tmp_path, Origins(("https://here.example",)))
    assert found.parts > 100
    assert found.sources[0].addresses == ("https://here.example",)
    result = check("harbor", "--store", tmp_path / "store")
    assert isinstance(result.exception, DockyardError)
    assert [each.code for each in result.exception.problems] == ["distro.not-published"]
