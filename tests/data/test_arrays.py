from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dadarts.data import Choices, DataSet, load
from dadarts.errors import InputError

from .conftest import Asking
from .samples import noise, write_classes

X = noise(20, 10, 12)
Y = np.arange(20) % 4


def saved(tmp_path: Path, **arrays: Any) -> Path:
    file = tmp_path / "pictures.npz"
    np.savez(file, **arrays)
    return file


def with_test(tmp_path: Path, ask: Asking, x: Any, y: Any = Y, **more: Any) -> DataSet:
    return load(ask(saved(tmp_path, x=x, y=y, x_test=x[:8], y_test=y[:8], **more)))


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (X, (1, 10, 12)),
        (X[..., None], (1, 10, 12)),
        (X[:, None], (1, 10, 12)),
        (np.stack([X] * 3, axis=3), (3, 10, 12)),
        (np.stack([X] * 3, axis=1), (3, 10, 12)),
        ((X / 255).astype(np.float32), (1, 10, 12)),
        (X / 255, (1, 10, 12)),
    ],
)
def test_pictures_are_read_in_every_layout(tmp_path: Path, ask: Asking, x: Any, shape: tuple[int, int, int]) -> None:
    data = with_test(tmp_path, ask, x)
    assert data.train.shape == shape
    assert torch.equal(data.train.take(torch.arange(20)), torch.from_numpy(X)[:, None].expand(20, *shape))
    assert (len(data.train), len(data.test)) == (20, 8)
    assert data.flip


@pytest.mark.parametrize("largest", [80, 255], ids=["dark", "bright"])
@pytest.mark.parametrize("is_float", [(True, False), (False, True)], ids=["train", "test"])
def test_floats_beside_bytes_mean_the_same_pixels(
    tmp_path: Path, ask: Asking, largest: int, is_float: tuple[bool, bool]
) -> None:
    pixels = np.clip(X, 0, largest)
    x, x_test = ((pixels / 255).astype(np.float32) if own else pixels for own in is_float)
    data = load(ask(saved(tmp_path, x=x, y=Y, x_test=x_test, y_test=Y)))
    for part in (data.train, data.test):
        assert np.array_equal(part.take(torch.arange(20))[:, 0].numpy(), pixels)
    assert data.value_range is None


def test_without_a_test_part_a_fifth_of_every_class_is_held_out_alike_each_time(tmp_path: Path, ask: Asking) -> None:
    x, y = noise(100, 8, 8), np.arange(100) % 4
    data, again = (load(ask(saved(tmp_path, x=x, y=y))) for _ in range(2))
    assert torch.bincount(data.test.labels).tolist() == [5] * 4
    assert torch.bincount(data.train.labels).tolist() == [20] * 4
    assert torch.equal(data.test.take(torch.arange(20)), again.test.take(torch.arange(20)))


def test_the_training_part_may_have_its_name_in_keras(tmp_path: Path, ask: Asking) -> None:
    test = {"x_test": X[:8], "y_test": Y[:8]}
    ours = load(ask(written(tmp_path / "ours.npz", x=X, y=Y, **test)))
    keras = load(ask(written(tmp_path / "keras.npz", x_train=X, y_train=Y, **test)))
    for part in ("train", "test"):
        mine, theirs = getattr(ours, part), getattr(keras, part)
        every = torch.arange(len(mine))
        assert torch.equal(mine.take(every), theirs.take(every))
        assert torch.equal(mine.labels, theirs.labels)
    assert keras.fingerprint == ours.fingerprint


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"x_train": X}, r"holds no `y_train`; it needs x and y \(or x_train and y_train\)"),
        ({"y_train": Y}, "holds no `x_train`"),
        ({"x_train": X, "y_train": Y, "x": X}, "holds x_train beside x or y"),
        ({"x": X, "y_train": Y}, "holds y_train beside x or y"),
        ({"x_train": X, "y_train": Y[:9]}, "keras.npz: y_train has shape"),
        ({"x_test": X, "y_test": Y}, "holds no `x`; it needs x and y"),
    ],
)
def test_half_of_a_training_part_and_two_of_them_are_refused(
    tmp_path: Path, ask: Asking, arrays: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        load(ask(written(tmp_path / "keras.npz", **arrays)))


def test_labels_may_stand_in_a_column(tmp_path: Path, ask: Asking) -> None:
    for labels in (Y, np.array(["wasp", "ant", "bee", "moth"] * 5)):
        row, column = (load(ask(written(tmp_path / "it.npz", x=X, y=y))) for y in (labels, labels[:, None]))
        assert torch.equal(row.train.labels, column.train.labels)
        assert torch.equal(row.test.labels, column.test.labels)


def test_text_labels_become_sorted_class_names(tmp_path: Path, ask: Asking) -> None:
    data = with_test(tmp_path, ask, X, np.array(["wasp", "ant", "bee", "moth"] * 5))
    assert data.classes == ("ant", "bee", "moth", "wasp")
    assert data.train.labels[:4].tolist() == [3, 0, 1, 2]


def test_numbers_with_gaps_become_classes_in_order(tmp_path: Path, ask: Asking) -> None:
    data = with_test(tmp_path, ask, X, Y * 10 + 1)
    assert data.classes == ("1", "11", "21", "31")
    assert data.train.labels.tolist() == Y.tolist()


def test_given_class_names_are_places_for_numbers(tmp_path: Path, ask: Asking) -> None:
    data = with_test(tmp_path, ask, X, classes=np.array(["z", "y", "x", "w"]))
    assert data.classes == ("z", "y", "x", "w")
    assert data.train.labels.tolist() == Y.tolist()


def test_mean_and_deviation_are_those_of_the_training_part(tmp_path: Path, ask: Asking) -> None:
    x = np.concatenate([noise(20, 8, 8), np.full((8, 8, 8), 255, np.uint8)])
    file = saved(tmp_path, x=x[:20], y=Y, x_test=x[20:], y_test=Y[:8])
    data = load(ask(file))
    assert data.mean == pytest.approx(((x[:20] / 255).mean(),))
    assert data.std == pytest.approx(((x[:20] / 255).std(),))


def test_pictures_of_a_single_grey_can_still_be_normalised(tmp_path: Path, ask: Asking) -> None:
    data = with_test(tmp_path, ask, np.full((20, 8, 8), 7, np.uint8))
    assert data.std[0] > 0


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"y": None}, "holds no `y`"),
        ({"x": None}, "holds no `x`"),
        ({"y_test": None}, "only one of x_test and y_test"),
        ({"y": Y[:19]}, r"y has shape \(19,\), but there are 20 pictures"),
        ({"y": np.eye(20)}, r"y has shape \(20, 20\)"),
        ({"y": Y - 1}, "holds label -1"),
        ({"y": Y + 0.5}, "no whole numbers"),
        ({"y": np.where(Y == 1, np.nan, Y)}, "no whole numbers"),
        ({"y": Y * 1j}, "holds complex128"),
        ({"y": np.array([b"\xff", b"a"] * 10)}, "no ASCII text"),
        ({"y": np.full(20, 0x41414141, np.uint32).view("U1")}, "characters that there are none of"),
        ({"classes": np.array([1, 0x7FFFFFFF], np.uint32).view("U1")}, "characters that there are none of"),
        ({"y": np.array(["a", "b"] * 10)}, "both be numbers or both text"),
        ({"y_test": Y[:8] + 4}, "holds label 4, which is none of the 4 classes"),
        ({"y": np.zeros(20, int), "y_test": np.zeros(8, int)}, "two classes or more"),
        ({"y": np.array([0] * 19 + [1]), "y_test": np.zeros(8, int)}, "class 1 has a single training picture"),
        ({"classes": np.array(["a", "b"])}, "holds label 2, which is none of the 2 classes"),
        ({"classes": np.array(["a", "b", "c", "a"])}, "different names"),
        ({"classes": np.array(["a", "b", "c", "d", "e"])}, "class e has no training picture"),
        ({"x": X.astype(np.int64)}, "x holds int64"),
        ({"x": X.astype(np.float32)}, "floats outside"),
        ({"x": np.full(X.shape, np.nan)}, "or NaN"),
        ({"x": X[:, :7]}, "8x8 are the smallest"),
        ({"x": noise(20, 12, 14, 12)}, "give .*N, H, W"),
        ({"x": noise(20, 100)}, "give .*N, H, W"),
        ({"x": X[:0], "y": Y[:0]}, r"x has shape \(0,"),
        ({"x_test": noise(8, 9, 9)}, "different sizes"),
        ({"x": np.array([{}] * 20)}, "pickled objects, which are never read"),
        ({"y": np.array([None] * 20)}, "pickled objects, which are never read"),
    ],
)
def test_a_wrong_archive_is_refused_in_one_line(
    tmp_path: Path, ask: Asking, changes: dict[str, Any], complaint: str
) -> None:
    arrays = {"x": X, "y": Y, "x_test": X[:8], "y_test": Y[:8]} | changes
    file = saved(tmp_path, **{key: array for key, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=complaint) as refused:
        load(ask(file))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kept", [0, 2, 40, 1000, -1, -30])
def test_a_truncated_archive_is_refused_by_name(tmp_path: Path, ask: Asking, kept: int) -> None:
    file = saved(tmp_path, x=X, y=Y)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"pictures\.npz"):
        load(ask(file))


def test_a_single_array_is_no_archive(tmp_path: Path, ask: Asking) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(InputError, match="is a single array"):
        load(ask(tmp_path / "one.npz"))


def written(file: Path, **arrays: Any) -> Path:
    np.savez(file, **arrays)
    return file


def test_another_file_can_be_the_test_part(tmp_path: Path, ask: Asking) -> None:
    names = np.array(["ant", "bee", "moth", "wasp"])
    file = written(tmp_path / "train.npz", x=X, y=Y, x_test=X[:3], y_test=Y[:3], classes=names)
    test = written(tmp_path / "test.npz", x=X[::-1], y=Y[::-1])
    data = load(replace(ask(file), choices=Choices(test_path=test)))
    assert (len(data.train), len(data.test), data.classes) == (20, 20, tuple(names))
    assert torch.equal(data.test.take(torch.arange(20)), torch.from_numpy(X[::-1].copy())[:, None])
    assert f"test part: {test}" in data.described
    assert "test part: x_test" in load(ask(file)).described


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"x_train": X, "y_train": Y}, "holds no x and y, which would be the test part"),
        ({"x": X}, "holds no x and y, which would be the test part"),
        ({"x": X, "y": Y, "classes": np.array(["b", "a", "d", "c"])}, "has other classes than the training part"),
        ({"x": X[:, :9], "y": Y}, "different sizes"),
        ({"x": X, "y": Y + 1}, "holds label 4, which is none of the 4 classes"),
    ],
)
def test_another_file_that_does_not_fit_is_refused(
    tmp_path: Path, ask: Asking, arrays: dict[str, Any], complaint: str
) -> None:
    file, test = written(tmp_path / "train.npz", x=X, y=Y), written(tmp_path / "test.npz", **arrays)
    with pytest.raises(InputError, match=complaint):
        load(replace(ask(file), choices=Choices(test_path=test)))


def test_a_test_part_of_another_kind_is_refused(tmp_path: Path, ask: Asking) -> None:
    file = written(tmp_path / "train.npz", x=X, y=Y)
    with pytest.raises(InputError, match=r"is no \.npz file"):
        load(replace(ask(file), choices=Choices(test_path=tmp_path)))
    with pytest.raises(InputError, match="test_path ~no-such-user/at/home: "):
        load(replace(ask(file), choices=Choices(test_path=Path("~no-such-user/at/home"))))
    write_classes(tmp_path / "set")
    with pytest.raises(InputError, match="is a file; the test part of a folder is a folder too"):
        load(replace(ask(tmp_path / "set"), choices=Choices(test_path=file)))
    with pytest.raises(InputError, match="classes is for folders of pictures"):
        load(replace(ask(file), choices=Choices(classes=("a", "b"))))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 8, 8, 12), (12, 8, 8)),
        ((6, 12, 8, 8), (12, 8, 8)),
        ((6, 9, 10, 3), (3, 9, 10)),
        ((6, 3, 9, 10), (3, 9, 10)),
        ((6, 9, 20, 5), (5, 9, 20)),
        ((6, 5, 9, 20), (5, 9, 20)),
        ((6, 64, 9, 9), (64, 9, 9)),
        ((6, 9, 9, 65), None),
        ((6, 20, 9, 20), None),
    ],
)
def test_channels_are_where_they_can_be_told(
    tmp_path: Path, ask: Asking, shape: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    x, y = np.zeros(shape, np.uint8), np.arange(6) % 2
    file = saved(tmp_path, x=x, y=y, x_test=x, y_test=y)
    if expected is None:
        with pytest.raises(InputError, match="with C from 1 to 64"):
            load(ask(file))
    else:
        assert load(ask(file)).train.shape == expected
