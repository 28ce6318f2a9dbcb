"""The initrd that the image's own dracut(8) makes, for what ours does not do: LVM, RAID, multipath,
a root on the network.

dracut runs inside the image's tree, and writes the same bytes for the same tree when the tree's
modification times are clamped (it takes their newest for all entries).
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from tempfile import TemporaryFile

from dockyard.errors import DockyardError, Problem
from dockyard.host.sandbox import run_in_tree
from dockyard.initrd.compression import compressed
from dockyard.initrd.early import early_files
from dockyard.initrd.options import InitrdFeature, InitrdOptions
from dockyard.initrd.rooted import Rooted

_MODULES = {
    InitrdFeature.VERITY: "systemd-veritysetup",
    InitrdFeature.REPART: "systemd-repart",
    InitrdFeature.CRYPT: "crypt",
    InitrdFeature.TPM: "tpm2-tss",
}
_RESULT = "/tmp/initrd"
_BESIDE = "/tmp/beside"  # files that it gets as they are


def build_with_dracut(root: Path, options: InitrdOptions, out: Path) -> int:
    """Write the initrd of a root tree to a new file; returns its size in bytes.

    Needs the namespace. The tree stays as it is. Raises DockyardError when the tree has no dracut,
    ProcessFailed with dracut's own words.
    """
    if not Rooted(root).is_file("/usr/bin/dracut"):
        raise DockyardError(
            Problem(
                code="initrd.no-dracut",
                what="the image has no dracut to make its initrd with",
                where="initrd",
                fix="install the package dracut, or let Dockyard make the initrd itself",
            )
        )
    add = sorted(_MODULES[feature] for feature in options.features if feature in _MODULES)
    argv = [
        "dracut",
        *("--force", "--quiet", "--no-hostonly", "--no-hostonly-cmdline", "--no-hostonly-i18n"),
        *("--reproducible", "--no-early-microcode", "--tmpdir", "/tmp", "--kver", options.kernel),
        "--no-compress",  # done here, so that the image needs no zstd and the bytes are ours
        *("--filesystems", " ".join(sorted(options.filesystems))),
    ]
    if options.modules:
        argv += ["--add-drivers", " ".join(sorted(options.modules))]
    if add:
        argv += ["--add", " ".join(add)]
    # /tmp is a file system of its own in there: nothing is left in the tree.
    beside = [_writing(path, text) for path, text in early_files(options).items()]
    argv += ["--include", _BESIDE, "/"] if beside else []
    script = " && ".join([*beside, f'"$@" {_RESULT} >&2', f"cat {_RESULT}"])
    with TemporaryFile(dir=out.parent) as plain:
        run_in_tree(root, ["/bin/sh", "-c", script, "dracut", *argv], stdout=plain)
        plain.seek(0)
        with compressed(out, options.level) as stream:
            shutil.copyfileobj(plain, stream)
    return out.stat().st_size


def _writing(path: str, text: str) -> str:
    """The words of a shell that write a file beside."""
    at = f"{_BESIDE}/{path}"
    folder = shlex.quote(at.rpartition("/")[0])
    return f"mkdir -p {folder} && printf %s {shlex.quote(text)} > {shlex.quote(at)}"
