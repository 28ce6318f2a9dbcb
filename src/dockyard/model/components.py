"""What a distribution is made of: components (imported packages) and packages of its own."""

import re
from collections.abc import Iterator
from typing import Literal

from dockyard.model.architecture import Architecture
from dockyard.model.base import Mistake, Model
from dockyard.model.distro_values import (
    Capabilities,
    Mode,
    Name,
    Names,
    Natural,
    OwnFile,
    SystemPath,
    VersionText,
)
from dockyard.model.fields import field

VERSION = "version"
"""The placeholder that every component has."""
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""A placeholder in a text of a component."""

Aspect = Literal["size", "mtime", "digest", "mode", "owner", "group", "link", "caps", "rdev"]


class Attribute(Model):
    """Mode, owner, group or capabilities of a path in the payload, where the upstream package sets
    them in a script.
    """

    path: SystemPath = field(
        "An absolute path, or a glob (`*` does not cross a `/`); it must match something.",
        examples=["/usr/bin/crontab"],
    )
    mode: Mode | None = field("Permission bits.", default=None, examples=["2755"])
    owner: str | None = field("User who owns it.", default=None, examples=["daemon"])
    group: str | None = field("Group that owns it.", default=None, examples=["crontab"])
    capabilities: Capabilities | None = field(
        'Capabilities in the text form of cap_from_text(3); "" removes them.',
        default=None,
        examples=["cap_net_raw=ep"],
    )


class Directory(Model):
    """A directory that the package makes or owns."""

    path: SystemPath = field("Where it is.", examples=["/var/lib/example"])
    mode: Mode = field("Permission bits.", default=0o755, examples=["0750"])
    owner: str = field("User who owns it.", default="root", examples=["daemon"])
    group: str = field("Group that owns it.", default="root", examples=["adm"])
    ghost: bool = field("It is owned, but not made.", default=False, examples=[True])
    architectures: tuple[Architecture, ...] = field(
        "Only in packages for these; default: for all.", default=(), examples=[["x86_64"]]
    )


class File(Model):
    """A file put into the package, with exactly one of `source`, `from` and `content`."""

    path: SystemPath = field("Where it goes.", examples=["/etc/example.conf"])
    source: OwnFile | None = field(
        "A file of the distribution.", default=None, examples=["files/example.conf"]
    )
    from_: str | None = field(
        "A path in the imported package (it stays there too; drop it with `drop`).",
        default=None,
        examples=["/usr/share/example/default.conf"],
        written="from",
    )
    content: str | None = field("The text itself.", default=None, examples=["colour = blue\n"])
    mode: Mode = field("Permission bits.", default=0o644, examples=["0600"])
    owner: str = field("User who owns it.", default="root", examples=["daemon"])
    group: str = field("Group that owns it.", default="root", examples=["adm"])
    config: bool | Literal["noreplace"] = field(
        "Whether it is a configuration file: `noreplace` keeps a changed file on upgrade, `true` "
        "replaces it (the old one is saved as .rpmsave).",
        default=False,
        examples=["noreplace"],
    )
    doc: bool = field("It is documentation.", default=False, examples=[True])
    ghost: bool = field(
        "It is listed with its attributes, but not in the payload (then no content is needed).",
        default=False,
        examples=[True],
    )
    replace: bool = field(
        "The path is in the imported package and is meant to be replaced.",
        default=False,
        examples=[True],
    )

    def mistakes(self) -> Iterator[Mistake]:
        given = [text for text in (self.source, self.from_, self.content) if text is not None]
        if len(given) != (0 if self.ghost else 1):
            yield Mistake(
                (),
                "distro.file-content",
                f"the file {self.path} needs exactly one of `source`, `from` and `content`"
                if not self.ghost
                else f"the ghost {self.path} has content",
                "keep one of them" if not self.ghost else "remove `source`, `from` and `content`",
                "a ghost is not in the payload" if self.ghost else "",
            )


class Relations(Model):
    """Relations that a package declares (for a component: in addition to the imported ones)."""

    requires: tuple[str, ...] = field(
        "What it needs to work.", default=(), examples=[["harbor-release"]]
    )
    requires_pre: tuple[str, ...] = field(
        "What must be there, in place and configured, before the package is unpacked; this orders "
        "the transaction.",
        default=(),
        examples=[["filesystem", "setup"]],
    )
    requires_post: tuple[str, ...] = field(
        "What must be there, in place and configured, before its `post` scriptlet runs; this "
        "orders the transaction.",
        default=(),
        examples=[["coreutils"]],
    )
    recommends: tuple[str, ...] = field(
        "What is installed with it unless it is excluded.", default=(), examples=[["less"]]
    )
    suggests: tuple[str, ...] = field(
        "What goes well with it; nothing is installed for it.", default=(), examples=[["vim"]]
    )
    supplements: tuple[str, ...] = field(
        "What it is installed with unless it is excluded.", default=(), examples=[["firefox"]]
    )
    enhances: tuple[str, ...] = field(
        "What it goes well with; it is not installed for it.", default=(), examples=[["git"]]
    )
    provides: tuple[str, ...] = field(
        "Further names by which it is found.", default=(), examples=[["/bin/sh"]]
    )
    conflicts: tuple[str, ...] = field(
        "What cannot be installed beside it.", default=(), examples=[["syslogd < 2.0"]]
    )
    obsoletes: tuple[str, ...] = field(
        "What it takes the place of on upgrade.", default=(), examples=[["old-name < 3.0"]]
    )


class Payload(Relations):
    """What a declaration adds to a payload or says about it."""

    files: tuple[File, ...] = field("Files to add or replace.", default=())
    directories: tuple[Directory, ...] = field("Directories to make or own.", default=())
    links: dict[SystemPath, str] = field(
        "Symbolic links: path → text of the link (relative texts stay relative).",
        default_factory=dict,
        examples=[{"/usr/bin/awk": "gawk"}],
    )
    attributes: tuple[Attribute, ...] = field("Attributes of paths in the payload.", default=())
    ghost: tuple[SystemPath, ...] = field(
        "Paths owned but not in the payload (files; for directories see `ghost` of a directory).",
        default=(),
        examples=[["/var/log/example.log"]],
    )
    config: tuple[SystemPath, ...] = field(
        "Paths of the payload that are configuration (`noreplace`).",
        default=(),
        examples=[["/etc/example.conf"]],
    )
    verify_not: dict[SystemPath, tuple[Aspect, ...]] = field(
        "Path or glob → what `rpm -V` must not compare.",
        default_factory=dict,
        examples=[{"/var/log/journal": ["mode"]}],
    )
    scriptlets: tuple[str, ...] = field(
        "Names out of the file of scriptlets.", default=(), examples=[["ldconfig"]]
    )
    architectures: tuple[Architecture, ...] = field(
        "Only for these, where the distribution is for several; default: for all.",
        default=(),
        examples=[["x86_64"]],
    )


class Component(Payload):
    """One component: a binary package of the upstream distribution, made into an RPM."""

    import_: Names = field(
        "The upstream package. Default: the component's own name. A list makes one RPM per package "
        "under the same declaration; then nothing that adds a path is allowed (`files`, "
        "`directories`, `links`, `ghost`) nor `rename`, and `attributes`, `drop`, `config` and "
        "`verifyNot` may match in any one of them. Where the name carries a version "
        "(`linux-image-{abi}`), a placeholder of any name stands for it: for a text that begins "
        "with a digit. The lock then chooses the newest package of such a name; `rename` is "
        "needed.",
        default=(),
        examples=["linux-image-{abi}"],
        written="import",
    )
    follows: str | None = field(
        "A meta package, which says what is current: with it, the lock chooses the one of its "
        "dependencies that fits `import`.",
        default=None,
        examples=["linux-image-cloud-amd64"],
    )
    suite: str | None = field(
        "The suite that it is taken from, one that `upstream` declares. Default: the newest of all "
        "suites without `onlyNamed`.",
        default=None,
        examples=["testing"],
    )
    rename: Name | None = field(
        "The RPM's name, where it differs from the upstream package's.",
        default=None,
        examples=["kernel"],
    )
    revision: Natural = field(
        "Revision of the declaration; raise it when that changes the package and upstream's "
        "version stays, for dnf compares versions. 2 makes `1.2-3^2` of `1.2-3`, older than all of "
        "upstream's later ones.",
        default=0,
        examples=[2],
    )
    drop: tuple[SystemPath, ...] = field(
        "Globs of paths left out (a directory goes with all below it); each must match something.",
        default=(),
        examples=[["/usr/share/lintian"]],
    )
    move: dict[SystemPath, SystemPath] = field(
        "Path → new path, for a file or a whole directory; done before everything else but `drop`.",
        default_factory=dict,
        examples=[{"/boot/vmlinuz-{abi}": "/usr/lib/modules/{abi}/vmlinuz"}],
    )
    drop_requires: tuple[str, ...] = field(
        "Names (as Debian has them) of required packages left out; for a relation with "
        "alternatives, the name of any alternative leaves out only that alternative.",
        default=(),
        examples=[["sensible-utils"]],
    )
    drop_provides: tuple[str, ...] = field(
        "Names (as Debian has them) left out of what it provides.",
        default=(),
        examples=[["mail-transport-agent"]],
    )
    drop_conflicts: tuple[str, ...] = field(
        "Names (as Debian has them) of conflicts left out.", default=(), examples=[["rsyslog"]]
    )
    keep_conflicts: tuple[str, ...] = field(
        "Versioned Conflicts and Breaks are left out unless their name is here.",
        default=(),
        examples=[["libc6"]],
    )
    license: str | None = field(
        "An SPDX expression, where the imported copyright file does not give one.",
        default=None,
        examples=["GPL-2.0-or-later"],
    )
    summary: str | None = field(
        "One line for people. Default: upstream's.", default=None, examples=["The Linux kernel"]
    )
    do_without: tuple[str, ...] = field(
        "Users, groups and paths (globs) that the upstream package's own scripts, which are left "
        "out, would make or give to somebody, and that the distribution knowingly does without. "
        "It changes nothing of what is made, only what a build warns of.",
        default=(),
        examples=[["/var/mail"]],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if len(self.import_) > 1:
            yield from self._several()
        found = [name for text in self.import_ for name in PLACEHOLDER.findall(text)]
        if found:
            yield from self._placeholders(found)
        elif self.follows is not None:
            yield Mistake(
                ("follows",),
                "distro.placeholder",
                "`follows` needs an `import` with a placeholder, such as linux-image-{abi}",
                "write a placeholder for the part of the name that changes, or remove `follows`",
                reads=(("import",),),
            )

    def _several(self) -> Iterator[Mistake]:
        for key, value in (
            ("files", self.files),
            ("directories", self.directories),
            ("links", self.links),
            ("ghost", self.ghost),
            ("rename", self.rename),
            ("move", self.move),
        ):
            if value:
                yield Mistake(
                    (key,),
                    "distro.several-packages",
                    "a component that imports several packages cannot add, move or rename anything",
                    f"declare the package that `{key}` is for by itself",
                    reads=(("import",), (key,)),
                )

    def _placeholders(self, found: list[str]) -> Iterator[Mistake]:
        reads = (("import",), ("rename",))
        if len(found) > 1 or len(self.import_) > 1:
            yield Mistake(
                ("import",),
                "distro.placeholder",
                "an import with a placeholder is the only one, and has one placeholder",
                "make a component of each",
                reads=reads,
            )
        elif VERSION in found:
            yield Mistake(
                ("import",),
                "distro.placeholder",
                "{version} is the package's version",
                "give the placeholder another name, such as {abi}",
                reads=reads,
            )
        elif self.rename is None:
            yield Mistake(
                ("import",),
                "distro.placeholder",
                "an import with a placeholder needs `rename`",
                "add `rename`, a name without a version",
                reads=reads,
            )


class ComponentsFile(Model):
    """A file of components: name → declaration; a name alone (`bash:`) declares a plain import."""

    components: dict[Name, Component] = field(
        "The components, by name.", examples=[{"bash": {"provides": ["/bin/bash"]}}]
    )


_ARCHITECTURES = ("noarch", *(each.value for each in Architecture))


class Package(Payload):
    """A package of our own, made of declared files: one file under packages/ each."""

    name: Name = field("Name of the package.", examples=["harbor-release"])
    version: VersionText = field("Version, as RPM has it.", examples=["1.0"])
    release: VersionText = field("Release, as RPM has it.", default="1", examples=["2"])
    epoch: int | None = field(
        "Epoch, as RPM has it, where version numbers started over.", default=None, examples=[1]
    )
    architecture: str = field(
        "Processor that it is for: `x86_64`, `aarch64`, or `noarch` for any.",
        default="noarch",
        examples=["x86_64"],
        schema={"enum": [*_ARCHITECTURES]},
    )
    summary: str = field("One line for people.", examples=["Release files of Harbor Linux"])
    description: str = field(
        "What it is, in sentences. Default: the summary.",
        default="",
        examples=["Says which release of Harbor Linux a system is."],
    )
    license: str = field("An SPDX expression.", examples=["MIT"])
    url: str = field("Where to learn more.", default="", examples=["https://example.com/linux"])
    users: tuple[str, ...] = field(
        "Lines of sysusers.d(5), written to /usr/lib/sysusers.d/NAME.conf and announced as "
        "`user(NAME)` and `group(NAME)` so that rpm makes them before it unpacks files of theirs. "
        "A package that has /etc/passwd or /etc/group announces every name in them by itself.",
        default=(),
        examples=[['u sshd 77 "sshd" /run/sshd']],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.architecture not in _ARCHITECTURES:
            yield Mistake(
                ("architecture",),
                "distro.architecture",
                f"{self.architecture} is no architecture that packages are made for",
                f"write one of {', '.join(_ARCHITECTURES)}",
            )
