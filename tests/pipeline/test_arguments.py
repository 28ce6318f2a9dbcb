"""What a step is called with has the name of the function that takes it."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

from dockyard.pipeline import arguments, steps


def test_arguments_are_named_after_the_function_that_takes_them() -> None:
    taken = set()
    for module in pkgutil.iter_modules(steps.__path__, f"{steps.__name__}."):
        for name, function in inspect.getmembers(import_module(module.name), inspect.isfunction):
            given = [each.annotation for each in inspect.signature(function).parameters.values()]
            if function.__module__ != module.name or name.startswith("_") or given[:1] != ["Work"]:
                continue
            assert given[1].rpartition(".")[2] == name.title().replace("_", "")
            taken.add(name.title().replace("_", ""))
    assert taken >= {"MakeUki", "InstallPackages"} and all(
        hasattr(arguments, each) for each in taken
    )
