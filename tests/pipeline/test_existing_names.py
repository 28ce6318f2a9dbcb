"""What a file asks of an image that exists is answered from its tree, before any work."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.config import load_image
from dockyard.disk.boot_files import BootKind
from dockyard.disk.layout import lay_out
from dockyard.errors import Problem, Severity
from dockyard.formats.containers import Container
from dockyard.initrd.options import InitrdFeature
from dockyard.inspection.tree import Mounted, Tree
from dockyard.model.architecture import Architecture
from dockyard.model.family import HARBOR
from dockyard.model.packages import PinBy, Request, RpmRepository
from dockyard.packages import locking as locks
from dockyard.pipeline.arguments.boot import BootWork
from dockyard.pipeline.boot_changes import boot_changes
from dockyard.pipeline.existing_boot import ExistingBoot
from dockyard.pipeline.existing_contents import keep_contents, kept_contents, read_contents
from dockyard.pipeline.existing_disk import DiskSource, ExistingPartition
from dockyard.pipeline.existing_layout import layout_of
from dockyard.pipeline.existing_names import unknown_in_image, without_program
from dockyard.pipeline.existing_parts import missing_parts
from dockyard.pipeline.existing_read_only import read_only_warnings
from dockyard.pipeline.existing_storage import ExistingStorage
from dockyard.pipeline.package_facts import InstalledFacts
from dockyard.pipeline.package_plan import PackageChanges
from dockyard.pipeline.request import ImageSettings
from dockyard.tree.scripts import ScriptSetting
from dockyard.tree.settings import scripts_of, settings_of

sys.path.append(str(Path(__file__).parents[1] / "packages"))
from rpm_repositories import access, add_rpm

UNITS = "usr/lib/systemd/system"
GUID = "00000000-0000-0000-0000-00000000000"
FILES = {
    f"{UNITS}/sshd.service": "[Install]\nWantedBy=multi-user.target\n",
    f"{UNITS}/getty@.service": "[Install]\nDefaultInstance=tty1\n",
    f"{UNITS}/journald.service": "[Service]\n",
    f"{UNITS}/sysinit.target.wants/journald.service": "",
    f"{UNITS}/dropped.service": "[Service]\n",
    "etc/systemd/system/dropped.service.d/10.conf": "[Install]\nWantedBy=basic.target\n",
    "etc/passwd": "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\nwheel:x:10:\n",
    "usr/bin/sh": "",
    "usr/lib/modules/6/modules.dep": "kernel/net/br-netfilter.ko.xz:\n",
    "usr/lib/modules/6/modules.builtin": "kernel/fs/ext4.ko\n",
}
LINKS = {"bin": "usr/bin", "srv/shown": "../data", "srv/gone": "nowhere"}


def read(tmp_path: Path, *more: str) -> DiskSource:
    """An image with these files, as it is known after it was read once. more: empty ones."""
    files = {**FILES, **dict.fromkeys(more, "")}
    entries = [Entry(path.encode(), Kind.FILE, 0o644) for path in files]
    entries += [Entry(path.encode(), Kind.SYMLINK, 0o777, target=to.encode())
                for path, to in LINKS.items()]  # fmt: skip
    entries += [Entry(b"data/below", Kind.DIRECTORY, 0o755)]
    archive = Archive.from_entries(entries, {a.encode(): b.encode() for a, b in files.items()})
    keep_contents(read_contents(Tree([Mounted(b"", archive)])), tmp_path / "listed")
    root = ExistingPartition(1, "root", f"{GUID}1", f"{GUID}2", 0, 1 << 20, 1 << 30, "ext4",
                             f"{GUID}3", "", "/")  # fmt: skip
    boot = ExistingBoot(BootKind.GRUB_MENU, "", "", (), ("6",), ("root=x",))
    listed, digest, table = tmp_path / "listed", "00" * 32, f"{GUID}4"
    return DiskSource(Path("a.raw"), "", digest, Container.RAW, 2 << 30, table, "", (root,), 0,
                      Architecture.X86_64, HARBOR, 1, (), boot, listed=listed)  # fmt: skip


def with_packages(source: DiskSource, tmp_path: Path, *names: str) -> DiskSource:
    """The image, to which packages come."""
    repository = RpmRepository("own", ((tmp_path / "rpms").as_uri(),), check_packages=False,
                               pin=PinBy.CONTENT)  # fmt: skip
    lock = locks.make_lock("a", Request(names), [repository], access(tmp_path / "store"))
    none = InstalledFacts(tmp_path, "", "", "", "", False, (), {}, {})
    return replace(source, changes=PackageChanges(lock, "", (repository,), none, ()))


def asked(tmp_path: Path, source: DiskSource, text: str) -> list[Problem]:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    loaded = load_image(file)
    return list(unknown_in_image(loaded, source, settings_of(loaded), access(tmp_path / "store")))


def told(tmp_path: Path, source: DiskSource, text: str) -> list[str]:
    found = asked(tmp_path, source, text)
    return [f"{getattr(each.where, 'line', 0)}: {each.what}; {each.fix}" for each in found]


def test_what_was_read_is_kept(tmp_path: Path) -> None:
    source = read(tmp_path)
    contents = source.contents
    assert contents is not None and contents == kept_contents(tmp_path / "listed")
    assert contents.place("/bin/sh") == "/usr/bin/sh" and contents.has("/bin/sh")
    assert contents.has_directory("/srv/shown/below") and not contents.has("/srv/gone/x")
    assert contents.units["getty@.service"] and contents.units["dropped.service"]
    (tmp_path / "listed/contents.json").write_text("{")
    assert kept_contents(tmp_path / "listed") is None


def test_what_the_image_has_is_not_refused(tmp_path: Path) -> None:
    text = """\
os:
  groups: [{name: wheel, gid: 10}, {name: own}]
  users:
    - {name: ops, uid: 1500, primaryGroup: own, secondaryGroups: [wheel], startupCommand: /bin/sh}
    - {name: daemon, uid: 1}
  services: {enable: [sshd, getty@tty2, dropped, added], disable: [journald]}
  additionalFiles:
    - {content: "[Install]\\nAlias=x.service", destination: /etc/systemd/system/added.service}
    - {content: x, destination: /opt/new/file}
  modules: [{name: br_netfilter, loadMode: always}, {name: nonesuch, loadMode: disable}]
  overlays:
    - {lowerDirs: [/srv/shown/below, /opt/new], upperDir: /o/u, workDir: /o/w, mountPoint: /m}
    - {lowerDirs: [/o/u, /home/ops], upperDir: /p/u, workDir: /p/w, mountPoint: /n}
"""
    assert told(tmp_path, read(tmp_path), text) == []


def test_all_that_it_lacks_is_told_with_places(tmp_path: Path) -> None:
    text = """\
os:
  groups:
    - {name: wheel, gid: 99}
  users:
    - {name: ops, secondaryGroups: [whel]}
    - {name: new, uid: 1}
  services:
    enable: [shd, journald]
    disable: [cron]
  modules:
    - {name: br_netfiltr, loadMode: always}
    - {name: ext4, loadMode: disable}
  overlays:
    - lowerDirs:
        - /data
        - /srv/gone/x
        - /etc/passwd
      upperDir: /o/u
      workDir: /o/w
      mountPoint: /m
"""
    assert told(tmp_path, read(tmp_path), text) == [
        "3: the group wheel has the number 10 in the image, not 99; "
        "choose another number, or leave it out to get a free one",
        "6: the number 1 of user new belongs to daemon already; "
        "choose another number, or leave it out to get a free one",
        "8: the image has no unit shd.service; did you mean sshd.service?",
        "9: the image has no unit cron.service; remove it from os.services.disable",
        "8: journald.service cannot be enabled: it has no [Install] section; "
        "remove it from os.services.enable",
        "11: the image's kernel has no module br_netfiltr; did you mean br_netfilter?",
        "12: ext4 cannot be kept from loading: it is part of the image's kernel; "
        "remove it from os.modules, or take a kernel that has it as a module",
        "5: the user ops is to be in the group whel, which does not exist; "
        "did you mean wheel? Otherwise add whel to os.groups, or install the package that brings "
        "it",
        "16: the overlay at /m is to show /srv/gone/x, which is no directory; "
        "correct `lowerDirs`, or make the directory with a package or `additionalDirs`",
        "17: the overlay at /m is to show /etc/passwd, which is no directory; "
        "correct `lowerDirs`, or make the directory with a package or `additionalDirs`",
    ]


ASKS = """\
os:
  services: {enable: [nginx]}
  overlays:
    - {lowerDirs: [/usr/share/web], upperDir: /o/u, workDir: /o/w, mountPoint: /m}
"""


def test_what_packages_bring_is_counted_in_and_what_they_may_bring_is_left_to_them(
    tmp_path: Path,
) -> None:
    rpms, source = tmp_path / "rpms", read(tmp_path)
    add_rpm(rpms, "nginx", path=f"/{UNITS}/nginx.service", text="[Install]\nAlias=w.service\n")
    add_rpm(rpms, "web", path="/usr/share/web/index.html")
    add_rpm(rpms, "maker", path="/usr/lib/tmpfiles.d/maker.conf")
    assert told(tmp_path, with_packages(source, tmp_path, "nginx", "web"), ASKS) == []
    [unit, *_] = found = told(tmp_path, with_packages(source, tmp_path, "web"), ASKS)
    assert len(found) == 1 and "no unit nginx.service; install the package nginx" in unit
    [lower, *_] = found = told(tmp_path, with_packages(source, tmp_path, "nginx"), ASKS)
    assert len(found) == 1 and "/usr/share/web, which is no directory" in lower
    assert told(tmp_path, with_packages(source, tmp_path, "nginx", "maker"), ASKS) == []
    # One that is still to be fetched may have anything.
    coming = with_packages(source, tmp_path, "maker")
    next(rpms.glob("maker*.rpm")).unlink()
    assert told(tmp_path, coming, ASKS) == []


def test_the_first_script_must_find_what_runs_it(tmp_path: Path) -> None:
    source, given = read(tmp_path), access(tmp_path / "store")
    for text, count in (("#!/bin/sh", 0), ("#!/usr/bin/python3", 1), ("", 0)):
        first = ScriptSetting("a", tmp_path, content=text)
        after = ScriptSetting("b", tmp_path, content="#!/bin/made-by-the-first")
        assert len(list(without_program(source, (), (first, after), given))) == count


ROOT = """\
storage:
  bootType: efi
  disks:
    - maxSize: 3G
      partitions: [{id: esp, type: esp, size: 64M}, {id: root, size: 1G}, {id: v, size: 1G}]
  filesystems:
    - {deviceId: esp, type: fat32, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: {path: /, options: ro}}
    - {deviceId: v, type: ext4, mountPoint: VAR}
os: {bootloader: {resetType: hard-reset}}
"""


def test_a_root_that_is_only_read_from_now_on_is_warned_of(tmp_path: Path) -> None:
    source, given = read(tmp_path), access(tmp_path / "store")

    def warned(text: str, of: DiskSource) -> list[str]:
        (tmp_path / "config.yaml").write_text(text)
        loaded = load_image(tmp_path / "config.yaml")
        storage = loaded.image.storage
        layout = lay_out(storage, b"seed") if storage.disks else layout_of(of)
        found = list(read_only_warnings(loaded, of, layout, settings_of(loaded), given))
        assert all(each.severity is Severity.WARNING for each in found)
        return [each.code for each in found]

    assert warned(ROOT.replace("VAR", "/var"), source) == []
    assert warned(ROOT.replace("VAR", "/srv"), source) == ["build.read-only-var"]
    elsewhere = replace(source, storage=ExistingStorage("tmpfs /var tmpfs defaults 0 0\n"))
    assert warned(ROOT.replace("VAR", "/srv"), elsewhere) == []
    add_rpm(tmp_path / "rpms", "ssh", path="/usr/sbin/sshd")
    server = with_packages(source, tmp_path, "ssh")
    assert warned(ROOT.replace("VAR", "/var"), server) == ["build.read-only-ssh"]
    assert warned("os: {hostname: a}\n", server) == []


@pytest.mark.parametrize("script", [False, True])
def test_what_a_new_initrd_needs_and_nothing_brings_is_told(tmp_path: Path, script: bool) -> None:
    file, source = tmp_path / "config.yaml", read(tmp_path)
    add_rpm(tmp_path / "rpms", "udevd", path="/usr/bin/udevadm")
    add_rpm(tmp_path / "rpms", "other")
    run = "scripts: {postCustomization: [{content: x}]}" if script else ""
    file.write_text(f"os: {{initrd: {{builder: dockyard}}}}\n{run}\n")
    loaded = load_image(file)
    scripts = scripts_of(loaded, "postCustomization", ())
    given = ImageSettings(settings_of(loaded), scripts, ())
    coming, layout = with_packages(source, tmp_path, "other"), layout_of(source)
    boot = boot_changes(loaded, coming, layout)
    [problem] = missing_parts(loaded, coming, given, layout, boot, access(tmp_path / "store"))
    assert problem.severity is (Severity.WARNING if script else Severity.ERROR)
    assert problem.fix == "add to os.packages.install: udevd"
    assert any(line.startswith("udevd: udevadm, for") for line in problem.excerpt)
    file.write_text("os: {hostname: a}\n")
    loaded = load_image(file)
    boot = boot_changes(loaded, coming, layout)
    assert not list(missing_parts(loaded, coming, given, layout, boot, access(tmp_path / "store")))


def test_an_initrd_that_would_not_check_the_root_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for programs, builder, codes in (
        (["usr/sbin/mkinitramfs"], "", ["image.initrd-without-verity"]),
        (["usr/sbin/mkinitramfs"], "dockyard", ["image.lacks-parts"]),
        (["usr/sbin/mkinitramfs", "usr/bin/dracut"], "", []),
    ):
        source = read(tmp_path, *programs)
        file.write_text(f"os: {{initrd: {{builder: {builder}}}}}\n" if builder else "os: {}\n")
        loaded, layout = load_image(file), layout_of(source)
        boot = boot_changes(loaded, source, layout)
        wish = replace(boot.initrd, always=True, features=(InitrdFeature.VERITY,))
        boot = replace(boot, work=BootWork.RESET, initrd=wish)
        given = ImageSettings(settings_of(loaded), (), ())
        found = missing_parts(loaded, source, given, layout, boot, access(tmp_path / "store"))
        assert [problem.code for problem in found] == codes
