"""An ordinary user builds the same bytes as root, from packages that the user made and signed."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from command_line import CODE, EXAMPLES, ROOT, run_dockyard

from dockyard.host.process import run
from features import Proof, covers

QUICK = ("oci-archive", "wsl", "squashfs", "erofs")
# Made of what those have, by code that does not ask who runs it.
LONG = (
    *("vhd", "vhd-fixed", "vhdx", "qcow2", "vmdk", "cosi", "baremetal-image"),
    *("iso", "pxe-dir", "pxe-tar", "tar", "tar-zst", "oci-dir"),
)
ADDED = "os: {imageHistory: none, additionalFiles: [{content: new, destination: %s}]}\n"
NO_REPOSITORIES = "--disable-base-image-rpm-repos"
# Of this run alone: another may be at work on the same machine.
USER = f"dockyard-test-{os.getpid()}"
T = TypeVar("T", bound=Callable[..., None])
PYTHON = "/usr/bin/python3"
SHARED_LIBRARIES = Path(pytest.__file__).parents[1]  # site-packages


def shown_for(*formats: str) -> Callable[[T], T]:
    """What a test shows of several formats."""

    def marked(test: T) -> T:
        for format in formats:
            test = covers(format=format, proofs=[Proof.ANYBODY])(test)
        return test

    return marked


@pytest.fixture
def user_place() -> Iterator[Path]:
    """A directory that an ordinary user owns, with the source, its libraries and a home in it."""
    if os.getuid() != 0:
        pytest.skip("this run is an ordinary user's already: every test proves it")
    version = run([PYTHON, "-c", "import sys; print(sys.version_info[:2])"], check=False)
    if version.text.strip() != str(sys.version_info[:2]):
        pytest.skip(f"{PYTHON} is not the Python {sys.version_info[:2]} that the libraries are for")
    run(["useradd", "--create-home", "--add-subids-for-system", USER])
    place = Path(f"/var/tmp/{USER}")
    try:
        account = pwd.getpwnam(USER)
        place.mkdir(mode=0o755)
        for name in ("src", "distros", "examples"):
            shutil.copytree(ROOT / name, place / name)
        shutil.copytree(SHARED_LIBRARIES, place / "site")
        (place / "home").mkdir()
        for path in (place, *place.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        run(["userdel", "--remove", USER], check=False)


def _told(place: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, time and content of all that is in a directory, which is the only one of its name."""
    (top,) = place.glob("*.directory")
    found = {}
    for path in top.rglob("*"):
        told = path.lstat()
        content = bytes(path.readlink()) if path.is_symlink() else b""
        content = path.read_bytes() if stat.S_ISREG(told.st_mode) else content
        found[str(path.relative_to(top))] = (told.st_mode, told.st_mtime_ns, content)
    return found


@pytest.fixture
def as_user(user_place: Path, published: Path) -> Callable[..., None]:
    """Runs `dockyard` as the user, who has what was fetched before and a store of their own."""
    downloads = user_place / "downloads"
    shutil.copytree(published / "blobs", downloads)
    environment = {
        "HOME": str(user_place / "home"),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{user_place / 'src'}:{user_place / 'site'}",
        "DOCKYARD_STORE": str(user_place / "home/store"),
        "DOCKYARD_MIRROR_DIR": str(downloads),
    }

    def as_user(*words: str) -> None:
        command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        command += [PYTHON, "-c", CODE, *words]
        # The umask of a user who keeps all to himself shapes neither packages nor images.
        done = subprocess.run(
            command, cwd=user_place, env=environment, capture_output=True, text=True, umask=0o077
        )
        assert done.returncode == 0, f"dockyard {' '.join(words)}\n{done.stderr}"

    as_user("distro", "build", "distros/harbor", "--progress", "quiet")
    return as_user


@shown_for("raw", *QUICK, "directory")
@pytest.mark.build
def test_an_ordinary_user_makes_the_same_bytes(
    user_place: Path, published: Path, tmp_path: Path, as_user: Callable[..., None]
) -> None:
    image = "examples/minimal/image.yaml"
    as_user("build", image, "--progress", "quiet", "--output-image-file", "user.raw")
    ours = tmp_path / "root.raw"
    run_dockyard("build", EXAMPLES / "minimal/image.yaml", "--output-image-file", ours)
    assert run(["cmp", str(ours), str(user_place / "user.raw")], check=False).text == ""
    for name in QUICK:
        words = ("--output-image-format", name, "--progress", "quiet", "--output-image-file")
        as_user("build", image, *words, "user.guest")
        run_dockyard("build", EXAMPLES / "minimal/image.yaml", *words, tmp_path / "root.guest")
        theirs = (user_place / "user.guest").read_bytes()
        assert (tmp_path / "root.guest").read_bytes() == theirs, name
    words = ("--output-image-format", "directory", "--progress", "quiet", "--output-image-file")
    as_user("build", image, *words, "user.directory")
    run_dockyard("build", EXAMPLES / "minimal/image.yaml", *words, tmp_path / "root.directory")
    assert _told(user_place) == _told(tmp_path)
    owners = {path.lstat().st_uid for path in (user_place / "user.directory").rglob("*")}
    assert owners == {pwd.getpwnam(USER).pw_uid}
    assert stat.S_IMODE((user_place / "user.raw").stat().st_mode) == 0o600
    assert (user_place / "user.raw").owner() == USER
    assert stat.S_IMODE((user_place / "home/store").stat().st_mode) == 0o700
    key = "repositories/harbor/RPM-GPG-KEY-harbor"
    users_key = user_place / "home/store" / key
    assert users_key.read_bytes() != (published / key).read_bytes(), "the user signs alone"


@shown_for(*LONG, "sysext", "confext")
@pytest.mark.build
@pytest.mark.long
def test_an_ordinary_user_makes_the_same_bytes_in_every_format(
    user_place: Path, published: Path, tmp_path: Path, as_user: Callable[..., None]
) -> None:
    image = "examples/minimal/image.yaml"
    quiet = ("--progress", "quiet", "--output-image-file")
    for name in ("raw", *LONG):
        level = ("--cosi-compression-level", "1") if name in ("cosi", "baremetal-image") else ()
        words = (*level, "--output-image-format", name, *quiet)
        as_user("build", image, *words, f"user.{name}")
        run_dockyard("build", ROOT / image, *words, tmp_path / f"root.{name}")
        assert _content(user_place / f"user.{name}") == _content(tmp_path / f"root.{name}"), name
    for name in ("sysext", "confext"):
        words = ("--output-image-format", name, *quiet)
        given = ("customize", "--config-file", user_place / "config.yaml", "--image-file")
        place = {"sysext": "/usr/share/added", "confext": "/etc/added"}[name]
        (user_place / "config.yaml").write_text(ADDED % place)
        as_user(*map(str, given), "user.raw", NO_REPOSITORIES, *words, f"user.{name}")
        run_dockyard(
            *given, tmp_path / "root.raw", NO_REPOSITORIES, *words, tmp_path / f"root.{name}"
        )
        assert _content(user_place / f"user.{name}") == _content(tmp_path / f"root.{name}"), name


def _content(image: Path) -> dict[str, bytes]:
    """All files of an image, which may be a directory."""
    files = [path for path in image.rglob("*") if path.is_file()] if image.is_dir() else [image]
    return {str(path.relative_to(image)): path.read_bytes() for path in files}
