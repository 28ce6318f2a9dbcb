"""Packages that were unpacked before come out as rpm would install them: every attribute of every
file, and the bytes of the database; and what cannot be promised is refused.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from both_ways import assembled, by_rpm, differences

from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools
from dockyard.install.compose import Unsuited
from dockyard.model.family import family_of
from dockyard.packages.rpm.contents import (
    FileFlag,
    FileTrigger,
    PackagedFile,
    PackageScriptlet,
    RpmPackage,
    RpmRelation,
    Sense,
)
from dockyard.packages.rpm.signature import strip_signature
from dockyard.packages.rpm.writer import write_package

pytestmark = pytest.mark.build

EPOCH = 1_700_000_000
EXAMPLES = Path(__file__).parents[2] / "examples"
CALLED_BY_SHELL = ("cat", "chmod", "cp", "dash", "ln", "ls", "mkdir", "mv", "rm", "rmdir", "touch")


def make(
    directory: Path,
    name: str,
    *files: PackagedFile,
    requires: Sequence[RpmRelation] = (),
    provides: Sequence[RpmRelation] = (),
    scriptlets: Sequence[PackageScriptlet] = (),
    triggers: Sequence[FileTrigger] = (),
) -> Path:
    package = RpmPackage(
        name=name,
        version="1",
        release="1",
        summary=f"The package {name}",
        license="MIT",
        build_time=EPOCH,
        files=files,
        requires=requires,
        provides=[RpmRelation(name, Sense.EQUAL, "1-1"), *provides],
        scriptlets=scriptlets,
        triggers=triggers,
    )
    path = directory / package.file_name
    with path.open("wb") as out:
        write_package(package, out)
    return path


def file(
    path: str, data: bytes | str = "text\n", mode: int = 0o644, **more: object
) -> PackagedFile:
    content = data.encode() if isinstance(data, str) else data
    return PackagedFile(path, stat.S_IFREG | mode, content, mtime=EPOCH - 9, **more)  # type: ignore[arg-type]


def folder(path: str, mode: int = 0o755, **more: object) -> PackagedFile:
    return PackagedFile(path, stat.S_IFDIR | mode, mtime=EPOCH - 8, **more)  # type: ignore[arg-type]


def link(path: str, target: str, **more: object) -> PackagedFile:
    return PackagedFile(path, stat.S_IFLNK | 0o777, target=target, mtime=EPOCH - 7, **more)  # type: ignore[arg-type]


ACCOUNTS = (
    file("/etc/passwd", "root:x:0:0::/:/bin/sh\ncrew:x:77:78::/:/bin/sh\n", flags=FileFlag.CONFIG),
    file("/etc/group", "root:x:0:\nhands:x:78:\n", flags=FileFlag.CONFIG | FileFlag.NOREPLACE),
)


@pytest.fixture
def base(tools: Tools, tmp_path: Path) -> list[Path]:
    """Packages with the directories of a system, its accounts, a shell and what that calls."""
    names = [f"usr/bin/{name}" for name in CALLED_BY_SHELL]
    libraries = sorted(
        path
        for name in (
            "libc.so",
            "ld-linux",
            "libselinux",
            "libpcre2-8",
            "libacl",
            "libattr",
            "libcap",
        )
        for path in (tools.root / "usr/lib/x86_64-linux-gnu").glob(f"{name}*")
    )
    shell = [file(f"/{name}", (tools.root / name).read_bytes(), 0o755) for name in names]
    shell += [
        link(f"/{path.relative_to(tools.root)}", str(path.readlink()))
        if path.is_symlink()
        else file(f"/{path.relative_to(tools.root)}", path.read_bytes(), 0o755)
        for path in libraries
    ]
    loader = "ld-linux-x86-64.so.2"
    filesystem = [
        folder("/", 0o555),
        folder("/dev"),
        file("/dev/lost", "nobody sees it"),
        folder("/tmp", 0o1777),
        folder("/usr"),
        folder("/usr/bin"),
        folder("/var/tmp", 0o1777),
        *(link(f"/{name}", f"usr/{name}") for name in ("bin", "lib", "lib64")),
        folder("/usr/lib64"),
        folder("/usr/lib"),
        link(f"/usr/lib64/{loader}", f"../lib/x86_64-linux-gnu/{loader}"),
    ]
    # In alphabetical order rpm takes them apart from what needs them, as it does real ones.
    return [
        make(tmp_path, "aaa-filesystem", *filesystem, *ACCOUNTS),
        make(
            tmp_path,
            "shell",
            *shell,
            link("/usr/bin/sh", "dash"),
            requires=[RpmRelation("aaa-filesystem")],
            provides=[RpmRelation("/bin/sh")],
        ),
    ]


def nasty(directory: Path) -> list[Path]:
    needs = [
        RpmRelation("shell", Sense.SCRIPT_PRE),
        RpmRelation("aaa-filesystem", Sense.SCRIPT_PRE),
    ]
    twice = file("/usr/share/both/same", "the same\n")
    ghost = FileFlag.GHOST
    return [
        make(
            directory,
            "attributes",
            file("/usr/bin/root", "#!/bin/sh\n", 0o4755),
            file("/usr/bin/crew", "#!/bin/sh\n", 0o6750, owner="crew", group="hands"),
            file("/usr/bin/ping", "#!/bin/sh\n", 0o755, capabilities="cap_net_raw=ep"),
            file("/usr/bin/more", "x", 0o755, capabilities="cap_net_admin,cap_net_raw+ei"),
            folder("/var/crew", 0o3770, owner="crew", group="hands"),
            link("/var/crew/link", "../nowhere", owner="crew", group="hands"),
            PackagedFile("/var/crew/fifo", stat.S_IFIFO | 0o620, group="hands", mtime=EPOCH - 5),
            PackagedFile("/var/new", stat.S_IFREG | 0o644, b"new\n", mtime=EPOCH + 500),
            file("/var/empty", b""),
            file("/var/holes", bytes(300_000) + b"end"),
            file("/var/odd-\udcff\udcfe name\n", "odd"),
            file("/bin/through-a-link", "#!/bin/sh\n", 0o755),
            file("/not/listed/above/this", "text\n"),
            requires=needs,
        ),
        make(
            directory,
            "links",
            file("/usr/share/links/b", "one", link=1),
            file("/usr/share/links/a", "one", link=1),
            file("/usr/share/links/c", "two", 0o600, owner="crew", link=2),
            file("/usr/share/other/0", "one", link=1),
            file("/usr/share/other/1", "two", 0o600, owner="crew", link=2),
            file("/usr/share/other/2", b"", link=3),
            file("/usr/share/other/3", b"", link=3),
            requires=needs,
        ),
        make(
            directory,
            "documents",
            folder("/usr/share/doc/documents"),
            file("/usr/share/doc/documents/README", flags=FileFlag.DOC),
            folder("/usr/share/man"),
            folder("/usr/share/man/man1", flags=FileFlag.DOC),
            file("/usr/share/man/man1/x.1", flags=FileFlag.DOC, link=5),
            file("/usr/share/man/man1/y.1", link=5),
            folder("/usr/share/licenses/documents"),
            file("/usr/share/licenses/documents/MIT", flags=FileFlag.DOC | FileFlag.LICENSE),
            folder("/usr/share/only"),
            folder("/usr/share/only/words"),
            file("/usr/share/only/words/a", flags=FileFlag.DOC),
            requires=needs,
        ),
        make(
            directory,
            "ghosts",
            folder("/var/lib/ghosts"),
            folder("/var/lib/ghosts/directory", flags=ghost),
            file("/var/lib/ghosts/made-later", b"", flags=ghost),
            file("/usr/share/both/ghost", b"", flags=ghost),
            requires=needs,
        ),
        make(directory, "first", folder("/usr/share/both"), twice, requires=needs),
        make(
            directory,
            "second",
            folder("/usr/share/both"),
            twice,
            file("/usr/share/both/ghost", "real"),
            requires=[*needs, RpmRelation("(first or nothing)"), RpmRelation("/usr/bin/crew")],
        ),
    ]


AFTER = """
set -e
ls -A /usr/share/both > /var/seen
cat >> /var/seen
echo "$# $1" >> /var/seen
echo more >> /usr/share/both/same
rm /var/empty
mv /not/listed /not/moved
mkdir /not/listed
rm -r /usr/share/licenses
touch /usr/share/licenses
chmod 0700 /var/lib
ln -s /nowhere /var/lib/ghosts/made-later
mkdir /tmp/left /run/left
touch /etc/.pwd.lock /etc/passwd-
"""


def scripted(directory: Path) -> list[Path]:
    paths = ("/usr/share", "/usr/bin/c")
    needs = [RpmRelation("shell", Sense.SCRIPT_POST)]
    return [
        make(
            directory,
            "zz-triggers",
            triggers=[
                FileTrigger("in", paths, script=AFTER, priority=5),
                FileTrigger("in", paths, script="echo first >> /order; cat >> /order", priority=9),
                FileTrigger("in", ("/nowhere",), script="echo never >> /order"),
                FileTrigger("un", paths, script="echo never >> /order"),
            ],
            requires=needs,
        ),
        make(
            directory,
            "a-late",
            file("/usr/share/late", "late"),
            scriptlets=[
                PackageScriptlet("posttrans", script='echo "late $# $1" >> /order'),
                PackageScriptlet("preun", script="echo never >> /order"),
            ],
            triggers=[FileTrigger("in", ("/usr/lib",), script="echo a-late $1 >> /order")],
            requires=[*needs, RpmRelation("zz-triggers")],
        ),
        make(
            directory,
            "lua",
            scriptlets=[
                PackageScriptlet(
                    "posttrans", ("<lua>",), 'f = io.open("/lua", "w") f:write(#arg) f:close()'
                )
            ],
        ),
    ]


@pytest.mark.parametrize("documents", [True, False])
def test_packages_come_out_as_rpm_installs_them(
    tools: Tools, base: list[Path], tmp_path: Path, documents: bool
) -> None:
    packages = [*base, *nasty(tmp_path), *scripted(tmp_path)]
    theirs = by_rpm(packages, tmp_path, tools, EPOCH, documents)
    ours = assembled(list(reversed(packages)), tmp_path, tools, EPOCH, documents)
    assert differences(ours, theirs) == []
    # What the comparison would not show if it were missing on both sides.
    order = ours.read(b"order").decode()
    assert "never" not in order
    assert order.startswith("late 1 1\n") and order.index("first") < order.index("a-late")
    assert "/usr/share/both/same" in ours.read(b"var/seen").decode()
    crew = ours.find(b"usr/bin/crew")
    assert crew and (crew.mode, crew.uid, crew.gid) == (0o6750, 77, 78)
    ping = ours.find(b"usr/bin/ping")
    assert ping and ping.xattrs[0][0] == b"security.capability"
    assert ours.find(b"usr/bin/through-a-link") and not ours.find(b"dev/lost")
    assert bool(ours.find(b"usr/share/doc/documents/README")) is documents
    assert ours.find(b"lua")


def test_the_database_is_where_the_family_has_it(tools: Tools, tmp_path: Path) -> None:
    family = family_of("fedora", "42")
    assert family
    packages = [make(tmp_path, "one", file("/usr/one"))]
    theirs = by_rpm(packages, tmp_path, tools, EPOCH, packaging=family.packaging)
    ours = assembled(packages, tmp_path, tools, EPOCH, packaging=family.packaging)
    assert differences(ours, theirs) == []
    assert ours.find(b"usr/lib/sysimage/rpm/rpmdb.sqlite")
    assert not ours.find(b"var/lib/rpm") and not ours.find(b"usr/lib/sysimage/rpm/.rpm.lock")


def _is_of_rpms(lock: Path) -> bool:
    return all(pin["path"].endswith(".rpm") for pin in json.loads(lock.read_text())["packages"])


@pytest.mark.parametrize(
    "name",
    sorted(
        path.parent.name
        for path in EXAMPLES.glob("*/image.lock")
        if _is_of_rpms(path) and path.parent.name != "server-aarch64"
    ),
)
def test_examples_come_out_as_rpm_installs_them(
    name: str, published: Path, tools: Tools, tmp_path: Path
) -> None:
    lock = json.loads((EXAMPLES / name / "image.lock").read_text())
    packages = []
    for pin in lock["packages"]:
        packages.append(tmp_path / Path(pin["path"]).name)
        strip_signature(published / "repositories/harbor" / pin["path"], packages[-1])
    theirs = by_rpm(packages, tmp_path, tools, EPOCH)
    ours = assembled(packages, tmp_path, tools, EPOCH)
    assert differences(ours, theirs) == []
    assert len(ours) > 3000


@pytest.mark.parametrize(
    ("event", "words"),
    [("pre", "a %pre scriptlet"), ("post", "a %post scriptlet"), ("pretrans", "a %pretrans")],
)
def test_scriptlets_of_a_single_package_are_rpms_matter(
    tools: Tools, tmp_path: Path, event: str, words: str
) -> None:
    package = make(tmp_path, "own", scriptlets=[PackageScriptlet(event, ("<lua>",), "x = 1")])
    with pytest.raises(Unsuited, match=words):
        assembled([package], tmp_path, tools, EPOCH)


def test_what_depends_on_the_order_of_packages_is_rpms_matter(tools: Tools, tmp_path: Path) -> None:
    user = RpmRelation("user(crew)", Sense.EQUAL, "dSBjcmV3IDc3Cg==")
    each = FileTrigger("in", ("/usr",), per_transaction=False, script="true")
    one = file("/usr/one", "one")
    times = PackagedFile("/usr/one", one.mode, one.data, mtime=one.mtime + 1)
    sets = {
        "makes users": [make(tmp_path, "users", provides=[user])],
        "run for each package": [make(tmp_path, "trigger", triggers=[each])],
        "belongs to crew": [make(tmp_path, "owned", file("/usr/owned", owner="crew"))],
        "several packages have /usr/one": [
            make(tmp_path, "one", one),
            make(tmp_path, "other-time", times),
        ],
        "other attributes": [
            make(tmp_path, "parted", file("/a", link=1), file("/b", link=1, mode=0o600))
        ],
        "as no directory, /usr/lib": [
            make(tmp_path, "through", link("/usr/lib", "lib64"), file("/usr/lib/file"))
        ],
        "/usr is no directory": [
            make(tmp_path, "blocked", file("/usr")),
            make(tmp_path, "below", file("/usr/x")),
        ],
        "effective in part": [
            make(tmp_path, "part", file("/a", capabilities="cap_kill=p cap_bpf+e"))
        ],
        "the device or socket /null": [
            make(tmp_path, "node", PackagedFile("/null", stat.S_IFCHR | 0o666))
        ],
    }
    for number, (words, packages) in enumerate(sets.items()):
        with pytest.raises(Unsuited, match=words):
            assembled(packages, tmp_path / str(number), tools, EPOCH)


def test_names_that_rpm_cannot_mark_while_it_unpacks_are_left_to_it(
    tools: Tools, tmp_path: Path
) -> None:
    fine = make(tmp_path, "fine", file("/" + "ü" * 123), folder("/" + "d" * 255))
    (tmp_path / "fine").mkdir()
    theirs = by_rpm([fine], tmp_path / "fine", tools, EPOCH)
    assert differences(assembled([fine], tmp_path / "fine", tools, EPOCH), theirs) == []
    for number, long in enumerate((file("/" + "n" * 247), link("/" + "n" * 247, "x"))):
        package, out = make(tmp_path, "long", long), tmp_path / str(number)
        out.mkdir()
        with pytest.raises(DockyardError):
            by_rpm([package], out, tools, EPOCH)
        with pytest.raises(Unsuited, match="more than 246 bytes, which rpm refuses"):
            assembled([package], out, tools, EPOCH)


def test_a_file_with_several_names_that_a_scriptlet_writes_to_is_rpms_matter(
    tools: Tools, base: list[Path], tmp_path: Path
) -> None:
    script = PackageScriptlet("posttrans", script="echo more >> /usr/a")
    both = file("/usr/a", link=1), file("/usr/b", link=1)
    package = make(tmp_path, "links", *both, scriptlets=[script])
    with pytest.raises(Unsuited, match="a hard link, was written to"):
        assembled([*base, package], tmp_path, tools, EPOCH)


def test_a_missing_requirement_and_a_failing_scriptlet_are_told_as_by_rpm(
    tools: Tools, base: list[Path], tmp_path: Path
) -> None:
    bad = PackageScriptlet("posttrans", script="echo words of it; exit 3")
    package = make(tmp_path, "bad", requires=[RpmRelation("what-is-not-there")], scriptlets=[bad])
    there = make(tmp_path, "there", provides=[RpmRelation("what-is-not-there")])
    for number, packages in enumerate(([*base, package], [*base, package, there])):
        told = []
        for way in (by_rpm, assembled):
            with pytest.raises(DockyardError) as caught:
                way(packages, _made(tmp_path / f"{number}-{way.__name__}"), tools, EPOCH)
            told.append([(p.code, p.what, p.why) for p in caught.value.problems])
        assert told[0] == told[1]


def _made(path: Path) -> Path:
    path.mkdir()
    return path
