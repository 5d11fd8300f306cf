"""scikit-learn's own checks of an estimator, on a network that is trained for a few epochs.

The suite runs those in `QUICK`; ``make tests-sklearn`` runs all, in a minute or two.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from sklearn.utils.estimator_checks import estimator_checks_generator

import dadarts

EXCLUDED = {
    "check_sample_weight_equivalence_on_dense_data": (
        "weights multiply the loss, and equal repeated pictures in the mean over batches; but repeated pictures make "
        "other batches, so that two trainings differ as those of two seeds do"
    ),
}
"""Checks that are not passed, and why."""
QUICK = frozenset(
    {
        *("check_estimator_cloneable", "check_valid_tag_types", "check_estimator_repr", "check_mixin_order"),
        *("check_no_attributes_set_in_init", "check_do_not_raise_errors_in_init_or_set_params", "check_set_params"),
        *("check_parameters_default_constructible", "check_get_params_invariance", "check_estimators_unfitted"),
        *("check_all_zero_sample_weights_error", "check_complex_data", "check_estimators_empty_data_messages"),
        *("check_estimator_sparse_array", "check_estimator_sparse_matrix", "check_classifiers_one_label"),
        *("check_classifiers_one_label_sample_weights", "check_classifiers_regression_target", "check_fit1d"),
        *("check_supervised_y_no_nan", "check_fit2d_1sample", "check_requires_y_none", "check_dict_unchanged"),
        *("check_n_features_in", "check_fit_idempotent", "check_methods_subset_invariance", "check_dtype_object"),
        "check_pipeline_consistency",
    }
)
"""Those that fit nothing, or little."""


def estimator() -> dadarts.DADARTSClassifier:
    return dadarts.DADARTSClassifier(epochs=5, init_channels=4, threads=1)


def checks() -> Iterator[tuple[str, Any, Any]]:
    """The name of every check, the estimator that it is of, and the check, those of `EXCLUDED` marked to fail."""
    for each, check in estimator_checks_generator(estimator(), legacy=True, expected_failed_checks=EXCLUDED, mark=None):
        yield (check.func if isinstance(check, partial) else check).__name__, each, check
