"""Lines of /etc/fstab that are not about the disk that is laid out anew are kept, or told of."""

from __future__ import annotations

from dockyard.disk.other_mounts import Line, kept_beside, named, with_others

OWN = {
    ("UUID", "0a0b"),
    ("PARTUUID", "11-22"),
    ("LABEL", "my data"),
    ("PARTLABEL", "root"),
}
TABLE = """\
# /etc/fstab
#
UUID=0A0B / ext4 defaults 0 1
/dev/disk/by-partuuid/11-22 /boot vfat umask=0077 0 2
LABEL="my\\x20data" /data xfs defaults 0 0
PARTLABEL=root /again ext4 ro 0 0
/dev/mapper/root /verity erofs ro 0 0
UUID=ffff /mnt/other ext4 defaults,nofail 0 2  # of another disk
/dev/disk/cloud/azure_resource-part1 /mnt auto defaults,nofail,x-systemd.requires=cloud-init 0 2
tmpfs /tmp tmpfs size=1G 0 0
server:/export /srv nfs4 defaults 0 0
/swapfile none swap sw 0 0
/dev/sda2 / ext4 defaults 0 0
/dev/sdb1 /backup ext4 defaults 0 0
short line
"""


def test_the_lines_of_the_old_disk_go_with_it() -> None:
    kept, unclear = kept_beside(TABLE, OWN, {"/", "/boot/efi"})
    texts = [line if isinstance(line, str) else line.text for line in kept]
    assert texts == [
        line
        for line in TABLE.splitlines()
        if line.startswith(("#", "UUID=ffff", "/dev/disk/cloud", "tmpfs", "server", "/swap", "sh"))
    ]
    # What is mounted anew takes the place of /dev/sda2, whatever disk that was.
    assert [(line.number, line.source, line.at) for line in unclear] == [
        (14, "/dev/sdb1", "/backup")
    ]


def test_the_new_lines_come_between_the_head_and_what_was_kept() -> None:
    kept, _ = kept_beside("# head\n\nUUID=0a0b / ext4\n# more\ntmpfs /tmp tmpfs\n", OWN, ())
    assert with_others("new\n", kept) == "# head\n\n# more\nnew\ntmpfs /tmp tmpfs\n"
    assert with_others("new\n", []) == "new\n"


def test_names_of_devices_are_told_apart() -> None:
    assert named("/dev/disk/by-uuid/ABC") == named("UUID=abc") == ("UUID", "abc")
    assert named('LABEL="a\\x20b"') == ("LABEL", "a b")
    assert named("tmpfs") is None and named("/dev/sda1") is None


def test_a_line_knows_its_mount_point() -> None:
    kept, _ = kept_beside("tmpfs /a\\040b/ tmpfs noauto,ro 0 0\n", OWN, ())
    assert kept == [
        Line(1, "tmpfs /a\\040b/ tmpfs noauto,ro 0 0", "tmpfs", "/a b", ("noauto", "ro"))
    ]
