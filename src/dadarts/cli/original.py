"""The original's scripts: ``search.py`` and ``augment.py`` with its flags."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dadarts.cli import configs, execute
from dadarts.config import SearchConfig, TrainConfig


def search_main(argv: Sequence[str] | None = None) -> int:
    """``search.py``: plain DARTS unless technique flags say otherwise. Returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    return execute.guarded("search.py", lambda: _search(words), words)


def augment_main(argv: Sequence[str] | None = None) -> int:
    """``augment.py``: train a genotype from scratch. Returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    return execute.guarded("augment.py", lambda: _train(words), words)


def search_config(argv: Sequence[str]) -> SearchConfig:
    """The configuration that the flags of ``search.py`` spell."""
    values, _, _ = configs.split_run_flags(configs.search_command("search.py").parse(argv))
    return configs.search_config(values, "darts")[0]


def augment_config(argv: Sequence[str]) -> TrainConfig:
    """The configuration that the flags of ``augment.py`` spell."""
    values, _, _ = configs.split_run_flags(configs.train_command("augment.py").parse(argv))
    return configs.train_config(values)


def _search(argv: list[str]) -> int:
    values = configs.search_command("search.py").parse(argv)
    return execute.search_from_values(values, "darts", ["python", "search.py", *argv])


def _train(argv: list[str]) -> int:
    values = configs.train_command("augment.py").parse(argv)
    return execute.train_from_values(values, ["python", "augment.py", *argv])
