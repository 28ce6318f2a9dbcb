"""What is wrong with a model: by its own rules, and by those that look across its parts.

A model states by `Model.mistakes` what concerns its own values. Rules that weigh its parts against
each other are longer; they stand in modules above the models, and are found here by the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dockyard.model import image_rules, mount_rules, os_rules, storage_rules
from dockyard.model.base import Mistake, Model
from dockyard.model.image import Image, PackageList
from dockyard.model.os import Initrd, Module, Os, Overlay, Packages, Services
from dockyard.model.storage import Storage

_RULES: Mapping[type[Model], tuple[Callable[[Any], Iterator[Mistake]], ...]] = {
    Image: (image_rules.image,),
    Initrd: (os_rules.initrd,),
    Module: (os_rules.module,),
    Os: (os_rules.os,),
    Overlay: (os_rules.overlay,),
    PackageList: (os_rules.package_list,),
    Packages: (os_rules.packages,),
    Services: (os_rules.services,),
    Storage: (storage_rules.storage, mount_rules.storage_mounts),
}


def mistakes(made: Model) -> Iterator[Mistake]:
    """The broken rules of one object; its members are judged by calls of their own."""
    for model in type(made).__mro__:
        for rule in _RULES.get(model, ()):
            yield from rule(made)
    yield from made.mistakes()
