"""What a distribution is: its repositories, or the components that it is made of.

A distribution lies in a directory. `distro.yaml` is a `Distro`; every file that its `components`
list names is a `ComponentsFile`, every file of `packages` a `Package` (of our own), and the file
`scriptlets` a `ScriptletsFile`. All keys are camelCase, unknown keys are refused, file modes are
octal strings ("0644"), paths in the system are absolute, and every path to a file of the
distribution (`source:`, `components:`, …) is relative to the directory of distro.yaml.

Two kinds of distribution exist, and a file names one of them: a *binary* one lists `repositories`;
one of *components* lists `upstream`, `components` and `packages`, and `dockyard distro build` makes
its repository.

Relations (`requires`, `provides`, …) are RPM's: `name`, `name >= 1:2.0-3`, `(a or b)`. A version
without a release means release 0 for packages made of Debian's versions without a revision.

No component needs to name a version. In every text of a component but the `content` of a file,
`{version}` stands for the imported package's upstream version (as RPM has it: no epoch, no
release), and the placeholder of `import` for what the lock chose:

    kernel:
      follows: linux-image-cloud-amd64
      import: linux-image-{abi}
      rename: kernel
      move: {"/boot/vmlinuz-{abi}": "/usr/lib/modules/{abi}/vmlinuz"}
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic.alias_generators import to_camel

from dockyard.model.architecture import Architecture

VERSION = "version"
"""The placeholder that every component has."""
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""A placeholder in a text of a component."""

_CLAUSE = re.compile(r"cap_[a-z_]+(,cap_[a-z_]+)*[=+][eip]+")


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


def _mode(value: object) -> object:
    # A bare 0644 in YAML would be a number in some base or other: only text says what is meant.
    if not isinstance(value, str) or not 3 <= len(value) <= 4 or set(value) - set("01234567"):
        raise ValueError('a mode is an octal string of three or four digits, such as "0644"')
    return int(value, 8)


def _absolute(value: str) -> str:
    if not value.startswith("/") or (value != "/" and value.endswith("/")):
        raise ValueError("a path in the system starts with / and does not end with one")
    if any(part in (".", "..") for part in value.split("/")) or "//" in value:
        raise ValueError("a path in the system has no empty part and no . or ..")
    return value


def _relative(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("a file of the distribution lies below the directory of distro.yaml")
    return value


def _capabilities(value: str) -> str:
    if value and not all(_CLAUSE.fullmatch(clause) for clause in value.split()):
        raise ValueError("capabilities read as cap_net_raw=ep or cap_net_admin,cap_net_raw+ep")
    return value


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


Capabilities = Annotated[str, AfterValidator(_capabilities)]
_ModeText = Annotated[str, Field(pattern=r"^[0-7]{3,4}$")]
Mode = Annotated[
    int, Field(ge=0, le=0o7777), BeforeValidator(_mode, json_schema_input_type=_ModeText)
]
SystemPath = Annotated[str, AfterValidator(_absolute)]
OwnFile = Annotated[str, AfterValidator(_relative)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")]
Names = Annotated[
    tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...])
]


class Repository(_Frozen):
    """An RPM repository with its keys (dnf.conf(5) has the meaning of most keys).

    id: short name, in locks and messages. name: for people. baseurl: addresses, or directories
    relative to the file. metalink, mirrorlist: address of a list of mirrors, in place of baseurl.
    gpgkey: files or addresses of keys. gpgcheck: verify packages. repoGpgcheck: verify metadata.
    priority: lower numbers are preferred. cost: lower numbers are asked first. excludes, includes:
    globs of package names that are left out, or that alone are taken.
    pin: what a lock holds per package: `digest`, that of the file; `content`, the digest of
    header and payload, for repositories that sign anew (ours are signed by whoever builds them).
    """

    id: Name
    name: str = ""
    baseurl: Names = ()
    metalink: str | None = None
    mirrorlist: str | None = None
    gpgkey: Names = ()
    gpgcheck: bool = True
    repo_gpgcheck: bool = False
    priority: int = Field(default=99, ge=1)
    cost: int = Field(default=1000, ge=0)
    enabled: bool = True
    excludes: Names = ()
    includes: Names = ()
    pin: Literal["content", "digest"] = "digest"

    @model_validator(mode="after")
    def _has_a_source(self) -> Repository:
        if not (self.baseurl or self.metalink or self.mirrorlist):
            raise ValueError("a repository needs a baseurl, a metalink or a mirrorlist")
        return self


class DebianSuite(_Frozen):
    """A suite of the Debian archive, such as trixie, and the archive areas taken from it."""

    name: str
    components: tuple[str, ...] = ("main",)


class DebianUpstream(_Frozen):
    """The Debian suites that components are imported from; the newest version of all wins."""

    suites: tuple[DebianSuite, ...] = Field(min_length=1)


class Upstream(_Frozen):
    """Where imported components come from. No mirror is named: the host or the user gives it."""

    debian: DebianUpstream


class Attribute(_Frozen):
    """Mode, owner, group or capabilities of a path in the payload, where the upstream package sets
    them in a script.

    path: an absolute path, or a glob (`*` does not cross a `/`); it must match something.
    capabilities: text form of cap_from_text(3), such as `cap_net_raw=ep`; "" removes.
    """

    path: SystemPath
    mode: Mode | None = None
    owner: str | None = None
    group: str | None = None
    capabilities: Capabilities | None = None


class Directory(_Frozen):
    """A directory that the package makes or owns. ghost: owned, but not made."""

    path: SystemPath
    mode: Mode = 0o755
    owner: str = "root"
    group: str = "root"
    ghost: bool = False


class File(_Frozen):
    """A file put into the package, with exactly one of `source`, `from` and `content`.

    path: where it goes. source: a file of the distribution. from: a path in the imported package
    (it stays there too; drop it with `drop`). content: the text itself.
    config: `noreplace` keeps a changed file on upgrade, true replaces it (the old is saved as
    .rpmsave), false (default): not a configuration file.
    replace: the path is in the imported package and is meant to be replaced.
    ghost: listed with its attributes, but not in the payload (then no content is needed).
    """

    path: SystemPath
    source: OwnFile | None = None
    from_: str | None = Field(default=None, alias="from")
    content: str | None = None
    mode: Mode = 0o644
    owner: str = "root"
    group: str = "root"
    config: bool | Literal["noreplace"] = False
    doc: bool = False
    ghost: bool = False
    replace: bool = False

    @model_validator(mode="after")
    def _one_content(self) -> File:
        given = [text for text in (self.source, self.from_, self.content) if text is not None]
        if len(given) != (0 if self.ghost else 1):
            raise ValueError("a file needs exactly one of source, from and content (a ghost: none)")
        return self


Aspect = Literal["size", "mtime", "digest", "mode", "owner", "group", "link", "caps", "rdev"]


class _Relations(_Frozen):
    """Relations that a package declares (for a component: in addition to the imported ones).

    requiresPre, requiresPost: needed, in place and configured, before the package is unpacked, or
    before its `post` scriptlet runs: these order the transaction.
    """

    requires: tuple[str, ...] = ()
    requires_pre: tuple[str, ...] = ()
    requires_post: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()
    supplements: tuple[str, ...] = ()
    enhances: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()


class _Payload(_Relations):
    """What a declaration adds to a payload or says about it.

    files, directories, attributes: as below.
    links: path → text of a symbolic link (relative texts stay relative).
    ghost: paths owned but not in the payload (files; for directories see `Directory.ghost`).
    config: paths of the payload that are configuration (noreplace).
    verifyNot: path or glob → what `rpm -V` must not compare.
    scriptlets: names out of the scriptlets file.
    """

    files: tuple[File, ...] = ()
    directories: tuple[Directory, ...] = ()
    links: dict[SystemPath, str] = Field(default_factory=dict)
    attributes: tuple[Attribute, ...] = ()
    ghost: tuple[SystemPath, ...] = ()
    config: tuple[SystemPath, ...] = ()
    verify_not: dict[SystemPath, tuple[Aspect, ...]] = Field(default_factory=dict)
    scriptlets: tuple[str, ...] = ()


class Component(_Payload):
    """One component: a binary package of the upstream distribution, made into an RPM.

    import: the upstream package; default: the component's own name. A list makes one RPM per
    package under the same declaration; then nothing that adds a path is allowed (files,
    directories, links, ghost) nor `rename`, and attributes, drop, config and verifyNot may match
    in any one of them. Where the name carries a version (`linux-image-{abi}`), a placeholder of any
    name stands for it: for a text that begins with a digit. The lock then chooses the newest
    package of such a name; `rename` is needed.
    follows: a meta package, which says what is current: with it, the lock chooses the one of its
    dependencies that fits `import`.
    rename: the RPM's name, where it differs from the upstream package's.
    revision: of the declaration; raise it when that changes the package and upstream's version
    stays, for dnf compares versions. 2 makes `1.2-3^2` of `1.2-3`, older than all of upstream's
    later ones.
    drop: globs of paths left out (a directory goes with all below it); each must match something.
    move: path → new path, for a file or a whole directory; done before everything else but drop.
    dropRequires, dropProvides, dropConflicts: names (as Debian has them) of relations left out;
    for a relation with alternatives, the name of any alternative leaves out only that alternative.
    keepConflicts: versioned Conflicts and Breaks are left out unless their name is here.
    license: an SPDX expression, where the imported copyright file does not give one.
    doWithout: users, groups and paths (globs) that the upstream package's own scripts, which are
    left out, would make or give to somebody, and that the distribution knowingly does without.
    """

    import_: Names = Field(default=(), alias="import")
    follows: str | None = None
    rename: Name | None = None
    revision: int = Field(default=0, ge=0)
    drop: tuple[SystemPath, ...] = ()
    move: dict[SystemPath, SystemPath] = Field(default_factory=dict)
    drop_requires: tuple[str, ...] = ()
    drop_provides: tuple[str, ...] = ()
    drop_conflicts: tuple[str, ...] = ()
    keep_conflicts: tuple[str, ...] = ()
    license: str | None = None
    summary: str | None = None
    # No part of what is made: it only says what a build need not warn of.
    do_without: tuple[str, ...] = Field(default=(), exclude=True)

    @model_validator(mode="after")
    def _list_adds_nothing(self) -> Component:
        if len(self.import_) > 1 and (
            self.files or self.directories or self.links or self.ghost or self.rename or self.move
        ):
            raise ValueError(
                "a component that imports several packages cannot add, move or rename anything"
            )
        return self

    @model_validator(mode="after")
    def _one_placeholder(self) -> Component:
        found = [name for text in self.import_ for name in PLACEHOLDER.findall(text)]
        if not found:
            if self.follows is not None:
                raise ValueError(
                    "`follows` needs an `import` with a placeholder, such as linux-image-{abi}"
                )
            return self
        if len(found) > 1 or len(self.import_) > 1:
            raise ValueError(
                "an import with a placeholder is the only one, and has one placeholder"
            )
        if VERSION in found:
            raise ValueError("{version} is the package's version: name the placeholder otherwise")
        if self.rename is None:
            raise ValueError(
                "an import with a placeholder needs `rename`: a name without a version"
            )
        return self


class ComponentsFile(_Frozen):
    """A file of components: name → declaration; a name alone (`bash:`) declares a plain import."""

    components: dict[Name, Component]

    @model_validator(mode="before")
    @classmethod
    def _empty_is_plain(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("components"), dict):
            plain = {name: item or {} for name, item in value["components"].items()}
            return {**value, "components": plain}
        return value


class Package(_Payload):
    """A package of our own, made of declared files: one file under packages/ each.

    version, release: RPM's; the architecture is noarch unless `architecture` is given.
    users: lines of sysusers.d(5), written to /usr/lib/sysusers.d/NAME.conf and announced as
    `user(NAME)` and `group(NAME)` so that rpm makes them before it unpacks files of theirs.
    A package that has /etc/passwd or /etc/group announces every name in them by itself.
    """

    name: Name
    version: str = Field(pattern=r"^[A-Za-z0-9._+~^]+$")
    release: str = Field(default="1", pattern=r"^[A-Za-z0-9._+~^]+$")
    epoch: int | None = None
    architecture: str = "noarch"
    summary: str
    description: str = ""
    license: str
    url: str = ""
    users: tuple[str, ...] = ()


class ScriptletEvent(StrEnum):
    """When a scriptlet runs (rpm-scriptlets(7))."""

    PRE = "pre"
    POST = "post"
    PREUN = "preun"
    POSTUN = "postun"
    PRETRANS = "pretrans"
    POSTTRANS = "posttrans"
    FILE_TRIGGER_IN = "fileTriggerIn"
    FILE_TRIGGER_UN = "fileTriggerUn"
    FILE_TRIGGER_POSTUN = "fileTriggerPostun"
    TRANSACTION_FILE_TRIGGER_IN = "transactionFileTriggerIn"
    TRANSACTION_FILE_TRIGGER_UN = "transactionFileTriggerUn"
    TRANSACTION_FILE_TRIGGER_POSTUN = "transactionFileTriggerPostun"

    @property
    def is_trigger(self) -> bool:
        return "rigger" in self.value


class Scriptlet(_Frozen):
    """One scriptlet or file trigger.

    on: when it runs. interpreter: the program with arguments that gets `script` on its standard
    input's place (a file); without `script` the program runs alone. paths: prefixes, for triggers.
    A package may name several scriptlets of one event if all are of /bin/sh: they run in turn.
    """

    on: ScriptletEvent
    interpreter: Names = ("/bin/sh",)
    script: str = ""
    paths: tuple[SystemPath, ...] = ()
    priority: int = Field(default=1_000_000, ge=0)

    @model_validator(mode="after")
    def _paths_for_triggers(self) -> Scriptlet:
        if self.on.is_trigger != bool(self.paths):
            raise ValueError("a file trigger needs paths, and a scriptlet has none")
        if not self.script and self.interpreter == ("/bin/sh",):
            raise ValueError("a scriptlet of /bin/sh needs a script")
        return self


class ScriptletsFile(_Frozen):
    """The one file in which a distribution's scriptlets and file triggers stand: name → scriptlet.

    Packages name them under `scriptlets`; no other code runs at installation.
    """

    scriptlets: dict[Name, Scriptlet]


class TrustedKey(_Frozen):
    """Where images have the public key by which their packages are signed.

    `dockyard distro build` signs with a key of whoever runs it, so no package can carry it: the
    image gets it when it is built, unless the image file puts a file of its own there.
    package: images without it get no key; it should own the path as a ghost. path: of the key.
    """

    package: Name
    path: SystemPath


class Distro(_Frozen):
    """What the packages of a distribution are, or where they lie.

    name: of the distribution, in lower case. version: of the release, text. title: for people.
    repositories: of a binary distribution. components, packages, scriptlets: files of a
    distribution that is built. upstream: where its components come from.
    epoch: seconds since 1970 (SOURCE_DATE_EPOCH) that clamp every time in what is built. default:
    of a binary distribution, the newest time of its repositories' metadata, which the lock records.
    vendor: default: the title. drop: globs left out of every imported package (they need not
    match): documentation, translations and the like. keep: globs that `drop` does not touch.
    dropRequires: names that no imported package requires, whatever upstream says.
    trustedKey: where images have the key that signs what is built.
    documentReader: a package such as man-db; images without it get nothing that packages mark as
    documentation. Default: every image gets it.
    """

    name: Name
    version: str
    title: str = ""
    vendor: str = ""
    url: str = ""
    architecture: Architecture = Architecture.X86_64
    epoch: int | None = Field(default=None, ge=0)
    repositories: tuple[Repository, ...] = ()
    upstream: Upstream | None = None
    components: tuple[OwnFile, ...] = ()
    packages: tuple[OwnFile, ...] = ()
    scriptlets: OwnFile | None = None
    drop: tuple[SystemPath, ...] = ()
    keep: tuple[SystemPath, ...] = ()
    drop_requires: tuple[str, ...] = ()
    trusted_key: TrustedKey | None = None
    document_reader: Name | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Distro:
        made = bool(self.components or self.packages)
        if made == bool(self.repositories):
            raise ValueError("a distribution has either repositories or components and packages")
        if self.components and self.upstream is None:
            raise ValueError("a distribution of components needs an upstream")
        if made and self.epoch is None:
            raise ValueError("a distribution of components needs an epoch")
        if self.trusted_key and not made:
            raise ValueError(
                "`trustedKey` is for a distribution of components: others have packages"
            )
        return self
