"""The contract of scikit-learn, through its own checks and through how people use BernoulliRBM."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import DBN, RBM, DBNClassifier

pytestmark = pytest.mark.filterwarnings("ignore:.*visible units take values in")


@parametrize_with_checks([RBM(), DBN((16, 8)), DBNClassifier((32, 16))])
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
