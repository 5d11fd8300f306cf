"""`DADARTSClassifier`: `dadarts.fit` and `dadarts.train` as scikit-learn's cross-validation and pipelines want them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from dadarts.architecture.genotype import Genotype
from dadarts.cli.watching import last_of, progress
from dadarts.config import FitConfig, TrainConfig
from dadarts.config.fitting import Metric
from dadarts.data.augment import Flip
from dadarts.data.labelled import LabelledFiles, LabelledPictures
from dadarts.errors import InputError, shortened
from dadarts.estimator.kept import Kept, Report
from dadarts.estimator.noted import call_of, noted
from dadarts.estimator.reading import Form, Layout, form_of
from dadarts.estimator.samples import Samples, checked, samples_of
from dadarts.fitting import entering
from dadarts.fitting.candidates import FAMILIES
from dadarts.fitting.loop import fit
from dadarts.rundir import contents
from dadarts.runs.events import Event, FitDone, TrainDone
from dadarts.training import export
from dadarts.training.export import TrainedNetwork
from dadarts.training.loop import train

_SHARED = ("seed", "flip", "device", "threads", "image_size")
_OF_CHOOSING = ("metric", "searching", "max_parameters", "max_multiply_adds", "max_latency_ms")
_OF_FIT = ("minutes", *_OF_CHOOSING)
_OF_TRAINING = ("genotype", "init_channels", "layers")
_CHANNELS, _LAYERS = 16, 1
"""Of the network that so many epochs are given for, unless they are given."""
_UNPICKLED = "_network"


class DADARTSClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of pictures whose network is chosen and trained within so many minutes.

    With `minutes`, `fit` is `dadarts.fit`: candidates race, and the winner is trained for the time that is left. How
    far it comes depends on how fast the machine is, so two fits of one seed need not agree. With `epochs` there is no
    race: a network of `genotype` is trained for as many epochs, and two fits of one seed on one machine agree.

    X has shape (n, h, w), (n, h, w, c) or (n, c, h, w), of bytes, other integers or floats, or is a list of picture
    files. Rows of features (n, f) are pictures of `image_shape`; without one, squares where f is the square of 8 or
    more (scikit-learn's digits are 8x8), and else pictures of one pixel with f channels: scale them alike before.

    Args:
        minutes: for all of a fit.
        seed: of every random draw.
        image_shape: (h, w), (h, w, c) or (c, h, w) of the pictures that rows of features are.
        layout: which of three axes is the channels: "channels_first", "channels_last", or "auto": the axis of 1, 3 or
            4 (of both the last), else the one that is smaller than both others; what is neither is refused.
        image_size: side in pixels that picture files are brought to; None is their own or their median.
        metric: what candidates are chosen by, as in `FitConfig`.
        searching: whether an architecture is searched, which then races, too, as in `FitConfig`.
        max_parameters, max_multiply_adds, max_latency_ms: what the network may cost, as in `FitConfig`.
        flip: how training pictures are mirrored; None is "horizontal", and nothing of pictures of a pixel's height.
            Give "none" where a mirrored picture is of another class, as of digits.
        test_fraction: part of every class that is held out, and tests the network once, for `report_` and `metrics_`.
        epochs: passes over the training pictures of `genotype`, in place of minutes and of what chooses a network in
            these: `metric`, `searching` and what it may cost.
        genotype: what those train: a `Genotype`, its text or where it is; None is a ResNet's.
        init_channels, layers: its size; None are 16 and 1 where `genotype` is None, else its space's own.
        device, threads: where to compute, as in `FitConfig`.
        runs_dir: where the run stays, under a new name each time; None keeps no folder.
        verbose: whether progress is shown.

    Attributes:
        classes_: the labels, sorted.
        genotype_: the network's cells.
        metrics_: what the held-out part says, as in a training's metrics.json.
        report_: the page of the run: ``report_.save("fit.html")``, ``report_.html()``.
        run_: the run's folder; None where none was kept.
        n_features_in_: where X has two axes.

    A fitted classifier holds its network and the run's record as bytes: it is pickled, sent and loaded without the
    run's folder.
    """

    def __init__(
        self,
        minutes: float = 5.0,
        seed: int = 0,
        *,
        image_shape: Sequence[int] | None = None,
        layout: Layout = "auto",
        image_size: int | None = None,
        metric: Metric | Literal["auto"] = "auto",
        searching: Literal["auto", "always", "never"] = "auto",
        max_parameters: int | str | None = None,
        max_multiply_adds: int | str | None = None,
        max_latency_ms: float | None = None,
        flip: Flip | None = None,
        test_fraction: float = 0.1,
        epochs: int | None = None,
        genotype: Genotype | str | None = None,
        init_channels: int | None = None,
        layers: int | None = None,
        device: str = "auto",
        threads: int | None = None,
        runs_dir: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        self.minutes = minutes
        self.seed = seed
        self.image_shape = image_shape
        self.layout = layout
        self.image_size = image_size
        self.metric = metric
        self.searching = searching
        self.max_parameters = max_parameters
        self.max_multiply_adds = max_multiply_adds
        self.max_latency_ms = max_latency_ms
        self.flip = flip
        self.test_fraction = test_fraction
        self.epochs = epochs
        self.genotype = genotype
        self.init_channels = init_channels
        self.layers = layers
        self.device = device
        self.threads = threads
        self.runs_dir = runs_dir
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DADARTSClassifier:
        """Choose a network and train it.

        Args:
            X: pictures, rows of features, or files.
            y: a label each, of any kind: text, numbers, truth values.
            sample_weight: how much each counts in the loss, from 0 on; what counts 0 is as if it were not there.

        Raises:
            ValueError: X, y, the weights or a parameter cannot be used.
            RunError: a training cannot go on.
        """
        samples = samples_of(self, X, y, sample_weight)
        form = None if isinstance(samples.X, list) else form_of(samples.X, self.image_shape, self.layout)
        with self._place() as runs_dir:
            show = progress if self.verbose else last_of
            done = show(noted(self._events(samples, form, runs_dir), call_of(self)))
            assert isinstance(done, FitDone | TrainDone)  # noqa: S101 -- each ends with its result
            training = done.training if isinstance(done, FitDone) else done.folder
            kept = Kept.of(done.folder, training)
            self.run_ = None if self.runs_dir is None else done.folder
        self._form, self._kept = form, kept
        self._network = _network(kept)
        self.classes_ = samples.classes
        self.genotype_ = self._network.genotype
        self.metrics_: Mapping[str, Any] = json.loads(kept.read(contents.METRICS))
        self.report_ = Report(kept)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of every class of `classes_`, (n, classes).

        Raises:
            ValueError: X is not as that of fit.
            InputError: a file is missing, damaged or no picture.
        """
        check_is_fitted(self)
        given = checked(self, X, reset=False)
        if isinstance(given, list):
            if self._form is not None:
                raise InputError("fit was given arrays: give pictures as it was given them, and no files")
            return np.array([[*each.probabilities.values()] for each in self._network.predict_files(given)])
        if self._form is None:
            raise InputError("fit was given picture files: give a list of files")
        found: NDArray[np.float64] = self._network.predict_proba(torch.from_numpy(self._form.pixels(given))).numpy()
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label of each, (n,).

        Raises:
            ValueError: X is not as that of fit.
        """
        chosen = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[chosen]
        return labels

    def __sklearn_is_fitted__(self) -> bool:
        # A fit that was refused or interrupted may have left n_features_in_.
        return hasattr(self, "_kept")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = self.epochs is None
        return tags

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """scikit-learn's diagram, and below it what `fit` has found."""
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle and hasattr(self, "report_"):
            bundle["text/html"] += self.report_._repr_html_()
        return bundle

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != _UNPICKLED}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(dict(state))
        if "_kept" in state:
            self._network = _network(state["_kept"])

    @contextmanager
    def _place(self) -> Iterator[Path]:
        """The folder that the run's goes into."""
        if self.runs_dir is not None:
            yield Path(self.runs_dir)
            return
        with TemporaryDirectory(prefix="dadarts-") as folder:
            yield Path(folder)

    def _events(self, samples: Samples, form: Form | None, runs_dir: Path) -> Iterator[Event]:
        """The run.

        Raises:
            InputError: a parameter cannot be used.
        """
        settings = self._settings(_SHARED) | {"runs_dir": runs_dir, "name": f"sklearn-{uuid.uuid4().hex[:8]}"}
        if form is not None and not form.has_neighbours:
            settings |= {"flip": settings.get("flip", "none"), "crop_padding": 0}
        source = self._source(samples, form)
        settings["dataset"] = source
        given = self._settings(_OF_TRAINING)
        if self.epochs is None:
            if given:
                raise InputError(f"{' and '.join(given)} go with epochs: in minutes the network is chosen")
            return fit(FitConfig(**settings, **self._settings(_OF_FIT)))
        self._refuse_choosing()
        if "genotype" not in given:
            given = {"genotype": FAMILIES[0].genotype, "init_channels": _CHANNELS, "layers": _LAYERS} | given
        trained, _ = source.known.divided()
        batch = entering.batch_size(len(trained))
        return train(TrainConfig.auto(**settings, **given, epochs=_plain(self.epochs), batch_size=batch))

    def _source(self, samples: Samples, form: Form | None) -> LabelledPictures | LabelledFiles:
        if not (isinstance(self.test_fraction, Real) and 0 < self.test_fraction < 1):
            raise InputError(
                f"test_fraction {shortened(self.test_fraction, 40)}: give a part of every class, above 0 and below 1"
            )
        known = samples.labels(self.test_fraction, _plain(self.seed))
        if isinstance(samples.X, list):
            return LabelledFiles(samples.X, known)
        assert form is not None  # noqa: S101 -- what is no files has one
        return LabelledPictures(torch.from_numpy(form.pixels(samples.X)), known, form.value_range)

    def _settings(self, names: Sequence[str]) -> dict[str, Any]:
        """Parameters that are given.

        Raises:
            InputError: one is None that has a default of its own, which it would silently be.
        """
        values = {name: _plain(getattr(self, name)) for name in names}
        given = {name: value for name, value in values.items() if value is not None}
        for name in values.keys() - given.keys():
            if (default := _default(name)) is not None:
                raise InputError(f"{name} None: give a value, or leave it out, which is {default!r}")
        return given

    def _refuse_choosing(self) -> None:
        """Refuse parameters that would have no effect where a network is given, so that none is chosen."""
        given = [name for name in _OF_CHOOSING if _plain(getattr(self, name)) != _default(name)]
        if given:
            raise InputError(
                f"{' and '.join(given)}: for a network that minutes choose; epochs train a given one, so leave out "
                f"epochs or {'this' if len(given) == 1 else 'these'}"
            )


def _default(name: str) -> Any:
    """What a parameter is where nothing is said; a subclass need not have it."""
    return signature(DADARTSClassifier).parameters[name].default


def _plain(value: Any) -> Any:
    """A parameter; of a grid of numpy's numbers, one of Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _network(kept: Kept) -> TrainedNetwork:
    return export.loads(kept.read(contents.NETWORK))
