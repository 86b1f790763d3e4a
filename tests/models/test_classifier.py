"""DBNClassifier: learning labels with and without pretraining."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

import layerwise
from layerwise import DBN, DBNClassifier, nn


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return train_test_split((x / 16).astype(np.float32), y, test_size=0.25, random_state=0)


@pytest.fixture
def problem(rng):
    x = rng.integers(0, 2, (60, 12)).astype(np.float64)
    return x, np.array(["odd", "even"])[(x[:, :3].sum(axis=1) > 1).astype(int)]


def small(**options):
    return DBNClassifier(
        (14, 9), **{"pretrain": DBN(n_iter=2), "n_iter": 3, "random_state": 0, **options}
    )


@pytest.mark.parametrize("pretrain", [DBN(n_iter=15, batch_size=20), False])
def test_digits_are_learnt(digits, pretrain):
    x, x_test, y, y_test = digits
    net = DBNClassifier(
        (100, 100), pretrain=pretrain, n_iter=30, batch_size=20, random_state=0
    ).fit(x, y)
    assert net.score(x_test, y_test) > 0.96
    assert net.loss_curve_[-1] < 0.05 < net.loss_curve_[0]
    assert len(net.loss_curve_) == 30


def test_without_fine_tuning_hidden_layers_are_the_rbms(problem):
    x, y = problem
    net = small(n_iter=0).fit(x, y)
    for w, rbm in zip(net.coefs_, net.dbn_.rbms_, strict=False):
        np.testing.assert_array_equal(w, rbm.components_)
    dbn = DBN((14, 9), n_iter=2, random_state=0).fit(x)
    np.testing.assert_array_equal(net.dbn_.transform(x), dbn.transform(x))


def test_fine_tuning_moves_every_layer_and_keeps_the_stack(problem):
    x, y = problem
    net = small().fit(x, y)
    untouched = small(n_iter=0).fit(x, y)
    for w, before in zip(net.coefs_, untouched.coefs_, strict=True):
        assert not np.array_equal(w, before)
    for rbm, before in zip(net.dbn_.rbms_, untouched.dbn_.rbms_, strict=True):
        np.testing.assert_array_equal(rbm.components_, before.components_)


def test_a_frozen_stack_is_taken_as_it_is(problem, tmp_path):
    x, y = problem
    dbn = DBN((14, 9), n_iter=2, random_state=5).fit(x[:40])
    net = small(pretrain=FrozenEstimator(dbn), n_iter=0).fit(x, y)
    for w, rbm in zip(net.coefs_, dbn.rbms_, strict=False):
        np.testing.assert_array_equal(w, rbm.components_)
        assert not np.shares_memory(w, rbm.components_)
    tuned = clone(net).set_params(n_iter=2).fit(x, y)
    tuned.save(tmp_path / "net.safetensors")
    loaded = layerwise.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(x), tuned.predict_proba(x))
    again = clone(loaded).fit(x, y)
    np.testing.assert_array_equal(again.coefs_[0], tuned.coefs_[0])


def test_a_frozen_stack_must_fit_the_data_and_the_layers(problem):
    x, y = problem
    frozen = FrozenEstimator(DBN((14, 9), n_iter=0).fit(x))
    with pytest.raises(ValueError, match=r"n_components must be those of .* \(14, 9\); got \(3,\)"):
        DBNClassifier(3, pretrain=frozen).fit(x, y)
    with pytest.raises(ValueError, match="features of pretrain's DBN, 12; got 11"):
        small(pretrain=frozen).fit(x[:, :11], y)
    with pytest.raises(NotFittedError):
        small(pretrain=FrozenEstimator(DBN((14, 9)))).fit(x, y)


def test_the_plain_net_starts_with_spread_out_sigmoids(problem):
    x, y = problem
    net = DBNClassifier((200, 200), pretrain=False, n_iter=0, random_state=0).fit(x, y)
    assert net.dbn_ is None
    assert net.coefs_[1].std() == pytest.approx(4 * np.sqrt(2 / 400), rel=0.05)
    assert not net.coefs_[-1].any()


def test_probabilities_sum_to_one_and_predict_takes_the_largest(problem):
    x, y = problem
    net = small().fit(x, y)
    p = net.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(net.predict_log_proba(x)), p)
    np.testing.assert_array_equal(net.predict(x), net.classes_[p.argmax(axis=1)])
    assert net.classes_.tolist() == ["even", "odd"]


@pytest.mark.parametrize("pretrain", [DBN(n_iter=2), False])
def test_same_seed_same_bits_on_any_number_of_threads(problem, pretrain):
    x, y = problem
    results = []
    for threads in (1, 2):
        with layerwise.num_threads(threads):
            net = small(pretrain=pretrain, dropout=0.3).fit(x, y)
            results.append([*net.coefs_, net.predict_proba(x)])
    for array, same in zip(*results, strict=True):
        np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("encode", [sp.csr_matrix, lambda x: x.astype(bool)])
@pytest.mark.parametrize("input_dropout", [0.0, 0.2])
def test_every_encoding_gives_the_bits_of_dense_data(problem, encode, input_dropout):
    x, y = problem
    net = small(input_dropout=input_dropout)
    dense, other = clone(net).fit(x, y), clone(net).fit(encode(x), y)
    for w, same in zip(dense.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(w, same)
    np.testing.assert_array_equal(dense.predict_proba(x), other.predict_proba(encode(x)))


def test_the_stack_of_a_classifier_knows_the_names_of_the_features(problem):
    x, y = problem
    frame = pd.DataFrame(x, columns=[f"pixel {i}" for i in range(12)])
    net = small().fit(frame, y)
    assert net.dbn_.feature_names_in_.tolist() == frame.columns.tolist()
    assert net.dbn_.transform(frame).shape == (60, 9)


def test_float32_is_kept(problem):
    x, y = problem
    net = small().fit(x.astype(np.float32), y)
    assert {w.dtype for w in net.coefs_} == {np.dtype(np.float32)}
    assert net.predict_proba(x).dtype == np.float32


def test_partial_fit_learns_from_batches_and_survives_pickling(digits):
    x, x_test, y, y_test = digits
    net = DBNClassifier(100, pretrain=False, random_state=0)
    for _ in range(8):
        for start in range(0, len(x), 25):
            net.partial_fit(x[start : start + 25], y[start : start + 25], classes=range(10))
        net = pickle.loads(pickle.dumps(net))
    assert net.score(x_test, y_test) > 0.93
    assert net.n_steps_ == 8 * 54


def test_ctrl_c_during_fine_tuning_keeps_what_was_learnt(problem, monkeypatch):
    x, y = problem
    step = nn.NetTrainer.step

    def interrupted(self, batch, t):
        if t == 4:
            raise KeyboardInterrupt
        return step(self, batch, t)

    monkeypatch.setattr(nn.NetTrainer, "step", interrupted)
    net = small(batch_size=20)
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, y)
    assert net.n_steps_ == 4
    assert len(net.loss_curve_) == 1
    assert net.predict(x).shape == (60,)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components must be an integer >= 1; got 0"),
        ({"pretrain": "yes"}, TypeError, "pretrain must be True, False, a DBN or .* got 'yes'"),
        ({"pretrain": DBN(k=0)}, ValueError, "k must be an integer >= 1; got 0"),
        ({"learning_rate": -1}, ValueError, "learning_rate must be a finite number > 0; got -1"),
        ({"dropout": 1}, ValueError, "dropout must be a finite number >= 0 and < 1; got 1"),
        ({"input_dropout": -1}, ValueError, "input_dropout must be a finite number >= 0"),
        ({"n_iter": 1.0}, TypeError, "n_iter must be an integer >= 0; got 1.0"),
    ],
)
def test_bad_parameters_are_named_with_what_was_required_and_what_came(
    problem, parameters, error, message
):
    with pytest.raises(error, match=message):
        DBNClassifier(**{"n_components": 3, **parameters}).fit(*problem)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (np.zeros(59), "inconsistent numbers of samples"),
        (np.full(60, np.nan), "y contains NaN"),
        (np.linspace(0, 1, 60), "Unknown label type: continuous"),
        (np.zeros((60, 2)), "y should be a 1d array"),
    ],
)
def test_wrong_labels_are_refused(problem, y, message):
    with pytest.raises(ValueError, match=message):
        small().fit(problem[0], y)


def test_partial_fit_takes_one_minibatch_at_a_time(problem):
    x, y = problem
    with pytest.raises(TypeError, match="X must be a matrix of one minibatch; got an iterator"):
        small().partial_fit(iter([x]), y, classes=np.unique(y))


def test_partial_fit_wants_all_classes_first_and_no_others_later(problem):
    x, y = problem
    with pytest.raises(ValueError, match="classes must list all labels in the first call"):
        small().partial_fit(x, y)
    net = small().partial_fit(x, y, classes=["odd", "even"])
    with pytest.raises(ValueError, match=r"classes must be those of the first call"):
        net.partial_fit(x, y, classes=["odd"])
    with pytest.raises(ValueError, match=r"y must hold labels of classes.*got \['prime'\]"):
        net.partial_fit(x, np.full(60, "prime"))


def test_predicting_needs_a_fit(problem):
    with pytest.raises(NotFittedError):
        DBNClassifier().predict(problem[0])
