"""Published genotypes, against the sizes that their papers give."""

from __future__ import annotations

from pathlib import Path

import pytest

from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.published import PUBLISHED
from dadarts.architecture.skeletons import Macro
from dadarts.rundir.lookup import genotype_text
from tests.commands import modern, refusal, succeed

MILLION_PARAMETERS = {"DARTS_V2": 3.3, "PDARTS": 3.4, "PC_DARTS_cifar": 3.6}
"""Of networks of 36 channels and 20 cells on CIFAR-10: tables 1 of arXiv 1806.09055, 1904.12760 and 1907.05737.

Without DARTS_V1, for which 1806.09055 says 3.3 as well, and that has 3.17.
"""


@pytest.mark.parametrize("name", MILLION_PARAMETERS)
def test_a_published_genotype_has_the_size_of_its_paper(name: str) -> None:
    parameters = count_costs(Genotype.parse(PUBLISHED[name]), Macro(36, 20, (3, 32, 32), 10)).parameters
    assert parameters / 1e6 == pytest.approx(MILLION_PARAMETERS[name], abs=0.1)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_genotype_is_of_the_darts_space(name: str) -> None:
    genotype = Genotype.parse(PUBLISHED[name])
    assert genotype.space.name == "darts"
    assert str(genotype) == PUBLISHED[name]


def test_a_published_genotype_is_known_by_its_name_unless_a_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "sep_conv_3x3" in succeed(modern, "show", "DARTS_V2").out
    own = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"
    Path("DARTS_V2").write_text(own)
    assert genotype_text("DARTS_V2", Path("runs")) == own


def test_a_word_that_is_no_genotype_is_answered_with_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nor one of DARTS_V1, DARTS_V2, PDARTS, PC_DARTS_cifar" in refusal(modern, "show", "DARTS_V3")
