"""Which genotype, and which trained network, a word stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dadarts import files
from dadarts.architecture.indices import note
from dadarts.architecture.pasted import pick
from dadarts.architecture.published import PUBLISHED
from dadarts.errors import InputError, shortened
from dadarts.rundir import suggested
from dadarts.rundir.contents import CONFIG, GENOTYPE, GENOTYPE_TEXT, NETWORK
from dadarts.rundir.kinds import FINAL, FIT, SEARCH, TRAINING, Kind, comparisons
from dadarts.rundir.saved import SavedRun

_EXPORTED = "dadarts-bundle/"
"""What the format in an exported network's config.json begins with."""
MAX_PATH = 4096
"""Characters of a word that may be a path."""


def genotype_text(word: str, runs_dir: Path) -> str:
    """The genotype that a word stands for: itself, what a file or a run's folder holds, or a run's (its name).

    A name, alone or as ``@name``, is a search's, else a training's, else a fit's; without an @ it is first a path, if
    there is a file or a run at it.

    ``FILE#NAME`` and ``FILE:NAME`` are one of several in a file, by the name that it is assigned to or by its line.
    A word that is neither file nor run may be the name of a published genotype, such as ``DARTS_V2``.

    Raises:
        InputError: no such file or run, a search that has not ended, or several genotypes in a file.
    """
    word = word.strip()
    if word.startswith("@"):
        return _genotype_of_run(word, _folder_of(word, runs_dir), runs_dir)
    is_text = len(word) >= MAX_PATH or word.startswith(("|", "{", "[", "(")) or "Genotype(" in word
    if word and not is_text and _is_there(folder := _folder_of(word, runs_dir)) and folder.is_dir():
        return _genotype_of_run(word, folder, runs_dir)
    if word and not is_text and _is_there(Path(word)):
        return _one_of(Path(word), None)
    if not is_text and (named := re.fullmatch(r"(.+)[#:](\w{1,80})", word)) and _is_there(Path(named[1])):
        return _one_of(Path(named[1]), named[2])
    if not is_text and ("/" in word or re.search(r"\.(?:json|txt|py|log)(?:[#:]\w+)?$", word)) and "(" not in word:
        raise InputError(
            f"there is no file or folder {shortened(word)}; give a genotype, a file of one, FILE#NAME of several, a "
            "run's folder, or a run's name"
        )
    if word and not is_text and (compared := _in_comparisons(word, runs_dir)):
        raise InputError(f"{word}: for the run of that name in a comparison give {compared[0]}")
    if word in PUBLISHED:
        return PUBLISHED[word]
    if not is_text and re.fullmatch(r"[A-Za-z_][\w.-]*", word):
        raise InputError(
            f"not a genotype: {shortened(word, 60)!r}, nor a file, nor one of {', '.join(PUBLISHED)}; "
            f"{suggested.genotypes(word, runs_dir)}"
        )
    return word


def reading_notes(values: Mapping[str, str]) -> list[str]:
    """What to say of how the genotype of a command line is read, where it could be read otherwise."""
    if "genotype" not in values:
        return []
    said = note(genotype_text(values["genotype"], Path(values.get("runs_dir", "runs"))))
    return [] if said is None else [said]


def differences_in_reading(word: str, runs_dir: Path, dataset: str, reading: Mapping[str, Any]) -> Iterator[str]:
    """What to say where the run of a genotype's word read the same data set in another way than `reading`."""
    saved = reading_of(word, runs_dir, dataset, reading)
    other = [name for name in saved if _unordered(saved[name]) != _unordered(reading[name])]
    if other:
        had = " and ".join(_as_flag(name, saved[name]) for name in other)
        yield (
            f"{shortened(word, 80)} was run on this data set with {had}, and this training is not; "
            "give the same, unless it is meant to read the pictures in another way"
        )


def reading_of(word: str, runs_dir: Path, dataset: str, names: Iterable[str]) -> dict[str, Any]:
    """How the run of a genotype's word has read a data set: its settings of those names.

    Without those that it is from before, and empty where it has read another data set, or the word names no run.
    """
    run = run_of(word, runs_dir)
    try:
        saved = {} if run is None else run.saved_config().settings
    except InputError:  # Its genotype can be read all the same.
        return {}
    same = bool(saved) and _is_same_path(saved["dataset"], dataset)
    return {name: saved[name] for name in names if name in saved} if same else {}


def taken_over(word: str, taken: Mapping[str, Any]) -> list[str]:
    """What to say of settings that a training has taken over from the run of its genotype's word."""
    flags = ", ".join(_as_flag(name, value) for name, value in taken.items())
    said = f"pictures are read as {shortened(word, 80)} has read them: {flags}; a flag that is given wins"
    return [said] if taken else []


def _is_same_path(first: str, second: str) -> bool:
    return first == second or (_is_there(Path(first)) and _is_there(Path(second)) and Path(first).samefile(second))


def _unordered(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, list) else value


def _as_flag(name: str, value: Any) -> str:
    if value is None:
        return f"no -{name}"
    words = [f'"{word}"' if "," in word else word for word in map(str, value if isinstance(value, list) else [value])]
    return f"-{name} {shortened(','.join(words), 120)}"


def _one_of(path: Path, name: str | None) -> str:
    """The text of the genotype in a file, of several the one with a name."""
    text = _read(path)
    if text.lstrip().startswith("{") and name is None:
        return text
    found = pick(text, name, shortened(path))
    # Where there is none the reader of genotypes says why.
    return text if found is None else f"{found.name}={found.text}" if found.name else found.text


def _folder_of(word: str, runs_dir: Path) -> Path:
    """Where the run of a word is: the folder of a run or of an export, else of a search, training or fit of that name.

    A fit is its last training. Of a word that is neither it is the path, or where a search of the name would be.
    """
    name, path = word.removeprefix("@"), Path(word)
    if not word.startswith("@") and (found := _run_in(path)) is not None:
        return found
    if "/" not in name and name.strip(".") and not (_is_there(path) and path.is_file()):
        for named in (kind.folder(runs_dir, name) for kind in (SEARCH, TRAINING, FIT)):
            if (found := _run_in(named)) is not None:
                return found
    return SEARCH.folder(runs_dir, name) if word.startswith("@") else path


def _run_in(folder: Path) -> Path | None:
    """The folder itself where it holds a run or an export, the last training's where it holds a fit."""
    marks = (CONFIG, GENOTYPE, GENOTYPE_TEXT)
    places = (TRAINING.folder(folder, FINAL), folder)
    return next((place for place in places if any(_is_there(mark.at(place)) for mark in marks)), None)


def run_of(word: str, runs_dir: Path) -> SavedRun | None:
    """The run that a word for a genotype names, None where it names none."""
    word = word.strip()
    run = SavedRun(_folder_of(word, runs_dir))
    return run if _is_there(run.path) and run.exists and _exported(run.path) is None else None


def ended_search(word: str, runs_dir: Path) -> SavedRun:
    """The search that a word names, which has ended.

    Raises:
        InputError: it names none, or one that has not ended.
    """
    run = run_of(word, runs_dir)
    if run is None:
        names = suggested.searches(word.strip().removeprefix("@"), runs_dir)
        raise InputError(f"{shortened(word, 80)} is no search that has ended; {names}")
    if run.saved_config().is_training:
        raise InputError(f"{shortened(word, 80)} is a training, and this needs the search that found its genotype")
    if run.result() is None:
        raise InputError(f"{shortened(word, 80)} is a search that has not ended: go on with it, with -resume")
    return run


def _exported(folder: Path) -> str | None:
    """The genotype of a folder that `dadarts export` has written; None of any other."""
    try:
        found = json.loads(files.read_text(CONFIG.at(folder)))
    except (OSError, ValueError, RecursionError):
        return None
    is_one = isinstance(found, dict) and str(found.get("format")).startswith(_EXPORTED)
    return str(found.get("genotype")) if is_one else None


def _genotype_of_run(word: str, folder: Path, runs_dir: Path) -> str:
    if (exported := _exported(folder)) is not None:
        return exported
    run = SavedRun(folder)
    path = next((path for path in (GENOTYPE.at(folder), GENOTYPE_TEXT.at(folder)) if _is_there(path)), None)
    # A training has its genotype from the beginning, a search when it has ended.
    if run.exists and run.result() is None and not run.saved_config().is_training:
        raise InputError(
            f"{word[:80]} has not ended; end it with -resume"
            + (f", or give {path} to train what it has so far" if path else "")
        )
    if path is None:
        raise InputError(
            f"{word[:80]}: there is no genotype at {str(GENOTYPE_TEXT.at(folder))[:200]}; "
            f"{_where_else(word, folder, runs_dir)}"
        )
    return _read(path)


def network_file(run: str | Path, runs_dir: Path) -> Path:
    """The file of a trained network: ``@NAME`` is a training's or a fit's name, other text first a path, else a name.

    Raises:
        InputError: there is none, or a training and a fit have the name.
    """
    word = str(run)
    name = word.removeprefix("@")
    named = [TRAINING.folder(runs_dir, name), TRAINING.folder(FIT.folder(runs_dir, name), FINAL)]
    is_name = isinstance(run, str) and "/" not in word and word.strip("@. ") != ""
    found = [] if word.startswith("@") and is_name else [Path(word), TRAINING.folder(Path(word), FINAL)]
    for place in found:
        file = NETWORK.at(place) if _is_there(place) and place.is_dir() else place
        if _is_there(file) and file.is_file():
            return file
    if is_name:
        trained = [file for file in map(NETWORK.at, named) if _is_there(file) and file.is_file()]
        if len(trained) > 1:
            raise InputError(
                f"{shortened(name, 80)} is a training and a fit: give {shortened(named[0])} or {shortened(named[1])}"
            )
        if trained:
            return trained[0]
    found = [place for place in found if place.name != FINAL] + (named[:1] if is_name else [])
    there = next((place for place in found if _is_there(place)), None)
    places = shortened(there) if there else " or ".join(shortened(place, 80) for place in found)
    raise InputError(f"there is no trained network at {places}; {_why_none(there or found[0], word, runs_dir)}")


def word_of(kind: Kind, name: str, runs_dir: Path) -> str:
    """The shortest word that commands take for a training or a fit: its name, or its folder where others have that."""
    kinds = (TRAINING, FIT) if kind == TRAINING else (SEARCH, TRAINING, FIT)
    places = [Path(name), *(other.folder(runs_dir, name) for other in kinds if other != kind)]
    taken = any(_run_in(place) or _is_there(NETWORK.at(place)) for place in places) or Path(name).is_file()
    return str(kind.folder(runs_dir, name)) if taken else name


def _why_none(place: Path, word: str, runs_dir: Path) -> str:
    """What a person should do where there is no network."""
    name = word.removeprefix("@")
    run = SavedRun(place)
    begun = place if place.parent.name == FIT.name else FIT.folder(runs_dir, name)
    if _is_there(TRAINING.folder(begun, "")):
        return f"the fit in {shortened(begun)} has not ended: go on with it, with `dadarts fit ... -resume`"
    if _is_there(run.config):
        if run.saved_config().is_training:
            return "its training has not ended: go on with it, with -resume"
        return _of_search("it", run, shortened(place))
    if "/" not in word and _is_there(SEARCH.folder(runs_dir, name)):
        return _of_search(name, SavedRun(SEARCH.folder(runs_dir, name)), f"@{name}")
    return suggested.networks(name, runs_dir)


def _of_search(name: str, run: SavedRun, word: str) -> str:
    """What makes a trained network of a search."""
    if run.exists and run.result() is None:
        return f"{name} is a search that has not ended: go on with it, with -resume, and train what it finds"
    return f"{name} is a search: train what it found, with `dadarts train --genotype {word}`"


def _where_else(word: str, folder: Path, runs_dir: Path) -> str:
    """Where a person should look for the run that a word was meant to name."""
    if word.startswith("@") and (compared := _in_comparisons(word[1:], runs_dir)):
        return f"for the run of that name in a comparison give {compared[0]}"
    if not word.startswith("@") and _is_there(folder / SEARCH.name):
        return f"it holds runs: give one of {folder / SEARCH.name}"
    return suggested.genotypes(word[1:], runs_dir) if word.startswith("@") else "see `dadarts runs`"


def _in_comparisons(name: str, runs_dir: Path) -> list[Path]:
    """The searches of that name in the comparisons of a runs folder."""
    folders = (SEARCH.folder(comparison, name) for comparison in comparisons(runs_dir))
    return [folder for folder in folders if _is_there(folder)]


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or path.is_dir()
    except (OSError, ValueError):
        return False


def _read(path: Path) -> str:
    try:
        return files.read_text(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise InputError(f"{path} cannot be read as text ({why})") from None
