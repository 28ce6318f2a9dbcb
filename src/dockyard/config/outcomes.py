"""Where what is done differs, on purpose, from what Image Customizer does with the same file.

Each entry has a test of its own, by its key.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """theirs: what Image Customizer does; ours: what is done here."""

    key: str
    title: str
    theirs: str
    ours: str


OUTCOMES: tuple[Outcome, ...] = (
    Outcome(
        "paths_stay_inside_the_image",
        "Nothing is written outside of the image",
        "A destination with `..`, or a link in the image to an absolute path, leads to the host's "
        "own files, which are written as root.",
        "Destinations with `..` are refused, links are followed inside the image alone, and all "
        "work is done without rights on the host.",
    ),
    Outcome(
        "verity_is_checked_before_work",
        "Every field of a verity device is checked before work starts",
        "Unknown ids and names of devices pass, and fail when the image is made or boots.",
        "They are refused with their place.",
    ),
    Outcome(
        "only_documented_keys_exist",
        "Only documented keys exist",
        "Keys of its own bookkeeping (`sha256hash`, `partitionid`, `mount`, …) are taken from a "
        "file.",
        "They are unknown keys.",
    ),
    Outcome(
        "create_acts_on_every_key",
        "`create` acts on every key, or refuses it before work",
        "Users, groups, services, the image history, `iso` and `input` are ignored without a word; "
        "a format that it cannot write fails at the very end.",
        "Users, groups, services and the history are acted on as by `build`, `input` and an `iso` "
        "of no ISO are refused at once, and every format is written.",
    ),
    Outcome(
        "preview_features_gate_nothing",
        "Preview features are the same in a file and on the command line",
        "`input.image.azureLinux` needs a switch by the documentation, and none in a file.",
        "No key needs one.",
    ),
    Outcome(
        "nothing_of_a_file_is_ignored",
        "A file is read to its end",
        "Documents after the first are ignored; an empty file is the error `EOF`.",
        "A second document is refused with its line, and an empty file is told as such.",
    ),
    Outcome(
        "sizes_are_read_one_way",
        "Sizes are read one way",
        "`010M` is 8 MiB, and `08M` an error.",
        "Both are refused: what they mean hangs on the reader.",
    ),
    Outcome(
        "times_are_utc",
        "Times are UTC, and follow from the input",
        "The time of a build is local time with a Z, as of UTC.",
        "It is the time of what the image is made of, in UTC, wherever and whenever it is made.",
    ),
    Outcome(
        "inline_verity_wastes_no_space",
        "A hash tree inside its partition wastes no space",
        "One MiB of the partition is lost by a rounding.",
        "Data take every block that leaves room for their tree.",
    ),
    Outcome(
        "contradictions_are_told",
        "Contradictions and what has no effect are told",
        "One unit enabled and disabled, users described twice, empty names of packages, users of "
        "any characters, a preview feature twice, `uki: {}` and a disk without a root pass without "
        "a word.",
        "What contradicts itself or cannot work is refused, what has no effect is told.",
    ),
    Outcome(
        "the_schema_agrees_with_the_reader",
        "The JSON schema agrees with the reader",
        "Of its own test documents, the schema refuses 54 of 414 valid ones, and finds 29 of 259 "
        "mistakes.",
        "The schema is made from the same models: it refuses no valid file.",
    ),
    Outcome(
        "the_documentation_is_valid",
        "Every example of the documentation is read by the tests",
        "19 of 111 examples are refused by the tool itself.",
        "None is.",
    ),
    Outcome(
        "a_diamond_is_no_cycle",
        "A base config that is reached twice is no cycle",
        "Two files that build on the same third one cannot be combined.",
        "It counts once. A real cycle is told with every file of it.",
    ),
    Outcome(
        "cosi_describes_the_image",
        "A COSI file describes its image, not the machine that made it",
        "`osArch` is that of the builder, and partitions are in the order of their numbers.",
        "`osArch` is that of the image's programs, and partitions are in the order of the disk, as "
        "the specification asks.",
    ),
    Outcome(
        "the_history_has_no_secrets",
        "The history in an image has no secrets",
        "Passwords, environment variables and the text of scripts are in clear in a file that "
        "everybody can read; base configs are not recorded.",
        "They are redacted, texts are told by their digest, and the record is of the merged file.",
    ),
    Outcome(
        "files_keep_their_modes",
        "Files and links of a directory stay what they are",
        "Files of `additionalDirs` become 0755 unless `childFilePermissions` says otherwise, a key "
        "of 0600 too; links become files. Files of `additionalFiles` bring set-id bits along.",
        "Both have the modes of their sources, without set-id bits and without the right of group "
        "and others to write; links are links. A script that nobody may execute is told.",
    ),
    Outcome(
        "words_stay_words",
        "Words of the kernel command line stay words",
        "An element of `extraCommandLine` that has a blank or quotes is quoted once more in "
        "grub.cfg, so that the kernel sees one word with quotes in it.",
        "An element may hold several words, and quotes keep blanks within one.",
    ),
    Outcome(
        "scripts_see_the_same_everywhere",
        "Scripts see the same on every machine",
        "They get the environment of whoever runs the tool, the network, and a writable view of "
        "the directory of their file.",
        "They get the variables of the file, no network, and a copy of the directory, read-only.",
    ),
)
