"""The code that runs when packages of a distribution are installed or removed."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from dockyard.model.base import Mistake, Model
from dockyard.model.distro_values import Name, Names, Natural, SystemPath
from dockyard.model.fields import Mark, field

_SHELL = "/bin/sh"


class ScriptletEvent(StrEnum):
    """When a scriptlet runs (rpm-scriptlets(7))."""

    PRE = "pre"
    POST = "post"
    PREUN = "preun"
    POSTUN = "postun"
    PRETRANS = "pretrans"
    POSTTRANS = "posttrans"
    FILE_TRIGGER_IN = "fileTriggerIn"
    FILE_TRIGGER_UN = "fileTriggerUn"
    FILE_TRIGGER_POSTUN = "fileTriggerPostun"
    TRANSACTION_FILE_TRIGGER_IN = "transactionFileTriggerIn"
    TRANSACTION_FILE_TRIGGER_UN = "transactionFileTriggerUn"
    TRANSACTION_FILE_TRIGGER_POSTUN = "transactionFileTriggerPostun"

    @property
    def is_trigger(self) -> bool:
        return "rigger" in self.value


class Scriptlet(Model):
    """One scriptlet or file trigger.

    A package may name several scriptlets of one event if all are of /bin/sh: they run in turn.
    """

    on: Annotated[ScriptletEvent, Mark.FILLED] = field("When it runs.", examples=["post"])
    interpreter: Names = field(
        "The program, with arguments, that gets `script` as a file; without `script` the program "
        "runs alone.",
        default=(_SHELL,),
        examples=["/sbin/ldconfig"],
    )
    script: str = field("The text that it runs.", default="", examples=["systemd-hwdb update"])
    paths: tuple[SystemPath, ...] = field(
        "Prefixes of the files that set off a trigger.", default=(), examples=[["/usr/lib"]]
    )
    priority: Natural = field(
        "Triggers of a higher number run first.", default=1_000_000, examples=[2_000_000]
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.on.is_trigger and not self.paths:
            yield Mistake(
                (),
                "distro.scriptlet",
                f"the file trigger {self.on} has no `paths`",
                "add the prefixes of the files that it is about",
                reads=(("paths",),),
            )
        if self.paths and not self.on.is_trigger:
            yield Mistake(
                ("paths",),
                "distro.scriptlet",
                f"a scriptlet that runs on {self.on} has no paths",
                "remove `paths`, or choose a trigger, such as transactionFileTriggerIn",
                reads=(("on",),),
            )
        if not self.script and self.interpreter == (_SHELL,):
            yield Mistake(
                (),
                "distro.scriptlet",
                "a scriptlet of /bin/sh needs a script",
                "add `script`, or name a program by `interpreter`",
                reads=(("script",), ("interpreter",)),
            )


class ScriptletsFile(Model):
    """The one file in which a distribution's scriptlets and file triggers stand: name → scriptlet.

    Packages name them under `scriptlets`; no other code runs at installation.
    """

    scriptlets: dict[Name, Scriptlet] = field(
        "The scriptlets and triggers, by name.",
        examples=[{"ldconfig-once": {"on": "post", "interpreter": "/sbin/ldconfig"}}],
    )
