from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import dadarts
from dadarts import SearchConfig
from dadarts.data import DataRequest, DataSet, InMemory, Preparation, load
from dadarts.data.decoding import Streamed
from dadarts.data.given import as_given
from dadarts.errors import InputError
from dadarts.runs.events import RunStarted

from .samples import Pixels, encoded, noise

PIXELS = noise(20, 12, 10, 3)
LABELS = [number % 2 for number in range(20)]


class Stored(Dataset[tuple[Any, Any]]):
    """Items as they are, with names of classes."""

    def __init__(self, pictures: list[Any], labels: list[Any], classes: tuple[str, ...] | None = None) -> None:
        self.pictures = pictures
        self.labels = labels
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.pictures[index], self.labels[index]


def read(dataset: Any, tmp_path: Path, budget: int | None = None, image_size: int | None = None) -> DataSet:
    given = as_given(dataset)
    request = DataRequest(given.name, image_size=image_size, cache_dir=tmp_path / "cache", workers=0, given=given)
    data = load(request, budget=budget)
    assert not (tmp_path / "cache").exists()
    return data


def everything(data: DataSet) -> list[torch.Tensor]:
    return [tensor for part in (data.train, data.test) for tensor in (part.labels, part.take(torch.arange(len(part))))]


FORMS: dict[str, Callable[[Pixels], Any]] = {
    "Pillow": Image.fromarray,
    "array": lambda pixels: pixels,
    "array, channels first": lambda pixels: pixels.transpose(2, 0, 1),
    "tensor": lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1),
    "tensor, channels last": torch.from_numpy,
    "floats of ToTensor": lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1) / 255,
    "float64 array": lambda pixels: pixels / 255,
    "16 bits": lambda pixels: pixels.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_may_be_any_usual_object(tmp_path: Path, form: str) -> None:
    data = read(Stored([FORMS[form](pixels) for pixels in PIXELS], LABELS), tmp_path)
    expected = read(Stored(list(PIXELS), LABELS), tmp_path)
    assert data.train.shape == (3, 12, 10)
    assert isinstance(data.train, InMemory)
    assert all(map(torch.equal, everything(data), everything(expected)))
    held = torch.from_numpy(PIXELS[np.array(LABELS) == 0]).permute(0, 3, 1, 2)
    assert (data.train.take(torch.tensor([0]))[0] == held).flatten(1).all(1).any()


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 1), (1, 12, 10)])
def test_greys_are_one_channel_whatever_their_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data = read(Stored([pixels[..., 0].reshape(shape) for pixels in PIXELS], LABELS), tmp_path)
    assert data.train.shape == (1, 12, 10)


def test_other_sizes_become_one_and_transparent_pixels_show_white(tmp_path: Path) -> None:
    clear = np.zeros((16, 16, 4), np.uint8)
    pictures = [*map(Image.fromarray, PIXELS[:-1]), torch.from_numpy(clear)]
    data = read((Stored(pictures, LABELS), Stored([clear], [0])), tmp_path, image_size=9)
    assert data.train.shape == (3, 9, 9)
    assert (data.test.take(torch.tensor([0])) == 255).all()
    assert "resized and cropped, the smallest from 12x10 and the largest from 16x16 (height x width)" in data.described


def test_streamed_pictures_equal_those_in_memory(tmp_path: Path) -> None:
    pictures = [*map(Image.fromarray, PIXELS[:10]), *PIXELS[10:]]
    held, streamed = (read(Stored(pictures, LABELS), tmp_path, budget=budget) for budget in (None, 900))
    assert isinstance(streamed.train, Streamed)
    assert all(map(torch.equal, everything(held), everything(streamed)))
    assert held.fingerprint == streamed.fingerprint


def test_every_item_is_read_once_where_all_fit(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting(Stored):
        def __getitem__(self, index: int) -> tuple[Any, Any]:
            asked.append(index)
            return super().__getitem__(index)

    read(Counting(list(PIXELS), LABELS), tmp_path)
    assert asked == list(range(20))


@pytest.mark.parametrize(
    ("labels", "classes", "names"),
    [
        (LABELS, None, ("0", "1")),
        ([10 - label for label in LABELS], None, ("9", "10")),
        ([np.int64(label) for label in LABELS], ("ant", "bee"), ("ant", "bee")),
        ([torch.tensor(label) for label in LABELS], ("ant", "bee"), ("ant", "bee")),
        (["ab"[label] for label in LABELS], None, ("a", "b")),
        (["ab"[label] for label in LABELS], ("b", "a"), ("b", "a")),
        ([bool(label) for label in LABELS], None, ("0", "1")),
    ],
)
def test_labels_are_numbers_or_texts(
    tmp_path: Path, labels: list[Any], classes: tuple[str, ...] | None, names: tuple[str, ...]
) -> None:
    data = read(Stored(list(PIXELS), labels, classes), tmp_path)
    assert data.classes == names
    assert torch.bincount(data.train.labels).tolist() == [8, 8]
    assert torch.bincount(data.test.labels).tolist() == [2, 2]


def test_a_subset_has_the_classes_of_the_whole(tmp_path: Path) -> None:
    whole = Stored(list(PIXELS), LABELS, ("ant", "bee"))
    assert read(Subset(whole, range(10)), tmp_path).classes == ("ant", "bee")


def test_a_pair_is_a_training_and_a_test_part(tmp_path: Path) -> None:
    tensors = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    pair = TensorDataset(tensors, torch.tensor(LABELS)), TensorDataset(tensors[:6], torch.tensor(LABELS[:6]))
    data = read(pair, tmp_path)
    assert (len(data.train), len(data.test)) == (20, 6)
    assert data.name == "TensorDataset[20] + TensorDataset[6] (given in Python)"


class OneOrder(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield PIXELS[0], 0


class Endless(Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return PIXELS[0], 0


@pytest.mark.parametrize(
    ("dataset", "complaint"),
    [
        (OneOrder(), "type OneOrder gives its items in one order only"),
        (DataLoader(Stored(list(PIXELS), LABELS)), "type DataLoader gives its items in one order only.*no DataLoader"),
        (iter(()), "gives its items in one order only"),
        (Endless(), "type Endless is none; give a name, a path"),
        (5, "type int is none"),
        (None, "type NoneType is none"),
        ({}, "type dict is none"),
        ([], "type list is empty"),
        ((Stored(list(PIXELS), LABELS), 5), "type int is none"),
    ],
)
def test_what_is_no_map_style_data_set_is_refused_by_every_configuration(dataset: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refused:
        SearchConfig(name="a", dataset=dataset)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        (PIXELS[0], "item 3 of the training part is ndarray; give a pair"),
        ((PIXELS[0], 0, 1), "item 3 of the training part is tuple; give a pair"),
        ((PIXELS[0], 0.5), "item 3 of the training part: the label 0.5 is neither a whole number nor a text"),
        ((PIXELS[0], torch.zeros(2)), "the label .* is neither"),
        ((PIXELS[0], torch.tensor([3.5])), "the label 3.5 is neither"),
        ((PIXELS[0], np.array(3.5)), "the label 3.5 is neither"),
        ((PIXELS[0], "a"), "some labels are numbers and others texts"),
        (("0.png", 0), "item 3 of the training part: str is no picture"),
        ((np.zeros((2, 5, 6), np.uint8), 0), r"has shape \(2, 5, 6\); give"),
        ((np.zeros((0, 5), np.uint8), 0), r"has shape \(0, 5\); give"),
        ((np.zeros((9, 9), complex), 0), "holds complex128; give numbers"),
        ((np.full((12, 10, 3), np.nan), 0), "NaN"),
        ((PIXELS[0], -1), "item 3 of the training part: label -1 is none of the classes"),
        ((PIXELS[0], 7), "item 3 of the training part: label 7 is none of the classes"),
    ],
)
def test_a_wrong_item_is_refused_by_its_number(tmp_path: Path, item: Any, complaint: str) -> None:
    class Wrong(Stored):
        def __getitem__(self, index: int) -> Any:
            return item if index == 3 else super().__getitem__(index)

    with pytest.raises(InputError, match=complaint):
        read(Wrong(list(PIXELS), LABELS, ("ant", "bee")), tmp_path)


def test_an_error_of_the_data_set_is_named_with_its_item(tmp_path: Path) -> None:
    short = Stored(list(PIXELS), LABELS[:5])
    with pytest.raises(InputError, match=r"item 5 of the training part cannot be read: IndexError: list index"):
        read(short, tmp_path)


def test_folder_choices_do_not_go_with_an_object(tmp_path: Path) -> None:
    config = SearchConfig(name="a", dataset=Stored(list(PIXELS), LABELS), classes="a,b", runs_dir=tmp_path)
    with pytest.raises(InputError, match="classes is for folders of pictures"):
        next(dadarts.search(config))


def tiny(dataset: Any, tmp_path: Path) -> SearchConfig:
    return SearchConfig(
        name="a", dataset=dataset, epochs=2, batch_size=4, init_channels=2, layers=1, nodes=2, workers=0, threads=1,
        search_space="connect-nas-bench", runs_dir=tmp_path, engine="torch", device="cpu",
    )  # fmt: skip


def test_a_search_on_an_object_stops_and_goes_on_with_the_same_object_alone(tmp_path: Path) -> None:
    dataset = Stored(list(PIXELS), LABELS)
    events = dadarts.search(tiny(dataset, tmp_path))
    started = next(events)
    assert isinstance(started, RunStarted)
    assert started.data.startswith("read Stored[20] (given in Python): 16 training and 4 test pictures of 3x12x10")
    events.close()  # type: ignore[attr-defined]
    other = Stored(list(PIXELS[::-1].copy()), LABELS)
    with pytest.raises(InputError, match="other training pictures"):
        next(dadarts.search(tiny(other, tmp_path), resume=True))
    with pytest.raises(InputError, match=r"Stored\[20\] \(given in Python\) is an object that no command can find"):
        next(dadarts.search(tiny("Stored[20] (given in Python)", tmp_path), resume=True))
    with pytest.raises(InputError, match="other settings: dataset is"):
        next(dadarts.search(tiny(Stored(list(PIXELS[:18]), LABELS), tmp_path), resume=True))
    assert isinstance(next(dadarts.search(tiny(dataset, tmp_path), resume=True)), RunStarted)


def test_a_path_may_be_a_path(tmp_path: Path) -> None:
    assert SearchConfig(name="a", dataset=tmp_path).dataset == str(tmp_path)


@pytest.mark.parametrize(
    "form",
    [
        lambda pixels: pixels[..., 0] > 127,
        lambda pixels: torch.from_numpy(pixels[..., 0] > 127),
        lambda pixels: torch.from_numpy(pixels / 255).permute(2, 0, 1).bfloat16(),
        lambda pixels: (pixels[..., 0] / 255).astype(np.float16),
    ],
)
def test_other_types_of_numbers_are_prepared_in_training_as_in_prediction(tmp_path: Path, form: Any) -> None:
    pictures = [form(pixels) for pixels in PIXELS]
    data = read((Stored(pictures, LABELS), Stored(pictures, LABELS)), tmp_path)
    assert data.value_range is None
    preparation = Preparation(data.train.shape, data.value_range)
    taken = data.test.take(torch.arange(20)).numpy()
    assert np.array_equal(taken, np.stack([preparation.from_array(picture) for picture in pictures]))
    assert taken.std() > 50


def test_a_picture_that_pillow_cannot_finish_is_named_by_its_item(tmp_path: Path) -> None:
    content = encoded(PIXELS[0])
    pictures: list[Any] = [Image.fromarray(pixels) for pixels in PIXELS]
    pictures[3] = Image.open(io.BytesIO(content[: len(content) // 2]))
    with pytest.raises(InputError, match=r"^item 3 of the training part cannot be read: OSError: .*truncated"):
        read(Stored(pictures, LABELS), tmp_path)


@pytest.mark.parametrize("make", [np.asarray, Image.fromarray])
def test_infinity_is_named_by_its_item(tmp_path: Path, make: Callable[[Any], Any]) -> None:
    floats = [np.linspace(0, 5, 100, dtype=np.float32).reshape(10, 10) for _ in range(20)]
    floats[19][0, 0] = np.inf
    pictures = [make(values) for values in floats]
    train = Stored(pictures[:10], LABELS[:10])
    with pytest.raises(InputError, match=r"^item 9 of the test part holds infinity"):
        read((train, Stored(pictures[10:], LABELS[10:])), tmp_path)


def test_bytes_beside_deeper_pictures_are_said_to_be_taken_as_they_are(tmp_path: Path) -> None:
    deep = Stored([pixels.astype(np.float32) * 9 for pixels in PIXELS], LABELS)
    data = read((deep, Stored(list(PIXELS), LABELS)), tmp_path)
    assert data.notes[0].startswith("20 pictures are deeper than 8 bits and 20 are not: ")
    assert torch.equal(data.test.take(torch.arange(20)), torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
