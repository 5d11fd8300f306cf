"""The numbers that history must always report are what they are called."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from dadarts.architecture.discretization import discretize
from dadarts.architecture.genotype import Genotype, read_off
from dadarts.architecture.spaces import space
from dadarts.methods.catalogue import METHODS
from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import discretization_distance
from dadarts.methods.relaxations import Hard, Relaxation, Soft, TopK
from dadarts.methods.schedules import Progress
from dadarts.runs import checkpoint
from dadarts.searching import diagnostics
from dadarts.searching.bilevel import Bilevel
from tests.commands import TINIEST, alphas, column, history, search, succeed, without_pictures
from tests.nets import build_alphas, build_batch, build_supernet, macro_of, ragged_space, smooth_space, soften

RUN = Path("runs/search/it")
EPOCHS = 4


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search whose alphas move far enough to change choices."""
    folder = tmp_path_factory.mktemp("finished")
    words = [*TINIEST, "-runs_dir", str(folder), "-hd_on_weights", "-topk_on_alphas"]
    words[words.index("-epochs") + 1] = str(EPOCHS)
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_pictures(monkeypatch)
        succeed(search, "-name", "it", *words, "-alpha_lr", "2", "-linear_temperature_increase")
    return folder / "search" / "it"


def choices_by_epoch(folder: Path) -> list[dict[str, torch.Tensor]]:
    """D(W) of every node: of the initial alphas, then of every epoch."""
    it = space("connect-nas-bench", 2)
    arrays = alphas(folder)
    names = [f"{kind}_{node}" for kind in it.kinds for node in range(it.nodes)]
    epochs = [{name: arrays[f"initial_{name}"] for name in names}]
    epochs += [{name: arrays[name][epoch] for name in names} for epoch in range(EPOCHS)]
    return [
        {name: discretize(torch.from_numpy(array).softmax(-1), it.rule) for name, array in epoch.items()}
        for epoch in epochs
    ]


def test_validation_under_hard_discretization_is_the_discretized_accuracy(finished: Path) -> None:
    assert column(finished, "valid_top1") == column(finished, "discrete_top1")


def test_the_gap_is_relaxed_minus_discrete(finished: Path) -> None:
    relaxed, discrete = column(finished, "relaxed_top1"), column(finished, "discrete_top1")
    gaps = column(finished, "discretization_gap")
    assert gaps == [one - other for one, other in zip(relaxed, discrete, strict=True)]
    assert any(gaps), "some epoch has a gap to report"


def test_changed_choices_count_the_places_that_were_not_chosen_before(finished: Path) -> None:
    found = choices_by_epoch(finished)
    expected = [sum(int((after[name] & ~before[name]).sum()) for name in after) for before, after in pairwise(found)]
    assert column(finished, "changed_choices") == expected
    assert any(expected), "alphas moved"


def test_the_genotype_is_what_discretize_says_of_the_last_alphas(finished: Path) -> None:
    it = space("connect-nas-bench", 2)
    last = choices_by_epoch(finished)[-1]
    chosen = {kind: tuple(last[f"{kind}_{node}"] for node in range(it.nodes)) for kind in it.kinds}
    genotype = read_off(it, chosen)
    assert (finished / "genotype.txt").read_text() == f"{genotype}\n"
    row = history(finished)[-1]
    operations = genotype.operations()
    assert float(row["skip_share"]) == operations.count("skip_connect") / len(operations)
    assert float(row["parameter_free_share"]) == genotype.parameter_free_share()


def test_entropy_distance_and_schedules_are_those_of_the_epochs_alphas(finished: Path) -> None:
    arrays = {name: torch.from_numpy(array) for name, array in alphas(finished).items() if "initial" not in name}
    it = space("connect-nas-bench", 2)
    for epoch in range(EPOCHS):
        W = torch.cat([array[epoch].softmax(-1) for array in arrays.values()])
        entropy = -(W * W.log()).sum(-1).mean()
        assert column(finished, "alpha_entropy")[epoch] == pytest.approx(float(entropy), rel=1e-4)
        rebuilt = build_alphas(it).float()
        with torch.no_grad():
            for alpha, array in zip(rebuilt.parameters(), arrays.values(), strict=True):
                alpha.copy_(array[epoch])
        distance = discretization_distance(rebuilt.weights(), rebuilt.candidates, "none")
        assert column(finished, "dal")[epoch] == pytest.approx(distance.item(), rel=1e-4)
    assert column(finished, "temperature") == [epoch / EPOCHS for epoch in range(EPOCHS)]
    assert column(finished, "weight_lr")[0] == 0.025
    assert column(finished, "weight_lr") == sorted(column(finished, "weight_lr"), reverse=True)


def test_the_checkpoint_ends_with_the_alphas_that_are_saved(finished: Path) -> None:
    state = checkpoint.load(finished / "checkpoints/last.pt", "search")[1]
    for saved, array in zip(state["alphas"].values(), alphas(finished).values(), strict=False):
        assert torch.equal(saved, torch.from_numpy(array[-1]))


def test_plain_darts_is_validated_relaxed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    succeed(search, "-name", "it", *TINIEST, "-first_order")
    assert column(RUN, "valid_top1") == column(RUN, "relaxed_top1") == column(RUN, "architecture_top1")
    assert [row["temperature"] for row in history(RUN)] == ["", ""]
    Genotype.parse((RUN / "genotype.txt").read_text())


@pytest.mark.parametrize(
    ("relaxation", "epoch", "expected"),
    [(Soft(), 0, Soft()), (TopK(), 3, TopK()), (Hard(2), 1, Soft()), (Hard(2), 2, Hard()), (Hard(), 0, Hard())],
)
def test_a_warm_up_is_soft_until_it_ends(relaxation: Relaxation, epoch: int, expected: Relaxation) -> None:
    assert relaxation.without_noise(Progress(epoch, 5)) == expected


@pytest.mark.parametrize("method_name", ["drnas", "sdarts-rs"])
def test_what_draws_is_validated_as_w_where_that_is_what_it_gives_without_a_draw(method_name: str) -> None:
    method, progress = METHODS[method_name](), Progress(1, 5)
    alphas = build_alphas(ragged_space(), 4, activation=method.activation)
    for relaxation in (method.weights.relax, method.alphas.relax):
        assert relaxation.without_noise(progress) == Soft()
        M = relaxation(alphas.stacked(), alphas.candidates, progress)
        assert torch.equal(M, alphas.weights())


def test_entropy_is_the_mean_over_edges_that_exist() -> None:
    it = build_alphas(ragged_space(), 3)
    W = it.weights().detach()
    rows = [row[present] for row, present in zip(W.flatten(0, 1), it.candidates.present.flatten(0, 1), strict=True)]
    expected = torch.stack([-(row * row.log()).sum() for row in rows if len(row)]).mean()
    assert diagnostics.entropy(it) == pytest.approx(float(expected), rel=1e-9)


def test_entropy_of_sigmoids_is_that_of_a_choice_for_each_operation() -> None:
    it = build_alphas(ragged_space(), 3, activation="sigmoid")
    present = it.candidates.present
    p = it.weights().detach()[present]
    expected = -(p * p.log() + (1 - p) * (1 - p).log()).sum() / present.any(dim=-1).sum()
    assert diagnostics.entropy(it) == pytest.approx(float(expected), rel=1e-9)


def test_entropy_is_that_of_an_edge_s_operations_whatever_its_share_of_the_node() -> None:
    it, plain = build_alphas(ragged_space(), 3, activation="edges"), build_alphas(ragged_space(), 3)
    with torch.no_grad():
        for alpha, value in zip(it.nodes.parameters(), plain.parameters(), strict=True):
            alpha.copy_(value)
    assert diagnostics.entropy(it) == pytest.approx(diagnostics.entropy(plain), rel=1e-9)


def test_the_eigenvalue_is_that_of_the_exact_hessian() -> None:
    it, macro = smooth_space(), macro_of(channels=2, layers=1)
    supernet = build_supernet(it, macro)
    soften(supernet)
    method = Method(alphas=Objective(Soft()))
    bilevel = Bilevel(supernet, build_alphas(it, 1), method)
    batch = build_batch(macro, 1)
    progress = Progress(0, 1)
    loss, _ = bilevel.loss(batch, bilevel.alphas.mix(Soft(), progress))
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, bilevel.alpha, create_graph=True)])
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(entry, bilevel.alpha, retain_graph=True)])
        for entry in gradient
    ]
    values = torch.linalg.eigvalsh(torch.stack(rows))
    dominant = values[values.abs().argmax()].item()
    assert diagnostics.hessian_eigenvalue(bilevel, batch, progress, iterations=400) == pytest.approx(dominant, rel=1e-3)
