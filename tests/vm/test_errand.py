"""What is copied into a guest arrives as it is: the script is run by this host's shells, against a
terminal that stands for the port.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import tty
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.vm import script
from dockyard.vm.credentials import PORT
from dockyard.vm.errand import Copy, Errand, Share
from dockyard.vm.report import GuestRecord, GuestReport, RecordKind


def do(errand: Errand, directory: Path, shell: str, port: str = "") -> list[GuestRecord]:
    """Let a shell do an errand; gives what it said, until it is ready or in trouble."""
    near, far = os.openpty()
    tty.setraw(far)
    port, own = os.ttyname(far), str(directory / "own")
    (directory / "own").mkdir()
    hello = script.HELLO.replace(PORT, port).replace("/run/dockyard", own)
    (directory / "hello").write_text(hello)
    guest = subprocess.Popen([shell, str(directory / "hello")], stdout=2)
    pieces = list(errand.stream())
    length, _, body = pieces[0].partition(b"\n")
    assert int(length) == len(body)
    pieces[0] = script.framed(body.replace(b"/run/dockyard", own.encode()))

    def send() -> None:
        for piece in pieces:
            left = memoryview(piece)
            while left:
                left = left[os.write(near, left[:1000]) :]

    report, records = GuestReport(), list[GuestRecord]()
    try:
        records += report.feed(os.read(near, 4096))
        threading.Thread(target=send, daemon=True).start()
        last = (RecordKind.READY, RecordKind.TROUBLE)
        while not records or records[-1].kind not in last:
            records += report.feed(os.read(near, 4096))
    finally:
        guest.kill()
        guest.wait()
        os.close(far)
    return records


SHELLS = [each for each in ("dash", "bash") if shutil.which(each)]


@pytest.mark.parametrize("shell", SHELLS)
def test_files_arrive_with_bytes_modes_times_and_links(shell: str, tmp_path: Path) -> None:
    source, target = tmp_path / "it's a source", tmp_path / "the target"
    (source / "below/deeper").mkdir(parents=True)
    (source / "below").chmod(0o750)
    (source / "below/every byte").write_bytes(bytes(range(256)) * 300)
    (source / "below/deeper/empty").touch()
    (source / "program").write_text("#!/bin/sh\n")
    (source / "program").chmod(0o755)
    os.utime(source / "program", (1, 1234567890))
    (source / "link").symlink_to("below/every byte")
    single = tmp_path / "single"
    single.write_bytes(b"@end - 0 0\n" * 40)
    (tmp_path / "linked").symlink_to(single)
    copies = [Copy(source, f"{target}/tree"), Copy(tmp_path / "linked", f"{target}/new/single")]
    records = do(Errand((), copies), tmp_path, shell)
    assert [each.kind for each in records] == [RecordKind.HELLO, RecordKind.READY]
    found = target / "tree"
    assert (found / "below/every byte").read_bytes() == bytes(range(256)) * 300
    assert (found / "below/deeper/empty").read_bytes() == b""
    assert (found / "below").stat().st_mode & 0o777 == 0o750
    assert (found / "program").stat().st_mode & 0o777 == 0o755
    assert (found / "program").stat().st_mtime == 1234567890
    assert str((found / "link").readlink()) == "below/every byte"
    assert not (target / "new/single").is_symlink()
    assert (target / "new/single").read_bytes() == single.read_bytes()


@pytest.mark.parametrize("shell", SHELLS)
def test_what_cannot_be_written_is_told(shell: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "taken").mkdir()
    errand = Errand((), [Copy(tmp_path / "file", str(tmp_path / "taken"))])
    said = do(errand, tmp_path, shell)[-1]
    assert said.kind is RecordKind.TROUBLE
    assert said.text == f"{tmp_path}/taken: a directory is there"


def test_a_share_that_cannot_be_mounted_is_told(tmp_path: Path) -> None:
    errand = Errand([Share(tmp_path, str(tmp_path / "file/x"))])
    (tmp_path / "file").write_text("x")
    said = do(errand, tmp_path, SHELLS[0])[-1]
    assert said.kind is RecordKind.TROUBLE and "Not a directory" in said.text


def test_what_cannot_be_copied_is_told_before_the_boot_and_all_together(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree/fifo")
    copies = [Copy(tmp_path / "nothing", "/a"), Copy(tmp_path / "tree", "/b")]
    with pytest.raises(DockyardError) as caught:
        Errand((), copies)
    assert [each.where for each in caught.value.problems] == [
        str(tmp_path / "nothing"),
        str(tmp_path / "tree/fifo"),
    ]


def test_a_file_that_changes_meanwhile_is_no_silent_loss(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("long text")
    errand = Errand((), [Copy(tmp_path / "file", "/a")])
    (tmp_path / "file").write_text("short")
    with pytest.raises(DockyardError):
        list(errand.stream())
