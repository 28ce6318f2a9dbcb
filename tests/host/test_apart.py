"""Work in a child gives its result and its errors, and what it enters its parent does not."""

from __future__ import annotations

import os
import time

import pytest

from dockyard.errors import DockyardError, Problem
from dockyard.host import namespace
from dockyard.host.apart import apart, beside


def test_the_result_comes_from_another_process() -> None:
    made = apart(lambda: (os.getpid(), "made"))
    assert made[1] == "made" and made[0] != os.getpid()


def test_work_goes_on_beside_a_block() -> None:
    reader, writer = os.pipe()
    with beside(lambda: (os.read(reader, 9), os.getpid())) as result:
        os.write(writer, b"on its way")  # it would wait for ever for one that is not there
        data, process = result()
        assert result() == (data, process)
    assert data == b"on its wa" and process != os.getpid()


def test_work_that_nobody_waits_for_ends_with_the_block() -> None:
    reader, writer = os.pipe()
    with beside(lambda: time.sleep(600)):
        os.close(writer)
    with os.fdopen(reader, "rb") as left:
        assert left.read() == b""  # no process has the other end


def test_what_goes_wrong_beside_is_raised_where_it_is_waited_for() -> None:
    with beside(lambda: 1 // 0) as result, pytest.raises(ZeroDivisionError):
        result()


def test_problems_are_those_of_the_work() -> None:
    problem = Problem("image.odd", "it is odd", "image.yaml", fix="make it even")

    def work() -> None:
        raise DockyardError(problem)

    with pytest.raises(DockyardError) as caught:
        apart(work)
    assert caught.value.problems == (problem,)


def test_what_is_killed_is_told() -> None:
    with pytest.raises(DockyardError) as caught:
        apart(lambda: os.kill(os.getpid(), 9))
    assert caught.value.problems[0].code == "host.child-ended"


def test_only_the_child_enters_the_namespace() -> None:
    before = os.getuid(), namespace.entered()

    def work() -> bool:
        namespace.enter()
        return namespace.entered()

    assert apart(work)
    assert (os.getuid(), namespace.entered()) == before
