"""The text form of a lock: stable, one package per line, and every mistake with its line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.errors import DockyardError, Position
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin, PinBy, Request
from dockyard.packages import lockfile

DIGEST = "sha256:" + "ab" * 32


def pin(name: str = "bash", evr: str = "5.2-1", **fields: object) -> Pin:
    values = {"arch": "x86_64", "repository": "base", "path": f"Packages/{name}.rpm"} | fields
    if "content" not in values:
        values |= {"digest": DIGEST, "size": 12}
    return Pin(name, evr, **values)  # type: ignore[arg-type]


LOCK = Lock(
    "web",
    Request(("bash", "/usr/bin/awk"), weak=True),
    (LockedRepository("base", pin=PinBy.CONTENT, keys=("AA", "BB"), exclude=("kernel*",)),),
    (pin(), pin("zlib", content=DIGEST), pin("awk", "1:2~rc1-3")),
    (pin("rpm", "4.20", arch="amd64", kind=PackageKind.DEB, repository="tools"),),
    (("/usr/bin/awk", "awk"),),
)


def test_a_lock_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "image.lock"
    path.write_text(lockfile.dump(LOCK))
    back = lockfile.load(path)
    assert sorted(back.packages) == sorted(LOCK.packages)
    assert back.tools == LOCK.tools
    assert back.request and back.request.architecture is Architecture.X86_64
    assert back.repositories == LOCK.repositories
    assert back.request == Request(("/usr/bin/awk", "bash"), weak=True)


def test_every_package_is_one_line_and_order_does_not_matter() -> None:
    text = lockfile.dump(LOCK)
    backwards = replace(LOCK, packages=LOCK.packages[::-1])
    assert lockfile.dump(backwards) == text
    for each in (*LOCK.packages, *LOCK.tools):
        assert sum(f'"name": "{each.name}"' in line for line in text.splitlines()) == 1
    assert text.endswith("}\n")


words = st.from_regex(r"[a-z0-9][a-z0-9._+~^]{0,8}", fullmatch=True)
paths = st.lists(words, min_size=1, max_size=3).map("/".join)
digests = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}")
plain = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
pins = st.builds(
    Pin,
    name=words,
    evr=words,
    arch=words,
    repository=st.just("base"),
    path=paths,
    kind=st.sampled_from(PackageKind),
    size=st.integers(0, 2**40),
    digest=digests,
    unpacked=st.integers(0, 2**40),
) | st.builds(Pin, words, words, words, st.just("base"), paths, content=digests)
texts = st.lists(st.text(plain, min_size=1, max_size=8), max_size=4).map(
    lambda v: tuple(sorted(set(v)))
)
locks = st.builds(
    Lock,
    subject=words,
    request=st.none()
    | st.builds(
        Request,
        texts,
        texts,
        st.sampled_from(Architecture),
        st.booleans(),
        texts,
        texts,
        st.booleans(),
        st.none() | st.integers(0, 2**40),
    ),
    repositories=st.just((LockedRepository("base"),)),
    packages=st.lists(pins, max_size=5, unique_by=lambda p: p.key).map(lambda v: tuple(sorted(v))),
    tools=st.lists(pins, max_size=3, unique_by=lambda p: p.key).map(lambda v: tuple(sorted(v))),
)
changes = st.builds(
    lambda lock, digest, gone, newest: replace(lock, installed=digest, removed=gone, newest=newest),
    locks,
    digests,
    texts,
    st.integers(0, 2**40),
)


@given(locks | changes)
def test_any_lock_survives_the_round_trip(lock: Lock) -> None:
    text = lockfile.dump(lock)
    read = lockfile.loads(text)
    assert read == lock
    assert [pin.unpacked for pin in read.packages] == [pin.unpacked for pin in lock.packages]
    assert lockfile.dump(lockfile.loads(text)) == text


@given(st.text(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_no_text_makes_anything_but_a_lock_or_an_error_with_words(text: str) -> None:
    with pytest.raises(DockyardError):
        lockfile.loads(text)


def damage(old: str, new: str) -> list[tuple[str, Position | str | None]]:
    text = lockfile.dump(LOCK)
    assert old in text
    with pytest.raises(DockyardError) as caught:
        lockfile.loads(text.replace(old, new, 1))
    return [(problem.what, problem.where) for problem in caught.value.problems]


def test_a_bad_value_is_reported_with_its_line() -> None:
    [(what, where)] = damage('"evr": "5.2-1"', '"evr": 5.2')
    line = 1 + next(
        n
        for n, row in enumerate(lockfile.dump(LOCK).splitlines())
        if '"bash",' in row and "evr" in row
    )
    assert what == "the lock is damaged: evr is 5.2, which is no evr"
    assert where == Position("image.lock", line, 3)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Packages/bash.rpm", "../bash.rpm", "not a plain relative path"),
        ("Packages/bash.rpm", "/etc/shadow", "not a plain relative path"),
        ('"digest": "sha256:ab', '"digest": "md5:ab', "which is no digest"),
        (f', "digest": "{DIGEST}"', "", "neither digest nor content"),
        ('"size": 12', '"size": -1', "not a number"),
        ('"name": "zlib"', '"nam": "zlib"', "unknown field 'nam'"),
        ('"architecture": "x86_64"', '"architecture": "amd64"', "not one of x86_64, aarch64"),
        ('"weak": true', '"weak": 1', "neither true nor false"),
        ('"pin": "content"', '"pin": "luck"', "not one of digest, content"),
        ('"id": "base"', '"id": "other"', "'base' is not declared"),
        (f'"content": "{DIGEST}"', f'"content": "{DIGEST}", "digest": "{DIGEST}"', "only one"),
    ],
)
def test_damage_is_named(old: str, new: str, words: str) -> None:
    assert any(words in what for what, _ in damage(old, new))


def test_plain_pins_are_read_as_all_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "examples/server/image.lock").read_text()
    at_once = lockfile.loads(text)
    monkeypatch.setattr(lockfile, "_plain_pin", lambda row: None)
    assert lockfile.loads(text) == at_once


def test_a_lock_with_merge_marks_says_so() -> None:
    with pytest.raises(DockyardError) as caught:
        lockfile.loads(lockfile.dump(LOCK).replace(' "packages"', '<<<<<<< HEAD\n "packages"'))
    assert "unfinished merge" in caught.value.problems[0].why


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(DockyardError) as caught:
        lockfile.loads(lockfile.dump(LOCK).replace('"lock": 2', '"lock": 3'))
    assert caught.value.problems[0].code == "lock.too-new"


def test_an_older_version_says_how_to_make_it_anew(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        lockfile.loads(lockfile.dump(LOCK).replace('"lock": 2', '"lock": 1'), "x", "make it")
    [problem] = caught.value.problems
    assert problem.code == "lock.too-old" and "`make it`" in problem.fix


@pytest.mark.parametrize("value", ["0", "-1", '"2"', '"1"', "2.0", "1.5", "true", "null", "[2]"])
def test_a_version_that_is_none_is_refused(value: str) -> None:
    assert any("its version is" in what for what, _ in damage('"lock": 2', f'"lock": {value}'))


def test_lines_that_a_merge_lost_are_noticed(tmp_path: Path) -> None:
    lines = lockfile.dump(LOCK).splitlines(keepends=True)
    bash = next(line for line in lines if '"name": "bash"' in line)
    [(what, where)] = damage(bash, "")
    assert "put it together from two" in what
    assert where == Position("image.lock", 3, 2)


def test_layout_is_no_part_of_the_digest() -> None:
    text = lockfile.dump(LOCK)
    assert lockfile.loads(json.dumps(json.loads(text))) == lockfile.loads(text)


@pytest.mark.parametrize("digits", [20, 5000, 100_000])
def test_a_number_beyond_measure_is_an_error_with_words(digits: int) -> None:
    [(what, _)] = damage('"size": 12', f'"size": {"9" * digits}')
    assert f"a number has {digits} digits" in what


def test_a_damaged_value_is_shown_in_short_and_printable() -> None:
    for value in ("x" * 5000, "a\u0000b\x1b[31m", "\ud800"):
        [(what, _)] = damage('"evr": "5.2-1"', f'"evr": {json.dumps(value)}')
        assert len(what) < 150 and what.isprintable()
        what.encode()


@given(st.data())
def test_no_damage_of_a_lock_makes_anything_but_an_error_with_words(data: st.DataObject) -> None:
    text = lockfile.dump(LOCK)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    put = data.draw(st.text(max_size=6) | st.sampled_from(["{", "]", "null", "1e999", '""', "NaN"]))
    changed = text[:start] + put + text[end:]
    try:
        read = lockfile.loads(changed)
    except DockyardError as error:
        for problem in error.problems:
            problem.what.encode()
    else:
        assert read == lockfile.loads(text)


def test_a_missing_lock_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        lockfile.load(tmp_path / "image.lock")
    assert caught.value.problems[0].code == "lock.missing"
