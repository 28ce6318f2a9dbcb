"""What makes a UKI another one."""

from __future__ import annotations

from dockyard.engine.plan import Step
from dockyard.pipeline.boot import uki_step
from dockyard.pipeline.toolbox import Toolbox


def test_each_character_of_the_command_line_counts() -> None:
    tools = Step("tools", "", {}, (), lambda _: None)
    initrd = Step("initrd", "", {}, (), lambda _: None)

    def id(command_line: str) -> str:
        toolbox = Toolbox(tools, lambda: (_ for _ in ()).throw(AssertionError))
        return uki_step("a", command_line, "x86_64", initrd, (), toolbox, 0).id

    lines = ('rw a="b c"', 'rw a="b  c"', 'rw a="b\tc"', 'rw a="b c" ')
    assert len({id(line) for line in lines}) == len(lines)
