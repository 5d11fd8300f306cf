"""Whether a search has decided anything: mixing weights against values by hand, and what every entry point says."""

from __future__ import annotations

import json
import re
from math import isclose, log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dadarts import SearchConfig, search
from dadarts.architecture.discretization import Rule
from dadarts.architecture.genotype import CellGenotype, Genotype
from dadarts.architecture.verdict import Verdict, read
from dadarts.demo import against_chance, compared
from dadarts.methods.alphas import Activation, Candidates
from dadarts.runs.events import SearchDone
from dadarts.searching.judging import certainty, judged, of_alphas, of_genotype
from tests.commands import BENCH_GENOTYPE, QUICKEST, TINY_TRAINING, augment, modern, succeed, without_pictures
from tests.commands import search as original


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def places(W_NEO: Tensor, activation: Activation = "softmax", edges: int | None = 2) -> Candidates:
    """Candidates where W is above 0."""
    return Candidates(W_NEO > 0, W_NEO > 0, W_NEO < 0, ("normal",) * len(W_NEO), Rule(edges), False, 1.0, activation)


EVEN = torch.full((1, 4, 8), 1 / 8)
"""One node of four edges with eight operations each."""


def leaning(*largest: float) -> Tensor:
    """Rows whose first operation has this weight, and the others equal ones."""
    return torch.stack([torch.tensor([first] + [(1 - first) / 7] * 7) for first in largest])[None]


def test_entropies_are_those_by_hand() -> None:
    found = certainty(leaning(0.5, 0.5, 1 - 7e-9, 1 / 8), places(EVEN))
    half = -(0.5 * log(0.5) + 0.5 * log(0.5 / 7))
    assert isclose(found.entropy, (2 * half + 0 + log(8)) / 4, rel_tol=1e-5)
    assert isclose(found.largest, log(8))
    assert (found.undecided, found.edges, found.decided) == (1, 4, True)


def test_an_edge_is_undecided_where_its_first_operation_has_less_than_two_and_a_half_shares() -> None:
    # By bisection of H(p) = 0.95 log 8: p = 0.2988; of two operations, H(p) = 0.95 log 2: p = 0.6308.
    assert certainty(leaning(0.29, 0.29, 0.31, 0.31), places(EVEN)).undecided == 2
    two = torch.tensor([[[0.62, 0.38], [0.64, 0.36]]])
    assert certainty(two, places(two)).undecided == 1


def test_a_search_is_undecided_where_over_half_of_its_edges_are() -> None:
    assert certainty(leaning(0.9, 0.9, 0.13, 0.13), places(EVEN)).decided
    assert not certainty(leaning(0.9, 0.13, 0.13, 0.13), places(EVEN)).decided


def test_edges_without_a_choice_and_padding_do_not_count() -> None:
    W = torch.tensor([[[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]]])
    found = certainty(W, places(W))
    assert (found.edges, found.undecided) == (1, 1)
    assert isclose(found.entropy, log(2), rel_tol=1e-6)


def test_sigmoids_are_a_choice_each() -> None:
    W = torch.tensor([[[0.5, 0.5, 0.5], [0.99, 0.01, 0.01]]])
    found = certainty(W, places(W, "sigmoid"))
    sure = -3 * (0.99 * log(0.99) + 0.01 * log(0.01))
    assert isclose(found.entropy, (3 * log(2) + sure) / 2, rel_tol=1e-5)
    assert isclose(found.largest, 3 * log(2))
    assert found.undecided == 1


def test_what_an_edge_has_of_its_node_is_no_certainty() -> None:
    shares = torch.tensor([0.97, 0.01, 0.01, 0.01])
    W = EVEN * shares[None, :, None]
    assert certainty(W, places(W, "edges")).undecided == 4


def test_choices_are_counted_against_the_first_draw() -> None:
    # Two of four edges are kept: 0 and 1 of the draw, 2 and 1 now, edge 1 with another operation.
    first, now = leaning(0.9, 0.8, 0.2, 0.2), leaning(0.2, 0.8, 0.9, 0.2)
    now[0, 1] = now[0, 1].flip(0)
    verdict = of_alphas(now, first, places(EVEN), [])
    assert (verdict.changed, verdict.choices, verdict.decided, verdict.warnings) == (2, 2, True, ())
    assert (
        verdict.summary
        == f"decided: entropy {verdict.entropy:.2f} of 2.08, 2 of 2 choices changed since the first draw"
    )
    assert (verdict.lines, verdict.word) == ((verdict.summary,), "decided")


def test_a_search_that_kept_its_first_draw_says_so_in_one_line() -> None:
    rows = torch.tensor([0.9] * 10 + [0.2] * 4)
    first, now = leaning(*rows.tolist()), leaning(*rows.tolist())

    def said(epoch: Tensor | None) -> list[str]:
        verdict = of_alphas(now, first, places(first, edges=10), [], epoch_NEO=epoch)
        assert verdict.choices == 10
        return [line for line in verdict.lines if "first epoch" in line]

    assert said(None) == [], "there was one epoch"
    assert said(now) == ["all 10 choices stand since the first epoch: this search kept its first draw"]
    one = now.clone()
    one[0, 3] = one[0, 3].flip(0)
    assert said(one) == ["9 of 10 choices stand since the first epoch: this search hardly left its first draw"]
    one[0, 4] = one[0, 4].flip(0)
    assert said(one) == []
    lone = of_alphas(now[:, :1], first[:, :1], places(first[:, :1], edges=1), [], epoch_NEO=now[:, :1])
    assert lone.lines[-1] == "the only choice stands since the first epoch: this search kept its first draw"


def test_a_search_whose_first_epoch_changed_choices_is_not_said_to_have_kept_its_draw() -> None:
    draw, now = leaning(*[0.9] * 10, *[0.2] * 4), leaning(*[0.9] * 10, *[0.2] * 4)
    now[0, :6] = now[0, :6].flip(-1)
    # As undecided as the even mixture is.
    now, draw = EVEN[:, :1] + 1e-3 * now, EVEN[:, :1] + 1e-3 * draw
    verdict = of_alphas(now, draw, places(draw, edges=10), [], epoch_NEO=now)
    assert verdict.changed == 6
    undecided, stood = verdict.lines
    assert "and 6 of 10 choices have left the first random draw by chance; " in undecided
    assert stood == "all 10 choices stand since the first epoch: nothing changed after it"
    some = now.clone()
    some[0, 7] = some[0, 7].flip(-1)
    line = of_alphas(now, draw, places(draw, edges=10), [], epoch_NEO=some).lines[-1]
    assert line == "9 of 10 choices stand since the first epoch: hardly any changed after it"


@pytest.mark.parametrize("entry", ["search.py", "dadarts"])
def test_both_commands_say_that_a_search_kept_its_first_draw(entry: str) -> None:
    words = [*QUICKEST, "-alpha_lr", "1e-5"]
    run, name = (original, ["-name", "it"]) if entry == "search.py" else (modern, ["search", "-name", "it"])
    line = "note: all 8 choices stand since the first epoch: this search kept its first draw"
    assert succeed(run, *name, *words).err.splitlines().count(line) == 1
    assert json.loads(Path("runs/search/it/genotype.json").read_text())["verdict"]["stood"] == 8
    assert succeed(run, *name, *words, "-resume").err.splitlines().count(line) == 1
    before = json.loads(Path("runs/search/it/genotype.json").read_text())
    del before["verdict"]["stood"]
    verdict = Genotype.parse(json.dumps(before)).verdict
    assert verdict is not None
    assert verdict.stood is None, "of a program that did not count them"


def test_the_warnings_say_what_is_wrong_once_with_a_cure() -> None:
    sure, draw = leaning(0.9, 0.9, 0.2, 0.2), leaning(0.2, 0.2, 0.3, 0.3)
    (undecided,) = of_alphas(EVEN, EVEN, places(EVEN), []).warnings
    assert undecided.startswith(
        "undecided: the mixing weights of 4 of 4 edges are nearly equal (entropy 2.079 of 2.079)"
    )
    assert "alpha_lr" in undecided
    (locked,) = of_alphas(sure, sure, places(EVEN), []).marked
    assert locked.startswith("locked: every choice is still that of the first random draw")
    whole = of_alphas(sure, sure, places(EVEN), [])
    assert (whole.lines, whole.word) == ((locked,), "locked")
    assert whole.summary.startswith("locked: entropy ")
    rows = [{"changed_choices": change} for change in (2, 0, 0, 0, 0)]
    (early,) = of_alphas(sure, draw, places(EVEN), rows).marked
    assert early.startswith("locked: no choice has changed since epoch 1 of 5")
    assert of_alphas(sure, draw, places(EVEN), rows).lines == (early,)
    untrained = of_alphas(sure, sure, places(EVEN), [], trained=False)
    assert untrained.decided is False
    assert "trains no alphas" in untrained.warnings[0]


def cells(normal: str, reduce: str) -> Genotype:
    def cell(names: str) -> CellGenotype:
        words = names.split()
        return CellGenotype(tuple(((words[2 * n], 0), (words[2 * n + 1], 1)) for n in range(len(words) // 2)), (2,))

    return Genotype({"normal": cell(normal), "reduce": cell(reduce)}, "darts")


@pytest.mark.parametrize(
    ("genotype", "said"),
    [
        (cells("sep_conv_3x3 skip_connect", "sep_conv_3x3 max_pool_3x3"), None),  # half is not over half
        (
            cells("sep_conv_3x3 skip_connect", "avg_pool_3x3 max_pool_3x3"),
            "collapsed: 75% of the edges have no weights",
        ),
        (cells("skip_connect skip_connect", "sep_conv_3x3 sep_conv_5x5"), "collapsed: the normal cell has nothing but"),
        (
            cells("skip_connect skip_connect", "skip_connect skip_connect"),
            "the normal and reduce cells have nothing but",
        ),
        (
            Genotype.parse("|skip_connect~0|+|none~0|skip_connect~1|+|none~0|none~1|none~2|"),
            "the normal cell has nothing",
        ),
        (Genotype.parse(BENCH_GENOTYPE), "collapsed: 67% of the edges have no weights"),
        (Genotype.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"), None),
    ],
)
def test_a_genotype_has_collapsed_where_over_half_is_parameter_free_or_a_cell_is_all_skips(
    genotype: Genotype, said: str | None
) -> None:
    warnings = of_genotype(genotype)
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]
    verdict = judged(genotype, Verdict(None, by="random")).verdict
    assert verdict is not None
    assert verdict.lines == (
        "the genotype is chosen by random, not read off alphas",
        *(warning.replace("give the weights a head start (-alpha_warm_up), ", "") for warning in warnings),
    )
    assert verdict.word == ("collapsed" if said else "")


def test_a_verdict_survives_its_json_and_changes_no_architecture() -> None:
    plain = Genotype.parse(BENCH_GENOTYPE)
    found = judged(plain, Verdict(True, "alphas", 0.4, 2.08, 37, 56))
    again = Genotype.parse(found.to_json(space="x"))
    assert again == plain
    assert hash(again) == hash(plain)
    assert again.verdict == found.verdict
    assert Genotype.parse(plain.to_json()).verdict is None
    assert str(again) == BENCH_GENOTYPE


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "decided",
        [],
        {},
        {"decided": "yes"},
        {"decided": True, "warnings": "x"},
        {"decided": True, "warnings": [1]},
    ],
)
def test_a_verdict_that_is_none_is_passed_over(value: Any) -> None:
    assert read(value) is None
    fields = json.loads(Genotype.parse(BENCH_GENOTYPE).to_json())
    assert Genotype.parse(json.dumps({**fields, "verdict": value})).verdict is None


def test_a_verdict_from_elsewhere_cannot_steer_a_terminal() -> None:
    verdict = read({"decided": True, "warnings": ["\x1b[2Jgone\n" + "x" * 10_000]})
    assert verdict is not None
    assert verdict.warnings[0].isprintable()
    assert len(verdict.warnings[0]) <= 400


def test_every_entry_point_says_the_verdict() -> None:
    err = succeed(original, "-name", "it", *QUICKEST, "-alpha_lr", "1e-5").err
    assert err.count("note: undecided: the mixing weights of ") == 1
    assert "raise -alpha_lr" in err
    saved = json.loads(Path("runs/search/it/genotype.json").read_text())["verdict"]
    assert saved["decided"] is False
    assert saved["warnings"][0].startswith("undecided: ")
    resumed = succeed(original, "-name", "it", *QUICKEST, "-alpha_lr", "1e-5", "-resume")
    assert resumed.err.count("note: undecided: the mixing weights of ") == 1
    assert "  undecided: Genotype(" in succeed(modern, "runs").out
    assert json.loads(succeed(modern, "runs", "--json").out)[0]["verdict"] == "undecided"
    shown = succeed(modern, "show", "@it", "--space", "connect-nas-bench").out
    assert "search         undecided: " in shown
    assert "raise --alpha_lr" in shown
    training = list(TINY_TRAINING)
    training[training.index("-genotype") + 1] = "@it"
    err = succeed(augment, "-name", "it", *training).err
    (told,) = [line for line in err.splitlines() if "its search" in line]
    assert re.fullmatch(
        r"note: its search ended undecided: the mixing weights of \d+ of \d+ edges are nearly equal "
        r"\(entropy \S+ of \S+\), and every choice is still that of the first random draw",
        told,
    )


@pytest.mark.parametrize(
    ("warnings", "findings"),
    [
        ((), ()),
        (("locked: a, and b; train (-alpha_warm_up), or; not",), ("locked: a, and b",)),
        (("undecided: a (of 2): train, or", "collapsed: c; see"), ("undecided: a (of 2)", "collapsed: c")),
        (("of another kind",), ("of another kind",)),
    ],
)
def test_a_training_is_told_what_was_found_of_its_search_without_the_cure(
    warnings: tuple[str, ...], findings: tuple[str, ...]
) -> None:
    verdict = read({"decided": True, "warnings": warnings})
    assert verdict is not None
    assert verdict.findings == findings
    assert verdict.to_json()["warnings"] == list(warnings)
    assert not any("-alpha" in text for text in (*verdict.warnings, repr(verdict)))


def test_a_decided_search_says_so_in_python() -> None:
    settings = {"init_channels": 2, "layers": 1, "batch_size": 16, "epochs": 2, "dataset_portion": 0.1, "workers": 0}
    config = SearchConfig(
        name="it",
        seed=2,
        dataset="digits",
        nodes=2,
        search_space="connect-nas-bench",
        alpha_lr=3.0,
        threads=1,
        **settings,
    )
    done = list(search(config))[-1]
    assert isinstance(done, SearchDone)
    assert done.verdict is not None
    assert done.verdict.decided
    assert done.verdict.summary.startswith("decided: entropy ")
    again = list(search(config, resume=True))[-1]
    assert isinstance(again, SearchDone)
    assert again.verdict == done.verdict
    # A run of before there were verdicts, or with a damaged file, is shown all the same.
    for text in (done.genotype.__class__.parse(str(done.genotype)).to_json(), "damaged", "{"):
        Path("runs/search/it/genotype.json").write_text(text)
        old = list(search(config, resume=True))[-1]
        assert isinstance(old, SearchDone)
        assert (old.genotype, old.verdict) == (done.genotype, None)


@pytest.mark.parametrize("method", ["random", "random-ws"])
def test_a_control_that_reads_no_alphas_is_not_called_undecided(method: str) -> None:
    words = ["--name", "it", *QUICKEST[:-1], "--method", method]
    err = succeed(modern, "search", *words).err
    by = {"random": "random", "random-ws": "best-of-random"}[method]
    assert f"note: the genotype is chosen by {by}, not read off alphas" in err
    assert "undecided" not in err
    assert json.loads(Path("runs/search/it/genotype.json").read_text())["verdict"]["decided"] is None


def test_the_demonstration_says_whether_a_difference_is_chance() -> None:
    # 359 pictures, 0.98 and 0.97: the interval of the difference is 1.96 sqrt((0.0196 + 0.0291) / 359) = 2.28 points.
    said = against_chance(0.98, 0.97, tested=359)
    assert said.startswith("1.00 points better, no more than chance: 359 test pictures")
    assert "2.28 points" in said
    assert "5.00 points worse, more than chance" in against_chance(0.93, 0.98, tested=359)


def test_the_demonstration_compares_with_the_median_draw_and_with_what_needs_no_search() -> None:
    def scores(top1: float) -> dict[str, float]:
        return {"test_top1": top1, "test_pictures": 400, "parameters": 1000}

    drawn = {f"random-{number}": scores(top1) for number, top1 in enumerate((0.5, 0.9, 0.8, 0.7, 0.95))}
    lines = compared({"found": scores(0.9), "plain": scores(0.92), **drawn})
    assert lines[2] == "5 random genotypes: median 80.00%, from 50.00% to 95.00%"
    assert lines[3].startswith("found against the median random one: 10.00 points better, more than chance")
    assert lines[4].startswith("found against 3x3 convolutions: 2.00 points worse, no more than chance")
