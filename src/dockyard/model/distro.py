"""What a distribution is: its repositories, or the components that it is made of.

A distribution is a directory. `distro.yaml` is a `Distro`; every file that its `components`
list names is a `ComponentsFile`, every file of `packages` a `Package` (of our own), and the file
`scriptlets` a `ScriptletsFile`. All keys are camelCase, unknown keys are refused, file modes are
octal strings ("0644"), paths in the system are absolute, and every path to a file of the
distribution (`source:`, `components:`, …) is relative to the directory of distro.yaml.

Two kinds of distribution exist, and a file names one of them: a *binary* one lists `repositories`
of RPM packages or has the `archive` of Debian packages; one of *components* lists `upstream`,
`components` and `packages`, and `dockyard distro build` makes its repository.

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

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from dockyard.model.architecture import Architecture
from dockyard.model.base import Mistake, Model
from dockyard.model.debian_archive import Archive
from dockyard.model.distro_values import (
    Fingerprints,
    Name,
    Names,
    Natural,
    OwnFile,
    Positive,
    Streams,
    SystemPath,
)
from dockyard.model.family import DEBIAN, FAMILIES, HARBOR, Family, family_named, family_of
from dockyard.model.fields import field
from dockyard.model.packages import PackageKind

_FAMILIES = [each.name for each in FAMILIES]
_GIVEN_BY = {
    "releasever": "version",
    "basearch": "architecture",
    "arch": "architecture",
    "mirror": "mirror",
}
_KINDS = (("repositories",), ("archive",), ("components",), ("packages",))


class Repository(Model):
    """An RPM repository with its keys (dnf.conf(5) has the meaning of most keys)."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "anyOf": [{"required": [key]} for key in ("baseurl", "metalink", "mirrorlist")]
    }

    id: Name = field("Short name, in locks and messages.", examples=["baseos"])
    name: str = field("Name for people.", default="", examples=["AlmaLinux 10 BaseOS"])
    baseurl: Names = field(
        "Addresses, or directories relative to the file. One with `$mirror` counts where there is "
        "no `metalink` or `mirrorlist`, or with `--rpm-mirror`, which then is all that counts.",
        default=(),
        examples=["https://repository.example.com/10/BaseOS/x86_64/os/"],
    )
    metalink: str | None = field(
        "Address of a metalink, which lists mirrors, in place of `baseurl`.",
        default=None,
        examples=["https://mirrors.example.com/metalink?repo=baseos-10&arch=x86_64"],
    )
    mirrorlist: str | None = field(
        "Address of a list of mirrors, in place of `baseurl`.",
        default=None,
        examples=["https://mirrors.example.com/mirrorlist/10/baseos"],
    )
    gpgkey: Names = field(
        "Files or addresses of keys.", default=(), examples=["keys/RPM-GPG-KEY-example"]
    )
    signed_by: Fingerprints = field(
        "Fingerprints of the keys that may sign it. All of them must be among the keys that "
        "`gpgkey` or `--rpm-key` gives, and no other counts, whatever these files hold. Default: "
        "every key of `gpgkey` counts.",
        default=(),
        examples=[["BF18AC2876178908D6E71267D36CB86CB86B3716"]],
    )
    gpgcheck: bool = field("Verify packages.", default=True, examples=[False])
    repo_gpgcheck: bool = field("Verify metadata.", default=False, examples=[True])
    priority: Positive = field("Lower numbers are preferred.", default=99, examples=[10])
    cost: Natural = field("Lower numbers are asked first.", default=1000, examples=[500])
    module_hotfixes: bool = field(
        "Whether its packages may be chosen though a stream of a module has others of the same "
        "name.",
        default=False,
        examples=[True],
    )
    enabled: bool = field(
        "Whether packages are taken from the repository.", default=True, examples=[False]
    )
    excludes: Names = field(
        "Globs of package names that are left out.", default=(), examples=[["kernel-debug*"]]
    )
    includes: Names = field(
        "Globs of the only package names that are taken.", default=(), examples=[["nginx*"]]
    )
    pin: Literal["content", "digest"] = field(
        "What a lock holds per package: `digest`, that of the file; `content`, the digest of "
        "header and payload, for repositories that are signed again (ours are signed by whoever "
        "builds them).",
        default="digest",
        examples=["content"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if not (self.baseurl or self.metalink or self.mirrorlist):
            yield Mistake(
                (),
                "distro.no-source",
                f"the repository {self.id} has no address",
                "add `baseurl`, `metalink` or `mirrorlist`",
                reads=(("baseurl",), ("metalink",), ("mirrorlist",)),
            )
        if self.signed_by and not (self.gpgcheck or self.repo_gpgcheck):
            yield Mistake(
                ("signedBy",),
                "distro.unchecked",
                f"the keys of the repository {self.id} sign what nobody verifies",
                "remove `gpgcheck: false`, or say `repoGpgcheck: true`, or remove `signedBy`",
                reads=(("gpgcheck",), ("repoGpgcheck",)),
            )


class DebianSuite(Model):
    """A suite of the Debian archive, and the archive areas taken from it."""

    name: str = field("Name of the suite.", examples=["trixie"])
    components: tuple[str, ...] = field(
        "Archive areas.", default=("main",), examples=[["main", "non-free-firmware"]]
    )
    only_named: bool = field(
        "Take from it only the components that name it with `suite`.",
        default=False,
        examples=[True],
    )


class DebianUpstream(Model):
    """The Debian suites that components are imported from; the newest version of all wins, but of
    those that are taken from only by name.
    """

    suites: tuple[DebianSuite, ...] = field("The suites; at least one.", schema={"minItems": 1})

    def mistakes(self) -> Iterator[Mistake]:
        if not self.suites:
            yield Mistake(
                ("suites",),
                "distro.no-suite",
                "no suite is named",
                "name one, such as `- name: trixie`",
            )


class Upstream(Model):
    """Where imported components come from. No mirror is named: the host or the user gives it."""

    debian: DebianUpstream = field("Suites of the Debian archive.")


class TrustedKey(Model):
    """Where images have the public key by which their packages are signed.

    `dockyard distro build` signs with a key of whoever runs it, so no package can carry it: the
    image gets it when it is built, unless the image file puts a file of its own there.
    """

    package: Name = field(
        "Images without this package get no key; it should own the path as a ghost.",
        examples=["harbor-repos"],
    )
    path: SystemPath = field(
        "Path of the key in the image.", examples=["/etc/pki/rpm-gpg/RPM-GPG-KEY-harbor"]
    )


class Distro(Model):
    """What the packages of a distribution are, or where they come from."""

    name: Name = field("Name of the distribution, in lower case.", examples=["harbor"])
    version: str = field("Version of the release, a text.", examples=["1"])
    title: str = field("Name for people. Default: `name`.", default="", examples=["Harbor Linux"])
    vendor: str = field(
        "Vendor of the packages. Default: the title.", default="", examples=["Example Ltd"]
    )
    architecture: Architecture = field(
        "Processor that its packages are for.",
        default=Architecture.X86_64,
        examples=["aarch64"],
    )
    architectures: tuple[Architecture, ...] = field(
        "Processors that it is for, in place of `architecture`, where there are several: packages "
        "and a lock for each. The first is meant where an image file or a command names none.",
        default=(),
        examples=[["x86_64", "aarch64"]],
    )
    family: str | None = field(
        "Family of distributions that it belongs to: it says where a system keeps its database of "
        "packages, and the like. Default: the one whose systems have `name` and `version` as `ID` "
        "and `VERSION_ID` in os-release(5), else `harbor`; with an `archive`, `debian`. Known are "
        f"{', '.join(f'`{name}`' for name in _FAMILIES)}.",
        default=None,
        examples=["enterprise-linux-10"],
        schema={"enum": _FAMILIES},
    )
    epoch: Natural | None = field(
        "Seconds since 1970 (SOURCE_DATE_EPOCH) that clamp every time in what is built. Default: "
        "of a binary distribution, the newest time of its repositories' metadata, which the lock "
        "records; one of components must give it.",
        default=None,
        examples=[1767225600],
    )
    repositories: tuple[Repository, ...] = field(
        "Where the packages of a binary distribution are.", default=()
    )
    mirror: str | None = field(
        "What `$mirror` stands for in the addresses of `repositories`, unless `--rpm-mirror` says "
        "another place.",
        default=None,
        examples=["https://repository.example.com/almalinux"],
    )
    variables: dict[str, str] = field(
        "What other `$name` stand for in these addresses, as dnf's variables do. `$releasever` is "
        "`version`, `$basearch` and `$arch` are `architecture`.",
        default_factory=dict,
        examples=[{"stream": "10-stream"}],
    )
    modules: Streams = field(
        "Streams of modules that are enabled, where an image file enables none of the same module; "
        "of others the default ones are.",
        default=(),
        examples=[["nodejs:20"]],
    )
    install_weak_deps: bool = field(
        "Whether packages that others recommend come along.", default=False, examples=[True]
    )
    archive: Archive | None = field(
        "Where the packages of a binary distribution of Debian packages are.", default=None
    )
    upstream: Upstream | None = field("Where components come from.", default=None)
    components: tuple[OwnFile, ...] = field(
        "Files of components, of a distribution that is built.",
        default=(),
        examples=[["components/base.yaml"]],
    )
    packages: tuple[OwnFile, ...] = field(
        "Files of packages of its own, of a distribution that is built.",
        default=(),
        examples=[["packages/filesystem.yaml"]],
    )
    scriptlets: OwnFile | None = field(
        "File of the scriptlets that components and packages name.",
        default=None,
        examples=["scriptlets.yaml"],
    )
    drop: tuple[SystemPath, ...] = field(
        "Globs left out of every imported package (they need not match): documentation, "
        "translations and the like.",
        default=(),
        examples=[["/usr/share/doc"]],
    )
    keep: tuple[SystemPath, ...] = field(
        "Globs that `drop` does not touch.",
        default=(),
        examples=[["/usr/share/doc/*/copyright"]],
    )
    drop_requires: tuple[str, ...] = field(
        "Names that no imported package requires, whatever upstream says.",
        default=(),
        examples=[["debconf"]],
    )
    trusted_key: TrustedKey | None = field(
        "Where images have the key that signs what is built.", default=None
    )
    document_reader: Name | None = field(
        "A package; images without it get nothing that packages mark as documentation. Default: "
        "every image gets it.",
        default=None,
        examples=["man-db"],
    )

    @property
    def every_architecture(self) -> tuple[Architecture, ...]:
        """The architectures that it is for, first the one that is meant where none is named."""
        return self.architectures or (self.architecture,)

    @property
    def published_name(self) -> str:
        """What its repository is called in a store."""
        return self.name + self.of_architecture("-")

    def of_architecture(self, mark: str) -> str:
        """What tells its files for this architecture from those for the first: a mark and its name;
        "" for the first.
        """
        is_first = self.architecture is self.every_architecture[0]
        return "" if is_first else f"{mark}{self.architecture}"

    @property
    def kind(self) -> PackageKind:
        """The format of its packages."""
        return PackageKind.DEB if self.archive else PackageKind.RPM

    @property
    def of_family(self) -> Family:
        """The family that it names, or that its name and version say."""
        found = family_named(self.family) if self.family else family_of(self.name, self.version)
        if found is None or found.packaging.kind is not self.kind:
            return HARBOR if self.kind is PackageKind.RPM else DEBIAN
        return found

    def mistakes(self) -> Iterator[Mistake]:
        known = [each.name for each in FAMILIES if each.packaging.kind is self.kind]
        if self.family is not None and self.family not in known:
            yield Mistake(
                ("family",),
                "distro.family",
                f"the family {self.family} is not known"
                if self.family not in _FAMILIES
                else f"systems of the family {self.family} have no .{self.kind} packages",
                f"name one of {', '.join(known)}, or leave it out",
                reads=(("archive",),),
            )
        yield from self._kinds()
        for name in sorted(_GIVEN_BY.keys() & self.variables.keys()):
            yield Mistake(
                ("variables", name),
                "distro.variable-given",
                f"${name} has its value from elsewhere",
                f"remove it: it comes from `{_GIVEN_BY[name]}`",
            )
        if len(set(self.architectures)) < len(self.architectures):
            yield Mistake(
                ("architectures",),
                "distro.architectures",
                "an architecture is named twice",
                "name each once",
            )
        if self.components and self.upstream is None:
            yield Mistake(
                ("components",),
                "distro.no-upstream",
                "a distribution of components needs an upstream",
                "add `upstream: {debian: {suites: [{name: trixie}]}}`",
                reads=(("upstream",),),
            )
        if self._is_made and self.epoch is None:
            yield Mistake(
                (),
                "distro.no-epoch",
                "a distribution of components needs an epoch",
                "add `epoch`, in seconds since 1970: `date +%s` prints the current time",
                reads=(("epoch",),),
            )
        if self.trusted_key and not self._is_made:
            yield Mistake(
                ("trustedKey",),
                "distro.trusted-key",
                "`trustedKey` is for a distribution of components",
                "remove it: packages of a binary distribution carry its keys",
                reads=_KINDS,
            )
        if self.document_reader and self.archive:
            yield Mistake(
                ("documentReader",),
                "distro.document-reader",
                "`documentReader` is for RPM packages, which mark what is documentation",
                "remove it: Debian packages mark nothing",
                reads=(("archive",),),
            )

    @property
    def _is_made(self) -> bool:
        return bool(self.components or self.packages)

    def _kinds(self) -> Iterator[Mistake]:
        """A mistake where it is not of exactly one kind."""
        there = {
            "`repositories`": bool(self.repositories),
            "an `archive`": self.archive is not None,
            "components and packages": self._is_made,
        }
        named = [kind for kind, given in there.items() if given]
        if len(named) > 1:
            at = "archive" if self.archive else "repositories"
            yield Mistake(
                (at,),
                "distro.kind",
                "a distribution has either repositories or components and packages, or an archive",
                f"keep one of {', '.join(named)}",
                reads=_KINDS,
            )
        elif not named:
            yield Mistake(
                (),
                "distro.kind",
                "a distribution has either repositories or components and packages, or an archive",
                "add `repositories`, an `archive`, or `components` with an `upstream`",
                reads=_KINDS,
            )
