"""The RPM distributions that come with Dockyard, over mirrors that are made here."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pysequoia
import pytest

from dockyard.config.bundled import bundled_distros
from dockyard.distro.header import read_header
from dockyard.errors import DockyardError, Problem
from dockyard.model.distro import Distro
from dockyard.model.packages import Request
from dockyard.packages.locking import make_lock
from dockyard.packages.origins import Origins
from dockyard.packages.rpm.pinned import rpm_repositories
from dockyard.packages.system import system_of

sys.path.insert(0, str(Path(__file__).parents[1] / "packages"))

from rpm_repositories import access, add_rpm, index, key, write_key

RPM_DISTROS = {
    name: place
    for name, place in bundled_distros().items()
    if read_header(place).distro.repositories
}
# name in images → ID and VERSION_ID of os-release, family
SYSTEMS = {
    "almalinux-8": ("almalinux", "8", "enterprise-linux-8"),
    "almalinux-9": ("almalinux", "9", "enterprise-linux-9"),
    "almalinux-10": ("almalinux", "10", "enterprise-linux-10"),
    "rocky-9": ("rocky", "9", "enterprise-linux-9"),
    "centos-stream-10": ("centos", "10", "enterprise-linux-10"),
    "fedora-43": ("fedora", "43", "fedora-41"),
    "fedora-44": ("fedora", "44", "fedora-41"),
    "fedora-45": ("fedora", "45", "fedora-41"),
    "azure-linux-2": ("mariner", "2.0", "azure-linux-2"),
    "azure-linux-3": ("azurelinux", "3.0", "azure-linux-3"),
    "azure-linux-4": ("azurelinux", "4.0", "azure-linux-4"),
}
# A repository of each below a mirror, as its own .repo files have it.
PLACES = {
    "almalinux-8": "8/AppStream/x86_64/os",
    "almalinux-9": "9/BaseOS/x86_64/os",
    "almalinux-10": "10/extras/x86_64/os",
    "rocky-9": "9/AppStream/x86_64/os",
    "centos-stream-10": "10-stream/BaseOS/x86_64/os",
    "fedora-43": "updates/43/Everything/x86_64",
    "fedora-44": "releases/44/Everything/x86_64/os",
    "fedora-45": "updates/45/Everything/x86_64",
    "azure-linux-2": "2.0/prod/Microsoft/x86_64",
    "azure-linux-3": "3.0/prod/base/x86_64",
    "azure-linux-4": "4/preview/base/x86_64",
}


def test_all_are_known_here() -> None:
    assert RPM_DISTROS.keys() == SYSTEMS.keys() == PLACES.keys()


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_definition_says_whom_it_trusts_and_what_family_it_is_of(name: str) -> None:
    distro = read_header(RPM_DISTROS[name]).distro
    assert (distro.name, distro.version, distro.of_family.name) == SYSTEMS[name]
    # What os-release says leads to the same family as what the file says.
    plain = Distro(name=distro.name, version=distro.version, repositories=distro.repositories)
    assert plain.of_family is distro.of_family
    for each in distro.repositories:
        assert each.gpgcheck and each.signed_by and each.gpgkey
        assert all("$mirror" in text for text in each.baseurl) and each.baseurl


def own_key(place: Path, name: str) -> Path:
    """A copy of a definition that trusts a key of the tests."""
    fingerprint = str(key("owner").extract_certificate().fingerprint).upper()
    text = (RPM_DISTROS[name] / "distro.yaml").read_text()
    place.mkdir()
    changed = re.sub(r"signedBy: \[.*\]", f"signedBy: [{fingerprint}]", text)
    (place / "distro.yaml").write_text(changed)
    return place


def repositories_of(place: Path, store: Path, origins: Origins) -> tuple:  # type: ignore[type-arg]
    header = read_header(place)
    found = system_of(header.distro.kind).repositories(
        header.distro, header.directory, store, origins
    )
    return rpm_repositories(found)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_mirror_and_a_key_of_the_users_serve_all_of_it(name: str, tmp_path: Path) -> None:
    mirror, place = tmp_path / "mirror", own_key(tmp_path / "distro", name)
    origins = Origins.of_host(
        {}, rpm_mirror=[str(mirror)], rpm_keys=[write_key(tmp_path / "KEY")], apt=tmp_path
    )
    found = repositories_of(place, tmp_path, origins)
    assert all(not each.metalink and not each.mirror_list for each in found)
    for number, each in enumerate(found):
        [base] = each.base_urls
        root = Path(base.removeprefix("file://"))
        add_rpm(
            root,
            f"package{number}",
            signed="owner",
            requires=[f"package{number - 1}"] * (number > 0),
        )
        index(root, signed="owner")
    assert (mirror / PLACES[name] / "repodata").is_dir()
    request = Request((f"package{len(found) - 1}",))
    lock = make_lock("image", request, found, access(tmp_path / "store"))
    assert len(lock.packages) == len(found)
    assert {each.keys for each in lock.repositories} == {found[0].signed_by}


def problem_of(found: tuple, store: Path) -> Problem:  # type: ignore[type-arg]
    with pytest.raises(DockyardError) as caught:
        make_lock("image", Request(("package",)), found, access(store))
    return caught.value.problems[0]


def test_a_key_of_another_fingerprint_is_refused(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    root = mirror / "4/preview/base/x86_64"
    add_rpm(root, "package", signed="owner")
    index(root)
    origins = Origins(rpm_mirrors=(mirror.as_uri(),), rpm_keys=(write_key(tmp_path / "KEY"),))
    found = repositories_of(RPM_DISTROS["azure-linux-4"], tmp_path, origins)
    here = [type(each)(**{**fields(each), "keys": each.keys[:1]}) for each in found]
    problem = problem_of(tuple(here), tmp_path / "store")
    assert problem.code == "repository.other-key"
    assert "2BC94FFF7015A5F28F1537AD0CD9FED33135CE90" in problem.what
    assert "has other keys" in problem.excerpt[0]
    assert problem.fix and "--rpm-key" in problem.fix


def fields(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}  # type: ignore[attr-defined]


def test_only_the_keys_that_are_named_count(tmp_path: Path) -> None:
    """A file of keys may have many: Fedora's has those of all releases."""
    place = own_key(tmp_path / "distro", "azure-linux-4")
    root = tmp_path / "mirror/4/preview/base/x86_64"
    add_rpm(root, "package", signed="other")
    index(root)
    both = tmp_path / "KEYS"
    both.write_text("".join(str(key(name).extract_certificate()) for name in ("other", "owner")))
    origins = Origins(rpm_mirrors=((tmp_path / "mirror").as_uri(),), rpm_keys=(both,))
    found = repositories_of(place, tmp_path, origins)
    lock = make_lock("image", Request(("package",)), found, access(tmp_path / "store"))
    assert lock.repositories[0].keys == found[0].signed_by
    from dockyard.packages.pinned_files import resolve_files

    with pytest.raises(DockyardError) as caught:
        resolve_files(lock, found, access(tmp_path / "store"))
    assert [each.code for each in caught.value.problems] == ["lock.bad-signature"]
    assert pysequoia.Cert.split_bytes(both.read_bytes())


def test_without_a_mirror_the_lists_of_the_distribution_count(tmp_path: Path) -> None:
    [*_, appstream, _extras] = repositories_of(RPM_DISTROS["almalinux-9"], tmp_path, Origins())
    assert appstream.mirror_list == "https://mirrors.almalinux.org/mirrorlist/9/appstream"
    assert appstream.base_urls == ()
    [base, *_] = repositories_of(RPM_DISTROS["azure-linux-3"], tmp_path, Origins())
    assert base.base_urls == ("https://packages.microsoft.com/azurelinux/3.0/prod/base/x86_64",)
    [stream, *_] = repositories_of(RPM_DISTROS["centos-stream-10"], tmp_path, Origins())
    assert stream.metalink and "repo=centos-baseos-10-stream&arch=x86_64" in stream.metalink


def test_a_mirror_and_keys_that_say_nothing_are_told(tmp_path: Path) -> None:
    (tmp_path / "distro.yaml").write_text(
        'name: own\nversion: "1"\nmirror: file:///own\n'
        "repositories: [{id: own, baseurl: rpms, gpgcheck: false}]\n"
    )
    useless = Origins(rpm_mirrors=("file:///mirror",), rpm_keys=(tmp_path / "KEY",))
    with pytest.raises(DockyardError) as caught:
        repositories_of(tmp_path, tmp_path, useless)
    codes = [each.code for each in caught.value.problems]
    assert codes == ["distro.no-mirror", "distro.no-signed-by"]


def test_settings_that_say_nothing_are_told(tmp_path: Path) -> None:
    fingerprint = "BF18AC2876178908D6E71267D36CB86CB86B3716"
    (tmp_path / "distro.yaml").write_text(
        'name: own\nversion: "1"\nvariables: {releasever: "2", mirror: x, own: y}\n'
        f"repositories: [{{id: own, baseurl: rpms, gpgcheck: false, signedBy: [{fingerprint}]}}]\n"
    )
    with pytest.raises(DockyardError) as caught:
        repositories_of(tmp_path, tmp_path, Origins())
    found = [(each.code, str(each.where).partition(":")[2]) for each in caught.value.problems]
    assert sorted(found) == [
        ("distro.unchecked", "4:58"),
        ("distro.variable-given", "3:25"),
        ("distro.variable-given", "3:38"),
    ]
