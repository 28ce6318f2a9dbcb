"""What a Debian package says about itself: licence, changelog, source, description.

Licences: the machine-readable debian/copyright form 1.0 names them per file; the names are mapped
to SPDX identifiers, and what SPDX does not know becomes a LicenseRef of the same name. A copyright
file in free text is read for the common licences that it points to.
"""

from __future__ import annotations

import email.utils
import io
import re
from collections.abc import Mapping

from dockyard.distro.evr import rpm_evr
from dockyard.packages import compression
from dockyard.packages.deb import control as deb822
from dockyard.packages.rpm.contents import Change

CHANGES = 5
_LARGEST = 32 << 20
UNKNOWN_LICENSE = "LicenseRef-Debian-copyright"
_NOON = 12 * 3600
_DAY = 24 * 3600

_PLAIN: Mapping[str, str] = {
    "expat": "MIT",
    "mit": "MIT",
    "x11": "X11",
    "isc": "ISC",
    "zlib": "Zlib",
    "public-domain": "LicenseRef-public-domain",
    "pd": "LicenseRef-public-domain",
    "artistic": "Artistic-1.0-Perl",
    "artistic-1": "Artistic-1.0-Perl",
    "artistic-2": "Artistic-2.0",
    "artistic-2.0": "Artistic-2.0",
    "apache": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "0bsd": "0BSD",
    "bsl-1.0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0",
    "cc-by-3.0": "CC-BY-3.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-3.0": "CC-BY-SA-3.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "fsfap": "FSFAP",
    "fsful": "FSFUL",
    "fsfullr": "FSFULLR",
    "openssl": "OpenSSL",
    "openldap-2.8": "OLDAP-2.8",
    "curl": "curl",
    "ofl-1.1": "OFL-1.1",
    "psf-2": "PSF-2.0",
    "psf-2.0": "PSF-2.0",
    "python-2.0": "Python-2.0",
    "unlicense": "Unlicense",
    "wtfpl-2": "WTFPL",
    "wtfpl": "WTFPL",
    "gpl": "GPL-1.0-or-later",
    "lgpl": "LGPL-2.0-or-later",
    "oldap-2.8": "OLDAP-2.8",
    "bsd-3-clauses": "BSD-3-Clause",
    "bsd-2-clauses": "BSD-2-Clause",
    "mit-cmu": "MIT-CMU",
    "permissive": "LicenseRef-permissive",
    "boehm-gc": "Boehm-GC",
    "beerware": "Beerware",
    "vim": "Vim",
    "unicode": "Unicode-3.0",
    "sleepycat": "Sleepycat",
    "ntp": "NTP",
    "hpnd": "HPND",
}
_FAMILIES = re.compile(r"(a|l)?gpl-?v?([123](?:\.[0-9])?)(\.0)?(\+|-or-later|-only)?", re.I)
_DOCUMENTS = re.compile(r"gfdl(-niv|-noinvariants)?-?([0-9.]+)?(\+)?", re.I)
_MPL = re.compile(r"mpl-?([0-9.]+)", re.I)
_CHANGE = re.compile(r"^(\S+) \(([^)]+)\)[^;]*;")
_SIGNED = re.compile(r"^ -- (.*?)\s\s(.+)$")
_COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.-]+)")


def spdx(name: str) -> str:
    """The SPDX identifier of one Debian short name."""
    key = name.strip().lower()
    if key in _PLAIN:
        return _PLAIN[key]
    if match := _FAMILIES.fullmatch(key):
        family, number, _, later = match.groups()
        version = number if "." in number else f"{number}.0"
        ending = "or-later" if later in ("+", "-or-later") else "only"
        return f"{(family or '').upper()}GPL-{version}-{ending}"
    if match := _DOCUMENTS.fullmatch(key):
        number, later = match.group(2) or "1.1", match.group(3)
        middle = "-no-invariants" if match.group(1) else ""
        return f"GFDL-{number}{middle}-{'or-later' if later else 'only'}"
    if match := _MPL.fullmatch(key):
        return f"MPL-{match.group(1) if '.' in match.group(1) else match.group(1) + '.0'}"
    cleaned = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
    return f"LicenseRef-{cleaned}" if cleaned else UNKNOWN_LICENSE


def license_expression(copyright_file: str) -> str:
    """One SPDX expression for all that a copyright file names, or UNKNOWN_LICENSE."""
    if "format:" not in copyright_file[:400].lower():
        return _free_text(copyright_file)
    terms: set[str] = set()
    for paragraph in deb822.paragraphs(copyright_file):
        fields = {key.lower(): value for key, value in paragraph.items()}
        if "files" in fields and "license" in fields:
            terms.update(_synopsis(fields["license"].partition("\n")[0]))
    if not terms:
        return _free_text(copyright_file)
    if len(terms) == 1:
        return terms.pop()
    return " AND ".join(f"({term})" if " OR " in term else term for term in sorted(terms))


def _synopsis(text: str) -> list[str]:
    """The terms, all of which hold, of a License field's first line: short names with `and`, `or`,
    `with`; a comma before a word binds looser than the words.
    """
    terms: list[str] = []
    for part in re.split(r",\s*and\s+|,\s+(?!or\b)", text, flags=re.I):
        terms += _alternatives(part.replace(",", " "))
    return terms


def _alternatives(text: str) -> list[str]:
    """The terms of a text without commas: `and` binds closer than `or`."""
    alternatives: list[list[str]] = []
    for choice in re.split(r"\s+or\s+", text, flags=re.I):
        parts = [
            spdx(re.split(r"\s+with\s+", part, flags=re.I)[0])
            for part in re.split(r"\s+and\s+", choice, flags=re.I)
            if part.strip()
        ]
        if parts and parts not in alternatives:
            alternatives.append(list(dict.fromkeys(parts)))
    if len(alternatives) <= 1:
        return alternatives[0] if alternatives else []
    joined = sorted(
        f"({' AND '.join(parts)})" if len(parts) > 1 else parts[0] for parts in alternatives
    )
    return [" OR ".join(dict.fromkeys(joined))]


def _free_text(text: str) -> str:
    names = sorted({name.rstrip(".") for name in _COMMON.findall(text)})
    later = re.search(r"any\s+later\s+version", text) is not None
    found = []
    for name in names:
        base = {"GPL": "GPL-2", "LGPL": "LGPL-2.1", "GFDL": "GFDL-1.3"}.get(name, name)
        versioned = re.fullmatch(r"(L?GPL|GFDL)-[0-9.]+", base) is not None
        found.append(spdx(f"{base}+" if later and versioned else base))
    return " AND ".join(dict.fromkeys(found)) or UNKNOWN_LICENSE


def changelog(data: bytes, limit: int = CHANGES) -> tuple[Change, ...]:
    """The newest entries of a changelog.Debian.gz (deb-changelog(5)); () when it is damaged."""
    try:
        text = data
        if data[:2] == b"\x1f\x8b":
            text = compression.read_up_to(
                compression.decompressed(io.BytesIO(data), ".gz"), _LARGEST
            )
    except compression.ERRORS:
        return ()
    changes: list[Change] = []
    version, lines = "", list[str]()
    for line in text.decode(errors="replace").splitlines():
        if match := _CHANGE.match(line):
            version, lines = match.group(2), []
        elif (match := _SIGNED.match(line)) and version:
            moment = _moment(match.group(2))
            if moment is not None:
                body = "\n".join(lines).strip("\n")
                changes.append(Change(moment, f"{match.group(1)} - {version}", body))
            version = ""
            if len(changes) >= limit:
                break
        elif version:
            lines.append(line.rstrip().removeprefix("  "))
    return tuple(changes)


def _moment(text: str) -> int | None:
    """Noon of the day, as rpm's own changelogs have it."""
    try:
        seconds = int(email.utils.parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds // _DAY * _DAY + _NOON if 0 <= seconds < 1 << 32 else None


def source_rpm(control: Mapping[str, str]) -> str:
    """The name that a source package would have: name and version of Debian's source."""
    text = control.get("Source", control["Package"])
    name, _, rest = text.partition(" ")
    version = rest.strip("() ") or control["Version"]
    _, upstream, revision = rpm_evr(version)
    return f"{name}-{upstream}-{revision}.src.rpm"


def description(control: Mapping[str, str]) -> tuple[str, str]:
    """Summary and long description; a line of a single dot is an empty line."""
    summary, _, rest = control.get("Description", control["Package"]).partition("\n")
    lines = ["" if line.strip() == "." else line for line in rest.splitlines()]
    return summary, "\n".join(lines) or summary
