from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dadarts.data import Augmentation
from dadarts.data.augment import Draws, Flip, normalise
from dadarts.seeds import generator


def pictures(count: int, channels: int, height: int, width: int) -> Tensor:
    source = torch.Generator().manual_seed(count)
    return torch.randint(1, 256, (count, channels, height, width), generator=source, dtype=torch.uint8)


def slowly_cropped(image: Tensor, top: int, left: int, axes: list[int], padding: int) -> Tensor:
    """One picture, by the words of the definition."""
    channels, height, width = image.shape
    framed = torch.zeros(channels, height + 2 * padding, width + 2 * padding, dtype=torch.uint8)
    framed[:, padding : padding + height, padding : padding + width] = image
    cropped = framed[:, top : top + height, left : left + width]
    return cropped.flip(axes)


@settings(max_examples=40, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(8, 20),
    width=st.integers(8, 20),
    padding=st.integers(0, 5),
    flip=st.sampled_from(get_args(Flip)),
    seed=st.integers(0, 1000),
)
def test_batched_crop_and_mirror_equal_one_picture_at_a_time(
    channels: int, height: int, width: int, padding: int, flip: Flip, seed: int
) -> None:
    images = pictures(6, channels, height, width)
    augment = Augmentation(padding, flip)
    draws = augment.draw(6, (channels, height, width), generator(seed))
    upright, unturned = flip not in ("vertical", "both"), flip not in ("horizontal", "both")
    slow = [
        slowly_cropped(
            images[number],
            int(draws.top[number]),
            int(draws.left[number]),
            [1] * (bool(draws.upended[number]) and not upright) + [2] * (bool(draws.mirrored[number]) and not unturned),
            padding,
        )
        for number in range(6)
    ]
    assert torch.equal(augment.crop(images, draws), torch.stack(slow))


@settings(max_examples=40, deadline=None)
@given(cutout=st.integers(1, 30), seed=st.integers(0, 1000))
def test_cutout_zeroes_the_square_around_its_centre_clipped_at_the_borders(cutout: int, seed: int) -> None:
    augment = Augmentation(cutout=cutout)
    draws = augment.draw(4, (3, 16, 20), generator(seed))
    cut = augment.cut(torch.ones(4, 3, 16, 20), draws)
    for image, y, x in zip(cut, draws.centre_y.tolist(), draws.centre_x.tolist(), strict=True):
        expected = torch.ones(3, 16, 20)
        top, left = y - cutout // 2, x - cutout // 2
        expected[:, max(0, top) : top + cutout, max(0, left) : left + cutout] = 0
        assert torch.equal(image, expected)


def test_offsets_centres_and_mirrors_are_drawn_evenly_over_their_whole_range() -> None:
    draws = Augmentation(padding=4, cutout=8).draw(50_000, (3, 32, 16), generator("even"))
    for drawn, size in [(draws.top, 9), (draws.left, 9), (draws.centre_y, 32), (draws.centre_x, 16)]:
        shares = torch.bincount(drawn, minlength=size) / len(drawn)
        assert shares.shape == (size,)
        assert (shares * size - 1).abs().max() < 0.15
    for mirrored in (draws.mirrored, draws.upended, draws.mirrored ^ draws.upended):
        assert abs(mirrored.float().mean() - 0.5) < 0.01


def test_what_was_drawn_before_there_was_vertical_mirroring_is_drawn_as_before() -> None:
    draws = Augmentation(padding=4).draw(20, (3, 32, 16), generator("as-ever"))
    source = generator("as-ever")
    limits = {"top": 9, "left": 9, "mirrored": 2, "centre_y": 32, "centre_x": 16}
    for name, limit in limits.items():
        assert torch.equal(getattr(draws, name).long(), torch.randint(limit, (20,), generator=source))


def test_cutout_does_not_change_what_else_is_drawn() -> None:
    plain, cut = (Augmentation(4, "horizontal", size).draw(9, (3, 32, 32), generator(5)) for size in (0, 16))
    assert all(torch.equal(getattr(plain, field.name), getattr(cut, field.name)) for field in dataclasses.fields(Draws))


def test_normalising_subtracts_the_mean_and_divides_by_the_deviation_of_each_channel() -> None:
    images = pictures(5, 3, 9, 9)
    mean, std = (0.49, 0.48, 0.44), (0.24, 0.25, 0.26)
    expected = (images.double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(normalise(images, mean, std), expected.float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "padding"), [((3, 32, 32), 4), ((1, 28, 28), 4), ((1, 8, 8), 1), ((3, 224, 300), 28)]
)
def test_standard_padding_grows_with_the_picture(shape: tuple[int, int, int], padding: int) -> None:
    assert Augmentation.standard(shape, flip="none", cutout=3) == Augmentation(padding, "none", 3)


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        (Augmentation(0, "none"), "not augmented"),
        (Augmentation(1, "none"), "augmented by shifts of up to 1 pixel (-crop_padding)"),
        (Augmentation(0, "vertical"), "augmented by vertical mirroring (-flip none where "),
        (Augmentation(4, "both", 8), "horizontal and vertical mirroring (-flip none where "),
        (Augmentation(4, "both", 8), "cutout of 8x8 pixels (-cutout_length)"),
    ],
)
def test_what_is_done_to_pictures_is_said_with_the_flags_that_change_it(augment: Augmentation, said: str) -> None:
    assert said in augment.described
