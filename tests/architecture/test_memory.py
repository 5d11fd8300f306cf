"""A network whose weights cannot fit is refused before it is built, and one that can is not counted for long."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SPACES, space
from dadarts.architecture.supernet import Supernet
from dadarts.errors import InputError
from dadarts.runs import memory
from tests.commands import TINIEST, TINY_TRAINING, augment, refusal, search

CPU = torch.device("cpu")
CIFAR10 = ((3, 32, 32), 10)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def larger(words: list[str], **sizes: str) -> list[str]:
    """The words with other values of flags."""
    values = dict(zip(words[::2], words[1::2], strict=True)) | {f"-{name}": size for name, size in sizes.items()}
    return [word for pair in values.items() for word in pair]


def test_a_search_that_cannot_fit_is_refused_with_what_it_needs() -> None:
    huge = larger(TINIEST, init_channels="4096", layers="200", search_space="darts", nodes="4")
    said = refusal(search, "-name", "it", *huge)
    assert "weights, with gradient, momentum and copies, need" in said
    assert said.endswith("GB; give smaller -init_channels, -layers or -nodes")


def test_a_training_that_cannot_fit_is_refused_with_what_it_needs() -> None:
    said = refusal(augment, "-name", "it", *larger(TINY_TRAINING, init_channels="4096", layers="1000"))
    assert "this machine has" in said
    assert said.endswith("GB; give smaller -init_channels or -layers")


def limited(monkeypatch: pytest.MonkeyPatch, there: float) -> None:
    monkeypatch.setattr(memory, "total", lambda device: int(there))


def counted(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "S2"])
def test_what_is_needed_is_counted_from_a_few_layers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build: Any = partial(Supernet, space(name))
    monkeypatch.setattr(memory, "_SURELY_FIT", 0)
    for layers, within in ((6, 0.0), (9, 0.1)):
        macro = Macro(4, layers, *CIFAR10)
        with torch.device("meta"):
            true = 6 * 4 * counted(build(macro))
        refuse = partial(memory.refuse_too_large, build, macro, 4, copies=6, flags="it", device=CPU)
        limited(monkeypatch, true * (1 + within))
        refuse()
        limited(monkeypatch, true * (1 - within) - 1)
        with pytest.raises(InputError, match=r"give smaller it$"):
            refuse()


@pytest.mark.parametrize("name", SPACES)
def test_networks_of_the_default_sizes_are_let_through_without_counting(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 0)
    it = space(name)

    def built(_: Macro) -> NoReturn:
        pytest.fail("a network was made to be counted")

    for size in (it.search_size, it.train_size):
        memory.refuse_too_large(
            built, Macro(size.channels, size.layers, *CIFAR10), it.nodes, copies=6, flags="", device=CPU
        )


def test_the_memory_of_this_machine_is_known() -> None:
    assert 2**28 < memory.total(CPU) < 2**50


def test_counting_leaves_the_run_s_random_numbers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SURELY_FIT", 0)
    genotype = Genotype.parse(TINY_TRAINING[-1])
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    macro = Macro(2, 1, *CIFAR10)
    memory.refuse_too_large(partial(Network, genotype), macro, 1, copies=3, flags="", device=CPU)
    assert torch.equal(torch.rand(3), expected)
