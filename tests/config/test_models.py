"""What every model has from its base: dataclasses that are frozen, compared and copied by value."""

from __future__ import annotations

import dataclasses

import pytest

from dockyard.model.base import as_written
from dockyard.model.components import File, Package
from dockyard.model.os import Os, Packages, Services
from dockyard.model.storage import Partition, PartitionType


def test_a_model_is_a_dataclass() -> None:
    fields = {field.name: field for field in dataclasses.fields(Packages)}
    assert fields["install"].type == tuple[str, ...] and fields["install"].default == ()
    assert "schema_rules" not in {field.name for field in dataclasses.fields(Partition)}
    one = Packages(install=("a",))
    assert dataclasses.replace(one, remove=("b",)) == Packages(install=("a",), remove=("b",))


def test_models_are_compared_by_value() -> None:
    one, same = Os(hostname="a"), Os(hostname="a")
    assert one == same and hash(one) == hash(same) and one is not same
    assert one != Os(hostname="b") and Packages() != Services()
    assert repr(Os(hostname="a", packages=Packages(install=("b",)))) == (
        "Os(hostname='a', packages=Packages(install=('b',)))"
    )


def test_models_do_not_change() -> None:
    one = Os(hostname="a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.hostname = "b"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.hostname
    assert one.hostname == "a"


def test_what_a_model_needs_and_what_it_lacks() -> None:
    with pytest.raises(TypeError, match="Package needs license"):
        Package(name="a", version="1", summary="s")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Os has no colour"):
        Os(colour="red")  # type: ignore[call-arg]


def test_defaults_are_not_shared_where_they_could_change() -> None:
    one, other = (
        Package(name="a", version="1", summary="s", license="MIT"),
        Package(name="b", version="1", summary="s", license="MIT"),
    )
    assert one.links == other.links == {} and one.links is not other.links


def test_a_model_as_its_file_has_it() -> None:
    file = File(path="/a", from_="/b", mode=0o600)
    assert as_written(file)["from"] == "/b" and "from_" not in as_written(file)
    part = as_written(Partition(id="a", type=PartitionType.ESP))
    assert (part["id"], part["type"], part["size"]) == ("a", "esp", None)
    assert as_written(Os(services=Services(enable=("a",))))["services"]["enable"] == ["a"]
