"""Kernel modules: loaded at boot, kept from loading, and their options (modules-load.d(5),
modprobe.d(5)).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.nearest import nearest
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree


@dataclass(frozen=True, slots=True)
class ModuleSetting:
    """One of `os.modules`. mode: always, auto, disable or inherit. options: sorted (name, value)
    pairs.
    """

    name: str
    mode: str = "inherit"
    options: tuple[tuple[str, str], ...] = ()
    position: Position | None = None

    @property
    def load_file(self) -> str:
        return f"/etc/modules-load.d/{self.name}.conf"

    @property
    def settings_file(self) -> str:
        # Later files win, and systemd has options of its own for some modules in systemd.conf.
        return f"/etc/modprobe.d/zz-dockyard-{self.name}.conf"

    @property
    def identity(self) -> dict[str, Any]:
        return {"module": self.name, "loadMode": self.mode, "options": dict(self.options)}

    def describe(self) -> str:
        told = " ".join(f"{key}={value}" for key, value in self.options)
        return f"kernel module {self.name}: {self.mode}{f', {told}' if told else ''}"

    def apply(self, tree: Tree) -> None:
        self._require_module(tree)
        settings = []
        if self.mode == "always":
            tree.files.write(self.load_file, f"{self.name}\n".encode())
        elif self.mode in ("auto", "disable"):
            tree.files.remove(self.load_file)
        if self.mode == "disable":
            # `blacklist` keeps devices from loading it; `install` also who asks by name or alias.
            settings += [f"blacklist {self.name}", f"install {self.name} /bin/false"]
        if self.options:
            told = " ".join(f"{key}={value}" for key, value in self.options)
            settings.append(f"options {self.name} {told}")
        if settings:
            tree.files.write(self.settings_file, "".join(f"{line}\n" for line in settings).encode())
        elif self.mode == "auto":
            tree.files.remove(self.settings_file)

    def _require_module(self, tree: Tree) -> None:
        known: dict[str, set[str]] = {"modules.dep": set(), "modules.builtin": set()}
        for kernel in tree.files.names("/usr/lib/modules"):
            for listing, names in known.items():
                text = tree.files.read_text(f"/usr/lib/modules/{kernel}/{listing}")
                names.update(module_name(line) for line in text.splitlines())
        loadable, built_in = known.values()
        if problem := self.built_in(built_in) or self.lacking(loadable | built_in):
            raise DockyardError(problem)

    def built_in(self, known: Collection[str]) -> Problem | None:
        """The problem of a module that is part of the kernel: no file of modprobe.d(5) keeps it
        from loading or gives it options. known: all such modules, with underscores.
        """
        plain = self.name.replace("-", "_")
        if plain not in known or not (self.mode == "disable" or self.options):
            return None
        if self.mode == "disable":
            what = f"{self.name} cannot be kept from loading: it is part of the image's kernel"
            fix = "remove it from os.modules, or take a kernel that has it as a module"
        else:
            what = f"the options of {self.name} would do nothing: it is part of the image's kernel"
            told = ", ".join(f'"{plain}.{key}={value}"' for key, value in self.options)
            fix = f"give them in os.kernelCommandLine.extraCommandLine: [{told}]"
        return Problem("tree.module-built-in", what, self.position, fix=fix)

    def lacking(self, known: Collection[str]) -> Problem | None:
        """The problem of a module that is not among those of an image's kernel (with underscores).

        To forbid a module that the kernel does not have is harmless.
        """
        if self.mode == "disable" or self.name.replace("-", "_") in known:
            return None
        near = nearest(self.name, sorted(known), 3)
        return Problem(
            "tree.no-module",
            f"the image's kernel has no module {self.name}",
            self.position,
            fix=f"did you mean {' or '.join(near)}?" if near else "",
        )

    def checks(self) -> list[Check]:
        found = []
        plain = self.name.replace("-", "_")
        if self.mode == "always":
            script = f"test -d /sys/module/{plain} && echo loaded"
            found.append(self._check("loaded", f"{self.name} is loaded", script, "loaded"))
        elif self.mode == "disable":
            script = (
                f"modprobe -q {self.name}\n"
                f"if test -d /sys/module/{plain}; then echo loaded; else echo absent; fi"
            )
            title = f"{self.name} is not loaded, even when it is asked for"
            found.append(self._check("absent", title, script, "absent"))
        elif self.mode == "auto":
            script = (
                f"modprobe -n -v {self.name} 2>&1 | grep -e ^install -e 'not found' -e FATAL"
                " || echo 'can be loaded'"
            )
            found.append(
                self._check("loadable", f"{self.name} can be loaded", script, "can be loaded")
            )
        if self.options:
            expect = "\n".join(f"{key}={value}" for key, value in self.options)
            # Of an option that is given several times, the kernel takes the last.
            script = (
                f"all=$(modprobe -c | sed -n 's/^options {plain} //p' | tr ' ' '\\n')\n"
                f"for key in {' '.join(shlex.quote(key) for key, _ in self.options)}; do\n"
                '    printf \'%s\\n\' "$all" | grep "^$key=" | tail -n 1\n'
                "done"
            )
            found.append(self._check("options", f"{self.name}'s options are set", script, expect))
        return found

    def _check(self, part: str, title: str, script: str, expect: str) -> Check:
        return Check(f"modules.{self.name}.{part}", title, script, expect, self.position)


def module_name(line: str) -> str:
    """The module's name of a line of modules.dep or modules.builtin (`kernel/fs/x/x-y.ko.xz:
    …`).
    """
    path = line.partition(":")[0]
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")
