"""Small Debian packages and archives, signed by a key of the tests."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import pysequoia
from backports import zstd

from dockyard.packages.deb.index import Index
from dockyard.packages.deb.ranked_pool import build_pool

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


@dataclass(frozen=True)
class Member:
    """An entry of a data archive. name: as it stands in the archive."""

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o644
    target: str = ""
    uid: int = 0
    uname: str = "root"
    gname: str = "root"


def directory(name: str, mode: int = 0o755) -> Member:
    return Member(name, kind=tarfile.DIRTYPE, mode=mode)


def symlink(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.SYMTYPE, mode=0o777, target=target)


def tar(members: Sequence[Member]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.mode, info.mtime = member.kind, member.mode, 1_700_000_000
            info.linkname, info.uid, info.uname, info.gname = (
                member.target,
                member.uid,
                member.uname,
                member.gname,
            )
            info.size = len(member.data)
            archive.addfile(info, io.BytesIO(member.data))
    return out.getvalue()


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    return out


def deb(
    control: Mapping[str, str],
    members: Sequence[Member] = (),
    *,
    extra: Mapping[str, bytes] | None = None,
    scripts: Sequence[Member] = (),
    suffix: str = ".xz",
) -> bytes:
    """A .deb file. extra, scripts: more members of its control archive."""
    text = "".join(f"{name}: {value}\n" for name, value in control.items()).encode()
    files = [Member(f"./{name}", data) for name, data in {"control": text, **(extra or {})}.items()]
    files += scripts
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{suffix}", COMPRESS[suffix](tar([directory("./"), *files]))),
            (f"data.tar{suffix}", COMPRESS[suffix](tar([directory("./"), *members]))),
        ]
    )


@cache
def key(name: str = "archive") -> pysequoia.Tsk:
    """A signing key; the same for the same name within a run."""
    return pysequoia.Tsk.generate(f"{name} <{name}@example.com>")


def certificates(name: str = "archive") -> list[pysequoia.Cert]:
    return [key(name).extract_certificate()]


def sign(text: bytes, name: str = "archive") -> bytes:
    return pysequoia.sign(key(name).signer(), text, mode=pysequoia.SignatureMode.CLEAR)


@dataclass
class SmallArchive:
    """An archive below a directory: add packages, then publish a suite. scripts: postinst and the
    like of packages, by their names. architectures: that there are indexes for.
    """

    root: Path
    suite: str = "stable"
    components: tuple[str, ...] = ("main",)
    architectures: tuple[str, ...] = ("amd64",)
    stanzas: dict[str, list[str]] = field(default_factory=dict)
    scripts: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(
        self,
        name: str,
        version: str,
        *,
        component: str = "main",
        suffix: str = ".xz",
        **fields: str,
    ) -> Path:
        """Add a package; fields: of its control file, `_` for `-`."""
        control = {"Package": name, "Version": version, "Architecture": "amd64"}
        control |= {key.replace("_", "-"): value for key, value in fields.items()}
        control.setdefault("Maintainer", "Tests <tests@example.com>")
        control.setdefault("Description", "a package of the tests")
        files = [directory("./usr"), Member(f"./usr/{name}", version.encode())]
        scripts = [
            Member(f"./{key}", text.encode(), mode=0o755)
            for key, text in self.scripts.get(name, {}).items()
        ]
        data = deb(control, files, suffix=suffix, scripts=scripts)
        source = fields.get("Source", name)
        file = f"{name}_{version.replace(':', '%3a')}_{fields.get('Architecture', 'amd64')}.deb"
        path = f"pool/{component}/{source[0]}/{source}/{file}"
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        listed = {
            **control,
            "Filename": path,
            "Size": str(len(data)),
            "SHA256": hashlib.sha256(data).hexdigest(),
        }
        stanza = "".join(f"{key}: {value}\n" for key, value in listed.items())
        self.stanzas.setdefault(component, []).append(stanza)
        return place

    def publish(self, *, signer: str = "archive", codename: str = "tester") -> Path:
        """Write the signed release; gives the path of its InRelease file."""
        base = self.root / "dists" / self.suite
        lines = [f"Origin: Tests\nSuite: {self.suite}\nCodename: {codename}\nSHA256:"]
        for component, architecture in product(self.components, self.architectures):
            stanzas = self.stanzas.get(component, [])
            if len(self.architectures) > 1:
                stanzas = [each for each in stanzas if f"Architecture: {architecture}\n" in each]
            packages = "\n".join(stanzas).encode()
            place = f"{component}/binary-{architecture}"
            (base / place).mkdir(parents=True, exist_ok=True)
            for suffix in ("", ".xz"):
                data = COMPRESS[suffix](packages)
                (base / f"{place}/Packages{suffix}").write_bytes(data)
                digest = hashlib.sha256(data).hexdigest()
                lines.append(f" {digest} {len(data)} {place}/Packages{suffix}")
        path = base / "InRelease"
        path.write_bytes(sign("\n".join(lines).encode() + b"\n", signer))
        return path


def index(*packages: str, tmp: Path = Path("/nonexistent")) -> Index:
    """An index of packages, each as `name version; Field: value; …`."""
    listed = []
    for text in packages:
        head, *fields = (part.strip() for part in text.split(";"))
        name, version = head.split()
        found = dict(part.split(": ", 1) for part in fields)
        listed.append(
            (
                "debian:test:main",
                {
                    "Package": name,
                    "Version": version,
                    "Architecture": "amd64",
                    "Filename": f"pool/{name}_{version}.deb",
                    "SHA256": hashlib.sha256(text.encode()).hexdigest(),
                    "Size": "1",
                    **found,
                },
            )
        )
    pool, versions = build_pool(listed)
    made = Index(pool, tmp)
    made._versions = versions
    return made
