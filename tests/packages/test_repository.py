"""Opening repositories: every mirror may fail, none may lie."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from rpm_repositories import COMPRESSIONS, Server, access, add_rpm, index, serving, write_key

from dockyard.errors import DockyardError, Problem
from dockyard.host.sandbox import Tools
from dockyard.model.packages import Lock, PinBy, Request, RpmRepository
from dockyard.packages.content_pins import pin_by_content
from dockyard.packages.pinned_files import resolve_files
from dockyard.packages.pool import every_pin
from dockyard.packages.rpm.repository import Metadata, open_repository
from dockyard.packages.solve import solve


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    root = tmp_path / "mirror"
    add_rpm(root / "Packages", "one")
    add_rpm(root / "Packages", "two", "2.0", requires=["one"])
    return index(root)


def opened(tmp_path: Path, *bases: str, **options: object) -> Metadata:
    repository = RpmRepository("r", bases, check_packages=False, **options)  # type: ignore[arg-type]
    return open_repository(repository, access(tmp_path))


def names(tmp_path: Path, metadata: Metadata) -> list[str]:
    return sorted(pin.nevra for pin in every_pin([metadata], tmp_path / "metadata"))


def refused(tmp_path: Path, *bases: str, **options: object) -> Problem:
    with pytest.raises(DockyardError) as caught:
        metadata = opened(tmp_path, *bases, **options)
        metadata.primary()
    [problem] = caught.value.problems
    return problem


BOTH = ["one-1-1.noarch", "two-2.0-1.noarch"]


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_metadata_of_every_compression_is_read(tmp_path: Path, mirror: Path, suffix: str) -> None:
    index(mirror, suffix=suffix)
    assert names(tmp_path, opened(tmp_path, mirror.as_uri())) == BOTH


def test_a_repository_over_http_is_fetched_once(tmp_path: Path, mirror: Path) -> None:
    with serving(mirror) as server:
        for _ in range(2):
            assert names(tmp_path, opened(tmp_path, server.url)) == BOTH
    assert [path.endswith("repomd.xml") for path in server.asked] == [True, False, True]


def test_other_digests_of_the_family_are_taken_and_weak_ones_are_not(
    tmp_path: Path, mirror: Path
) -> None:
    index(mirror, algorithm="sha512")
    assert names(tmp_path, opened(tmp_path, mirror.as_uri())) == BOTH
    index(mirror, algorithm="sha1")
    assert "sha1" in refused(tmp_path, mirror.as_uri()).excerpt[0]


def test_the_next_mirror_serves_when_one_fails(tmp_path: Path, mirror: Path) -> None:
    with serving(mirror) as bad, serving(mirror) as good:
        bad.refuse["repomd.xml"] = 503
        found = opened(tmp_path, bad.url, good.url)
    assert found.bases == (good.url, bad.url)


def test_a_mirror_that_goes_down_half_way_is_left(tmp_path: Path, mirror: Path) -> None:
    with serving(mirror) as bad, serving(mirror) as good:
        bad.cut.add("primary.xml.gz")
        assert names(tmp_path, opened(tmp_path, bad.url, good.url)) == BOTH
        assert any(path.endswith("primary.xml.gz") for path in bad.asked)


def test_a_mirror_with_other_bytes_is_left_and_alone_is_refused(
    tmp_path: Path, mirror: Path
) -> None:
    with serving(mirror) as server:
        [primary] = (mirror / "repodata").glob("*primary*")
        whole = primary.read_bytes()
        primary.write_bytes(whole[:-1] + b"?")
        assert refused(tmp_path, server.url).code == "fetch.digest-mismatch"


def test_all_mirrors_failing_are_named_with_their_reasons(tmp_path: Path, mirror: Path) -> None:
    with serving(mirror) as server:
        server.refuse["repomd.xml"] = 404
        problem = refused(tmp_path, server.url, "http://127.0.0.1:9/")
    assert problem.code == "repository.unreachable"
    assert "404" in problem.excerpt[0]
    assert len(problem.excerpt) == 2


def test_a_mirror_list_gives_mirrors(tmp_path: Path, mirror: Path) -> None:
    with serving(mirror) as server:
        listing = tmp_path / "list"
        listing.write_text(f"# mirrors\n\nhttp://127.0.0.1:9/\n{server.url}\n")
        found = opened(tmp_path, mirror_list=listing.as_uri())
        assert found.bases[0] == server.url
        listing.write_text("<html>Sign in</html>")
        assert "<html>" in refused(tmp_path, mirror_list=listing.as_uri()).excerpt[0]


def metalink(path: Path, urls: dict[str, int], *repomds: bytes) -> str:
    hashes = [
        f'<verification><hash type="md5">00</hash>'
        f'<hash type="sha256">{hashlib.sha256(data).hexdigest()}</hash></verification>'
        for data in repomds
    ]
    rows = "".join(
        f'<url protocol="http" preference="{rank}">{url}repodata/repomd.xml</url>'
        for url, rank in urls.items()
    )
    alternates = "".join(f"<mm0:alternate>{text}</mm0:alternate>" for text in hashes[1:])
    path.write_text(
        '<metalink version="3.0" xmlns="http://www.metalinker.org/"'
        ' xmlns:mm0="http://fedorahosted.org/mirrormanager"><files><file name="repomd.xml">'
        f"{hashes[0]}<mm0:alternates>{alternates}</mm0:alternates>"
        f'<resources><url protocol="rsync">rsync://x/repodata/repomd.xml</url>{rows}</resources>'
        "</file></files></metalink>"
    )
    return path.as_uri()


def test_a_metalink_orders_mirrors_and_passes_over_one_that_is_behind(
    tmp_path: Path, mirror: Path
) -> None:
    behind = tmp_path / "behind"
    add_rpm(behind, "old")
    index(behind)
    current = (mirror / "repodata/repomd.xml").read_bytes()
    with serving(behind) as stale, serving(mirror) as good:
        address = metalink(tmp_path / "m", {good.url: 50, stale.url: 100}, current)
        found = opened(tmp_path, metalink=address)
        assert found.bases == (good.url, stale.url)
        assert stale.asked == ["/repodata/repomd.xml"]
        old = (behind / "repodata/repomd.xml").read_bytes()
        either = metalink(tmp_path / "m", {good.url: 50, stale.url: 100}, current, old)
        assert opened(tmp_path, metalink=either).bases == (stale.url, good.url)


def test_a_metalink_that_fails_is_not_done_without(tmp_path: Path, mirror: Path) -> None:
    with serving(mirror) as server:
        (tmp_path / "m").write_text("<html/>")
        problem = refused(tmp_path, server.url, metalink=(tmp_path / "m").as_uri())
    assert problem.code == "repository.unreachable"


def signed(tmp_path: Path, server: Server | str, **options: object) -> dict[str, object]:
    return {"check_metadata": True, "keys": (str(write_key(tmp_path / "KEY")),), **options}


def test_a_good_signature_is_taken(tmp_path: Path, mirror: Path) -> None:
    index(mirror, signed="owner")
    found = opened(tmp_path, mirror.as_uri(), **signed(tmp_path, ""))
    assert len(found.locked().keys) == 1


def test_a_bad_missing_or_foreign_signature_is_not(tmp_path: Path, mirror: Path) -> None:
    options = signed(tmp_path, "")
    problem = refused(tmp_path, mirror.as_uri(), **options)
    assert (problem.code, "there is none" in problem.excerpt[0]) == (
        "repository.bad-signature",
        True,
    )
    index(mirror, signed="somebody")
    assert refused(tmp_path, mirror.as_uri(), **options).code == "repository.bad-signature"
    index(mirror, signed="owner")
    repomd = mirror / "repodata/repomd.xml"
    repomd.write_bytes(repomd.read_bytes().replace(b"<revision>1", b"<revision>2"))
    assert refused(tmp_path, mirror.as_uri(), **options).code == "repository.bad-signature"


def test_a_key_that_is_none_is_named(tmp_path: Path, mirror: Path) -> None:
    (tmp_path / "KEY").write_text("no key")
    options = {"check_metadata": True, "keys": (str(tmp_path / "KEY"),)}
    assert refused(tmp_path, mirror.as_uri(), **options).code == "repository.bad-key"
    options = {"check_metadata": True, "keys": (str(tmp_path / "NONE"),)}
    assert refused(tmp_path, mirror.as_uri(), **options).code == "repository.no-key"


def test_a_directory_without_metadata_is_read_by_its_packages(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    path = add_rpm(plain / "deep", "one")
    add_rpm(plain, "two", "2.0", requires=["one"])
    found = opened(tmp_path, plain.as_uri())
    assert names(tmp_path, found) == BOTH
    pins = {pin.name: pin for pin in every_pin([found], tmp_path / "metadata")}
    assert pins["one"].path == "deep/one-1-1.noarch.rpm"
    assert pins["one"].digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    again = opened(tmp_path, plain.as_uri())
    assert again.identity == found.identity
    add_rpm(plain, "two", "2.0", text="changed")
    assert opened(tmp_path, plain.as_uri()).identity != found.identity


def test_every_file_that_is_no_package_is_reported(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    add_rpm(plain, "one")
    (plain / "bad.rpm").write_bytes(b"no")
    (plain / "worse.rpm").write_bytes(b"")
    with pytest.raises(DockyardError) as caught:
        opened(tmp_path, plain.as_uri())
    assert sorted(problem.what.split()[0] for problem in caught.value.problems) == [
        "bad.rpm",
        "worse.rpm",
    ]


def test_an_empty_directory_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path, (tmp_path / "empty").as_uri()).code == "repository.empty"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a/>",
        '<repomd xmlns="http://linux.duke.edu/metadata/repo"/>',
        '<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary">'
        f'<checksum type="sha256">{"0" * 64}</checksum><location href="../../x"/></data></repomd>',
    ],
)
def test_a_repomd_that_is_none_is_refused(tmp_path: Path, mirror: Path, text: str) -> None:
    (mirror / "repodata/repomd.xml").write_text(text)
    assert refused(tmp_path, mirror.as_uri()).code == "repository.unreachable"


def chosen(tmp_path: Path, mirror: Path, *items: str) -> list[str]:
    found = opened(tmp_path, mirror.as_uri())
    return [pin.nevra for pin in solve(Request(items), [found], tmp_path / "metadata").packages]


def test_lists_of_files_are_read_only_when_a_path_needs_them(tmp_path: Path, mirror: Path) -> None:
    add_rpm(mirror, "user", requires=["/usr/share/two"])
    index(mirror, apart=True)
    with serving(mirror) as server:
        found = opened(tmp_path, server.url)
        cache = tmp_path / "metadata"
        assert [pin.name for pin in solve(Request(("two",)), [found], cache).packages] == [
            "one",
            "two",
        ]
        assert not any("filelists" in path for path in server.asked)
        for item in ("/usr/share/two", "user"):
            assert "two" in [pin.name for pin in solve(Request((item,)), [found], cache).packages]
        assert sum("filelists" in path for path in server.asked) == 1
    with pytest.raises(DockyardError) as caught:
        chosen(tmp_path, mirror, "/usr/share/nothing")
    assert [problem.code for problem in caught.value.problems] == ["solve.not-found"]


def stream(module: str, name: str, *nevras: str) -> str:
    rows = "".join(f"    - {nevra}\n" for nevra in nevras)
    return (
        f"---\ndocument: modulemd\nversion: 2\ndata:\n  name: {module}\n  stream: {name}\n"
        f"  artifacts:\n    rpms:\n{rows}"
    )


def default(module: str, name: str) -> str:
    return (
        "---\ndocument: modulemd-defaults\nversion: 1\n"
        f"data:\n  module: {module}\n  stream: {name}\n"
    )


def test_only_default_streams_of_modules_are_offered(tmp_path: Path, mirror: Path) -> None:
    for version in ("1", "1.1", "1.10", "2"):
        add_rpm(mirror, "web", version)
    text = (
        stream("web", "1.1", "web-0:1.1-1.noarch")
        + stream("web", "1.10", "web-0:1.10-1.noarch")
        + stream("other", "7", "web-0:2-1.noarch")
    )
    index(mirror, modules=text)
    assert chosen(tmp_path, mirror, "web") == ["web-1-1.noarch"]
    index(mirror, modules=text + default("web", "1.1"), suffix=".xz")
    for _ in ("read", "out of the cache"):
        assert chosen(tmp_path, mirror, "web") == ["web-1.1-1.noarch"]
    with pytest.raises(DockyardError) as caught:
        chosen(tmp_path, mirror, "web-2-1.noarch")
    assert "is in the module stream other:7" in caught.value.problems[0].why
    index(mirror, modules="a: [")
    assert [problem.code for problem in refusal(tmp_path, mirror)] == ["repository.damaged"]


def refusal(tmp_path: Path, mirror: Path) -> tuple[Problem, ...]:
    with pytest.raises(DockyardError) as caught:
        chosen(tmp_path, mirror, "web")
    return caught.value.problems


@pytest.mark.build
def test_what_createrepo_writes_is_read_as_the_packages_themselves(
    tmp_path: Path, tools: Tools
) -> None:
    root = tmp_path / "mirror"
    add_rpm(root / "Packages", "one")
    add_rpm(root / "Packages", "two", "2.0~rc1", requires=["one >= 1", "(one or nothing)"])
    add_rpm(root / "Packages", "user", requires=["/usr/share/two"])
    plain = every_pin([opened(tmp_path, root.as_uri())], tmp_path / "metadata")
    for kind in ("gz", "xz", "zstd", "bz2"):
        tools.run(
            ["createrepo_c", "--quiet", f"--general-compress-type={kind}", str(root)], write=[root]
        )
        found = opened(tmp_path, root.as_uri())
        assert sorted(every_pin([found], tmp_path / "metadata")) == sorted(plain)
    assert chosen(tmp_path, root, "user") == [pin.nevra for pin in sorted(plain)]


def test_a_metalink_without_a_digest_to_rely_on_is_refused(tmp_path: Path, mirror: Path) -> None:
    with serving(mirror) as server:
        address = metalink(tmp_path / "m", {server.url: 1}, b"")
        text = (tmp_path / "m").read_text()
        (tmp_path / "m").write_text(text.replace("sha256", "md5"))
        assert "no sha256" in refused(tmp_path, server.url, metalink=address).excerpt[0]


def test_file_names_are_meant_as_they_stand(tmp_path: Path) -> None:
    plain = tmp_path / "my packages#1"
    add_rpm(plain / "a b%20c", "one")
    found = opened(tmp_path, plain.as_uri(), pin=PinBy.CONTENT)
    store = access(tmp_path)
    [pin] = pin_by_content(every_pin([found], store.cache), [found], store)
    assert pin.path == "a b%20c/one-1-1.noarch.rpm"
    lock = Lock("x", Request(("one",)), (found.locked(),), (pin,))
    assert len(resolve_files(lock, [found.repository], store)) == 1
