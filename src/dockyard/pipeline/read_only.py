"""What a root that is only read takes: refused before any work where it cannot be.

systemd keeps the state of the machine in /var (hier(7), file-hierarchy(7)): without one that can be
written, logind, the journal and everything with a StateDirectory= fail at boot. /etc is part of
the root: who the machine is (machine-id) is bound over it by systemd from /run, but nothing else
may be made there at the first boot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from dockyard.config import LoadedImage
from dockyard.disk.layout import DiskLayout, PartitionLayout
from dockyard.errors import Problem
from dockyard.model.storage import FileSystemType

_SSH_SERVERS = ("openssh-server",)
_SSH = "/etc/ssh/"
# What a package provides whose sshd has its host keys there when /etc cannot be written.
HOST_KEYS = "sshd-host-keys(/var/lib/ssh)"
# Packages whose services write below /etc at boot, and what.
_WRITERS = {
    "auditd": "puts its rules together",
    "cloud-init": "sets accounts, the host name and the network",
}
_VAR, _ETC = "/var", "/etc"


def read_only_problems(
    loaded: LoadedImage,
    layout: DiskLayout,
    packages: Collection[str],
    added: Collection[str],
    provided: Callable[[str], Collection[str]],
) -> Iterator[Problem]:
    """A problem for each thing that a read-only root of an image lacks; none for another root.

    packages: names of those that the image has. added: the files that its settings put into it.
    provided: says which packages have a capability. What an overlay is mounted over can be written.
    """
    root = layout.mounted_at("/")
    if root is None or not _is_read_only(root, "/"):
        return
    overlays = {each.mount_point for each in loaded.image.os.overlays}
    var = layout.mounted_at(_VAR)
    if (var is None or _is_read_only(var, _VAR)) and _VAR not in overlays:
        yield loaded.problem(
            "storage.filesystems",
            "build.read-only-var",
            "the root is read-only, and there is no writable /var",
            why="logind, the journal and others keep their state there, and fail without it",
            fix="add a partition with an ext4, xfs or btrfs file system and `mountPoint: /var`",
        )
    if _ETC in overlays:
        return
    servers = [name for name in _SSH_SERVERS if name in packages]
    scripts = loaded.image.scripts
    # What the user puts below /etc/ssh is taken to say where the keys are, and a script may.
    told = any(path.startswith(_SSH) for path in added)
    told = told or bool(scripts.post_customization or scripts.finalize_customization)
    if servers and not told and not set(servers) <= set(provided(HOST_KEYS)):
        yield loaded.problem(
            "os.packages.install",
            "build.read-only-ssh",
            f"{servers[0]} makes its host keys in /etc/ssh at the first boot, "
            "which is read-only in this image",
            why="/etc belongs to the root; sshd does not start without a host key",
            fix="have them in /var: put `HostKey /var/lib/ssh/ssh_host_ed25519_key` into "
            "/etc/ssh/sshd_config.d by os.additionalFiles, with a unit that makes the key; "
            "or leave the package out",
        )
    for name, does in _WRITERS.items():
        if name in packages:
            yield loaded.problem(
                "os.packages.install",
                "build.read-only-etc",
                f"{name} {does} in /etc at boot, which is read-only in this image",
                why="/etc belongs to the root; the service fails",
                fix="leave the package out, or make the root writable",
            )
    for index, user in enumerate(loaded.image.os.users):
        if user.password_expires_days is not None and user.password_expires_days >= 0:
            yield loaded.problem(
                f"os.users[{index}].passwordExpiresDays",
                "build.read-only-age",
                f"the days after which {user.name}'s password expires could not be counted: "
                "/etc is read-only in this image",
                why="they count from the first boot, whose day is written to /etc/shadow",
                fix="leave passwordExpiresDays out, or make the root writable",
            )


def _is_read_only(partition: PartitionLayout, path: str) -> bool:
    system = partition.filesystem
    assert system is not None
    mount = next(mount for mount, _ in system.mounts if mount.path == path)
    return (
        partition.verity is not None
        or system.type is FileSystemType.EROFS
        or "ro" in mount.options.split(",")
    )
