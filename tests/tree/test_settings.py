"""Settings against a small tree: what they write, and that their checks would see it."""

from __future__ import annotations

import os
import stat
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockyard.config import parse_image
from dockyard.errors import DockyardError
from dockyard.host.in_root import InRoot
from dockyard.tree.additional import AdditionalDirectorySetting, AdditionalFileSetting, added_paths
from dockyard.tree.hostname import HostnameSetting
from dockyard.tree.modules import ModuleSetting
from dockyard.tree.scripts import CONFIG_IN_TREE, SCRIPT_IN_TREE, ScriptSetting
from dockyard.tree.services import ServiceSetting
from dockyard.tree.setting import Setting, Tree, fingerprint
from dockyard.tree.settings import settings_of
from dockyard.tree.users import LOCKED, GroupSetting, UserSetting

EPOCH = 1_700_000_000
DAY = EPOCH // 86400
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== alice@example.com"


@pytest.fixture
def tree(tmp_path: Path, namespace: None) -> Iterator[Tree]:
    root = tmp_path / "root"
    (root / "etc/skel").mkdir(parents=True)
    (root / "etc/skel/.bashrc").write_text("# bashrc\n")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\nsudo:x:27:\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")
    (root / "etc/gshadow").write_text("root:*::\nsudo:*::\n")
    os.chown(root / "etc/shadow", 0, 42)
    (root / "etc/shadow").chmod(0o640)
    (root / "etc/subuid").write_text("")
    with InRoot(root) as files:
        yield Tree(root, files, EPOCH)


def text(tree: Tree, path: str) -> str:
    return tree.files.read_text(path)


def test_hostname(tree: Tree) -> None:
    HostnameSetting("node-1").apply(tree)
    assert text(tree, "/etc/hostname") == "node-1\n"


def test_a_new_user_is_locked_and_has_a_group_and_a_home(tree: Tree) -> None:
    UserSetting("alice", secondary_groups=("sudo",), ssh_keys=(KEY,)).apply(tree)
    assert "alice:x:1000:1000::/home/alice:/bin/bash\n" in text(tree, "/etc/passwd")
    assert "sudo:x:27:alice\n" in text(tree, "/etc/group")
    assert "alice:x:1000:\n" in text(tree, "/etc/group")
    assert f"alice:!:{DAY}:0:99999:7:::\n" in text(tree, "/etc/shadow")
    assert "sudo:*::alice\n" in text(tree, "/etc/gshadow")
    assert text(tree, "/etc/subuid") == "alice:100000:65536\n"
    keys = tree.files.lstat("/home/alice/.ssh/authorized_keys")
    assert keys is not None
    assert (stat.S_IMODE(keys.st_mode), keys.st_uid, keys.st_gid) == (0o600, 1000, 1000)
    assert text(tree, "/home/alice/.bashrc") == "# bashrc\n"


def test_a_home_has_all_of_the_skeleton_as_it_is_there(tree: Tree) -> None:
    skeleton = tree.path / "etc/skel"
    (skeleton / ".config/app").mkdir(parents=True, mode=0o700)
    (skeleton / ".config").chmod(0o700)
    (skeleton / ".config/app/start").write_text("#!/bin/sh\n")
    (skeleton / ".config/app/start").chmod(0o755)
    (skeleton / ".profile").symlink_to(".bashrc")
    UserSetting("alice").apply(tree)
    home = "/home/alice"
    assert text(tree, f"{home}/.profile") == "# bashrc\n"
    assert tree.files.read_link(f"{home}/.profile") == ".bashrc"
    assert mode(tree, f"{home}/.config") == 0o700
    assert mode(tree, f"{home}/.config/app/start") == 0o755
    for path in (".config", ".config/app/start", ".profile"):
        found = tree.files.lstat(f"{home}/{path}")
        assert found is not None and (found.st_uid, found.st_gid) == (1000, 1000)


def test_numbers_are_those_that_useradd_chooses(tree: Tree) -> None:
    # What useradd and groupadd of shadow 4.13 make of the same, in the same order.
    for setting in (
        UserSetting("ops", uid=2001), UserSetting("dev"), GroupSetting("g", 3000),
        GroupSetting("h"), UserSetting("dev2"), UserSetting("svc", uid=400),
        UserSetting("big", uid=60000), UserSetting("last"), GroupSetting("lastg"),
    ):  # fmt: skip
        setting.apply(tree)
    rows = [line.split(":") for line in text(tree, "/etc/passwd").splitlines()[1:]]
    assert {row[0]: (int(row[2]), int(row[3])) for row in rows} == {
        "ops": (2001, 2001), "dev": (2002, 2002), "dev2": (2003, 2003), "svc": (400, 3002),
        "big": (60000, 60000), "last": (1000, 1000),
    }  # fmt: skip
    assert "h:x:3001:\n" in text(tree, "/etc/group")
    assert "lastg:x:1001:\n" in text(tree, "/etc/group")
    ranges = [line.split(":")[:2] for line in text(tree, "/etc/subuid").splitlines()]
    assert ranges == [
        ["ops", "100000"], ["dev", "165536"], ["dev2", "231072"], ["big", "296608"],
        ["last", "362144"],
    ]  # fmt: skip


def test_attributes_of_account_files_stay(tree: Tree) -> None:
    UserSetting("alice", password="$6$x$y").apply(tree)
    found = tree.files.lstat("/etc/shadow")
    assert found is not None
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o640, 42)
    assert "alice:$6$x$y:" in text(tree, "/etc/shadow")


def test_a_user_that_exists_keeps_what_is_not_told(tree: Tree) -> None:
    UserSetting("root", password=LOCKED, expires_days=-1).apply(tree)
    assert text(tree, "/etc/passwd") == "root:x:0:0:root:/root:/bin/bash\n"
    assert text(tree, "/etc/shadow") == f"root:!:{DAY}:0::7:::\n"
    assert tree.files.lstat("/root") is None  # a service's home may be made when it starts


def test_numbers_that_are_taken_are_refused(tree: Tree) -> None:
    with pytest.raises(DockyardError, match="belongs to root"):
        UserSetting("alice", uid=0).apply(tree)
    with pytest.raises(DockyardError, match="number 27"):
        GroupSetting("sudo", 28).apply(tree)
    with pytest.raises(DockyardError, match="group wheel"):
        UserSetting("alice", secondary_groups=("wheel",)).apply(tree)


FOREIGN_LINES = (
    "# kept by hand\n\n+::::::\nshort\nodd:x:y:z::/:/bin/sh\nhuge:x:"
    + "9" * 5000
    + ":1\u0085::/:/x\n"
)


def test_lines_that_are_no_accounts_stay_and_are_in_nobodys_way(tree: Tree) -> None:
    for name in ("passwd", "group", "shadow", "gshadow", "subuid"):
        tree.files.write(f"/etc/{name}", (text(tree, f"/etc/{name}") + FOREIGN_LINES).encode())
    UserSetting("alice", secondary_groups=("sudo",)).apply(tree)
    assert f"{FOREIGN_LINES}alice:x:1000:1000:" in text(tree, "/etc/passwd")
    for name in ("group", "shadow", "gshadow", "subuid"):
        assert f"{FOREIGN_LINES}alice:" in text(tree, f"/etc/{name}")


@pytest.mark.parametrize("name", ["short", "odd", "huge"])
def test_an_account_whose_line_is_none_is_refused(tree: Tree, name: str) -> None:
    tree.files.write("/etc/passwd", FOREIGN_LINES.encode())
    with pytest.raises(DockyardError, match=f"the line of {name} in /etc/passwd"):
        UserSetting(name).apply(tree)


def test_there_may_be_no_number_left(tree: Tree) -> None:
    every = "".join(f"g{number}:x:{number}:\n" for number in range(1000, 60001))
    tree.files.write("/etc/group", every.encode())
    with pytest.raises(DockyardError, match="no number from 1000 to 60000 is left for group crew"):
        GroupSetting("crew").apply(tree)


def test_the_same_user_twice_changes_nothing_more(tree: Tree) -> None:
    user = UserSetting("alice", uid=1500, secondary_groups=("sudo",), ssh_keys=(KEY,))
    user.apply(tree)
    before = {name: text(tree, f"/etc/{name}") for name in ("passwd", "group", "shadow", "subuid")}
    user.apply(tree)
    assert before == {name: text(tree, f"/etc/{name}") for name in before}


def test_no_secret_is_in_an_identity_or_a_check() -> None:
    user = UserSetting("alice", password="$6$salt$secret")
    assert "secret" not in str(user.identity)
    assert all("secret" not in check.script + check.expect for check in user.checks())


def mode(tree: Tree, path: str) -> int:
    found = tree.files.lstat(path)
    assert found is not None
    return stat.S_IMODE(found.st_mode)


@pytest.mark.parametrize(
    ("given", "made"),
    [(0o600, 0o600), (0o640, 0o640), (0o644, 0o644), (0o664, 0o644), (0o775, 0o755)],
)
def test_a_file_has_the_mode_of_its_source_never_a_wider_one(
    given: int, made: int, tree: Tree, tmp_path: Path
) -> None:
    source = tmp_path / "from" / "secret"
    source.parent.mkdir()
    source.write_text("secret\n")
    source.chmod(given)
    AdditionalFileSetting("/etc/secret", source=source).apply(tree)
    AdditionalDirectorySetting(source.parent, "/srv").apply(tree)
    assert (mode(tree, "/etc/secret"), mode(tree, "/srv/secret")) == (made, made)


def test_permissions_of_zero_are_permissions(tree: Tree, tmp_path: Path) -> None:
    source = tmp_path / "from"
    (source / "sub").mkdir(parents=True)
    (source / "file").write_text("x")
    AdditionalDirectorySetting(source, "/srv/x", new_directory_mode=0, file_mode=0).apply(tree)
    AdditionalFileSetting("/etc/a/b", content="text", permissions=0o600).apply(tree)
    assert [mode(tree, f"/srv/x/{name}") for name in ("sub", "file")] == [0, 0]
    assert mode(tree, "/etc/a/b") == 0o600


def test_a_file_is_asked_for_its_content_mode_and_owner(tmp_path: Path) -> None:
    (check,) = AdditionalFileSetting("/etc/a/b", content="text", permissions=0o600).checks()
    digest = fingerprint("text").removeprefix("sha256:")
    assert check.expect == f"-rw------- 0:0 4 /etc/a/b\n{digest}  /etc/a/b"


def test_a_merged_directory_keeps_its_owner_and_the_root_can_be_one(
    tree: Tree, tmp_path: Path
) -> None:
    source = tmp_path / "from"
    (source / "srv/app").mkdir(parents=True)
    (tree.path / "srv/app").mkdir(parents=True)
    os.chown(tree.path / "srv/app", 1000, 1000)
    AdditionalDirectorySetting(source, "/", merged_directory_mode=0o755).apply(tree)
    found = tree.files.lstat("/srv/app")
    assert found is not None and (found.st_uid, found.st_gid) == (1000, 1000)


@pytest.mark.parametrize("name", ["ü" * 127, "\udcff" * 254, "a" * 255])
def test_the_longest_names_are_written(tree: Tree, name: str) -> None:
    AdditionalFileSetting(f"/etc/{name}", content="text").apply(tree)
    tree.files.symlink(f"/srv/{name}", "target")
    assert text(tree, f"/etc/{name}") == "text"


@pytest.mark.parametrize(("path", "told"), [("/etc/" + "ü" * 128, "256 bytes"), ("/a\0b", "NUL")])
def test_names_that_no_file_system_takes_are_told(tree: Tree, path: str, told: str) -> None:
    with pytest.raises(DockyardError, match=told):
        AdditionalFileSetting(path, content="text").apply(tree)
    with pytest.raises(DockyardError, match=told):
        tree.files.make_directories(path)


def test_parents_of_a_home_are_open_to_all(tree: Tree) -> None:
    UserSetting("alice", home="/srv/homes/alice").apply(tree)
    UserSetting("bob", home="/srv/homes/bob").apply(tree)
    found = tree.files.lstat("/srv/homes")
    assert found is not None
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o755, 0)
    assert [mode(tree, f"/srv/homes/{name}") for name in ("alice", "bob")] == [0o700, 0o700]


def test_a_home_has_all_of_the_skeleton_with_its_modes(tree: Tree) -> None:
    skeleton = tree.path / "etc/skel"
    (skeleton / ".config/app").mkdir(parents=True)
    (skeleton / ".config").chmod(0o750)
    (skeleton / ".config/app/secret").write_text("s")
    (skeleton / ".config/app/secret").chmod(0o600)
    (skeleton / ".login").symlink_to(".bashrc")
    (skeleton / "dangling").symlink_to("/nowhere")
    UserSetting("alice", 1234).apply(tree)
    home = tree.path / "home/alice"
    assert (home / ".config/app/secret").read_text() == "s"
    assert mode(tree, "/home/alice/.config") == 0o750
    assert mode(tree, "/home/alice/.config/app/secret") == 0o600
    assert [str((home / name).readlink()) for name in (".login", "dangling")] == [
        ".bashrc",
        "/nowhere",
    ]
    assert {path.lstat().st_uid for path in home.rglob("*")} == {1234}


def test_what_is_no_directory_is_no_home(tree: Tree) -> None:
    with pytest.raises(DockyardError, match="/etc/passwd is not a directory"):
        UserSetting("alice", home="/etc/passwd").apply(tree)
    (tree.path / "etc/passwd").write_text("games:x:5:60::/etc/passwd:/bin/sh\n")
    UserSetting("games", shell="/bin/bash").apply(tree)  # as its package has it


def test_numbers_that_are_given_to_others_are_left_to_them() -> None:
    loaded = parse_image(
        "os: {users: [{name: first}, {name: second, uid: 1000}], "
        "groups: [{name: crew}, {name: staff, gid: 1001}]}\n",
        "image.yaml",
    )
    by_name = {setting.describe().split()[1]: setting for setting in settings_of(loaded)}
    first, crew = by_name["first"], by_name["crew"]
    assert isinstance(first, UserSetting) and isinstance(crew, GroupSetting)
    assert first.reserved == crew.reserved == {1000, 1001}


def test_numbers_that_are_reserved_are_not_taken(tree: Tree) -> None:
    reserved = frozenset((1000, 1001))
    GroupSetting("crew", reserved=reserved).apply(tree)
    UserSetting("first", reserved=reserved).apply(tree)
    UserSetting("second", uid=1000, reserved=reserved).apply(tree)
    assert "crew:x:1002:\n" in text(tree, "/etc/group")
    assert "first:x:1002:" in text(tree, "/etc/passwd")
    assert "second:x:1000:1000:" in text(tree, "/etc/passwd")


def test_days_until_a_password_expires_begin_with_the_first_boot(tree: Tree) -> None:
    with pytest.raises(DockyardError, match="cannot be counted"):
        UserSetting("alice", expires_days=90).apply(tree)
    (tree.path / "usr/bin").mkdir(parents=True)
    (tree.path / "usr/bin/chage").write_text("")
    UserSetting("alice", password="$6$x$y", expires_days=90).apply(tree)
    assert "alice:$6$x$y::0:90:7:::\n" in text(tree, "/etc/shadow")
    unit = text(
        tree, "/usr/lib/systemd/system/multi-user.target.wants/dockyard-password-age.service"
    )
    assert "Before=systemd-user-sessions.service" in unit


def test_the_first_boot_dates_only_what_is_to_expire_and_has_no_date(
    tree: Tree, tmp_path: Path
) -> None:
    (tree.path / "usr/bin").mkdir(parents=True)
    (tree.path / "usr/bin/chage").write_text("")
    UserSetting("alice", expires_days=90).apply(tree)
    UserSetting("bob").apply(tree)
    script = text(tree, "/usr/lib/dockyard/password-age")
    machine = "chage() { echo called $*; }\nmkdir() { echo made $*; }\n" + script.replace(
        "/usr/bin/chage", "chage"
    ).replace("</etc/shadow", f"<<end\n{text(tree, '/etc/shadow')}end").replace(
        ">/var/lib/dockyard/password-age", "echo stamped"
    )
    done = subprocess.run(["sh", "-c", machine], capture_output=True, text=True, check=True)
    today = int(time.time()) // 86400
    assert done.stdout.splitlines()[:2] == [
        f"called --lastday {today} alice",
        "made -p /var/lib/dockyard",
    ]


@pytest.mark.parametrize("value", ["secret", "hunter2-hunter2", "$6$", "$y$j9T$a b"])
def test_a_hash_that_is_none_is_refused_and_not_repeated(value: str) -> None:
    user = f"os: {{users: [{{name: a, password: {{type: hashed, value: '{value}'}}}}]}}\n"
    with pytest.raises(DockyardError) as caught:
        settings_of(parse_image(user, "image.yaml"))
    (problem,) = caught.value.problems
    assert problem.code == "tree.not-a-hash"
    assert value not in f"{problem.what} {problem.why} {problem.fix}"


@pytest.mark.parametrize("value", ["$6$salt$0123456789abcdef/.", "$y$j9T$abc$0123456789", "!", "*"])
def test_hashes_of_every_kind_are_taken(value: str) -> None:
    user = f"os: {{users: [{{name: a, password: {{type: hashed, value: '{value}'}}}}]}}\n"
    assert settings_of(parse_image(user, "image.yaml"))


def test_a_directory_is_merged(tree: Tree, tmp_path: Path) -> None:
    source = tmp_path / "site"
    (source / "sub").mkdir(parents=True)
    (source / "sub/page").write_text("page")
    (source / "link").symlink_to("sub/page")
    (tree.path / "srv").mkdir(mode=0o700)
    AdditionalDirectorySetting(source, "/srv", merged_directory_mode=0o750, file_mode=0o640).apply(
        tree
    )
    assert text(tree, "/srv/link") == "page"
    found = tree.files.lstat("/srv")
    assert found is not None and stat.S_IMODE(found.st_mode) == 0o750
    page = tree.files.lstat("/srv/sub/page")
    assert page is not None and stat.S_IMODE(page.st_mode) == 0o640


def test_sources_that_are_missing_are_told(tmp_path: Path) -> None:
    with pytest.raises(DockyardError, match="cannot be read"):
        _ = AdditionalFileSetting("/x", source=tmp_path / "none").identity
    with pytest.raises(DockyardError, match="cannot be read"):
        _ = AdditionalDirectorySetting(tmp_path / "none", "/x").identity


def test_modules(tree: Tree) -> None:
    listing = tree.path / "usr/lib/modules/6.1"
    listing.mkdir(parents=True)
    (listing / "modules.dep").write_text("kernel/net/bridge/br_netfilter.ko.xz: kernel/x.ko.xz\n")
    (listing / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    ModuleSetting("br_netfilter", "always", (("a", "1"), ("b", "2"))).apply(tree)
    assert text(tree, "/etc/modules-load.d/br_netfilter.conf") == "br_netfilter\n"
    options = "/etc/modprobe.d/zz-dockyard-br_netfilter.conf"
    assert text(tree, options) == "options br_netfilter a=1 b=2\n"
    assert options > "/usr/lib/modprobe.d/systemd.conf".replace("/usr/lib", "/etc")
    ModuleSetting("ext4", "always").apply(tree)
    ModuleSetting("floppy", "disable").apply(tree)
    told = text(tree, "/etc/modprobe.d/zz-dockyard-floppy.conf")
    assert told == "blacklist floppy\ninstall floppy /bin/false\n"
    with pytest.raises(DockyardError, match="part of the image's kernel"):
        ModuleSetting("ext4", "disable").apply(tree)
    with pytest.raises(DockyardError, match="options of ext4 would do nothing") as caught:
        ModuleSetting("ext4", options=(("a", "1"), ("b", "2"))).apply(tree)
    assert '["ext4.a=1", "ext4.b=2"]' in caught.value.problems[0].fix
    ModuleSetting("br_netfilter", "auto").apply(tree)
    assert (
        text(
            tree,
            "/etc/modules-load.d/br_netfilter.conf",
        )
        == ""
    )
    with pytest.raises(DockyardError) as caught:
        ModuleSetting("br_netfiltr", "always").apply(tree)
    assert "br_netfilter" in caught.value.problems[0].fix


def test_a_unit_that_is_missing_is_told_with_near_names(tree: Tree) -> None:
    units = tree.path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    (units / "sshd.service").write_text("")
    with pytest.raises(DockyardError) as caught:
        ServiceSetting("shd", True).apply(tree)
    assert "sshd.service" in caught.value.problems[0].fix


@pytest.mark.parametrize(
    ("unit", "drop_in", "refused"),
    [
        ("[Service]\nExecStart=/x\n", "", True),
        ("[Service]\n[Install]\n# WantedBy=x\nWantedBy=\n", "", True),
        ("[Service]\nWantedBy=x\n", "", True),
        ("[Service]\n\n[Install]\nWantedBy=multi-user.target\n", "", False),
        ("[Service]\n", "[Install]\nWantedBy = multi-user.target\n", False),
    ],
)
def test_a_static_unit_cannot_be_enabled(
    tree: Tree, unit: str, drop_in: str, refused: bool
) -> None:
    units = "/usr/lib/systemd/system"
    tree.files.write(f"{units}/app.service", unit.encode())
    tree.files.symlink(f"{units}/basic.target.wants/app.service", "../app.service")
    if drop_in:
        tree.files.write("/etc/systemd/system/app.service.d/x.conf", drop_in.encode())
    with pytest.raises(DockyardError) as caught:  # the tree has no systemctl
        ServiceSetting("app", True).apply(tree)
    (problem,) = caught.value.problems
    assert (problem.code == "tree.static-unit") is refused, problem
    assert not refused or "started by basic.target" in problem.why


RUNNING = {
    "active": ("ActiveState=active SubState=running NRestarts=0 Result=success", True),
    "restarts": ("ActiveState=active SubState=running NRestarts=4 Result=exit-code", False),
    "waits to restart": (
        "ActiveState=activating SubState=auto-restart NRestarts=0 Result=exit-code", False
    ),
    "failed": ("ActiveState=failed SubState=failed Result=exit-code", False),
    "held back": (
        "ActiveState=inactive SubState=dead ConditionResult=no ConditionTimestampMonotonic=9", True
    ),
    "did its work": (
        "ActiveState=inactive SubState=dead Type=oneshot ExecMainStartTimestampMonotonic=9 "
        "Result=success", True
    ),
    "ended": ("ActiveState=inactive SubState=dead Type=simple WantedBy=up.target", False),
    "by its socket": (
        "ActiveState=inactive SubState=dead TriggeredBy=up.socket WantedBy=up.target", True
    ),
    "not wanted here": ("ActiveState=inactive SubState=dead WantedBy=graphical.target", True),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNNING)
def test_a_service_is_asked_whether_it_runs(name: str, tmp_path: Path) -> None:
    shown, runs = RUNNING[name]
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        "#!/bin/sh\n"
        f'case "$1 $3" in "show "*) printf "%s\\n" {shown} ;; *" up."*) ;; *) exit 3 ;; esac\n'
    )
    systemctl.chmod(0o755)
    check = next(
        check for check in ServiceSetting("app", True).checks() if check.id.endswith(".runs")
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", check.script], env={"PATH": path}, capture_output=True, text=True
    )
    assert (done.stdout.strip() == check.expect) is runs, done.stdout
    assert done.stderr == ""


def test_every_kind_of_unit_keeps_its_name() -> None:
    names = ("sshd", "batch.slice", "dev-vda.device", "a@b.path")
    units = [ServiceSetting(name, True).unit for name in names]
    assert units == ["sshd.service", "batch.slice", "dev-vda.device", "a@b.path"]


def test_a_unit_is_asked_for_by_its_own_name(tmp_path: Path) -> None:
    name = r"systemd-fsck@dev-disk-by\x2dlabel-$(id).service"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\nfor each; do printf "%s\\n" "$each" >&2; done\n')
    systemctl.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for check in ServiceSetting(name, True).checks():
        done = subprocess.run(["sh", "-c", check.script], env=env, capture_output=True, text=True)
        assert name in done.stderr.splitlines()


def test_a_script_is_shaped_by_what_lies_beside_it(tmp_path: Path) -> None:
    lock = tmp_path / "image.lock"

    def identity() -> object:
        secret = (("TOKEN", "secret"),)
        return ScriptSetting(
            "s", tmp_path, content="true", environment=secret, hidden=(lock,)
        ).identity

    (tmp_path / "data").write_text("one")
    lock.write_text("one")
    before = identity()
    assert "secret" not in str(before)
    lock.write_text("two")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("one")
    (tmp_path / ".data.swp").write_text("one")
    (tmp_path / "data~").write_text("one")
    assert identity() == before
    (tmp_path / "link").symlink_to("data")
    linked = identity()
    assert linked != before
    (tmp_path / "data").chmod(0o755)
    executable = identity()
    assert executable != linked
    (tmp_path / "data").write_text("two")
    assert identity() != executable


def test_a_script_sees_exactly_what_shapes_it(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "beside"
    (beside / "below").mkdir(parents=True)
    (beside / "below/tool").write_text("tool")
    (beside / "below/tool").chmod(0o700)
    (beside / "link").symlink_to("below/tool")
    for name in (".env", "image.lock", "old~"):
        (beside / name).write_text("hidden")
    seen: dict[str, tuple[int, int]] = {}

    def run(self: Tree, argv: list[str], *, read: list[tuple[Path, str]], **_: object) -> None:
        assert list(tree.path.glob("_imageconfigs/*")) == []
        assert (tree.path / CONFIG_IN_TREE[1:]).is_dir()
        (view,) = [path for path, inside in read if inside == CONFIG_IN_TREE]
        for path in sorted(view.rglob("*")):
            status = path.lstat()
            seen[str(path.relative_to(view))] = (status.st_mode & 0o777, status.st_mtime_ns)
        assert (view / "link").read_text() == "tool"

    monkeypatch.setattr(Tree, "run", run)
    script = ScriptSetting("s", beside, content="true", hidden=(beside / "image.lock",))
    assert [path for path, _, _ in script.beside] == ["below", "below/tool", "link"]
    os.utime(tree.path, (1, 1))
    script.apply(tree)
    assert not (tree.path / CONFIG_IN_TREE[1:]).exists() and tree.path.stat().st_mtime == 1
    for path, at in (("below/tool", "/_imageconfigs/below/tool"), ("link", SCRIPT_IN_TREE)):
        assert ScriptSetting("s", beside, path=beside / path).at == at
    (tree.path / CONFIG_IN_TREE[1:]).symlink_to("etc")
    with pytest.raises(DockyardError, match="in the way"):
        script.apply(tree)
    assert seen.keys() == {"below", "below/tool", "link"}
    assert seen["below/tool"] == (0o755, tree.epoch * 10**9)
    assert [path.name for path in tree.path.parent.iterdir() if "script-" in path.name] == []


def test_a_file_that_changes_after_the_plan_is_told(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    source = tmp_path / "beside/source"
    source.write_text("planned")
    settings: list[Setting] = [
        AdditionalFileSetting("/a", source=source),
        AdditionalDirectorySetting(tmp_path / "beside", "/b"),
        ScriptSetting("s", tmp_path / "beside", content="true"),
    ]
    for setting in settings:
        assert setting.identity
    source.write_text("changed")
    for setting in settings:
        with pytest.raises(DockyardError) as caught:
            setting.apply(tree)
        assert caught.value.problems[0].code == "tree.source-changed"


def test_a_large_file_is_never_whole_in_memory(tree: Tree, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(96 << 20)
    setting = AdditionalFileSetting("/srv/large", source=tmp_path / "large")
    tracemalloc.start()
    try:
        setting.apply(tree)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tree.path / "srv/large").stat().st_size == 96 << 20
    assert peak < 16 << 20


@pytest.mark.parametrize(
    ("interpreter", "content", "program"),
    [
        ("", "echo", ("/bin/sh",)),
        ("", "#!/usr/bin/env -S python3 -I\n", ("/usr/bin/env", "-S python3 -I")),
        ("python3 -I", "#!/bin/sh\n", ("python3", "-I")),
    ],
)
def test_what_runs_a_script(
    interpreter: str, content: str, program: tuple[str, ...], tmp_path: Path
) -> None:
    assert ScriptSetting("s", tmp_path, content=content, interpreter=interpreter).program == program


def test_a_script_that_nothing_can_run_is_told_as_that(tree: Tree, tmp_path: Path) -> None:
    script = ScriptSetting("s", tmp_path, content="#!/bin/bsh -e\n")
    told = script.without_program(lambda path: False)
    assert told is not None and told.what.startswith("the image has no /bin/bsh, which is to run")
    assert script.without_program({"/bin/bsh"}.__contains__) is None
    assert ScriptSetting("s", tmp_path, interpreter="python3").without_program(bool) is None
    with pytest.raises(DockyardError, match="no /bin/bsh"):
        script.apply(tree)


def test_permissions_of_nothing_are_permissions(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "source/below").mkdir(parents=True)
    (tmp_path / "source/below/file").write_text("x")
    AdditionalDirectorySetting(
        tmp_path / "source", "/srv/x", new_directory_mode=0, file_mode=0
    ).apply(tree)
    for path in ("/srv/x", "/srv/x/below", "/srv/x/below/file"):
        found = tree.files.lstat(path)
        assert found is not None and stat.S_IMODE(found.st_mode) == 0, path


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(tmp_path / "item")
    else:
        (tmp_path / "item").symlink_to("/dev/zero")
    for setting in (
        AdditionalFileSetting("/x", source=tmp_path / "item"),
        AdditionalDirectorySetting(tmp_path, "/x")
        if kind == "fifo"
        else AdditionalFileSetting("/x", tmp_path),
        ScriptSetting("s", tmp_path, path=tmp_path / "item"),
    ):
        with pytest.raises(DockyardError) as caught:
            _ = setting.identity
        assert "regular file is wanted" in caught.value.problems[0].why


def test_a_copied_directory_lists_what_is_below_it_in_order(tmp_path: Path) -> None:
    for name in ("a/1", "a.b/x", "a-b", "ü"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o640)
    (tmp_path / "a/link").symlink_to("../a-b")
    directory = AdditionalDirectorySetting(tmp_path, "/srv//x/")
    names = ["a", "a/1", "a/link", "a-b", "a.b", "a.b/x", "ü"]
    assert [path for path, _, _ in directory.content] == sorted(names, key=lambda n: n.split("/"))
    found = {path: (value, mode) for path, value, mode in directory.content}
    assert found["a"] == ("", 0o755)
    assert found["a/1"] == (fingerprint("a/1"), 0o640)
    assert found["a/link"] == ("link:../a-b", 0o777)
    assert directory.target("a/1") == "/srv/x/a/1"
    assert AdditionalDirectorySetting(tmp_path, "/").target("ü") == "/ü"
    files = ("a/1", "a/link", "a-b", "a.b/x", "ü")
    assert added_paths([directory]) == {f"/srv/x/{name}" for name in files}
