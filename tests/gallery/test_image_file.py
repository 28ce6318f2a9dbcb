"""The gallery's mistakes in an image file: found by reading alone."""

from __future__ import annotations

from pathlib import Path

from error_pages import DISK_AND_BOOT, Desk, Shown, show

_IMAGE = f"""\
name: web
distro: distros/harbor/distro.yaml

{DISK_AND_BOOT}\
  hostname: web
  packages:
    install:
      - kernel
  uki:
    mode: create
"""
_COMMAND = "dockyard validate-config web.yaml"


def _image(desk: Desk, old: str = "", new: str = "") -> None:
    assert old in _IMAGE
    desk.write("distros/harbor/distro.yaml", "")
    desk.write("web.yaml", _IMAGE.replace(old, new) if old else _IMAGE + new)


def test_the_base_of_these_cases_is_valid(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    _image(desk)
    desk.must(_COMMAND)


def test_unknown_key(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    snippet = "os:\n  bootloader:\n    resetType: hard-reset\n  hostnam: web\n"
    _image(desk, "hostname:", "hostnam:")
    show(
        desk,
        "unknown-key",
        "An unknown key",
        "A key is misspelled. Nothing is ignored: the file is refused, with the key that was "
        "probably meant.",
        [Shown("web.yaml", snippet)],
        _COMMAND,
        code="config.unknown-key",
        place="web.yaml:25:3",
    )


def test_wrong_type(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    snippet = "        - id: root\n          size: lots\n"
    _image(desk, "size: 1G", "size: lots")
    show(
        desk,
        "wrong-type",
        "A value of the wrong kind",
        "The size of a partition is a word that is no size.",
        [Shown("web.yaml", snippet)],
        _COMMAND,
        code="config.size",
        place="web.yaml:13:17",
    )


def test_duplicate_mount_point(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    snippet = "    - deviceId: data\n      type: xfs\n      mountPoint: /\n"
    _image(desk, "\nos:", f"{snippet}\nos:")
    partition = "        - id: data\n          size: 1G\n"
    text = (desk.root / "web.yaml").read_text()
    desk.write("web.yaml", text.replace("  filesystems:\n", f"{partition}  filesystems:\n"))
    root = "    - deviceId: root\n      type: ext4\n      mountPoint: /\n"
    show(
        desk,
        "duplicate-mount-point",
        "Two file systems at one mount point",
        "Two file systems are to be mounted at `/`.",
        [Shown("web.yaml", root + snippet)],
        _COMMAND,
        code="config.duplicate",
        place="web.yaml:25:19",
    )


def test_mount_place(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    snippet = "    - deviceId: data\n      type: xfs\n      mountPoint: /etc\n"
    _image(desk, "\nos:", f"{snippet}\nos:")
    partition = "        - id: data\n          size: 1G\n"
    text = (desk.root / "web.yaml").read_text()
    desk.write("web.yaml", text.replace("  filesystems:\n", f"{partition}  filesystems:\n"))
    show(
        desk,
        "mount-place",
        "A file system where none can be",
        "What a machine needs before it mounts anything, or what the system mounts itself, cannot "
        "be a file system of its own.",
        [Shown("web.yaml", snippet)],
        _COMMAND,
        code="config.mount-place",
        place="web.yaml:25:19",
    )


def test_missing_file(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    snippet = "  additionalFiles:\n    - source: files/motd\n      destination: /etc/motd\n"
    desk.write("files/modt", "Welcome\n")
    _image(desk, "", snippet)
    show(
        desk,
        "missing-file",
        "A file that is not there",
        "The image file names a file that does not exist. `plan` and `build` look for every file "
        "before they start; `validate-config` does when it is asked to.",
        [Shown("web.yaml", snippet)],
        "dockyard validate-config web.yaml --validate-resources files",
        code="config.file-missing",
        place="web.yaml:32:15",
    )


def test_destination_outside(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    snippet = "  additionalFiles:\n    - content: x\n      destination: ../../etc/passwd\n"
    _image(desk, "", snippet)
    show(
        desk,
        "destination-outside",
        "A destination that leads out of the image",
        "Paths inside an image are absolute and have no `..`. Were one to pass, writing would "
        "still be resolved inside the image: the host is never touched.",
        [Shown("web.yaml", snippet)],
        _COMMAND,
        code="config.path-escapes",
        place="web.yaml:33:20",
    )


def test_private_key(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    snippet = "  users:\n    - name: operator\n      sshPublicKeyPaths:\n        - id_ed25519\n"
    _image(desk, "", snippet)
    desk.write("id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n")
    show(
        desk,
        "private-key",
        "A private key in place of a public one",
        "The file that should hold a user's public key holds the private one. It is refused, and "
        "nothing of its text is shown.",
        [Shown("web.yaml", snippet)],
        "dockyard validate-config web.yaml --validate-resources files",
        code="config.private-key",
        place="web.yaml:34:11",
    )


def test_wrong_kind(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    _image(desk)
    show(
        desk,
        "wrong-kind",
        "An image file in place of a distribution",
        "A file of the right form is given where one of another kind is wanted.",
        [],
        "dockyard distro build web.yaml",
        code="config.wrong-kind",
        place="web.yaml",
    )
