"""Methods on different seeds: tests of independent samples."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from benchmarks.proxy import samples

FIRST, SECOND = [91.2, 90.4, 91.5, 91.0], [89.9, 90.6, 88.7, 90.1]


def test_few_values_are_dealt_out_in_all_ways() -> None:
    values = np.array(FIRST + SECOND)
    seen = abs(np.mean(FIRST) - np.mean(SECOND))
    dealt = [[*chosen] for chosen in combinations(range(8), 4)]
    extreme = sum(
        abs(values[chosen].mean() - np.delete(values, chosen).mean()) >= seen * (1 - 1e-12) for chosen in dealt
    )
    assert samples.permutation(FIRST, SECOND) == pytest.approx(extreme / len(dealt))


def test_the_first_is_tested_against_each_of_the_others_as_one_family() -> None:
    low = [value - 20 for value in range(8)]
    high = [90.0 + value for value in range(8)]
    *_, beside, below = (
        line.split(" | ") for line in samples.table([("a", high), ("b", [*high[1:], 90.5]), ("c", low)]).splitlines()
    )
    assert beside[-1] == "undecided |"
    assert below[-1] == "better |"
    assert float(below[-3]) == pytest.approx(2 * float(below[-4]), abs=1e-3)


def test_scores_are_those_of_one_method_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_text("method,seed,state,score\nfixed:a=1,0,done,90.5\nfixed:a=1,1,failed,\nother,0,done,80\n")
    assert samples.sample(f"{file}:fixed:a=1", "score") == ("fixed:a=1", [90.5])
    with pytest.raises(SystemExit, match="no scores of 'none'; it has fixed:a=1, other"):
        samples.sample(f"{file}:none", "score")
