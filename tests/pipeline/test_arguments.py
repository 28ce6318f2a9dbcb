"""What a step is called with has the name of the function that takes it, and leaves its code alone
where it has nothing to do with settings.
"""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import pytest

from dockyard.engine.code import closure
from dockyard.pipeline import arguments, steps

# The live step puts files of the user's on the medium.
_OF_SETTINGS = ("install", "install_debs", "live", "settings")


def test_arguments_are_named_after_the_function_that_takes_them() -> None:
    places = pkgutil.iter_modules(arguments.__path__, f"{arguments.__name__}.")
    known = {name for place in places for name in vars(import_module(place.name))}
    taken = set()
    for module in pkgutil.iter_modules(steps.__path__, f"{steps.__name__}."):
        for name, function in inspect.getmembers(import_module(module.name), inspect.isfunction):
            given = [each.annotation for each in inspect.signature(function).parameters.values()]
            if function.__module__ != module.name or name.startswith("_") or given[:1] != ["Work"]:
                continue
            taken_by_it = given[1].rpartition(".")[2]
            if taken_by_it not in known:
                continue  # it helps a step, and is none
            assert taken_by_it == name.title().replace("_", "")
            taken.add(name.title().replace("_", ""))
    assert {"MakeUki", "InstallPackages"} <= taken <= known


@pytest.mark.parametrize("name", [each.name for each in pkgutil.iter_modules(steps.__path__)])
def test_only_steps_that_know_of_settings_are_made_anew_when_the_code_of_one_changes(
    name: str,
) -> None:
    found = {each for each in closure(f"{steps.__name__}.{name}") if ".tree." in each}
    assert bool(found) == (name in _OF_SETTINGS)
