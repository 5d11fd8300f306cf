"""What a native training step keeps for its way back."""

from __future__ import annotations

import pytest

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Cell
from dadarts.engines.native.steps import SumStep
from dadarts.engines.native.tape import Tape
from tests.engines.test_trained import batch_of, loss_of, native, network_of


def test_what_a_node_sums_up_for_its_own_cell_is_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    recall = SumStep.recall

    def recalled(step: SumStep, tape: Tape) -> None:
        saved.append(step.y.raw.value.numel())
        recall(step, tape)

    monkeypatch.setattr(SumStep, "recall", recalled)
    network = network_of(Genotype.parse("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|none~2|"))
    loss_of(native(network), *batch_of()).backward()  # type: ignore[no-untyped-call]
    assert saved == [0, 0] * sum(isinstance(module, Cell) for module in network.modules())
