"""Base configs: order, merge modes, places, paths, cycles, diamonds."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.config import LoadedImage, check_files, load_image, package_names
from dockyard.errors import DockyardError, Position, Problem
from dockyard.tree.settings import settings_of
from dockyard.tree.users import UserSetting


def load(tmp_path: Path, **files: str) -> LoadedImage:
    for name, text in files.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
    return load_image(tmp_path / "main.yaml")


def on(base: str, text: str = "") -> str:
    return f"baseConfigs: [{{path: {base}}}]\n{text}"


def refusal(tmp_path: Path, **files: str) -> tuple[Problem, ...]:
    with pytest.raises(DockyardError) as caught:
        load(tmp_path, **files)
    return caught.value.problems


def test_override_and_append(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        base="os:\n  hostname: a\n  imageHistory: none\n  selinux: {mode: permissive}\n"
        "  kernelCommandLine: {extraCommandLine: [quiet]}\n"
        "  packages: {install: [vim]}\n"
        "output: {image: {format: raw, path: x}, artifacts: {items: [ukis], path: a}}\n"
        "scripts: {postCustomization: [{content: echo 1}]}\n",
        main=on(
            "base.yaml",
            "os:\n  hostname: b\n  selinux: {mode: enforcing}\n"
            "  kernelCommandLine: {extraCommandLine: [debug]}\n"
            "  packages: {install: [git]}\n"
            "output: {image: {format: qcow2}, artifacts: {items: [shim, ukis], path: b}}\n"
            "scripts: {postCustomization: [{content: echo 2}]}\n",
        ),
    )
    image = loaded.image
    assert image.os.hostname == "b"
    assert image.os.image_history == "none"
    assert image.os.selinux.mode == "enforcing"
    assert image.os.kernel_command_line.extra_command_line == ("quiet", "debug")
    assert image.os.packages.install == ("vim", "git")
    assert image.output.image.format == "qcow2"
    assert image.output.image.path == str(tmp_path / "x")
    assert image.output.artifacts and image.output.artifacts.items == ("ukis", "shim")
    assert [script.content for script in image.scripts.post_customization] == ["echo 1", "echo 2"]
    assert loaded.positions["os.packages.install[0]"].file.endswith("base.yaml")
    assert loaded.positions["os.packages.install[1]"].file.endswith("main.yaml")
    assert loaded.positions["os.hostname"] == Position(str(tmp_path / "main.yaml"), 3, 13)
    assert loaded.name == "main"


def test_strongest(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        base="os: {bootloader: {resetType: hard-reset}}",
        main=on("base.yaml", "os: {bootloader: {resetType: ''}, hostname: a}"),
    )
    assert loaded.image.os.bootloader.reset_type == "hard-reset"


def test_accounts_and_modules_merge_by_name(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        base="os:\n  users: [{name: a, uid: 7, secondaryGroups: [x]}, {name: b}]\n"
        "  modules: [{name: m, loadMode: always, options: {p: 1}}]\n",
        main=on(
            "base.yaml",
            "os:\n  users: [{name: a, secondaryGroups: [y]}, {name: c}]\n"
            "  modules: [{name: m, loadMode: inherit, options: {q: 2}}]\n",
        ),
    )
    first, second, third = loaded.image.os.users
    assert (first.name, first.uid, first.secondary_groups) == ("a", 7, ("x", "y"))
    assert (second.name, third.name) == ("b", "c")
    (module,) = loaded.image.os.modules
    assert (module.load_mode, module.options) == ("always", {"p": "1", "q": "2"})


def test_the_last_word_on_services_and_packages(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        base="os:\n  services: {enable: [sshd, cups], disable: [x]}\n"
        "  packages: {install: [vim, telnet], remove: [nano]}\n",
        main=on(
            "base.yaml",
            "os:\n  services: {disable: [cups.service], enable: [x]}\n"
            "  packages: {install: [nano], remove: [telnet]}\n",
        ),
    )
    os = loaded.image.os
    assert (os.services.enable, os.services.disable) == (("sshd", "x"), ("cups.service",))
    assert (os.packages.install, os.packages.remove) == (("vim", "nano"), ("telnet",))


def test_a_later_input_replaces_the_whole(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        base="input: {image: {path: a.img}}",
        main=on("base.yaml", "input: {image: {oci: r.example/a:1}}"),
    )
    assert not loaded.image.input.image.path
    assert loaded.image.input.image.oci


DISK = """
storage:
  bootType: legacy
  disks: [{maxSize: 1G, partitions: [{id: bios, type: bios-grub, size: 1M}, {id: r}]}]
os: {bootloader: {resetType: hard-reset}}
"""


def test_storage_stands_in_one_file(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, base=DISK, main=on("base.yaml", DISK))
    assert problem.code == "config.storage-twice"
    assert problem.where == Position(str(tmp_path / "main.yaml"), 3, 1)
    assert "base.yaml:" in problem.why


def test_paths_are_relative_to_the_file_that_says_them(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team/base.yaml").write_text(
        "os:\n  additionalFiles: [{source: motd, destination: /etc/motd}]\n"
        "  packages: {installLists: [list.yaml]}\n"
        "scripts: {postCustomization: [{path: run.sh}]}\n"
    )
    (tmp_path / "team/motd").write_text("hello")
    (tmp_path / "team/run.sh").write_text("true")
    (tmp_path / "team/list.yaml").write_text("packages:\n- vim\n- git\n")
    (tmp_path / "issue").write_text("hello")
    loaded = load(
        tmp_path,
        main=on(
            "team/base.yaml",
            "os:\n  additionalFiles: [{source: issue, destination: /etc/issue}]\n"
            "  packages: {install: [git, jq]}\n",
        ),
    )
    sources = [file.source for file in loaded.image.os.additional_files]
    assert sources == [str(tmp_path / "team/motd"), "issue"]
    assert [loaded.local(source).is_file() for source in sources] == [True, True]
    assert check_files(loaded) == []
    names = package_names(loaded)
    assert [name.name for name in names.install] == ["vim", "git", "jq"]
    assert names.install[0].position == Position(str(tmp_path / "team/list.yaml"), 2, 3)
    assert names.install[2].position.line == 4
    assert [file.name for file in loaded.files] == ["base.yaml", "main.yaml"]
    assert loaded.beside("scripts.postCustomization[0]", "x") == tmp_path / "team/x"
    assert loaded.beside("os.additionalFiles[1].source", "x") == loaded.directory / "x"


def test_a_cycle_is_told_with_its_chain(tmp_path: Path) -> None:
    (problem,) = refusal(
        tmp_path, main=on("a.yaml"), a=on("b.yaml"), b=on("a.yaml", "os: {hostname: x}")
    )
    assert problem.code == "config.base-cycle"
    assert problem.why.count("builds on") == 2
    assert isinstance(problem.where, Position) and problem.where.file.endswith("b.yaml")


def test_a_long_chain_is_refused(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.yaml").write_text(on(f"{number + 1}.yaml"))
    (problem,) = refusal(tmp_path, main=on("0.yaml"))
    assert problem.code == "config.base-depth"


def test_a_diamond_counts_its_foot_once(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        main="baseConfigs: [{path: a.yaml}, {path: b.yaml}]",
        a=on("foot.yaml", "os: {packages: {install: [a]}}"),
        b=on("foot.yaml", "os: {packages: {install: [b]}}"),
        foot="os: {packages: {install: [foot]}}",
    )
    assert loaded.image.os.packages.install == ("foot", "a", "b")


def test_mistakes_of_all_files_come_together(tmp_path: Path) -> None:
    problems = refusal(
        tmp_path, base="os: {hostname: a_b}", main=on("base.yaml", "oss: {}\n") + on("x")
    )
    codes = [problem.code for problem in problems]
    assert sorted(codes) == [
        "config.base-unreadable",
        "config.duplicate-key",
        "config.hostname",
        "config.unknown-key",
    ]
    problems = refusal(
        tmp_path,
        base="os: {hostname: a_b}",
        main="baseConfigs: [{path: base.yaml}, {path: none.yaml}]\noss: {}\n",
    )
    codes = [problem.code for problem in problems]
    assert sorted(codes) == ["config.base-unreadable", "config.hostname", "config.unknown-key"]


def test_a_conflict_that_only_the_merge_shows(tmp_path: Path) -> None:
    (problem,) = refusal(
        tmp_path,
        base="os: {bootloader: {resetType: hard-reset}}",
        main=on("base.yaml", "os: {uki: {mode: passthrough}}"),
    )
    assert problem.code == "config.uki-conflict"
    assert isinstance(problem.where, Position) and problem.where.file.endswith("base.yaml")


@pytest.mark.parametrize("path", ["/bin/true", "../x.sh", "a/../../x.sh"])
def test_scripts_stay_below_the_file(tmp_path: Path, path: str) -> None:
    text = f"scripts: {{postCustomization: [{{path: {path}}}]}}"
    (problem,) = refusal(tmp_path, main=text)
    assert problem.code == "config.script-outside"


def test_missing_files_are_named_where_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "bad.yaml").write_text("package: [x]\n")
    loaded = load(
        tmp_path,
        main="os:\n  additionalFiles: [{source: none, destination: /x}]\n"
        "  additionalDirs: [{source: main.yaml, destination: /x}]\n"
        "  users: [{name: a, sshPublicKeyPaths: [dir]}]\n"
        "  packages: {installLists: [none.yaml, bad.yaml]}\n",
    )
    found = [(problem.code, problem.where) for problem in check_files(loaded)]
    main, bad = str(tmp_path / "main.yaml"), str(tmp_path / "bad.yaml")
    assert found == [
        ("config.file-missing", Position(main, 2, 30)),
        ("config.wrong-file-kind", Position(main, 3, 29)),
        ("config.wrong-file-kind", Position(main, 4, 41)),
        ("config.unknown-key", Position(bad, 1, 1)),
        ("config.file-missing", Position(main, 5, 29)),
    ]


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(DockyardError, match="cannot be read"):
        load_image(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"os:\n  hostname: \xe9\n")
    with pytest.raises(DockyardError) as caught:
        load_image(tmp_path / "latin.yaml")
    assert caught.value.problems[0].where == Position(str(tmp_path / "latin.yaml"), 2)


def test_empty_storage_is_no_second_layout(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        base="storage: {bootType: legacy, disks: [{maxSize: 1G, partitions: "
        "[{id: b, type: bios-grub, size: 1M}]}]}\nos: {bootloader: {resetType: hard-reset}}",
        main=on("base.yaml", "storage: {bootType: '', disks: [], filesystems: []}"),
    )
    assert loaded.image.storage.disks[0].max_size == 1 << 30


def test_a_later_file_replaces_that_of_its_destination(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        base="os:\n  additionalFiles:\n"
        "  - {content: a, destination: /x}\n  - {content: b, destination: /y}\n",
        main=on("base.yaml", "os: {additionalFiles: [{content: c, destination: //x}]}"),
    )
    files = [(file.destination, file.content) for file in loaded.image.os.additional_files]
    assert files == [("/y", "b"), ("//x", "c")]


def test_a_password_file_stands_beside_the_base_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team/hash").write_text("$6$salt$hash\n")
    (tmp_path / "team/base.yaml").write_text(
        "os: {users: [{name: a, password: {type: hashed-file, value: hash}}]}"
    )
    loaded = load(tmp_path, main=on("team/base.yaml"))
    assert check_files(loaded) == []
    (user,) = settings_of(loaded)
    assert isinstance(user, UserSetting) and user.password == "$6$salt$hash"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    text = "os: {hostname: node}"
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    (tmp_path / "image.yaml").write_bytes((mark + text).encode(encoding))
    assert load_image(tmp_path / "image.yaml").image.os.hostname == "node"
