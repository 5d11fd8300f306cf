"""A page of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
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
    if not gathered:
        raise InputError("there is no run to tell of")
    gathered = list(_told_apart(gathered))
    names = dict.fromkeys(one.account.name for one in gathered)
    alike = _tested_alike(gathered)
    best = max(alike, key=_accuracy, default=None)
    candidates = tuple(_candidates(gathered, best))
    told = best or gathered[0]
    accounts = tuple(one.account for one in gathered)
    fit = fit_of(words, runs_dir)
    if fit is not None:
        verdict = f"{fitted.verdict_of(fit)} {told.account.sentence}"
        return Page(fit.name, verdict, (*candidates, *fitted.candidates_of(fit)), accounts, told.account.doubts)
    return Page(", ".join(names), _verdict(told, alike, gathered), candidates, accounts, told.account.doubts)


def _told_apart(gathered: Sequence[Searched | Trained]) -> Iterator[Searched | Trained]:
    """All, trainings saying the same of what they were tested on where that is the same, and only there."""
    said: dict[Hashable, str] = {}
    versions = Counter[str]()
    for one in gathered:
        if isinstance(one, Searched):
            yield one
            continue
        own = one.candidate.measured_on
        if one.tested_on not in said:
            versions[own] += 1
            said[one.tested_on] = own if versions[own] == 1 else f"{own}, no. {versions[own]}"
        yield replace(one, candidate=replace(one.candidate, measured_on=said[one.tested_on]))


def _tested_alike(gathered: Sequence[Searched | Trained]) -> list[Trained]:
    """The trainings that were tested on the same pictures: of several such groups the largest, or the first."""
    groups: dict[Hashable, list[Trained]] = {}
    for one in _tested(gathered):
        groups.setdefault(one.tested_on, []).append(one)
    return max(groups.values(), key=len, default=[])


def _tested(gathered: Sequence[Searched | Trained]) -> list[Trained]:
    return [one for one in gathered if isinstance(one, Trained) and one.candidate.accuracy is not None]


def _accuracy(one: Trained) -> float:
    return one.candidate.accuracy or 0.0


def _candidates(gathered: Sequence[Searched | Trained], best: Trained | None) -> Iterator[Candidate]:
    """All networks, without what a search has found that is trained beside it."""
    trainings = [one for one in gathered if isinstance(one, Trained)]
    for one in gathered:
        if isinstance(one, Trained) or all(one.account.genotype != other.account.genotype for other in trainings):
            yield replace(one.candidate, chosen=one is best)


def _verdict(told: Searched | Trained, alike: Sequence[Trained], gathered: Sequence[Searched | Trained]) -> str:
    name, sentence = told.account.name, told.account.sentence
    if isinstance(told, Searched):
        none = f"{len(gathered)} runs, none of them a finished training. {name}: " if len(gathered) > 1 else ""
        return none + sentence
    is_all = len(_tested(gathered)) == len(alike)
    others = "" if is_all else " Other trainings here were tested on other pictures, or at another size."
    if len(alike) > 1:
        those = "trained networks" if is_all else "networks that were tested on the same pictures"
        return f"{name} is the best of {len(alike)} {those}. {sentence}{_next_best(told, alike)}{others}"
    return sentence if is_all else f"{name}: {sentence}{others}"


def _next_best(best: Trained, alike: Sequence[Trained]) -> str:
    """Who comes next, and whether the two are told apart at all."""
    second = max((one for one in alike if one is not best), key=_accuracy)
    said = f" Next comes {second.account.name} with {percent(_accuracy(second))}"
    own, other = best.candidate.interval, second.candidate.interval
    if own and other and own[0] <= other[1]:
        said += "; the intervals overlap, so that this test part does not tell the two apart"
    return f"{said}."
