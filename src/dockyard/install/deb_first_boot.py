"""What an image of Debian packages needs at its first boot, and its packages leave to an installer.

The names of the machine itself (hosts(5)), and the host keys of its SSH server: those that the
package made when it was installed are secrets of nobody once they are in an image, so `finish`
removes them. Debian's unit that makes new ones waits for a first boot as systemd means it, which an
empty machine-id is not (machine-id(5)).
"""

from __future__ import annotations

from dockyard.host.in_root import InRoot

_HOSTS = b"""\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
_SERVER = "/usr/sbin/sshd"
_UNITS = "/etc/systemd/system"
_KEY_UNIT = "sshd-keygen.service"
_CONDITIONS = """\
ConditionPathIsReadWrite=/etc/ssh
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
"""
# An empty condition takes back all that were set before.
_DROP_IN = f"""\
# The machine-id of an image is empty, which counts as no first boot.
[Unit]
ConditionFirstBoot=
{_CONDITIONS}"""
_UNIT = f"""\
[Unit]
Description=Generate sshd host keys
{_CONDITIONS}Before=ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A
"""


def prepare_first_boot(tree: InRoot) -> None:
    """Put into a tree what it needs; what packages have there stays."""
    if not tree.lstat("/etc/hosts"):
        tree.write("/etc/hosts", _HOSTS)
    if not tree.lstat(_SERVER) or not tree.lstat("/usr/lib/systemd/system/ssh.service"):
        return
    if tree.lstat(f"/usr/lib/systemd/system/{_KEY_UNIT}"):
        tree.make_directories(f"{_UNITS}/{_KEY_UNIT}.d")
        tree.write(f"{_UNITS}/{_KEY_UNIT}.d/image.conf", _DROP_IN.encode())
        return
    tree.write(f"{_UNITS}/{_KEY_UNIT}", _UNIT.encode())
    tree.make_directories(f"{_UNITS}/ssh.service.wants")
    tree.symlink(f"{_UNITS}/ssh.service.wants/{_KEY_UNIT}", f"../{_KEY_UNIT}")
