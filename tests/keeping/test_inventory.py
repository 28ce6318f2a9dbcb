"""The inventory: whom results belong to, by plans and by what they were made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kept_stores import NOW, add, key_of, note_plan

from dockyard.engine.holds import Hold, choosing, forget_dead, hold_until_the_end, sweep, used
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.host import seal
from dockyard.keeping.inventory import find_result, take_inventory
from dockyard.keeping.products import (
    DISTRIBUTION,
    IMAGE,
    find_product,
    keep_product,
    note_product,
)


def noted(store: Store, name: str, file: Path, *results: str) -> None:
    file.touch()
    note_plan(store, f"plan-{name}", {each: key_of(each) for each in results})
    note_product(store, f"plan-{name}", IMAGE, name, file, ["sha256:a"])


def test_results_belong_to_those_whose_plan_they_answer_and_to_what_is_made_of_them(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    add(store, "tree")
    add(store, "disk", "tree")
    add(store, "other", "tree")
    add(store, "old", "tree")
    add(store, "alone", step="")
    noted(store, "web", tmp_path / "web.yaml", "disk")
    noted(store, "db", tmp_path / "db.yaml", "other")
    found = take_inventory(store, tools=key_of("nothing"))
    names = {key: [each.name for each in owners] for key, owners in found.owners.items()}
    assert names[key_of("tree")] == ["db", "web"] and names[key_of("disk")] == ["web"]
    assert found.is_nobodys(key_of("old")) and found.is_nobodys(key_of("alone"))
    assert not found.is_nobodys(key_of("tree"))
    assert take_inventory(store, tools=key_of("old")).is_nobodys(key_of("old")) is False
    assert found.readers[key_of("tree")] == tuple(map(key_of, ("disk", "old", "other")))
    assert found.results[key_of("disk")].used == NOW


def test_a_result_is_named_by_its_key_its_beginning_or_a_path_in_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = add(store, "disk")
    add(store, "desk")
    link = tmp_path / "harbor"
    link.symlink_to(store.place(key))
    found = take_inventory(store)
    assert {
        find_result(store, found, word).key
        for word in (key, "di", str(store.place(key)), str(store.place(key) / "data"), str(link))
    } == {key}
    for word, code in (("d", "store.ambiguous"), ("x", "store.unknown")):
        with pytest.raises(DockyardError) as caught:
            find_result(store, found, word)
        assert caught.value.problems[0].code == code


def test_what_a_shared_result_was_first_made_of_is_no_part_of_a_plan(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    add(store, "packages")
    tree = add(store, "tree", "packages")
    add(store, "disk", "tree")
    noted(store, "web", tmp_path / "web.yaml", "packages", "tree", "disk")
    # Other packages, of which the same tree came out.
    add(store, "others")
    store.note_key("tree-of-db", tree)
    note_plan(store, "plan-db", {"packages": key_of("others"), "tree": "tree-of-db"})
    note_product(store, "plan-db", IMAGE, "db", tmp_path / "db.yaml", ["sha256:a"])
    found, product = take_inventory(store), find_product(store, "db")
    assert found.planned_for(product) == {key_of("others"), tree}
    assert found.needed_for(product) == {key_of("others"), tree, key_of("packages")}


def test_how_many_results_a_word_may_mean_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = [add(store, f"unpack{number}") for number in range(11)]
    with pytest.raises(DockyardError) as caught:
        find_result(store, take_inventory(store), "unpack")
    assert caught.value.problems[0].excerpt == (*sorted(keys)[:8], "and 3 more")


def test_a_product_is_named_by_its_file_or_its_name(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    noted(store, "web", tmp_path / "web.yaml")
    note_product(store, "distro-web", DISTRIBUTION, "harbor", tmp_path, [])
    for word in ("web", str(tmp_path / "web.yaml")):
        assert find_product(store, word).record == "plan-web"
    assert find_product(store, str(tmp_path)).name == "harbor"
    with pytest.raises(DockyardError, match="was not built in this store"):
        find_product(store, "mail")
    noted(store, "w", tmp_path / "other.yaml")
    note_product(store, "plan-w", IMAGE, "web", tmp_path / "other.yaml", [])
    with pytest.raises(DockyardError, match="several products"):
        find_product(store, "web")


def test_what_is_kept_published_or_used_never_goes(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for name, below in (("tree", ()), ("disk", ("tree",)), ("repository", ()), ("running", ())):
        add(store, name, *below)
    add(store, "former")
    add(store, "free")
    noted(store, "web", tmp_path / "web.yaml", "disk")
    assert keep_product(store, find_product(store, "web"), kept=True)
    assert not keep_product(store, find_product(store, "web"), kept=True)
    published = store.root / "repositories"
    published.mkdir()
    (published / "harbor").symlink_to(Path("../results") / key_of("repository"))
    (published / ".harbor.before").symlink_to(Path("../results") / key_of("former"))
    with Hold(store) as hold:
        hold.keep_names([key_of("running")])
        roots = take_inventory(store).roots
    assert set(roots) == set(map(key_of, ("tree", "disk", "repository", "former", "running")))
    assert roots[key_of("former")].endswith("of harbor (before)")
    assert (
        roots[key_of("repository")].endswith("of harbor")
        and "running process" in roots[key_of("running")]
    )
    assert keep_product(store, find_product(store, "web"), kept=False)
    assert set(take_inventory(store).roots) == {key_of("repository"), key_of("former")}


def test_who_uses_results_is_known_until_it_ends(tmp_path: Path) -> None:
    store = Store(tmp_path)
    hold_until_the_end(store, "a", "b")
    with Hold(store) as hold:
        hold.keep_names(["c"])
        assert used(store) == {"a", "b", "c"}
    assert used(store) == {"a", "b"}
    # One that died holds no lock.
    (store.root / "locks/uses-1-0").write_text('["x"]')
    assert used(store) == {"a", "b"}
    sweep(store)
    assert not (store.root / "locks/uses-1-0").exists()
    assert used(store) == {"a", "b"}


def test_who_died_as_he_began_to_use_something_leaves_nothing_for_long(tmp_path: Path) -> None:
    store = Store(tmp_path)
    left = store.root / "locks" / f".uses-{os.getpid()}-0"
    left.touch()
    with choosing(store):
        forget_dead(store)
    assert not left.exists()


def test_sizes_count_files_of_several_results_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = add(store, "first", size=1 << 20)
    with store.claim(key_of("second")) as out:
        assert out is not None
        (out / "data").hardlink_to(store.place(first) / "data")
        (out / "own").write_bytes(os.urandom(1 << 16))
        (out / "own-again").hardlink_to(out / "own")
        store.publish(key_of("second"), {})
    found = take_inventory(store)
    own = {key: result.size for key, result in found.results.items()}
    assert 1 << 20 <= own[first] < (1 << 20) + (1 << 15)
    assert 1 << 16 <= own[key_of("second")] < (1 << 16) + (1 << 15)
    # What was sealed before sizes were noted is measured.
    place = store.place(first)
    digest, head, rows = (place / seal.NAME).read_bytes().split(b"\n", 2)
    assert seal.size(place) == int(head.split()[1])
    (place / seal.NAME).write_bytes(b"\n".join([digest, head.split()[0], rows]))
    assert seal.size(place) is None
    assert 0 < take_inventory(store).results[first].size < 1 << 20


def test_a_process_that_ends_leaves_nothing_of_what_it_used(tmp_path: Path) -> None:
    store = Store(tmp_path)
    code = (
        "import sys; from pathlib import Path; from dockyard.engine.store import Store\n"
        "from dockyard.engine.holds import hold_until_the_end, used\n"
        "store = Store(Path(sys.argv[1])); hold_until_the_end(store, 'a'); print(*used(store))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert done.stdout == "a\n"
    assert not list((store.root / "locks").glob("uses-*"))
