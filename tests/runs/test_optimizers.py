"""The eager optimizers are torch's, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dadarts.runs import optimizers

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 3e-4, "foreach": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 3e-4, "nesterov": True}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.999), "weight_decay": 1e-3}),
]


def stepped(kind: type[torch.optim.Optimizer], settings: dict[str, Any]) -> tuple[list[Tensor], dict[str, Any]]:
    """Three parameters after five steps, the optimizer saved and loaded between them, and its state."""
    draw = torch.Generator().manual_seed(0)
    parameters = [torch.randn(shape, generator=draw, requires_grad=True) for shape in ((3,), (4, 5), (2, 3, 3, 3))]
    optimizer = kind(parameters, **settings)
    for step in range(5):
        if step == 2:
            saved = optimizer.state_dict()
            optimizer = kind(parameters, **settings)
            optimizer.load_state_dict(saved)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()
        optimizer.zero_grad()
        assert all(parameter.grad is None for parameter in parameters)
    return parameters, optimizer.state_dict()


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_an_eager_optimizer_steps_saves_and_loads_as_torch_s_does(name: str, settings: dict[str, Any]) -> None:
    ours, our_state = stepped(getattr(optimizers, name), settings)
    theirs, their_state = stepped(getattr(torch.optim, name), settings)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert our_state["param_groups"] == their_state["param_groups"]
    for number, moments in their_state["state"].items():
        assert our_state["state"][number].keys() == moments.keys()
        assert all(torch.equal(our_state["state"][number][key], moment) for key, moment in moments.items())
