"""Builds the systemd initrd of an image from the files of its root.

Result: one zstd-compressed newc archive. The bytes depend on the root's contents, the options and
the epoch only: not on the order, times, owners or links of the files on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.initrd import cpio, live, modules, udev, units
from dockyard.initrd.compression import compressed
from dockyard.initrd.contents import Contents
from dockyard.initrd.early import early_files
from dockyard.initrd.modules import Kernel, KernelModule
from dockyard.initrd.options import InitrdFeature, InitrdOptions
from dockyard.initrd.parts import BASE, FEATURES, FILESYSTEMS, REQUIRED_UDEV_RULES, Part
from dockyard.initrd.rooted import Rooted
from dockyard.model.os_release import release_of

_FOLDERS = ("proc", "sys", "dev", "run", "tmp", "sysroot", "var", "root", "etc")
_MERGED = ("bin", "sbin", "lib", "lib64", "usr/sbin", "usr/lib64")
_MODPROBE = ("/usr/lib/modprobe.d", "/etc/modprobe.d")
_REPART = ("/usr/lib/repart.d", "/etc/repart.d")
_SULOGIN_DROP_IN = "[Service]\nEnvironment=SYSTEMD_SULOGIN_FORCE=1\n"
_UDEVD_DROP_IN = "[Unit]\nAfter=systemd-modules-load.service\n"
_REPART_DROP_IN = "[Unit]\nAfter=sysroot.mount modprobe@loop.service\nWants=modprobe@loop.service\n"


@dataclass(frozen=True, slots=True)
class InitrdReport:
    """What an initrd holds. Sizes are bytes: of the archive, and compressed.

    missing: modules that would have been taken had the kernel them; none of them was asked for.
    """

    entries: int
    units: tuple[str, ...]
    modules: tuple[str, ...]
    missing: tuple[str, ...]
    content_size: int
    size: int


def build_initrd(root: Path, options: InitrdOptions, out: Path, epoch: int) -> InitrdReport:
    """Write the initrd of a root tree to a new file.

    root: a tree with merged /usr. epoch: seconds since 1970, the time of every member.
    Raises DockyardError naming everything wanted that the root lacks; nothing is written then.
    """
    tree = Rooted(root)
    _require_systemd(tree)
    wanted = _parts(options)
    contents = Contents(
        tree,
        (name for _, part in wanted for name in part.libraries),
        (name for _, part in wanted for name in part.wanted_libraries),
    )
    kernel = Kernel(tree, options.kernel)
    _add_frame(contents)
    names = units.add_units(contents, (unit for _, part in wanted for unit in part.units))
    for reason, part in wanted:
        for program in part.programs:
            contents.require(program, reason)
        for program in part.wanted_programs:
            contents.program(program)
    groups = udev.add_rules(contents, (name for _, part in wanted for name in part.wanted_rules))
    _add_accounts(contents, groups, live.users(options.features))
    udev.narrow_coldplug(contents)
    _add_features(contents, options.features)
    for path, text in early_files(options).items():
        contents.write(path, text)
    _add_loaded(contents, sorted({name for _, part in wanted for name in part.loaded}))
    chosen, missing = _add_modules(contents, kernel, options, wanted)
    contents.finish()
    content_size, size = _write(contents.entries(), out, options.level, epoch)
    return InitrdReport(
        len(contents.entries()),
        names,
        tuple(module.name for module in chosen),
        missing,
        content_size,
        size,
    )


def requirements(options: InitrdOptions) -> dict[str, str]:
    """What a root must have for an initrd, as far as that is known without the root: paths of
    units and rules, names or paths of programs, each with what it is for.
    """
    found = {f"{udev.RULES}/{name}": udev.DEVICE for name in sorted(REQUIRED_UDEV_RULES)}
    for reason, part in _parts(options):
        for unit in part.units:
            found.setdefault(f"{units.UNITS}/{units.template_of(unit)}", reason)
        for program in part.programs:
            found.setdefault(program, reason)
    return found


def _require_systemd(root: Rooted) -> None:
    if not root.is_file("/usr/lib/systemd/systemd"):
        raise DockyardError(
            Problem(
                code="initrd.no-systemd",
                what="the image has no systemd, which its initrd is made of",
                where="initrd",
                fix="install systemd, its udev package and a kernel, or build no boot files",
            )
        )


def _parts(options: InitrdOptions) -> list[tuple[str, Part]]:
    """The parts that the options ask for, in a fixed order, with what they are for."""
    found = [("every initrd", BASE)]
    for name in sorted(set(options.filesystems)):
        # A kind without an entry of its own is just the kernel module of its name.
        part = FILESYSTEMS.get(name, Part(modules=(name,)))
        found.append((f"the file system {name}", part))
    for feature in InitrdFeature:
        if feature in options.features:
            found.append((f"the feature {feature}", FEATURES[feature]))
    return found


def _add_frame(contents: Contents) -> None:
    """The folders, links, device nodes and identity that every initrd starts from."""
    for name in _MERGED:
        trail = contents.root.resolve(f"/{name}")
        if trail is not None and trail.links:
            contents.add(f"/{name}")
    for name in _FOLDERS:
        contents.directory(name, 0o700 if name == "root" else 0o755)
    contents.node("dev/console", 0o600, 5, 1)
    contents.node("dev/null", 0o666, 1, 3)
    contents.node("dev/kmsg", 0o644, 1, 11)
    contents.link("init", "usr/lib/systemd/systemd")
    release = release_of(contents.root.read)
    if release is None:
        contents.lacks("/usr/lib/os-release", "/etc/initrd-release")
        return
    contents.write("etc/initrd-release", release)
    contents.link("etc/os-release", "initrd-release")


def _add_accounts(contents: Contents, groups: frozenset[str], users: frozenset[str]) -> None:
    """Root without a password, nobody, users of services with groups of the same names, and the
    groups that udev's rules name.
    """
    shell = "/bin/sh"
    found = [
        line
        for line in (contents.root.text("/etc/passwd") or "").splitlines()
        if line.partition(":")[0] in users
    ]
    for name in sorted(users - {line.partition(":")[0] for line in found}):
        contents.lacks(f"the user {name}", "a service of its initrd")
    lines = [
        f"root:x:0:0:root:/root:{shell}",
        "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin",
        *sorted(found),
    ]
    contents.write("etc/passwd", "".join(f"{line}\n" for line in lines))
    contents.write("etc/shadow", "root:*:::::::\nnobody:!*:::::::\n", 0o400)
    groups |= users
    lines = ["root:x:0:"]
    for line in (contents.root.text("/etc/group") or "").splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[0] in groups and fields[0] != "root":
            lines.append(f"{fields[0]}:x:{fields[2]}:")
    contents.write("etc/group", "".join(f"{line}\n" for line in sorted(lines)))


def _add_features(contents: Contents, features: frozenset[InitrdFeature]) -> None:
    """The files of features beyond their units, programs and modules."""
    if InitrdFeature.EMERGENCY_SHELL in features:
        for unit in ("emergency", "rescue"):
            contents.write(f"etc/systemd/system/{unit}.service.d/shell.conf", _SULOGIN_DROP_IN)
    if InitrdFeature.LIVE in features:
        live.add_live(contents, features)
    if InitrdFeature.REPART in features:
        contents.write("etc/systemd/system/systemd-repart.service.d/root.conf", _REPART_DROP_IN)
        for folder in _REPART:
            for name in contents.root.names(folder):
                contents.add(f"{folder}/{name}")
                for key, value in units.settings(contents.root.text(f"{folder}/{name}") or ""):
                    if key == "Format" and value not in ("swap", "squashfs", "erofs"):
                        contents.require(f"mkfs.{value}", f"{folder}/{name}")


def _add_loaded(contents: Contents, names: list[str]) -> None:
    """Have modules loaded before udev starts, in place of when a device asks for them."""
    if names:
        contents.write("etc/modules-load.d/initrd.conf", "".join(f"{name}\n" for name in names))
        contents.write("etc/systemd/system/systemd-udevd.service.d/modules.conf", _UDEVD_DROP_IN)


def _add_modules(
    contents: Contents, kernel: Kernel, options: InitrdOptions, wanted: list[tuple[str, Part]]
) -> tuple[tuple[KernelModule, ...], tuple[str, ...]]:
    required = [*options.modules, *(name for _, part in wanted for name in part.modules)]
    optional = [name for _, part in wanted for name in part.wanted_modules]
    chosen = kernel.choose([*required, *optional])
    needed = {modules.module_name(name) for name in required}
    for name in chosen.missing:
        if name in needed:
            contents.lacks(f"the kernel module {name}", f"kernel {options.kernel}")
    for module in chosen.modules:
        contents.write(f"{kernel.folder}/{module.path}", module.data)
    for name, data in modules.indexes(kernel, chosen.modules).items():
        contents.write(f"{kernel.folder}/{name}", data)
    for folder in _MODPROBE:
        for name in contents.root.names(folder):
            if name.endswith(".conf"):
                contents.add(f"{folder}/{name}")
    missing = tuple(name for name in chosen.missing if name not in needed)
    return chosen.modules, missing


def _write(entries: list[cpio.Member], out: Path, level: int, epoch: int) -> tuple[int, int]:
    """Write the compressed archive; returns its plain and its compressed size."""
    with compressed(out, level) as stream:
        content_size = cpio.write(entries, stream, epoch)
    return content_size, out.stat().st_size
