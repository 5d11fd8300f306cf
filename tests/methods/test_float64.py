"""What runs on every device makes tensors of float64 on the CPU alone: MPS has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dadarts.methods.alphas import Activation, Alphas, Candidates
from dadarts.methods.perturbation import Decision, without_each
from dadarts.methods.relaxations import Dirichlet, Relaxation
from dadarts.seeds import generator
from tests.nets import MIDWAY, RELAXATIONS, ragged_space

CPU, MPS = torch.device("cpu"), torch.device("mps")


class _OnMps(Tensor):
    """A tensor of the CPU that says it is on another device, as does what is made of it until that is moved back."""

    @classmethod
    def __torch_function__(cls, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if call == Tensor.device.__get__:
            return MPS
        found = super().__torch_function__(call, types, args, kwargs or {})  # type: ignore[no-untyped-call]
        if call is Tensor.cpu:
            return found.as_subclass(Tensor)
        assert not (isinstance(found, _OnMps) and found.dtype == torch.float64), f"float64 by {call}"
        return found


class _MovesThere(TorchFunctionMode):
    """Lets tensors be moved there, and made there."""

    def __torch_function__(self, call: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if any(word is MPS for word in (*args, *named.values())):
            args = [CPU if word is MPS else word for word in args]
            named = {name: CPU if word is MPS else word for name, word in named.items()}
            return there(call(*args, **named))
        return call(*args, **named)


def there(tensor: Tensor) -> Tensor:
    assert tensor.dtype != torch.float64
    return tensor.as_subclass(_OnMps)


def candidates_of(alphas: Alphas, relaxation: Relaxation) -> Candidates:
    own = alphas.candidates
    activation: Activation = "dirichlet" if isinstance(relaxation, Dirichlet) else "softmax"
    return replace(
        own, activation=activation, present=there(own.present), normed=there(own.normed), skips=there(own.skips)
    )


@pytest.mark.parametrize("relaxation", RELAXATIONS, ids=repr)
def test_a_relaxation_does_and_comes_to_the_same_numbers(relaxation: Relaxation) -> None:
    alphas = Alphas(ragged_space(), generator(0))
    progress, leaf = MIDWAY._replace(key=1), alphas.stacked().detach().requires_grad_()
    candidates = candidates_of(alphas, relaxation)
    with _MovesThere():
        found = relaxation(there(leaf), candidates, progress)
        assert found.device is MPS
        found = found.as_subclass(Tensor)
        torch.autograd.backward(found.square().sum())
    again = leaf.detach().requires_grad_()
    expected = relaxation(again, replace(alphas.candidates, activation=candidates.activation), progress)
    torch.autograd.backward(expected.square().sum())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(leaf.grad, again.grad)


def test_what_is_left_out_of_a_mixture_does() -> None:
    candidates = Alphas(ragged_space(), generator(0)).candidates
    M = torch.rand(candidates.present.shape, generator=generator(1)) * candidates.present
    with _MovesThere():
        found = without_each(there(M), candidates, Decision(0, 0, 0), renormalise=True)
    for name, left in without_each(M, candidates, Decision(0, 0, 0), renormalise=True).items():
        assert found[name].device is MPS
        assert torch.equal(found[name].as_subclass(Tensor), left)
