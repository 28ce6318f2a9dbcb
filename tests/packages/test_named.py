"""What settings name is looked up in the packages' lists of files before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest
from rpm_repositories import access, add_rpm, index, serving

from dockyard.engine.store import Store
from dockyard.engine.work import Work
from dockyard.errors import DockyardError, Problem, Severity
from dockyard.model.family import HARBOR
from dockyard.model.packages import Lock, PinBy, Request, RpmRepository
from dockyard.packages import locking as locks
from dockyard.pipeline.arguments.packages import FetchPackages
from dockyard.pipeline.arguments.settings import InstallPackages, RequiredNames
from dockyard.pipeline.named import unknown_names
from dockyard.pipeline.steps.fetch import fetch_packages
from dockyard.pipeline.steps.install import install_packages
from dockyard.tree.additional import AdditionalFileSetting
from dockyard.tree.modules import ModuleSetting
from dockyard.tree.services import ServiceSetting
from dockyard.tree.setting import Setting
from dockyard.tree.users import GroupSetting, UserSetting

UNITS = "/usr/lib/systemd/system"


@pytest.fixture
def source(tmp_path: Path) -> RpmRepository:
    root = tmp_path / "rpms"
    add_rpm(root, "kernel", path="/boot/vmlinuz-6.1")
    add_rpm(root, "loop", path="/usr/lib/modules/6.1/kernel/drivers/loop-x.ko.zst")
    add_rpm(root, "builtin", path="/usr/lib/modules/6.1/modules.builtin", text="kernel/ext4.ko\n")
    add_rpm(root, "network", path=f"{UNITS}/systemd-networkd.service")
    add_rpm(root, "getty", path="/lib/systemd/system/getty@.service")
    add_rpm(root, "nginx", path=f"{UNITS}/nginx.service")
    return RpmRepository("own", (root.as_uri(),), check_packages=False, pin=PinBy.CONTENT)


def lock(tmp_path: Path, source: RpmRepository, *names: str) -> Lock:
    asked = Request(names or ("kernel", "loop", "builtin", "network", "getty"))
    return locks.make_lock("web", asked, [source], access(tmp_path / "store"))


def judged(tmp_path: Path, source: RpmRepository, held: Lock, *settings: Setting) -> list[Problem]:
    return unknown_names(settings, held, [source], access(tmp_path / "store"), None)


def test_what_the_packages_bring_is_known(tmp_path: Path, source: RpmRepository) -> None:
    settings: tuple[Setting, ...] = (
        ServiceSetting("systemd-networkd", True),
        ServiceSetting("getty@tty1", True),
        ServiceSetting("own", True),
        AdditionalFileSetting("/etc/systemd/system/own.service", content=""),
        ModuleSetting("loop_x", "always"),
        ModuleSetting("ext4", "always"),
        ModuleSetting("nonsense", "disable"),
    )
    held = lock(tmp_path, source)
    assert judged(tmp_path, source, held, *settings) == []
    assert len(list((tmp_path / "store/metadata/named").iterdir())) == 1


def test_what_they_do_not_bring_is_told_with_what_would(
    tmp_path: Path, source: RpmRepository
) -> None:
    held = lock(tmp_path, source)
    typo, other = judged(
        tmp_path,
        source,
        held,
        ServiceSetting("systemd-netwrokd", True),
        ServiceSetting("nginx", True),
    )
    assert (typo.code, typo.fix) == ("tree.no-unit", "did you mean systemd-networkd.service?")
    assert (other.code, other.fix) == ("tree.no-unit", "install the package nginx")
    for forbidden in (
        ModuleSetting("ext4", "disable"),
        ModuleSetting("ext4", options=(("a", "1"),)),
    ):
        [module] = judged(tmp_path, source, held, forbidden)
        assert module.code == "tree.module-built-in"
    [module] = judged(tmp_path, source, held, ModuleSetting("loop_z", "always"))
    assert (module.code, module.fix) == ("tree.no-module", "did you mean loop_x?")
    assert not (tmp_path / "store/metadata/named").exists()


def test_an_image_without_a_kernel_is_told(tmp_path: Path, source: RpmRepository) -> None:
    [problem] = judged(tmp_path, source, lock(tmp_path, source, "network"))
    assert problem.code == "initrd.no-kernel"


def test_packages_that_are_still_to_be_fetched_are_not_guessed_at(
    tmp_path: Path, source: RpmRepository
) -> None:
    held = lock(tmp_path, source)
    (tmp_path / "rpms/network-1-1.noarch.rpm").unlink()
    assert judged(tmp_path, source, held, ServiceSetting("nonsense", True)) == []


def test_packages_from_afar_are_asked_when_they_are_here_before_any_is_installed(
    tmp_path: Path,
) -> None:
    add_rpm(tmp_path / "rpms", "kernel", path="/boot/vmlinuz-6.1")
    add_rpm(tmp_path / "rpms", "nginx", path=f"{UNITS}/nginx.service")
    index(tmp_path / "rpms")
    store = Store(tmp_path / "store")
    known = access(store.root)
    with serving(tmp_path / "rpms") as server:
        afar = RpmRepository("afar", (server.url,), check_packages=False, check_metadata=False)
        held = locks.make_lock("web", Request(("kernel", "nginx")), [afar], known)
        settings = (ServiceSetting("ngnix", True),)
        assert unknown_names(settings, held, [afar], known, None) == []
        (tmp_path / "out").mkdir()
        (tmp_path / "fetched").mkdir()
        fetch = FetchPackages({}, held, str(tmp_path / "lock"), (afar,), ())
        fetch_packages(Work(tmp_path / "fetched", {}, store.root), fetch)
        expected = RequiredNames(held, (afar,), (), settings)
        wanted = InstallPackages({}, "", (), (), True, 0, HARBOR.packaging, expected)
        with pytest.raises(DockyardError, match="no unit ngnix"):
            install_packages(Work(tmp_path / "out", {}, store.root), wanted)
    assert unknown_names(settings, held, [afar], known, None) != []


def test_programs_that_the_root_needs_are_told(tmp_path: Path, source: RpmRepository) -> None:
    root = tmp_path / "rpms"
    add_rpm(root, "systemd", path="/usr/lib/systemd/systemd")
    add_rpm(root, "udev", path="/usr/bin/udevadm")
    add_rpm(root, "mount", path="/usr/bin/mount")
    add_rpm(root, "util-linux", path="/usr/sbin/fsck")
    add_rpm(root, "e2fsprogs", path="/usr/sbin/fsck.ext4")

    def told(*names: str) -> list[str]:
        held = lock(tmp_path, source, "kernel", *names)
        known = access(tmp_path / "store")
        return [item.fix for item in unknown_names((), held, [source], known, None, ("ext4",))]

    core = ("systemd", "udev", "mount")
    assert told(*core, "util-linux") == ["install the package e2fsprogs"]
    assert told(*core, "util-linux", "e2fsprogs") == told("systemd") == told() == []


def test_groups_of_packages_and_of_the_image_are_known(
    tmp_path: Path, source: RpmRepository
) -> None:
    root = tmp_path / "rpms"
    add_rpm(root, "setup", path="/etc/group", text="root:x:0:\nwheel:x:10:\n")
    add_rpm(root, "docker", path="/usr/lib/sysusers.d/docker.conf", text="g docker - -\n")
    held = lock(tmp_path, source, "kernel", "setup", "docker")
    operator = UserSetting(
        "operator", secondary_groups=("wheel", "docker", "own"), primary_group="other"
    )
    assert judged(tmp_path, source, held, GroupSetting("own"), UserSetting("other"), operator) == []
    [problem, other] = judged(
        tmp_path, source, held, UserSetting("operator", secondary_groups=("weel", "absent"))
    )
    assert (problem.code, other.code) == ("tree.no-group", "tree.no-group")
    assert problem.fix.startswith("did you mean wheel? Otherwise add weel to os.groups")
    assert other.fix.startswith("add absent to os.groups")
    # A good answer does not hold for another question.
    assert judged(tmp_path, source, held, UserSetting("operator", primary_group="own"))


def test_a_login_shell_that_no_package_has_is_warned_of(
    tmp_path: Path, source: RpmRepository
) -> None:
    add_rpm(tmp_path / "rpms", "zsh", path="/usr/bin/zsh")
    held = lock(tmp_path, source)
    anna = UserSetting("anna", shell="/bin/zsh")
    [warning] = judged(tmp_path, source, held, anna)
    assert (warning.code, warning.severity) == ("tree.no-shell", Severity.WARNING)
    assert warning.what.startswith("anna's login shell /bin/zsh")
    assert warning.fix == "install the package zsh"
    own = AdditionalFileSetting("/usr/local/bin/own", content="")
    assert (
        judged(tmp_path, source, held, UserSetting("anna", shell="/usr/local/bin/own"), own) == []
    )
    held = lock(tmp_path, source, "kernel", "zsh")
    assert judged(tmp_path, source, held, anna) == []
