"""Capabilities of files: the value that the kernel and the programs of libcap give them."""

from __future__ import annotations

import pytest

from dockyard.packages.rpm.capabilities import attribute


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # As setcap(8) writes them: revision 2, effective; permitted and inheritable, low and high.
        ("cap_net_raw=ep", "0100000200200000000000000000000000000000"),
        ("cap_net_raw+ep", "0100000200200000000000000000000000000000"),
        ("cap_net_admin,cap_net_raw=p", "0000000200300000000000000000000000000000"),
        ("cap_chown=ei", "0100000200000000010000000000000000000000"),
        ("cap_bpf=ep", "0100000200000000000000008000000000000000"),
        ("= cap_kill+ep", "0100000220000000000000000000000000000000"),
        ("", "0000000200000000000000000000000000000000"),
    ],
)
def test_texts_of_headers(text: str, value: str) -> None:
    assert attribute(text).hex() == value


@pytest.mark.parametrize("text", ["cap_nothing=ep", "+ep", "cap_kill-e", "cap_kill=p cap_bpf+e"])
def test_what_no_file_can_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="capabilities"):
        attribute(text)
