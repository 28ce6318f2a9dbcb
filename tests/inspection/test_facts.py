"""What is found out of files: boot entries, accounts, units, packages."""

from __future__ import annotations

import time

from dockyard.archive import Archive, Entry, Kind
from dockyard.inspection.accounts import services_of, users_of
from dockyard.inspection.boot import BootEntry, boot_of
from dockyard.inspection.image import distribution_of
from dockyard.inspection.packages import InstalledPackage, installed
from dockyard.inspection.tree import Mounted, Tree
from dockyard.model.os_release import variables
from dockyard.model.packages import PackageKind

GRUB = """
set default="0"
menuentry 'Debian GNU/Linux' --class debian --id 'gnulinux-simple' {
        load_video
        insmod gzio
        linux   /boot/vmlinuz-6.1.0-13-amd64 root=UUID=0f1a ro  quiet
        initrd  /boot/initrd.img-6.1.0-13-amd64
}
submenu 'Advanced options' $menuentry_id_option 'x' {
        menuentry "Debian, with Linux 6.1 (recovery mode)" --class debian {
                linuxefi /boot/vmlinuz-6.1.0-13-amd64 root=UUID=0f1a ro single
        }
}
"""
BLS = """
# made by kernel-install
title AlmaLinux (5.14.0-427.el9.x86_64) 9.4
version 5.14.0-427.el9.x86_64
linux /boot/vmlinuz-5.14.0-427.el9.x86_64
initrd /boot/initramfs-5.14.0-427.el9.x86_64.img $tuned_initrd
options $kernelopts
options console=ttyS0
grub_users $grub_users
"""
STATUS = """
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b7
Installed-Size: 7164
Description: GNU Bourne Again SHell
 Bash is a shell.

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def made(files: dict[str, str], links: dict[str, str] | None = None) -> Tree:
    data = {path.lstrip("/").encode(): text.encode() for path, text in files.items()}
    entries = [Entry(path, Kind.FILE, 0o644) for path in data]
    for path, target in (links or {}).items():
        at = path.lstrip("/").encode()
        entries.append(Entry(at, Kind.SYMLINK, 0o777, target=target.encode()))
    return Tree([Mounted(b"", Archive.from_entries(entries, dict(data)))])


def test_the_plain_commands_of_a_grub_menu_are_read() -> None:
    tree = made({"/boot/grub/grub.cfg": GRUB, "/boot/grub/i386-pc/boot.img": ""})
    kernel, path = "/boot/vmlinuz-6.1.0-13-amd64", "/boot/grub/grub.cfg"
    assert boot_of(tree, None).entries == (
        BootEntry("grub", "Debian GNU/Linux", path, kernel, "root=UUID=0f1a ro quiet"),
        BootEntry("grub", "Debian, with Linux 6.1 (recovery mode)", path, kernel,
                  "root=UUID=0f1a ro single"),
    )  # fmt: skip
    assert boot_of(tree, None).loaders == ("grub for BIOS",)


def test_entries_of_the_boot_loader_specification_get_grubs_variables() -> None:
    tree = made(
        {
            "/boot/loader/entries/a-5.14.conf": BLS,
            "/boot/loader/entries/not-one.txt": "title no",
            "/boot/grub2/grubenv": "# GRUB Environment Block\nkernelopts=root=/dev/vda4 ro\n####",
            "/boot/efi/EFI/almalinux/shimx64.efi": "",
            "/boot/efi/EFI/almalinux/grubx64.efi": "",
            "/usr/lib/modules/5.14.0-427.el9.x86_64/modules.dep": "",
        }
    )
    boot = boot_of(tree, None)
    (entry,) = boot.entries
    assert entry.command_line == "root=/dev/vda4 ro console=ttyS0"
    assert entry.kernel == "5.14.0-427.el9.x86_64" == boot.kernels[0]
    assert boot.loaders == ("shim", "grub")


def test_a_damaged_uki_is_listed_without_what_it_would_say() -> None:
    esp = made({"/EFI/Linux/x.efi": "MZ, but no program", "/EFI/systemd/systemd-bootx64.efi": ""})
    boot = boot_of(made({}), esp)
    assert boot.entries == (BootEntry("uki", "x.efi", "/EFI/Linux/x.efi", "", ""),)
    assert boot.loaders == ("systemd-boot",)


def test_accounts_are_told_with_how_they_can_log_in() -> None:
    tree = made(
        {
            "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nops:x:1000:1000::/home/ops:/bin/sh\n"
            "daemon:*:1:1::/:/usr/sbin/nologin\nopen::1001:1001::/home/open:/bin/sh\nbroken:x:y\n",
            "/etc/shadow": "root:!*:1::::::\nops:$6$salt$hash:1::::::\n",
            "/etc/group": "wheel:x:10:ops,other\nops:x:1000:\n",
            "/home/ops/.ssh/authorized_keys": "# a comment\nssh-ed25519 AAAA ops\n\n",
        }
    )
    told = {
        user.name: (user.password, user.keys, user.groups, user.login) for user in users_of(tree)
    }
    assert told == {
        "root": ("locked", 0, (), True),
        "daemon": ("locked", 0, (), False),
        "ops": ("set", 1, ("wheel",), True),
        "open": ("none", 0, (), True),
    }


def test_users_are_in_the_groups_that_name_them_however_many_there_are() -> None:
    count = 20_000
    tree = made(
        {
            "/etc/passwd": "".join(f"u{n}:x:{n}:{n}::/:/bin/sh\n" for n in range(count)),
            "/etc/group": "".join(f"g{n}:x:{n}:u{n},u0,u0\n" for n in range(count)),
        }
    )
    begun = time.process_time()
    found = users_of(tree)
    assert time.process_time() - begun < 5  # twenty seconds, if each looked through all groups
    assert found[0].groups == tuple(f"g{n}" for n in range(count))
    assert [user.groups for user in found[1:]] == [(f"g{n}",) for n in range(1, count)]


def test_units_are_enabled_by_links_and_masked_by_one_to_nothing() -> None:
    tree = made(
        {"/usr/lib/systemd/system/sshd.service": ""},
        {
            "/etc/systemd/system/multi-user.target.wants/sshd.service":
                "/usr/lib/systemd/system/sshd.service",
            "/etc/systemd/system/cups.service": "/dev/null",
            "/usr/lib/systemd/system/default.target": "graphical.target",
        },
    )  # fmt: skip
    services = services_of(tree)
    assert (services.enabled, services.masked) == (("sshd.service",), ("cups.service",))
    assert services.default_target == "graphical.target"


def test_packages_of_dpkg_are_those_that_are_installed() -> None:
    found = installed(made({"/var/lib/dpkg/status": STATUS}))
    assert found.kind is PackageKind.DEB
    assert found.packages == (InstalledPackage("bash", "5.2.15-2+b7", "amd64", 7164 * 1024),)
    distroless = made({"/var/lib/dpkg/status.d/base": "Package: base\nVersion: 1\n"})
    assert [each.name for each in installed(distroless).packages] == ["base"]
    assert installed(made({})).kind is None


def test_os_release_says_the_family_by_what_it_is_like() -> None:
    text = 'ID="cloudy"\nID_LIKE="rhel fedora"\nVERSION_ID=9.4\nPRETTY_NAME="It\\"s Cloudy"\n'
    found = distribution_of(made({"/usr/lib/os-release": text}))
    assert found.title == 'It"s Cloudy' and found.version == "9.4"
    assert found.family is not None and found.family.name == "enterprise-linux-9"
    assert distribution_of(made({})).family is None


def test_values_lose_their_quotes_and_comments_are_none() -> None:
    assert variables("# A=1\nB='two words'\nC=3\nD\n") == {"B": "two words", "C": "3"}


def test_numbers_that_nothing_has_are_none() -> None:
    digits = "9" * 5000  # more than Python turns into a number
    tree = made(
        {
            "/etc/passwd": f"ops:x:{digits}:1::/:/bin/sh\n",
            "/var/lib/dpkg/status": f"Package: a\nVersion: 1\nInstalled-Size: {digits}\n",
            "/etc/os-release": f"ID=almalinux\nVERSION_ID={digits}\n",
        }
    )
    assert users_of(tree) == ()
    assert [each.size for each in installed(tree).packages] == [0]
    assert distribution_of(tree).version == digits


def test_a_file_of_keys_that_many_accounts_share_is_read_once() -> None:
    count = 300
    tree = made(
        {
            "/etc/passwd": "".join(f"u{n}:x:{n}:{n}::/all:/bin/sh\n" for n in range(count)),
            "/all/.ssh/authorized_keys": "key\n" * 2_000_000,
        }
    )
    begun = time.process_time()
    assert {user.keys for user in users_of(tree)} == {2_000_000}
    assert time.process_time() - begun < 10  # minutes, if each account had it read again


def test_a_menu_of_blocks_without_end_is_none() -> None:
    begun = time.process_time()
    menu = "submenu a {\n" * 100_000 + "menuentry b {\nlinux /b\n}\n"
    assert boot_of(made({"/boot/grub2/grub.cfg": menu}), None).entries == ()
    assert boot_of(made({"/boot/grub2/grub.cfg": "menuentry b " * 400_000}), None).entries == ()
    assert time.process_time() - begun < 5  # minutes, with the titles of all blocks around each
