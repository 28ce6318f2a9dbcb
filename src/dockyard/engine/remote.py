"""A step as JSON text, and how another process, here or elsewhere, runs it.

The text says all: the function, its arguments, and which results of which content it reads. Whoever
has a store with these results (see `keeping.travel`), and the same code, makes the same result of
it, under the same key. Anything else is refused before it runs: what is named is a function of a
step, of Dockyard's own, and its arguments are those that the key stands for.

That the step's id stands for the key is the word of who sent it. And arguments name files of this
machine: run what you would run yourself.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from dockyard.engine.code import code_of
from dockyard.engine.codec import identity_of
from dockyard.engine.holds import Hold, settling
from dockyard.engine.step import FACT_KEYS, Step, key_of
from dockyard.engine.store import Store
from dockyard.engine.work import Work, call, decoded
from dockyard.errors import DockyardError, Problem
from dockyard.host import namespace
from dockyard.host.storage import store_trouble_told

FORMAT = "dockyard-step 1"
_OURS = "dockyard."
_NAME = re.compile(r"[a-z0-9-]{1,80}-[0-9a-f]{40}")


def step_text(step: Step, store: Store) -> str:
    """A step as JSON text. store: has the results of all that it needs. Raises DockyardError when
    it does not.
    """
    needed = store.needed_by(step)
    contents = {name: each.content for name, each in needed.items()}
    told = {
        **step.facts({name: each.key for name, each in needed.items()}),
        "format": FORMAT,
        "key": step.key(contents),
        "id": step.id,
        "modules": list(step.modules),
        "code": step.code,
        "arguments": step.arguments,
        "contents": contents,
    }
    return json.dumps(told, indent=1, sort_keys=True)


def run_step(text: str, store: Store) -> str:
    """Run a step from its text, unless the store has its result; gives the key of the result.

    Call `namespace.enter()` before. Raises DockyardError (`step.malformed`, `step.other-code`,
    `step.no-input`), and what the step raises.
    """
    told = _read(text)
    key, reads = told["key"], {**told["inputs"], **told["borrowed"]}
    with Hold(store) as hold:
        hold.keep_names([key, told["id"], *reads.values()])
        for name, needed in reads.items():
            if store.content(needed) != told["contents"][name]:
                why = f"it reads the result of {name}, {needed}, which this store lacks"
                raise DockyardError(_problem("step.no-input", why, "import it before"))
            if not store.untouched(needed) and (words := store.damage(needed)):
                why = f"the result of {name} is damaged: {words}"
                raise DockyardError(_problem("step.no-input", why, "import it anew"))
        with store_trouble_told(store.root), store.claim(key) as out:
            if out is not None:
                results = {name: store.place(needed) for name, needed in reads.items()}
                work = Work(out, results, store.root)
                call(told["function"], told["arguments"], work)
            with settling(store):
                if out is not None:
                    store.publish(key, {each: told[each] for each in FACT_KEYS}, work.known)
                store.note_key(told["id"], key)
    return str(key)


def _read(text: str) -> dict[str, Any]:
    """What a text says, judged. Raises DockyardError."""
    try:
        told: dict[str, Any] = json.loads(text)
        if told["format"] != FORMAT:
            raise ValueError(told["format"])
        code = code_of(told["function"].partition(":")[0], *told["modules"])
        inputs = {name: told["contents"][name] for name in told["inputs"]}
        key = key_of(told["kind"], told["function"], told["code"], told["identity"], inputs)
        names = [told["id"], key, *told["inputs"].values(), *told["borrowed"].values()]
        if not all(_NAME.fullmatch(name) for name in names):
            raise ValueError("something in it is no name of a step or of a result")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DockyardError(_problem("step.malformed", why, "send it anew")) from error
    if key != told["key"]:
        why = "its key is not that of what it says"
        raise DockyardError(_problem("step.malformed", why, "send it anew"))
    if code != told["code"]:
        why = "the code that it names is not the code that is here"
        fix = "use the same version of Dockyard on both sides"
        raise DockyardError(_problem("step.other-code", why, fix))
    _require_arguments(told)
    return told


def _require_arguments(told: dict[str, Any]) -> None:
    """Raise DockyardError unless a step of this code has the arguments that its key stands for."""
    try:
        if not told["function"].startswith(_OURS):
            raise ValueError(f"{told['function']} is not of Dockyard")
        identity = identity_of(decoded(told["function"], told["arguments"]))
    except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DockyardError(_problem("step.malformed", str(error), "send it anew")) from error
    if json.loads(json.dumps(identity)) != told["identity"]:
        why = "its arguments are not those that its key stands for"
        raise DockyardError(_problem("step.malformed", why, "send it anew"))


def _problem(code: str, why: str, fix: str) -> Problem:
    return Problem(code, "the step cannot be run here", why=why, fix=fix)


def main() -> None:
    """Run a step whose text is on standard input in the store that is the first argument, and write
    its result's key to standard output.
    """
    namespace.enter()
    sys.stdout.write(run_step(sys.stdin.read(), Store(Path(sys.argv[1]))) + "\n")
