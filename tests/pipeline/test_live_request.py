"""What live media are asked for: judged together, and put together from the keys and the medium."""

from __future__ import annotations

import pytest

from dockyard.config import parse_image
from dockyard.errors import Severity
from dockyard.formats.saved_medium import SavedMedium
from dockyard.initrd.options import InitrdFeature
from dockyard.model.architecture import Architecture
from dockyard.model.live import InitramfsType, KdumpBootFiles
from dockyard.pipeline.live import LiveRequest, known_medium, live_request
from dockyard.pipeline.live_problems import live_problems

URL = "pxe: {initramfsType: bootstrap, bootstrapBaseUrl: 'http://10.0.0.1/web/'}\n"


def codes(text: str, chosen: str, severity: Severity = Severity.ERROR) -> list[str]:
    found = live_problems(parse_image(text), chosen)
    return [problem.code for problem in found if problem.severity is severity]


def request(
    text: str, chosen: str, before: SavedMedium | None = None, booted: tuple[str, ...] = ()
) -> LiveRequest:
    found = live_request(parse_image(text), chosen, b"seed", "Title", before, booted)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "chosen", "expected"),
    [
        ("iso: {initramfsType: full-os}\n", "raw", ["live.other-format"]),
        ("iso: {initramfsType: full-os}\n", "pxe-dir", ["live.other-format"]),
        (URL, "iso", ["live.other-format"]),
        (URL + "iso: {initramfsType: full-os}\n", "iso", []),
        ("pxe: {initramfsType: bootstrap}\n", "pxe-dir", ["live.no-url"]),
        ("pxe: {initramfsType: bootstrap, bootstrapBaseUrl: 'nfs://h/x'}\n", "pxe-tar", []),
        ("pxe: {bootstrapBaseUrl: 'http://h/x'}\n", "pxe-dir", ["live.nothing-fetched"]),
        (
            "pxe: {initramfsType: bootstrap, bootstrapFileUrl: 'http://h/x/'}\n",
            "pxe-dir",
            ["live.no-file-name"],
        ),
        (
            "iso: {additionalFiles: [{content: x, destination: /boot/vmlinuz}]}\n",
            "iso",
            ["live.own-place"],
        ),
        ("os: {initrd: {builder: dracut}}\n", "iso", ["live.dracut"]),
        (
            "os: {selinux: {mode: enforcing}}\niso: {initramfsType: full-os}\n",
            "iso",
            ["live.selinux"],
        ),
        ("os: {selinux: {mode: enforcing}}\n", "pxe-dir", ["live.selinux"]),
        ("os: {selinux: {mode: enforcing}}\n", "iso", []),
        (URL, "pxe-dir", []),
        ("os: {hostname: a}\n", "raw", []),
    ],
)
def test_what_cannot_be_is_told(text: str, chosen: str, expected: list[str]) -> None:
    assert codes(text, chosen) == expected


def test_what_is_for_a_disk_is_noted() -> None:
    text = "os: {uki: {mode: create}}\npreviewFeatures: [uki]\n"
    assert codes(text, "iso", Severity.NOTE) == ["live.no-disk"]
    assert codes(text, "raw", Severity.NOTE) == []


@pytest.mark.parametrize("name", [each.names.served_loader for each in Architecture])
def test_what_machines_load_is_in_nobodys_way(name: str) -> None:
    text = f"pxe: {{additionalFiles: [{{content: x, destination: /{name}}}]}}\n"
    assert codes(text, "pxe-dir") == ["live.own-place"]


def test_a_medium_finds_its_root_by_a_label_of_its_own() -> None:
    live = request("name: my web.server\nos: {hostname: a}\n", "iso")
    assert live.label.startswith("MY_WEB_SERVER_") and len(live.label) <= 32
    assert live.command_line == (f"root=live:LABEL={live.label}",)
    assert live.features == {InitrdFeature.LIVE} and not live.full_os
    other = live_request(parse_image("name: my web.server\n"), "iso", b"other", "Title")
    assert other is not None and other.label != live.label
    assert live_request(parse_image("os: {}\n"), "raw", b"seed", "Title") is None


def test_what_a_network_boots_is_the_whole_system_unless_a_url_says_otherwise() -> None:
    whole = request("os: {kernelCommandLine: {extraCommandLine: ['a b=\"c d\"']}}\n", "pxe-dir")
    assert whole.full_os and not whole.features
    assert whole.command_line == ("a", 'b="c d"')
    fetched = request(URL, "pxe-dir")
    assert fetched.command_line == ("root=live:http://10.0.0.1/web/image.iso",)
    network = {InitrdFeature.LIVE, InitrdFeature.LIVE_NETWORK}
    assert fetched.features == network | {InitrdFeature.LIVE_FETCH}
    served = request(URL.replace("http:", "nfs:"), "pxe-dir")
    assert served.features == network | {InitrdFeature.LIVE_NFS}
    named = request(
        "pxe: {initramfsType: bootstrap, bootstrapFileUrl: 'https://h/a/node.iso'}\n", "pxe-dir"
    )
    assert named.fetched_name == "node.iso" and InitrdFeature.LIVE_TLS in named.features
    assert named.medium_words == (f"root=live:LABEL={named.label}",)


def test_what_a_medium_has_kept_comes_before_what_is_asked_for_next() -> None:
    text = "iso: {kernelCommandLine: {extraCommandLine: [one=1, quiet]}, kdumpBootFiles: keep}\n"
    first = request(text, "iso", booted=("root=UUID=x", "ro", "console=ttyS0", "quiet"))
    assert first.words == ("console=ttyS0", "one=1", "quiet")
    before = known_medium(first.saved, ())
    again = request("iso: {kernelCommandLine: {extraCommandLine: [two=2]}}\n", "iso", before)
    assert again.words == ("console=ttyS0", "one=1", "quiet", "two=2")
    assert again.saved_words == ("one=1", "quiet", "two=2")
    assert again.keeps_boot_files and not again.full_os


def test_of_media_of_others_the_menu_is_known() -> None:
    words = ["root=live:LABEL=CDROM", "rd.live.image", "rd.live.dir=liveos", "console=ttyS0"]
    before = known_medium(None, words)
    assert before == SavedMedium(InitramfsType.BOOTSTRAP, None, ("console=ttyS0",), ())
    assert request("os: {}\n", "iso", before).words == ("console=ttyS0",)
    assert KdumpBootFiles.KEEP.value == "keep"
