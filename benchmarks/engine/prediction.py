"""Predictions of discrete networks: ``python -m benchmarks.engine.prediction`` (part of ``make bench``).

Compiled predictions, the readable network in evaluation mode in two memory formats and, where onnxruntime and
onnxscript are installed, onnxruntime's CPU provider on the exported network take turns in one process. Everybody is
given pictures in the memory format that suits it.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeAlias

import torch
from torch import Tensor

from benchmarks.engine.timing import interleaved
from benchmarks.engine.training import GENOTYPE
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.architecture.skeletons import Macro
from dadarts.engines.inference import SOURCE, Library, Predictor
from dadarts.engines.native import library
from dadarts.runs.device import placed
from dadarts.seeds import generator, seeded

_BENCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
_POOLS = GENOTYPE.replace("sep_conv_3x3", "max_pool_3x3").replace("dil_conv_3x3", "max_pool_3x3")
NETWORKS: Mapping[str, tuple[str, Macro]] = {
    "DARTS_V2, 16 channels, 8 cells": (GENOTYPE, Macro(16, 8, (3, 32, 32), 10)),
    "the same of max pools": (_POOLS, Macro(16, 8, (3, 32, 32), 10)),
    "NAS-Bench-201 of 3x3 convolutions": (_BENCH, Macro(16, 5, (3, 32, 32), 10)),
}
CONTESTANTS = ("compiled", "channels_last", "nchw", "onnxruntime")

Row: TypeAlias = dict[str, str | int | float]


def prediction(
    threads: Sequence[int], batches: Sequence[int], rounds: int, networks: Mapping[str, tuple[str, Macro]] = NETWORKS
) -> list[Row]:
    """Milliseconds a picture of every contestant, for every network, number of threads and batch."""
    rows: list[Row] = []
    before = torch.get_num_threads()
    try:
        for name, (genotype, macro) in networks.items():
            for count in threads:
                torch.set_num_threads(count)
                with seeded(0, "weights"):
                    network = Network(Genotype.parse(genotype), macro).eval()
                runs = _contestants(network, count)
                for batch in batches:
                    images = torch.randn((batch, *macro.image_shape), generator=generator(0, "images"))
                    found = _milliseconds(runs, images, rounds)
                    rows.append({"network": name, "threads": count, "batch": batch, **found})
    finally:
        torch.set_num_threads(before)
    return rows


def table(rows: Sequence[Row]) -> str:
    """How many times as long others take, as Markdown."""
    lines = [
        "| prediction | threads | batch | compiled (ms a picture) | channels_last | NCHW | onnxruntime |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        own = float(row["compiled"])
        ratios = [f"{float(row[name]) / own:.1f}" if name in row else "-" for name in CONTESTANTS[1:]]
        cells = [row["network"], row["threads"], row["batch"], f"{own:.2f}", *ratios]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _milliseconds(runs: Mapping[str, Callable[[Tensor], object]], images: Tensor, rounds: int) -> dict[str, float]:
    given = {name: images if name in ("nchw", "onnxruntime") else _channels_last(images) for name in runs}
    times = rounds if len(images) > 8 else 10 * rounds
    with torch.inference_mode():
        seconds = interleaved({name: _call(run, given[name]) for name, run in runs.items()}, times)
    return {name: 1e3 * median(found) / len(images) for name, found in seconds.items()}


def _call(run: Callable[[Tensor], object], images: Tensor) -> Callable[[], None]:
    def call() -> None:
        run(images)

    return call


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _contestants(network: Network, threads: int) -> dict[str, Callable[[Tensor], object]]:
    twin = Network(network.genotype, network.macro).eval()
    twin.load_state_dict(network.state_dict())
    runs: dict[str, Callable[[Tensor], object]] = {
        "compiled": Predictor(network, Library(library(SOURCE))),
        "channels_last": placed(twin, torch.device("cpu")),
        "nchw": network,
    }
    if find_spec("onnxruntime") and find_spec("onnxscript"):
        runs["onnxruntime"] = _onnxruntime(network, threads)
    return runs


def _onnxruntime(network: Network, threads: int) -> Callable[[Tensor], object]:
    import onnxruntime

    for noisy in ("torch.onnx", "onnxscript"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        sizes = {"x_BCHW": {0: torch.export.Dim("batch", min=1, max=4096)}}
        example = (torch.zeros(2, *network.macro.image_shape),)
        torch.onnx.export(network, example, path, dynamo=True, dynamic_shapes=sizes, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (name,) = (given.name for given in session.get_inputs())

    def run(images: Tensor) -> object:
        return session.run(None, {name: images.numpy()})

    return run


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 256])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(table(prediction(args.threads, args.batch, args.rounds)), end="")


if __name__ == "__main__":
    main()
