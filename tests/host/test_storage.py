"""A store that cannot be used gives one clear message, under real conditions."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host import process
from dockyard.host.storage import output_refused, store_trouble_told

ROOT = Path(__file__).parents[2]
IMAGE = str(ROOT / "examples/minimal/image.yaml")
HARBOR = str(ROOT / "distros/harbor")

# CONDITION STORE ARGUMENT...: the namespace is where a store of its own can be mounted.
_RUN = """
import os, resource, sys
from pathlib import Path
from dockyard.cli.main import main
from dockyard.host import kernel, namespace
condition, store, *arguments = sys.argv[1:]
namespace.enter()
if condition == "full":
    kernel.mount("tmpfs", store, "tmpfs", 0, "size=16k,mode=755")
    (Path(store) / "filler").write_bytes(bytes(8192))
    for name in ("results", "work", "locks", "records"):
        (Path(store) / name).mkdir()
elif condition == "no-inodes":
    kernel.mount("tmpfs", store, "tmpfs", 0, "size=1m,nr_inodes=3")
elif condition == "read-only":
    kernel.mount("tmpfs", store, "tmpfs", 1, "size=1m")
elif condition == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
elif condition == "directory-gone":
    Path(store, "here").mkdir()
    os.chdir(Path(store, "here"))
    Path(store, "here").rmdir()
sys.argv = ["dockyard", *arguments, "--store", store]
main()
"""


def run(condition: str, store: Path, *arguments: str) -> tuple[int, str]:
    words = [sys.executable, "-c", _RUN, condition, str(store), *arguments]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("error[") == 1, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("condition", "code", "command"),
    [
        ("full", "host.no-space", ("distro", "build", HARBOR)),
        ("no-inodes", "host.no-space", ("build", IMAGE)),
        ("read-only", "host.not-writable", ("build", IMAGE)),
        ("read-only", "host.not-writable", ("distro", "build", HARBOR)),
        ("limit", "host.file-too-large", ("distro", "build", HARBOR)),
        ("directory-gone", "host.no-directory", ("build", IMAGE)),
    ],
)
def test_a_store_that_cannot_be_used(
    tmp_path: Path, condition: str, code: str, command: tuple[str, ...]
) -> None:
    status, said = run(condition, tmp_path, *command)
    assert (status, code in said) == (1, True), said


@pytest.mark.parametrize("store", ["/proc/store", "/dev/null/store"])
def test_a_store_at_an_impossible_place(store: str) -> None:
    status, said = run("as it is", Path(store), "build", IMAGE)
    assert status == 1
    assert store in said


def test_a_store_that_vanishes(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pytest.raises(DockyardError) as caught, store_trouble_told(store):
        (store / "records/plan.json").read_text()
    assert caught.value.problems[0].code == "host.store-gone"


def test_what_is_not_of_the_store_passes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), store_trouble_told(tmp_path):
        Path("/nonexistent/file").read_text()
    with pytest.raises(OSError, match="space"), store_trouble_told(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/elsewhere/file")


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("")
    for mode, why in ((0o644, "Permission denied"), (0o755, "Exec format error")):
        program.chmod(mode)
        with pytest.raises(DockyardError) as caught:
            process.run([str(program)])
        (problem,) = caught.value.problems
        assert (problem.code, problem.why) == ("host.program-unusable", why)


def test_a_wrapped_program_names_no_command_that_does_not_run() -> None:
    inner = ["mkfs.ext4", "/work/image"]
    with pytest.raises(DockyardError) as caught:
        process.run(["sh", "-c", "echo broken >&2; exit 3"], shown=inner)
    (problem,) = caught.value.problems
    assert problem.what == "mkfs.ext4 failed with status 3"
    assert problem.fix == ""
    with pytest.raises(DockyardError) as caught:
        process.run(["sh", "-c", "echo 'bwrap: no namespaces' >&2; exit 1"], shown=inner)
    assert caught.value.problems[0].code == "host.sandbox-failed"
    with pytest.raises(DockyardError) as caught:
        process.run(["sh", "-c", "exit 3"])
    assert caught.value.problems[0].fix == "to see it alone, run: sh -c 'exit 3'"


@pytest.mark.parametrize(
    ("number", "what_to_do"),
    [
        (errno.ENOSPC, "make room, or choose another place with"),
        (errno.EACCES, "choose a directory that this user owns with"),
        (errno.EROFS, "choose another place with"),
    ],
)
def test_advice_on_an_output_follows_what_refused_it(number: int, what_to_do: str) -> None:
    why, fix = output_refused(OSError(number, os.strerror(number), "place"))
    assert why.startswith(os.strerror(number)) and fix == what_to_do


@pytest.mark.build
@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns nothing of others inside")
def test_root_is_told_that_it_writes_as_a_user(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(0o755)
    os.chown(tmp_path / "theirs", 12345, 12345)
    store, output = tmp_path / "store", tmp_path / "theirs/file"
    code = (
        "import sys; from pathlib import Path; from dockyard.host import namespace\n"
        "namespace.enter()\n"
        "from dockyard.engine.store import Store\n"
        "from dockyard.keeping.travel import export_results\n"
        "try: export_results(Store(Path(sys.argv[1])), [], Path(sys.argv[2]), print)\n"
        "except Exception as error: print(error.problems[0].why, error.problems[0].fix)\n"
    )
    argv = [sys.executable, "-c", code, str(store), str(output)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == (
        "Permission denied: files are written as the user who calls, without the rights of root "
        "over others choose a directory that this user owns with --output\n"
    )
