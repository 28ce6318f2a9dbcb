"""Signs a package: a step for each, whose result is what stands before the package's main header.

The rest of a signed package is that of the unsigned one, which the store has already.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dockyard.distro.arguments import PACKAGE, Signing
from dockyard.distro.keys import key_of
from dockyard.packages.rpm.reader import read_package
from dockyard.packages.rpm.signature import signed_head

if TYPE_CHECKING:
    from dockyard.engine.work import Work

HEAD = "head"
FACTS = "package.json"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed package, of its parts. file: the name that it has in a repository. offset: where the
    main header begins in the unsigned package.
    """

    file: str
    head: bytes
    unsigned: Path
    offset: int

    def write(self, out: IO[bytes]) -> str:
        """Write the package; gives its SHA-256 in hex."""
        digest = hashlib.sha256(self.head)
        out.write(self.head)
        with self.unsigned.open("rb") as source:
            source.seek(self.offset)
            while block := source.read(_BLOCK):
                digest.update(block)
                out.write(block)
        return digest.hexdigest()


def sign_package(work: Work, wanted: Signing) -> None:
    """The function of the step."""
    package = read_package(work.result(wanted.made) / PACKAGE)
    (work.out / HEAD).write_bytes(signed_head(package, key_of(wanted.signer).secret))
    evr = package.evr.partition(":")[2] if ":" in package.evr else package.evr
    facts = {
        "file": f"{package.name}-{evr}.{package.architecture}.rpm",
        "offset": package.header_offset,
    }
    (work.out / FACTS).write_text(json.dumps(facts))


def file_name(result: Path) -> str:
    """The name of the file of a package, of a result of the step."""
    return str(json.loads((result / FACTS).read_text())["file"])


def read_signed(result: Path, made: Path) -> Signed:
    """The package of a result of the step, and of the step that made it."""
    facts = json.loads((result / FACTS).read_text())
    return Signed(facts["file"], (result / HEAD).read_bytes(), made / PACKAGE, facts["offset"])
