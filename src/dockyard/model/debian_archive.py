"""The Debian archive that a binary distribution of .deb packages comes from.

Its keys are part of the `archive` of distro.yaml (see `model.distro`). sources.list(5) and the
Debian repository format have the meaning of most.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from dockyard.model.base import Mistake, Model
from dockyard.model.distro_values import Fingerprints, Name, Names
from dockyard.model.fields import field

DEBIAN_ARCHIVE = "debian"
"""What Debian's main archive is called; the tools come from there."""

# Debian Policy 2.5: the priorities that a base system is chosen by, the highest first.
PRIORITIES: Mapping[str, int] = {"essential": 0, "required": 1, "important": 2, "standard": 3}


class ArchiveSuite(Model):
    """A suite of a Debian archive, and the components taken from it."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["name"]}

    name: str = field("Name of the suite.", examples=["trixie"])
    components: tuple[str, ...] = field(
        "Components.", default=("main",), examples=[["main", "non-free-firmware"]]
    )
    archive: Name | None = field(
        "Name of the archive that has the suite, in place of an address: `--debian-mirror "
        "NAME=ADDRESS`, DOCKYARD_DEBIAN_MIRROR or the host's apt say where that is. Default: "
        f"`{DEBIAN_ARCHIVE}`.",
        default=None,
        examples=["debian-security", "ubuntu"],
    )
    baseurl: Names = field(
        "Addresses of the archive, or directories relative to the file, in place of its name.",
        default=(),
        examples=["https://archive.example.com/debian-security"],
    )

    @property
    def of_archive(self) -> str:
        """The name of the archive that has it."""
        return self.archive or DEBIAN_ARCHIVE

    def mistakes(self) -> Iterator[Mistake]:
        if self.archive and self.baseurl:
            yield Mistake(
                ("archive",),
                "distro.archive-twice",
                f"both `archive` and `baseurl` say where {self.name} is",
                "remove one of the two",
                reads=(("baseurl",),),
            )
        if not self.components:
            yield Mistake(
                ("components",),
                "distro.no-component",
                f"no component of {self.name} is named",
                "name one, such as `main`",
            )


class Archive(Model):
    """The suites that packages are taken from; the newest version of all wins. A suite is taken
    only with a good signature by one of the keys that `signedBy` names.
    """

    suites: tuple[ArchiveSuite, ...] = field(
        "The suites; at least one. Between equal versions the first wins.", schema={"minItems": 1}
    )
    signed_by: Fingerprints = field(
        "Fingerprints of the keys that may sign the suites.",
        examples=[["04B54C3CDCA79751B16BC6B5225629DF75B188BD"]],
    )
    keys: Names = field(
        "Files with these keys, relative to the file. Two keys of the Debian archive come with "
        "Dockyard and need no file: those of Debian 13.",
        default=(),
        examples=["keys/example-archive-keyring.asc"],
    )
    base: Literal["essential", "required", "important", "standard"] = field(
        "What every image has beside the packages that it asks for: the essential ones, and those "
        "of this priority and above. An image leaves out what it names in `os.packages.remove`.",
        default="required",
        examples=["essential"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if not self.suites:
            yield Mistake(
                ("suites",),
                "distro.no-suite",
                "no suite is named",
                "name one, such as `- name: trixie`",
            )
        named = [(each.name, part) for each in self.suites for part in each.components]
        for suite, part in sorted({each for each in named if named.count(each) > 1}):
            yield Mistake(
                ("suites",),
                "distro.declared-twice",
                f"the component {part} of the suite {suite} is declared twice",
                "remove one of the two",
            )
        if not self.signed_by:
            yield Mistake(
                ("signedBy",),
                "distro.unsigned",
                "no key is named that may sign the suites",
                "add the fingerprints of the archive's keys; `gpg --show-keys FILE` prints them",
            )
