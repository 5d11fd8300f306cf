"""`dadarts fit` through its command: what it does within its minutes, what it refuses, and how it goes on."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import Size
from dadarts.bundle import making
from dadarts.config.fitting import FitConfig
from dadarts.data import Chosen, DataRequest, load
from dadarts.errors import InputError, RunError
from dadarts.fitting import candidates, endings, entering, limits, loop, parts, plan, record, sizing, speed, trial
from dadarts.fitting.applying import Applicant
from dadarts.fitting.candidates import FAMILIES
from dadarts.pages import fit as pages
from dadarts.rundir.kinds import FINAL, FIT, TRAINING
from dadarts.rundir.lookup import network_file, word_of
from dadarts.runs.events import EpochDone, PartBegun
from dadarts.training import loop as training
from dadarts.training.export import load as load_network
from tests import commands
from tests.commands import modern, refusal, succeed
from tests.fitting.clocks import Ticking
from tests.pages.markup import check

WORDS = ["--dataset_portion", "0.1", "--threads", "1", "--workers", "0", "--device", "cpu"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two families at two tiny sizes, raced in seconds."""
    two = [
        candidates.Family(family.name, family.title, family.why, family.genotype, (Size(2, layers), Size(4, layers)))
        for family, layers in ((FAMILIES[0], 1), (FAMILIES[2], 3))
    ]
    monkeypatch.setattr(loop, "FAMILIES", two)
    monkeypatch.setattr(plan, "SHORTEST", 0.1)
    monkeypatch.setattr(speed, "SECONDS", 0.02)
    # However busy the machine is.
    monkeypatch.setattr("dadarts.fitting.training.LEAVES", 0.0)
    monkeypatch.chdir(tmp_path)
    commands.without_pictures(monkeypatch)


def test_candidates_race_and_the_winner_is_trained_on_everything_and_tested() -> None:
    outcome = succeed(modern, "fit", "digits", "--minutes", "0.05", *WORDS)
    folder = Path("runs/fit/digits")
    kept = record.read(folder)
    raced = {each.entrant: each.score for each in kept.trained if each.rung}
    assert len(raced) == 2
    final = kept.of(FINAL)
    assert final is not None
    assert raced[final.entrant] == max(raced.values())
    assert float(outcome.last_line) == json.loads((folder / "augment/final/metrics.json").read_text())["test_top1"]
    assert "nothing is searched: a search gets 20% of 15:00 or more (--searching always)" in outcome.err
    assert kept.search is None
    assert "; augmented by shifts of up to 1 pixel (--crop_padding)" in outcome.err
    assert "race 1 of 1, 2 of 2 candidates: a cell of separable convolutions" in outcome.err
    # What was guessed is said with its reason.
    assert "candidates are chosen by accuracy (no class has over 1.5 times its equal share) on " in outcome.err
    steps = r"^note: batches of 16 pictures \(the fewest\), 1 thread \(as asked for\), (float32|bf16) \([td]"
    assert re.search(steps, outcome.err, re.MULTILINE)
    assert "0:03 are too short for the folder of the network" in outcome.err
    assert "watch it: tensorboard --logdir runs/fit/digits\nuse it: dadarts predict digits PICTURES" in outcome.err
    assert "write it with `dadarts export digits`" in outcome.err
    assert "look at it: dadarts report digits" in outcome.err
    titles = {each.name: each.title for each in kept.entrants or ()}
    assert (folder / "result.txt").read_text().strip() == titles[final.entrant]
    network = Path("runs/fit/digits/augment/final/model.safetensors")
    for word in ("digits", "@digits", "runs/fit/digits", "runs/fit/digits/augment/final"):
        assert network_file(word, Path("runs")) == network
    (Path("runs/augment/digits")).mkdir(parents=True)
    Path("runs/augment/digits/model.safetensors").touch()
    with pytest.raises(InputError, match="digits is a training and a fit: give runs/augment/digits or runs/fit/dig"):
        network_file("digits", Path("runs"))
    # Of a name that a training has, too, the commands that are printed name the folder.
    assert word_of(FIT, "digits", Path("runs")) == "runs/fit/digits"
    assert word_of(TRAINING, "digits", Path("runs")) == "runs/augment/digits"
    shutil.rmtree("runs/augment/digits")
    assert "did you mean digits? In runs/fit: digits" in refusal(modern, "predict", "digit", "one.png")
    for words in (["export", "ghost"], ["predict", "ghost", "one.png"]):
        assert refusal(modern, *words).endswith("in runs/fit: digits")
    assert "did you mean @digits? In runs/fit: @digits" in refusal(modern, "show", "@digit")
    assert "did you mean digits?" in refusal(modern, "report", "digit")
    _check_page(kept)
    _check_listed(outcome.last_line)


def _check_listed(accuracy: str) -> None:
    (listed,) = [run for run in json.loads(succeed(modern, "runs", "--json").out) if run["kind"] == "fit"]
    assert (listed["name"], listed["dataset"], listed["state"]) == ("digits", "digits", "finished")
    assert listed["accuracy"] == float(accuracy)
    assert listed["seconds"] == record.read(Path("runs/fit/digits")).spent
    (line,) = [line for line in succeed(modern, "runs").out.splitlines() if line.startswith("fit ")]
    assert f"{float(accuracy):.2%} test" in line
    # What has ended is said again, by the data or the name alone.
    for words in (["digits"], ["--name", "digits"]):
        assert succeed(modern, "fit", *words, "--resume").last_line == accuracy
    Path("runs/fit/digits/fit.json").write_text("{")
    assert next(run for run in json.loads(succeed(modern, "runs", "--json").out))["state"] == "damaged"


def _check_page(kept: record.Record) -> None:
    """The fit's name and its folder give the same page: verdict, the raced, and the training of the winner."""
    paths = [Path(succeed(modern, "report", word).out.strip()) for word in ("digits", "runs/fit/digits")]
    # A search of the name may be on the one, the fit is on the other.
    assert [path.name for path in paths] == ["digits.html", "digits-fit.html"]
    pages = [path.read_text() for path in paths]
    assert pages[0] == pages[1]
    page = check(pages[0])
    (verdict,) = [element.text for element in page.all("p") if element.attributes.get("class") == "verdict"]
    final = kept.of(FINAL)
    (winner,) = [each.title for each in kept.entrants or () if final and each.name == final.entrant]
    assert verdict.startswith(f"Nothing was searched: the network is {winner}. The network gets")
    assert "test pictures right" in verdict
    (table,) = [element.text for element in page.all("table") if element.attributes.get("class") == "candidates"]
    for entrant in kept.entrants or ():
        assert entrant.title in table
        score = next(each.score for each in kept.trained if each.entrant == entrant.name and each.rung == 1)
        assert f"{100 * score:.1f}" in table
    assert f"training {FINAL}" in [element.text.strip() for element in page.all("h2")]
    typed, alone = [element.text for element in page.all("code") if "-command" in element.attributes["id"]]
    assert shlex.split(typed) == ["dadarts", "fit", "digits", "--minutes", "0.05", *WORDS]
    assert alone.startswith("for event in dadarts.train(dadarts.TrainConfig(name='digits-final'")
    assert "runs_dir" not in alone


def test_a_fit_leaves_its_network_and_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "WRITING", 1e9)
    monkeypatch.setattr(making, "FORMS", making.FORMS[:1])
    # What it takes is left of the minutes; here nothing is.
    monkeypatch.setattr(endings, "EXPORT", replace(endings.EXPORT, seconds=0.0))
    monkeypatch.setattr(pages, "_PAGE", replace(pages._PAGE, seconds=0.0))
    outcome = succeed(modern, "fit", "digits", "--minutes", "0.03", *WORDS)
    assert "or without dadarts: runs/fit/digits/model" in outcome.err
    assert "look at it: runs/fit/digits/report.html" in outcome.err
    assert "writing the page" in outcome.err
    network = load_network(Path("runs/fit/digits/model/model.safetensors"))
    picture = torch.zeros((1, 1, 8, 8), dtype=torch.uint8)
    own = load_network("digits")
    assert torch.equal(network.predict_proba(picture), own.predict_proba(picture))
    card = Path("runs/fit/digits/model/card.md").read_text()
    assert "# digits\n\nA network (a ResNet) that tells 10 classes" in card or "(a cell of separable conv" in card
    judging = next(each.pictures for each in record.read(Path("runs/fit/digits")).trained if each.rung)
    assert f"\nValidation part: {judging} of the training pictures, as large a share of each class, held out" in card
    typed, alone = re.findall(r"```shell\n(.*)\n```", card)
    assert typed == shlex.join(["dadarts", "fit", "digits", "--minutes", "0.03", *WORDS])
    assert alone.startswith("dadarts train --name digits --dataset digits ")
    check(Path("runs/fit/digits/report.html").read_text())


def test_what_cannot_be_written_does_not_cost_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(folder: Path) -> Iterator[str]:
        yield from ()
        raise RunError(f"cannot write {folder}: full")

    monkeypatch.setattr(plan, "WRITING", 1e9)
    monkeypatch.setattr(endings, "EXPORT", replace(endings.EXPORT, seconds=0.0, write=failing))
    monkeypatch.setattr(pages, "_PAGE", replace(pages._PAGE, seconds=0.0, write=failing))
    outcome = succeed(modern, "fit", "digits", "--minutes", "0.005", *WORDS)
    assert "0:00 are few: a ResNet is trained; from 0:01 on all 2 race" in outcome.err
    assert "candidates are chosen by" not in outcome.err
    assert "the folder of the network was not written: cannot write runs/fit/digits: full" in outcome.err
    assert 0 <= float(outcome.last_line) <= 1


def test_the_test_part_is_not_among_what_candidates_are_chosen_by() -> None:
    data = load(DataRequest("digits", workers=0))
    racing = parts.racing(data, seed=1)
    pictures = {picture.numpy().tobytes() for picture in data.train.take(torch.arange(len(data.train)))}
    own = [
        picture.numpy().tobytes()
        for part in (racing.train, racing.test)
        for picture in part.take(torch.arange(len(part)))
    ]
    assert len(own) == len(data.train)
    assert set(own) == pictures
    assert len(racing.test) == pytest.approx(len(data.train) / 5, abs=10)
    assert racing.train.labels.bincount().tolist() == pytest.approx(
        [count * 4 / 5 for count in data.train.labels.bincount().tolist()], abs=1
    )


def test_a_fit_that_is_stopped_goes_on_with_what_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["fit", "digits", "--minutes", "0.05", *WORDS]
    with commands.stop_after(6, signal.SIGTERM, monkeypatch):
        stopped = commands.call(modern, *words)
    assert stopped.code == 128 + signal.SIGTERM
    assert "go on with: dadarts fit digits" in stopped.err
    before = record.read(Path("runs/fit/digits"))
    listed = succeed(modern, "runs").out
    assert "go on with: dadarts fit --name digits --resume" in listed
    resumed = succeed(modern, "fit", "--name", "digits", "--resume")
    assert "0:03 for everything" in resumed.err
    after = record.read(Path("runs/fit/digits"))
    assert after.entrants == before.entrants
    assert after.trained[: len(before.trained)] == before.trained
    assert after.spent > before.spent
    again = succeed(modern, *words, "--resume")
    assert record.read(Path("runs/fit/digits")) == after
    assert again.last_line


def test_what_is_left_is_known_at_once_where_a_last_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock ticks at every event; without a race most of them are the last training's.
    monkeypatch.setattr(plan, "SHORTEST", 100.0)
    config = FitConfig(dataset="digits", minutes=10, workers=0, threads=1, device="cpu", dataset_portion=0.1)
    folder = Path("runs/fit/digits")
    with closing(loop.fit(config, clock=Ticking(5.0))) as events:  # type: ignore[type-var]
        next(event for event in events if isinstance(event, EpochDone))
    kept, epochs = record.read(folder), trial.folder_of(folder, FINAL).saved_config().settings["epochs"]

    def left() -> float:
        with closing(loop.fit(config, clock=Ticking(5.0, now=1e6), resume=True)) as again:  # type: ignore[type-var]
            return next(event.left for event in again if isinstance(event, PartBegun))

    assert left() == pytest.approx(600 - kept.spent, abs=30)
    # A process that is killed has not put down its last seconds, and does again what it did in them.
    replace(kept, spent=600.0).write(folder)
    assert epochs > 3
    (row,) = commands.history(folder / "augment" / FINAL)
    assert left() == pytest.approx((epochs - 2) * float(row["seconds"]), rel=0.01)


def test_a_measurement_is_said_before_it_is_taken() -> None:
    said = succeed(modern, "fit", "digits", "--minutes", "0.01", *WORDS).err.splitlines()
    begun = next(
        number for number, line in enumerate(said) if "measuring how large a ResNet these minutes train" in line
    )
    assert said[begun + 1].startswith("note: a ResNet: ")
    assert re.search(r"\([a-z].*\), trained at about [\d,]+ pictures/s: two 3x3", said[begun + 1])
    notes = [line for line in said if line.startswith("note: ")]
    assert len(notes) == len(set(notes))


def _pictures(folder: str, counts: Mapping[str, int], side: int = 8) -> None:
    draws = np.random.default_rng(1)
    for name, count in counts.items():
        Path(folder, name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(draws.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(
                f"{folder}/{name}/{number}.png"
            )


@pytest.mark.parametrize(
    ("counts", "judging"),
    [({"a": 3, "b": 3}, 0), ({"a": 4, "b": 3}, 1), ({"a": 2, "b": 30}, 5), ({"a": 32, "b": 32}, 10)],
)
def test_few_pictures_are_fitted_too(counts: dict[str, int], judging: int) -> None:
    _pictures("few", counts)
    # Of fewer than 50 none is skipped.
    broken = sum(counts.values()) > 50
    if broken:
        Path("few/a/broken.png").write_bytes(b"\x89PNG")
    asked = ["--searching", "always" if judging <= 1 else "never"]
    said = succeed(modern, "fit", "few", "--minutes", "0.02", "--threads", "1", "--device", "cpu", *asked)
    assert 0 <= float(said.last_line) <= 1
    assert said.err.partition("measuring how large")[0].count("note: skipped a picture") == broken
    assert said.err.count("skipped a picture") == broken
    # Nobody sets these of a fit.
    assert not re.search("--(batch_size|lr|class_weights|epochs)", said.err)
    if counts == {"a": 2, "b": 30}:
        assert "try more --minutes, more pictures, or --flip none" in said.err
    raced = {each.entrant for each in record.read(Path("runs/fit/few")).trained if each.rung}
    if judging:
        assert f"on {judging} of the training pictures" in said.err
        assert len(raced) == 2
    else:
        assert "no class has a third training picture, to judge candidates by: a ResNet is trained" in said.err
        assert "nothing is searched: no pictures are left to judge by what was found" in said.err
        assert not raced


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"a": 1, "b": 2, "c": 30}, "few: class a has a single training picture; every class needs two or more"),
        (
            {"a": 2, "b": 30},
            "auc needs pictures of both classes in the test part, and it would have none of a: give more",
        ),
        ({"a": 3, "b": 30}, "auc needs pictures of both classes in the validation part, and it would have none of a"),
        ({"a": 1, "b": 1}, "2 pictures are too few to hold out a test part; give 3 or more of a class"),
    ],
)
def test_too_few_pictures_are_refused(counts: dict[str, int], said: str) -> None:
    _pictures("few", counts)
    assert said in refusal(modern, "fit", "few", "--minutes", "0.02", "--metric", "auc" if "auc" in said else "auto")


def test_another_budget_is_not_gone_on_with() -> None:
    succeed(modern, "fit", "digits", "--minutes", "0.02", *WORDS)
    said = refusal(modern, "fit", "digits", "--minutes", "0.03", *WORDS, "--resume")
    assert "--minutes is 0.02 in the run and 0.03 here" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--minutes", "0"], "--minutes 0: give a number above 0"),
        (["--resume"], "there is no run runs/fit/digits to resume"),
        (["--minute", "3"], "unknown flag --minute. Did you mean '--minutes'?"),
        (["--epochs", "3"], "unknown flag --epochs. Did you mean '--minutes'?"),
        (["--dataset", "mnist"], "DATASET is given without a flag: dadarts fit DATASET"),
        (["photos"], "unexpected 'photos' after 'digits': dadarts fit takes one DATASET; put quotes around a path"),
        (["--metric", "auc"], "--metric auc is for two classes, and digits has 10"),
        (
            ["--max_parameters", "300"],
            "no network that is tried keeps to --max_parameters 300 (the smallest found has ",
        ),
        (["--max_multiply_adds", "1k"], "no network that is tried keeps to --max_multiply_adds 1,000"),
    ],
)
def test_what_cannot_be_done_is_refused(words: list[str], said: str) -> None:
    assert said in refusal(modern, "fit", "digits", *WORDS, *words)


def test_a_latency_that_no_network_keeps_to_is_refused_and_leaves_nothing() -> None:
    outcome = commands.call(modern, "fit", "digits", *WORDS, "--max_latency_ms", "1e-5")
    measuring, refused = outcome.err.splitlines()
    assert measuring == "measuring latencies; 10:00 left for everything"
    commands.check_refusal(replace(outcome, err=refused))
    assert re.search(r"keeps to --max_latency_ms 1e-05 \(the smallest found has [\d.]+\)", refused)
    assert not Path("runs").exists()


def test_a_fit_to_go_on_with_must_be_named() -> None:
    assert "give the data of the fit to go on with, or its --name" in refusal(modern, "fit", "--resume")
    assert "DATASET must be given" in refusal(modern, "fit", "--minutes", "3")


def test_latencies_are_few_and_cheap_and_said_before_they_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "prediction_of", lambda network: network.macro.channels / 1000)
    real, measured = limits.latency_ms, list[tuple[str, int]]()

    def latency_ms(genotype: Genotype, macro: Macro) -> float:
        measured.append((genotype.syntax, macro.channels))
        return real(genotype, macro)

    monkeypatch.setattr(limits, "latency_ms", latency_ms)
    said = succeed(modern, "fit", "digits", "--minutes", "0.005", *WORDS, "--max_latency_ms", "3").err.splitlines()
    assert said[0].startswith("measuring latencies; 0:00 left")
    assert said[1].startswith("read digits")
    # Of each family the smallest size tells that it may enter; of the one that is trained that of its size.
    assert measured[:2] == [("nas-bench-201", 2), ("darts", 2)]
    assert len(measured) == len(set(measured)) <= 3
    (entrant,) = record.read(Path("runs/fit/digits")).entrants or ()
    assert entrant.channels == 2
    # What has entered is not measured again.
    measured.clear()
    Path("runs/fit/digits/result.txt").unlink()
    assert "measuring latencies" not in succeed(modern, "fit", "digits", "--resume").err
    assert not measured


def test_a_stop_while_latencies_are_measured_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "latency_ms", lambda *_: signal.raise_signal(signal.SIGTERM))
    stopped = commands.call(modern, "fit", "digits", *WORDS, "--max_latency_ms", "3")
    assert stopped.code == 128 + signal.SIGTERM
    assert "stopped at once, before a first checkpoint: nothing was saved" in stopped.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("family", candidates.FAMILIES, ids=lambda family: family.name)
def test_the_first_size_of_a_family_is_its_cheapest(family: candidates.Family) -> None:
    first = family.sizes[0]
    genotype = Genotype.parse(family.genotype)
    # Of more channels there are more parameters and multiply-adds at every depth.
    assert first.channels == min(size.channels for size in family.sizes)
    own = [
        count_costs(genotype, Macro(size.channels, size.layers, (1, 8, 8), 10))
        for size in family.sizes
        if size.channels == first.channels
    ]
    assert own[0].parameters == min(costs.parameters for costs in own)
    assert own[0].multiply_adds == min(costs.multiply_adds for costs in own)


def test_the_network_keeps_to_its_limits() -> None:
    succeed(modern, "fit", "digits", "--minutes", "0.02", *WORDS, "--max_parameters", "2500")
    metrics = json.loads(Path("runs/fit/digits/augment/final/metrics.json").read_text())
    assert metrics["parameters"] <= 2500


def test_without_memory_for_a_batch_half_of_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = training.train, []

    def train(config, **given):  # type: ignore[no-untyped-def]
        asked.append(config.batch_size)
        if config.batch_size > 8:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        yield from real(config, **given)

    monkeypatch.setattr(trial, "train", train)
    succeed(modern, "fit", "digits", "--minutes", "0.02", *WORDS)
    assert asked[0] == 16
    assert record.read(Path("runs/fit/digits")).batch_size == 8


def test_a_class_that_is_too_frequent_is_judged_by_the_balanced_accuracy() -> None:
    data = load(DataRequest("digits", workers=0))
    assert entering.metric(FitConfig(dataset="digits"), data) == "accuracy"
    zeros = Chosen(data.train, torch.cat([(data.train.labels == 0).nonzero()[:, 0], torch.arange(200)]))
    frequent = replace(data, train=zeros)
    assert entering.metric(FitConfig(dataset="digits"), frequent) == "balanced_accuracy"
    asked = FitConfig(dataset="digits", metric="macro_f1")
    assert entering.metric_in_words(asked, entering.metric(asked, data)) == "macro F1 (as asked for)"
    said = entering.metric_in_words(FitConfig(dataset="digits"), "balanced_accuracy")
    assert said == "balanced accuracy (a class has over 1.5 times its equal share)"


def test_a_rare_class_is_named_where_nobody_has_said_what_counts() -> None:
    data = load(DataRequest("digits", workers=0))
    config = FitConfig(dataset="digits")
    assert entering.rare_class(config, data) is None
    zeros = (data.train.labels == 0).nonzero()[:, 0]
    others = (data.train.labels != 0).nonzero()[:, 0]
    rare = replace(data, train=Chosen(data.train, torch.cat([zeros[:20], others])))
    said = entering.rare_class(config, rare)
    assert said is not None
    assert said.startswith(
        f"0 has 20 of {len(others) + 20:,} training pictures, and pictures weigh alike: give -metric"
    )
    assert entering.rare_class(FitConfig(dataset="digits", metric="accuracy"), rare) is None


@pytest.mark.parametrize(
    ("dataset", "name"), [("digits", "digits"), ("a/b/My flowers.npz", "My-flowers"), ("here/", "here"), ("../x", "x")]
)
def test_a_fit_is_called_like_its_data(dataset: str, name: str) -> None:
    assert FitConfig(dataset=dataset).name == name


def test_dense_cells_train_in_bfloat16_where_that_pays_and_nothing_else_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resnet, separable = (Genotype.parse(FAMILIES[number].genotype) for number in (0, 2))
    monkeypatch.setattr(trial, "lowers_well", lambda _: True)
    config = FitConfig(dataset="digits", device="cpu")
    assert trial.precision(config, resnet, 8) == "bf16"
    assert trial.precision(config, resnet, 7) == "float32"
    assert trial.precision(config, separable, 8) == "float32"
    assert trial.precision(FitConfig(dataset="digits", device="cpu", precision="float32"), resnet, 8) == "float32"
    monkeypatch.setattr(trial, "lowers_well", lambda _: False)
    assert trial.precision(config, resnet, 8) == "float32"


@pytest.mark.parametrize(
    ("limit", "speed", "channels", "bound"),
    [
        (None, 1e9, 16, "the largest that is tried"),
        (None, 0.0, 4, r"the smallest, for which there is no time for \d+ epochs"),
        (None, None, 8, r"a larger one has no time for \d+ epochs"),
        ("parameters", 1e9, 8, "to keep to -max_parameters"),
        ("multiply_adds", 1e9, 8, "to keep to -max_multiply_adds"),
        ("latency_ms", 1e9, 8, "to keep to -max_latency_ms"),
    ],
)
def test_a_candidate_says_what_keeps_it_from_being_larger(
    limit: str | None, speed: float | None, channels: int, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(FAMILIES[0], sizes=tuple(Size(each, 1) for each in (4, 8, 16)))
    racing = parts.racing(load(DataRequest("digits", workers=0)), seed=1)
    seconds = 10.0
    needed = sizing.epochs_wanted(len(racing.train), seconds) * len(racing.train) / seconds

    def _speed(applicant: Applicant, size: Size, batch: int) -> float:
        return needed * 10 / size.channels if speed is None else speed

    monkeypatch.setattr(Applicant, "_speed", _speed)
    monkeypatch.setattr(limits, "latency_ms", lambda _, macro: macro.channels / 1000)
    most = count_costs(Genotype.parse(own.genotype), Macro(8, 1, (1, 8, 8), 10))
    # The one that is limited is as much as eight channels have, the other is more than any size has.
    values = {"parameters": most.parameters, "multiply_adds": most.multiply_adds, "latency_ms": 0.008}
    limited: dict[str, float] = {"max_parameters": 10**9, "max_multiply_adds": 10**9, "max_latency_ms": 1e6}
    limited |= {f"max_{name}": value for name, value in values.items() if name == limit}
    config = FitConfig(dataset="digits", device="cpu", **(limited if limit else {}))
    entrant = Applicant(own, racing, config, lambda: 0.0).entrant(16, seconds)
    assert entrant.channels == channels
    assert re.fullmatch(bound, entrant.bound)


def test_a_candidate_is_trained_as_it_entered() -> None:
    own = FAMILIES[0]
    entrant = record.Entrant("it", own.name, own.title, own.why, own.genotype, 4, 1, 1.0, "bf16", "balanced")
    settings = trial.settings(FitConfig(dataset="digits"), Path(), "it", entrant, 2, 8)
    assert (settings.precision, settings.class_weights) == ("bf16", "balanced")


def test_classes_weigh_alike_where_they_are_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    for metric, weights in (("balanced_accuracy", "balanced"), ("accuracy", "none")):
        said = succeed(modern, "fit", "digits", "--minutes", "0.03", "--metric", metric, *WORDS, "--overwrite").err
        kept = record.read(Path("runs/fit/digits"))
        assert {entrant.class_weights for entrant in kept.entrants or ()} == {weights}
        # What was asked for is said first.
        measured = [
            line.split(" accuracy")[0] for line in said.splitlines() if re.match("(balanced|test) accuracy ", line)
        ]
        assert measured == (["balanced", "test"] if metric == "balanced_accuracy" else ["test", "balanced"])
        page = check(Path(succeed(modern, "report", "digits").out.strip()).read_text())
        (verdict,) = [element.text for element in page.all("p") if element.attributes.get("class") == "verdict"]
        assert ("The network has balanced accuracy " in verdict) == (metric == "balanced_accuracy")
