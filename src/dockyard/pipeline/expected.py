"""What a build remembers of an image for its checks, beside the manifest of every file: its
accounts, its packages, and how `rpm -Va` judges it.

Settings and scripts may rightly change files of packages, so `rpm -Va` need not be silent: what it
says of the finished tree is what it is to say of the running system. Password hashes are kept as
digests, and compared as such.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dockyard.archive import Archive
from dockyard.host.sandbox import Tools
from dockyard.install.deb_database import INSTALLED, known_packages
from dockyard.install.rpm import header_digests, verify
from dockyard.install.rpmdb import NAME
from dockyard.model.family import Packaging
from dockyard.model.packages import PackageKind

ACCOUNT_FILES = ("passwd", "group", "shadow")

# Lines of `rpm -Va` that tell of places which are empty in an image and filled when it runs, or of
# what a system writes there in its first minute; beside the database of packages and the EFI system
# partition.
_PASSED_OVER = (
    *("/run", "/tmp", "/dev", "/proc", "/sys", "/var/tmp", "/var/log", "/var/cache"),
    *("/var/lib/systemd", "/etc/machine-id", "/etc/shadow"),
)
# Without digests and dependencies: the digest of every header is asked for by itself.
VERIFY = ("--nomtime", "--nofiledigest", "--nodeps", "--nodigest", "--nosignature")


@dataclass(frozen=True, slots=True)
class Expected:
    """accounts: the lines of passwd(5), group(5) and shadow(5), by file; of shadow, the hash as a
    digest, and without the day of the last change. rpm: what `rpm -Va` says, sorted; headers: the
    SHA-256 of the header of each installed package, by NEVRA. Both None where the tree has no
    database of rpm. debs: the Debian packages that are installed (`name_version_arch`), sorted;
    None where it has none of dpkg.
    """

    accounts: dict[str, list[str]]
    rpm: list[str] | None
    headers: dict[str, str] | None = None
    debs: list[str] | None = None

    def save(self, place: Path) -> None:
        """Write it to a new file."""
        place.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, place: Path) -> Expected:
        """What was saved."""
        told = json.loads(place.read_bytes())
        return cls(**told)


def expected_of(
    merged: Archive, tree: Path, tools: Tools, packaging: Packaging, esp: str
) -> Expected:
    """What the checks of a finished tree expect. merged: its archive. tree: may be written to.
    packaging: of the distribution. esp: where the EFI system partition is mounted.
    """
    accounts = {}
    for name in ACCOUNT_FILES:
        path = f"etc/{name}".encode()
        text = merged.read(path).decode(errors="surrogateescape") if merged.find(path) else ""
        lines = text.splitlines()
        accounts[name] = [_without_secret(line) for line in lines] if name == "shadow" else lines
    dbpath = packaging.database
    if packaging.kind is PackageKind.DEB:
        known = known_packages(tree, dbpath)
        debs = sorted(each.label for each in known if each.status == INSTALLED)
        return Expected(accounts, None, debs=debs or None)
    if not (tree / dbpath.lstrip("/") / NAME).is_file():
        return Expected(accounts, None)
    places = passed_over(packaging, esp)
    said = verify(tree, tools, dbpath, options=VERIFY)
    rpm = sorted(line for line in said if _counts(line, places))
    return Expected(accounts, rpm, header_digests(tree, tools, dbpath))


def passed_over(packaging: Packaging, esp: str) -> tuple[str, ...]:
    """Places of which `rpm -Va` may say anything."""
    return (*_PASSED_OVER, packaging.database, esp)


def _without_secret(line: str) -> str:
    """A line of shadow(5) with a digest in place of a hash, and no day of the last change."""
    name, _, rest = line.partition(":")
    hashed, _, rest = rest.partition(":")
    if hashed.strip("!*"):
        hashed = hashlib.sha256(hashed.encode(errors="surrogateescape")).hexdigest()
    return f"{name}:{hashed}:{rest.partition(':')[2]}"


def _counts(line: str, places: Sequence[str]) -> bool:
    """Whether a line of `rpm -Va` tells of something that stays as it is when the system runs."""
    path = line[line.find(" /") + 1 :]
    return not any(path == place or path.startswith(f"{place}/") for place in places)


def passed_over_pattern(places: Sequence[str]) -> str:
    """An extended regular expression for lines that `_counts` leaves out."""
    return f" ({'|'.join(places)})(/|$)"


# sh that prints shadow(5) as _without_secret does.
SHADOW_SCRIPT = """\
while IFS=: read -r name hash _ rest; do
    case $hash in
        *[!*!]*) hash=$(printf %s "$hash" | sha256sum | cut -d' ' -f1) ;;
    esac
    printf '%s\\n' "$name:$hash:$rest"
done </etc/shadow"""
