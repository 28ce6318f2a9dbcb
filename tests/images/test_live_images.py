"""Live images are built, customized again, and booted from a CD, a stick and a network."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet
from command_line import EXAMPLES, run_dockyard

from features import Way, covers

MINIMAL = EXAMPLES / "minimal/image.yaml"
QUIET = ("--progress", "quiet")


def image_file(place: Path, text: str) -> Path:
    """The minimal example with further keys."""
    distro = MINIMAL.parents[2] / "distros/harbor/distro.yaml"
    minimal = MINIMAL.read_text().replace("../../distros/harbor/distro.yaml", str(distro))
    (place / "image.yaml").write_text(minimal + text)
    (place / "image.lock").write_bytes(MINIMAL.with_name("image.lock").read_bytes())
    return place / "image.yaml"


def build(file: Path, written: str, out: Path) -> Path:
    words = ("--output-image-format", written, "--output-image-file", out)
    run_dockyard("build", file, *words, *QUIET)
    return out


def words_of(image: Path) -> str:
    (line,) = run_dockyard("inspect", image, "--json").json["boot"]["entries"]
    return str(line["commandLine"])


@covers(
    "iso",
    "input.image, iso",
    file_system="squashfs",
    loader="GRUB",
    way=Way.CD_BY_UEFI,
    format="iso",
)
@pytest.mark.build
def test_a_live_image_is_the_same_twice_and_keeps_what_was_asked_for(
    published: Path, tmp_path: Path
) -> None:
    more = "iso: {kernelCommandLine: {extraCommandLine: [first=1]}}\n"
    file = image_file(tmp_path, more)
    one = build(file, "iso", tmp_path / "one.iso")
    two = build(file, "iso", tmp_path / "two.iso")
    assert one.read_bytes() == two.read_bytes()
    config, out = tmp_path / "config.yaml", tmp_path / "next.iso"
    config.write_text(
        "os: {hostname: next}\niso: {kernelCommandLine: {extraCommandLine: [second=2]}}\n"
    )
    words = ("--config-file", config, "--image-file", one, "--output-image-file", out)
    run_dockyard("customize", *words, "--output-image-format", "iso", *QUIET)
    assert words_of(one).endswith("console=ttyS0 first=1")
    assert words_of(out).endswith("console=ttyS0 first=1 second=2")
    found = run_dockyard("diff", one, out, "--json", check=False).json
    assert "host name" in {each["name"] for each in found["facts"]}
    assert "/etc/hostname" in {each["path"] for each in found["files"]["changed"]}
    refused = run_dockyard("customize", *words, "--output-image-format", "raw", check=False)
    assert "live.no-disk-to-keep" in refused.stderr and "live.other-format" in refused.stderr


def live(feature: str, way: Way, format: str) -> pytest.MarkDecorator:
    return covers(feature, file_system="squashfs", loader="GRUB", way=way, format=format)


def medium(way: Way, *words: str, marks: Sequence[pytest.MarkDecorator] = ()) -> ParameterSet:
    return pytest.param(words, id=way.value, marks=(live("iso", way, "iso"), *marks))


@pytest.mark.boot
@pytest.mark.parametrize(
    "how",
    [
        medium(Way.CD_BY_UEFI),
        medium(Way.STICK_BY_BIOS, "--bus", "virtio", "--bios"),
        medium(Way.STICK_BY_UEFI, "--bus", "virtio", marks=[pytest.mark.long]),
        medium(Way.CD_BY_BIOS, "--bios", marks=[pytest.mark.long]),
    ],
)
def test_a_medium_boots(published: Path, tmp_path: Path, how: tuple[str, ...]) -> None:
    file = image_file(tmp_path, "output: {image: {format: iso}}\n")
    run_dockyard("build", file, "--output-image-file", tmp_path / "web.iso", *QUIET)
    told = run_dockyard("boot", file, "--check", "--json", "--timeout", "600", *how).json
    assert told["passed"]
    assert {"live.root", "live.fstab", "kernel.command-line"} <= {
        each["id"] for each in told["checks"]
    }


@pytest.mark.boot
@pytest.mark.parametrize(
    "how",
    [
        pytest.param((), id="uefi", marks=live("pxe", Way.TFTP_BY_UEFI, "pxe-dir")),
        pytest.param(
            ("--bios",),
            id="bios",
            marks=(live("pxe", Way.TFTP_BY_BIOS, "pxe-dir"), pytest.mark.long),
        ),
    ],
)
def test_the_whole_system_boots_over_the_network(
    published: Path, tmp_path: Path, how: tuple[str, ...]
) -> None:
    served = build(image_file(tmp_path, ""), "pxe-dir", tmp_path / "served")
    words = ("--check", "--json", "--timeout", "600", *how)
    assert run_dockyard("boot", served, *words).json["passed"]


@contextmanager
def serving(directory: Path) -> Iterator[tuple[int, list[str]]]:
    """Serve a directory by HTTP, to a guest at 10.0.2.2. Gives the port, and what is asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(directory))

        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


@live("pxe", Way.TFTP_BY_UEFI, "pxe-dir")
@pytest.mark.boot
@pytest.mark.long
def test_a_small_initrd_fetches_the_root(published: Path, tmp_path: Path) -> None:
    served = tmp_path / "served"
    with serving(served) as (port, asked):
        url = f"http://10.0.2.2:{port}"
        more = f"pxe: {{initramfsType: bootstrap, bootstrapBaseUrl: '{url}'}}\n"
        more += "output: {image: {format: pxe-dir}}\n"
        file = image_file(tmp_path, more)
        text = file.read_text().replace("- e2fsprogs\n", "- e2fsprogs\n      - curl\n")
        file.write_text(text)
        run_dockyard("lock", file, *QUIET)
        build(file, "pxe-dir", served)
        words = ("--check", "--json", "--timeout", "600", "--network")
        told = run_dockyard("boot", served, *words, "--config-file", file, check=False).json
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert (told["systemState"], told["failedUnits"]) == ("running", [])
    assert "/image.iso" in asked


GANESHA = """\
NFS_CORE_PARAM {{ NFS_Port = {port}; Protocols = 4; Bind_addr = 127.0.0.1; Enable_NLM = false;
  Enable_RQUOTA = false; }}
NFSv4 {{ Graceless = true; RecoveryRoot = "{place}"; }}
EXPORT {{ Export_Id = 1; Path = "{served}"; Pseudo = "/served"; Access_Type = RO; Squash = None;
  SecType = sys; PrivilegedPort = false; FSAL {{ Name = VFS; }} }}
"""


@pytest.mark.boot
@pytest.mark.long
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ganesha.nfsd") is None,
    reason="a server of NFS in user space, NFS-Ganesha with its VFS, is needed, and root for it",
)
def test_a_small_initrd_copies_the_root_from_nfs(published: Path, tmp_path: Path) -> None:
    served, place = tmp_path / "served", tmp_path / "ganesha"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"nfs://10.0.2.2:{port}/served"
    more = f"pxe: {{initramfsType: bootstrap, bootstrapBaseUrl: '{url}'}}\n"
    file = image_file(tmp_path, more + "output: {image: {format: pxe-dir}}\n")
    run_dockyard("lock", file, *QUIET)
    build(file, "pxe-dir", served)
    place.mkdir()
    config = place / "ganesha.conf"
    config.write_text(GANESHA.format(port=port, place=place, served=served))
    log, pid = str(place / "log"), str(place / "pid")
    words = ["ganesha.nfsd", "-F", "-L", log, "-f", str(config), "-p", pid]
    with subprocess.Popen(words) as server:
        try:
            asked = ("--check", "--json", "--timeout", "600", "--network")
            told = run_dockyard("boot", served, *asked, "--config-file", file, check=False).json
        finally:
            server.terminate()
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert (told["systemState"], told["failedUnits"]) == ("running", [])


# What `dockyard boot` has no option for: firmware that is told to boot from an address.
BY_ADDRESS = """
import shutil, sys
from pathlib import Path
from dockyard.engine.store import default_root
from dockyard.host import namespace
from dockyard.model.architecture import Architecture
from dockyard.tools.trees import load_tools_lock, tools_tree
from dockyard.tree.check import Check
from dockyard.vm.guest import ask
from dockyard.vm.qemu import Machine, find_firmware
place, url, architecture = Path(sys.argv[1]), sys.argv[2], Architecture(sys.argv[3])
namespace.enter()
tools = tools_tree(default_root(), load_tools_lock(target=architecture)).main
variables, nothing = place / "variables", place / "nothing"
nothing.mkdir()
shutil.copyfile(find_firmware(tools.root, architecture=architecture).variables, variables)
tools.run(["virt-fw-vars", "--inplace", str(variables), "--set-boot-uri", url], write=[place])
verdict = ask(nothing, "pxe-dir", [Check("name", "its name", "hostname", "minimal")], tools,
              console=place / "console", firmware_variables=variables, timeout=1200,
              machine=Machine(network=True, architecture=architecture))
assert verdict.passed, verdict
"""


@live("pxe", Way.HTTP_BY_UEFI, "pxe-dir")
@pytest.mark.boot
@pytest.mark.long
def test_firmware_boots_by_http(published: Path, tmp_path: Path) -> None:
    served = build(image_file(tmp_path, ""), "pxe-dir", tmp_path / "served")
    with serving(served) as (port, asked):
        url = f"http://10.0.2.2:{port}/bootx64.efi"
        subprocess.run([sys.executable, "-c", BY_ADDRESS, tmp_path, url, "x86_64"], check=True)
    assert {"/bootx64.efi", "/boot/grub/grub.cfg", "/vmlinuz", "/initrd.img"} <= set(asked)
