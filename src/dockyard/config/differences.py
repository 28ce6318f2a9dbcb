"""Where the verdict on a file differs, on purpose, from that of Image Customizer.

The tests hold every entry to its word: each named case and each example must really get the
other verdict, and no case outside this list may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal


@dataclass(frozen=True, slots=True)
class Difference:
    """One deliberate difference.

    ours: what we say of the cases and examples; Image Customizer says the opposite.
    cases: patterns of the ids of its own test cases that show the difference.
    examples: image files that show it, where no case does.
    """

    key: str
    title: str
    reason: str
    ours: Literal["valid", "invalid"]
    cases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def covers(self, case: str) -> bool:
        return any(fnmatchcase(case, pattern) for pattern in self.cases)


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "preview-features",
        "Preview features need no switch",
        "What is behind a preview switch there is a plain feature here. `previewFeatures` is "
        "read and its names are checked, so that a file serves both tools.",
        "valid",
        cases=(
            "api/TestConfigIsValidWithMissing*PreviewFeature",
            "api/TestConfigIsValidMissingRemovePackageManagerPreviewFeature",
            "api/TestConfigIsValidWithBtrfsFilesystemNoPreviewFeature",
            "api/TestInjectFilesConfig_MissingPreviewFeature",
            "docs/docs/imagecustomizer/api/configuration/baseConfig.md:86",
            "docs/docs/imagecustomizer/api/configuration/ociimage.md:23",
            "docs/docs/imagecustomizer/api/configuration/ociplatform.md:13",
        ),
    ),
    Difference(
        "destination-paths",
        "Paths inside the image are absolute and have no `..`",
        "A relative destination says nothing about where it starts, and `..` is how a path leads "
        "out of the image. In mount points, systemd passes over a path with `..`.",
        "invalid",
        cases=(
            "docs/docs/imagecustomizer/api/configuration/dirconfig.md:*",
            "api/TestBtrfsConfigIsValid_NoLoopWithNormalizedPaths_Pass",
        ),
        examples=("os:\n  additionalFiles:\n  - {content: x, destination: /etc/../../x}\n",),
    ),
    Difference(
        "empty-items",
        "A list has no empty items",
        "An empty item asks for nothing and is what a forgotten value leaves behind.",
        "invalid",
        cases=("api/TestItemIsValid_ValidItems#5",),
        examples=("os:\n  packages:\n    install:\n    - bash\n    -\n",),
    ),
    Difference(
        "services-conflict",
        "A unit is enabled or disabled, not both",
        "The outcome would hang on an order that the file does not show. Across base configs the "
        "later file has the last word.",
        "invalid",
        examples=("os:\n  services:\n    enable: [sshd]\n    disable: [sshd.service]\n",),
    ),
    Difference(
        "duplicate-accounts",
        "A user or group is described once per file",
        "The second description would silently change the first.",
        "invalid",
        examples=(
            "os:\n  users:\n  - name: a\n  - name: a\n",
            "os:\n  groups:\n  - name: a\n  - name: a\n",
        ),
    ),
    Difference(
        "names",
        "User, group, package, unit and module names are checked",
        "A name that the system cannot hold fails in the middle of a build, or on the machine.",
        "invalid",
        examples=(
            "os:\n  users:\n  - name: 'a:b'\n",
            "os:\n  packages:\n    install: ['a b']\n",
            "os:\n  services:\n    enable: ['../x']\n",
        ),
    ),
    Difference(
        "verity-fields",
        "Every field of a verity device is checked",
        "Unknown values of `idType` and of `dataDeviceMountIdType`, and device names other than "
        "`root` and `usr`, would fail only when the image is built or boots.",
        "invalid",
        examples=(
            "storage:\n  verity:\n  - id: v\n    name: data\n"
            "    dataDevice: {idType: part-label, id: d}\n"
            "    hashDevice: {idType: part-label, id: h}\n",
            "storage:\n  verity:\n  - id: v\n    name: usr\n    dataDeviceMountIdType: bogus\n"
            "    dataDevice: {idType: part-label, id: d}\n"
            "    hashDevice: {idType: part-label, id: h}\n",
        ),
    ),
    Difference(
        "hidden-keys",
        "Only documented keys exist",
        "Image Customizer reads a few keys that are its own bookkeeping (`sha256hash`, `mount`, "
        "`partitionid`, …); setting them has no defined meaning.",
        "invalid",
        examples=("os:\n  additionalFiles:\n  - {content: x, destination: /x, sha256hash: abc}\n",),
    ),
    Difference(
        "ambiguous-numbers",
        "A leading zero is refused in sizes and ids",
        "`010M` is 8 MiB to one reader and 10 MiB to the next. Permissions are always octal and "
        "keep their zeros.",
        "invalid",
        examples=("os:\n  users:\n  - {name: a, uid: 0100}\n",),
    ),
    Difference(
        "plain-yaml",
        "No anchors, aliases, tags, merge keys or further documents",
        "A value stands where it is used and the key decides its type. A second document would be "
        "ignored without a word.",
        "invalid",
        examples=(
            "os:\n  hostname: &name a\n",
            "os:\n  hostname: !!str a\n",
            "os:\n  hostname: a\n---\nos:\n  hostname: b\n",
        ),
    ),
    Difference(
        "own-keys",
        "Keys and values of our own",
        "`name` and `distro` at the top make an image from a distribution's packages; `checks` are "
        "questions to the booted image; `erofs` is a file system.",
        "valid",
        examples=("name: web\ndistro: distros/harbor/distro.yaml\n", "checks:\n- {unit: sshd}\n"),
    ),
)


def difference_for(case: str) -> Difference | None:
    """The entry that explains a case of Image Customizer, if one does."""
    return next((item for item in DIFFERENCES if item.covers(case)), None)
