"""The tree of an image: links are followed inside it, whoever made them."""

from __future__ import annotations

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.inspection.tree import Mounted, Tree


def link(path: bytes, target: bytes) -> Entry:
    return Entry(path, Kind.SYMLINK, 0o777, target=target)


@pytest.fixture
def tree() -> Tree:
    root = Archive.from_entries(
        [
            Entry(b"usr/lib/os-release", Kind.FILE, 0o644),
            link(b"etc/os-release", b"../usr/lib/os-release"),
            link(b"lib", b"usr/lib"),
            link(b"etc/absolute", b"/usr/lib/os-release"),
            link(b"etc/outside", b"../../../../etc/secret"),
            link(b"etc/loop", b"loop"),
            link(b"etc/one", b"two"),
            link(b"etc/two", b"one"),
            link(b"data", b"/srv/data/below"),
            Entry(b"etc/secret", Kind.FILE, 0o600),
            Entry(b"srv/data/hidden", Kind.FILE, 0o644),
        ],
        {b"usr/lib/os-release": b"ID=test\n", b"etc/secret": b"the image's own"},
    )
    mounted = Archive.from_entries(
        [Entry(b"below/file", Kind.FILE, 0o644), link(b"up", b"../../etc/secret")],
        {b"below/file": b"on the other"},
    )
    return Tree([Mounted(b"", root), Mounted(b"srv/data", mounted)])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/os-release", "ID=test\n"),
        ("/lib/os-release", "ID=test\n"),
        ("/lib/../lib/./os-release", "ID=test\n"),
        ("/etc/absolute", "ID=test\n"),
        # Above the root is the root, as chroot(2) has it.
        ("/etc/outside", "the image's own"),
        ("/data/file", "on the other"),
        ("/srv/data/below/file", "on the other"),
        ("/srv/data/up", "the image's own"),
        ("/etc/loop", None),
        ("/etc/one", None),
        ("/etc/os-release/below", None),
        ("/srv/data/hidden", None),
        ("/nothing", None),
        ("/etc", None),
    ],
)
def test_links_are_followed_inside_the_image(tree: Tree, path: str, text: str | None) -> None:
    assert tree.text(path) == text


def test_names_and_links_are_those_of_the_right_file_system(tree: Tree) -> None:
    assert tree.names("/srv/data") == ("below", "up")
    assert tree.names("/lib") == ("os-release",)
    assert tree.names("/etc/os-release") == ()
    assert tree.link("/etc/os-release") == "../usr/lib/os-release"
    assert tree.link("/lib/os-release") is None
    assert "/srv/data/hidden" not in dict(tree.entries())
    assert "/srv/data/below/file" in dict(tree.entries())


def test_a_file_that_is_too_large_is_not_read(tree: Tree) -> None:
    assert tree.whole("/etc/secret", 5) is None
    assert tree.whole("/etc/secret", 15) == b"the image's own"
    assert (tree.head("/etc/secret", 3), tree.head("/etc/nothing", 3)) == (b"the", b"")
