"""What a booted image is asked as a whole: each lie is found by this host's shell, with a machine
that a few small programs play.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from dockyard.config import parse_image
from dockyard.disk.layout import DiskLayout, lay_out
from dockyard.errors import DockyardError, Position
from dockyard.model.family import HARBOR, family_of
from dockyard.model.packages import Pin
from dockyard.pipeline.checks import Built, _partitions, image_questions
from dockyard.pipeline.expected import Expected, _counts, _without_secret, passed_over
from dockyard.pipeline.file_questions import file_questions
from dockyard.pipeline.guest_needs import require_answers
from dockyard.tree.check import Check, Turn, Unasked
from dockyard.tree.fstab import FstabSetting, Mount

DISK = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, label: esp, size: 64M}
        - {id: root, type: root, label: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
os: {bootloader: {resetType: hard-reset}, uki: {mode: create}, initrd: {modules: [a]}}
checks:
  - {unit: sshd}
"""
SHADOW = ["root:*:20000:0:99999:7:::", "alice:$6$salt$secret:20000:0:90:7:::", "bob:!:1::::::"]


def layout() -> DiskLayout:
    return lay_out(parse_image(DISK, "image.yaml").image.storage, b"seed")


def manifest(place: Path, *lines: Mapping[str, object]) -> Path:
    path = place / "manifest.jsonl"
    path.write_text("".join(json.dumps(_full(line)) + "\n" for line in lines))
    return path


def _full(line: Mapping[str, object]) -> dict[str, object]:
    base = {"type": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 4, "sha256": "0" * 64}
    if str(line["path"]).startswith("/boot/efi/"):
        base = {key: base[key] for key in ("type", "size", "sha256")}
    return {**base, **line}


def questions(place: Path, *pins: str) -> list[Check | Unasked]:
    expected = Expected(
        {"passwd": ["root:x:0:0::/:/bin/sh"], "group": [], "shadow": []}, ["missing /x"]
    )
    return image_questions(
        parse_image(DISK, "image.yaml"),
        [Pin(name, "1-1", "x86_64", "r", "p") for name in pins],
        (),
        "quiet",
        layout(),
        HARBOR,
        Built(manifest(place, {"path": "/etc/a"}), expected),
    )


def test_without_a_build_what_it_would_tell_is_named_first() -> None:
    found = image_questions(
        parse_image(DISK, "image.yaml"), [], (), "quiet", layout(), HARBOR, None
    )
    first = next(item for item in found if isinstance(item, Unasked))
    assert first.what == "files, accounts and what scripts did"


def answer(script: str, place: Path, **programs: str) -> str:
    """What a script prints where these programs are the machine's."""
    for name, text in programs.items():
        path = place / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    search = f"{place}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", "-c", script], env={"PATH": search}, capture_output=True, text=True
    )
    return done.stdout.strip()


def find(found: list[Check | Unasked], id: str) -> Check:
    return next(item for item in found if isinstance(item, Check) and item.id == id)


def test_what_cannot_be_asked_is_listed(tmp_path: Path) -> None:
    found = questions(tmp_path, "bash")
    told = {item.what for item in found if isinstance(item, Unasked)}
    assert {"the database of packages", "the further modules of the initrd"} <= told
    assert not any(item.id.startswith("packages") for item in found if isinstance(item, Check))
    assert find(found, "checks[0]").setting
    assert find(found, "kernel.uki").expect == "yes"


def test_packages_are_asked_with_the_digests_of_their_headers(tmp_path: Path) -> None:
    expected = Expected({"passwd": [], "group": [], "shadow": []}, [], {"rpm-1-1.x86_64": "ab"})
    built = Built(manifest(tmp_path, {"path": "/etc/a"}), expected)
    pins = [Pin("rpm", "1-1", "x86_64", "r", "p")]
    loaded = parse_image(DISK, "image.yaml")
    check = find(image_questions(loaded, pins, (), "quiet", layout(), HARBOR, built), "packages")
    assert check.expect == "rpm-1-1.x86_64 ab"
    rpm = 'case "$*" in *SHA256HEADER*) echo "rpm-0:1-1.x86_64 {}" ;; esac'
    assert answer(check.script, tmp_path, rpm=rpm.format("ab")) == check.expect
    assert answer(check.script, tmp_path, rpm=rpm.format("cd")) != check.expect
    unbuilt = find(image_questions(loaded, pins, (), "quiet", layout(), HARBOR, None), "packages")
    assert unbuilt.expect == "rpm-1-1.x86_64" and "SHA256" not in unbuilt.script


def test_packages_are_asked_as_rpm_left_them(tmp_path: Path) -> None:
    check = find(questions(tmp_path, "rpm"), "packages.verify")
    rpm = "echo 'missing /x'; echo '.M....... /run/y'; echo '.M.......  /var/log/z'"
    assert answer(check.script, tmp_path, rpm=rpm) == check.expect == "missing /x"
    less = f"{rpm}; echo 'S........    /usr/bin/less'"
    assert "/usr/bin/less" in answer(check.script, tmp_path, rpm=less)
    places = passed_over(HARBOR.packaging, HARBOR.esp)
    for passed in ("/run/lock", "/var/lib/rpm", "/boot/efi/EFI"):
        assert not _counts(f"missing   {passed}", places)
    assert _counts("missing     /usr/bin/jq", places)


SHADOWS = {
    "expiry": ("alice:$6$salt$secret:20000:0:99999:7:::", False),
    "hash": ("alice:$6$salt$other:20000:0:90:7:::", False),
    "unlocked": ("bob::1::::::", False),
    "first boot's day": ("alice:$6$salt$secret:20700:0:90:7:::", True),
}


@pytest.mark.parametrize("name", SHADOWS)
def test_each_lie_about_a_password_is_found(name: str, tmp_path: Path) -> None:
    changed, same = SHADOWS[name]
    user = changed.partition(":")[0]
    (tmp_path / "shadow").write_text(
        "".join(f"{changed if line.startswith(user) else line}\n" for line in SHADOW)
    )
    check = find(questions(tmp_path), "accounts.passwords")
    told = answer(check.script.replace("/etc/shadow", str(tmp_path / "shadow")), tmp_path)
    expect = [_without_secret(line) for line in SHADOW]
    assert (told.splitlines() == expect) is same
    assert "secret" not in told and "other" not in told


def test_a_service_that_is_started_again_and_again_is_found(tmp_path: Path) -> None:
    check = find(questions(tmp_path), "services.restarts")
    one = "Id=a.service\\nNRestarts=0\\nSubState=running\\n\\n"
    shown = f"printf '{one}Id=b.service\\nNRestarts=%s\\nSubState=%s\\n' "
    assert answer(check.script, tmp_path, systemctl=f"{shown} 0 running") == ""
    assert "b.service" in answer(check.script, tmp_path, systemctl=f"{shown} 7 running")
    assert "b.service" in answer(check.script, tmp_path, systemctl=f"{shown} 0 auto-restart")


@pytest.mark.parametrize("lie", ["", "PARTTYPE", "PARTLABEL", "SIZE", "PARTUUID"])
def test_each_lie_about_a_partition_is_found(lie: str, tmp_path: Path) -> None:
    check = find(questions(tmp_path), "disk.partitions")
    lines = [f'TYPE="part" {line}' for line in reversed(check.expect.splitlines())]
    if lie:
        lines[0] = lines[0].replace(f'{lie}="', f'{lie}="1')
    listing = 'TYPE="disk" PARTN=""\n' + "\n".join(lines)
    (tmp_path / "listing").write_text(listing + "\n")
    lsblk = f'case "$*" in *--inverse*) echo disk vda ;; *) cat {tmp_path}/listing ;; esac'
    told = answer(check.script, tmp_path, lsblk=lsblk, findmnt="echo /dev/vda2")
    assert (told == check.expect) is not bool(lie)


def test_a_name_that_growing_gives_to_a_partition_is_no_lie(tmp_path: Path) -> None:
    text = DISK.replace("label: root, size: 1G", "size: grow").replace(
        "- partitions", "- maxSize: 2G\n      partitions"
    )
    check = _partitions(lay_out(parse_image(text, "image.yaml").image.storage, b"seed"))
    for number, tells in ((1, False), (2, True)):
        lines = check.expect.splitlines()
        label = ("esp", "")[number - 1]
        lines[number - 1] = lines[number - 1].replace(f'L="{label}"', 'L="root-x86-64"')
        (tmp_path / "listing").write_text("".join(f'TYPE="part" {line}\n' for line in lines))
        lsblk = f'case "$*" in *--inverse*) echo disk vda ;; *) cat {tmp_path}/listing ;; esac'
        told = answer(check.script, tmp_path, lsblk=lsblk, findmnt="echo /dev/vda2")
        assert (told == check.expect) is tells


def test_labels_are_expected_as_lsblk_prints_them() -> None:
    text = DISK.replace("label: root", "label: 'a $b`c\\d\"e-/#'")
    laid = lay_out(parse_image(text, "image.yaml").image.storage, b"seed")
    # In lsblk's words: libsmartcols writes what a shell would read within quotes in hex.
    assert r'PARTLABEL="a \x24b\x60c\x5cd\x22e-/#"' in _partitions(laid).expect


@pytest.mark.parametrize(("grown", "good"), [(1 << 20, True), (1 << 33, True), (-4096, False)])
def test_a_partition_that_grows_is_at_least_as_large_as_it_was_built(
    grown: int, good: bool, tmp_path: Path
) -> None:
    text = DISK.replace("size: 1G", "size: grow").replace(
        "- partitions", "- maxSize: 2G\n      partitions"
    )
    laid = lay_out(parse_image(text, "image.yaml").image.storage, b"seed")
    check = _partitions(laid)
    for number, tells in ((1, False), (2, good)):
        lines = check.expect.splitlines()
        old = laid.partitions[number - 1].size
        lines[number - 1] = lines[number - 1].replace(f'"{old}"', f'"{old + grown}"')
        (tmp_path / "listing").write_text("".join(f'TYPE="part" {line}\n' for line in lines))
        lsblk = f'case "$*" in *--inverse*) echo disk vda ;; *) cat {tmp_path}/listing ;; esac'
        told = answer(check.script, tmp_path, lsblk=lsblk, findmnt="echo /dev/vda2")
        assert (told == check.expect) is tells


def test_mount_options_are_asked_of_the_kernel_and_of_fstab(tmp_path: Path) -> None:
    mount = Mount("/boot/efi", "vfat", "PARTUUID=x", ("umask=0077", "noatime", "nofail"))
    found = {check.id: check for check in FstabSetting("text\n", (mount,)).checks()}
    options = found["mounts./boot/efi.options"]
    assert found["mounts.fstab"].expect == "text\n"
    assert options.expect == "dmask=0077\nfmask=0077\nnoatime"
    script = options.script.replace("ls /boot/efi", "ls /")
    good = "echo rw,noatime,fmask=0077,dmask=0077,codepage=437"
    assert answer(script, tmp_path, findmnt=good) == options.expect
    bad = "echo rw,relatime,fmask=0022,dmask=0022"
    assert answer(script, tmp_path, findmnt=bad) != options.expect


@pytest.mark.parametrize("options", [("noauto",), ("noauto", "x-systemd.automount"), ("nofail",)])
def test_what_only_an_administrator_mounts_is_mounted_to_be_asked(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    found = FstabSetting("text\n", (Mount("/", "ext4", "UUID=x", (*options, "ro")),)).checks()
    for id, told in (("mounts./", "ext4 x"), ("mounts./.options", "ro")):
        [check] = [check for check in found if check.id == id]
        findmnt = f'[ -e {tmp_path}/mounted ] && echo "{told}"'
        mounting = {"mountpoint": "false", "mount": f"touch {tmp_path}/mounted"}
        right = answer(check.script, tmp_path, findmnt=findmnt, **mounting) == check.expect
        assert (check.turn is Turn.BEFORE) is ("noauto" in options)
        assert right is ("noauto" in options)


def test_a_mount_is_asked_for_a_label_with_all_of_its_blanks(tmp_path: Path) -> None:
    found = FstabSetting("text\n", (Mount("/", "ext4", "PARTLABEL=a  b"),)).checks()
    [check] = [check for check in found if check.id == "mounts./"]
    assert answer(check.script, tmp_path, findmnt="echo 'ext4   a  b  '") == check.expect


def test_every_file_is_asked_for_and_a_sample_is_read(tmp_path: Path) -> None:
    large = [
        {"path": f"/usr/lib/{number}", "size": 8 << 20, "sha256": f"{number:064x}"}
        for number in range(20)
    ]
    made = manifest(
        tmp_path,
        {"path": "/usr/bin/su", "mode": "4755", "size": 1 << 20},
        {"path": "/etc/passwd"},
        {"path": "/etc/machine-id"},
        {"path": "/var/log/x"},
        {"path": "/etc/own"},
        {"path": "/var/lib/app", "type": "directory"},
        {"path": "/var/lib/app/data"},
        {"path": "/boot/efi", "type": "directory", "mode": "0755"},
        {"path": "/boot/efi/EFI", "type": "directory"},
        {"path": "/boot/efi/EFI/x.efi"},
        {"path": "/srv", "type": "directory", "mode": "0750"},
        {"path": "/bin", "type": "symlink", "mode": "0777", "target": "usr/bin"},
        *large,
    )

    def asked(every: bool) -> tuple[str, list[Unasked]]:
        found = file_questions(made, {"/etc/own"}, ["/boot/efi"], HARBOR.packaging, every)
        checks = [item for item in found if isinstance(item, Check)]
        text = "\n".join(check.expect for check in checks if check.id != "names")
        return text, [item for item in found if isinstance(item, Unasked)]

    text, unasked = asked(False)
    for path in (
        "/etc/machine-id",
        "/var/log/x",
        "/etc/own",
        "/var/lib/app\n",
        "/boot/efi\n",
        "/boot/efi/EFI\n",
    ):
        assert path not in f"{text}\n"
    assert "\n4 /boot/efi/EFI/x.efi\n" in f"\n{text}"
    assert f"{'0' * 64}  /boot/efi/EFI/x.efi" in text
    assert "drwxr-x--- 0:0 /srv" in text
    assert "0:0 4 /var/lib/app/data" in text
    assert "lrwxrwxrwx 0:0 /bin -> usr/bin" in text
    assert f"{'0' * 64}  /usr/bin/su" in text
    assert "-rw-r--r-- 0:0 /etc/passwd" in text
    assert all(f"{line['path']}\n" in f"{text}\n" for line in large)
    told = [item.what.partition(" of ")[0] for item in unasked]
    assert told == ["owners and modes", "2 names", "the content"]
    assert unasked[1].what == "2 names of the build at /etc/machine-id, /var/log"
    text, unasked = asked(True)
    assert len(unasked) == 2
    assert all(f"{line['sha256']}  {line['path']}" in text for line in large)


def test_nothing_more_may_be_where_programs_and_rights_are(tmp_path: Path) -> None:
    base = {"type": "directory", "mode": "0755", "size": None, "sha256": None}
    made = manifest(
        tmp_path,
        *({"path": path, **base} for path in ("/boot/efi", "/etc", "/home/a", "/home/a/.ssh")),
        {"path": "/etc/sudoers.d", **base},
        {"path": "/etc/sudoers.d/crew"},
        {"path": "/home/a/.ssh/authorized_keys"},
        {"path": "/boot/efi/EFI", "type": "directory"},
        {"path": "/usr", **base},
        {"path": "/usr/bin", "type": "symlink", "target": "x"},
    )
    text = made.read_text().replace('"size": null, "sha256": null', '"uid": 0')
    made.write_text(text.replace('{"type": "directory", "size": 4', '{"type": "directory"'))
    found = file_questions(made, (), (), HARBOR.packaging, True)
    [check] = [each for each in found if isinstance(each, Check) and each.id == "names"]
    assert check.expect.splitlines() == [
        "/boot/efi/EFI",
        "/etc/sudoers.d/crew",
        "/home/a/.ssh/authorized_keys",
        "/usr/bin",
    ]


def test_a_database_of_packages_below_usr_may_have_more_files(tmp_path: Path) -> None:
    base = {"type": "directory", "mode": "0755", "uid": 0}
    packaging = family_of("fedora", "42")
    assert packaging
    made = tmp_path / "manifest.jsonl"
    lines = [
        {"path": path, **base}
        for path in ("/usr", "/usr/lib", "/usr/lib/sysimage", "/usr/lib/sysimage/rpm")
    ] + [{"path": "/usr/lib/sysimage/rpm/rpmdb.sqlite", "type": "file", "mode": "0644", "size": 1}]
    made.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = file_questions(made, (), (), packaging.packaging, True)
    [names] = [each for each in found if isinstance(each, Check) and each.id == "names"]
    assert names.expect.splitlines() == ["/usr/lib", "/usr/lib/sysimage", "/usr/lib/sysimage/rpm"]
    [held] = [each.what for each in found if isinstance(each, Unasked) and "names" in each.what]
    assert held.endswith("at /usr/lib/sysimage/rpm")


def test_an_image_that_cannot_answer_is_told_before_it_is_booted(tmp_path: Path) -> None:
    where = Position("image.yaml", 3)
    systemd = {"path": "/usr/lib/systemd/systemd", "package": "systemd-255.1-1.x86_64"}
    with pytest.raises(DockyardError) as caught:
        require_answers(manifest(tmp_path, {"path": "/usr/bin/sh"}, systemd), where)
    lacking, old = caught.value.problems
    assert "sha256sum" in lacking.what and "coreutils" in lacking.fix
    assert "systemd is 255" in old.what


# A customized image has the fstab that it had; what boots it need not be in that.
UNMOUNTED = {
    "mounted by the system": ({"mountpoint": "true", "unshare": "false"}, "4", True),
    "mounted for the question": ({"mountpoint": "false", "mount": "touch {}/mounted"}, "4", True),
    "with other files": ({"mountpoint": "false", "mount": "touch {}/mounted"}, "5", False),
    "that cannot be mounted": ({"mountpoint": "false", "mount": "exit 32"}, "4", False),
}


@pytest.mark.parametrize("name", UNMOUNTED)
def test_an_esp_is_asked_for_its_files_though_the_system_does_not_mount_it(
    name: str, tmp_path: Path
) -> None:
    programs, size, right = UNMOUNTED[name]
    made = manifest(
        tmp_path,
        {"path": "/etc/a"},
        {"path": "/boot/efi", "type": "directory", "mode": "0755"},
        {"path": "/boot/efi/EFI x.efi", "sha256": None},
    )
    made.write_text(made.read_text().replace(', "sha256": null', ""))
    built = Built(made, Expected({"passwd": [], "group": [], "shadow": []}, []))
    loaded = parse_image(DISK, "image.yaml")
    found = image_questions(loaded, None, (), "", layout(), HARBOR, built)
    assert "/etc/a" in find(found, "files").expect
    assert "/boot/efi" not in find(found, "files").script
    check = find(found, "files.boot.efi")
    assert check.expect == "4 /boot/efi/EFI x.efi"
    [esp, _] = layout().partitions
    assert f"/dev/disk/by-partuuid/{esp.guid} /boot/efi" in check.script
    alone = {
        "unshare": '[ "$1" = --mount ] && shift && exec "$@"',
        "stat": f"[ {name.startswith('mounted by'):d} = 1 ] || [ -e {tmp_path}/mounted ] && "
        f'echo "{size} $4"',
    }
    given = {key: text.format(tmp_path) for key, text in programs.items()}
    told = answer(check.script, tmp_path, **{**alone, **given})
    assert (told == check.expect) is right
    by_fstab = (FstabSetting("text\n", (Mount("/", "ext4", "UUID=x"),)),)
    again = image_questions(loaded, None, by_fstab, "", layout(), HARBOR, built)
    assert "/boot/efi/EFI x.efi" in find(again, "files").script
