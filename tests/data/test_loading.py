from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from dadarts.data import KNOWN, Choices, digits, load
from dadarts.data.split import hold_out_test
from dadarts.errors import InputError

from .conftest import Asking
from .samples import mnist_files, write_classes, write_files


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_data_set_states_facts_that_fit_together(name: str) -> None:
    facts = KNOWN[name]
    channels, height, width = facts.shape
    assert channels in (1, 3)
    assert min(height, width) >= 8
    assert facts.n_classes >= 10
    if facts.mean is not None and facts.std is not None:
        assert len(facts.mean) == len(facts.std) == channels
        assert all(0 < value < 1 for value in (*facts.mean, *facts.std))


def test_digits_come_with_the_installation(tmp_path: Path, ask: Asking) -> None:
    data = load(ask("digits"))
    facts = KNOWN["digits"]
    assert (data.train.shape, len(data.classes), data.flip) == (facts.shape, facts.n_classes, False)
    assert len(data.train) + len(data.test) == 1797
    pixels = data.train.take(torch.arange(len(data.train)))
    assert (int(pixels.min()), int(pixels.max())) == (0, 255)
    assert data.mean == pytest.approx((float((pixels / 255).mean()),), abs=1e-5)
    assert data.std == pytest.approx((float((pixels / 255).std()),), abs=1e-3)
    assert torch.bincount(data.test.labels).min() >= 34
    assert torch.equal(load(ask("digits")).test.labels, data.test.labels)
    assert list(tmp_path.iterdir()) == []


def test_digits_are_scikit_learn_s_wherever_it_keeps_them(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_digits()
    images, labels = torch.from_numpy(np.rint(found.images * (255 / 16))).byte(), torch.from_numpy(found.target)
    for _ in range(2):
        data = load(ask("digits"))
        for part, index in zip((data.train, data.test), hold_out_test(labels), strict=True):
            assert torch.equal(part.take(torch.arange(len(part))), images[index][:, None])
            assert torch.equal(part.labels, labels[index])
        # Where its files lie otherwise, scikit-learn itself is asked.
        monkeypatch.setattr(digits, "find_spec", lambda name: None)
        digits._rows.cache_clear()


def test_known_constants_are_used_whatever_the_pictures(tmp_path: Path, ask: Asking) -> None:
    write_files(tmp_path / "datasets/mnist", mnist_files(zipped=False))
    data = load(ask("mnist"))
    assert (data.mean, data.std) == ((0.1307,), (0.3081,))
    assert data.name == "mnist"


@pytest.mark.parametrize(
    ("dataset", "complaint"),
    [
        ("cifar1", "unknown data set 'cifar1'.*Did you mean 'cifar10'"),
        ("CIFAR10", "Did you mean 'cifar10'"),
        ("", "unknown data set ''"),
        ("nowhere", "there is no folder of that name here, .* Give the path of a folder of pictures, an .npz file"),
        ("no/such/folder", "there is no folder or file 'no/such/folder'; give the path"),
        ("no-such.npz", "there is no folder or file 'no-such.npz'"),
        (
            "labels.csv",
            "'labels.csv'; give the path of a folder of pictures, an .npz file, or a table of labels",
        ),
        ("x" * 5000, "unknown data set 'xxx"),
        ("~nobody-of-this-name/set", "there is no folder or file"),
        ("a\0b", "unknown data set"),
    ],
)
def test_an_unknown_name_is_refused_in_one_line(ask: Asking, dataset: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refused:
        load(ask(dataset))
    assert "\n" not in str(refused.value)


def test_the_nearest_folder_is_meant(ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flowers").mkdir()
    with pytest.raises(InputError, match=r"'flower': .* Did you mean 'flowers'\? Else give the path of"):
        load(ask("flower"))


@pytest.mark.parametrize("make", [lambda name: Path(name), lambda name: Path("set") / name])
def test_a_test_path_that_no_file_system_holds_is_refused_in_a_short_line(
    make: Callable[[str], Path], tmp_path: Path, ask: Asking
) -> None:
    write_classes(tmp_path / "set")
    with pytest.raises(InputError, match="File name too long") as refused:
        load(replace(ask(tmp_path / "set"), choices=Choices(test_path=make("x" * 5000))))
    assert len(str(refused.value)) < 300


def test_a_file_of_another_kind_is_refused(tmp_path: Path, ask: Asking) -> None:
    (tmp_path / "set.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"set\.zip is a file of an unknown kind"):
        load(ask(tmp_path / "set.zip"))


def test_an_image_size_is_refused_where_it_has_no_meaning(ask: Asking) -> None:
    with pytest.raises(InputError, match="an image size is for folders of pictures; digits has its own"):
        load(ask("digits", image_size=16))


def test_an_empty_folder_is_refused(tmp_path: Path, ask: Asking) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match="holds 0 class folders"):
        load(ask(tmp_path / "set"))


def test_a_folder_of_pictures_writes_nothing_into_itself(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set")
    before = sorted(tmp_path.joinpath("set").rglob("*"))
    load(ask(tmp_path / "set"))
    assert sorted(tmp_path.joinpath("set").rglob("*")) == before
