"""Salts of passwords follow from the image and the account, and from nothing of the password."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.config import LoadedImage, check_files, load_image, parse_image
from dockyard.config.clear_passwords import revealed
from dockyard.config.variables import NOTHING, Chosen
from dockyard.errors import DockyardError
from dockyard.pipeline.password_hashes import with_hashes
from dockyard.pipeline.request import ImageSettings
from dockyard.pipeline.unseen import unseen_by_scripts
from dockyard.tree.settings import scripts_of, settings_of
from dockyard.tree.users import UserSetting

SEED = bytes(32)


def hashed(*users: str, name: str = "web", seed: bytes = SEED) -> list[str]:
    """The hashes of users, as the lines of an image file have them."""
    text = "os:\n  users:\n" + "".join(f"    - {{{user}}}\n" for user in users)
    chosen = ImageSettings(settings_of(parse_image(text)), (), ())
    made = with_hashes(chosen, name, seed).settings
    return [each.hash or "" for each in made if isinstance(each, UserSetting)]


def salt(text: str) -> str:
    kind, rounds, found, rest = text.split("$")[1:]
    assert (kind, rounds, len(found), len(rest)) == ("6", "rounds=100000", 16, 86)
    return found


def clear(password: str) -> str:
    return f"password: {{type: plain-text, value: {password}}}"


def test_the_salt_is_of_the_image_and_the_account() -> None:
    (one,) = hashed(f"name: a, {clear('hunter2')}")
    assert hashed(f"name: a, {clear('hunter2')}") == [one]
    others = [
        *hashed(f"name: b, {clear('hunter2')}", f"name: c, {clear('hunter2')}"),
        *hashed(f"name: a, uid: 1005, {clear('hunter2')}"),
        *hashed(f"name: a, {clear('hunter2')}", name="db"),
        *hashed(f"name: a, {clear('hunter2')}", seed=b"1" * 32),
    ]
    salts = [salt(one), *map(salt, others)]
    assert len({*salts}) == len(salts) == 6


def test_the_salt_tells_nothing_of_the_password() -> None:
    found = [*hashed(f"name: a, {clear('hunter2')}"), *hashed(f"name: a, {clear('hunter3')}")]
    assert len({*found}) == 2 and len({*map(salt, found)}) == 1


def test_other_accounts_keep_their_hashes() -> None:
    (one,) = hashed(f"name: a, {clear('hunter2')}")
    assert hashed(f"name: a, {clear('hunter2')}", "name: b, uid: 1009", "name: c")[0] == one
    assert hashed("name: b, password: {type: hashed, value: '!'}", "name: c") == ["!", ""]


CONFIG = """\
baseConfigs: [{path: below/base.yaml}]
scripts: {postCustomization: [{content: "true"}]}
os:
  users: [{name: a, password: {type: plain-text-file, value: link}}]
"""
BASE = """\
scripts: {postCustomization: [{content: "false"}]}
os:
  users: [{name: b, password: {type: plain-text, value: hunter2}}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "real/below").mkdir(parents=True)
    (tmp_path / "here").symlink_to("real")
    at = tmp_path / "here"
    (at / "config.yaml").write_text(CONFIG)
    (at / "below/base.yaml").write_text(BASE)
    (at / "kept").write_text("hunter2")
    (at / "link").symlink_to("kept")
    (at / "data").write_text("data")
    return at


def test_scripts_see_no_file_with_a_password(place: Path) -> None:
    loaded = load_image(place / "config.yaml")
    scripts = scripts_of(loaded, "postCustomization", unseen_by_scripts(loaded, ()))
    seen = [{path for path, *_ in script.beside} for script in scripts]
    assert {"below", "data", "link"} in seen and len(seen) == 2
    assert not [each for each in seen if each & {"kept", "base.yaml", "below/base.yaml"}]


@pytest.mark.parametrize(
    ("added", "named"),
    [
        ("additionalFiles: [{source: kept, destination: /etc/x}]", "kept"),
        ("additionalDirs: [{source: below, destination: /srv}]", "base.yaml"),
        ("additionalDirs: [{source: ../here/below, destination: /srv}]", "base.yaml"),
    ],
)
def test_no_file_with_a_password_goes_into_the_image(place: Path, added: str, named: str) -> None:
    (place / "config.yaml").write_text(f"{CONFIG}  {added}\n")
    (problem,) = check_files(load_image(place / "config.yaml"))
    assert problem.code == "config.password-revealed" and named in problem.why
    assert str(problem.where).startswith(f"{place}/config.yaml:5:")
    assert "hunter2" not in repr(problem)


def test_other_files_go_into_the_image(place: Path) -> None:
    added = "  additionalFiles: [{source: data, destination: /etc/data}]\n"
    (place / "config.yaml").write_text(CONFIG + added)
    assert check_files(load_image(place / "config.yaml")) == []


IN_VARIABLE = """\
scripts: {postCustomization: [{content: "true"}]}
variables: {word: {}}
os: {users: [{name: a, password: {type: plain-text, value: "${{ word }}"}}]}
"""
ELSEWHERE = {
    "the default of a file on top": {
        "config.yaml": "baseConfigs: [{path: mid.yaml}]",
        "mid.yaml": "baseConfigs: [{path: base.yaml}]\nvariables: {word: {default: hunter2}}",
        "base.yaml": IN_VARIABLE,
    },
    "a profile that is not chosen": {
        "config.yaml": "baseConfigs: [{path: base.yaml}]",
        "base.yaml": IN_VARIABLE.replace("os:", "profiles: {p: {os:").rstrip() + "}}",
    },
    "what a file on top replaces": {
        "config.yaml": "baseConfigs: [{path: base.yaml}]\n"
        "os: {users: [{name: a, password: {type: hashed, value: '!'}}]}",
        "base.yaml": IN_VARIABLE.replace("{}", "{default: hunter2}", 1),
    },
    "a file of a profile": {
        "config.yaml": "profiles: {p: {os: {users: [{name: a, password: "
        "{type: plain-text-file, value: kept}}]}}}",
        "kept": "hunter2",
    },
}


@pytest.mark.parametrize("files", ELSEWHERE.values(), ids=ELSEWHERE)
def test_scripts_and_images_get_no_file_with_a_password_that_is_not_used(
    files: dict[str, str], tmp_path: Path
) -> None:
    script = "scripts: {postCustomization: [{content: 'true'}]}\n"
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    config = tmp_path / "config.yaml"
    chosen = Chosen({"word": ("hunter2",)}) if "profile" in files.get("base.yaml", "") else NOTHING
    config.write_text(f"{script}{files['config.yaml']}\n")
    loaded = load_image(config, chosen)
    for each in scripts_of(loaded, "postCustomization", unseen_by_scripts(loaded, ())):
        assert not {path for path, *_ in each.beside} & {*files}
    secret = next(name for name in files if name != "config.yaml")
    assert [*revealed(loaded, [("", secret)])] != [] and [*revealed(loaded, [("", ".")])] != []


def test_a_hard_link_to_a_password_does_not_go_into_the_image(place: Path) -> None:
    (place / "other").hardlink_to(place / "kept")
    added = "  additionalFiles: [{source: other, destination: /etc/x}]\n"
    (place / "config.yaml").write_text(CONFIG + added)
    (problem,) = check_files(load_image(place / "config.yaml"))
    assert problem.code == "config.password-revealed"


def test_a_password_that_a_variable_has_names_nothing() -> None:
    def image(**values: str) -> LoadedImage:
        text = IN_VARIABLE.replace("{word: {}}", "{word: {}, size: {}}")
        chosen = Chosen({name: (value,) for name, value in values.items()})
        return parse_image(text, "web.yaml", chosen)

    one = image(word="hunter2", size="5")
    assert one.words == "web.yaml --set 'word=…' --set size=5"
    assert one.told_apart_by == image(word="hunter3", size="5").told_apart_by
    assert one.told_apart_by != image(word="hunter2", size="6").told_apart_by


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ("{type: integer, default: hunter2}", ()),
        ("{type: integer}", ("hunter2",)),
        ("{values: [other]}", ("hunter2",)),
        ("{defualt: hunter2}", ()),
        ("hunter2", ()),
    ],
)
def test_no_message_shows_what_a_password_is_filled_with(
    declared: str, given: tuple[str, ...]
) -> None:
    text = IN_VARIABLE.replace("{word: {}}", f"{{word: {declared}}}")
    with pytest.raises(DockyardError) as caught:
        parse_image(text, "web.yaml", Chosen({"word": given} if given else {}))
    assert "hunter2" not in repr(caught.value.problems)
