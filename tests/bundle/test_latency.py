"""The latencies of a bundle: what was measured and nothing else, in a bounded time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dadarts.bundle import card, latency, weights
from dadarts.bundle.form import Form
from dadarts.bundle.latency import BATCHES, SECONDS, Latency
from dadarts.engines.inference import Predictor, choose
from tests.bundle.nets import GENOTYPES, pictures, save, subject
from tests.nets import native_kernels

SHAPE = (1, 2, 2)


@dataclass
class Machine:
    """Answers nothing, in seconds of its own clock.

    Args:
        opening: a file.
        batch, picture: each batch, and each picture in it.
    """

    opening: float
    batch: float
    picture: float
    now: float = 0.0
    begun: int = 0

    def takes(self, pictures: int) -> float:
        return self.batch + self.picture * pictures

    def forms(self, count: int) -> list[Form]:
        return [Form(f"file{number}", "", lambda *_: "", self.opened) for number in range(count)]

    def opened(self, folder: Path, threads: int) -> Callable[[Tensor], Tensor]:
        self.now += self.opening
        self.begun += 1

        def answer(pictures: Tensor) -> Tensor:
            self.now += self.takes(len(pictures))
            return pictures

        return answer

    def measured(self, forms: int) -> list[Latency]:
        told: list[str] = []
        found = latency.measured(self.forms(forms), Path(), SHAPE, told.append, lambda: self.now)
        assert told == [f"measuring latencies of file{number}" for number in range(forms)]
        return found


def values(found: Sequence[Latency]) -> list[float | None]:
    return [value for each in found for value in each.milliseconds]


@given(
    opening=st.floats(0, 4),
    batch=st.floats(1e-3, 5),
    picture=st.floats(1e-3, 5),
    forms=st.integers(1, 5),
)
def test_no_machine_is_so_slow_that_measuring_takes_much_longer_than_its_seconds(
    opening: float, batch: float, picture: float, forms: int
) -> None:
    machine = Machine(opening, batch, picture)
    found = machine.measured(forms)
    # What has begun before they are over ends: a file is opened, and answers once or twice.
    assert machine.now <= SECONDS + opening + 2 * machine.takes(1) + 1e-6
    assert {each.form.file for each in found} == {f"file{number}" for number in range(forms)}
    for each in found:
        # What was measured is what it takes, and of large batches sooner than of small ones nothing is known.
        known = [value for value in each.milliseconds if value is not None]
        assert known == pytest.approx([1000 * machine.takes(count) for count in BATCHES[: len(known)]])
        assert each.milliseconds[len(known) :] == (None,) * (len(BATCHES) - len(known))


def test_a_quick_network_has_all_its_latencies_and_a_slow_one_those_of_small_batches() -> None:
    assert None not in values(Machine(0.1, 0.001, 0.001).measured(5))
    slow = values(Machine(0.1, 0.01, 0.1).measured(5))
    assert None in slow
    assert slow[0] == pytest.approx(110)


def test_what_comes_late_has_what_those_before_it_left_over() -> None:
    machine = Machine(0.0, 0.0, 1e-4)

    def opened(folder: Path, threads: int) -> Callable[[Tensor], Tensor]:
        answer = machine.opened(folder, threads)

        def slowly(pictures: Tensor) -> Tensor:
            machine.now += 1.0
            return answer(pictures)

        return slowly

    forms = [*machine.forms(1), Form("slow", "", lambda *_: "", opened)]
    *_, last = latency.measured(forms, Path(), SHAPE, lambda _: None, lambda: machine.now)
    # An equal part of the seconds has no time for two batches of a second of each size on two threads.
    assert last.milliseconds[0] == pytest.approx(1000.1)


def test_of_the_weights_the_code_is_measured_that_answers_whoever_uses_them_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native_kernels()
    answered: list[int] = []

    class Counted(Predictor):
        def __call__(self, x_BCHW: Tensor, noise_key: int = 0, threads: int | None = None) -> Tensor:
            answered.append(len(x_BCHW))
            return super().__call__(x_BCHW, noise_key, threads)

    monkeypatch.setattr(choose, "Predictor", Counted)
    monkeypatch.setattr(choose, "is_compiled", lambda source: False)
    one = subject(GENOTYPES["one-edge"])
    save(one, tmp_path)
    answer, given = weights.opened(tmp_path, 1), pictures(one, 2)
    for _ in range(2):
        torch.testing.assert_close(answer(given), one.network.predict_proba(given), rtol=0, atol=1e-6)
    assert answered == [2, 2]


def test_the_card_says_what_was_not_measured() -> None:
    form = Form("model.py", "", lambda *_: "", Machine(0.0, 0.0, 0.0).opened)
    text = card.text(subject(GENOTYPES["one-edge"]), "it", [], {}, [Latency(form, 1, (1.25, None, None))])
    assert "| `model.py` | 1 | 1.25 | - | - |" in text
    assert "What has a - was not measured: all measurements have 10 seconds together." in text
    whole = card.text(subject(GENOTYPES["one-edge"]), "it", [], {}, [Latency(form, 1, (1.25, 2.0, 3.0))])
    assert "was not measured" not in whole
