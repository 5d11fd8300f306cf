"""Sums of measured costs against whole networks: ``python -m benchmarks.engine.costs``.

Two lists of networks: uniform draws, which cost nearly the same, and a spread from cells of pools and skips to cells of
convolutions. Of each, how far off `dadarts profile`'s sum is, and how it ranks them beside multiply-adds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from statistics import mean

import torch
from scipy.stats import spearmanr

from dadarts.architecture.costs import count_multiply_adds
from dadarts.architecture.genotype import CellGenotype, Genotype, random_genotype
from dadarts.architecture.network import Network
from dadarts.architecture.operations import ALL_OPS, NONE
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SearchSpace, space
from dadarts.engines.profile import Cost, Scale, profiled
from dadarts.engines.profile.cost import costs_of_networks
from dadarts.runs.threads import computing_with
from dadarts.seeds import generator

PARTS: dict[str, Callable[[Cost], float]] = {
    "training": lambda cost: cost.training,
    "prediction": lambda cost: cost.prediction,
}


def spread(search_space: SearchSpace, seed: int) -> Genotype:
    """A random genotype with a random share of operations without weights."""
    draw = generator(seed, "benchmark")
    genotype = random_genotype(search_space, seed)
    share = float(torch.rand((), generator=draw))

    def chosen(kind: str, number: int, state: int) -> str:
        edge = state - search_space.reads(kind, number).start
        names = [name for name in search_space.candidates[kind][number][edge] if name != NONE]
        wanted = float(torch.rand((), generator=draw)) < share
        alike = [name for name in names if ALL_OPS[name].parameter_free == wanted] or names
        return alike[int(float(torch.rand((), generator=draw)) * len(alike))]

    cells = {
        kind: CellGenotype(
            tuple(
                tuple((chosen(kind, number, state), state) for _, state in node)
                for number, node in enumerate(cell.nodes)
            ),
            cell.concat,
        )
        for kind, cell in genotype.cells.items()
    }
    return Genotype(cells, genotype.syntax)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search_space", default="darts")
    for name, default in (("channels", 16), ("layers", 8), ("batch", 16), ("threads", 1), ("networks", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args(argv)
    own = space(args.search_space)
    macro = Macro(args.channels, args.layers, (3, 32, 32), 10)
    lists = {
        "uniform": [random_genotype(own, seed) for seed in range(1, args.networks + 1)],
        "spread": [spread(own, 100 + seed) for seed in range(args.networks)],
    }
    genotypes = [genotype for each in lists.values() for genotype in each]
    with computing_with(args.threads):
        profile = profiled(Scale(own, macro, args.batch, args.threads))
        # Twice, so that what the machine did meanwhile is seen.
        found = [costs_of_networks([Network(each, macro) for each in genotypes], args.batch) for _ in range(2)]
    print("| networks | of | error (%) | rank correlation | of multiply-adds | of the same networks measured again |")
    print("|---|---|---|---|---|---|")
    for number, (name, each) in enumerate(lists.items()):
        begin = number * args.networks
        sums = [profile.of(genotype, macro) for genotype in each]
        work = [count_multiply_adds(genotype, macro) for genotype in each]
        for part, of in PARTS.items():
            first, second = ([of(cost) for cost in costs[begin : begin + args.networks]] for costs in found)
            least = [min(pair) for pair in zip(first, second, strict=True)]
            error = mean(abs(of(cost) - time) / time for cost, time in zip(sums, least, strict=True))
            ranks = [float(spearmanr(x, least)[0]) for x in ([of(cost) for cost in sums], work)]
            again = float(spearmanr(first, second)[0])
            print(f"| {name} | {part} | {100 * error:.1f} | {ranks[0]:.2f} | {ranks[1]:.2f} | {again:.2f} |")


if __name__ == "__main__":
    main()
