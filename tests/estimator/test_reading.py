"""How X becomes pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dadarts.errors import InputError
from dadarts.estimator.reading import Layout, files_in, form_of


def pixels(X: NDArray[Any], shape: tuple[int, ...] | None = None, layout: Layout = "auto") -> NDArray[np.uint8]:
    return form_of(X, shape, layout).pixels(X)


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@given(st.integers(1, 64), st.integers(8, 20), st.integers(8, 20), st.booleans())
def test_channels_first_and_last_are_the_same_pictures(channels: int, height: int, width: int, named: bool) -> None:
    assume(named or channels in (1, 3, 4) or channels < min(height, width))
    assume(named or not {height, width} & {1, 3, 4})
    first = noise(2, channels, height, width)
    one = pixels(first, layout="channels_first" if named else "auto")
    other = pixels(first.transpose(0, 2, 3, 1), layout="channels_last" if named else "auto")
    assert np.array_equal(one, first)
    assert np.array_equal(other, first)


def test_where_both_ends_can_be_the_channels_they_are_the_last() -> None:
    assert pixels(noise(2, 3, 8, 3)).shape == (2, 3, 3, 8)
    assert pixels(noise(2, 3, 8, 3), layout="channels_first").shape == (2, 3, 8, 3)


@pytest.mark.parametrize("shape", [(8, 8, 8), (16, 12, 20), (12, 20, 12), (80, 90, 100)])
def test_a_shape_that_can_be_read_in_two_ways_is_refused_until_it_is_said_how(shape: tuple[int, int, int]) -> None:
    X = noise(2, *shape)
    with pytest.raises(InputError, match='in two ways: give layout="channels_first"'):
        form_of(X, None, "auto")
    assert pixels(X, layout="channels_first").shape == (2, *shape)
    assert pixels(X, layout="channels_last").shape == (2, shape[2], *shape[:2])


def test_grey_pictures_have_one_channel() -> None:
    assert np.array_equal(pixels(noise(2, 9, 11))[:, 0], noise(2, 9, 11))


@given(st.sampled_from([None, (8, 8), (4, 16), (4, 4, 4), (2, 8, 4)]), st.sampled_from(["auto", "channels_first"]))
def test_rows_of_features_are_pictures_of_the_shape_that_is_given(
    shape: tuple[int, ...] | None, layout: Layout
) -> None:
    rows = noise(3, 64)
    expected = rows.reshape(3, *(shape or (8, 8)))
    assume(layout == "channels_first" or len(expected.shape) == 3)
    found = pixels(rows, shape, layout)
    assert np.array_equal(found, expected[:, None] if expected.ndim == 3 else expected)


@pytest.mark.parametrize("features", [1, 2, 49, 65, 5000])
def test_rows_of_another_number_are_pictures_of_one_pixel_without_neighbours(features: int) -> None:
    X = noise(3, features)
    form = form_of(X, None, "auto")
    assert form.pixels(X).shape == (3, features, 1, 1)
    assert not form.has_neighbours


@pytest.mark.parametrize("shape", [(8, 9), (8,), (0, 64), "8x8", (1, 2, 3, 4), None])
def test_a_shape_that_is_not_that_of_the_pictures_is_refused(shape: Any) -> None:
    with pytest.raises(InputError, match=r"image_shape|X has shape"):
        form_of(noise(3, 64) if shape is not None else noise(3, 2, 8, 8, 3), shape, "auto")


def test_a_layout_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(InputError, match="layout 'NHWC': give 'auto', 'channels_first', 'channels_last'"):
        form_of(noise(3, 8, 8), None, "NHWC")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("later", [np.uint8, np.uint16, np.int32, np.float64])
def test_equal_numbers_are_equal_pixels_whatever_type_they_come_in(kind: Any, later: Any) -> None:
    X = noise(30, 8, 8)
    form = form_of(X.astype(kind), None, "auto")
    assert np.abs(form.pixels(X.astype(kind)).astype(int) - X[:, None]).max() <= 1
    assert np.array_equal(form.pixels(X.astype(later)), form.pixels(X.astype(kind)))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_pixels_do_not_depend_on_the_unit_of_floats(offset: float, scale: float) -> None:
    X = noise(20, 8, 8) / 255
    form = form_of(offset + scale * X, None, "auto")
    found = form.pixels(offset + scale * X)[:, 0].astype(float)
    # What is 0 may become black, where nothing is negative.
    line = np.polynomial.Polynomial.fit(X.ravel(), found.ravel(), 1)
    assert np.abs(line(X) - found).max() <= 2 + 1e-6 * abs(offset) / scale


def test_what_has_another_shape_than_fit_had_is_refused() -> None:
    form = form_of(noise(3, 8, 9), None, "auto")
    for other, said in (((3, 9, 8), "shape"), ((3, 72), "shape"), ((3, 8, 10), "shape")):
        with pytest.raises(InputError, match=said):
            form.pixels(noise(*other))


def test_files_are_told_from_arrays() -> None:
    assert files_in(["a.png", "b.png"]) is not None
    assert files_in(np.array(["a.png", "b.png"], dtype=object)) is not None
    for other in ([[1, 2]], [], np.arange(3), noise(2, 8, 8), [1, "a.png"]):
        assert files_in(other) is None
    with pytest.raises(InputError, match="X is a path; give a list"):
        files_in("pictures")
