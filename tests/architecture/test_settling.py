"""A training of a few steps is measured with batch statistics of the weights that it ended with."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dadarts.architecture.norms import averaging, batch_norm
from tests.commands import DARTS_GENOTYPE, modern, succeed


def test_averaged_statistics_are_the_means_over_all_batches() -> None:
    draw = torch.Generator().manual_seed(0)
    network = nn.Sequential(batch_norm(3, affine=True))
    batches = [torch.randn((4, 3, 5, 5), generator=draw, dtype=torch.float32) * 7 + 3 for _ in range(6)]
    network(batches[0] * 100)
    with averaging(network), torch.no_grad():
        for batch in batches:
            network(batch)
    own = network.get_submodule("0").state_dict()
    means = torch.stack([batch.mean(dim=(0, 2, 3)) for batch in batches]).mean(dim=0)
    variances = torch.stack([batch.transpose(0, 1).flatten(1).var(dim=1) for batch in batches]).mean(dim=0)
    torch.testing.assert_close(own["running_mean"], means)
    torch.testing.assert_close(own["running_var"], variances)
    assert network.get_submodule("0").momentum == 0.1


def test_eight_steps_score_in_the_test_what_they_have_learnt(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(120) % 2
    # Stripes along and across, which eight steps tell apart.
    stripes = np.where(np.arange(16) % 4 < 2, 60, 190)
    x = np.where(labels[:, None, None] == 0, stripes[None, :, None], stripes[None, None, :])
    x = (x + draw.normal(0, 20, (120, 16, 16))).clip(0, 255).astype(np.uint8)
    np.savez(tmp_path / "stripes.npz", x=x, y=labels)
    words = shlex.split(
        f"train -name short -dataset {tmp_path / 'stripes.npz'} -epochs 4 -batch_size 48 -init_channels 8 -layers 2 "
        "-aux_weight 0 -cutout_length 0 -drop_path_prob 0 -lr 0.1 -workers 0 -device cpu -threads 1 "
        f"-runs_dir {tmp_path}"
    )
    assert float(succeed(modern, *words, "-genotype", DARTS_GENOTYPE).out.split()[-1]) == 1.0
