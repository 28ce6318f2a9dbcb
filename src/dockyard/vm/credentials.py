"""What the host tells the guest's systemd, without a trace in the image.

systemd reads credentials from the SMBIOS type 11 strings of the machine: extra units, drop-ins for
units (both since 256), and text of our own; systemd-boot and systemd-stub read additions to the
kernel's command line there. See systemd.system-credentials(7) and smbios-type-11(7).

The unit that answers is started by multi-user.target as soon as the port is there. It is of type
exec: the script waits for the system to be up, which a oneshot unit would itself prevent. A second
unit speaks from emergency mode.
"""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Mapping

from dockyard.vm.devices import REPORT_PORT

PORT = f"/dev/virtio-ports/{REPORT_PORT}"
_DEVICE = "dev-virtio\\x2dports-" + REPORT_PORT.replace("-", "\\x2d") + ".device"
_DIRECTORY = "/run/credentials/@system"

# Without the order after the device, a quick boot comes before udev has made the port, and the
# answer goes into a plain file of that name.
_UNIT = """\
[Unit]
Description={description}
Wants={device}
After={device}
{more}
[Service]
Type=exec
ExecStart=/bin/sh {directory}/{script}
StandardOutput=null
StandardError=null
"""


def _unit(description: str, script: str, more: str = "") -> str:
    return _UNIT.format(
        description=description, device=_DEVICE, directory=_DIRECTORY, script=script, more=more
    )


def _credential(name: str, text: str) -> str:
    return f"io.systemd.credential.binary:{name}={b64encode(text.encode()).decode()}"


def for_checks(hello: str, emergency: str) -> list[str]:
    """SMBIOS strings that make the guest run `hello` when it is up, and `emergency` in emergency
    mode. Both are scripts for sh.
    """
    units: Mapping[str, str] = {
        "dockyard-check.service": _unit("Answers about this image", "dockyard.hello"),
        "dockyard-emergency.service": _unit(
            "Says why this boot failed", "dockyard.emergency", "DefaultDependencies=no"
        ),
    }
    strings = [_credential(f"systemd.extra-unit.{name}", text) for name, text in units.items()]
    for target, unit in (
        ("multi-user.target", "dockyard-check.service"),
        ("emergency.target", "dockyard-emergency.service"),
    ):
        strings.append(_credential(f"systemd.unit-dropin.{target}", f"[Unit]\nWants={unit}\n"))
    strings.append(_credential("dockyard.hello", hello))
    strings.append(_credential("dockyard.emergency", emergency))
    return strings


_LOGIN_UNIT = f"""\
[Unit]
Description=Lets the key of this boot in
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup.service systemd-sysusers.service
Before=sshd.service ssh.service sshd.socket ssh.socket multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh {_DIRECTORY}/dockyard.login
"""

# A line may be there already, in an image that keeps what is written to it. A home directory that
# is only read is covered by a copy in memory.
_LOGIN_SCRIPT = """\
set -eu
home=$(getent passwd {user} | cut -d: -f6)
if [ -d "$home" ] && [ ! -w "$home" ]; then
    cp -a "$home" /run/dockyard-home
    mount --bind /run/dockyard-home "$home"
fi
mkdir -p "$home/.ssh"
touch "$home/.ssh/authorized_keys"
grep -qxF {key} "$home/.ssh/authorized_keys" || echo {key} >>"$home/.ssh/authorized_keys"
chmod 700 "$home/.ssh"
chmod 600 "$home/.ssh/authorized_keys"
chown -R "$(id -u {user}):$(id -g {user})" "$home/.ssh"
"""


def for_login(user: str, key: str) -> list[str]:
    """SMBIOS strings that let a user in by SSH with a public key, on this boot."""
    script = _LOGIN_SCRIPT.format(user=shlex.quote(user), key=shlex.quote(key))
    return [
        _credential("systemd.extra-unit.dockyard-login.service", _LOGIN_UNIT),
        # Of another target than that of `for_checks`: each unit has one credential.
        _credential("systemd.unit-dropin.basic.target", "[Unit]\nWants=dockyard-login.service\n"),
        _credential("dockyard.login", script),
    ]


_AUTOLOGIN = """\
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin {user} --noclear --keep-baud 115200,57600,38400,9600 - $TERM
"""


def for_autologin(user: str, port: str) -> list[str]:
    """SMBIOS strings that log a user in at the serial console, without a password. port: what Linux
    calls it.
    """
    name = f"systemd.unit-dropin.serial-getty@{port}.service"
    return [_credential(name, _AUTOLOGIN.format(user=user))]


def without_login(port: str) -> list[str]:
    """SMBIOS strings that keep login prompts off a console that is used for something else."""
    name = f"systemd.unit-dropin.serial-getty@{port}.service"
    return [_credential(name, f"[Unit]\nConditionPathExists=!/dev/{port}\n")]


def for_console(port: str) -> list[str]:
    """SMBIOS strings that add a serial port to the kernel's consoles. They have no effect under
    Secure Boot, or with a boot loader other than systemd's.
    """
    return [
        f"io.systemd.{loader}.kernel-cmdline-extra=console={port},115200"
        for loader in ("stub", "boot")
    ]
