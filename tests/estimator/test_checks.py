from __future__ import annotations

from typing import Any

import pytest

from tests.commands import without_pictures
from tests.estimator.checks import EXCLUDED, QUICK, checks

CHECKS = list(checks())


@pytest.mark.parametrize(
    ("estimator", "check"), [pytest.param(*rest, id=name) for name, *rest in CHECKS if name in QUICK]
)
def test_the_estimator_is_as_scikit_learn_wants_it(estimator: Any, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    check(estimator)


def test_what_is_chosen_and_excluded_are_checks_of_this_scikit_learn() -> None:
    assert (QUICK | EXCLUDED.keys()) - {name for name, *_ in CHECKS} == set()
