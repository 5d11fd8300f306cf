"""What the README promises of the Python interface."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import dadarts


@pytest.mark.parametrize("name", dadarts.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(dadarts, name)
    assert value is not None
    assert name in dir(dadarts)
    if callable(value):
        assert (value.__doc__ or "").strip(), "a public name says what it is"


def test_a_name_that_is_not_public_is_missing_in_the_usual_way() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        dadarts.nonsense  # noqa: B018


def test_importing_the_package_does_not_wait_for_torch() -> None:
    program = (
        "import sys, dadarts; assert not {'torch', 'sklearn', 'numpy'} & {*sys.modules}; "
        "dadarts.soft_top_k; assert 'torch' in sys.modules; assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_supernet_computes_what_its_mixing_weights_say() -> None:
    space = dadarts.space("darts", 2)
    macro = dadarts.Macro(4, 2, (3, 16, 16), 10)
    supernet = dadarts.Supernet(space, macro)
    alphas = dadarts.Alphas(space, torch.Generator().manual_seed(0))
    pictures = torch.randn(3, 3, 16, 16)
    mixing = alphas.mix(dadarts.TopK(temperature_edge=dadarts.Linear(0, 200)), dadarts.Progress(1, 2))
    assert supernet(pictures, mixing).shape == (3, 10)
    hard = alphas.mix(dadarts.Hard(), dadarts.Progress(0, 1))
    assert all(set(node.flatten().tolist()) <= {0.0, 1.0} for nodes in hard.values() for node in nodes)


def test_top_k_and_discretization_are_functions_of_numbers() -> None:
    x = torch.tensor([0.1, 0.7, 0.2, 0.4], dtype=torch.float64)
    soft = dadarts.soft_top_k(x, 2, 5.0)
    assert soft.sum().item() == pytest.approx(2)
    torch.testing.assert_close(dadarts.soft_top_k(x, 2, 1e6), torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64))
    chosen = dadarts.discretize(torch.tensor([[0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]), dadarts.Rule(edges=2))
    assert chosen.int().tolist() == [[0, 1], [0, 0], [1, 0]]


def test_a_genotype_is_read_written_and_built() -> None:
    text = (
        "Genotype(normal=[[('sep_conv_3x3', 0), ('skip_connect', 1)]], normal_concat=[2], "
        "reduce=[[('max_pool_3x3', 0), ('none_such', 1)]], reduce_concat=[2])"
    )
    with pytest.raises(dadarts.InputError, match="none_such"):
        dadarts.Genotype.parse(text)
    genotype = dadarts.Genotype.parse(text.replace("none_such", "dil_conv_5x5"))
    assert str(genotype) == text.replace("none_such", "dil_conv_5x5")
    network = dadarts.Network(genotype, dadarts.Macro(4, 2, (1, 8, 8), 5)).eval()
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 5)


def test_errors_form_one_tree() -> None:
    assert issubclass(dadarts.InputError, dadarts.DadartsError)
    assert issubclass(dadarts.InputError, ValueError)
    assert issubclass(dadarts.RunError, dadarts.DadartsError)
    with pytest.raises(dadarts.InputError, match="Did you mean 'darts'"):
        dadarts.space("dart")
