"""The real inputs, apart from everyone else's: copies of the example image and of the distribution
that it is made from, a snapshot of the published repository, and stores that share the rest.

    <root>/
      distros/ examples/server/ the copies; the lock is made again for the snapshot
      shared/repositories/      the snapshot, of hard links
      store/                    holds the build that later builds start from
      cold/                     a store without results, made again for each cold build
      pycache/                  bytecode, as an installed Dockyard has it
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Done

CHECKOUT = Path(__file__).parents[1]
_EXAMPLE = "examples/server"
LEFT_OUT = ("jq", "lsof", "vim-tiny")
"""What the second image lacks of the packages that the first one asks for."""
_VERB = "from dockyard.cli.main import main; main()"
_PASSED_ON = ("PATH", "HOME", "DOCKYARD_DEBIAN_MIRROR", "DOCKYARD_MIRROR_DIR", "TMPDIR")


class Inputs:
    """A directory to measure in. given: a store with tools and a published repository."""

    def __init__(self, root: Path, given: Path) -> None:
        self.root = root
        self.given = given
        self.image = root / _EXAMPLE / "image.yaml"
        self.store = root / "store"
        self.output = root / "server.raw"

    def prepare(self) -> None:
        """Make everything anew and build the image once. Nothing of this is measured."""
        self.remove(self.root)
        self.root.mkdir(parents=True)
        for name in ("distros", _EXAMPLE):
            shutil.copytree(CHECKOUT / name, self.root / name)
        shared = self.root / "shared"
        (self.given / "blobs").mkdir(parents=True, exist_ok=True)
        published = self.given / "repositories"
        if not published.is_dir():
            sys.exit(
                f"benchmarks: {self.given} has no repository; run first: "
                "dockyard distro build distros/harbor"
            )
        shared.mkdir()
        for repository in published.iterdir():
            if repository.is_dir() and not repository.name.startswith("."):
                target = shared / "repositories" / repository.name
                shutil.copytree(repository, target, copy_function=_link_or_copy)
        self._make_store(self.store)
        self.lock()
        self.build(self.store)

    def _make_store(self, store: Path) -> None:
        store.mkdir(parents=True)
        (store / "repositories").symlink_to(self.root / "shared" / "repositories")
        (store / "blobs").symlink_to(self.given / "blobs")
        for name in ("results", "answers"):
            (store / name).mkdir()
            for tools in (self.given / name).glob("tools-*"):
                (store / name / tools.name).symlink_to(tools)

    def cold_store(self) -> Path:
        """A store that has tools and packages, and no result."""
        store = self.root / "cold"
        self.remove(store)
        self._make_store(store)
        return store

    def lock(self) -> Done:
        return self.dockyard("lock", str(self.image), "--store", str(self.store))

    def build(self, store: Path, *options: str, image: Path | None = None) -> Done:
        """`dockyard build` of the image as it is now, progress as JSON lines."""
        words = ["--store", str(store), "--output-image-file", str(self.output)]
        words += ["--progress", "json"]
        return self.dockyard("build", str(image or self.image), *words, *options)

    @contextmanager
    def other_image(self) -> Iterator[Path]:
        """Another image file, with its lock: another name, and the packages but for `LEFT_OUT`."""
        place = self.image.parent.with_name("second")
        shutil.copytree(self.image.parent, place)
        image = place / "image.yaml"
        try:
            text = image.read_text().replace("name: server", "name: second", 1)
            image.write_text(text)
            listed = place / "packages.yaml"
            lines = listed.read_text().splitlines(keepends=True)
            left = [line for line in lines if line.strip(" -\n") not in LEFT_OUT]
            if len(left) != len(lines) - len(LEFT_OUT):
                sys.exit(f"benchmarks: {listed} lacks some of {', '.join(LEFT_OUT)}")
            listed.write_text("".join(left))
            self.dockyard("lock", str(image), "--store", str(self.store))
            yield image
        finally:
            shutil.rmtree(place)

    @contextmanager
    def changed(self, more: Sequence[str], file_system: str) -> Iterator[Path]:
        """Another image file, with its lock: of more packages, and with a root of this kind."""
        place = self.image.parent.with_name("changed")
        shutil.copytree(self.image.parent, place)
        image = place / "image.yaml"
        try:
            text = image.read_text().replace("type: ext4", f"type: {file_system}", 1)
            image.write_text(text.replace("size: 2G", "size: 3G", 1))
            with (place / "packages.yaml").open("a") as listed:
                listed.writelines(f"  - {name}\n" for name in more)
            self.dockyard("lock", str(image), "--store", str(self.store))
            yield image
        finally:
            shutil.rmtree(place)

    @contextmanager
    def example(self, name: str) -> Iterator[Path]:
        """The image file of another example, with its locks."""
        place = self.root / "examples" / name
        shutil.copytree(CHECKOUT / "examples" / name, place)
        image = place / "image.yaml"
        try:
            self.dockyard("lock", str(image), "--store", str(self.store))
            yield image
        finally:
            shutil.rmtree(place)

    @property
    def repository(self) -> Path:
        """The directory of the distribution's published packages."""
        (found,) = (self.root / "shared/repositories").iterdir()
        return found

    def dockyard(self, *words: str) -> Done:
        return self.python("-c", _VERB, *words)

    def floor(self, verb: str, *words: str) -> Done:
        return self.python("-m", "benchmarks.floor", verb, *words)

    def python(self, *words: str) -> Done:
        """Run the interpreter as an installed Dockyard is run: with bytecode at hand."""
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        env["PYTHONPATH"] = f"{CHECKOUT / 'src'}:{CHECKOUT}"
        env["PYTHONPYCACHEPREFIX"] = str(self.root.parent / "pycache")
        return measure.command([sys.executable, *words], env=env, cwd=CHECKOUT)

    def remove(self, *paths: Path) -> None:
        """Remove trees, whoever their files belong to."""
        there = [str(path) for path in paths if path.is_dir()]
        if there:
            self.floor("remove", *there)

    def results(self) -> set[Path]:
        """The results that the store has."""
        return set((self.store / "results").iterdir())

    def forget(self, kept: set[Path]) -> None:
        """Take the store back to the results that it had."""
        gone = sorted(self.results() - kept)
        self.remove(*(path for path in gone if path.is_dir()))
        for path in gone:
            path.unlink(missing_ok=True) if path.is_file() else None

    def ask_for(self, packages: Sequence[str]) -> None:
        """Put these packages, and no others, behind those of the example's list."""
        plain = (CHECKOUT / _EXAMPLE / "packages.yaml").read_text()
        text = plain + "".join(f"  - {name}\n" for name in packages)
        (self.image.parent / "packages.yaml").write_text(text)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
