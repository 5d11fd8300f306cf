from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dadarts.data import Choices, layout, part_names
from dadarts.data.listing import Listing
from dadarts.data.part_names import part_of, parts_among
from dadarts.errors import InputError


def touch(root: Path, *names: str) -> Path:
    """Files that a layout is made of; none of them is opened."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


def fill(root: Path, *folders: str, count: int = 5) -> Path:
    return touch(root, *(f"{folder}/{number}.png" for folder in folders for number in range(count)))


def find(root: Path, *classes: str, test_path: Path | None = None) -> Listing:
    return layout.find(root, Choices(classes or None, test_path))


def counts(found: Listing) -> tuple[list[int], list[int]]:
    """Pictures of each class in the training and in the test part."""
    length = len(found.classes)
    train, test = (torch.bincount(part.labels, minlength=length).tolist() for part in found.parts())
    return train, test


TRAIN = ["train", "training", "train_set", "trainset", "images_train", "train-images", "TrainSet", "TRAIN"]
TRAIN += ["Training", "Train.Data", "train2017", "dataset_train", "train_1", "trn"]
TEST = ["test", "testing", "test_set", "testset", "Test", "Testing", "TEST", "test_images", "eval", "evaluation"]
TEST += ["Eval_Set", "holdout", "hold-out", "held_out"]
VALIDATION = ["val", "valid", "validation", "Validation", "VAL", "val_set", "dev", "development", "valid_images"]
OTHERS = ["trainer", "steam_train", "toy-train", "testicle", "tester", "devil", "valve", "value", "evaluator"]
OTHERS += ["set", "images", "data", "OK", "NG", "7", "validly"]


@pytest.mark.parametrize(
    "names", [("train", TRAIN), ("test", TEST), ("validation", VALIDATION)], ids=lambda each: each[0]
)
def test_names_of_parts_count_whatever_their_case_separators_and_affixes(names: tuple[str, list[str]]) -> None:
    assert {name: part_of(name) for name in names[1]} == dict.fromkeys(names[1], names[0])


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_are_no_parts(name: str) -> None:
    assert part_of(name) is None
    assert parts_among([name, "bus"]) == {}


@pytest.mark.parametrize("affix", part_names._AFFIXES.split("|"))
def test_a_long_row_of_affixes_is_read_in_one_way_alone(affix: str) -> None:
    """A second way to read one or two of them would double the steps with each, so that this would not end."""
    for other in part_names._AFFIXES.split("|"):
        row = (affix + other) * 20
        assert part_of(f"{row}x") is None
        assert part_of(f"{row}_test") == part_of(f"test_{row}") == "test"
    assert part_of("dataset" * 36 + "x") is None
    assert part_of("datasets_dataset_train_dataset_data") == "train"


def test_names_alike_but_for_the_part_are_parts() -> None:
    assert parts_among(["seg_train", "seg_test", "seg_pred"]) == {"seg_train": "train", "seg_test": "test"}
    assert parts_among(["TrainFlowers", "ValFlowers"]) == {"TrainFlowers": "train", "ValFlowers": "validation"}
    assert parts_among(["steam_train", "crash_test"]) == {}


@pytest.mark.parametrize("train", TRAIN)
def test_a_training_and_a_test_folder_are_the_parts_by_any_of_their_names(tmp_path: Path, train: str) -> None:
    test = TEST[TRAIN.index(train)]
    fill(tmp_path, f"{train}/ant", f"{train}/bee")
    fill(tmp_path, f"{test}/ant", f"{test}/bee", count=2)
    found = find(tmp_path)
    assert (found.classes, counts(found)) == (("ant", "bee"), ([5, 5], [2, 2]))
    assert f"test part: {test}/" in found.remarks


@pytest.mark.parametrize("validation", VALIDATION)
def test_validation_joins_the_training_part_or_is_the_test_part(tmp_path: Path, validation: str) -> None:
    fill(tmp_path, "train/ant", "train/bee", f"{validation}/ant", f"{validation}/bee")
    assert counts(find(tmp_path)) == ([5, 5], [5, 5])
    assert find(tmp_path).remarks == (f"test part: {validation}/, as there is no other",)
    fill(tmp_path, "Testing/ant", "Testing/bee", count=2)
    assert counts(find(tmp_path)) == ([10, 10], [2, 2])
    assert find(tmp_path).remarks == (f"test part: Testing/, {validation}/ joins the training part",)


@pytest.mark.parametrize(
    ("wrapping", "remark"),
    [
        ("set/{}/ant", "classes below set/"),
        ("set/set/{}/ant", "classes below set/set/"),
        ("set/train/{}/ant", "test part: a fifth of each class, held out"),
    ],
)
def test_a_single_folder_around_everything_is_looked_through(tmp_path: Path, wrapping: str, remark: str) -> None:
    for name in ("ant", "bee"):
        fill(tmp_path, wrapping.replace("{}/", "").replace("ant", name))
    touch(tmp_path, "__MACOSX/._x", "readme.txt")
    found = find(tmp_path)
    assert (found.classes, counts(found)) == (("ant", "bee"), ([4, 4], [1, 1]))
    assert remark in found.remarks
    assert found.passed.text == "1 .txt, 1 __MACOSX/"


def test_parts_that_wrap_their_classes_once_more_are_looked_through(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{part}/{part}/{name}" for part in ("training_set", "test_set") for name in ("cat", "dog")))
    found = find(tmp_path)
    assert (found.classes, counts(found)) == (("cat", "dog"), ([5, 5], [5, 5]))


def test_the_one_class_of_a_test_part_is_no_wrapping(tmp_path: Path) -> None:
    fill(tmp_path, "train/ant", "train/bee", "test/ant/day", "test/ant/night")
    assert counts(find(tmp_path)) == ([5, 5], [10, 0])


def refusal_of(error: InputError) -> str:
    line = error.marked
    assert "\n" not in line
    assert len(line) < 700
    return line


def refusal(root: Path, *classes: str, test_path: Path | None = None) -> str:
    with pytest.raises(InputError) as refused:
        find(root, *classes, test_path=test_path)
    return refusal_of(refused.value).replace(str(root), "ROOT")


def test_a_part_among_classes_is_refused_with_both_readings_and_each_can_be_forced(tmp_path: Path) -> None:
    fill(tmp_path, "OK", "NG")
    fill(tmp_path, "test", count=6)
    assert refusal(tmp_path) == (
        "ROOT holds NG, OK and test/ with 6 pictures without class folders, which by its place is a class and by its "
        "name the test part: give -classes NG,OK,test to read it as a class, -classes NG,OK to pass it over"
    )
    assert counts(find(tmp_path, "OK", "test", "NG")) == ([4, 4, 5], [1, 1, 1])
    passing = find(tmp_path, "ok", "ng")
    assert (passing.classes, counts(passing)) == (("NG", "OK"), ([4, 4], [1, 1]))
    assert passing.passed.text == "6 in other folders"


def test_a_labelled_test_folder_beside_classes_can_be_the_test_part(tmp_path: Path) -> None:
    fill(tmp_path, "OK", "NG", "test/OK", "test/NG")
    assert "-test_path ROOT/test to take it for the test part" in refusal(tmp_path)
    found = find(tmp_path, test_path=tmp_path / "test")
    assert (found.classes, counts(found)) == (("NG", "OK"), ([5, 5], [5, 5]))
    assert found.remarks == (f"test part: {tmp_path}/test",)


def test_pictures_beside_train_that_are_no_part_are_refused_with_both_readings(tmp_path: Path) -> None:
    fill(tmp_path, "train/ant", "train/bee", "extra/ant", "extra/bee")
    touch(tmp_path, "annotations/a.xml")
    line = refusal(tmp_path)
    assert "beside it pictures in extra," in line
    assert "-dataset ROOT/train (and -test_path FOLDER)" in line
    assert "-classes extra,train" in line
    assert counts(find(tmp_path / "train", test_path=tmp_path / "extra")) == ([5, 5], [5, 5])
    assert find(tmp_path, "extra", "train").classes == ("extra", "train")
    named = find(tmp_path, "ant", "bee")
    assert (counts(named), named.passed.text) == (([4, 4], [1, 1]), "10 in other folders")


def test_a_class_that_is_called_train_can_be_one(tmp_path: Path) -> None:
    fill(tmp_path, "bus", "car", "train")
    assert "-classes bus,car,train" in refusal(tmp_path)
    assert counts(find(tmp_path, "bus", "car", "train")) == ([4, 4, 4], [1, 1, 1])


@pytest.mark.parametrize("second", ["Training", "train_set", "TRAIN"])
def test_two_folders_of_one_part_are_refused(tmp_path: Path, second: str) -> None:
    fill(tmp_path, "train/ant", "train/bee", f"{second}/ant", f"{second}/bee")
    line = refusal(tmp_path)
    assert "both read as the training part" in line
    assert "-test_path" in line


def test_unlabelled_test_pictures_are_refused_and_the_way_out_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "train/ant", "train/bee", "test")
    assert refusal(tmp_path) == (
        "ROOT/test holds 5 pictures without class folders, so that their classes are unknown; give -dataset ROOT/train "
        "to hold out a fifth of each class, or with it a -test_path of class folders"
    )
    fill(tmp_path, "val/ant", "val/bee")
    assert "give -dataset ROOT/train -test_path ROOT/val to test on that part" in refusal(tmp_path)
    assert counts(find(tmp_path / "train", test_path=tmp_path / "val")) == ([5, 5], [5, 5])
    assert "give a -test_path of class folders" in refusal(tmp_path / "train", test_path=tmp_path / "test")


@pytest.mark.parametrize("below", ["unknown", "test", "images"])
def test_unlabelled_pictures_in_a_folder_of_their_own_are_refused_too(tmp_path: Path, below: str) -> None:
    fill(tmp_path, "train/ant", "train/bee", f"test/{below}")
    assert f"ROOT/test/{below} holds 5 pictures without class folders" in refusal(tmp_path)


def test_a_test_path_leaves_all_else_to_the_training_part(tmp_path: Path) -> None:
    fill(tmp_path, "set/train/ant", "set/train/bee", "set/val/ant", "set/val/bee", "set/test/ant")
    fill(tmp_path, "mine/ant", "mine/bee", count=3)
    found = find(tmp_path / "set", test_path=tmp_path / "mine")
    assert counts(found) == ([10, 10], [3, 3])
    assert found.passed.text == "5 in test/"


def test_the_test_path_within_a_class_is_no_training(tmp_path: Path) -> None:
    fill(tmp_path, "ant", "bee", "ant/kept/ant", "ant/kept/bee")
    assert counts(find(tmp_path, test_path=tmp_path / "ant/kept")) == ([5, 5], [5, 5])
    assert "is the data set itself" in refusal(tmp_path, test_path=tmp_path)


def test_a_missing_class_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    fill(tmp_path, "ant", "bee", "test")
    assert "has no folder wasp; it has ant, bee, test" in refusal(tmp_path, "ant", "wasp")


def test_parts_below_classes_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "bottle/train/good", "bottle/test/good", "bottle/test/broken", "cable/train/good", "cable/test/good")
    line = refusal(tmp_path)
    assert "ROOT/bottle holds test, train: are these parts of a class" in line
    assert "-dataset ROOT/bottle" in line
    assert counts(find(tmp_path, "bottle", "cable")) == ([12, 8], [3, 2])


def test_class_names_that_differ_in_case_are_refused_within_a_part_and_between_parts(tmp_path: Path) -> None:
    fill(tmp_path, "one/train/cat", "one/train/Cat", "two/train/cat", "two/train/dog", "two/test/Cat")
    assert "Cat and cat differ in case alone" in refusal(tmp_path / "one/train")
    assert find(tmp_path / "one/train", "Cat", "cat").classes == ("Cat", "cat")
    assert "ROOT/test/Cat is a class that the training part does not have: cat there and Cat here" in refusal(
        tmp_path / "two"
    )


def test_an_empty_class_folder_is_refused_with_what_it_holds_instead(tmp_path: Path) -> None:
    fill(tmp_path, "ant", "bee")
    touch(tmp_path, "wasp/a.psd", "wasp/b.psd")
    assert "the class folder ROOT/wasp holds no pictures (but 2 .psd)" in refusal(tmp_path)
    assert find(tmp_path, "ant", "bee").classes == ("ant", "bee")


def test_pictures_without_any_class_folder_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, ".", count=3)
    assert "holds 0 class folders and 3 pictures outside of class folders" in refusal(tmp_path)


def test_what_is_passed_over_is_counted_by_ending_or_name(tmp_path: Path) -> None:
    fill(tmp_path, "ant", "bee")
    touch(tmp_path, "stray.jpg", "ant/a.TXT", "ant/b.txt", "ant/Thumbs.db", "bee/.DS_Store", "bee/._1.png", "bee/raw")
    touch(tmp_path, "__MACOSX/ant/._0.png", ".ipynb_checkpoints/x.png", "@eaDir/x.png", "bee/desktop.ini")
    (tmp_path / "bee/gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "bee/pipe.png")
    found = find(tmp_path)
    assert counts(found) == ([4, 4], [1, 1])
    assert dict(found.passed.counts) == {
        "outside of class folders": 1, ".txt": 2, "Thumbs.db": 1, ".DS_Store": 1, "._*": 1, "without ending": 1,
        "__MACOSX/": 1, ".ipynb_checkpoints/": 1, "@eaDir/": 1, "desktop.ini": 1, "dangling link": 1, "special file": 1,
    }  # fmt: skip
    assert found.passed.text.startswith("2 .txt, 1 ")
    assert found.passed.text.endswith("4 others")


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    root = tmp_path / "set"
    fill(root, "ant", "bee", "ant/real", count=3)
    fill(tmp_path, "elsewhere", count=4)
    (root / "ant/more").symlink_to(tmp_path / "elsewhere")
    (root / "ant/again").symlink_to(tmp_path / "elsewhere")
    (root / "ant/alias").symlink_to(root / "ant/real")
    (root / "ant/loop").symlink_to(root)
    (root / "bee/self").symlink_to(root / "bee/self")
    (root / "bee/top").symlink_to("/")
    (root / "here").symlink_to(root)
    (tmp_path / "elsewhere/back").symlink_to(root / "ant")
    found = find(root)
    assert counts(found) == ([8, 2], [2, 1])
    assert dict(found.passed.counts) == {"repeated link": 6, "dangling link": 1}
    assert sum(root / "ant/real" in file.parents for part in found.parts() for file in part.files) == 3


def test_two_links_to_one_folder_are_no_two_classes(tmp_path: Path) -> None:
    fill(tmp_path, "set/ant", "elsewhere")
    for name in ("bee", "wasp"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "elsewhere")
    assert "bee and wasp are one folder" in refusal(tmp_path / "set")


def test_names_that_are_no_text_are_read_and_can_be_shown(tmp_path: Path) -> None:
    for name in (b"caf\xe9", b"th\xe9", b"new\nline"):
        touch(tmp_path / os.fsdecode(name), *(os.fsdecode(b"\xff%d.png" % number) for number in range(5)))
    found = find(tmp_path)
    assert found.classes == ("caf\\xe9", "new\\nline", "th\\xe9")
    assert counts(found) == ([4, 4, 4], [1, 1, 1])


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "ant", "bee")
    scandir = os.scandir

    def closed(folder: Path) -> object:
        if Path(folder).name == "bee":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(PermissionError):
        find(tmp_path)


def test_thousands_of_classes_are_read(tmp_path: Path) -> None:
    for number in range(1200):
        folder = tmp_path / f"{number:04}"
        folder.mkdir()
        for place in range(3):
            (folder / f"{place}.png").touch()
    found = find(tmp_path)
    assert len(found.classes) == 1200
    assert [set(counted) for counted in counts(found)] == [{2}, {1}]


PART_NAMES = st.sampled_from(["train", "Test", "val", "OK", "NG", "cat", "images", "__MACOSX", ".git", "testing"])
PATHS = st.lists(
    st.tuples(PART_NAMES, PART_NAMES, PART_NAMES, st.sampled_from(["0.png", "1.jpg", "x.txt"])), max_size=12
)


@settings(max_examples=40)
@given(PATHS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_any_tree_is_read_or_refused_in_a_line_and_no_picture_is_lost_or_doubled(
    paths: list[tuple[str, ...]], depth: int, draw: random.Random
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        touch(root, *("/".join((*path[:depth], path[3])) for path in paths))
        try:
            found = find(root)
        except InputError as error:
            refusal_of(error)
            return
        files = list(found.files)
        assert len(set(files)) == len(files)
        visible = [
            file
            for file in root.rglob("*")
            if file.suffix in (".png", ".jpg") and not {"__MACOSX", ".git"} & set(file.relative_to(root).parts)
        ]
        assert set(files) <= set(visible)
        assert len(visible) - len(files) == found.passed.counts["outside of class folders"]


def test_a_listing_holds_out_whole_pictures(tmp_path: Path) -> None:
    fill(tmp_path, "ant", "bee", count=10)
    Image.new("L", (9, 9)).save(tmp_path / "ant/0.png")
    first, second = find(tmp_path).parts()
    assert not set(first.files) & set(second.files)
