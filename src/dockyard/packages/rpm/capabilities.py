"""Capabilities of files: from the text in a package's header to the attribute for the kernel.

The text is that of cap_from_text(3), of which packages use `cap_net_raw=ep` and the like; the value
of `security.capability` is a vfs_cap_data of revision 2 (linux/capability.h).
"""

from __future__ import annotations

import re
import struct

ATTRIBUTE = "security.capability"
_REVISION_2 = 0x02000000
_EFFECTIVE = 1
_CLAUSE = re.compile(r"(?P<names>[a-z0-9_,]*)(?P<action>[=+])(?P<flags>[eip]*)")
# In the order of their numbers.
_NAMES = """
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
    net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio
    sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
    sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
    wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore
"""
_NUMBERS = {f"cap_{name}": number for number, name in enumerate(_NAMES.split())}


def attribute(text: str) -> bytes:
    """The value of `security.capability` for a text. Raises ValueError for one that is not
    understood, and for one that no file can have: effective is all or nothing.
    """
    sets = dict.fromkeys("eip", 0)
    for word in text.split():
        found = _CLAUSE.fullmatch(word.lower())
        if found is None:
            raise ValueError(f"the capabilities {text!r} are not understood")
        names = [name for name in found["names"].split(",") if name]
        unknown = [name for name in names if name not in _NUMBERS and name != "all"]
        if unknown or (not names and found["flags"]):
            raise ValueError(f"the capabilities {text!r} are not understood")
        bits = sum({1 << _NUMBERS[name] for name in names if name != "all"})
        if "all" in names or not names:
            bits = (1 << len(_NUMBERS)) - 1
        for flag in "eip":
            if found["action"] == "=":
                sets[flag] &= ~bits
            if flag in found["flags"]:
                sets[flag] |= bits
    permitted, inheritable, effective = sets["p"], sets["i"], sets["e"]
    if effective not in (0, permitted | inheritable):
        raise ValueError(f"the capabilities {text!r} are effective in part, which no file can be")
    low, high = 0xFFFFFFFF, 32
    return struct.pack(
        "<IIIII",
        _REVISION_2 | (_EFFECTIVE if effective else 0),
        permitted & low,
        inheritable & low,
        permitted >> high,
        inheritable >> high,
    )
