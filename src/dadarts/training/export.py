"""What leaves a finished training: one file with the network's weights and all that its use needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor, nn

from dadarts import files
from dadarts.architecture.counting import count_parameters
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.data import Preparation, ValueRange
from dadarts.engines.inference import Inference
from dadarts.errors import InputError, shortened
from dadarts.pacing import counted
from dadarts.rundir.lookup import network_file
from dadarts.runs.threads import by_size, computing_with
from dadarts.training.facts import Facts, Sizes, facts_of, network_of
from dadarts.training.prediction import Prediction, Unreadable, predictions

KEY = "dadarts"
"""Where the file's metadata has all facts, as one JSON document."""
_LENGTH = 8
"""Bytes that say how long the header of a safetensors file is, which is JSON."""
_OVERSHOOT = 0.25
"""How far a resized picture may go beyond black and white, in parts of the way from one to the other."""
_BATCH = 256
_WORKERS = 4
_PREPARED = "predict_files(paths) prepares files as the training's pictures were, and .preparation others"


class TrainedNetwork(nn.Module):
    """A trained network with its class names and all that pictures need to be prepared for it.

    Args:
        network: the discrete network, in evaluation mode, without auxiliary head.
        classes: name of every class.
        mean, std: per channel, of pixels in [0, 1].
        value_range: the values that are black and white in pictures deeper than 8 bits; None is their type's range.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: Network,
        classes: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        value_range: ValueRange | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.classes = tuple(classes)
        self._waits = True
        self._inference = Inference(network, self._waits)
        self.preparation = Preparation(network.macro.image_shape, value_range)
        """How files, pictures of Pillow and arrays become what the network takes, as its training's pictures did."""
        self.register_buffer("mean", torch.tensor(list(mean)).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(list(std)).view(1, -1, 1, 1), persistent=False)

    @property
    def genotype(self) -> Genotype:
        """The architecture."""
        return self.network.genotype

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures that it was trained on."""
        return self.network.macro.image_shape

    def at_once(self) -> TrainedNetwork:
        """Let compiled code answer from the first pictures on, not only when many have paid for compiling it."""
        self._waits = False
        self._inference = Inference(self.network, self._waits)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of uint8 pictures (B, C, H, W), or of float ones in [0, 1].

        Raises:
            ValueError: the pictures have other channels or another size than those of the training.
        """
        self._refuse_other_shape(images)
        logits: Tensor = self.network(self._normalised(images))
        return logits

    def _normalised(self, images: Tensor) -> Tensor:
        scaled = images.float() / 255 if images.dtype == torch.uint8 else images.to(self.mean.dtype)
        return (scaled - self.mean) / self.std

    def predict(self, images: Tensor | NDArray[Any]) -> list[str]:
        """The class names of uint8 pictures (B, C, H, W), or of float ones in [0, 1].

        What has other values or another size goes through `preparation` first, and files through `predict_files`.

        Raises:
            ValueError: the pictures have other channels or another size than those of the training, or are not uint8
                and go beyond [0, 1] by more than resizing does.
        """
        return [self.classes[index] for index in self.predict_proba(images).argmax(dim=1).tolist()]

    @torch.no_grad()
    def predict_proba(self, images: Tensor | NDArray[Any]) -> Tensor:
        """The probabilities, float64 (B, classes) on the CPU, of pictures as `predict` takes them.

        Computed in batches, with as many threads as pay for their size.

        Raises:
            ValueError: as `predict`.
        """
        # Pillow's arrays are read-only, and torch knows no such tensors.
        given = images if isinstance(images, Tensor) else np.require(images, requirements="W")
        if isinstance(given, np.ndarray) and given.dtype.kind not in "biuf":
            raise ValueError(f"expected an array or tensor of pictures, got {type(images).__name__}; {_PREPARED}")
        pictures = torch.as_tensor(given)
        self._refuse_other_shape(pictures)
        _refuse_other_scale(pictures)
        return torch.cat([self._probabilities(batch) for batch in torch.split(pictures, _BATCH)])

    def predict_files(self, paths: str | Path | Iterable[str | Path]) -> list[Prediction]:
        """What the network says of picture files, or of one, each prepared as the pictures of its training were.

        Raises:
            InputError: a file is missing, damaged or no picture.
        """
        found = []
        for each in self.predictions([paths] if isinstance(paths, str | Path) else paths):
            if isinstance(each, Unreadable):
                raise each.error
            found.append(each)
        return found

    def predictions(
        self, paths: Iterable[str | Path], *, batch_size: int = _BATCH, workers: int = _WORKERS
    ) -> Iterator[Prediction | Unreadable]:
        """`predict_files` as an iterator that holds a batch in memory, and says which files cannot be read."""
        return predictions(
            paths, self.preparation, self.classes, self.predict_proba, batch_size=batch_size, workers=workers
        )

    def _probabilities(self, pictures: Tensor) -> Tensor:
        _, height, width = self.image_shape
        threads = by_size(height * width * self.network.macro.channels * len(pictures))
        with computing_with(threads.count):
            if self._inference.network is not self.network:
                self._inference = Inference(self.network, self._waits)
            logits = self._inference(self._normalised(pictures.to(self.mean.device)), threads=threads.count)
        # In float64 no two logits give one probability, so the surest class is that of the largest logit.
        return logits.cpu().double().softmax(dim=1)

    def _repr_html_(self) -> str:
        """What it is of, and its cells, for a notebook."""
        from dadarts.report.page.inline import Summary, html

        macro = self.network.macro
        facts = (
            ("classes", f"{len(self.classes)}: {shortened(', '.join(self.classes))}"),
            ("pictures", "x".join(map(str, self.image_shape))),
            ("size", f"{counted(macro.channels, 'channel')}, {counted(macro.layers, 'layer')}"),
            ("parameters", f"{count_parameters(self.network):,}"),
        )
        return html(Summary("trained network", "", facts, self.genotype))

    def _refuse_other_shape(self, images: Tensor) -> None:
        channels, height, width = shape = self.image_shape
        if images.ndim != 4 or tuple(images.shape[1:]) != shape:
            raise ValueError(
                f"expected pictures of shape (B, {channels}, {height}, {width}), got {tuple(images.shape)}; {_PREPARED}"
            )


def _refuse_other_scale(pictures: Tensor) -> None:
    if pictures.dtype == torch.uint8 or not pictures.numel():
        return
    least, most = (end.item() for end in pictures.float().aminmax())
    if not -_OVERSHOOT <= least <= most <= 1 + _OVERSHOOT:
        kind = str(pictures.dtype).removeprefix("torch.")
        raise ValueError(
            f"expected uint8 pictures, 0 to 255, or float ones from 0 to 1, got {kind} from {least:g} to {most:g}; "
            f"{_PREPARED}"
        )


def save(
    path: Path,
    network: Network,
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    value_range: ValueRange | None = None,
) -> None:
    """Write weights and metadata to one safetensors file, without the auxiliary head.

    Raises:
        RunError: the disk is full.
    """
    facts = Facts(
        genotype=str(network.genotype),
        macro=Sizes(**asdict(network.macro)),
        # A folder's name need not be text in UTF-8.
        classes=[name.encode(errors="backslashreplace").decode() for name in classes],
        mean=[float(value) for value in mean],
        std=[float(value) for value in std],
        value_range=value_range,
    )
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.startswith("auxiliary.")
    }
    # One key: safetensors writes several in random order, and equal networks shall be equal bytes.
    files.write(path, lambda temporary: save_file(tensors, temporary, {KEY: facts.to_text()}))


def load(run: str | Path, *, runs_dir: str | Path = "runs") -> TrainedNetwork:
    """The trained network of a training, by its name (``NAME`` or ``@NAME``), its folder or its file, ready to predict.

    Args:
        runs_dir: where a training of that name is looked for.

    Raises:
        InputError: there is none, or the file is damaged or not ours.
    """
    file = network_file(run, Path(runs_dir))
    with _told_of(file), safe_open(file, framework="pt") as opened:
        text = (opened.metadata() or {})[KEY]
        return _trained(text, {name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118 -- not a dict


def loads(content: bytes) -> TrainedNetwork:
    """The trained network that a file of these bytes holds.

    Raises:
        InputError: it is damaged or not ours.
    """
    with _told_of("the network"):
        begin = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
        text = json.loads(content[_LENGTH:begin])["__metadata__"][KEY]
        return _trained(text, load_tensors(content))


@contextmanager
def _told_of(file: object) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError, LookupError, MemoryError, TypeError, RecursionError) as error:
        raise InputError(
            f"{file} is not a network that dadarts wrote, or is damaged ({type(error).__name__})"
        ) from None
    except ValueError as error:
        raise InputError(f"{file} is not a network that dadarts wrote, or is damaged: {error}") from None


def _trained(text: str, tensors: Mapping[str, Tensor]) -> TrainedNetwork:
    facts = facts_of(text)
    network = network_of(facts, tensors)
    return TrainedNetwork(network, facts.classes, facts.mean, facts.std, facts.limits()).eval()
