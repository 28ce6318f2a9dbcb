"""Fetching by digest from servers that break off, lie, forget and die."""

from __future__ import annotations

import errno
import multiprocessing
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from misbehaving_server import Behaviour, serve

from dockyard.errors import DockyardError, Problem
from dockyard.host.network import Network, TransferFailed, url_text, whole_number
from dockyard.packages.blobs import Blobs, digest_of
from dockyard.packages.fetch import FetchEvent, FetchState, Wanted, fetch

DATA = bytes(range(256)) * 4096


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Behaviour]:
    (tmp_path / "www").mkdir()
    (tmp_path / "www/f").write_bytes(DATA)
    with serve(tmp_path / "www") as behaviour:
        yield behaviour


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def wanted(*urls: str, data: bytes = DATA, label: str = "f", size: int | None = None) -> Wanted:
    return Wanted(digest_of(data), len(data) if size is None else size, urls, label)


def problems(items: list[Wanted], blobs: Blobs) -> tuple[Problem, ...]:
    with pytest.raises(DockyardError) as caught:
        fetch(items, blobs)
    return caught.value.problems


def nothing_half(blobs: Blobs) -> bool:
    return not list((blobs.root / "partial").iterdir())


def test_files_come_once(server: Behaviour, blobs: Blobs) -> None:
    item = wanted(f"{server.address}/f")
    fetch([item, item], blobs)
    fetch([item], blobs)
    assert blobs.read(item.digest) == DATA
    assert server.gets("f") == 1
    assert nothing_half(blobs)


def test_a_cut_connection_is_gone_on_with(server: Behaviour, blobs: Blobs) -> None:
    server.cut = 2
    fetch([wanted(f"{server.address}/f")], blobs)
    ranges = [asked for _, _, asked in server.requests]
    assert ranges == ["", f"bytes={len(DATA) // 2}-", f"bytes={len(DATA) * 3 // 4}-"]
    assert blobs.read(digest_of(DATA)) == DATA


def test_a_server_without_ranges_starts_over(server: Behaviour, blobs: Blobs) -> None:
    server.cut, server.ranges = 1, False
    fetch([wanted(f"{server.address}/f")], blobs)
    assert blobs.read(digest_of(DATA)) == DATA


def test_what_an_earlier_run_got_is_used(server: Behaviour, blobs: Blobs) -> None:
    blobs.partial(digest_of(DATA)).write_bytes(DATA[:1000])
    fetch([wanted(f"{server.address}/f")], blobs)
    assert [asked for _, _, asked in server.requests] == ["bytes=1000-"]


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(DATA), b"x" * (len(DATA) + 5)])
def test_a_wrong_partial_file_does_no_harm(server: Behaviour, blobs: Blobs, left: bytes) -> None:
    blobs.partial(digest_of(DATA)).write_bytes(left)
    fetch([wanted(f"{server.address}/f")], blobs)
    assert blobs.read(digest_of(DATA)) == DATA


def test_a_whole_partial_file_needs_no_server(blobs: Blobs) -> None:
    blobs.partial(digest_of(DATA)).write_bytes(DATA)
    fetch([wanted("http://127.0.0.1:9/f")], blobs)
    assert blobs.has(digest_of(DATA))


def test_an_unknown_size_is_no_obstacle(server: Behaviour, blobs: Blobs) -> None:
    blobs.partial(digest_of(DATA)).write_bytes(DATA)
    fetch([wanted(f"{server.address}/f", size=0)], blobs)
    assert blobs.has(digest_of(DATA))


def test_the_next_mirror_goes_on_where_one_died(
    server: Behaviour, blobs: Blobs, tmp_path: Path
) -> None:
    server.cut, server.down_after = 1, 1
    with serve(tmp_path / "www") as other:
        fetch([wanted(f"{server.address}/f", f"{other.address}/f")], blobs)
        assert other.requests == [("GET", "/f", f"bytes={len(DATA) // 2}-")]


def test_a_server_that_lies_is_left_for_one_that_does_not(
    server: Behaviour, blobs: Blobs, tmp_path: Path
) -> None:
    (tmp_path / "lies").mkdir()
    (tmp_path / "lies/f").write_bytes(DATA[::-1])
    lies = (tmp_path / "lies/f").as_uri()
    fetch([wanted(lies, f"{server.address}/f")], blobs)
    assert blobs.read(digest_of(DATA)) == DATA
    blobs.path(digest_of(DATA)).unlink()

    (found,) = problems([wanted(lies)], blobs)
    assert found.code == "fetch.digest-mismatch"
    assert digest_of(DATA[::-1]) in found.why
    assert not blobs.has(digest_of(DATA))


def test_a_file_that_is_cut_on_the_server_is_refused(server: Behaviour, blobs: Blobs) -> None:
    (server.root / "f").write_bytes(DATA[:-1])
    (found,) = problems([wanted(f"{server.address}/f")], blobs)
    assert found.code == "fetch.digest-mismatch"


def test_what_is_gone_everywhere_is_told(server: Behaviour, blobs: Blobs, tmp_path: Path) -> None:
    (found,) = problems([wanted(f"{server.address}/no", (tmp_path / "no").as_uri())], blobs)
    assert found.code == "fetch.gone"
    assert len(found.excerpt) == 2 and "404" in found.excerpt[0]


def test_a_dead_mirror_is_told_and_not_tried_for_ever(blobs: Blobs) -> None:
    (found,) = problems([wanted("http://127.0.0.1:9/f")], blobs)
    assert found.code == "fetch.mirror-down"
    assert "refuses" in found.excerpt[0]


def test_all_failures_are_reported_and_the_rest_comes(server: Behaviour, blobs: Blobs) -> None:
    others = [b"one", b"two", b"three"]
    for data in others[:1]:
        (server.root / data.decode()).write_bytes(data)
    items = [wanted(f"{server.address}/{d.decode()}", data=d, label=d.decode()) for d in others]
    found = problems([*items, wanted(f"{server.address}/f")], blobs)
    assert [problem.what.split()[0] for problem in found] == ["three", "two"]
    assert blobs.has(digest_of(DATA)) and blobs.has(digest_of(b"one"))


def test_an_offline_directory_comes_before_any_mirror(
    server: Behaviour, blobs: Blobs, tmp_path: Path
) -> None:
    offline = Blobs(tmp_path / "offline")
    offline.add_bytes(DATA)
    fetch([wanted(f"{server.address}/f")], blobs, offline=[offline.root])
    assert server.requests == [] and blobs.read(digest_of(DATA)) == DATA


def test_a_damaged_offline_file_is_passed_over(
    server: Behaviour, blobs: Blobs, tmp_path: Path
) -> None:
    offline = Blobs(tmp_path / "offline")
    offline.add_bytes(DATA)
    offline.path(digest_of(DATA)).write_bytes(b"rot")
    fetch([wanted(f"{server.address}/f")], blobs, offline=[offline.root])
    assert blobs.read(digest_of(DATA)) == DATA


def test_progress_tells_what_happens(server: Behaviour, blobs: Blobs) -> None:
    server.cut = 1
    events: list[FetchEvent] = []
    fetch([wanted(f"{server.address}/f")], blobs, progress=events.append)
    states = [event.state for event in events]
    assert states[0] is FetchState.STARTED and states[-1] is FetchState.DONE
    assert states.count(FetchState.RETRIED) == 1
    assert events[-1].received == len(DATA)


def test_no_space_is_told_once(
    server: Behaviour, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Blobs, "adopt", full)
    (server.root / "g").write_bytes(b"g")
    items = [wanted(f"{server.address}/f"), wanted(f"{server.address}/g", data=b"g", label="g")]
    assert [problem.code for problem in problems(items, blobs)] == ["host.no-space"]


def _fetch_in_process(address: str, root: Path) -> None:
    fetch([wanted(f"{address}/f")], Blobs(root))


def test_two_processes_fetch_a_file_once(server: Behaviour, blobs: Blobs) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (server.address, blobs.root)
    workers = [context.Process(target=_fetch_in_process, args=arguments) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert server.gets("f") == 1


def test_existence_is_asked_without_fetching(server: Behaviour, tmp_path: Path) -> None:
    with Network() as network:
        assert network.exists(f"{server.address}/f")
        assert not network.exists(f"{server.address}/no")
        assert network.exists((server.root / "f").as_uri())
        with pytest.raises(TransferFailed):
            network.exists("http://127.0.0.1:9/f")
    assert {method for method, _, _ in server.requests} == {"HEAD"}


def test_a_file_that_is_too_large_is_not_read(server: Behaviour) -> None:
    with Network() as network, pytest.raises(TransferFailed, match="could not be fetched"):
        network.read(f"{server.address}/f", limit=1000)


def test_secrets_of_an_address_are_never_shown() -> None:
    assert url_text("https://me:secret@host.example:8/a?token=x#y") == "https://host.example:8/a"


def test_credentials_go_into_a_header_not_into_errors(blobs: Blobs) -> None:
    (found,) = problems([wanted("http://me:secret@127.0.0.1:9/f")], blobs)
    assert "secret" not in repr(found)


def test_blobs_refuse_what_is_no_digest(blobs: Blobs) -> None:
    for digest in ("", "md5:00", "sha256:../../etc", f"sha256:{'A' * 64}"):
        with pytest.raises(ValueError, match="digest"):
            blobs.path(digest)


def test_blobs_are_kept_whole_and_for_all_to_read(blobs: Blobs) -> None:
    assert blobs.add_bytes(b"x") == digest_of(b"x")
    assert blobs.read(digest_of(b"x")) == b"x" and nothing_half(blobs)
    assert blobs.path(digest_of(b"x")).stat().st_mode & 0o777 == 0o644


# Servers that want to fill the disk, the memory, or the day.


def failure(server: Behaviour) -> str:
    with Network() as network, pytest.raises(TransferFailed) as caught:
        network.read(f"{server.address}/f", 1 << 20)
    return caught.value.why


def test_a_body_without_end_or_size_is_cut_off(
    server: Behaviour, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dockyard.packages.fetch._MOST", 4 << 20)
    server.endless = True
    [problem] = problems([wanted(f"{server.address}/f", size=0)], blobs)
    assert "it has no end" in " ".join(problem.excerpt)
    left = sum(path.stat().st_size for path in blobs.root.rglob("*") if path.is_file())
    assert left == 0


def test_a_body_beyond_its_declared_size_is_cut_off(server: Behaviour, blobs: Blobs) -> None:
    server.endless = True
    [problem] = problems([wanted(f"{server.address}/f", data=b"few bytes")], blobs)
    assert problem.code == "fetch.digest-mismatch"
    assert server.gets("f") <= 2


def test_an_index_without_end_is_not_held_in_memory(server: Behaviour) -> None:
    server.endless = True
    assert "larger than 1048576 bytes" in failure(server)


def test_a_server_that_gives_a_byte_now_and_then_is_left(
    server: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dockyard.host.network.PACE_SECONDS", 0.3)
    server.drip = 0.02
    assert re.search(r"it gave \d+ bytes in", failure(server))


def test_a_header_that_never_ends_is_left(
    server: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dockyard.host.network.ANSWER_SECONDS", 0.5)
    server.drip, server.drip_header = 0.02, True
    assert failure(server) == "it did not finish the header of an answer in 0.5 s"


@pytest.mark.parametrize("text", ["9" * 5000, "-1", "\u00b2", "1e9", "", "0x10"])
def test_a_size_that_is_none_is_no_size(text: str) -> None:
    assert whole_number(text) is None
