"""Menus of GRUB are changed at single places: what GRUB's own programs make is the measure."""

from __future__ import annotations

from pathlib import Path

import pytest
from grub_programs import KERNELS, made_menu, refused
from hypothesis import given
from hypothesis import strategies as st

from dockyard.disk import grub_environment, grub_script
from dockyard.disk.command_words import CommandLineChange, words_of
from dockyard.disk.grub_menu import MenuEntry, changed_menu, read_menu
from dockyard.disk.grub_settings import changed_settings
from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools

SETTINGS = """# If you change this file, run 'update-grub' afterwards.
GRUB_DEFAULT=0
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR=`( . /etc/os-release && echo ${NAME} )`
GRUB_CMDLINE_LINUX_DEFAULT="quiet selinux=0 splash"
GRUB_CMDLINE_LINUX='net.ifnames=0 enforcing=0'
"""
OLD_STYLE = """set timeout=0
set bootprefix=/boot
search -n -u 33beac00-b378-4b0c-b0cb-d5dcebf2cf57 -s

load_env -f $bootprefix/cbl.cfg
if [ -f  $bootprefix/systemd.cfg ]; then
\tload_env -f $bootprefix/systemd.cfg
else
\tset systemd_cmdline=net.ifnames=0
fi
set rootdevice=PARTUUID=c17c558b-068b-459c-92cb-f218d14b44a1

menuentry "An older one" {
\tlinux $bootprefix/$cbl_linux       rd.auto=1 root=$rootdevice $cbl_cmdline selinux=0 \\
\t\t'security=apparmor' sysctl.kernel="a b"  $systemd_cmdline   $kernelopts # and no more
\tif [ -f $bootprefix/$cbl_initrd ]; then
\t\tinitrd $bootprefix/$cbl_initrd
\tfi
}
# linux in a comment selinux=0
"""
SELINUX = CommandLineChange(("selinux", "enforcing", "security"), ("selinux=1", "security=selinux"))


def lines(entries: tuple[MenuEntry, ...]) -> list[tuple[str, ...]]:
    return [entry.words for entry in entries]


def test_a_generated_menu_is_read(tools: Tools, tmp_path: Path) -> None:
    menu = made_menu(tools, tmp_path, SETTINGS)
    assert refused(tools, menu) == b""
    found = read_menu(menu, "grub.cfg").entries
    kernels = [f"/boot/vmlinuz-{release}" for release in reversed(KERNELS)]
    assert [entry.kernel for entry in found] == [kernels[0], *(k for k in kernels for _ in "ab")]
    root = "root=UUID=6d8e1b7a-36c4-4c4f-9a1e-31c0c1f8a2b4"
    assert found[0].words[-5:] == ("net.ifnames=0", "enforcing=0", "quiet", "selinux=0", "splash")
    assert all(root in entry.words or "root=/dev/sda2" in entry.words for entry in found)
    assert "recovery mode" in found[2].title and "single" in found[2].words


@pytest.mark.parametrize(
    "drop_in", ["", 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX console=ttyS0"\n']
)
def test_a_menu_made_later_says_what_the_changed_one_says(
    tools: Tools, tmp_path: Path, drop_in: str
) -> None:
    added = ("console=ttyS1,115200", 'dyndbg="file ext4* +p"', "a$b;c&d", 'quote"d')
    change = SELINUX + CommandLineChange(added=added)
    menu = made_menu(tools, tmp_path, SETTINGS, drop_in)
    changed = changed_menu(menu, change, "grub.cfg")
    assert refused(tools, changed) == b""
    paths = ("/etc/default/grub", "/etc/default/grub.d/10-more.cfg")
    settings = changed_settings(dict(zip(paths, (SETTINGS, drop_in), strict=True)), change)
    later = made_menu(tools, tmp_path, *settings.values())
    ours, theirs = (read_menu(text, "grub.cfg").entries for text in (changed, later))
    assert len(ours) == 1 + 2 * len(KERNELS)
    assert [sorted(words) for words in lines(ours)] == [sorted(words) for words in lines(theirs)]
    wanted = ("selinux=1", "security=selinux", "console=ttyS1,115200", "dyndbg=file ext4* +p",
              "a$b;c&d", "quoted")  # fmt: skip
    assert all(words[-6:] == wanted for words in lines(ours))
    assert all("selinux=0" not in words for words in lines(ours))
    # Nothing else is another: without what was added and removed both are the same text.
    before = [line for line in menu.splitlines() if "\tlinux" not in line]
    assert before == [line for line in changed.splitlines() if "\tlinux" not in line]


def test_variables_continued_lines_and_comments_stay(tools: Tools) -> None:
    ids = (("33BEAC00-b378-4b0c-b0cb-d5dcebf2cf57", "new-1"),
           ("c17c558b-068b-459c-92cb-f218d14b44a1", "new-2"))  # fmt: skip
    changed = changed_menu(OLD_STYLE, SELINUX + CommandLineChange(ids=ids), "grub.cfg")
    assert refused(tools, changed) == b""
    expected = OLD_STYLE.replace(" selinux=0 \\", " \\", 1).replace("'security=apparmor'", "", 1)
    expected = expected.replace("$kernelopts #", "$kernelopts selinux=1 security=selinux #")
    for old, new in ids:
        expected = expected.replace(old.lower(), new)
    assert changed.split() == expected.split()
    assert changed.splitlines()[-1] == "# linux in a comment selinux=0"


def test_what_is_no_script_is_named_with_its_line() -> None:
    with pytest.raises(DockyardError, match="GRUB can read") as caught:
        read_menu("set a=1\nset b='1\n", "grub.cfg")
    problem = caught.value.problems[0]
    assert (problem.code, problem.where) == ("grub.not-a-script", "grub.cfg:2")


@pytest.mark.parametrize("word", ["a='b'", "a=\\b"])
def test_what_grub_cannot_hand_on_is_refused(word: str) -> None:
    with pytest.raises(DockyardError, match="cannot hand"):
        changed_menu(OLD_STYLE, CommandLineChange(added=(word,)), "grub.cfg")


OPTIONS = 'set a=1\nif [ -z "${kernelopts}" ]; then\n  set kernelopts="root=UUID=1 ro b=\\$c"\nfi\n'


def test_what_entries_fall_back_to_is_changed() -> None:
    change = CommandLineChange(("ro",), ("rw", "d=$e"))
    changed = changed_menu(OPTIONS, change, "grub.cfg")
    assert changed == OPTIONS.replace(" ro b=\\$c", " b=\\$c rw d=\\$e")
    assert read_menu(changed, "grub.cfg").options == "root=UUID=1 b=$c rw d=$e"
    with pytest.raises(DockyardError, match="cannot hand"):
        changed_menu(OPTIONS, CommandLineChange(added=('a="b c"',)), "grub.cfg")


WORDS = st.sampled_from(
    ["linux", "/boot/k", "root=UUID=1", "quiet", "'a b'", '"c $d"', "$e", "${f}g", "h\\ i", "j'k'l",
     "selinux=0", '"selinux=1"', "menuentry", "{", "}", ";", "&&", "if", "then", "fi", "#", "\\\n",
     "[", "]", "x=#y", "linuxefi", '$"m"', "é"]
)  # fmt: skip
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "\t", "\n", "  ", "\n\n"]))).map(
    lambda pairs: "".join(word + blank for word, blank in pairs)
)
CHANGES = st.builds(
    CommandLineChange,
    st.lists(st.sampled_from(["selinux", "root", "quiet"])).map(tuple),
    st.lists(st.sampled_from(["new=1", "b=c d", "#", "é=$f"])).map(tuple),
)


@given(TEXTS, CHANGES)
def test_any_text_keeps_all_but_the_words_of_linux(text: str, change: CommandLineChange) -> None:
    tokens = grub_script.tokens_of(text, "t")
    assert grub_script.text_of(tokens) == text
    changed = changed_menu(text, change, "t")
    before, after = (grub_script.tokens_of(each, "t") for each in (text, changed))
    commands = [list(grub_script.commands_of(each)) for each in (before, after)]
    assert [each.name for each in commands[0]] == [each.name for each in commands[1]]
    for old, new in zip(*commands, strict=True):
        values = [[grub_script.value_of(tokens[at].text) for at in command.words]
                  for tokens, command in ((before, old), (after, new))]  # fmt: skip
        if old.name in ("linux", "linuxefi") and len(values[0]) > 1:
            words = [word.replace('"', "") for word in change.added]
            kept = [word for word in values[0][2:] if not change.takes(word)]
            assert values[1] == values[0][:2] + kept + words
        else:
            assert values[0] == values[1]
    if not change:
        assert changed == text


@given(st.text(min_size=1, max_size=20))
def test_what_is_quoted_is_read_as_it_was(value: str) -> None:
    word = grub_script.quoted(value)
    tokens = grub_script.tokens_of(word, "t")
    if "'" not in value or "\n" not in value:
        assert [token.kind for token in tokens] == [grub_script.Kind.WORD]
        assert grub_script.value_of(word) == value


@given(st.dictionaries(
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=60), max_size=6,
))  # fmt: skip
def test_an_environment_block_is_read_as_it_was_written(values: dict[str, str]) -> None:
    block = grub_environment.with_variables("", values, "grubenv")
    assert len(block.encode()) == grub_environment.SIZE
    assert grub_environment.variables_of(block) == values
    assert grub_environment.with_variables(block, values, "grubenv") == block


def test_environment_blocks_are_those_of_grub(tools: Tools, tmp_path: Path) -> None:
    values = {"saved_entry": "0", "kernelopts": "root=UUID=1 a=\\b ro", "boot_success": "1"}
    block = tmp_path / "grubenv"
    edit = ["grub-editenv", str(block)]
    tools.run([*edit, "create"], write=[tmp_path])
    tools.run([*edit, "set", *(f"{k}={v}" for k, v in values.items())], write=[tmp_path])
    text = block.read_text()
    assert grub_environment.variables_of(text) == values
    changed = grub_environment.with_variables(
        text, {"kernelopts": "ro b\\c", "new": "x"}, "grubenv"
    )
    block.write_text(changed)
    listed = tools.run([*edit, "list"], write=[tmp_path]).stdout.decode()
    assert listed == "saved_entry=0\nkernelopts=ro b\\c\nboot_success=1\nnew=x\n"
    with pytest.raises(DockyardError, match="no room"):
        grub_environment.with_variables(text, {"kernelopts": "a" * 1024}, "grubenv")


def test_words_are_those_of_the_kernel() -> None:
    line = 'root=UUID=1 ro  dyndbg="file a +p; b" "c=d e" f'
    assert words_of(line) == ("root=UUID=1", "ro", 'dyndbg="file a +p; b"', '"c=d e"', "f")
