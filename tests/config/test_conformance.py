"""The verdict on every case of Image Customizer, and the list of deliberate differences."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import jsonschema_rs
import pytest
from conformance import MISSING, MODELS, Case, cases, judge, plain

from dockyard.config.decode import Decoder
from dockyard.config.differences import DIFFERENCES, Difference
from dockyard.config.report import Report
from dockyard.config.schema import json_schema
from dockyard.config.shape import fields_of
from dockyard.config.source import parse
from dockyard.errors import Position
from dockyard.model.base import Model
from dockyard.model.image import Image
from dockyard.model.os import Os

CASES = cases()
needs_cases = pytest.mark.skipif(not CASES, reason=MISSING)


@needs_cases
def test_the_folder_is_complete() -> None:
    assert len(CASES) == 502


def _covers(difference: Difference, case: str) -> bool:
    return any(fnmatchcase(case, pattern) for pattern in difference.cases)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_verdict(case: Case) -> None:
    problems = judge(case.yaml, MODELS[case.type])
    verdict = "invalid" if problems else "valid"
    explained = (each for each in DIFFERENCES if _covers(each, case.id))
    difference = next(explained, None)
    if difference is None:
        assert verdict == case.verdict, problems
    else:
        assert verdict == difference.ours
        assert verdict != case.verdict, "this is no difference: take it off the list"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_problems_speak_to_a_person(case: Case) -> None:
    for problem in judge(case.yaml, MODELS[case.type]):
        assert isinstance(problem.where, Position) and problem.where.line and problem.where.column
        assert problem.code.startswith("config.")
        assert problem.what and problem.fix
        assert len(problem.excerpt) == 2 and "^" in problem.excerpt[1]
        text = f"{problem.what} {problem.why} {problem.fix}"
        for foreign in ("None", "Traceback"):
            assert foreign not in text


@needs_cases
@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda item: item.key)
def test_each_pattern_of_a_difference_finds_a_case(difference: Difference) -> None:
    for pattern in difference.cases:
        assert any(fnmatchcase(case.id, pattern) for case in CASES), pattern


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda item: item.key)
def test_each_example_of_a_difference_gets_our_verdict(difference: Difference) -> None:
    assert difference.cases or difference.examples or difference.key == "merged-files"
    for example in difference.examples:
        assert ("invalid" if judge(example) else "valid") == difference.ours


@needs_cases
def test_the_list_names_every_key_of_our_own() -> None:
    theirs: set[str] = set()

    def collect(node: object, path: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                theirs.add(f"{path}.{key}".lstrip("."))
                collect(value, f"{path}.{key}".lstrip("."))
        for item in node if isinstance(node, list) else ():
            collect(item, path)

    for case in CASES:
        root = parse(case.yaml, "image.yaml", Report())
        if case.type == "Config" and root is not None:
            collect(plain(root), "")
    own = {key for item in DIFFERENCES for key in item.keys}
    for key in own:
        assert key not in theirs
    # Keys of Image Customizer that no case happens to use.
    unused = {
        "os.overlays.isInitrdOverlay",
        "storage.verity.dataDeviceMountIdType",
        "storage.verity.hashDeviceMountIdType",
        *(f"{medium}.kdumpBootFiles" for medium in ("iso", "pxe")),
        *(f"{medium}.additionalFiles.content" for medium in ("iso", "pxe")),
        *(f"{medium}.additionalFiles.permissions" for medium in ("iso", "pxe")),
        *(
            f"scripts.finalizeCustomization.{key}"
            for key in ("arguments", "environmentVariables", "interpreter", "name")
        ),
    }
    for key in set(_keys(Image, "")) - theirs - unused:
        assert any(f"{key}.".startswith(f"{each}.") for each in own), key


def _keys(model: type[Model], path: str) -> Iterator[str]:
    for key, field in fields_of(model).items():
        shape = field.shape.item or field.shape
        yield f"{path}{key}"
        if shape.model is not None:
            yield from _keys(shape.model, f"{path}{key}.")


@needs_cases
def test_what_is_read_has_the_types_that_the_models_name() -> None:
    checked = 0
    for case in CASES:
        model = MODELS[case.type]
        report = Report()
        root = parse(case.yaml, "image.yaml", report)
        value = Decoder(report, "image.yaml").read(model, root) if root is not None else None
        if value is not None:
            assert_typed(value)
            assert pickle.loads(pickle.dumps(value)) == value == replace(value)
            checked += 1
    assert checked > 200


def assert_typed(value: Model) -> None:
    for field in fields(value):
        held = getattr(value, field.name)
        assert is_of(held, field.type), f"{type(value).__name__}.{field.name} is {held!r}"


def is_of(value: object, annotation: object) -> bool:
    """Whether a value is of an annotated type, to its last member."""
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return is_of(value, members[0])
    if origin in (Union, UnionType):
        return any(is_of(value, member) for member in members)
    if origin is Literal:
        return value in members
    if origin is tuple:
        return isinstance(value, tuple) and all(is_of(item, members[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            is_of(name, members[0]) and is_of(item, members[1]) for name, item in value.items()
        )
    assert isinstance(annotation, type)
    if isinstance(value, Model):
        assert_typed(value)
    return type(value) is annotation


def test_a_value_of_another_type_would_be_found() -> None:
    with pytest.raises(AssertionError, match="hostname is 5"):
        assert_typed(Image(os=Os(hostname=5)))  # type: ignore[arg-type]


# What the reference's own tests want the user to learn, and what we tell.
LEARNED = {
    "api/TestDiskIsValidTooSmall": "partitions need 5M",
    "api/TestDiskIsValidOverlaps": "inside",
    "api/TestStorageIsValidBadDeviceId": "there is no device 'a'",
    "api/TestOciImageParseUnknownField": "unknown key `cat`",
    "api/TestPartitionIsValidNameTooLong": "36 characters",
    "api/TestOSIsValidModuleDuplicateName": "module 'nbd' is given twice",
    "api/TestDiskSizeNum": "not a size",
    "api/TestDiskSizeNotMultipleOf1Mib": "multiple of 1 MiB",
    "api/TestStorageIsValidVerityMissingReadonly": "not mounted read-only",
    "api/TestConfigIsValidMissingBootLoaderReset": "needs `os.bootloader.resetType`",
    "api/TestItemIsValid_UkiAddons_Fail": "uki-addons",
    "api/TestOverlayInvalidSameUpperAndWorkDir": "are the same or one is inside the other",
}


@needs_cases
@pytest.mark.parametrize("name", LEARNED)
def test_the_user_learns_the_cause(name: str) -> None:
    case = next(case for case in CASES if case.id == name)
    assert any(LEARNED[name] in problem.what for problem in judge(case.yaml, MODELS[case.type]))


# Of 254 files that we refuse; the rest break rules that only a reader of the whole file can see.
CAUGHT = 136


def schema_accepts(case: Case) -> bool:
    root = parse(case.yaml, "image.yaml", Report())
    if root is None:
        return False
    schema = json_schema(MODELS[case.type])
    return jsonschema_rs.is_valid(schema, plain(root))


@needs_cases
def test_the_schema_accepts_every_valid_file() -> None:
    ours = [case for case in CASES if not judge(case.yaml, MODELS[case.type])]
    assert [case.id for case in ours if not schema_accepts(case)] == []


@needs_cases
def test_the_schema_catches_what_a_schema_can() -> None:
    invalid = [case for case in CASES if judge(case.yaml, MODELS[case.type])]
    caught = [case for case in invalid if not schema_accepts(case)]
    assert len(caught) >= CAUGHT, f"{len(caught)} of {len(invalid)}"
