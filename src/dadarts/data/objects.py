"""Pictures of data sets that are Python objects: any mixture of Pillow's pictures, arrays and tensors."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dadarts.data import calibration, deep, images
from dadarts.data.decoding import Decoder, Streamed, shown
from dadarts.data.deep import Depth
from dadarts.data.listing import HELD_OUT
from dadarts.data.measuring import check_size, measured_of
from dadarts.data.pictures import InMemory, Parts, Pictures, Shape
from dadarts.data.preparation import Preparation, arranged
from dadarts.data.split import hold_out_test
from dadarts.data.values import ValueRange, Values, described, refuse_beyond_nominal
from dadarts.errors import InputError, shortened

if TYPE_CHECKING:
    from dadarts.data.given import Given, MapStyle

Picture: TypeAlias = "Image.Image | NDArray[Any]"
Label: TypeAlias = int | str


@dataclass
class _Items:
    """A part's items: labels and headers of all, and the pictures of the first ones, as far as memory allows."""

    name: str
    source: MapStyle
    labels: list[Label]
    headers: list[images.Header]
    held: list[Picture]

    def called(self, position: int) -> str:
        return f"item {position} of {self.name}"

    def picture(self, position: int) -> Picture:
        return self.held[position] if position < len(self.held) else self.item(position)[0]

    def item(self, position: int) -> tuple[Picture, Label]:
        """Ask the data set for an item; raises InputError, naming it, where it gives none that can be used."""
        return _item(self.source, position, self.called(position))


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The items of a part at `index`, with the labels and the preparation that have been decided."""

    items: _Items
    index: Tensor
    labels: Tensor
    preparation: Preparation
    key: str = ""

    @property
    def shape(self) -> Shape:
        return self.preparation.shape

    def decode(self, position: int) -> NDArray[np.uint8]:
        place = int(self.index[position])
        picture, name = self.items.picture(place), self.items.called(place)
        if isinstance(picture, Image.Image):
            return self.preparation.from_image(picture, name)
        return self.preparation.from_array(picture, name)


def read(given: Given, image_size: int | None, decoder: Decoder) -> Parts:
    """The parts of a data set; without a test part a fixed 20 % of every class is held out.

    An item is (picture, label): a Pillow picture, or an array or tensor (H, W), (H, W, C) or (C, H, W) with C 1, 3
    or 4, of bytes or of numbers whose range the training part decides; a whole number or a text. Numbers are places
    in `classes`, where the data set has it. Sizes are as for folders. What fits into memory is read once, at the
    beginning.

    Raises InputError, naming the item, where one is not so, and where there are too few.
    """
    check_size(image_size)
    budget = decoder.budget // 2
    train = _read(given.train, "training", budget)
    parts = [train]
    if given.test is not None:
        parts.append(_read(given.test, "test", budget - sum(map(_size, train.held))))
    classes, labels = _classified(given, parts)
    measured = measured_of([header for part in parts for header in part.headers], image_size)
    chosen = [(part, torch.arange(len(part.labels))) for part in parts]
    if given.test is None:
        chosen = [(train, index) for index in hold_out_test(labels[0])]
    for part in parts if decoder.nominal else ():
        _refuse_clipped(part)
    value_range = None if decoder.nominal else _range(train, chosen[0][1])
    preparation = Preparation(measured.shape, value_range)
    left, made = decoder.budget, list[Pictures]()
    for (part, index), label in zip(chosen, [labels[0], labels[-1]], strict=True):
        made.append(_pictures(_Chosen(part, index, label[index], preparation), left))
        left -= made[-1].labels.numel() * int(np.prod(measured.shape))
    remark = HELD_OUT if given.test is None else "test part: the second of the pair"
    remarks = tuple(filter(None, (measured.resized, remark)))
    depths = [header.depth for part in parts for header in part.headers]
    notes = (*calibration.mixed(depths), *described(value_range))
    return Parts(classes, made[0], made[1], remarks, notes, value_range)


def _pictures(encoded: _Chosen, budget: int) -> Pictures:
    count = len(encoded.labels)
    if count * int(np.prod(encoded.shape)) > budget:
        # One thread: not every data set can be asked by several at once.
        return Streamed(encoded, 0)
    pixels = np.empty((count, *encoded.shape), np.uint8)
    for position in shown(range(count), count, "preparing pictures"):
        pixels[position] = encoded.decode(position)
    return InMemory(torch.from_numpy(pixels), encoded.labels)


def _read(source: MapStyle, part: str, budget: int) -> _Items:
    items = _Items(f"the {part} part", source, [], [], [])
    for position in shown(range(len(source)), len(source), "reading the data set"):
        picture, label = items.item(position)
        items.labels.append(label)
        items.headers.append(_header(picture))
        budget -= _size(picture)
        if budget >= 0:
            items.held.append(picture)
    return items


def _item(source: MapStyle, position: int, name: str) -> tuple[Picture, Label]:
    try:
        item = source[position]
        if isinstance(item, tuple | list) and item and isinstance(item[0], Image.Image):
            item[0].load()
    except Exception as error:  # Whatever the user's own code raises.
        raise InputError(f"{name} cannot be read: {type(error).__name__}: {shortened(error, 120)}") from error
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError(f"{name} is {shortened(type(item).__name__, 40)}; give a pair of a picture and a label")
    return _picture(item[0], name), _label(item[1], name)


def _picture(value: Any, name: str) -> Picture:
    if isinstance(value, Image.Image):
        return value
    if not isinstance(value, Tensor | np.ndarray):
        raise InputError(
            f"{name}: {shortened(type(value).__name__, 40)} is no picture; give Pillow's, an array or a tensor"
        )
    # A copy, since a data set may use the same memory for its next item.
    values = np.array(arranged(value, name))
    return Image.fromarray(values) if values.dtype == np.uint8 else values


def _label(value: Any, name: str) -> Label:
    if isinstance(value, str):
        return value
    if isinstance(value, Tensor | np.ndarray):
        value = value.item() if np.prod(value.shape) == 1 else value
    try:
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name}: the label {shortened(value, 40)} is neither a whole number nor a text") from None


def _header(picture: Picture) -> images.Header:
    if isinstance(picture, Image.Image):
        return images.header_of(picture)
    height, width = picture.shape[:2]
    return images.Header(
        picture.ndim == 2, height, width, Depth.FLOATS if picture.dtype.kind == "f" else Depth.INTEGERS
    )


def _size(picture: Picture) -> int:
    """Bytes that a picture takes, about."""
    if isinstance(picture, Image.Image):
        return picture.width * picture.height * max(1, len(picture.getbands()))
    return picture.nbytes


def _range(train: _Items, index: Tensor) -> ValueRange | None:
    """The range of the training pictures' values, where they are more than bytes."""
    places = index.tolist()
    depths = [train.headers[place].depth for place in places]
    return calibration.decided(places, depths, partial(_values, train), train.called)


def _refuse_clipped(items: _Items) -> None:
    """Refuse pictures whose values their type's range would clip."""
    for position, header in enumerate(items.headers):
        if header.depth != Depth.BYTES and (values := _values(items, position)) is not None:
            refuse_beyond_nominal(values, items.called(position))


def _values(items: _Items, position: int) -> Values | None:
    picture = items.picture(position)
    if not isinstance(picture, Image.Image):
        return picture
    found = deep.read(picture, items.called(position))
    return None if found is None else found.values


def _classified(given: Given, parts: Sequence[_Items]) -> tuple[tuple[str, ...], list[Tensor]]:
    names = _names_of(given.train)
    if given.test is not None and _names_of(given.test) not in (None, names):
        raise InputError("the test part has other `classes` than the training part; give the same in both")
    distinct = set(parts[0].labels)
    if len({type(label) for label in distinct}) > 1:
        raise InputError("some labels are numbers and others texts; give one kind")
    if names is None:
        ordered: Sequence[Label] = sorted(distinct)
        names = tuple(map(str, ordered))
    else:
        ordered = range(len(names)) if isinstance(next(iter(distinct)), int) else names
    places = {label: place for place, label in enumerate(ordered)}
    return names, [torch.tensor(list(_places(part, places)), dtype=torch.int64) for part in parts]


def _places(part: _Items, places: dict[Label, int]) -> Iterator[int]:
    for position, label in enumerate(part.labels):
        if label not in places:
            raise InputError(f"{part.called(position)}: label {shortened(label, 40)} is none of the classes")
        yield places[label]


def _names_of(source: Any) -> tuple[str, ...] | None:
    """The names in `classes`, of the data set or of the one that it is a subset of."""
    for holder in (source, getattr(source, "dataset", None)):
        names = getattr(holder, "classes", None)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None
