"""The report says what the results say: tables against numbers by hand, pictures by what is written in them."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dadarts import oracle
from dadarts.architecture.genotype import Genotype, derive
from dadarts.compare import ending, figures, report, results
from dadarts.compare.analysis import Block, blocks_of
from dadarts.compare.jobs import Job, Protocol, jobs_of
from dadarts.compare.naming import in_words
from dadarts.compare.planned import Plan
from dadarts.compare.provenance import provenance
from dadarts.compare.results import COLUMNS, Result, as_cell
from dadarts.config import SearchConfig
from dadarts.errors import InputError
from dadarts.methods import catalogue
from dadarts.methods.alphas import Alphas
from dadarts.searching.trajectory import trajectory
from dadarts.seeds import generator
from tests.browser import browser
from tests.pages.markup import check

TABLE = oracle.nas_bench_201()
BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
EMPTY = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
THIN = "|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|none~2|"
MIXED = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_3x3~1|none~2|"
METHODS = ["darts", "dadarts"]
FOUND = {("darts", 0): EMPTY, ("darts", 1): MIXED, ("dadarts", 0): BEST, ("dadarts", 1): BEST}


def result(job: Job, text: str, seconds: float) -> Result:
    genotype = Genotype.parse(text)
    score = TABLE.query(text).scores["cifar10"]
    row = dict.fromkeys(COLUMNS) | {
        "job": job.key, "method": job.method, "seed": job.search.seed, "space": "nas-bench-201", "dataset": "digits",
        "state": "done", "tries": 1, "genotype": text, "seconds": seconds, "discretization_gap": 0.25,
        "parameter_free_share": genotype.parameter_free_share(), "source": "abc", "device": "cpu",
        "truth_cifar10_accuracy": score.accuracy, "truth_cifar10_regret": score.regret, "operation_pictures": 5e6,
        **{f"truth_{other}_accuracy": TABLE.query(text).scores[other].accuracy for other in ("cifar100", "imagenet16")},
    }  # fmt: skip
    return Result(job, row, (Genotype.parse(MIXED), genotype))


@pytest.fixture
def found() -> list[Result]:
    jobs = jobs_of(Protocol({}, None, Path("runs")), METHODS, [0, 1], ["nas-bench-201"], ["digits"])
    return [result(job, FOUND[job.method, job.search.seed], 30.0 if job.method == "darts" else 10.0) for job in jobs]


@pytest.fixture
def block(found: list[Result]) -> Block:
    (one,) = blocks_of(found)
    return one


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out, which takes longer than all else of a report."""
    monkeypatch.setattr(figures, "_drawn", lambda *_: "")


def written(found: list[Result], folder: Path) -> dict[str, str]:
    files = results.write([one.row for one in found], folder)
    paths = report.write(found, provenance(["dadarts", "compare", "--methods", "a b"], found, files), folder)
    return {path.name: path.read_text() for path in paths}


def test_a_block_is_judged_by_its_benchmark(block: Block) -> None:
    assert (block.methods, block.judged_on) == (("darts", "dadarts"), "cifar10")
    (score,) = block.scores
    summary = block.summary("darts", score)
    assert summary is not None
    accuracies = [TABLE.query(text).scores["cifar10"].accuracy for text in (EMPTY, MIXED)]
    assert summary.mean == pytest.approx(sum(accuracies) / 2)
    assert summary.worst == min(accuracies)
    assert block.collapsed("darts") == (1, 1, 2)
    assert block.collapsed("dadarts") == (0, 0, 2)


def test_a_network_has_collapsed_by_its_accuracy_on_cifar10_whatever_was_searched_on() -> None:
    jobs = jobs_of(Protocol({}, None, Path("runs")), METHODS, [0, 1], ["nas-bench-201"], ["cifar100"])
    (block,) = blocks_of([result(job, (EMPTY, THIN)[job.search.seed], 1.0) for job in jobs])
    assert block.judged_on == "cifar100"
    (score,) = block.scores
    assert max(block.values("darts", score).values()) < 60 < TABLE.query(THIN).scores["cifar10"].accuracy
    _, low, _ = block.collapsed("darts")
    assert low == 1


def test_searches_that_are_undecided_or_locked_are_counted(found: list[Result]) -> None:
    words = {("darts", 0): "locked", ("darts", 1): "undecided", ("dadarts", 0): "collapsed", ("dadarts", 1): "locked"}
    (plain,) = blocks_of(found)
    assert plain.doubted("darts") == "-", "runs of before there were verdicts"
    (block,) = blocks_of(
        [replace(one, row=one.row | {"verdict": words[one.job.method, one.job.search.seed]}) for one in found]
    )
    assert (block.doubted("darts"), block.doubted("dadarts")) == ("2/2", "1/2")


def test_regret_is_followed_over_epochs(block: Block) -> None:
    first, last = (TABLE.query(text).scores["cifar10"].regret for text in (MIXED, BEST))
    course = block.regret_course("dadarts")
    assert [mean for mean, _ in course] == pytest.approx([first, last])


def test_choices_are_shares_of_all_edges(block: Block) -> None:
    assert block.choices("dadarts") == {
        name: pytest.approx({"nor_conv_3x3": 5 / 6, "skip_connect": 1 / 6}.get(name, 0)) for name in block.operations
    }
    assert block.choices("darts")["none"] == pytest.approx(7 / 12)


@pytest.mark.usefixtures("_undrawn")
def test_the_markdown_has_the_numbers_the_command_and_the_hashes(found: list[Result], tmp_path: Path) -> None:
    text = written(found, tmp_path)["report.md"]
    best = TABLE.query(BEST).scores["cifar10"].accuracy
    point = f"{best:.2f} | [{best:.2f}, {best:.2f}]"
    better = 100 * (TABLE.accuracies("cifar10") > best).mean()
    assert f"| dadarts | 2 | {point} | {point} | {best:.2f} | {better:.1f} | " in text
    assert text.index("| dadarts | 2 |") < text.index("| darts | 2 |")
    assert "| darts | dadarts | 2 | -" in text
    assert "| darts | 1/2; 1/2 below 60 % |" in text
    assert "though the searches ran on digits" in text
    assert "dadarts compare --methods 'a b'" in text
    for name in ("results.csv", "results.parquet"):
        assert sha256((tmp_path / name).read_bytes()).hexdigest() in text
    assert TABLE.metadata["source_sha256"] in text
    assert "DIFFERENT PROGRAMS" not in text
    # What needs no search stands below what was searched, on every data set of the benchmark.
    assert text.count("| nor_conv_3x3 everywhere | 1 |") == len(TABLE.datasets)
    assert "| nor_conv_3x3 everywhere | 1 | 90.20 | 0.00 |" in text
    assert "nas-bench-201's imagenet16 accuracy" in text
    assert "no margin was planned (-margin)" in text
    assert text.count("| undecided |") == 1, "two seeds decide nothing"


def test_the_page_stands_alone_and_draws_what_it_says(found: list[Result], tmp_path: Path) -> None:
    page = written(found, tmp_path)["report.html"]
    assert len(page) < 300_000
    check(page, scripts=0)
    pictures = [ET.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]  # noqa: S314
    words = ["".join(picture.itertext()) for picture in pictures]
    titles = ("Regret over epochs", "Cost and quality", "Operations chosen")
    assert len(words) == len(titles)
    for title, text in zip(titles, words, strict=True):
        assert text.strip().startswith(f"{title}, nas-bench-201 on digits")
    assert f"dadarts: {TABLE.query(BEST).scores['cifar10'].regret:.2f}" in words[0]
    assert "On the Pareto front, by rising cost: dadarts." in words[1]
    assert "83%" in words[2]
    assert "nor_conv_3x3" in words[2]


@pytest.mark.usefixtures("_undrawn")
def test_statistics_are_there_for_programs(found: list[Result], tmp_path: Path) -> None:
    written(found, tmp_path)
    with (tmp_path / "statistics.csv").open(newline="") as file:
        rows = {(row["method"], row["measure"]): row for row in csv.DictReader(file)}
    seconds = rows["darts", "search (s)"]
    assert (seconds["count"], float(seconds["mean"]), float(seconds["low95"])) == ("2", 30.0, 30.0)
    # One of darts' two cells is empty: nothing but `none`.
    for measure in ("over half parameter-free (%)", "below 60 % accuracy (%)"):
        assert [float(rows[method, measure]["mean"]) for method in METHODS] == [50.0, 0.0]
    with (tmp_path / "pairs.csv").open(newline="") as file:
        (pair,) = csv.DictReader(file)
    accuracies = {text: TABLE.query(text).scores["cifar10"].accuracy for text in (EMPTY, MIXED, BEST)}
    assert [pair[name] for name in ("first", "second", "seeds", "wins")] == ["darts", "dadarts", "2", "0"]
    assert float(pair["difference"]) == pytest.approx((accuracies[EMPTY] + accuracies[MIXED]) / 2 - accuracies[BEST])


@pytest.mark.usefixtures("_undrawn")
def test_results_of_different_programs_are_told_apart(found: list[Result], tmp_path: Path) -> None:
    found[0].row["source"] = "other"
    assert "DIFFERENT PROGRAMS" in written(found, tmp_path)["report.md"]


def test_a_trajectory_is_read_off_alphas_epoch_by_epoch(tmp_path: Path) -> None:
    config = SearchConfig(name="it", dataset="digits", search_space="nas-bench-201")
    draws = [Alphas(config.space, generator(seed)) for seed in range(4)]
    names = [f"normal_{node}" for node in range(3)]
    arrays = {
        name: np.stack([list(draw.parameters())[number].detach().numpy() for draw in draws[1:]])
        for number, name in enumerate(names)
    } | {f"initial_{name}": list(draws[0].parameters())[number].detach().numpy() for number, name in enumerate(names)}
    np.savez(tmp_path / "alphas.npz", **arrays)  # type: ignore[arg-type]
    course = trajectory(config, tmp_path / "alphas.npz")
    assert course is not None
    genotypes = [derive(config.space, draw.split(draw.weights().detach())) for draw in draws]
    assert list(course.genotypes) == genotypes[1:]

    def kept(before: Genotype) -> float:
        pairs = zip(before.operations(), genotypes[-1].operations(), strict=True)
        return sum(one == other for one, other in pairs) / 6

    assert course.kept_from_draw == pytest.approx(kept(genotypes[0]))
    assert course.kept_from_first_epoch == pytest.approx(kept(genotypes[1]))
    assert trajectory(config, tmp_path / "nothing.npz") is None


def test_alphas_are_refused_before_they_are_inflated_to_more_than_there_is_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig(name="it", dataset="digits", search_space="nas-bench-201")
    np.savez_compressed(tmp_path / "alphas.npz", normal_0=np.zeros((10**5, 1, 5), np.float32))
    monkeypatch.setattr("dadarts.data.memory.budget", lambda: 10**5)
    with pytest.raises(InputError, match=r"alphas\.npz: normal_0 declares 2\.0 MB of data; 0\.1 MB fit"):
        trajectory(config, tmp_path / "alphas.npz")


class _Page(HTMLParser):
    """What a browser makes of a page: its elements, and the text in them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.text += "\0"

    def handle_endtag(self, tag: str) -> None:
        self.text += "\0"

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_method_is_named_in_words_of_its_own() -> None:
    words = {name: in_words(name) for name in catalogue.METHODS}
    assert all(len(said) > 20 for said in words.values())
    assert len(set(words.values())) == len(words)
    assert not [said for said in words.values() if "partial" in said or "docs/" in said]
    assert in_words("dadarts:dal_factor=0.1") == f"{words['dadarts']} Here with dal_factor=0.1."
    assert in_words("of-a-plugin") == ""


@pytest.mark.usefixtures("_undrawn")
def test_a_table_on_the_page_has_its_numbers_flush_right(found: list[Result], tmp_path: Path) -> None:
    page = check(written(found, tmp_path)["report.html"], scripts=0)
    scores = next(table for table in page.all("table") if "cifar10 accuracy" in table.text)
    heads = [head for head in page.all("th") if head.attributes["scope"] == "col" and head.text in scores.text]
    assert {head.text for head in heads if head.attributes.get("class") == "number"} >= {"seeds", "mean", "median"}
    assert "method" in {head.text for head in heads if "class" not in head.attributes}


@pytest.mark.usefixtures("_undrawn")
def test_in_a_browser_no_table_sticks_out(found: list[Result], tmp_path: Path) -> None:
    for one in found:
        one.row.update(dataset="a-very-long-name-" * 12)
    written(found, tmp_path)
    with browser(tmp_path / "chromium") as driven:
        for width, dark in ((1280, False), (390, True)):
            driven.open(tmp_path / "report.html", width, dark=dark)
            assert driven.value("document.documentElement.scrollWidth") <= width
        assert not driven.complaints
        assert len(driven.requests) == 2


def test_names_from_outside_are_text_and_no_html_or_link_or_row(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>|=1&amp;[a](javascript:b).npz"
    why = "<script>\u2028| a row |\r# a title"
    (job,) = jobs_of(Protocol({}, None, Path("runs")), ["darts"], [0], ["nas-bench-201"], [name])
    found = [result(job, BEST, 1.0)]
    found[0].row.update(dataset=name, state="failed", why=why, data="f")
    texts = written(found, tmp_path)
    page = _Page()
    page.feed(texts["report.html"])
    assert not page.tags & {"img", "script"}
    check(texts["report.html"], scripts=0)
    assert f"\0{name}, training part\0" in page.text.replace("\n", "")
    assert f"\0{why}\0".replace("\r", "\n") in page.text
    markdown = texts["report.md"]
    assert "<" not in markdown
    assert "](" not in markdown
    assert "&lt;img src=x onerror=alert(1)&gt;\\|=1&amp;amp;[a]\\(javascript:b).npz, training part |" in markdown
    assert "| failed | 1 | &lt;script&gt; \\| a row \\| # a title |" in markdown


@given(st.text(st.sampled_from("='+-@\t\r\n＝ab,\""), min_size=1))
def test_no_cell_is_a_formula_and_every_text_can_be_had_back(text: str) -> None:
    written_to = io.StringIO()
    csv.writer(written_to).writerow([as_cell(text)])
    ((cell,),) = csv.reader(io.StringIO(written_to.getvalue(), newline=""))
    assert cell[0] not in "=+-@\t\r\n＝"
    assert cell.removeprefix("'") == text


def test_results_can_be_read_back_from_the_table(found: list[Result], tmp_path: Path) -> None:
    names = ["=1+1.npz", "'quoted", "plain", "-2"]
    for one, name in zip(found, names, strict=True):
        one.row["dataset"] = name
    results.write([one.row for one in found], tmp_path)
    with (tmp_path / "results.csv").open(newline="") as file:
        cells = [row["dataset"] for row in csv.DictReader(file)]
    assert cells == ["'=1+1.npz", "''quoted", "plain", "'-2"]
    assert [cell.removeprefix("'") for cell in cells] == names


def test_a_comparison_ends_with_a_small_table_of_the_best_first(found: list[Result]) -> None:
    said = io.StringIO()
    ending.show(found, said, Path("runs/compare/it/report.html"))
    title, head, first, second, last = said.getvalue().splitlines()
    best = f"{TABLE.query(BEST).scores['cifar10'].accuracy:.2f}"
    assert title.strip() == "nas-bench-201 on digits: nas-bench-201's cifar10 accuracy (%)"
    assert head.split() == ["method", "n", "mean", "95", "%", "interval", "median", "operation-pictures", "seconds"]
    assert first.split() == ["dadarts", "2", best, f"[{best},", f"{best}]", best, "5.00", "M", "10.0"]
    assert second.split()[0] == "darts"
    assert last == "report: runs/compare/it/report.html"
    assert max(map(len, said.getvalue().splitlines())) <= 110
    for one in found:
        one.row.update(truth_cifar10_accuracy=None, operation_pictures=None, seconds=None)
    said = io.StringIO()
    ending.show(found, said)
    assert said.getvalue().splitlines()[2].split() == ["darts", "0", "-", "-", "-", "-", "-"]


@pytest.mark.usefixtures("_undrawn")
def test_a_planned_margin_is_said_with_what_is_equal_within_it(found: list[Result], tmp_path: Path) -> None:
    for one in found:
        one.row["truth_cifar10_accuracy"] = 90.0
    report.write(found, provenance(["dadarts"], found, ()), tmp_path, Plan(0.25))
    text = (tmp_path / "report.md").read_text()
    assert "equal within 0.25, where two one-sided t-tests" in text
    assert "| equal within 0.25 |" in text
    with (tmp_path / "pairs.csv").open(newline="") as file:
        (pair,) = csv.DictReader(file)
    assert (pair["p_equal"], pair["verdict"]) == ("0.0", "equal within 0.25")


@pytest.mark.usefixtures("_undrawn")
def test_planned_pairs_are_tested_alone_and_as_one_family(found: list[Result], tmp_path: Path) -> None:
    report.write(found, provenance(["dadarts"], found, ()), tmp_path, Plan(family=(("dadarts", "darts"),)))
    text = (tmp_path / "report.md").read_text()
    assert "over 1 pair, the planned pairs alone" in text
    with (tmp_path / "pairs.csv").open(newline="") as file:
        (pair,) = csv.DictReader(file)
    assert (pair["first"], pair["second"]) == ("dadarts", "darts")
