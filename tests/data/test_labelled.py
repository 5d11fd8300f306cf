from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dadarts.config import FitConfig, TrainConfig
from dadarts.data import DataRequest, DataSet, Loader, load
from dadarts.data.given import Source
from dadarts.data.labelled import LabelledFiles, LabelledPictures, Labels
from dadarts.errors import InputError
from dadarts.training import export
from dadarts.training.loop import train
from tests.commands import BENCH_GENOTYPE, without_pictures

from .samples import noise, write_classes, write_picture

PIXELS = torch.from_numpy(noise(20, 5, 10, 12))
LABELS = torch.arange(20) % 2
WEIGHTS = torch.arange(1.0, 21.0)
KNOWN = Labels(("ant", "bee"), LABELS, WEIGHTS, held_out=0.2, seed=7)


def read(source: Source, image_size: int | None = None, tmp_path: Path = Path("cache")) -> DataSet:
    return load(DataRequest(source.name, image_size=image_size, cache_dir=tmp_path, workers=0, given=source))


def places(pictures: Tensor) -> list[int]:
    """Which of `PIXELS` pictures are."""
    return [int((one == PIXELS).flatten(1).all(1).nonzero()) for one in pictures]


def test_pictures_of_any_number_of_channels_are_divided_by_class_and_keep_their_weights() -> None:
    data = read(LabelledPictures(PIXELS, KNOWN))
    assert data.train.shape == (5, 10, 12)
    train, test = (places(part.take(torch.arange(len(part)))) for part in (data.train, data.test))
    assert sorted(train + test) == list(range(20))
    assert [LABELS[test].tolist().count(label) for label in (0, 1)] == [2, 2]
    assert data.train.labels.tolist() == LABELS[train].tolist()
    assert data.train.weights is not None
    torch.testing.assert_close(data.train.weights, WEIGHTS[train] / WEIGHTS[train].mean())
    assert data.test.weights is None


def test_batches_hold_the_weights_of_their_pictures() -> None:
    data = read(LabelledPictures(PIXELS, KNOWN))
    assert data.train.weights is not None
    index = torch.arange(len(data.train))
    loader = Loader(data.train, index, 4, data.mean, data.std, 0, "test", None)
    found = [batch.weights for batch in loader.epoch(0)]
    torch.testing.assert_close(torch.cat([own for own in found if own is not None]), data.train.weights)


def test_other_weights_are_other_data_and_equal_ones_none_at_all() -> None:
    one, other, none = (
        read(LabelledPictures(PIXELS, replace(KNOWN, weights=weights))) for weights in (WEIGHTS, WEIGHTS**2, None)
    )
    assert len({one.fingerprint, other.fingerprint, none.fingerprint}) == 3
    assert none.train.weights is None


def test_files_are_read_as_those_of_a_folder_and_keep_their_weights(tmp_path: Path) -> None:
    pixels = noise(20, 9, 9, 3)
    files = [write_picture(tmp_path / f"{number}.png", own) for number, own in enumerate(pixels)]
    data = read(LabelledFiles(files, KNOWN), tmp_path=tmp_path / "cache")
    arrays = read(LabelledPictures(torch.from_numpy(pixels).permute(0, 3, 1, 2), KNOWN))
    for part, other in ((data.train, arrays.train), (data.test, arrays.test)):
        index = torch.arange(len(part))
        assert torch.equal(part.take(index), other.take(index))
        assert torch.equal(part.labels, other.labels)
    assert data.train.weights is not None
    assert arrays.train.weights is not None
    assert torch.equal(data.train.weights, arrays.train.weights)
    assert read(LabelledFiles(files, KNOWN), 8, tmp_path / "cache").train.shape == (3, 8, 8)
    files[3].write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"3\.png"):
        read(LabelledFiles(files, KNOWN), tmp_path=tmp_path / "other")


def test_a_broken_file_is_refused_before_the_run_though_a_folder_would_skip_it(tmp_path: Path) -> None:
    write_classes(tmp_path, 30)
    files, labels = sorted(tmp_path.glob("*/*.png")), torch.arange(60) // 30
    source = LabelledFiles(files, Labels(("ant", "bee"), labels, None, held_out=0.2, seed=3))
    broken = files[int(source.known.divided()[1][0])]
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) * 2 // 3])
    request = DataRequest(source.name, given=source, cache_dir=tmp_path / "cache")
    for budget in (0, 10**9):
        with pytest.raises(InputError, match=broken.name):
            load(request, budget=budget)


def test_a_picture_s_size_is_not_for_arrays() -> None:
    with pytest.raises(InputError, match="an image size is for picture files"):
        read(LabelledPictures(PIXELS, KNOWN), 8)


def test_a_configuration_names_them_by_their_number_and_hands_them_on() -> None:
    source = LabelledPictures(PIXELS, KNOWN)
    config = FitConfig(dataset=source, name="it")
    assert config.dataset == "20 pictures (given in Python)"
    assert config.given is source


def test_a_training_follows_those_pictures_that_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bright and dark pictures are labelled one way and the other; the half that counts decides which is learnt."""
    without_pictures(monkeypatch)
    draw = np.random.default_rng(0)
    bright = np.tile([0, 1], 32)
    values = draw.integers(0, 60, (64, 1, 8, 8)) + 190 * bright[:, None, None, None]
    images = torch.from_numpy(values.astype(np.uint8))
    counts = np.repeat([True, False], 32)
    labels = torch.from_numpy(np.where(counts, bright, 1 - bright))
    for own, expected in ((counts, bright), (~counts, 1 - bright)):
        weights = torch.from_numpy(np.where(own, 1.0, 1e-3)).float()
        known = Labels(("dark", "bright"), labels, weights, held_out=0.1, seed=0)
        config = TrainConfig.auto(
            dataset=LabelledPictures(images, known),
            name="it",
            runs_dir=tmp_path,
            genotype=BENCH_GENOTYPE,
            init_channels=4,
            layers=1,
            epochs=6,
            batch_size=8,
            workers=0,
            threads=1,
            flip="none",
        )
        assert list(train(config, overwrite=True))
        answers = export.load(tmp_path / "augment" / "it").predict_proba(images).argmax(dim=1)
        assert answers.tolist() == expected.tolist()
