"""The comparison of recipes: what it trains, what it passes over, and its table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fit import recipe
from benchmarks.fit.networks import NETWORKS
from benchmarks.fit.recipe import Row, Task, epochs_of, rows_of, table
from benchmarks.fit.variants import FULL, ORIGINAL, VARIANTS
from dadarts.architecture.skeletons import Macro
from dadarts.config import TrainConfig
from dadarts.runs.events import Event, RunStarted
from tests.commands import without_pictures
from tests.data.samples import write_classes

ROW = Row(200, 2.0, "residual", "the recipe", 0, 16, 120.0, 1.2, 0.5, json.dumps(dict(FULL)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_says_all_that_makes_a_recipe(variant: str) -> None:
    settings = VARIANTS[variant]
    assert set(TrainConfig.BY_LENGTH) <= set(settings)
    assert set(settings) <= set(TrainConfig.model_fields)


def test_the_original_is_what_a_configuration_says_by_itself() -> None:
    assert dict(ORIGINAL) == {name: TrainConfig.model_fields[name].default for name in TrainConfig.BY_LENGTH}


def test_trainings_of_one_cost_have_the_same_epochs_and_steps_are_timed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def told(begin: Callable[[Path], Iterator[Event]], *_: Any) -> float:
        with closing(begin(tmp_path / str(len(seen)))) as events:  # type: ignore[type-var]
            started = next(event for event in events if isinstance(event, RunStarted))
        config = json.loads((started.folder / "config.json").read_text())
        seen.append(config["settings"]["init_channels"])
        return 100.0 if config["settings"]["drop_path_prob"] else 200.0

    write_classes(tmp_path / "pictures", 16)
    monkeypatch.setattr(recipe, "BATCH", 4)
    monkeypatch.setattr(recipe, "images_per_second", told)
    assert epochs_of(ROW.task, VARIANTS["no average"], [ROW], tmp_path) == 16
    assert seen == []
    # 2 minutes of 100 and of 200 pictures a second, of 2,000 pictures.
    assert epochs_of(ROW.task, VARIANTS["paths dropped, 0.1"], [ROW], tmp_path / "pictures") == 6
    assert epochs_of(Task(200, 2.0, "separable"), FULL, [ROW], tmp_path / "pictures") == 12
    assert seen == [16, 24]


def test_a_table_has_means_and_differences_over_the_seeds_of_both() -> None:
    other = replace(ROW, variant="no average", test_top1=0.46, seconds=110.0)
    rows = [ROW, replace(ROW, seed=1, test_top1=0.52), other, replace(ROW, network="separable", test_top1=0.4)]
    lines = table(rows).splitlines()
    assert "| the recipe | 51.0, 16 epochs, 120 s, 2 seeds | 40.0, 16 epochs, 120 s, 1 seed |" in lines
    assert "| no average | 46.0 (-4.0), 16 epochs, 110 s, 1 seed |  |" in lines
    assert lines[1:4:2] == ["10 x 200 pictures, 2 minutes", "| | residual | separable |"]


def test_a_row_is_trained_written_and_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    monkeypatch.chdir(tmp_path)
    write_classes(Path("pictures"), 16)
    small = {"residual": replace(NETWORKS["residual"], macro=Macro(2, 1, (3, 16, 16), 2))}
    monkeypatch.setattr(recipe, "NETWORKS", small)
    monkeypatch.setattr(recipe, "BATCH", 4)
    monkeypatch.setattr(recipe, "images_per_second", lambda *_: 1.0)
    monkeypatch.setattr(recipe, "subset", lambda *_: Path("pictures"))
    command = ["recipe", "anywhere", "--of_class", "60", "--minutes", "10", "--seeds", "1", "--out", "rows.csv"]
    monkeypatch.setattr("sys.argv", [*command, "--networks", "residual", "--variants", "the recipe", "no average"])
    recipe.main()
    rows = rows_of(Path("rows.csv"))
    assert [(row.variant, row.epochs) for row in rows] == [("the recipe", 1), ("no average", 1)]
    assert all(0 <= row.test_top1 <= 1 and row.seconds > 0 and row.train_loss > 0 for row in rows)
    assert "10 x 60 pictures, 10 minutes" in Path("rows.md").read_text()

    def never(*_: Any, **__: Mapping[str, Any]) -> Row:
        raise AssertionError

    monkeypatch.setattr(recipe, "trained", never)
    recipe.main()
    assert rows_of(Path("rows.csv")) == rows
