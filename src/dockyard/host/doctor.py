"""What this host offers, looked at by trying it: one function for each named check.

A check leaves nothing behind but the store's directory: it works in a directory of its own below
it, or in a child process.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from dockyard.errors import DockyardError
from dockyard.host import kernel, machine, mounts, namespace
from dockyard.host.process import run
from dockyard.host.sandbox import run_in_tree
from dockyard.model.architecture import Architecture

GIBIBYTE = 1 << 30
_NATIVE_MODULES = ("yaml", "cryptography", "solv", "pysequoia")
_FIRST_KERNEL = (5, 11)
_TOOLS = Architecture.X86_64
_SPACE_NEEDED, _SPACE_WANTED = 3 * GIBIBYTE, 15 * GIBIBYTE
_MEMORY_NEEDED, _MEMORY_WANTED = GIBIBYTE, 4 * GIBIBYTE
OVERLAY, ATTRIBUTES = "overlayfs", "attributes"
_NEEDED_TO_TRY = ("user-namespaces", "subordinate-ids", "store")
# VFS_CAP_REVISION_2 with cap_net_bind_service, as setcap(8) writes it; a user namespace keeps it
# with its own root's id.
_CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


class State(StrEnum):
    """ok; a note: works, but less well; missing: Dockyard cannot work without it."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and how to fix it; advice is empty when there is nothing to fix."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine(store: Path) -> list[Finding]:
    """Every check of the host, in the order in which to fix what is missing.

    Must be called before the first thread is started: some checks fork.
    """
    findings = [
        check_python(),
        check_kernel(),
        check_user_namespaces(),
        check_subordinate_ids(),
        check_bubblewrap(),
        check_store(store),
        check_memory(),
    ]
    lacking = [
        finding.name
        for finding in findings
        if finding.state is State.MISSING and finding.name in _NEEDED_TO_TRY
    ]
    if lacking:
        found = f"not tried: it needs {', '.join(lacking)}"
        return [*findings, *(Finding(name, State.NOTE, found) for name in (OVERLAY, ATTRIBUTES))]
    return [*findings, check_overlay(store), check_attributes(store)]


def check_python() -> Finding:
    """That the libraries with native code load in this Python."""
    version = f"Python {platform.python_version()}"
    for module in _NATIVE_MODULES:
        try:
            importlib.import_module(module)
        except ImportError as error:
            advice = (
                "A library of Dockyard's does not load. Reinstall Dockyard in an environment of "
                "its own, with Python 3.11 or newer on glibc: pipx install dockyard."
            )
            return Finding("python", State.MISSING, f"{version}: {error}", advice)
    return Finding("python", State.OK, f"{version}, all libraries load")


def check_kernel() -> Finding:
    """Linux on x86_64, new enough for overlayfs in a user namespace."""
    release = platform.release()
    found = f"Linux {release} on {platform.machine()}"
    digits = release.split("-")[0].split(".")[:2]
    number = tuple(int(part) for part in digits if part.isdigit())
    if machine.architecture() is not _TOOLS:
        advice = f"The tools that Dockyard brings are for {_TOOLS}: use such a machine."
        return Finding("kernel", State.MISSING, found, advice)
    if number < _FIRST_KERNEL:
        advice = "Linux 5.11 is the first that mounts overlayfs for its users: boot a newer kernel."
        return Finding("kernel", State.MISSING, found, advice)
    return Finding("kernel", State.OK, found)


def check_user_namespaces() -> Finding:
    """Whether this user may make a user namespace."""

    def work() -> str:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        return "this user may make them"

    return _tried(
        "user-namespaces",
        work,
        "All work is done in a user namespace, and this host refuses one. See that "
        "user.max_user_namespaces is not 0; on Debian that kernel.unprivileged_userns_clone is 1; "
        "on Ubuntu that kernel.apparmor_restrict_unprivileged_userns is 0 (all: sysctl -w, and a "
        "file in /etc/sysctl.d to keep it). In a container, its runtime must allow unshare and "
        "mount: with podman or docker, --security-opt seccomp=unconfined.",
    )


def check_subordinate_ids() -> Finding:
    """Subordinate ids of this user, and the programs that map them; root needs neither."""
    name, uid = "subordinate-ids", os.getuid()
    if uid == 0:
        return Finding(name, State.OK, "root maps any ids")
    user = namespace.user_name(uid)
    lacking = [
        file
        for file in ("/etc/subuid", "/etc/subgid")
        if namespace.subordinate_range(Path(file), user, uid) is None
    ]
    if lacking:
        advice = (
            "Files in an image belong to many users; without root they are held as subordinate "
            "ids. As root, run: usermod --add-subuids 100000-165535 "
            f"--add-subgids 100000-165535 {user}"
        )
        found = f"{user} has no 65536 ids in {' and '.join(lacking)}"
        return Finding(name, State.MISSING, found, advice)
    absent = [tool for tool in ("newuidmap", "newgidmap") if not shutil.which(tool)]
    if absent:
        advice = (
            "These programs map subordinate ids. Install the package uidmap (Debian, Ubuntu) or "
            "shadow-utils (Fedora, AlmaLinux)."
        )
        return Finding(name, State.MISSING, f"{' and '.join(absent)} not found", advice)
    return Finding(name, State.OK, f"{user} has 65536 ids, and newuidmap maps them")


def check_bubblewrap() -> Finding:
    """bwrap, by running a program in a sandbox."""
    advice = (
        "Every tool runs in a bubblewrap sandbox. Install the package bubblewrap. If it is there "
        "and fails, user namespaces are restricted: see user-namespaces."
    )

    def work() -> str:
        namespace.enter()
        run_in_tree(Path("/"), ["true"])
        return run(["bwrap", "--version"]).text.strip()

    return _tried("bubblewrap", work, advice)


def check_store(store: Path) -> Finding:
    """Whether the store can be written to, and the space below it."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(store).free
        with TemporaryDirectory(prefix=".doctor-", dir=store):
            pass
    except OSError as error:
        advice = "Results are kept there. Choose a directory of yours with --store."
        return Finding("store", State.MISSING, f"{store}: {error.strerror}", advice)
    found = f"{free / GIBIBYTE:.1f} GiB free in {store}"
    advice = (
        "Downloads, tools and results are kept there: a first build takes about 10 GiB. Make room, "
        "or choose another file system with --store or DOCKYARD_STORE."
    )
    if free < _SPACE_NEEDED:
        return Finding("store", State.MISSING, found, advice)
    if free < _SPACE_WANTED:
        return Finding("store", State.NOTE, found, advice)
    return Finding("store", State.OK, found)


def check_overlay(store: Path) -> Finding:
    """overlayfs on the store's file system, inside the namespace: a change and a removal."""

    def work() -> str:
        namespace.enter()
        with TemporaryDirectory(prefix=".doctor-", dir=store) as name:
            lower, upper, scratch, at = (
                Path(name, part) for part in ("lower", "upper", "work", "at")
            )
            for directory in (lower, upper, scratch, at):
                directory.mkdir()
            (lower / "file").write_text("old")
            with mounts.overlay([lower], upper, scratch, at):
                (at / "file").unlink()
                (at / "new").write_text("new")
            if not (upper / "file").is_char_device():
                raise OSError("a removal left no mark")
        return "changes and removals are kept"

    return _tried(
        OVERLAY,
        work,
        "Layers of a build are overlays. The store's file system must take user.* attributes and "
        "whiteouts: ext4, xfs, btrfs and tmpfs do; overlayfs itself (the root of many containers), "
        "NFS and FUSE do not. Move the store with --store, in a container to a volume.",
    )


def check_attributes(store: Path) -> Finding:
    """Owners, and security.* and user.* attributes, on the store's file system in the namespace."""

    def work() -> str:
        namespace.enter()
        with TemporaryDirectory(prefix=".doctor-", dir=store) as name:
            file = Path(name, "file")
            file.touch()
            os.setxattr(file, "user.dockyard", b"x")
            os.chown(file, 1000, 65535)
            os.setxattr(file, "security.capability", _CAPABILITY)
            if file.stat().st_uid != 1000:
                raise OSError("another owner does not stay")
        return "other owners, capabilities and user attributes are kept"

    return _tried(
        ATTRIBUTES,
        work,
        "Files of an image have many owners, and capabilities. The store's file system must keep "
        "them: ext4, xfs, btrfs and tmpfs do; NFS and most FUSE file systems do not. Move the "
        "store with --store. If mapping ids failed, see subordinate-ids.",
    )


def check_memory() -> Finding:
    """Memory for compression, file systems and a guest."""
    available = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    found = f"{available / GIBIBYTE:.1f} GiB available"
    advice = (
        "A build takes about 1 GiB, and a guest 2 GiB unless --memory says less. End something, "
        "or use a larger machine."
    )
    if available < _MEMORY_NEEDED:
        return Finding("memory", State.MISSING, found, advice)
    if available < _MEMORY_WANTED:
        return Finding("memory", State.NOTE, found, advice)
    return Finding("memory", State.OK, found)


def _tried(name: str, work: Callable[[], str], advice: str) -> Finding:
    """Run `work` in a child process; what it returns or raises is what was found."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        finding = Finding(name, State.MISSING, "unknown", advice)
        try:
            finding = Finding(name, State.OK, work())
        except (OSError, DockyardError) as error:
            why = error.problems[0].why if isinstance(error, DockyardError) else ""
            told = f"{error}: {why}" if why else str(error)
            finding = Finding(name, State.MISSING, told, advice)
        finally:
            os.write(write, json.dumps(asdict(finding)).encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as result:
        written = result.read()
    os.waitpid(child, 0)
    try:
        found = json.loads(written)
        return Finding(found["name"], State(found["state"]), found["found"], found["advice"])
    except (ValueError, KeyError):
        return Finding(name, State.MISSING, "the trial was killed", advice)
