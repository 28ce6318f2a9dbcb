"""dnf itself, which Harbor has, chooses the packages that a lock of ours has: for every package of
Harbor, and for what the examples ask for.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rpm_repositories import access

from dockyard.errors import DockyardError
from dockyard.host.files import make_root
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import Tools, run_in_tree
from dockyard.install.rpm import install
from dockyard.model.family import HARBOR
from dockyard.model.packages import Request, RpmRepository
from dockyard.packages import lockfile
from dockyard.packages.pool import every_pin
from dockyard.packages.rpm.repository import open_repository
from dockyard.packages.solve import solve

pytestmark = [pytest.mark.build, pytest.mark.long]

LOCKS = sorted(Path(__file__).parents[2].glob("examples/*/image*.lock"))
LOCKS = [path for path in LOCKS if '"architecture": "x86_64"' in path.read_text()]
_DNF = """\
import json, sys, dnf
base = dnf.Base()
base.conf.installroot, base.conf.cachedir, base.conf.reposdir = "/tmp/root", "/tmp/cache", []
base.conf.install_weak_deps = False
base.conf.substitutions["releasever"] = "1"
base.repos.add_new_repo("harbor", base.conf, baseurl=["file:///mnt"])
base.fill_sack(load_system_repo=False)
answers = []
for request in json.load(sys.stdin):
    base.reset(goal=True)
    try:
        for each in request:
            base.install(each)
        base.resolve()
        found = base.transaction.install_set if base.transaction else ()
        answers.append(sorted([p.name, f"{p.e}:{p.v}-{p.r}", p.arch] for p in found))
    except dnf.exceptions.Error as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def test_dnf_chooses_what_we_choose(published: Path, tools: Tools, tmp_path: Path) -> None:
    place = (published / "repositories/harbor").resolve()
    metadata = open_repository(
        RpmRepository("harbor", (place.as_uri(),), check_packages=False), access(tmp_path)
    )
    cache = tmp_path / "solv"

    def chosen(*wanted: str) -> list[list[str]] | str:
        try:
            found = solve(Request(tuple(sorted(set(wanted)))), [metadata], cache).packages
        except DockyardError as error:
            return str(error)
        return sorted([pin.name, _with_epoch(pin.evr), pin.arch] for pin in found)

    names = sorted({pin.name for pin in every_pin([metadata], cache)})
    requests = [[name] for name in names]
    locks = [lockfile.load(path).request for path in LOCKS]
    requests += [[*each.install] for each in locks if each]
    requests += [["/usr/bin/vi"], ["webserver"], ["python3-*"], ["nginx", "dnf", "containerd"]]
    root = tmp_path / "root"
    try:
        make_root(root)
        needed = solve(Request(("dnf", "harbor-core")), [metadata], cache).packages
        packages = [place / pin.path for pin in needed]
        install(packages, root, tools, 1_767_225_600, HARBOR.packaging.database)
        ran = run_in_tree(
            root,
            ["python3", "-c", _DNF],
            stdin=json.dumps(requests).encode(),
            read=[(place, "/mnt")],
        )
    finally:
        remove_tree(root)
    theirs = json.loads(ran.stdout)
    assert len(requests) == len(theirs)
    assert sum(isinstance(each, list) for each in theirs) > 400
    differing = {}
    for request, answer in zip(requests, theirs, strict=True):
        ours = chosen(*request)
        if isinstance(answer, str) and isinstance(ours, str):
            continue  # neither has it
        if ours != answer:
            differing[" ".join(request)] = (ours, answer)
    assert differing == {}


def _with_epoch(evr: str) -> str:
    return evr if ":" in evr else f"0:{evr}"
