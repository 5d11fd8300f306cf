"""All of scikit-learn's checks: ``make tests-sklearn``; the suite leaves this file out."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.commands import without_pictures
from tests.estimator.checks import EXCLUDED, estimator


@parametrize_with_checks([estimator()], expected_failed_checks=lambda each: EXCLUDED)  # type: ignore[untyped-decorator]
def test_the_estimator_is_as_scikit_learn_wants_it(estimator: Any, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    check(estimator)
