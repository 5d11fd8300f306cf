"""The page of runs: it stands alone, says what the runs say, and no name in it is more than text."""

from __future__ import annotations

import ast
import base64
import io
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax

from dadarts import main
from dadarts.architecture.genotype import Genotype
from dadarts.cli.configs import CONFIGS
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.calls import in_python
from dadarts.data import DataRequest, load
from dadarts.pages import common, finding, gather, pictures
from dadarts.report.page import frames
from dadarts.rundir.kinds import SEARCH, TRAINING
from dadarts.training.export import load as load_network
from tests.browser import Browser, browser
from tests.commands import alphas, history, modern, refusal, succeed, without_pictures
from tests.data.samples import noise, write_picture
from tests.pages.markup import Page, check

HOSTILE = ("<script>window.hit=1;<", "\"><img src=x onerror='window.hit=1'>", "{{ 7*7 }}&amp;")
NAME = "<b onclick=hit>"
SIZE = ["--init_channels", "2", "--layers", "1", "--batch_size", "8", "--workers", "0", "--threads", "1"]
SPACE = ["--search_space", "nas-bench-201", "--method", "darts-first-order"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a search of pictures whose classes have hostile names, and the training of what it found."""
    folder = tmp_path_factory.mktemp("place")
    for number, name in enumerate(HOSTILE):
        for picture, pixels in enumerate(noise(15, 8, 8, 3, seed=number)):
            write_picture(folder / "data" / name / f"{picture}.png", pixels)
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        succeed(modern, "search", "--name", NAME, "--dataset", "data", "--epochs", "3", *SPACE, *SIZE)
        words = ["--name", NAME, "--dataset", "data", "--genotype", f"@{NAME}", "--epochs", "2"]
        succeed(modern, "train", *words, "--valid_fraction", "0.2", *SIZE)
        yield folder


@pytest.fixture(scope="module")
def page(place: Path) -> Page:
    return check(written())


def written(*words: str) -> str:
    """The page of the runs, from the path that the command prints."""
    return Path(succeed(modern, "report", NAME, *words).out.rstrip("\n")).read_text()


def test_the_page_stands_alone_and_shows_search_and_training(page: Page) -> None:
    headings = [element.text for element in page.elements if element.tag in ("h2", "h3")]
    wanted = ["The cell", "From epoch to epoch", "Curves", "Classes", "What is taken for what", "The mistakes it is"]
    wanted += ["The pictures", "What it costs", "The command"]
    for words in wanted:
        assert any(heading.startswith(words) for heading in headings), words
    assert {f"search {NAME}", f"training {NAME}"} <= {heading.strip() for heading in headings}


def test_names_of_classes_and_runs_are_text_and_nothing_else(page: Page) -> None:
    (confusion,) = [table for table in page.all("table") if table.attributes.get("class") == "heat square"]
    for name in HOSTILE:
        assert name in confusion.text
    assert page.all("title")[0].text == f"{NAME} – dadarts report"
    assert all(image.attributes["src"].startswith("data:image/") for image in page.all("img"))


def test_the_first_sentence_has_the_accuracy_and_the_costs(page: Page, place: Path) -> None:
    metrics = json.loads((TRAINING.folder(Path("runs"), NAME) / "metrics.json").read_text())
    (verdict,) = [element for element in page.all("p") if element.attributes.get("class") == "verdict"]
    assert f"{100 * metrics['test_top1']:.1f}" in verdict.text
    assert f"{metrics['parameters']:,} parameters" in verdict.text
    assert f"Always answering {metrics['majority_class']}" in verdict.text


def test_the_slider_shows_what_alphas_say_of_every_epoch(place: Path) -> None:
    (begun,) = finding.begun([str(SEARCH.folder(Path("runs"), NAME))], Path("runs"))
    account = gather.page_of([str(begun.run.path)], Path("runs"), "").accounts[0]
    assert account.evolution is not None
    evolution = account.evolution
    assert evolution.epochs == (1, 2, 3)
    assert evolution.genotypes[-1] == Genotype.parse((begun.run.path / "genotype.txt").read_text())
    saved = alphas(begun.run.path)
    W = softmax(np.concatenate([saved[f"normal_{node}"] for node in range(3)], axis=1), axis=-1)
    np.testing.assert_allclose(evolution.mixtures["normal"].weights, W, atol=1e-6)
    (shown,) = frames.player(evolution).maps
    assert shown.weights[1] == tuple(np.rint(100 * W[1]).astype(int).flatten().tolist())
    best = [5 * edge + int(np.argmax(row)) for edge, row in enumerate(W[2])]
    assert sorted(shown.chosen) == best, "one operation an edge: the one of the largest weight"


def test_the_heat_map_on_the_page_is_that_of_the_last_epoch(page: Page, place: Path) -> None:
    saved = alphas(SEARCH.folder(Path("runs"), NAME))
    W = softmax(np.concatenate([saved[f"normal_{node}"][-1] for node in range(3)]), axis=-1)
    cells = page.having("data-place")
    assert [int(cell.text) for cell in cells] == np.rint(100 * W).astype(int).flatten().tolist()


def test_curves_end_where_history_does_and_their_numbers_are_in_a_table(page: Page, place: Path) -> None:
    rows = history(SEARCH.folder(Path("runs"), NAME))
    labels = [drawing.attributes["aria-label"] for drawing in page.all("svg")]
    entropy = next(label for label in labels if label.startswith("Entropy over epochs"))
    assert f"{float(rows[-1]['alpha_entropy']):.4g} at epoch 3" in entropy
    tables = [table.text for table in page.all("table")]
    numbers = next(text for text in tables if text.strip().startswith(f"What the curves of {NAME} show"))
    assert f"{float(rows[1]['train_loss'] or 0):.4g}" in numbers or f"{float(rows[1]['alpha_entropy']):.4g}" in numbers


def test_mistakes_are_the_wrong_answers_that_the_network_is_surest_of(page: Page, place: Path) -> None:
    data, network = load(DataRequest("data")), load_network(NAME)
    probabilities = network.predict_proba(data.test.take(torch.arange(len(data.test))))
    wrong = (probabilities.argmax(dim=1) != data.test.labels).nonzero().flatten().tolist()
    wrong.sort(key=lambda place: -float(probabilities[place].max()))
    images = page.all("img")
    assert wrong
    assert len(images) == len(wrong)
    for image, number in zip(images, wrong, strict=True):
        truth, answer = data.test.labels[number], probabilities[number].argmax()
        named = f"Test picture {number + 1}: {data.classes[int(truth)]}, taken for {data.classes[int(answer)]}"
        assert image.attributes["alt"] == named
        content = base64.b64decode(image.attributes["src"].partition(",")[2])
        pixels = np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)
        np.testing.assert_array_equal(pixels, data.test.take(torch.tensor([number]))[0].numpy())


def test_the_command_on_the_page_is_what_was_typed(page: Page) -> None:
    search, training = [element.text for element in page.all("code") if element.attributes["id"].endswith("-command")]
    assert shlex.split(search)[:4] == ["dadarts", "search", "--name", NAME]
    searched, trained = (common.config_of(each).to_json() for each in finding.begun([NAME], Path("runs")))
    for again, as_begun in (
        (main.search_config(shlex.split(search)[2:]).to_json(), searched),
        (main.train_config(shlex.split(training)[2:]).to_json(), trained),
    ):
        # What is left to the data and to the number of steps is settled when the data has been read.
        decided = {name for name, value in again.items() if value != "auto"}
        assert {name: as_begun[name] for name in decided} == {name: again[name] for name in decided}


def test_a_run_of_which_no_command_is_known_is_told_in_python(place: Path) -> None:
    for begun in finding.begun([NAME], Path("runs")):
        config = common.config_of(begun)
        (loop,) = ast.parse(in_python(config)).body
        assert isinstance(loop, ast.For)
        assert isinstance(loop.iter, ast.Call)
        (call,) = loop.iter.args
        assert isinstance(call, ast.Call)
        values = {word.arg or "": ast.literal_eval(word.value) for word in call.keywords}
        kind: type[SearchConfig | TrainConfig] = TrainConfig if begun.saved.is_training else SearchConfig
        assert ast.unparse(call.func) == f"dadarts.{kind.__name__}"
        assert kind(**values) == config


def test_without_pictures_the_data_set_is_not_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "load", None)
    page = check(written("--without_pictures", "--output", "bare.html"))
    assert not page.all("img")
    assert "They are left out" in page.all("main")[0].text
    assert "not asked for (--without_pictures)" in page.all("main")[0].text


def test_a_doubt_names_flags_with_two_dashes(place: Path) -> None:
    saved = SEARCH.folder(Path("runs"), NAME) / "genotype.json"
    before = saved.read_text()
    doubted = json.loads(before)
    doubted["verdict"]["warnings"] = ["locked: every choice is the first; train weights first (-alpha_warm_up)"]
    try:
        saved.write_text(json.dumps(doubted))
        assert "train weights first (--alpha_warm_up)" in check(written("--output", "doubt.html")).all("main")[0].text
    finally:
        saved.write_text(before)


def test_pictures_that_have_gone_or_changed_are_said_to_have(place: Path) -> None:
    moved = Path("data").rename("elsewhere")
    try:
        gone = check(written("--output", "gone.html"))
        for picture in Path("elsewhere").rglob("1*.png"):
            target = Path("data", *picture.parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture.read_bytes())
        changed = check(written("--output", "changed.html"))
    finally:
        for picture in Path("data").rglob("*.png"):
            picture.unlink()
        for folder in sorted(Path("data").rglob("*"), reverse=True):
            folder.rmdir()
        Path("data").rmdir()
        moved.rename("data")
    assert "The pictures are left out" in gone.all("main")[0].text
    assert "holds other training pictures now" in changed.all("main")[0].text


def test_runs_stand_side_by_side_with_the_settings_in_which_they_differ(place: Path) -> None:
    succeed(modern, "search", "--name", "other", "--dataset", "data", "--epochs", "1", "--seed", "7", *SPACE, *SIZE)
    page = check(Path(succeed(modern, "report", NAME, "other").out.strip()).read_text())
    settings = next(table for table in page.all("table") if "Settings in which" in table.text)
    assert re.search(r"seed\s*42\s*42\s*7", settings.text)
    assert "Searches: accuracy on the validation part" in page.all("main")[0].text


@pytest.mark.parametrize("kind", ["finished", "stopped"])
def test_searches_of_before_there_were_pages_have_one(kind: str, place: Path) -> None:
    old = Path(__file__).parents[1] / "data" / "runs-before" / "search" / kind
    text = Path(succeed(modern, "report", str(old), "--without_pictures").out.strip()).read_text()
    assert "The search" in check(text).all("main")[0].text


def test_what_is_no_run_is_refused_with_the_nearest_name(place: Path) -> None:
    assert "did you mean" in refusal(modern, "report", NAME + "x")
    assert "dadarts runs" in refusal(modern, "report", "nothing-like-it")
    assert "a folder that there is" in refusal(modern, "report", NAME, "--output", "no/where.html")


def test_settings_that_cannot_be_are_refused(place: Path) -> None:
    folder = TRAINING.folder(Path("runs"), NAME)
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["epochs"] = -1
    damaged = Path("damaged")
    damaged.mkdir()
    (damaged / "config.json").write_text(json.dumps(config))
    assert "epochs" in refusal(modern, "report", "./damaged")
    assert set(CONFIGS) == {SEARCH, TRAINING}


@pytest.fixture(scope="module")
def driven(place: Path, page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


PAGE = Path("runs") / "report" / f"{NAME}.html"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_in_a_browser_nothing_complains_loads_or_sticks_out(driven: Browser, width: int, dark: bool) -> None:
    driven.open(PAGE, width, dark=dark)
    assert driven.value("document.documentElement.scrollWidth") <= width
    paper = driven.value("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
    assert driven.value("window.hit") is None
    assert not driven.complaints
    assert set(driven.requests) == {PAGE.resolve().as_uri()}


def test_in_a_browser_the_keyboard_moves_through_the_epochs(driven: Browser) -> None:
    driven.open(PAGE)
    driven.value("document.querySelector('input[type=range]').focus()")
    saved = alphas(SEARCH.folder(Path("runs"), NAME))
    W = softmax(np.concatenate([saved[f"normal_{node}"] for node in range(3)], axis=1), axis=-1)
    for keys, epoch in (("Home",), 1), (("ArrowRight",), 2), (("End",), 3):
        driven.press(*keys)
        assert driven.value("document.querySelector('[data-epoch]').textContent") == str(epoch)
        assert driven.value("document.activeElement.getAttribute('aria-valuetext')") == f"epoch {epoch}"
        shown = driven.value("[...document.querySelectorAll('[data-place]')].map(cell => +cell.textContent)")
        assert shown == np.rint(100 * W[epoch - 1]).astype(int).flatten().tolist()
        assert driven.value("document.querySelectorAll('.frame:not([hidden])').length") == 1
        marks = driven.value("[...document.querySelectorAll('#run-1 .now')].map(line => +line.getAttribute('x1'))")
        assert len(set(marks)) == 1
    assert not driven.complaints


def test_in_a_browser_the_buttons_play_and_copy(driven: Browser) -> None:
    driven.open(PAGE)
    driven.value("document.querySelector('[data-play]').focus()")
    driven.press("Enter")
    assert driven.value("document.querySelector('[data-epoch]').textContent") == "1"
    assert driven.value("document.activeElement.getAttribute('aria-pressed')") == "true"
    driven.press("Enter")
    assert driven.value("document.activeElement.getAttribute('aria-pressed')") == "false"
    driven.value("document.querySelector('[data-copy$=command]').click()")
    said = driven.value(
        "new Promise(done => setTimeout(() => done(document.querySelector('[data-said]').textContent), 100))"
    )
    assert said.startswith(("Copied", "Selected"))
    assert not driven.complaints


def test_in_a_browser_a_screen_reader_is_told_of_all_that_is_drawn(driven: Browser) -> None:
    driven.open(PAGE)
    told = driven.accessible()
    roles = [role for role, _ in told]
    assert ("slider", "Epoch") in told
    assert all(name for role, name in told if role in ("image", "img", "slider", "button", "link", "region", "table"))
    assert {"main", "banner", "navigation", "contentinfo", "table", "columnheader", "rowheader"} <= set(roles)
