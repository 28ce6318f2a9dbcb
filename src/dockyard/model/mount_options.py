"""The mount options of each kind of file system: a misspelt one would stop the machine at boot.

Sources: mount(8), systemd.mount(5), and the documentation of the file systems in the kernel (ext4,
xfs, btrfs, vfat, erofs) as of Linux 6.12, without what no longer mounts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from dockyard.model.base import Mistake, Step

# What mount(8) understands for every file system, and marks for user space alone.
_ALL = """
async atime auto context defaults defcontext dev diratime dirsync exec fscontext group iversion
lazytime loud mand noatime noauto nodev nodiratime noexec nofail noiversion nolazytime nomand
norelatime nostrictatime nosuid nosymfollow nouser owner relatime ro rootcontext rw silent
strictatime suid symfollow sync user users comment _netdev seclabel
"""
_QUOTA = "quota noquota usrquota grpquota prjquota"
_KNOWN: dict[str, frozenset[str]] = {
    kind: frozenset(f"{_ALL} {names}".split())
    for kind, names in {
        "ext4": f"""
{_QUOTA} usrjquota grpjquota jqfmt abort acl noacl auto_da_alloc noauto_da_alloc barrier nobarrier
block_validity noblock_validity bsddf minixdf bsdgroups sysvgroups grpid nogrpid commit data
data_err dax debug debug_want_extra_isize delalloc nodelalloc dioread_lock dioread_nolock discard
nodiscard errors i_version init_itable noinit_itable inlinecrypt inode_readahead_blks
journal_async_commit journal_checksum nojournal_checksum journal_dev journal_ioprio journal_path
max_batch_time min_batch_time max_dir_size_kb mb_optimize_scan nombcache no_mbcache noload
norecovery nouid32 oldalloc orlov prefetch_block_bitmaps no_prefetch_block_bitmaps resgid resuid sb
stripe test_dummy_encryption user_xattr nouser_xattr warn_on_error nowarn_on_error
""",
        "xfs": f"""
{_QUOTA} uquota uqnoenforce qnoenforce gquota gqnoenforce pquota pqnoenforce allocsize attr2 noattr2
bsdgroups sysvgroups grpid nogrpid dax discard nodiscard filestreams ikeep noikeep inode32 inode64
largeio nolargeio logbsize logbufs logdev noalign norecovery nouuid rtdev sunit swidth swalloc wsync
lifetime nolifetime max_atomic_write max_open_zones
""",
        "btrfs": """
acl noacl autodefrag noautodefrag barrier nobarrier clear_cache commit compress compress-force
datacow nodatacow datasum nodatasum degraded device discard nodiscard enospc_debug noenospc_debug
fatal_errors flushoncommit noflushoncommit fragment max_inline metadata_ratio nologreplay
norecovery notreelog treelog ref_verify rescan_uuid_tree rescue skip_balance space_cache
nospace_cache ssd nossd ssd_spread nossd_spread subvol subvolid thread_pool usebackuproot
user_subvol_rm_allowed nouser_subvol_rm_allowed
""",
        "vfat": """
allow_utime check codepage conv debug discard dmask dos1xfloppy dots nodots dotsOK errors fat flush
fmask gid iocharset nfs nocase nonumtail posix quiet rodir shortname showexec sys_immutable
time_offset tz uid umask uni_xlate usefree utf8
""",
        "erofs": """
acl noacl user_xattr nouser_xattr cache_strategy dax device directio domain_id fsid fsoffset
inode_share
""",
    }.items()
}
_KNOWN["fat32"] = _KNOWN["vfat"]
_MASKS = ("allow_utime", "dmask", "fmask", "umask")
_OCTAL = re.compile("[0-7]{1,5}")
_WHY = "the file system would not be mounted, and the machine would not start"


def unknown_options(options: str, kind: str | None, *at: Step) -> Iterator[Mistake]:
    """The options that a file system of a kind does not have, and masks that are no numbers."""
    known = _KNOWN.get(kind or "")
    for option in options.split(",") if known else ():
        name, equals, value = option.partition("=")
        if equals and name in _MASKS and not _OCTAL.fullmatch(value):
            yield Mistake(
                at,
                "config.mount-options",
                f"{value!r} is no number for the mount option {name!r}",
                f"write octal digits, such as `{name}=0077`",
                _WHY,
                reads=(at,),
            )
        if known is None or not option or name in known or name.startswith(("x-", "X-")):
            continue
        near = difflib.get_close_matches(name[:64], sorted(known), n=1)
        yield Mistake(
            at,
            "config.mount-options",
            f"{kind} has no mount option {name!r}",
            f"did you mean {near[0]!r}?" if near else f"remove {name!r}",
            _WHY,
            reads=(at,),
        )
