"""Families of distributions: what differs between them, in one table.

A family is the distributions, or the releases of one, that keep these facts in the same places. It
is chosen by what os-release(5) says (`ID`, `VERSION_ID`, `ID_LIKE`, `VARIANT_ID`); a distribution's
`name` and `version` are the first two. Code reads the table and has no branches by distribution.

Sources: `%_dbpath` of each distribution's rpm (Fedora's change RelocateRPMToUsr, which Enterprise
Linux took over with release 10; its release 8 has rpm 4.14), dpkg(1), dnf.conf(5), systemd-boot(7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dockyard.model.architecture import Architecture
from dockyard.model.digits import number_in
from dockyard.model.packages import PackageKind

ESP_MOUNT = "/boot/efi"
"""Where images that we make mount the EFI system partition."""

ARCHITECTURES: Mapping[PackageKind, Mapping[Architecture, str]] = {
    PackageKind.RPM: {each: each.value for each in Architecture},
    PackageKind.DEB: {Architecture.X86_64: "amd64", Architecture.AARCH64: "arm64"},
}
"""What packages of a format call each architecture."""


KERNELS: Mapping[PackageKind, tuple[str, ...]] = {
    PackageKind.RPM: ("kernel",),
    PackageKind.DEB: ("linux-image-{}", "linux-image-cloud-{}"),
}
"""Packages of a format that bring a kernel; `{}` stands for what it calls the architecture."""


def architecture_named(kind: PackageKind, name: str) -> Architecture | None:
    """The architecture that packages of a format call so; None for an unknown name, and for that of
    packages for any architecture.
    """
    names = ARCHITECTURES[kind]
    return next((each for each in names if names[each] == name), None)


@dataclass(frozen=True, slots=True)
class Packaging:
    """How the systems of a family keep their packages. Paths are absolute.

    kind: the format. database: the directory of the database of packages. tool: the program that
    reads and writes it, which is also the name of its package. manager: the program that installs
    from repositories. settings: directories of both's configuration. state: directories in which
    the manager keeps records of its own. lock: a file of the database that means nothing once
    nobody holds it. logs: what both log, and what they leave of no later use, globs in the last
    part. reads: whether the tool reads the database as images get it.
    """

    kind: PackageKind
    database: str
    tool: str
    manager: str
    settings: tuple[str, ...]
    state: tuple[str, ...]
    lock: str
    logs: tuple[str, ...]
    reads: bool = True

    @property
    def written(self) -> tuple[str, ...]:
        """Directories that these programs write to while a system runs."""
        return (self.database, *self.state)

    @property
    def volatile(self) -> tuple[str, ...]:
        """What they leave that differs from run to run: files, globs in the last part."""
        return (f"{self.database}/{self.lock}", *self.logs)


@dataclass(frozen=True, slots=True)
class BootLoader:
    """A boot loader for EFI, and where a root and an EFI system partition have it. `{}` stands for
    what EFI calls the architecture.

    packages: that bring it. folder: of its programs, in a root. program: the loader; stub, addon:
    what UKIs and their addons start with. place, settings: of the loader and of its settings on the
    partition.
    """

    name: str
    packages: tuple[str, ...]
    folder: str
    program: str
    stub: str
    addon: str
    place: str
    settings: str


SYSTEMD_BOOT = BootLoader(
    name="systemd-boot",
    packages=("systemd-boot-efi", "systemd-boot-unsigned"),
    folder="/usr/lib/systemd/boot/efi",
    program="systemd-boot{}.efi",
    stub="linux{}.efi.stub",
    addon="addon{}.efi.stub",
    place="EFI/systemd",
    settings="loader/loader.conf",
)


@dataclass(frozen=True, slots=True)
class Grub:
    """GRUB for EFI, and where a root and an EFI system partition have it. `{efi}` stands for what
    EFI calls the architecture, `{deb}` for what Debian calls it, `{platform}` for what GRUB does,
    and `{removable}` for the program that firmware starts without being told: see `named_for`.

    packages: that bring it. programs: places on the partition, each with the file of a root that
    goes there. settings: what it reads first, on the partition. modules: a directory in a root.
    loaded: those of its modules that it is to load before it knows entries. entries: whether it
    reads those of the Boot Loader Specification; without, its menu has them.
    """

    name: str
    packages: tuple[str, ...]
    programs: tuple[tuple[str, str], ...]
    settings: str
    modules: str = ""
    loaded: tuple[str, ...] = ()
    entries: bool = True

    def named_for(self, architecture: Architecture) -> Grub:
        """The same with the names for an architecture in it."""
        names = architecture.names
        known = {
            "efi": names.efi,
            "deb": ARCHITECTURES[PackageKind.DEB][architecture],
            "platform": names.grub,
            "removable": names.removable_loader,
        }
        return replace(
            self,
            packages=tuple(each.format(**known) for each in self.packages),
            programs=tuple(
                (place.format(**known), file.format(**known)) for place, file in self.programs
            ),
            modules=self.modules.format(**known),
        )


_SHIM_FILE = "/usr/lib/shim/shim{efi}.efi.signed"
_GRUB_FILE = "/usr/lib/grub/{platform}/grub{efi}.efi"

# Where its program looks for settings is built into it, by the distribution that it is imported of.
HARBOR_GRUB = Grub(
    name="grub",
    packages=("grub2-efi-{efi}", "shim-{efi}"),
    programs=(
        ("EFI/BOOT/{removable}", _SHIM_FILE),
        ("EFI/BOOT/grub{efi}.efi", _GRUB_FILE),
        ("EFI/debian/shim{efi}.efi", _SHIM_FILE),
        ("EFI/debian/grub{efi}.efi", _GRUB_FILE),
    ),
    settings="EFI/debian/grub.cfg",
    modules="/usr/lib/grub/{platform}",
    loaded=("blsuki",),
)


_MANAGER_FILE = "/usr/lib/shim/mm{efi}.efi.signed"
_SIGNED_GRUB_FILE = "/usr/lib/grub/{platform}-signed/grub{efi}.efi.signed"

# Microsoft has signed shim for the firmware, and Debian all else for shim. The latter's fallback
# program is left out: it would write boot variables, and restart machines with a TPM.
DEBIAN_GRUB = Grub(
    name="grub",
    packages=("grub-efi-{deb}-signed", "shim-signed"),
    programs=(
        ("EFI/BOOT/{removable}", _SHIM_FILE),
        ("EFI/BOOT/grub{efi}.efi", _SIGNED_GRUB_FILE),
        ("EFI/BOOT/mm{efi}.efi", _MANAGER_FILE),
        ("EFI/debian/shim{efi}.efi", _SHIM_FILE),
        ("EFI/debian/grub{efi}.efi", _SIGNED_GRUB_FILE),
        ("EFI/debian/mm{efi}.efi", _MANAGER_FILE),
    ),
    settings="EFI/debian/grub.cfg",
    entries=False,
)


@dataclass(frozen=True, slots=True)
class Family:
    """What the distributions of a family have in common.

    name: in a distribution's file and in messages. ids: IDs of os-release. since, before: the first
    release of those IDs, and the first that is no longer of the family. loader: what images that we
    make boot with. esp: where images mount the EFI system partition. grub: the menu that GRUB reads
    in the family's own images; "" where these do not use it. by_grub: how images that we make boot
    with GRUB, where we can make such. initrd: where a root has the initrd of a kernel; `{}` stands
    for that one's release.
    """

    name: str
    ids: tuple[str, ...]
    packaging: Packaging
    since: int = 0
    before: int | None = None
    loader: BootLoader = SYSTEMD_BOOT
    esp: str = ESP_MOUNT
    grub: str = ""
    by_grub: Grub | None = None
    initrd: str = "/boot/initramfs-{}.img"

    def has(self, id: str, release: int | None) -> bool:
        """Whether a distribution is of the family. release: None for one without releases, which
        is taken for the newest.
        """
        if release is None:
            return id in self.ids and self.before is None
        later = self.before is not None and release >= self.before
        return id in self.ids and release >= self.since and not later


_IN_VAR = "/var/lib/rpm"
_IN_USR = "/usr/lib/sysimage/rpm"
_ENTERPRISE = ("rhel", "almalinux", "centos", "ol", "rocky")
_GRUB2 = "/boot/grub2/grub.cfg"
# Says so as its ID, or as the VARIANT_ID of Azure Linux. It has no repositories and no manager.
_CONTAINER_LINUX = "azurecontainerlinux"


def _rpm(
    database: str, manager: str, settings: str, state: str, logs: tuple[str, ...]
) -> Packaging:
    """settings: the directory of the manager's own."""
    return Packaging(
        kind=PackageKind.RPM,
        database=database,
        tool="rpm",
        manager=manager,
        settings=(settings, "/etc/yum.repos.d"),
        state=(state,),
        lock=".rpm.lock",
        logs=logs,
    )


def _dnf(database: str) -> Packaging:
    logs = ("/var/log/dnf*.log", "/var/log/hawkey.log")
    return _rpm(database, "dnf", "/etc/dnf", "/var/lib/dnf", logs)


def _dnf_of_bdb(database: str) -> Packaging:
    """Where rpm is 4.14, which keeps packages in Berkeley DB and knows no SQLite."""
    return replace(_dnf(database), reads=False)


def _dnf5(database: str) -> Packaging:
    state = "/usr/lib/sysimage/libdnf5"
    return _rpm(database, "dnf5", "/etc/dnf", state, ("/var/log/dnf5.log*",))


def _tdnf(database: str) -> Packaging:
    return _rpm(database, "tdnf", "/etc/tdnf", "/var/lib/tdnf", ("/var/log/tdnf.log",))


_APT = Packaging(
    kind=PackageKind.DEB,
    database="/var/lib/dpkg",
    tool="dpkg",
    manager="apt",
    settings=("/etc/apt", "/etc/dpkg"),
    state=("/var/lib/apt",),
    lock="lock",
    logs=(
        "/var/log/dpkg.log",
        "/var/log/alternatives.log",
        "/var/log/apt/*.log",
        "/var/log/apt/*.log.xz",
        "/var/cache/apt/*.bin",
        "/var/cache/debconf/*-old",
        "/var/lib/dpkg/*-old",
        "/var/lib/dpkg/lock-frontend",
        "/var/lib/dpkg/triggers/Lock",
    ),
)

DEBIAN = Family(
    "debian",
    ("debian", "ubuntu"),
    _APT,
    grub="/boot/grub/grub.cfg",
    by_grub=DEBIAN_GRUB,
    initrd="/boot/initrd.img-{}",
)
HARBOR = Family("harbor", ("harbor",), _dnf(_IN_VAR), grub=_GRUB2, by_grub=HARBOR_GRUB)
FAMILIES = (
    HARBOR,
    Family("enterprise-linux-8", _ENTERPRISE, _dnf_of_bdb(_IN_VAR), since=8, before=9, grub=_GRUB2),
    Family("enterprise-linux-9", _ENTERPRISE, _dnf(_IN_VAR), since=9, before=10, grub=_GRUB2),
    Family("enterprise-linux-10", _ENTERPRISE, _dnf(_IN_USR), since=10, grub=_GRUB2),
    Family("fedora-36", ("fedora",), _dnf(_IN_USR), since=36, before=41, grub=_GRUB2),
    Family("fedora-41", ("fedora",), _dnf5(_IN_USR), since=41, grub=_GRUB2),
    Family("azure-linux-2", ("mariner",), _tdnf(_IN_VAR), since=2, before=3, grub=_GRUB2),
    Family("azure-linux-3", ("azurelinux",), _tdnf(_IN_VAR), since=3, before=4, grub=_GRUB2),
    Family("azure-linux-4", ("azurelinux",), _dnf5(_IN_USR), since=4, grub=_GRUB2),
    Family("azure-container-linux-3", (_CONTAINER_LINUX,), _tdnf(_IN_VAR), since=3, esp="/boot"),
    DEBIAN,
)


MENUS = tuple(dict.fromkeys(each.grub for each in FAMILIES if each.grub))
"""Where GRUB's menu is in the images of any family, the most common place first."""

INITRDS = tuple(dict.fromkeys(each.initrd for each in FAMILIES))
"""Where the initrd of a kernel is in the images of any family, the most common place first."""

REPOSITORIES = ("/etc/yum.repos.d", "/etc/distro.repos.d", "/usr/share/dnf5/repos.d")
"""Where images with RPM packages say where these come from, in files of repositories."""

VARIABLES = ("/usr/share/dnf5/vars.d", "/etc/yum/vars", "/etc/tdnf/vars", "/etc/dnf/vars")
"""Where they say what the variables in those files mean, a later place before an earlier."""

MODULES = "/etc/dnf/modules.d"
"""Where they say which streams of modules are enabled, in files of modules."""

MANAGER_SETTINGS = ("/etc/dnf/dnf.conf", "/etc/yum.conf", "/etc/tdnf/tdnf.conf")
"""The settings of their package managers."""

MANAGERS = ("dnf", "dnf5", "microdnf", "rpm", "tdnf", "yum")
"""The packages that are the manager of RPM packages, in all families."""

MANAGER_DATA = (
    "/usr/lib/sysimage/libdnf5",
    "/usr/lib/sysimage/rpm",
    "/usr/lib/sysimage/tdnf",
    "/var/cache/dnf",
    "/var/cache/dnf5daemon-server",
    "/var/cache/libdnf5",
    "/var/cache/tdnf",
    "/var/lib/dnf",
    "/var/lib/rpm",
    "/var/lib/tdnf",
)
"""What goes with the manager of RPM packages: the directories that Image Customizer removes."""


def databases(kind: PackageKind) -> tuple[str, ...]:
    """Where any family has its database of packages of a format; places below /usr come first, as
    systems that moved it there have a link at the former place.
    """
    found = {each.packaging.database for each in FAMILIES if each.packaging.kind is kind}
    return tuple(sorted(found))


def family_named(name: str) -> Family | None:
    """The family of a name."""
    return next((each for each in FAMILIES if each.name == name), None)


def family_of(
    id: str, version: str = "", like: Iterable[str] = (), variant: str = ""
) -> Family | None:
    """The family of a system; None for one that no row of the table is about.

    id, version, like, variant: ID, VERSION_ID, the words of ID_LIKE and VARIANT_ID in its
    os-release: the variant where that is known, else the first of the others that is. A
    distribution that is like another is taken to have its release numbers.
    """
    number, _, _ = version.partition(".")
    release = number_in(number)
    names = (variant, id, *like)
    found = (each for known in names for each in FAMILIES if each.has(known, release))
    return next(found, None)
