"""The mount options of each kind of file system: a misspelt one would stop the machine at boot.

`name` is an option without a value, `name=` one that needs a value, `name[=]` either. What the
kernel tells in its log that it ignores is here too: the machine starts. Sources: mount(8),
systemd.mount(5), and what fsconfig(2) of Linux 6.12 took and refused; options of debug kernels
alone, and of later ones, are not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dockyard.model.base import Mistake, Segment
from dockyard.model.nearest import nearest


def _spelt(names: str) -> Iterator[str]:
    """Each option as `name`, `name=` or both."""
    for name in names.split():
        bare = name.removesuffix("[=]")
        yield bare
        if bare != name:
            yield f"{bare}="


# What mount(8) understands for every file system, and marks for user space alone. libmount leaves
# out those of a security module that does not run.
_ALL = """
async[=] atime[=] auto context= defaults defcontext= dev[=] diratime[=] dirsync exec[=] fscontext=
group iversion lazytime loud mand noatime[=] noauto nodev[=] nodiratime[=] noexec[=] nofail
noiversion nolazytime nomand norelatime[=] nostrictatime nosuid[=] nosymfollow[=] nouser owner
relatime[=] ro[=] rootcontext= rw[=] seclabel silent strictatime[=] suid[=] symfollow[=] sync
user[=] users comment= _netdev helper= uhelper=
smackfsdef= smackfsfloor= smackfshat= smackfsroot= smackfstransmute=
private rprivate shared rshared slave rslave unbindable runbindable
"""
_QUOTA = "quota noquota usrquota grpquota prjquota"
_KNOWN: dict[str, frozenset[str]] = {
    kind: frozenset(_spelt(f"{_ALL} {names}"))
    for kind, names in {
        "ext4": f"""
{_QUOTA} usrjquota= grpjquota= jqfmt= abort acl auto_da_alloc[=] noauto_da_alloc barrier[=]
nobarrier bh nobh block_validity noblock_validity bsddf minixdf bsdgroups sysvgroups check= nocheck
grpid nogrpid commit= data= data_err= dax[=] debug debug_want_extra_isize= delalloc nodelalloc
dioread_lock dioread_nolock nodioread_nolock discard nodiscard errors= i_version init_itable[=]
noinit_itable inlinecrypt inode_readahead_blks= journal_async_commit journal_checksum
nojournal_checksum journal_dev= journal_ioprio= journal_path= max_batch_time= min_batch_time=
max_dir_size_kb= mb_optimize_scan= mblk_io_submit nomblk_io_submit nombcache no_mbcache noload
norecovery nouid32 oldalloc orlov prefetch_block_bitmaps no_prefetch_block_bitmaps reservation
noreservation resgid= resuid= sb= stripe= test_dummy_encryption[=] user_xattr warn_on_error
nowarn_on_error
""",
        # noattr2 is refused for the format that has checksums, the only one that is made.
        "xfs": f"""
{_QUOTA} uquota uqnoenforce qnoenforce gquota gqnoenforce pquota pqnoenforce allocsize= attr2
bsdgroups sysvgroups grpid nogrpid dax[=] discard nodiscard filestreams ikeep noikeep inode32
inode64 largeio nolargeio logbsize= logbufs= logdev= noalign norecovery nouuid rtdev= sunit= swidth=
swalloc wsync
""",
        # The other space caches are refused for a file system that has a free space tree.
        "btrfs": """
acl noacl autodefrag noautodefrag barrier nobarrier clear_cache commit= compress[=]
compress-force[=] datacow nodatacow datasum nodatasum degraded device= discard[=] nodiscard
enospc_debug noenospc_debug fatal_errors= flushoncommit noflushoncommit max_inline= metadata_ratio=
nologreplay norecovery treelog notreelog rescan_uuid_tree rescue= skip_balance space_cache=v2 ssd
nossd ssd_spread nossd_spread subvol= subvolid= thread_pool= usebackuproot user_subvol_rm_allowed
""",
        "vfat": """
allow_utime= blocksize= check= codepage= conv= cvf_format= cvf_options= debug discard dmask=
dos1xfloppy errors= fat= flush fmask= gid= iocharset= nfs[=] nocase nonumtail[=] posix quiet rodir
shortname= showexec sys_immutable time_offset= tz= uid= umask= uni_xlate[=] usefree utf8[=]
""",
        "erofs": """
acl noacl user_xattr nouser_xattr cache_strategy= dax[=] device= directio nodirectio domain_id=
fsid=
""",
    }.items()
}
_KNOWN["fat32"] = _KNOWN["vfat"]
_MASKS = ("allow_utime", "dmask", "fmask", "umask")
_OCTAL = "[0-7]{1,5}"
_WHY = "the file system would not be mounted, and the machine would not start"


def unknown_options(options: str, kind: str | None, *at: Segment) -> Iterator[Mistake]:
    """The options that a file system of a kind does not have, or not with or without a value, and
    masks that are no numbers.
    """
    known = _KNOWN.get(kind or "")
    for option in options.split(",") if known else ():
        name, equals, value = option.partition("=")
        if equals and name in _MASKS and not re.fullmatch(_OCTAL, value):
            what = f"{value!r} is no number for the mount option {name!r}"
            fix = f"write octal digits, such as `{name}=0077`"
            yield Mistake(at, "config.mount-options", what, fix, _WHY, reads=(at,))
        if known is None or not option or name.startswith(("x-", "X-")):
            continue
        if option not in known and f"{name}{equals}" not in known:
            what, fix = _refused(option, kind or "", known)
            yield Mistake(at, "config.mount-options", what, fix, _WHY, reads=(at,))


def _refused(option: str, kind: str, known: frozenset[str]) -> tuple[str, str]:
    """What is wrong with an option, and what would be right."""
    name = option.partition("=")[0]
    if name in known:
        return f"the mount option {name!r} of {kind} takes no value", f"write {name!r}"
    if f"{name}=" in known:
        return f"the mount option {name!r} of {kind} needs a value", f"write '{name}=…'"
    whole = [item for item in known if item.startswith(f"{name}=")]
    if whole:
        return f"{kind} cannot be mounted with {option!r}", f"write {whole[0]!r}"
    names = sorted({item.rstrip("=") for item in known})
    near = nearest(name, names)
    fix = f"did you mean {near[0]!r}?" if near else f"remove {name!r}"
    return f"{kind} has no mount option {name!r}", fix
