"""GRUB's own programs, as oracles: what it makes, reads and refuses."""

from __future__ import annotations

from pathlib import Path

from dockyard.host.process import Completed
from dockyard.host.sandbox import Tools

# Says of any path that it is on one ext4 file system, as GRUB's own does where there is a device.
_PROBE = """#!/bin/sh
case "$*" in
    *--target=device*) echo /dev/sda2 ;;
    *--target=fs_uuid*) echo 6d8e1b7a-36c4-4c4f-9a1e-31c0c1f8a2b4 ;;
    *--target=fs*) echo ext2 ;;
    *--target=partmap*) echo gpt ;;
    *--target=abstraction*) : ;;
    *--target=drive*) echo '(hd0,gpt2)' ;;
    *) : ;;
esac
"""
# Which mount a path is on is of no matter here.
_RELATIVE = '#!/bin/sh\necho "$1"\n'
KERNELS = ("6.1.0-13-amd64", "6.12.48-lts")


def made_menu(tools: Tools, folder: Path, settings: str, drop_in: str = "") -> str:
    """The menu that grub-mkconfig(8) makes of /etc/default/grub, and of a file in its grub.d, for a
    machine with two kernels.
    """
    boot, default = folder / "boot", folder / "default"
    for directory in (boot / "grub", default / "grub.d"):
        directory.mkdir(parents=True, exist_ok=True)
    for release in KERNELS:
        (boot / f"vmlinuz-{release}").write_text("kernel")
        (boot / f"initrd.img-{release}").write_text("initrd")
        (boot / f"config-{release}").write_text("CONFIG_BLK_DEV_INITRD=y\n")
    (default / "grub").write_text(settings)
    (default / "grub.d/10-more.cfg").write_text(drop_in)
    overlays = [(boot, "/boot"), (default, "/etc/default")]
    for path, script in (("sbin/grub-probe", _PROBE), ("bin/grub-mkrelpath", _RELATIVE)):
        program = folder / path.rpartition("/")[2]
        program.write_text(script)
        program.chmod(0o755)
        overlays.append((program, f"/usr/{path}"))
    folder.chmod(0o755)
    done = tools.run(["grub-mkconfig"], overlays=overlays, env={"LC_ALL": "C"})
    return done.stdout.decode()


def refused(tools: Tools, text: str) -> bytes:
    """What grub-script-check says against a text; nothing for a good one."""
    done: Completed = tools.run(["grub-script-check"], stdin=text.encode(), check=False)
    return b"" if done.status == 0 else done.stderr or done.stdout
