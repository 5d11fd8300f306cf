"""The estimator as people use scikit-learn's: fitted, asked, scored, searched for, pickled."""

from __future__ import annotations

import copy
import io
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from dadarts import DADARTSClassifier, Genotype
from dadarts.data import loading
from dadarts.data.cache import Cache
from dadarts.errors import InputError
from dadarts.fitting import loop, speed
from dadarts.fitting.candidates import FAMILIES
from tests.commands import BENCH_GENOTYPE, without_pictures
from tests.data.samples import write_picture
from tests.pages.markup import check
from tests.report import test_inline as inline

SMALL: dict[str, Any] = {"genotype": BENCH_GENOTYPE, "init_channels": 4, "layers": 1, "epochs": 6, "threads": 1}
COUNT = 48
BRIGHT = np.arange(COUNT) % 2


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


def pictures(*shape: int, largest: int = 255) -> NDArray[np.int64]:
    """Dark ones and bright ones in turn, from 0 to `largest`."""
    draw = np.random.default_rng(0).integers(0, largest // 4, (COUNT, *shape))
    return draw + (3 * largest // 4) * BRIGHT.reshape(-1, *[1] * len(shape))


@pytest.fixture(scope="module")
def fitted() -> DADARTSClassifier:
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_pictures(monkeypatch)
        return DADARTSClassifier(**SMALL).fit(pictures(8, 8), np.array(["dark", "bright"])[BRIGHT])


@pytest.mark.parametrize(
    ("X", "labels"),
    [
        (pictures(8, 8).astype(np.uint8), ["<script>", "b & c"]),
        (pictures(9, 8, 3, largest=4095).astype(np.uint16), [-3, 7]),
        (pictures(12, 16, 20).astype(np.float32) / 255, [False, True]),
        (pictures(5).astype(float), [-1.0, 2.0]),
    ],
    ids=["grey bytes, text", "colours of 12 bits, whole numbers", "12 channels, truth values", "features, floats"],
)
def test_pictures_and_labels_of_any_kind_are_learnt(X: NDArray[Any], labels: list[Any]) -> None:
    y = np.array(labels)[BRIGHT]
    found = DADARTSClassifier(**SMALL).fit(X, y)
    assert found.classes_.tolist() == sorted(labels)
    assert found.classes_.dtype == y.dtype
    assert found.predict(X).tolist() == y.tolist()
    assert found.score(X, y) == 1
    probabilities = found.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert found.classes_[probabilities.argmax(axis=1)].tolist() == y.tolist()


def test_files_are_learnt_and_asked_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "Cache", lambda folder: Cache(tmp_path / "cache"))
    files = [
        write_picture(tmp_path / f"{number}.png", own.astype(np.uint8)) for number, own in enumerate(pictures(9, 9, 3))
    ]
    found = DADARTSClassifier(**SMALL).fit(list(map(str, files)), BRIGHT)
    assert found.predict(files).tolist() == BRIGHT.tolist()
    with pytest.raises(InputError, match="give a list of files"):
        found.predict(pictures(9, 9, 3))


def test_what_is_fitted_says_what_it_has_found(fitted: DADARTSClassifier) -> None:
    assert fitted.genotype_ == Genotype.parse(BENCH_GENOTYPE)
    assert 0 <= fitted.metrics_["test_top1"] <= 1
    assert fitted.metrics_["test_pictures"] == 4
    assert fitted.run_ is None
    page = fitted.report_.html()
    assert "4 test pictures" in page
    (call,) = commands_of(page)
    assert call.startswith(f"DADARTSClassifier(epochs=6, genotype={BENCH_GENOTYPE!r}, init_channels=4, layers=1, ")


def commands_of(page: str) -> list[str]:
    return [each.text for each in check(page).all("code") if "-command" in each.attributes["id"]]


def test_in_a_notebook_scores_cell_and_curves_stand_below_the_diagram_and_no_label_is_markup(
    fitted: DADARTSClassifier,
) -> None:
    unfitted = clone(fitted)._repr_mimebundle_()["text/html"]
    shown = fitted._repr_mimebundle_()["text/html"]
    assert "normal cell" not in unfitted
    own = fitted.report_._repr_html_()
    assert shown.endswith(own)
    page = inline.check(own)
    assert [each.text for each in page.all("figcaption")] == ["normal cell", "curves"]
    labels = np.array([inline.HOSTILE, f"the other {inline.HOSTILE}"])[BRIGHT]
    hostile = inline.check(clone(fitted).set_params(epochs=1).fit(pictures(8, 8), labels).report_._repr_html_())
    assert any(inline.HOSTILE in paragraph.text for paragraph in hostile.all("p"))


def test_a_pickled_one_needs_no_folder_and_no_live_network(fitted: DADARTSClassifier, tmp_path: Path) -> None:
    content = pickle.dumps(fitted)
    noting = _Noting(io.BytesIO(content))
    noting.load()
    assert {module.partition(".")[0] for module in noting.modules} <= {"dadarts", "numpy"}, "weights travel as bytes"
    assert len(content) < 300_000
    X = pictures(8, 8)
    for again in (pickle.loads(content), copy.deepcopy(fitted)):  # noqa: S301 -- our own
        assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
        assert again.get_params() == fitted.get_params()
        assert again.report_.save(tmp_path / "page.html").read_text() == fitted.report_.html()
    assert not hasattr(clone(fitted), "classes_")
    unfitted = pickle.loads(pickle.dumps(DADARTSClassifier(minutes=1)))  # noqa: S301
    assert unfitted.minutes == 1


class _Noting(pickle.Unpickler):
    """Notes where what it unpickles comes from."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module)
        return super().find_class(module, name)


def test_what_counts_nothing_is_as_if_it_were_not_there() -> None:
    """Half of the labels are the wrong way round, and count nothing."""
    X = pictures(8, 8)
    counts = np.repeat([1.0, 0.0], COUNT // 2)
    y = np.where(counts, BRIGHT, 1 - BRIGHT)
    weighed = DADARTSClassifier(**SMALL).fit(X, y, sample_weight=counts)
    alone = DADARTSClassifier(**SMALL).fit(X[counts > 0], y[counts > 0], sample_weight=np.full(COUNT // 2, 3.0))
    assert np.array_equal(weighed.predict_proba(X), alone.predict_proba(X))


def test_what_counts_little_is_hardly_learnt() -> None:
    X = pictures(8, 8)
    counts = np.repeat([1.0, 1e-3], COUNT // 2)
    y = np.where(counts == 1, BRIGHT, 1 - BRIGHT)
    found = DADARTSClassifier(**SMALL).fit(X, y, sample_weight=counts)
    assert found.predict(X).tolist() == BRIGHT.tolist()


def test_it_is_cross_validated_and_searched_for_within_a_pipeline() -> None:
    X = pictures(64).astype(float)
    steps = make_pipeline(MinMaxScaler(), DADARTSClassifier(**SMALL))
    grid = {"dadartsclassifier__epochs": np.array([1, 6])}
    search = GridSearchCV(steps, grid, cv=2, refit=False, error_score="raise").fit(X, BRIGHT)
    assert search.best_score_ == 1
    assert [each["dadartsclassifier__epochs"] for each in search.cv_results_["params"]] == [1, 6]
    assert cross_val_score(steps, X, BRIGHT, cv=2, error_score="raise").tolist() == [1, 1]


def test_minutes_are_a_fit_whose_run_can_be_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loop, "FAMILIES", [replace(FAMILIES[0], sizes=FAMILIES[0].sizes[:1])])
    monkeypatch.setattr(speed, "SECONDS", 0.01)
    found = DADARTSClassifier(minutes=0.02, runs_dir=tmp_path / "runs", threads=1).fit(pictures(8, 8), BRIGHT)
    assert found.run_ is not None
    assert found.run_.parent == tmp_path / "runs" / "fit"
    assert found.genotype_ == Genotype.parse(FAMILIES[0].genotype)
    page = found.report_.html()
    check(page)
    assert "Nothing was searched: the network is a ResNet." in page
    whole, alone = commands_of(page)
    assert whole == "DADARTSClassifier(minutes=0.02, threads=1).fit(X, y)"
    assert alone.startswith("for event in dadarts.train(dadarts.TrainConfig(")
    assert alone.endswith("  # pictures: 48 pictures (given in Python)")


def test_two_fits_of_one_seed_agree_and_of_another_do_not(fitted: DADARTSClassifier) -> None:
    X, y = pictures(8, 8), np.array(["dark", "bright"])[BRIGHT]
    same, other = (clone(fitted).set_params(seed=seed).fit(X, y) for seed in (fitted.seed, 1))
    assert np.array_equal(same.predict_proba(X), fitted.predict_proba(X))
    assert not np.array_equal(other.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": None, "minutes": 1}, "genotype and init_channels and layers go with epochs"),
        ({"epochs": 0}, "epochs"),
        ({"metric": "auc"}, "metric: for a network that minutes choose; epochs train a given one, so leave"),
        ({"searching": "never"}, "searching: for a network that minutes choose"),
        ({"max_parameters": np.int64(10**9), "max_latency_ms": 1.0}, "max_parameters and max_latency_ms: for"),
        ({"max_multiply_adds": "9M"}, "max_multiply_adds: for a network that minutes choose"),
        ({"test_fraction": 0}, "test_fraction 0: give a part of every class"),
        ({"test_fraction": "a tenth"}, "test_fraction a tenth: give a part of every class"),
        ({"image_shape": (8.5, 8)}, "image_shape"),
        ({"image_shape": "88"}, "image_shape"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed None: give a value, or leave it out, which is 0"),
        ({"epochs": None, "genotype": None, "init_channels": None, "layers": None, "minutes": None}, "minutes None"),
        ({"flip": "sideways"}, "flip"),
        ({"genotype": "nonsense"}, "genotype"),
        ({"image_size": 8}, "an image size is for picture files"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_by_its_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        DADARTSClassifier(**{**SMALL, **changes}).fit(pictures(8, 8), BRIGHT)
    assert len(str(caught.value).splitlines()) == 1


def test_a_batch_is_of_the_pictures_that_are_left_for_the_training() -> None:
    found = DADARTSClassifier(**{**SMALL, "epochs": 1, "test_fraction": 0.8}).fit(pictures(8, 8), BRIGHT)
    assert found.metrics_["test_pictures"] == 38, "which leaves 10, fewer than the 16 of all 48"


class Narrow(DADARTSClassifier):
    """One of few parameters, as people write it around their own defaults."""

    def __init__(self, epochs: int = 1, metric: str = "auto") -> None:
        super().__init__(**{**SMALL, "epochs": epochs, "metric": metric})


def test_a_subclass_of_fewer_parameters_is_fitted_and_refuses_as_the_whole() -> None:
    assert Narrow().fit(pictures(8, 8), BRIGHT).predict(pictures(8, 8)).shape == (COUNT,)
    with pytest.raises(InputError, match="metric: for a network"):
        Narrow(metric="auc").fit(pictures(8, 8), BRIGHT)


def test_one_whose_fit_was_refused_is_not_fitted() -> None:
    refused = DADARTSClassifier(**{**SMALL, "epochs": 0})
    with pytest.raises(InputError):
        refused.fit(pictures(64), BRIGHT)
    with pytest.raises(NotFittedError):
        refused.predict(pictures(64))


def test_the_number_of_features_is_that_of_the_last_fit() -> None:
    again = DADARTSClassifier(**{**SMALL, "epochs": 1}).fit(pictures(64), BRIGHT)
    assert again.n_features_in_ == 64
    again.fit(pictures(8, 8), BRIGHT)
    assert not hasattr(again, "n_features_in_")
    assert again.predict(pictures(8, 8)).shape == (COUNT,)


@pytest.mark.parametrize("labels", [["a", 1], ["a", None], [None, 1.5]])
def test_labels_of_several_kinds_are_refused(labels: list[Any]) -> None:
    with pytest.raises(ValueError, match="y"):
        DADARTSClassifier(**SMALL).fit(pictures(8, 8), np.array(labels, dtype=object)[BRIGHT])


@pytest.mark.parametrize("shape", [(9, 8), (64,), (8, 8, 1)])
def test_pictures_of_another_shape_than_those_of_fit_are_refused(
    fitted: DADARTSClassifier, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="X has"):
        fitted.predict(pictures(*shape))
    with pytest.raises(InputError, match="fit was given arrays"):
        fitted.predict(["a.png"])
