"""Prune removes what it may, beside whoever works; the limit removes as much as it must."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kept_stores import DAY, add, key_of, note_plan, there

from dockyard.engine import holds
from dockyard.engine.holds import Hold, settling
from dockyard.engine.plan import make_plan
from dockyard.engine.run import run_plan
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.host import clock, files
from dockyard.keeping.choice import Wish
from dockyard.keeping.limit import stay_below
from dockyard.keeping.products import IMAGE, note_product, products
from dockyard.keeping.prune import prune
from dockyard.packages.blobs import Blobs


def noted(store: Store, file: Path, *results: str, downloads: tuple[str, ...] = ()) -> None:
    note_plan(store, "plan-web", {each: key_of(each) for each in results})
    note_product(store, "plan-web", IMAGE, "web", file, downloads)


def aged(path: Path, seconds: float) -> None:
    then = clock.now() - seconds
    os.utime(path, (then, then))


def test_what_nobody_needs_goes_with_all_that_is_left_of_it(tmp_path: Path) -> None:
    store, image = Store(tmp_path / "store"), tmp_path / "image.yaml"
    image.touch()
    for name, below in (("tree", ()), ("disk", ("tree",)), ("old", ("tree",))):
        add(store, name, *below)
    blobs = Blobs.of_store(store.root)
    needed, other, new = (blobs.add_bytes(each) for each in (b"needed", b"other", b"new"))
    for digest in (needed, other):
        aged(blobs.path(digest), 7200)
    noted(store, image, "disk", downloads=(needed,))
    (store.root / "work" / key_of("killed")).mkdir()
    part = blobs.partial(needed)
    part.touch()
    aged(part, 7200)
    logs = store.root / "logs"
    logs.mkdir()
    (logs / "old.log").touch()
    aged(logs / "old.log", 40 * DAY)
    (logs / "new.log").touch()

    def look() -> set[Path]:
        """All files; but for `gate`, which whoever looks makes."""
        return {each for each in store.root.rglob("*") if each.name != "gate"}

    before = look()
    dry = prune(store, Wish(), dry=True)
    assert look() == before
    done = prune(store, Wish())
    assert [result.key for result, _ in dry.results] == [key_of("old")]
    assert [result.key for result, _ in done.results] == [key_of("old")]
    assert [each.digest for each in done.downloads] == [other]
    assert there(store) == {"tree", "disk"}
    assert blobs.has(needed) and blobs.has(new) and not blobs.has(other)
    assert not part.exists() and not list((store.root / "work").iterdir())
    assert [each.name for each in logs.iterdir()] == ["new.log"]
    names = {each.name for each in (store.root / "locks").iterdir()}
    assert key_of("old") not in names and key_of("tree") in names
    assert not (store.root / "answers" / key_of("old")).exists()


def test_what_earlier_versions_kept_and_caches_that_nobody_uses_go(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = {
        "converted/a/package.rpm": 0,
        "signed/b.rpm": 0,
        "metadata/solv/old.solv": 31,
        "metadata/solv/new.solv": 29,
        "metadata/keys/old": 400,
        "solv/old.versions": 31,
    }
    for name, days in made.items():
        path = store.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(8192))
        aged(path, days * DAY)

    def left() -> set[str]:
        return {name for name in made if (store.root / name).exists()}

    dry = prune(store, Wish(), dry=True)
    assert left() == set(made)
    done = prune(store, Wish())
    for pruned in (dry, done):
        assert [each.name for each in pruned.caches] == ["converted", "signed", "metadata", "solv"]
        assert pruned.size >= 4 * 8192
    assert left() == {"metadata/solv/new.solv", "metadata/keys/old"}
    assert not (store.root / "converted").exists()
    Store(store.root)
    aged(store.root / "metadata/solv/new.solv", 600)
    assert prune(store, Wish(everything=True)).caches == []  # somebody may be at work
    aged(store.root / "metadata/solv/new.solv", 7200)
    assert len(prune(store, Wish(everything=True)).caches) == 1
    assert left() == {"metadata/keys/old"}


def test_caches_of_another_store_stay(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "store"), tmp_path / "other"
    other.mkdir()
    (other / "old.solv").touch()
    aged(other / "old.solv", 40 * DAY)
    for name in ("metadata", "solv", "converted"):
        (store.root / name).symlink_to(other)
    assert prune(store, Wish()).caches == []
    assert (other / "old.solv").exists()


def test_downloads_of_another_store_stay(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "store"), Blobs(tmp_path / "other")
    digest = other.add_bytes(b"other")
    aged(other.path(digest), 7200)
    (store.root / "blobs").symlink_to(other.root)
    assert prune(store, Wish()).downloads == [] and other.has(digest)


def test_what_was_of_a_file_that_is_gone_goes(tmp_path: Path) -> None:
    store, image = Store(tmp_path / "store"), tmp_path / "image.yaml"
    image.touch()
    add(store, "disk")
    noted(store, image, "disk")
    prune(store, Wish())
    assert there(store) == {"disk"} and products(store)
    image.unlink()
    assert prune(store, Wish(), dry=True).results
    assert there(store) == {"disk"}
    prune(store, Wish())
    assert there(store) == set() and products(store) == ()
    assert store.record("plan-web") == {}


def test_nothing_is_chosen_while_somebody_plans_and_nothing_goes_that_he_uses(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    add(store, "used")
    add(store, "free")
    done = threading.Event()

    def run() -> None:
        prune(store, Wish(everything=True))
        done.set()

    with Hold(store) as hold:
        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.3)
        assert not done.is_set() and there(store) == {"used", "free"}
        hold.keep_names([key_of("used")])
        thread.join(10)
        assert there(store) == {"used"}
    prune(store, Wish(everything=True))
    assert there(store) == set()


def test_what_is_made_while_others_prune_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that comes between the looks of who chooses is seen with its answer, or not yet."""
    store, came = Store(tmp_path), threading.Event()
    monkeypatch.setattr(holds, "used", slowly(came, holds.used))

    def make() -> None:
        assert came.wait(10)
        with settling(store):
            add(store, "made")

    with Hold(store) as hold:
        hold.keep_names([key_of("made")])
        thread = threading.Thread(target=make)
        thread.start()
        prune(store, Wish(everything=True))
        thread.join(10)
    assert there(store) == {"made"} and key_of("made") in store.answers()


def slowly(came: threading.Event, function: Callable[[Store], frozenset[str]]) -> Any:
    def called(store: Store) -> frozenset[str]:
        came.set()
        time.sleep(0.3)
        return function(store)

    return called


def test_what_is_being_made_is_not_taken(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add(store, "busy")
    with store.exclusive(key_of("busy")):
        assert prune(store, Wish(everything=True)).results == []
    assert there(store) == {"busy"}


def test_a_result_that_vanishes_is_made_again(tmp_path: Path) -> None:
    from dockyard.engine import events

    store = Store(tmp_path / "store")
    step = Step(
        "copy", "copy", "copy", "none:none", {}, {"of": "nothing"}
    )  # answered, so that its function is never called
    with store.claim(step.key({})) as out:
        assert out is not None
        store.publish(step.key({}), {})
    store.note_answer(step, step.key({}))
    assert not make_plan([step], store, {}).to_run
    prune(store, Wish())
    plan = make_plan([step], store, {})
    assert plan.to_run == (step,)
    heard: list[events.Event] = []
    with suppress(ModuleNotFoundError):
        run_plan(plan, store, heard.append)
    assert any(isinstance(each, events.StepStarted) for each in heard)


def test_above_the_limit_the_oldest_go_and_below_it_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for number in range(5):
        add(store, f"disk{number}", size=1 << 20, age=DAY * (10 - number))
    assert stay_below(store, None).results == stay_below(store, 6 << 20).results == []
    # Down to nine tenths of it two must go.
    with Hold(store) as hold:
        hold.keep_names([key_of("disk0")])
        gone = [result.name for result, _ in stay_below(store, 4400 << 10).results]
    assert gone == ["disk1", "disk2"] and there(store) == {"disk0", "disk3", "disk4"}
    Blobs.of_store(store.root).add_bytes(os.urandom(3 << 20))
    stay_below(store, 5 << 20)
    assert there(store) == {"disk4"}


def test_a_lock_that_was_removed_is_taken_anew(tmp_path: Path) -> None:
    path, taken = tmp_path / "lock", []

    def take() -> None:
        with files.exclusive(path):
            taken.append(path.exists())

    with files.exclusive(path):
        assert not files.remove_lock(path)
        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.2)
        path.unlink()
        with files.exclusive(path):  # a new one, while the thread waits for the old one
            pass
    thread.join(10)
    assert taken == [True]
    assert files.remove_lock(path) and not path.exists() and files.remove_lock(path)
