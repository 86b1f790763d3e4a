"""The contract of scikit-learn, through its own checks and through how BernoulliRBM is used."""

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import DBN, LISTA, RBM, DBNClassifier, DictionaryLearning

# Learning is stochastic: minibatches and random numbers go by the row, and a row left out or
# repeated changes those of all later rows. tests/nn/energy/test_composed.py shows that the expected
# update is that of repeated rows.
EXPECTED_FAILURES = {
    f"check_sample_weight_equivalence_on_{kind}_data": "stochastic: equivalent in expectation"
    for kind in ("dense", "sparse")
}


@pytest.mark.filterwarnings("ignore:.*visible units take values in")
@parametrize_with_checks(
    [
        RBM(16),
        DBN((16, 8)),
        DBNClassifier((32, 16)),
        DictionaryLearning(8, alpha=0.1, n_iter=2),
        LISTA(DictionaryLearning(8, alpha=0.1, n_iter=1), n_iter=2),
    ],
    expected_failed_checks=lambda estimator: (
        EXPECTED_FAILURES if isinstance(estimator, (RBM, DBN)) else {}
    ),
)
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_rbm_has_the_parameters_methods_and_attributes_of_bernoulli_rbm(rng):
    for name, parameter in inspect.signature(BernoulliRBM).parameters.items():
        ours = inspect.signature(RBM).parameters[name]
        assert (ours.kind, ours.default) == (parameter.kind, parameter.default)
    x = rng.integers(0, 2, (30, 5)).astype(float)
    theirs = BernoulliRBM(n_components=3, n_iter=1, random_state=0).fit(x)
    ours = RBM(n_components=3, n_iter=1, random_state=0).fit(x)
    for name in dir(theirs):
        if name.startswith("_"):
            continue
        assert hasattr(ours, name), name
        if name.endswith("_") and isinstance(getattr(theirs, name), np.ndarray):
            assert getattr(ours, name).shape == getattr(theirs, name).shape, name
            assert getattr(ours, name).dtype == getattr(theirs, name).dtype, name
    assert theirs.gibbs(x).shape == ours.gibbs(x).shape


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_rbm_drops_into_a_pipeline_where_bernoulli_rbm_stood():
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    scores = {}
    for kind in (RBM, BernoulliRBM):
        model = make_pipeline(
            kind(n_components=100, learning_rate=0.06, n_iter=15, random_state=0),
            LogisticRegression(C=6000.0, max_iter=200),
        )
        scores[kind] = model.fit(x[:1300], y[:1300]).score(x[1300:], y[1300:])
    assert scores[RBM] > scores[BernoulliRBM] - 0.02
    assert scores[RBM] > 0.88


def test_parameters_of_a_pretraining_dbn_can_be_searched(rng):
    x = rng.integers(0, 2, (40, 6)).astype(np.float32)
    net = DBNClassifier(4, pretrain=DBN(n_iter=1), n_iter=1)
    search = GridSearchCV(net, {"pretrain__learning_rate": [0.01, 0.1]}, cv=2)
    search.fit(x, x[:, 0].astype(int))
    assert clone(search.best_estimator_).get_params()["pretrain__n_iter"] == 1


def test_data_frames_come_in_and_go_out(rng):
    frame = pd.DataFrame(rng.integers(0, 2, (20, 3)), columns=["a", "b", "c"])
    rbm = RBM(2, n_iter=1).set_output(transform="pandas").fit(frame)
    assert rbm.feature_names_in_.tolist() == ["a", "b", "c"]
    assert rbm.transform(frame).columns.tolist() == ["rbm0", "rbm1"]
    assert DBN((4, 2), n_iter=1).fit(frame).get_feature_names_out().tolist() == ["dbn0", "dbn1"]
