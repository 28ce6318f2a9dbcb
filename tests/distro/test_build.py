"""A small distribution, built into a signed repository: again, changed, refused, and killed."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_distro import COMPONENTS, Small, names

from conftest import user_inside
from dockyard.distro.build import BuiltDistro, build_distro
from dockyard.distro.check import check_repository
from dockyard.engine import events
from dockyard.engine.store import default_root
from dockyard.errors import DockyardError
from dockyard.host.files import make_root
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import Tools
from dockyard.install.rpm import install, verify
from dockyard.keeping.choice import Wish
from dockyard.keeping.inventory import take_inventory
from dockyard.keeping.products import DISTRIBUTION, products
from dockyard.keeping.prune import prune
from dockyard.model.family import HARBOR
from dockyard.packages.blobs import Blobs
from dockyard.packages.origins import Origins
from dockyard.packages.published import path_before, published
from dockyard.packages.rpm.reader import content_digest
from dockyard.packages.rpm.signature import check_digests
from stores import share

pytestmark = pytest.mark.build


@pytest.fixture
def small(tmp_path: Path, tools: Tools) -> Small:
    """The distribution, and stores that have the tools."""
    for name in ("store", "other", "killed"):
        share(tmp_path / name, default_root())
    return Small.make(tmp_path)


def _packages(built: BuiltDistro) -> dict[str, Path]:
    return {path.name: path for path in sorted(built.path.glob("Packages/*.rpm"))}


def _contents(built: BuiltDistro) -> dict[str, str]:
    return {name: content_digest(path) for name, path in _packages(built).items()}


def test_a_repository_is_published_signed_and_whole(small: Small, tools: Tools) -> None:
    built = small.build()
    assert built.path == small.store().root / "repositories/small"
    assert set(_packages(built)) == {
        "base-1-1.noarch.rpm",
        "library-1.2-3.x86_64.rpm",
        "tool-1.2-3.x86_64.rpm",
    }
    assert check_repository(built.path) == ()
    found = {path.name for path in (built.path / "repodata").iterdir()}
    assert {"repomd.xml", "repomd.xml.asc"} <= found
    key = built.path / "RPM-GPG-KEY-small"
    done = tools.run(
        [
            "sh",
            "-euc",
            f"mkdir /tmp/db; rpmkeys --dbpath /tmp/db --import {key}; rpmkeys --dbpath /tmp/db "
            f"--define '_pkgverify_level all' -K {built.path}/Packages/*.rpm; "
            f"sqv --keyring {key} {built.path}/repodata/repomd.xml.asc "
            f"{built.path}/repodata/repomd.xml",
        ],
        read=[built.path.resolve(), built.path],
        check=False,
    )
    assert done.status == 0, done.stdout + done.stderr
    assert done.text.count("digests signatures OK") == 3
    assert stat.S_IMODE((small.keys() / "small.pgp").stat().st_mode) == 0o600


def test_nothing_is_made_twice(small: Small) -> None:
    first = small.build()
    seen: list[events.Event] = []
    again = small.build(seen=seen)
    assert (first.made, first.changed) == (3, True)
    assert (again.made, again.changed, again.remarks) == (0, False, ())
    assert {type(each) for each in seen} == {events.RunStarted, events.StepReused}
    (small.place / "passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    changed = small.build()
    assert (changed.made, changed.changed) == (1, True)
    (warning,) = changed.remarks
    assert warning.code == "distro.version-kept" and warning.what.endswith(": base-1-1.noarch")
    small.components(COMPONENTS + "# a comment\n")
    touched = small.build()
    assert (touched.made, touched.changed, touched.remarks) == (0, False, ())


def test_what_was_published_before_stays_for_those_who_read_it(small: Small) -> None:
    first = small.build().path.resolve()
    (small.place / "passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    second = small.build().path.resolve()
    root = small.store().root
    assert first != second and published(root, "small") == second
    assert path_before(root, "small").resolve() == first
    assert (first / "repodata/repomd.xml").is_file()
    # All links are of the store itself: it may be moved.
    links = [each for each in (root / "repositories").iterdir() if each.is_symlink()]
    assert [str(each.readlink()).startswith("../results/") for each in links] == [True, True]
    (small.place / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    back = small.build()
    # Nothing is made for it: the packages of the first build are still there.
    assert (back.made, back.changed, back.path.resolve()) == (0, True, first)
    # Nor when they are not, as the store has given up what was not used for long.
    for kind in ("sign", "convert", "own"):
        for result in (root / "results").glob(f"{kind}-*"):
            remove_tree(result)
    (small.place / "passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    again = small.build()
    assert (again.made, again.changed, again.path.resolve()) == (0, True, second)
    (warning,) = again.remarks
    assert warning.code == "distro.version-kept" and warning.what.endswith(": base-1-1.noarch")


def test_a_repository_of_an_earlier_layout_is_replaced(small: Small) -> None:
    built = small.build()
    root = small.store().root / "repositories"
    result = built.path.resolve()
    older, oldest = (root / f".small-{digit * 32}" for digit in "ab")
    for each in (older, oldest, root / ".small-x"):
        each.mkdir()
    built.path.unlink()
    built.path.symlink_to(older.name)
    assert small.build().path.resolve() == result
    assert older.is_dir() and not oldest.exists() and (root / ".small-x").is_dir()


def test_a_damaged_repository_is_made_anew(small: Small) -> None:
    built = small.build()
    (package, *_) = _packages(built).values()
    whole = package.read_bytes()
    package.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    planned = small.plan()
    assert names(planned.plan.to_run) == ["repository"]
    assert "Packages/base-1-1.noarch.rpm has other content" in planned.plan.decisions[-1].reason
    again = small.build()
    assert (again.made, again.changed) == (0, False)
    assert package.read_bytes() == whole


def test_the_content_is_the_same_for_every_builder(small: Small) -> None:
    one, two = small.build(), small.build("other", jobs=1)
    assert one.fingerprint != two.fingerprint
    assert _contents(one) == _contents(two)
    for path in _packages(one).values():
        check_digests(path)


def test_the_metadata_is_the_same_for_the_same_packages(small: Small) -> None:
    built = small.build()
    before = (built.path / "repodata/repomd.xml").read_bytes()
    times = {path.lstat().st_mtime for path in (built.path / "repodata").iterdir()}
    assert times == {1767225600}
    repository = small.store().answer(small.plan().steps.repository)
    assert repository
    small.store().discard(repository)
    assert (small.build().path / "repodata/repomd.xml").read_bytes() == before


def test_a_umask_changes_nothing_in_a_repository(small: Small) -> None:
    before = os.umask(0o077)
    try:
        built = small.build()
    finally:
        os.umask(before)
    modes = {
        stat.S_IMODE(path.stat().st_mode)
        for path in built.path.rglob("*")
        if not path.name.startswith(".")
    }
    assert modes == {0o755, 0o644}


def test_what_is_published_stays_when_a_build_is_refused(small: Small) -> None:
    built = small.build()
    before = built.path.resolve()
    small.components("components: {tool: {requires: [gone]}, library: }\n")
    with pytest.raises(DockyardError) as caught:
        small.build()
    (problem,) = caught.value.problems
    assert problem.code == "distro.unmet"
    assert str(problem.where).endswith("all.yaml:1:14")
    assert built.path.resolve() == before
    assert small.build(check=False).changed


def test_what_the_archive_lost_is_mended_by_the_distributions_lock(small: Small) -> None:
    mirror = (small.place.parent / "empty").absolute()
    mirror.mkdir()
    with pytest.raises(DockyardError) as caught:
        build_distro(
            small.place,
            small.store(),
            origins=Origins(mirrors=(mirror.as_uri(),)),
            keys=small.keys(),
        )
    assert {problem.code for problem in caught.value.problems} == {"fetch.gone"}
    assert all("distro lock --refresh-missing" in problem.fix for problem in caught.value.problems)


def test_rpm_installs_what_was_built(small: Small, tools: Tools, tmp_path: Path) -> None:
    built = small.build()
    root = tmp_path / "root"
    make_root(root)
    packages = sorted(built.path.resolve().glob("Packages/*.rpm"))
    install(packages, root, tools, 1_767_225_600, HARBOR.packaging.database)
    assert verify(root, tools, HARBOR.packaging.database) == ()
    assert (root / "usr/bin/tool").stat().st_mtime == 1_700_000_000


def test_what_dropped_scripts_would_make_is_warned_of(small: Small) -> None:
    small.deb("tool", postinst="adduser --system tool\n", Depends="library (>= 1)")
    assert [each.code for each in small.build().remarks] == ["distro.script-dropped"]
    small.components("components: {tool: {requiresPre: [base], doWithout: [tool]}, library: }\n")
    silent = small.build()
    assert (silent.remarks, silent.made, silent.changed) == ((), 0, False)


CODE = """import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from small_distro import Small
if __name__ == "__main__":
    Small(Path(sys.argv[3])).build("killed")
"""


def test_a_build_that_is_killed_at_any_moment_goes_on(small: Small, tmp_path: Path) -> None:
    script = tmp_path / "build.py"
    script.write_text(CODE)
    here = Path(__file__).parent
    command = [sys.executable, str(script), str(here), str(here.parent), str(small.place)]
    began = time.monotonic()
    whole = small.build("other")
    cold = 2 * (time.monotonic() - began) + 1
    chance = random.Random(1)
    results = small.store("killed").root / "results"
    for _ in range(6):
        build = subprocess.Popen(command, user=user_inside())
        try:
            assert build.wait(chance.uniform(0.2, cold)) == 0
        except subprocess.TimeoutExpired:
            build.send_signal(signal.SIGKILL)
            build.wait()
        assert all((path / ".step.json").is_file() for path in results.iterdir())
        place = published(small.store("killed").root, "small")
        assert place is None or check_repository(place) == ()
        if place:
            small.components(COMPONENTS.replace("requiresPre", f"summary: {_}, requiresPre"))
            whole = small.build("other")
    built = small.build("killed")
    assert _contents(built) == _contents(whole)
    assert list((small.store("killed").root / "work").iterdir()) == []


def _dockyard(small: Small, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on the distribution."""
    code = "from dockyard.cli.main import main; main()"
    where = ["--store", str(small.store().root), "--keys", str(small.keys())]
    where += ["--mirror-dir", str(small.mirror)]
    return subprocess.run(
        [sys.executable, "-c", code, "distro", words[0], str(small.place), *where, *words[1:]],
        capture_output=True,
        text=True,
        check=True,
        user=user_inside(),
    )


def test_events_are_json_lines_and_name_groups(small: Small) -> None:
    done = _dockyard(small, "build", "--progress", "json", "--jobs", "2")
    told = [json.loads(line) for line in done.stderr.splitlines()]
    (run,) = [each for each in told if each["event"] == "RunStarted"]
    assert run["groups"]["Convert upstream packages"] == 2
    finished = {each["step"].partition("-")[0] for each in told if each["event"] == "StepFinished"}
    assert finished == {
        *("fetch", "relations", "select", "convert", "own", "sign", "repository", "check")
    }
    assert "3 packages, 3 made" in done.stdout
    planned = _dockyard(small, "plan")
    assert planned.stdout.splitlines()[-1].startswith("nothing to do")


def test_what_is_published_stays_whatever_is_removed(small: Small) -> None:
    first = small.build()
    store = small.store()
    (product,) = products(store)
    assert (product.kind, product.name, product.file) == (DISTRIBUTION, "small", small.place)
    inventory = take_inventory(store)
    repository = first.path.resolve().name
    assert "published repository of small" in inventory.roots[repository]
    assert [each.name for each in inventory.owners[repository]] == ["small"]
    pruned = prune(store, Wish(everything=True))
    assert pruned.results and pruned.downloads == []
    left = {key for key in store.result_keys() if not store.place(key).is_symlink()}
    assert left == {repository}
    assert _contents(first) and check_repository(first.path) == ()
    # What is missing is made again, and comes out as it was.
    again = small.build()
    assert not again.changed and again.path.resolve().name == repository


def test_a_damaged_download_is_told_and_fetched_again(small: Small) -> None:
    store, made = small.store(), small.build()
    prune(store, Wish(everything=True))
    blobs = Blobs.of_store(store.root)
    (product,) = products(store)
    upstream = [blobs.path(each) for each in sorted(product.downloads) if blobs.has(each)]
    data = upstream[0].read_bytes()
    upstream[0].write_bytes(data + b"!")
    with pytest.raises(DockyardError) as caught:
        small.build()
    assert {problem.code for problem in caught.value.problems} == {"fetch.damaged"}
    assert not upstream[0].exists()
    again = small.build()
    assert upstream[0].read_bytes() == data and not again.changed
    assert again.path.resolve() == made.path.resolve()
