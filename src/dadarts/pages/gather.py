"""A page of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dadarts.config import SearchConfig, TrainConfig
from dadarts.errors import InputError
from dadarts.pages import common, fitted
from dadarts.pages.finding import begun, fit_of
from dadarts.pages.pictures import Reader
from dadarts.pages.searched import Searched, searched
from dadarts.pages.trained import Trained, trained
from dadarts.report.page.charts import percent
from dadarts.report.page.content import Candidate, Page


def page_of(words: Sequence[str], runs_dir: Path, leaves_out: str = "") -> Page:
    """The page of the runs that words mean.

    Args:
        leaves_out: why no data set is read; empty where all are.

    Raises:
        InputError: a word means no run, or a run is damaged.
    """
    found = [(run, common.config_of(run)) for run in begun(words, runs_dir)]
    reader = Reader(leaves_out)
    searches = sum(isinstance(config, SearchConfig) for _, config in found)
    gathered: list[Searched | Trained] = [
        trained(run, config, reader)
        if isinstance(config, TrainConfig)
        else searched(run, config, reader, max(1, searches))
        for run, config in found
    ]
    names = dict.fromkeys(one.account.name for one in gathered)
    candidates, best = _candidates(gathered)
    told = _told_first(gathered, best)
    accounts = tuple(one.account for one in gathered)
    fit = fit_of(words, runs_dir)
    if fit is not None:
        verdict = f"{fitted.verdict_of(fit)} {told.account.sentence}"
        return Page(fit.name, verdict, (*candidates, *fitted.candidates_of(fit)), accounts, told.account.doubts)
    return Page(", ".join(names), _verdict(told, gathered), candidates, accounts, told.account.doubts)


def _candidates(gathered: Sequence[Searched | Trained]) -> tuple[tuple[Candidate, ...], Candidate | None]:
    """All networks, without what a search has found that is trained beside it; and the best one that is trained."""
    trainings = [one for one in gathered if isinstance(one, Trained)]
    shown = [
        one.candidate
        for one in gathered
        if isinstance(one, Trained) or all(one.account.genotype != other.account.genotype for other in trainings)
    ]
    tested = [one.candidate for one in trainings if one.candidate.accuracy is not None]
    best = max(tested, key=lambda one: one.accuracy or 0.0, default=None)
    return tuple(replace(one, chosen=one is best) for one in shown), best


def _told_first(gathered: Sequence[Searched | Trained], best: Candidate | None) -> Searched | Trained:
    """The run that the verdict begins with: the best training, else the first run."""
    if not gathered:
        raise InputError("there is no run to tell of")
    return next((one for one in gathered if best is not None and one.candidate is best), gathered[0])


def _verdict(told: Searched | Trained, gathered: Sequence[Searched | Trained]) -> str:
    trainings = [one for one in gathered if isinstance(one, Trained) and one.candidate.accuracy is not None]
    if len(trainings) > 1 and told in trainings:
        return f"{told.account.name} is the best of {len(trainings)} trained networks. {told.account.sentence}" + (
            _next_best(told.candidate, [one.candidate for one in trainings])
        )
    if isinstance(told, Searched) and len(gathered) > 1:
        return f"{len(gathered)} runs, none of them a finished training. {told.account.name}: {told.account.sentence}"
    return told.account.sentence


def _next_best(best: Candidate, trainings: Sequence[Candidate]) -> str:
    """Who comes next, and whether the two are told apart at all."""
    others = [one for one in trainings if one is not best and one.measured_on == best.measured_on]
    if not others:
        return " The others were tested on other pictures."
    second = max(others, key=lambda one: one.accuracy or 0.0)
    said = f" Next comes {second.name} with {percent(second.accuracy or 0.0)}"
    if best.interval and second.interval and best.interval[0] <= second.interval[1]:
        said += "; the intervals overlap, so that this test part does not tell the two apart"
    return f"{said}."
