"""Images of ext4 as others make them: by mke2fs and debugfs with any features."""

from __future__ import annotations

from pathlib import Path

from written_image import SPEC

from dockyard.host.sandbox import Tools


def debugfs(tools: Tools, image: Path, *commands: str, **data: bytes) -> str:
    """Run commands of debugfs, where `data` are files."""
    work = image.with_name("commands")
    work.mkdir(exist_ok=True)
    for name, content in data.items():
        (work / name).write_bytes(content)
    (work / "list").write_text("\n".join(commands) + "\n")
    argv = ["debugfs", "-w", "-f", "list", str(image)]
    done = tools.run(argv, read=[work], write=[image], cwd=work)
    assert done.stderr.count(b"\n") <= 1, done.stderr  # only its version
    return done.text


def made(
    tools: Tools, image: Path, options: list[str], size: str, tree: Path | None = None
) -> None:
    """Make an image with options of mke2fs, which holds a tree."""
    image.touch()
    argv = ["mke2fs", "-q", "-F", *([] if "-t" in options else ["-t", "ext4"]), *options]
    argv += ["-U", str(SPEC.uuid), *(["-d", str(tree)] if tree else []), str(image), size]
    epoch = {"SOURCE_DATE_EPOCH": str(SPEC.epoch)}
    tools.run(argv, read=[tree] if tree else [], write=[image], env=epoch)
