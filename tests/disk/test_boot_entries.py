"""Boot entries change in their `options` alone, in the way in which their loader reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.disk.boot_entries import changed_entry, entry_text, fields_of, names_options
from dockyard.disk.command_words import CommandLineChange, name_of, words_of
from dockyard.errors import DockyardError

ENTRY = """title AlmaLinux (5.14.0-427.el9.x86_64) 9.4
version 5.14.0-427.el9.x86_64
linux /boot/vmlinuz-5.14.0-427.el9.x86_64
initrd /boot/initramfs-5.14.0-427.el9.x86_64.img $tuned_initrd
options root=UUID=0f1a-22 ro  selinux=0 crashkernel=1G-4G:192M,4G-64G:256M
grub_users $grub_users
grub_class almalinux
"""
CHANGE = CommandLineChange(("selinux",), ("selinux=1", 'dyndbg="file a +p"'), (("0f1a-22", "new"),))


def test_options_alone_change() -> None:
    old = "root=UUID=0f1a-22 ro  selinux=0 crashkernel=1G-4G:192M,4G-64G:256M"
    new = "root=UUID=new ro crashkernel=1G-4G:192M,4G-64G:256M selinux=1"
    expected = ENTRY.replace(old, f"{new} 'dyndbg=file a +p'")
    assert changed_entry(ENTRY, CHANGE, by_grub=True) == expected
    expected = ENTRY.replace(old, f'{new} dyndbg="file a +p"')
    assert changed_entry(ENTRY, CHANGE, by_grub=False) == expected
    with pytest.raises(DockyardError, match="cannot hand"):
        changed_entry(ENTRY, CommandLineChange(added=("a='",)), by_grub=True)


def test_an_entry_of_several_lines_and_of_none_gets_the_words_last() -> None:
    change = CommandLineChange(("b",), ("c=1",))
    assert changed_entry("options a b=2\noptions b", change, by_grub=False) == (
        "options a\noptions c=1"
    )
    assert changed_entry("title x", change, by_grub=False) == "title x\noptions c=1\n"


def test_what_names_the_options_of_grub_is_known() -> None:
    assert names_options("options ro $kernelopts $tuned_params\n")
    assert names_options("options ${kernelopts}\n")
    assert not names_options("options $kernelopts2 kernelopts\ntitle $kernelopts\n")


def test_an_entry_is_read_as_it_was_written() -> None:
    fields = fields_of(ENTRY)
    assert fields.kernel == "/boot/vmlinuz-5.14.0-427.el9.x86_64"
    assert fields.initrds[-1] == "$tuned_initrd"
    assert fields_of(entry_text(fields)) == fields


WORDS = st.from_regex(r'(a|b|c)(=([a-z]{0,3}|"[a-z ]{0,3}"))?', fullmatch=True)


@given(st.lists(WORDS), st.lists(WORDS), st.sets(st.sampled_from("abc")))
def test_any_options_lose_and_gain_what_they_should(
    old: list[str], added: list[str], removed: set[str]
) -> None:
    text = f"title t\noptions {' '.join(old)}\n# end"
    change = CommandLineChange(tuple(removed), tuple(added))
    changed = changed_entry(text, change, by_grub=False)
    again = {word.replace('"', "") for word in added}
    kept = [
        word for word in old if name_of(word) not in removed and word.replace('"', "") not in again
    ]
    assert words_of(fields_of(changed).options) == (*kept, *added)
    assert changed.startswith("title t\n") and changed.endswith("\n# end")


def test_later_changes_win() -> None:
    one = CommandLineChange(("selinux",), ("selinux=0", "quiet"), (("1", "2"),))
    two = CommandLineChange(("selinux", "security"), ("selinux=1",))
    both = one + two
    assert both.applied(["a", "security=x", "root=1", "root=11"]) == (
        "a", "root=2", "root=11", "quiet", "selinux=1"
    )  # fmt: skip
    assert CommandLineChange(added=("h={H}", "i")).filled([("H", "00ff")]).added == ("h=00ff", "i")
    assert not CommandLineChange() and both
