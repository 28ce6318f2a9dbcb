"""New ids for the disk of an image: every one that can be, and what names it follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from test_new_layout import GUIDS, loaded, partition, source

from dockyard.pipeline.existing_disk import ExistingVerity
from dockyard.pipeline.existing_layout import layout_of
from dockyard.pipeline.new_ids import id_changes, id_problems, named_anew, with_new_ids
from dockyard.tree.device_ids import DeviceIdsSetting


def test_every_id_is_another_and_comes_from_the_content() -> None:
    image = source(partition(3, "", "swap"), partition(4, "", "LUKS"))
    before, made = layout_of(image), with_new_ids(image, layout_of(image))
    assert made == with_new_ids(image, layout_of(image))
    assert made != with_new_ids(replace(image, digest="00" * 32), layout_of(image))
    ids = [made.guid, *(each.guid for each in made.partitions), made.partitions[2].swap]
    ids += [each.filesystem.uuid for each in made.partitions if each.filesystem]
    assert len(set(ids)) == 8 and not set(map(str, ids)) & set(GUIDS)
    for old, new in zip(before.partitions, made.partitions, strict=True):
        assert (old.start, old.size, old.type_guid) == (new.start, new.size, new.type_guid)
    assert len(id_changes(image, made)) == 4 + 3  # partitions; two file systems and a swap space


def test_what_is_kept_as_it_is_is_told(tmp_path: Path) -> None:
    image = source(partition(3, "", "swap"), partition(4, "", "LUKS"), partition(5, "", ""))
    told = list(id_problems(loaded(tmp_path), image))
    assert [each.code for each in told] == ["image.keeps-id"]
    assert f"the LUKS in it keeps its own, {GUIDS[4]}" in told[0].what
    verity = ExistingVerity(2, 3, 0, "root", "", "", "")
    sealed = list(id_problems(loaded(tmp_path), replace(source(), verity=(verity,))))
    assert [each.code for each in sealed] == ["image.verity-ids"]


def test_the_files_that_name_devices_follow() -> None:
    image = source()
    (setting,) = named_anew(image, with_new_ids(image, layout_of(image)))
    assert dict(setting.ids)[GUIDS[2]] in setting.changed(f"UUID={GUIDS[2]} / ext4")
    assert named_anew(image, layout_of(image)) == ()


def test_ids_are_changed_as_wholes_and_at_once() -> None:
    setting = DeviceIdsSetting((("ab-1", "cd-2"), ("cd-2", "ef-3"), ("ab-1-5", "x")))
    text = "UUID=AB-1 PARTUUID=cd-2, ab-1-5 ab-12 0ab-1 /dev/disk/by-uuid/ab-1\n"
    assert setting.changed(text) == (
        "UUID=cd-2 PARTUUID=ef-3, x ab-12 0ab-1 /dev/disk/by-uuid/cd-2\n"
    )
