from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.data import Choices, finding, load, table
from dadarts.data.listing import HELD_OUT, Listing
from dadarts.errors import InputError

from .conftest import Asking
from .samples import noise, write_picture
from .test_layout import counts, fill, refusal_of, touch

ROWS = [(f"{number}.png", "ant" if number % 2 else "bee") for number in range(10)]

HEADERS_THERE_ARE = ["filename,class", "Image_ID;Category", "path,target", "id,species", "img,dx", "file,Label Name"]
HEADERS_THERE_ARE += ["name,label", "image,breed"]


def write(file: Path, header: str, rows: Sequence[tuple[str, ...]], mark: str = ",") -> Path:
    lines = [header, *(mark.join(row) for row in rows)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def pictures(root: Path, folder: str = "images") -> Path:
    return touch(root, *(f"{folder}/{name}" for name, _ in ROWS))


def find(root: Path, *classes: str) -> Listing:
    return finding.find(root, Choices(classes or None))


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as refused:
        find(root)
    return refusal_of(refused.value).replace(str(root), "ROOT")


def labelled(found: Listing) -> dict[str, str]:
    """The class of every picture by the name of its file."""
    parts = (found.train, *([] if found.test is None else [found.test]))
    return {
        file.name: found.classes[label]
        for part in parts
        for file, label in zip(part.files, part.labels.tolist(), strict=True)
    }


@pytest.mark.parametrize("folder", [".", "images", "deep/images"])
@pytest.mark.parametrize("name", ["labels.csv", "metadata.csv", "Labels.CSV", "annotations.csv", "labels.tsv"])
def test_a_table_beside_pictures_or_beside_their_folder_labels_them(tmp_path: Path, folder: str, name: str) -> None:
    pictures(tmp_path, folder)
    write(
        tmp_path / name,
        "file_name,label".replace(",", "\t" if "tsv" in name else ","),
        ROWS,
        "\t" if "tsv" in name else ",",
    )
    touch(tmp_path, "LICENSE.txt")
    found = find(tmp_path)
    assert labelled(found) == dict(ROWS)
    assert (found.classes, counts(found)) == (("ant", "bee"), ([4, 4], [1, 1]))
    assert found.remarks == (f"labels from {name}", "test part: a fifth of each class, held out")
    assert found.passed.text == "1 .txt"


@pytest.mark.parametrize("header", HEADERS_THERE_ARE)
def test_columns_have_any_of_their_usual_names(tmp_path: Path, header: str) -> None:
    pictures(tmp_path)
    mark = ";" if ";" in header else ","
    write(tmp_path / "labels.csv", f"row{mark}{header}", [("7", *row) for row in ROWS], mark)
    assert labelled(find(tmp_path)) == dict(ROWS)


def test_a_usual_name_of_a_column_counts_before_a_less_usual_one(tmp_path: Path) -> None:
    pictures(tmp_path)
    rows = [(str(place), name, label, "x") for place, (name, label) in enumerate(ROWS)]
    write(tmp_path / "labels.csv", "id,file,label,type", rows)
    assert labelled(find(tmp_path)) == dict(ROWS)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("file,image,label", "the columns file, image can all be the file of a picture"),
        ("file,label,category", "the columns label, category can all be its class"),
        ("id,name,label", "the columns id, name can all be the file of a picture"),
        ("file,label,split,subset", "the columns split, subset can all be its part"),
        ("file,label,split,is_valid", "the columns split, is_valid can all say a picture's part"),
    ],
)
def test_columns_that_can_be_taken_for_each_other_are_refused_by_name(
    tmp_path: Path, header: str, complaint: str
) -> None:
    pictures(tmp_path)
    write(tmp_path / "labels.csv", header, [(*row, "x", "y")[: header.count(",") + 1] for row in ROWS])
    assert complaint in refusal(tmp_path)


@pytest.mark.parametrize("header", ["colour,label", "file,colour", "0.png,ant"])
def test_a_table_without_a_needed_column_is_refused_where_it_is_named(tmp_path: Path, header: str) -> None:
    pictures(tmp_path)
    file = write(tmp_path / "mine.csv", header, ROWS)
    with pytest.raises(InputError, match=r"has no column that names .*its first line has .*call the column"):
        table.find([table.read_table(file)], Choices())


@pytest.mark.parametrize("form", ["{}", "./{}", "images/{}", "images\\{}"], ids=["name", "dot", "path", "backslash"])
@pytest.mark.parametrize("ending", [True, False], ids=["whole", "stem"])
def test_a_file_is_named_from_the_table_or_from_below_with_or_without_ending(
    tmp_path: Path, form: str, ending: bool
) -> None:
    pictures(tmp_path)
    rows = [(form.format(name if ending else name[:-4]), label) for name, label in ROWS]
    write(tmp_path / "labels.csv", "file,label", rows)
    assert labelled(find(tmp_path)) == dict(ROWS)


def test_every_wrong_row_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    pictures(tmp_path)
    touch(tmp_path, "images/more/0.png", "outside.png")
    rows = [*ROWS[1:], ("gone.png", "ant"), ("1.png", ""), ("../outside.png", "ant"), ("0", "bee")]
    write(
        tmp_path / "labels.csv",
        "file,label",
        [*rows, ("", "ant"), ("/etc/passwd", "ant"), ("2.png", "ant"), ("3.png",)],
    )
    assert refusal(tmp_path) == (
        "ROOT/labels.csv: 8 of 17 rows are wrong: line 11: gone.png is not there, or no picture; line 12: 1.png has "
        "no label; line 13: ../outside.png leads out of the folder; line 14: 0 can be images/0.png, images/more/0.png; "
        "and 4 more"
    )
    write(
        tmp_path / "labels.csv",
        "file,label",
        [*ROWS[1:], ("", "ant"), ("/etc/passwd", "ant"), ("2.png", "ant"), ("3.png",)],
    )
    assert refusal(tmp_path).endswith(
        "line 11: no file; line 12: /etc/passwd leads out of the folder; line 13: 2.png is said to be something else "
        "in line 3; line 14: 1 of the 2 cells that are needed"
    )


def test_the_same_row_twice_counts_once_and_pictures_in_no_row_are_passed_over(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "labels.csv", "file,label", [*ROWS[:8], *ROWS[:3]])
    found = find(tmp_path)
    assert labelled(found) == dict(ROWS[:8])
    assert found.passed.text == "2 in no row"


@pytest.mark.parametrize(
    ("column", "words", "remark"),
    [
        ("split", ["train", "test", "val"], "test part: test, validation joins the training part"),
        ("set", ["Training", "Testing", "dev"], "test part: test, validation joins the training part"),
        ("Usage", ["Training", "PublicTest", "Training"], "test part: test"),
        ("is_valid", ["False", "True", "0"], "test part: validation"),
        ("is_train", ["1", "0", "true"], "test part: test"),
    ],
)
def test_a_column_says_the_part(tmp_path: Path, column: str, words: list[str], remark: str) -> None:
    pictures(tmp_path)
    rows = [(*row, words[1] if place < 2 else words[2] if place < 4 else words[0]) for place, row in enumerate(ROWS)]
    write(tmp_path / "labels.csv", f"file,label,{column}", rows)
    found = find(tmp_path)
    assert counts(found) == ([4, 4], [1, 1])
    assert found.remarks[1] == remark


def test_a_part_that_is_none_is_a_wrong_row(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(
        tmp_path / "labels.csv", "file,label,split", [(*row, "train") for row in ROWS[1:]] + [("0.png", "bee", "north")]
    )
    assert "line 11: 0.png is of part north, which is neither train, val nor test" in refusal(tmp_path)


def test_a_table_for_each_part_finds_its_own_files(tmp_path: Path) -> None:
    pictures(tmp_path, "train")
    pictures(tmp_path, "test")
    write(tmp_path / "train.csv", "id,label", ROWS)
    write(tmp_path / "test_labels.csv", "id,label", ROWS[:4])
    found = find(tmp_path)
    assert counts(found) == ([5, 5], [2, 2])
    assert all(part.files[0].parent.name == name for name, part in zip(("train", "test"), found.parts(), strict=True))
    write(tmp_path / "test_labels.csv", "id", [(name,) for name, _ in ROWS[:4]])
    assert "test_labels.csv has no column that names its class" in refusal(tmp_path)
    alone = table.find([table.read_table(tmp_path / "train.csv")], Choices())
    assert counts(alone) == ([4, 4], [1, 1])


def test_each_part_may_hold_its_own_table(tmp_path: Path) -> None:
    for part in ("train", "Test"):
        pictures(tmp_path / part, ".")
        write(tmp_path / part / "metadata.csv", "file_name,label", ROWS[:6] if part == "Test" else ROWS)
    found = find(tmp_path)
    assert counts(found) == ([5, 5], [3, 3])
    assert found.remarks == ("labels from train/metadata.csv, Test/metadata.csv", "test part: test")
    assert found.passed.text == "4 in no row"
    (tmp_path / "Test/metadata.csv").unlink()
    assert "ROOT/Test holds pictures but no table of their labels" in refusal(tmp_path)
    alone = table.find([table.read_table(tmp_path / "train/metadata.csv")], Choices())
    assert counts(alone) == ([4, 4], [1, 1])


def test_two_tables_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "labels.csv", "file,label", ROWS)
    write(tmp_path / "metadata.csv", "file,label", ROWS)
    assert "ROOT holds labels.csv, metadata.csv, each of which" in refusal(tmp_path)
    assert "-dataset ROOT/labels.csv" in refusal(tmp_path)


def test_a_table_of_other_facts_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "ant", "bee")
    write(tmp_path / "metadata.csv", "file,width", [("0.png", "3")])
    (tmp_path / "labels.csv").write_bytes(b"file,label\n\xff\xfe,\xe9\n")
    found = find(tmp_path)
    assert (found.classes, found.passed.text) == (("ant", "bee"), "2 .csv")


def test_folders_and_table_that_say_the_same_are_read_as_folders(tmp_path: Path) -> None:
    fill(tmp_path, "ant", "bee")
    rows = [(f"{name}/{number}.png", name[0]) for name in ("ant", "bee") for number in range(5)]
    write(tmp_path / "labels.csv", "file,label", rows)
    assert find(tmp_path).classes == ("ant", "bee")


IN_FOLDERS = [(f"{name}/{number}.png", name[0]) for name in ("ant", "bee") for number in range(5)]


def test_a_test_part_that_the_table_alone_says_is_the_test_part(tmp_path: Path) -> None:
    fill(tmp_path, "ant", "bee")
    rows = [(*row, "test" if row[0][4] in "01" else "train") for row in IN_FOLDERS]
    write(tmp_path / "labels.csv", "file,label,split", rows)
    found = find(tmp_path)
    assert counts(found) == ([3, 3], [2, 2])
    assert found.remarks == ("labels from labels.csv", "test part: test")
    assert {file.name for file in found.parts()[1].files} == {"0.png", "1.png"}


def test_a_test_part_that_both_say_must_be_of_the_same_pictures(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{part}/{name}" for part in ("train", "test") for name in ("ant", "bee")))
    rows = [(f"{part}/{file}", label, part) for part in ("train", "test") for file, label in IN_FOLDERS]
    write(tmp_path / "labels.csv", "file,label,split", rows[:-1])
    assert find(tmp_path).remarks == ("test part: test/",)
    write(tmp_path / "labels.csv", "file,label,split", [(file, label, "train") for file, label, _ in rows])
    assert find(tmp_path).remarks == ("test part: test/",)
    write(tmp_path / "labels.csv", "file,label,split", [("train/ant/0.png", "a", "test"), *rows[1:]])
    assert refusal(tmp_path) == (
        "ROOT has one test part by its folders, and another by labels.csv: give -dataset ROOT/labels.csv to read the "
        "table, or -classes ant,bee to read the folders"
    )


@pytest.mark.parametrize("in_folders", [0, 10])
def test_labelled_pictures_outside_of_class_folders_are_not_passed_over(tmp_path: Path, in_folders: int) -> None:
    fill(tmp_path, "ant", "bee")
    touch(tmp_path, "c.png", "d.png")
    file = write(tmp_path / "labels.csv", "file,label", [*IN_FOLDERS[:in_folders], ("d.png", "a"), ("c.png", "b")])
    assert refusal(tmp_path) == (
        "ROOT has class folders, and labels.csv has labels of pictures outside of them, as c.png: give -dataset "
        "ROOT/labels.csv to read the table, or -classes ant,bee to read the folders"
    )
    assert len(table.find([table.read_table(file)], Choices()).train) == in_folders + 2
    assert len(find(tmp_path, "ant", "bee").train) == 10


def test_folders_and_table_that_say_different_things_are_refused_and_each_can_be_forced(tmp_path: Path) -> None:
    fill(tmp_path, "part_1", "part_2")
    rows = [(f"part_{part}/{number}.png", "ant" if number % 2 else "bee") for part in (1, 2) for number in range(5)]
    file = write(tmp_path / "labels.csv", "file,label", rows)
    assert refusal(tmp_path) == (
        "ROOT has the classes part_1, part_2 by its folders, and labels.csv says otherwise: give -dataset "
        "ROOT/labels.csv to read the table, or -classes part_1,part_2 to read the folders"
    )
    assert table.find([table.read_table(file)], Choices()).classes == ("ant", "bee")
    assert find(tmp_path, "part_1", "part_2").classes == ("part_1", "part_2")


@pytest.mark.parametrize("name", ["labels.csv", "train.csv"])
@pytest.mark.parametrize("test", ["test.csv", "Test.csv", "valid.csv"])
def test_a_table_of_test_pictures_without_labels_is_passed_over_and_said(tmp_path: Path, name: str, test: str) -> None:
    pictures(tmp_path)
    write(tmp_path / name, "id,label", [(file.removesuffix(".png"), label) for file, label in ROWS[:7]])
    write(tmp_path / test, "id,width", [(file, "9") for file in ("7.png", "8.png", "gone.png", "6.png")])
    found = find(tmp_path)
    assert labelled(found) == dict(ROWS[:7])
    assert found.passed.text == f"2 without a label in {test}, 1 in no row"
    assert found.remarks == (f"labels from {name}", HELD_OUT)
    alone = table.find([table.read_table(tmp_path / name)], Choices())
    assert (found.train.files, found.test) == (alone.train.files, None)


def test_tables_that_both_have_labels_and_one_without_for_training_are_still_refused(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "labels.csv", "id,label", ROWS)
    write(tmp_path / "test.csv", "id,label", ROWS[:2])
    assert "each of which can be the table of labels" in refusal(tmp_path)
    write(tmp_path / "train.csv", "id,width", ROWS)
    (tmp_path / "labels.csv").unlink()
    assert "train.csv has no column that names its class" in refusal(tmp_path)


def test_classes_choose_rows(tmp_path: Path) -> None:
    pictures(tmp_path)
    rows = [(name, "cat" if name == "0.png" else label) for name, label in ROWS]
    write(tmp_path / "labels.csv", "file,label", rows)
    found = find(tmp_path, "Ant", "bee")
    assert found.classes == ("ant", "bee")
    assert found.passed.text == "1 in no row, 1 of other classes"
    with pytest.raises(
        InputError, match=r"classes: no row of .*labels\.csv has the class wasp; there are ant, bee, cat"
    ):
        find(tmp_path, "ant", "bee", "wasp")


def test_a_chosen_class_is_the_label_that_is_spelt_so_and_none_beside_it(tmp_path: Path) -> None:
    pictures(tmp_path)
    rows = [(name, ["Cat", "cat", "dog"][place % 3]) for place, (name, _) in enumerate(ROWS)]
    write(tmp_path / "labels.csv", "file,label", rows)
    found = find(tmp_path, "cat", "DOG")
    assert labelled(found) == {name: label for name, label in rows if label != "Cat"}
    with pytest.raises(InputError, match=r"has the class CAT; there are Cat, cat, dog"):
        find(tmp_path, "CAT", "dog")


def test_chosen_classes_are_looked_up_once_and_not_for_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures(tmp_path)
    write(tmp_path / "labels.csv", "file,label", ROWS)
    among, asked = Choices.among, []

    def counted(self: Choices, names: Sequence[str]) -> dict[str, str]:
        asked.append(names)
        return among(self, names)

    monkeypatch.setattr(Choices, "among", counted)
    assert labelled(find(tmp_path, "ant", "bee")) == dict(ROWS)
    assert asked == [["ant", "bee"]]


@pytest.mark.parametrize("root", [".", "below"])
@pytest.mark.parametrize("name", ["image.png", "image"])
def test_files_of_one_name_in_many_folders_are_each_looked_at_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, name: str
) -> None:
    touch(tmp_path / root, *(f"{place}/image.png" for place in range(50)))
    write(tmp_path / "labels.csv", "file,label", [(f"{place}/{name}", "ab"[place % 2]) for place in range(50)])
    folders, asked = table._Pictures._folders, []

    def counted(self: table._Pictures, file: Path) -> tuple[str, ...]:
        asked.append(file)
        return folders(self, file)

    monkeypatch.setattr(table._Pictures, "_folders", counted)
    found = table.find([table.read_table(tmp_path / "labels.csv")], Choices())
    assert {
        (int(file.parent.name) % 2, label)
        for file, label in zip(found.train.files, found.train.labels.tolist(), strict=True)
    } == {(0, 0), (1, 1)}
    assert len(asked) <= 100


def test_whole_numbers_are_classes_by_their_size(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "labels.csv", "file,label", [(name, str(9 + int(name[0]) % 2)) for name, _ in ROWS])
    assert find(tmp_path).classes == ("9", "10")


def test_the_order_of_rows_and_of_files_does_not_matter(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "labels.csv", "file,label", ROWS)
    first = find(tmp_path)
    write(tmp_path / "labels.csv", "file,label", random.Random(1).sample(ROWS, len(ROWS)))
    assert first.train.files == find(tmp_path).train.files
    assert torch.equal(first.train.labels, find(tmp_path).train.labels)


@pytest.mark.parametrize("test", ["none", "split"])
def test_a_table_is_loaded_through_the_folder_or_by_its_own_path(tmp_path: Path, ask: Asking, test: str) -> None:
    for place, (name, _) in enumerate(ROWS):
        write_picture(tmp_path / "set/images" / name, noise(1, 9, 9, seed=place)[0])
    rows = [(*row, "test" if test == "split" and place < 4 else "train") for place, row in enumerate(ROWS)]
    file = write(tmp_path / "set/labels.csv", "file,label,split", rows)
    data = load(ask(tmp_path / "set"))
    assert len(data.test) == (4 if test == "split" else 2)
    assert data.fingerprint == load(ask(file)).fingerprint
    assert "labels from labels.csv" in data.described


TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
CELLS = st.one_of(
    TEXT, st.sampled_from(["0.png", "images/1.png", "2", "ant", "train", "", "../x", '"', "a,b", "\0", "C:\\x"])
)
HEADERS = st.sampled_from(
    ["file,label", "id,class,split", "file", "label", "", "file,label,is_valid", '"file,label', "\ufefffile,label"]
)


@settings(max_examples=60)
@given(HEADERS, st.lists(st.lists(CELLS, max_size=4), max_size=8), st.sampled_from(",;\t"), st.binary(max_size=8))
def test_any_table_is_read_or_refused_in_a_line(header: str, rows: list[list[str]], mark: str, rubbish: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = pictures(Path(folder))
        content = "\n".join([header, *(mark.join(row) for row in rows)]).encode() + rubbish
        (root / "labels.csv").write_bytes(content)
        try:
            found = table.find([table.read_table(root / "labels.csv")], Choices())
        except InputError as error:
            refusal_of(error)
            return
        assert set(labelled(found)) <= {name for name, _ in ROWS}
