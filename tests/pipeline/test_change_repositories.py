"""The repositories of an image are somebody else's word: what counts of them, and what does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dockyard.config import load_image
from dockyard.errors import DockyardError
from dockyard.inspection.package_facts import PackageFacts
from dockyard.model.architecture import Architecture
from dockyard.model.packages import RpmRepository
from dockyard.packages.origins import Origins
from dockyard.pipeline.change_repositories import change_repositories
from dockyard.pipeline.package_facts import InstalledFacts, keep, kept

sys.path.append(str(Path(__file__).parents[1] / "packages"))
from rpm_repositories import add_rpm

REPO = "/etc/yum.repos.d/os.repo"
KEY = "/etc/pki/rpm-gpg/KEY-9"
MODULE = (
    b"[web]\nname=web\nstream=1.10\nprofiles=\nstate=enabled\n[old]\nstream=2\nstate=disabled\n"
)
GOOD = f"""\
[os]
name = Base
baseurl = https://packages.example/$releasever/$basearch/$tier/
gpgcheck = 1
gpgkey = file://{KEY}
sslverify = 1
skip_if_unavailable = 1
[off]
baseurl = gopher://nowhere
enabled = 0
"""


def facts(folder: Path, **repositories: str) -> InstalledFacts:
    """What an image with these files of repositories has."""
    found = PackageFacts(
        count=0,
        place="/var/lib/rpm",
        backend="sqlite",
        primary=b"<metadata/>",
        release="9",
        documents=True,
        kernels=("kernel",),
        repositories={f"/etc/yum.repos.d/{name}.repo": text.encode(errors="surrogateescape")
                      for name, text in repositories.items()},
        variables={"/etc/dnf/vars/tier": b"prod\n"},
        managers={"/etc/dnf/dnf.conf": b"[main]\ngpgcheck=1\nexcludepkgs=foo*,\n  bar\n"},
        modules={"/etc/dnf/modules.d/web.module": MODULE, "/etc/dnf/modules.d/b.module": b"\xff["},
        protected={"/etc/dnf/protected.d/a.conf": b"dnf\n# not this\nsystemd\n"},
        keys={KEY: b"a key"},
    )  # fmt: skip
    keep(found, folder)
    read = kept(folder)
    assert read is not None
    return read


def read(
    tmp_path: Path, *extra: Path, without_image: bool = False, **repositories: str
) -> dict[str, RpmRepository]:
    file = tmp_path / "config.yaml"
    file.write_text("os: {}\n")
    found = change_repositories(
        load_image(file),
        Path("base.raw"),
        facts(tmp_path / "facts", **repositories),
        Architecture.X86_64,
        tmp_path / "store",
        Origins(),
        extra=extra,
        without_image=without_image,
    )
    return {each.id: each for each in found}


def refused(tmp_path: Path, os: str, other: str = "") -> list[str]:
    with pytest.raises(DockyardError) as caught:
        read(tmp_path, os=os, other=other)
    return [f"{e.code} {e.where} {e.what}; {e.fix}" for e in caught.value.problems]


def test_an_image_s_repository_has_its_variables_and_its_own_key(tmp_path: Path) -> None:
    (found,) = read(tmp_path, os=GOOD).values()
    assert found.base_urls == ("https://packages.example/9/x86_64/prod/",)
    assert found.check_packages and not found.check_metadata
    (key,) = found.keys
    assert Path(key).read_bytes() == b"a key"
    assert str(found.position).startswith("base.raw:/etc/yum.repos.d/os.repo")


def test_mirrors_and_keys_of_the_host_count_for_the_distribution_that_is_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "distro.yaml").write_text(
        'name: own\nversion: "9"\nmirror: https://gone.example\nrepositories:\n'
        f'- {{id: base, baseurl: "$mirror/base", signedBy: [{"A" * 40}]}}\n'
    )
    file = tmp_path / "config.yaml"
    file.write_text("distro: distro.yaml\nos: {}\n")
    (found,) = change_repositories(
        load_image(file),
        Path("base.raw"),
        facts(tmp_path / "facts"),
        Architecture.X86_64,
        tmp_path / "store",
        Origins(rpm_mirrors=("https://near.example",), rpm_keys=(tmp_path / "key",)),
    )
    assert found.base_urls == ("https://near.example/base",)
    assert found.keys == (str(tmp_path / "key"),)


def test_what_the_command_line_names_takes_the_place_of_the_image_s(tmp_path: Path) -> None:
    add_rpm(tmp_path / "os", "a")
    assert not read(tmp_path, tmp_path / "os", os=GOOD)["os"].check_packages
    assert list(read(tmp_path, os=GOOD, without_image=True)) == []
    # The image's own is not even looked at.
    assert list(read(tmp_path, tmp_path / "os", os="[os]\nbaseurl=file:///srv\n")) == ["os"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[os]\nbaseurl=file:///etc\ngpgcheck=0\n", "repository.inside-image"),
        ("[os]\nbaseurl=relative\ngpgcheck=0\n", "repository.inside-image"),
        ("[os]\nmirrorlist=file:///proc/self/environ\ngpgcheck=0\n", "repository.inside-image"),
        ("[os]\nbaseurl=ftp://a/\ngpgcheck=0\n", "repository.inside-image"),
        ("[os]\nbaseurl=https://a/\ngpgkey=file:///etc/shadow\n", "repository.no-key"),
        ("[os]\nbaseurl=https://a/\ngpgkey=file:///etc/pki/../passwd\n", "repository.no-key"),
        ("[os]\nbaseurl=https://a/\ngpgkey=/etc/passwd\n", "repository.no-key"),
        ("[os]\nbaseurl=https://a/\n", "repofile.no-key"),
        ("[os]\nbaseurl=https://a/\ngpgcheck=0\nsslverify=0\n", "repofile.unsupported"),
        ("[os]\nbaseurl=https://a/$nothing\ngpgcheck=0\n", "repofile.unknown-variable"),
        ("[../os]\nbaseurl=https://a/\ngpgcheck=0\n", "repofile.bad-id"),
        ("[os]\nbaseurl=https://a/\nplugins=evil\ngpgcheck=0\n", "repofile.unsupported"),
        ("baseurl=https://a/\n", "repofile.malformed"),
        ("[os]\n[os]\n", "repofile.malformed"),
        ("\udcff", "repofile.unreadable"),
    ],
)  # fmt: skip
def test_what_is_not_understood_or_reaches_for_this_machine_is_refused(
    tmp_path: Path, text: str, code: str
) -> None:
    (said,) = refused(tmp_path, os=text)
    assert said.startswith(f"{code} base.raw:/etc/yum.repos.d/os.repo")


def test_all_that_is_wrong_is_told_together(tmp_path: Path) -> None:
    said = refused(tmp_path, os="[a]\nbaseurl=file:///a\ngpgcheck=0\n", other="[b]\nx=1\n")
    assert {each.split()[0] for each in said} >= {"repository.inside-image", "repofile.no-source"}
    assert all("--disable-base-image-rpm-repos" in each for each in said)


def test_what_must_stay_and_what_is_excluded_comes_from_the_image(tmp_path: Path) -> None:
    found = facts(tmp_path)
    assert found.protected == ("dnf", "systemd")
    assert found.exclude == ("bar", "foo*")
    assert found.streams == ("web:1.10",)


def test_facts_that_were_changed_or_removed_are_none(tmp_path: Path) -> None:
    facts(tmp_path)
    (tmp_path / "primary.xml").write_bytes(b"<metadata></metadata>")
    assert kept(tmp_path) is None
    facts(tmp_path)
    (tmp_path / "facts.json").write_text("[]")
    assert kept(tmp_path) is None
    assert kept(tmp_path / "nowhere") is None
