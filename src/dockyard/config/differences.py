"""Where the verdict on a file differs, on purpose, from that of Image Customizer.

The tests hold every entry to its word: each named case and each example must really get the
other verdict, and no case outside this list may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Difference:
    """One deliberate difference.

    ours: what we say of the cases and examples; Image Customizer says the opposite.
    cases: patterns of the ids of its own test cases that show the difference.
    examples: image files that show it, where no case does.
    keys: those that Image Customizer does not have at all.
    """

    key: str
    title: str
    reason: str
    ours: Literal["valid", "invalid"]
    cases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


# A disk with two partitions, whose file systems follow.
_STORAGE = """\
storage:
  bootType: legacy
  disks:
  - partitions:
    - {id: boot, type: bios-grub, size: 1M}
    - {id: a, size: 1G}
    - {id: b, size: 1G}
  filesystems:
"""

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
        examples=(
            "os:\n  additionalFiles:\n  - {content: x, destination: /etc/../../x}\n",
            "os:\n  additionalFiles:\n  - {content: x, destination: etc/x}\n",
        ),
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
        "Numbers are written plainly",
        "`010M` is 8 MiB to one reader and 10 MiB to the next, and `1_000`, `1e3` and `0b11` are "
        "numbers to some readers only. Hexadecimal (`0x10`) and octal (`0o17`) are read. "
        "Permissions are always octal and keep their zeros.",
        "invalid",
        examples=(
            "os:\n  users:\n  - {name: a, uid: 0100}\n",
            "os:\n  users:\n  - {name: a, uid: 1_000}\n",
            "os:\n  users:\n  - {name: a, uid: 1e3}\n",
        ),
    ),
    Difference(
        "plain-yaml",
        "No anchors, aliases, tags, merge keys or further documents",
        "A value stands where it is used and the key decides its type. A second document would be "
        "ignored without a word. Files of more than 16 MiB or 64 levels are refused.",
        "invalid",
        examples=(
            "os:\n  hostname: &name a\n",
            "os:\n  hostname: !!str a\n",
            "os:\n  hostname: a\n---\nos:\n  hostname: b\n",
        ),
    ),
    Difference(
        "normalised-duplicates",
        "What means the same is the same",
        "`/data` and `//data/` are one mount point, `sshd` and `sshd.service` one unit; the second "
        "would take the first one's place without a word.",
        "invalid",
        examples=(
            _STORAGE + "  - {deviceId: a, type: ext4, mountPoint: /data}\n"
            "  - {deviceId: b, type: ext4, mountPoint: //data/}\n",
            "os:\n  overlays:\n"
            "  - {lowerDirs: [/a], upperDir: /u/1, workDir: /w/1, mountPoint: /m}\n"
            "  - {lowerDirs: [/a], upperDir: /u/2, workDir: /w/2, mountPoint: /m/}\n",
            "storage:\n  verity:\n"
            + 2 * ("  - id: v\n    name: usr\n    dataDevice: {id: d}\n    hashDevice: {id: h}\n"),
        ),
    ),
    Difference(
        "same-destination",
        "Two files of one list do not go to one place",
        "The second would silently take the place of the first. A file that builds on another "
        "one (`baseConfigs`) may replace what that one puts there.",
        "invalid",
        examples=(
            "os:\n  additionalFiles:\n  - {content: a, destination: /etc/motd}\n"
            "  - {content: b, destination: /etc//motd}\n",
        ),
    ),
    Difference(
        "volatile-destinations",
        "Nothing is put below /proc, /dev, /sys and /run",
        "They are made again each time the system starts, so it would not be there.",
        "invalid",
        examples=("os:\n  additionalFiles:\n  - {content: a, destination: /run/motd}\n",),
    ),
    Difference(
        "mount-places",
        "Nothing is mounted at /etc, /bin, /usr/lib, /run and the like",
        "The system needs them before it mounts what /etc/fstab names: such a machine never "
        "starts. `/usr` as a whole, `/var`, `/home` and others are fine.",
        "invalid",
        examples=(_STORAGE + "  - {deviceId: a, type: ext4, mountPoint: /etc}\n",),
    ),
    Difference(
        "mount-options",
        "Mount options are those of the file system",
        "A misspelt one, or a mask that is no octal number, keeps the file system from being "
        "mounted, and the machine from starting.",
        "invalid",
        examples=(
            _STORAGE
            + "  - {deviceId: a, type: vfat, mountPoint: {path: /a, options: unmask=77}}\n",
            _STORAGE
            + "  - {deviceId: a, type: vfat, mountPoint: {path: /a, options: umask=none}}\n",
        ),
    ),
    Difference(
        "root-argument",
        "`root=` follows from the disk layout",
        "A `root=` or `rootfstype=` that contradicts it would win, and no root would be found.",
        "invalid",
        examples=(
            _STORAGE + "  - {deviceId: a, type: ext4, mountPoint: /}\n"
            "os:\n  bootloader: {resetType: hard-reset}\n"
            "  kernelCommandLine: {extraCommandLine: [root=/dev/sda2]}\n",
        ),
    ),
    Difference(
        "long-names",
        "Names are as long as Linux can hold",
        "A host name has up to 64 characters (in labels of 63 that end in a letter or digit), a "
        "file name 255 bytes, a path 4095. A longer one fails in the middle of a build or at boot.",
        "invalid",
        examples=(
            f"os:\n  hostname: {'a' * 60}.example\n",
            "os:\n  hostname: node-\n",
            f"os:\n  additionalFiles:\n  - {{content: a, destination: /{'n' * 256}}}\n",
        ),
    ),
    Difference(
        "control-characters",
        "No control characters and line breaks within names and arguments",
        "They would end a line of a file of the system early, or cannot be stored at all.",
        "invalid",
        examples=(
            'os:\n  kernelCommandLine:\n    extraCommandLine: ["a\\nb"]\n',
            'storage:\n  disks:\n  - {maxSize: 4M, partitions: [{id: a, label: "a\\tb"}]}\n',
            'os:\n  additionalFiles:\n  - {content: a, destination: "/a\\0b"}\n',
            'os:\n  modules:\n  - {name: "a\\tb"}\n',
        ),
    ),
    Difference(
        "accounts-in-files",
        "Shells, homes and hashes fit into /etc/passwd and /etc/shadow",
        "They are absolute paths without a colon; a hash has no colon and no line break, and a "
        "password in clear is one line of at most 511 bytes. Otherwise the line would be torn, or "
        "the account unusable. (Clear and hashed passwords themselves are a matter of Image "
        "Customizer's own builds. Scripts here do not see files with clear ones.)",
        "invalid",
        examples=(
            "os:\n  users:\n  - {name: a, startupCommand: nologin}\n",
            "os:\n  users:\n  - {name: a, homeDirectory: '/home/a:b'}\n",
        ),
    ),
    Difference(
        "private-keys",
        "A private SSH key is refused",
        "It would be in the image for all to read. Any other text is accepted as a public key, "
        "with a warning when sshd would not read it.",
        "invalid",
        examples=(
            "os:\n  users:\n  - name: a\n    sshPublicKeys:\n"
            "    - '-----BEGIN OPENSSH PRIVATE KEY-----'\n",
        ),
    ),
    Difference(
        "variables",
        "Environment variables have names",
        "A name that is empty or has a `=` cannot be set.",
        "invalid",
        examples=(
            "scripts:\n  postCustomization:\n  - {content: x, environmentVariables: {a=b: c}}\n",
        ),
    ),
    Difference(
        "package-options",
        "A package's name is no option",
        "A name that begins with `-` would be an option of the package manager.",
        "invalid",
        examples=("os:\n  packages:\n    install: [--nogpgcheck]\n",),
    ),
    Difference(
        "oci-platform",
        "The `os` of a platform has no slash",
        "`linux/arm/v7` is written as `os: linux` and `architecture: arm/v7`.",
        "invalid",
        examples=(
            "input:\n  image:\n    oci:\n      uri: registry.example/a\n"
            "      platform: {os: linux/arm}\n",
        ),
    ),
    Difference(
        "merged-files",
        "What base configs make together is judged again",
        "Each file is valid by itself there, and the merged result is not looked at; a conflict "
        "then shows in the middle of a build. A chain of more than 32 files is refused; a file "
        "that is reached twice counts once, where Image Customizer sees a cycle.",
        "invalid",
    ),
    Difference(
        "defaults",
        "Where only one value makes sense, it need not be written",
        "`partitionTableType` is `gpt` when it is not given, and the `idType` of verity's "
        "`dataDevice` and `hashDevice` is `part-label`.",
        "valid",
        examples=(
            "storage:\n  bootType: legacy\n  disks:\n"
            "  - partitions: [{id: a, type: bios-grub, size: 1M}]\n"
            "os:\n  bootloader: {resetType: hard-reset}\n",
        ),
    ),
    Difference(
        "octal-permissions",
        "Permissions may say that they are octal",
        "`0o644` is how YAML 1.2 writes octal numbers.",
        "valid",
        examples=(
            "os:\n  additionalFiles:\n  - {content: a, destination: /a, permissions: 0o644}\n",
        ),
    ),
    Difference(
        "own-keys",
        "Keys and values of our own",
        "`name`, `distro` and `architecture` at the top make an image from a distribution's "
        "packages, `os.initrd` chooses how its initrd is made, `os.bootloader.type` what boots it, "
        "`os.packages.modules` enables streams of modules, "
        "`os.packages.withoutSuites` leaves out what is not to be had, `checks` are questions to "
        "the booted image, and `erofs` is a file system, with settings of its own. `output.image` "
        "has settings of the formats that are ours: `oci`, `wsl` and `extension`.",
        "valid",
        examples=(
            "name: web\ndistro: distros/harbor/distro.yaml\n",
            "os:\n  initrd: {builder: dracut}\n",
            "os:\n  bootloader: {type: grub}\n",
            "os:\n  packages: {withoutSuites: [trixie-security]}\n",
            "checks:\n- {unit: sshd}\n",
            "output:\n  image: {format: oci-dir, path: out, oci: {cmd: [bash]}}\n",
            'variables: {role: {default: web}}\nos: {hostname: "${{ role }}"}\n',
            _STORAGE + "  - {deviceId: a, type: erofs, mountPoint: /}\n"
            "os: {bootloader: {resetType: hard-reset}}\n",
        ),
        keys=(
            "name",
            "distro",
            "architecture",
            "os.initrd",
            "os.bootloader.type",
            "os.packages.modules",
            "os.packages.withoutSuites",
            "checks",
            "variables",
            "profiles",
            "matrix",
            "baseConfigs.when",
            "storage.filesystems.erofs",
            "output.image.oci",
            "output.image.wsl",
            "output.image.extension",
        ),
    ),
)
