"""What dpkg has installed in a system that is to change, as the solver needs it.

`status` of dpkg's database has a paragraph for each package (dpkg(1), deb-control(5)); its field
Status has what is wanted of the package, a flag and its state.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from dockyard.packages.deb.control import paragraphs

_FIELDS = (
    "Package",
    "Version",
    "Architecture",
    "Essential",
    "Protected",
    "Important",
    "Priority",
    "Pre-Depends",
    "Depends",
    "Provides",
    "Conflicts",
    "Breaks",
    "Installed-Size",
)
GONE = ("not-installed", "config-files")
"""States of packages of which nothing is there but settings."""
_NOBODYS = "0" * 64
_WHOLE = ("install ok installed", "hold ok installed")
# Debian Policy 5.6.1, 5.6.8, 5.6.12 and 5.6.20: what is not so would be read in another way later.
_FORMS = {
    "Package": re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*"),
    "Version": re.compile(r"[A-Za-z0-9.+:~-]+"),
    "Architecture": re.compile(r"[a-z0-9-]+"),
    "Installed-Size": re.compile(r"[0-9]{1,15}"),
}


@dataclass(frozen=True)
class InstalledDebs:
    """The packages of a status file. text: of it."""

    text: str

    @cached_property
    def _known(self) -> list[tuple[str, dict[str, str]]]:
        """(status, fields) of every package that is there in part or in whole, sorted."""
        found = [
            (
                " ".join(fields.get("Status", "").split()),
                {name: " ".join(fields[name].split()) for name in _FIELDS if name in fields},
            )
            for fields in paragraphs(self.text)
            if {"Package", "Version", "Architecture"} <= fields.keys()
        ]
        there = [each for each in found if each[0].rpartition(" ")[2] not in GONE]
        return sorted(there, key=lambda each: label(each[1]))

    @cached_property
    def identity(self) -> str:
        """The digest of what decides what may change."""
        text = json.dumps(self._known, sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def paragraphs(self) -> Iterator[dict[str, str]]:
        """The fields of every package, as an index has them; no archive has its file."""
        for _, fields in self._known:
            yield {**fields, "Filename": "-", "SHA256": _NOBODYS}

    @property
    def unfinished(self) -> list[str]:
        """The packages that are not installed in full, with their state."""
        return [
            f"{label(fields)}: {status}" for status, fields in self._known if status not in _WHOLE
        ]

    @property
    def malformed(self) -> list[str]:
        """The packages with fields of forms that no package has, or that are there twice."""
        found: list[str] = []
        names: set[tuple[str, str]] = set()
        for _, fields in self._known:
            wrong = [
                f"{name} {fields[name][:40]!r}"
                for name, form in _FORMS.items()
                if not form.fullmatch(fields.get(name, "0"))
            ]
            name = fields["Package"], fields["Architecture"]
            wrong += ["it is there twice"] if name in names else []
            names.add(name)
            found += [f"{name[0][:40]!r}: {', '.join(wrong)}"] if wrong else []
        return found

    @property
    def held(self) -> frozenset[str]:
        """The names of packages that are to stay as they are."""
        return self._named(fields for status, fields in self._known if status.startswith("hold "))

    @property
    def protected(self) -> frozenset[str]:
        """The names of those that must not go: essential ones, and those that boot the system."""
        marks = ("Essential", "Protected", "Important")
        return self._named(
            fields for _, fields in self._known if any(fields.get(mark) == "yes" for mark in marks)
        )

    def _named(self, found: Iterable[dict[str, str]]) -> frozenset[str]:
        return frozenset(fields["Package"] for fields in found)

    @property
    def labels(self) -> frozenset[str]:
        """`name_version_arch` of every package, as locks have it."""
        return frozenset(label(fields) for _, fields in self._known)


def label(fields: dict[str, str]) -> str:
    return "_".join(fields[name] for name in ("Package", "Version", "Architecture"))
