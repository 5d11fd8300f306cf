"""What a page says of a training."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from dadarts.cli.show import NetworkCost
from dadarts.config import TrainConfig
from dadarts.errors import in_flags
from dadarts.fitting import record
from dadarts.pages import common, fitted
from dadarts.pages.finding import Begun
from dadarts.pages.pictures import Reader, data_of, mistakes_of
from dadarts.report.page.charts import percent, short
from dadarts.report.page.content import Account, Candidate, Confusion, Mistakes, Table
from dadarts.report.page.figures import seconds
from dadarts.rundir.called import fit_ending_with
from dadarts.rundir.history import TRAINING_PANELS, Row
from dadarts.training import export, metrics
from dadarts.training.metrics import Assessment

_MOST_CLASSES = 200


@dataclass(frozen=True)
class Trained:
    """A training on a page.

    Args:
        tested_on: what only trainings that were tested on the same pictures share.
    """

    account: Account
    candidate: Candidate
    tested_on: Hashable


@dataclass(frozen=True)
class _Result:
    """What a finished training has measured, and its assessment where it has one."""

    metrics: Mapping[str, Any]
    assessment: Assessment | None

    @property
    def accuracy(self) -> float:
        return float(self.metrics["test_top1"])


def trained(begun: Begun, config: TrainConfig, reader: Reader) -> Trained:
    """Gather a training.

    Raises:
        InputError: a file of it is damaged.
    """
    run, history = begun.run, begun.run.measured()
    fit = fit_ending_with(run.path)
    result, cost = _result(begun), common.network_cost(begun, config.genotype)
    data, pictures = data_of(begun, config, reader)
    mistakes = None
    if result is not None and pictures is not None:
        mistakes = mistakes_of(export.load(run.path), pictures, result.accuracy)
    elif result is not None:
        mistakes = Mistakes("They are left out, since the test pictures are not at hand.")
    assessment = result.assessment if result else None
    account = Account(
        name=begun.name,
        kind="training",
        state=common.state_of(run, history, config.epochs),
        sentence=_sentence(result, history, config.epochs, cost, fitted.metric_of(fit) if fit else metrics.ACCURACY),
        doubts=_doubts(result, config, fit is not None),
        facts=_facts(begun, config, history, result),
        commands=common.commands_of(begun, config),
        genotype=config.genotype,
        history=history,
        panels=TRAINING_PANELS,
        settings=common.shown_settings(begun),
        costs=common.cost_table(begun, cost, history),
        scores=_scores(assessment) if assessment else None,
        confusion=_confusion(assessment) if assessment else None,
        mistakes=mistakes,
        data=data,
    )
    return Trained(account, _candidate(begun, config, history, result, cost), _tested_on(begun, config, assessment))


def _tested_on(begun: Begun, config: TrainConfig, found: Assessment | None) -> Hashable:
    if found is not None and found.test_data is not None:
        return found.test_data
    # Of results from before there was a fingerprint of the test part: all that it has come from.
    supports = () if found is None else tuple((score.name, score.support) for score in found.classes)
    path = config.test_path and config.test_path.absolute()
    return begun.saved.versions.get("data", config.dataset), path, supports


def _result(begun: Begun) -> _Result | None:
    text = begun.run.result()
    if text is None:
        return None
    found = metrics.left(text).metrics(begun.run.path)
    is_assessed = "test_top1_interval" in found
    return _Result(found, Assessment.model_validate(found) if is_assessed else None)


def _sentence(result: _Result | None, history: list[Row], epochs: int, cost: NetworkCost | None, chosen_by: str) -> str:
    if result is None:
        return f"The training has not ended: {len(history):,} of {epochs:,} epochs are done."
    found = result.assessment
    begin = f"The network gets {percent(result.accuracy)} of the test pictures right"
    if found is not None:
        low, high = map(percent, found.test_top1_interval)
        pictures = f"{found.test_pictures:,} test pictures"
        chosen = {"balanced_accuracy": _balanced, "macro_f1": _macro_f1, "auc": _auc}.get(chosen_by)
        has = f"has {record.in_words(chosen_by)} {chosen(found)}, by which it was chosen, and " if chosen else ""
        begin = f"The network {has}gets {percent(result.accuracy)} of {pictures} right (95 % interval {low} to {high})"
    total = common.computed(history)
    took = f", after {seconds(total)} of training" if total is not None else ""
    size = (
        f", with {cost.parameters:,} parameters and {short(cost.multiply_adds)} multiply-adds a picture" if cost else ""
    )
    return f"{begin}{size}{took}.{_baseline(found)}"


def _baseline(found: Assessment | None) -> str:
    if found is None:
        return ""
    return f" Always answering {found.majority_class} would get {percent(found.majority_baseline)}."


def _doubts(result: _Result | None, config: TrainConfig, of_fit: bool) -> tuple[str, ...]:
    doubt = metrics.doubt(result.metrics, of_fit=of_fit) if result else None
    verdict = config.genotype.verdict
    findings = (f"its search ended {found}" for found in verdict.findings) if verdict else ()
    return tuple(map(in_flags, filter(None, (doubt, *findings))))


def _facts(
    begun: Begun, config: TrainConfig, history: list[Row], result: _Result | None
) -> tuple[tuple[str, str], ...]:
    total = common.computed(history)
    found = result.assessment if result else None
    facts = (
        ("Test accuracy", percent(result.accuracy) if result else ""),
        ("95 % interval", " to ".join(map(percent, found.test_top1_interval)) if found else ""),
        ("Balanced accuracy", _balanced(found) if found else ""),
        ("Macro F1", _macro_f1(found) if found else ""),
        ("Log loss", f"{found.log_loss:.3g}" if found else ""),
        ("AUC", _auc(found) if found else ""),
        ("Network", common.size_of(config.init_channels, config.layers)),
        ("Epochs", f"{len(history):,} of {config.epochs:,}"),
        ("Computing time", "" if total is None else seconds(total)),
        ("Seed", str(config.seed)),
        ("Computed on", common.machine(begun.saved.versions)),
    )
    return tuple((what, value) for what, value in facts if value)


def _balanced(found: Assessment) -> str:
    interval = found.balanced_accuracy_interval
    return percent(found.balanced_accuracy) + (f" ({' to '.join(map(percent, interval))})" if interval else "")


def _macro_f1(found: Assessment) -> str:
    interval = found.macro_f1_interval
    return f"{found.macro_f1:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _auc(found: Assessment) -> str:
    return "" if found.auc is None else f"{found.auc:.3f}"


def _candidate(
    begun: Begun, config: TrainConfig, history: list[Row], result: _Result | None, cost: NetworkCost | None
) -> Candidate:
    found = result.assessment if result else None
    return Candidate(
        begun.name,
        f"trained, {common.size_of(config.init_channels, config.layers)}",
        result.accuracy if result else None,
        f"test part of {config.dataset} (accuracy)",
        interval=found.test_top1_interval if found else None,
        parameters=cost.parameters if cost else None,
        multiply_adds=cost.multiply_adds if cost else None,
        latency_us=cost.prediction_us if cost else None,
        seconds=common.computed(history),
    )


def _scores(found: Assessment) -> Table:
    worst_first = sorted(found.classes, key=lambda score: (score.recall, score.precision))
    caption = "Classes, the worst first"
    if len(worst_first) > _MOST_CLASSES:
        caption += f", {_MOST_CLASSES} of {len(worst_first):,}"
    rows = tuple(
        (score.name, f"{score.support:,}", percent(score.recall), percent(score.precision), f"{score.f1:.3f}")
        for score in worst_first[:_MOST_CLASSES]
    )
    return Table(caption, ("class", "test pictures", "recall", "precision", "F1"), rows, frozenset(range(1, 5)))


def _confusion(found: Assessment) -> Confusion | None:
    if found.confusion is None:
        return None
    return Confusion(tuple(score.name for score in found.classes), found.confusion)
