"""Relations: rpm decides as dpkg would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.distro.arguments import Changes
from dockyard.distro.evr import evr_text
from dockyard.distro.relations import Imported, RelationMapper, Relations
from dockyard.packages.deb import version as debian_version
from dockyard.packages.rpm import version as rpm_version
from dockyard.packages.rpm.contents import Sense


def _package(name: str, version: str = "1-1", *, revision: int = 0, **fields: str) -> Imported:
    rename = fields.pop("rename", None)
    control = {"Package": name, "Version": version}
    control |= {key.replace("_", "-"): value for key, value in fields.items()}
    return Imported(rename or name, control, Changes(revision))


def _map(*packages: Imported, drop: tuple[str, ...] = ()) -> Relations:
    """The relations of the first of some packages."""
    return RelationMapper(packages, drop).relations(packages[0])


def _requires(*packages: Imported, drop: tuple[str, ...] = ()) -> list[str]:
    return [str(item) for item in _map(*packages, drop=drop).requires]


@pytest.mark.parametrize(
    ("debian", "rpm"),
    [
        ("2.41-12", "2.41-12"),
        ("2.41", "2.41-0"),
        ("1:2.0-3+b1", "1:2.0-3+b1"),
        ("0:2.0-3", "2.0-3"),
        ("1.0-rc-2", "1.0.rc-2"),
        ("1.0~rc1-1~deb13u1", "1.0~rc1-1~deb13u1"),
    ],
)
def test_versions(debian: str, rpm: str) -> None:
    assert evr_text(debian) == rpm


@pytest.mark.parametrize(
    "later", ["1.2-3", "1.2-3+b1", "1.2-3.1", "1.2-3+deb13u1", "1.2-4", "1.3-1"]
)
def test_a_revision_is_newer_than_upstream_s_version_and_older_than_its_next(later: str) -> None:
    first, second = evr_text("1.2-3", 1), evr_text("1.2-3", 2)
    assert rpm_version.compare(second, first) == 1
    assert rpm_version.compare(evr_text(later), second) == (-1 if later == "1.2-3" else 1)


def test_a_revision_provides_upstream_s_version_too() -> None:
    package = _package("a", "1:1.2-3~deb13u1", revision=2)
    provided = [str(item) for item in _map(package).provides]
    assert provided == ["a = 1:1.2-3~deb13u1^2", "a = 1:1.2-3~deb13u1"]


def test_groups_become_rich_relations() -> None:
    found = _requires(_package("a", Depends="b (>= 2) | c, d:any, e (<< 3), e (<< 3)"))
    assert found == ["(b >= 2-0 or c)", "d", "e < 3-0", "e < 3-0"]


def test_pre_depends_order_the_transaction() -> None:
    (relation,) = _map(_package("a", Pre_Depends="b (= 1)")).requires
    assert relation.sense & Sense.SCRIPT_PRE
    assert str(relation) == "b = 1-0"


def test_a_version_without_revision_is_not_met_by_luck() -> None:
    # dpkg: 2.41-12 >> 2.41. In rpm `> 2.41` would fail for every release of 2.41.
    assert _requires(_package("a", Depends="libc6 (>> 2.41)"), _package("libc6", "2.41-12")) == [
        "libc6 > 2.41-0"
    ]


def test_what_the_orders_disagree_on_is_told_with_the_version() -> None:
    # rpm ignores the plus sign, so 7.2.30 would not be lower than 7.2.30+.
    needs = _package("a", Depends="b (<< 7.2.30+)")
    assert _requires(needs, _package("b", "7.2.30-1")) == ["b <= 7.2.30-1"]
    assert _requires(needs, _package("b", "7.2.31-1")) == ["b < 7.2.30+-0"]


_VERSION = st.from_regex(r"[0-9][0-9a-c.+~]{0,5}(-[0-9][0-9a+~]{0,2})?", fullmatch=True)


@given(_VERSION, st.sampled_from(["<<", "<=", ">=", ">>"]), _VERSION)
def test_rpm_decides_as_dpkg_for_the_versions_that_are_there(
    there: str, operator: str, wanted: str
) -> None:
    (found,) = _map(
        _package("a", Depends=f"b ({operator} {wanted})"), _package("b", there)
    ).requires
    order = rpm_version.compare(evr_text(there), found.version)
    needed = Sense.LESS if order < 0 else Sense.GREATER if order > 0 else Sense.EQUAL
    assert bool(found.sense & needed) == debian_version.satisfies(there, operator, wanted)


def test_bare_provides_do_not_meet_versioned_relations() -> None:
    gives, needs = _package("a", Provides="v, w, x (= 3)"), _package("b", Depends="v (>= 5)")
    found = [str(item) for item in _map(gives, needs).provides]
    assert found == ["a = 1-1", "v = 0-0", "w", "x = 3-0"]


def test_replaces_breaks_and_old_conflicts_are_left_out() -> None:
    package = _package("a", Replaces="b", Breaks="c (<< 2)", Conflicts="d (<< 3), e")
    found = _map(package)
    assert [str(item) for item in found.conflicts] == ["e"]
    assert found.obsoletes == ()


def test_dropped_names_leave_the_other_alternatives() -> None:
    package = _package("a", Depends="debconf (>= 0.5) | debconf-2.0, b | debconf-2.0")
    assert _requires(package, drop=("debconf", "debconf-2.0")) == ["b"]


def test_renamed_packages_are_required_by_their_new_name() -> None:
    renamed = _package("linux-image-6", rename="kernel")
    assert _requires(_package("a", Depends="linux-image-6 (= 1-1)"), renamed) == ["kernel = 1-1"]
    provides = [str(item) for item in _map(renamed).provides]
    assert provides == ["kernel = 1-1", "linux-image-6 = 1-1"]


def test_names_to_be_dropped_must_be_there() -> None:
    package = Imported(
        "a",
        {"Package": "a", "Version": "1", "Depends": "b | c"},
        Changes(drop_requires=("c", "gone")),
    )
    assert RelationMapper([package]).unused_drops(package) == [("dropRequires", "gone")]
