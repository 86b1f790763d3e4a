"""RBM: learning, energies, sampling, encodings, determinism."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import layerwise
from layerwise import DBN, RBM, DBNClassifier, nn
from layerwise.ops import BitMatrix

from ..nn.energy import enumeration


def bars(n_rows, rng, size=3):
    """Rows or columns of a small image, all on: a distribution that an RBM can learn."""
    images = []
    for _ in range(n_rows):
        image = np.zeros((size, size))
        line = rng.integers(size)
        if rng.integers(2):
            image[line] = 1
        else:
            image[:, line] = 1
        images.append(image.ravel())
    return np.array(images)


def likelihood(rbm, x):
    """Exact mean log-likelihood of rows."""
    table = enumeration.log_probabilities(
        rbm.components_.astype(float),
        rbm.intercept_visible_.astype(float),
        rbm.intercept_hidden_.astype(float),
    )
    return table[(x @ (1 << np.arange(x.shape[1])[::-1])).astype(int)].mean()


@pytest.fixture
def binary(rng):
    return rng.integers(0, 2, (45, 70)).astype(np.float64)


@pytest.mark.parametrize(
    ("learning", "rate", "n_iter"),
    [
        (nn.CD(1), 0.15, 60),
        (nn.CD(5), 0.15, 60),
        (nn.CD(1, visible="mean"), 0.15, 60),
        # Six separate modes: chains have time to wander between them only at a small rate.
        (nn.PCD(5, n_chains=100), 0.02, 200),
        (nn.CD(5, precision="bfloat16"), 0.15, 60),
        (nn.PCD(5, n_chains=100, precision="bfloat16"), 0.02, 200),
    ],
)
def test_training_approaches_the_entropy_of_a_known_distribution(learning, rate, n_iter):
    dtype = np.float32 if learning.precision == "bfloat16" else np.float64
    x = bars(240, np.random.default_rng(0)).astype(dtype)
    entropy = -np.log(6)  # six images, equally likely
    scores = []
    for epochs in (0, n_iter // 2, n_iter):
        rbm = RBM(
            12, learning=learning, n_iter=epochs, learning_rate=rate, momentum=0.5, random_state=0
        )
        scores.append(likelihood(rbm.fit(x), x))
    assert scores[0] == pytest.approx(-9 * np.log(2), abs=0.05)
    assert scores[0] + 0.5 < scores[1]
    assert entropy - 0.7 < scores[2] < entropy + 0.05


@pytest.mark.parametrize("learning", ["cd", "pcd"])
def test_a_last_batch_of_another_size_is_not_scaled(learning, rng):
    """13 equal rows: batches of 10 and 3 must move the weights as two batches of equal size."""
    x = np.tile(rng.integers(0, 2, 6).astype(float), (13, 1))
    moved = []
    for batch_size in (10, 7):
        updates = []
        for seed in range(40):
            rbm = RBM(4, batch_size=batch_size, n_iter=1, learning=learning, random_state=seed)
            updates.append(rbm.fit(x).intercept_visible_)
        moved.append(np.mean(updates, axis=0))
    np.testing.assert_allclose(moved[0], moved[1], atol=0.02)
    assert np.abs(moved[0]).min() > 0.05


def test_first_weights_are_small_and_normal_and_biases_zero():
    rbm = RBM(100, n_iter=0, random_state=0).fit(np.zeros((3, 50)))
    assert rbm.components_.std() == pytest.approx(0.01, rel=0.05)
    assert not rbm.intercept_hidden_.any()
    assert not rbm.intercept_visible_.any()


def test_visible_biases_start_at_log_odds_where_asked(rng):
    x = (rng.random((2000, 4)) < [0.1, 0.5, 0.9, 0.0]).astype(float)
    rbm = RBM(3, n_iter=0, visible_bias="log_odds").fit(x)
    p = np.clip(x.mean(axis=0), 0.001, 0.999)
    np.testing.assert_allclose(rbm.intercept_visible_, np.log(p / (1 - p)))


def test_free_energy_and_score_samples_are_exact(rng):
    rbm = RBM(3, n_iter=5, learning_rate=1.0, random_state=0).fit(rng.integers(0, 2, (40, 4)))
    v = enumeration.states(4)
    log_p = enumeration.log_probabilities(
        rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_
    )
    difference = -rbm.free_energy(v) - log_p
    np.testing.assert_allclose(difference, difference[0])  # log Z
    expected = np.zeros(16)
    for i in range(4):
        other = log_p[np.arange(16) ^ (8 >> i)]
        expected += log_p - np.logaddexp(log_p, other)
    np.testing.assert_allclose(rbm.score_samples(v), expected)
    assert rbm.score(v) == pytest.approx(expected.mean())


def test_samples_follow_the_model(rng):
    rbm = RBM(3, n_iter=20, learning_rate=0.5, random_state=0).fit(rng.integers(0, 2, (40, 3)))
    expected = np.exp(
        enumeration.log_probabilities(
            rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_
        )
    )
    v = rbm.sample(20_000, n_gibbs=50, random_state=1)
    found = np.bincount((v @ [4, 2, 1]).astype(int), minlength=8) / len(v)
    assert np.all(np.abs(found - expected) < 5 * np.sqrt(expected / len(v)))


def test_sampling_draws_anew_each_time_unless_given_a_random_state(binary):
    rbm = RBM(8, n_iter=1, random_state=0).fit(binary)
    assert not np.array_equal(rbm.sample(5, n_gibbs=2), rbm.sample(5, n_gibbs=2))
    assert not np.array_equal(rbm.gibbs(binary), rbm.gibbs(binary))
    first, second = [rbm.sample(5, n_gibbs=2, random_state=3) for _ in range(2)]
    np.testing.assert_array_equal(first, second)
    assert set(np.unique(first)) == {0.0, 1.0}
    mean = rbm.sample(n_gibbs=2, start=binary, returns="mean")
    assert mean.shape == binary.shape
    assert 0 < mean.min() <= mean.max() < 1


@pytest.mark.parametrize("learning", ["cd", "pcd"])
def test_same_seed_same_bits_on_any_number_of_threads(binary, learning):
    results = []
    for threads in (1, 2, 1):
        with layerwise.num_threads(threads):
            rbm = RBM(33, n_iter=2, learning=learning, random_state=5).fit(binary)
            results.append((rbm.components_, rbm.transform(binary), rbm.score_samples(binary)))
    for other in results[1:]:
        for array, same in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize(
    ("encode", "dtype"),
    [
        *itertools.product(
            [sp.csr_matrix, sp.csc_array, np.asfortranarray], [np.float32, np.float64]
        ),
        (BitMatrix.pack, np.float32),  # bits alone train in float32
    ],
)
def test_every_encoding_gives_the_bits_of_dense_data(binary, encode, dtype):
    x = binary.astype(dtype)
    dense = RBM(9, n_iter=2, random_state=0).fit(x)
    other = RBM(9, n_iter=2, random_state=0).fit(encode(x))
    assert dense.components_.dtype == dtype
    np.testing.assert_array_equal(other.components_, dense.components_)
    for method in ("transform", "reconstruct", "free_energy", "score_samples"):
        got, expected = getattr(other, method)(encode(x)), getattr(dense, method)(x)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == dtype


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_integers_train_in_float64_as_in_scikit_learn(binary, dtype):
    x = binary.astype(dtype)
    rbm = RBM(9, n_iter=2, random_state=0).fit(x)
    expected = RBM(9, n_iter=2, random_state=0).fit(binary)
    np.testing.assert_array_equal(rbm.components_, expected.components_)
    assert rbm.transform(x).dtype == np.float64


@pytest.mark.parametrize("learning", ["cd", "pcd"])
def test_partial_fit_over_batches_is_a_fit_in_the_same_order(binary, learning):
    options = {
        "batch_size": 20, "learning": learning, "k": 2, "momentum": 0.5, "weight_decay": 0.01,
        "random_state": 0,
    }  # fmt: skip
    whole = RBM(9, n_iter=1, shuffle=False, **options).fit(binary)
    parts = RBM(9, **options)
    for start in range(0, len(binary), 20):
        parts.partial_fit(binary[start : start + 20])
        parts = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(parts.components_, whole.components_)
    np.testing.assert_array_equal(parts.intercept_visible_, whole.intercept_visible_)
    np.testing.assert_array_equal(parts.intercept_hidden_, whole.intercept_hidden_)
    assert (parts.n_steps_, parts.n_samples_seen_) == (whole.n_steps_, whole.n_samples_seen_)


def test_partial_fit_goes_on_where_fit_ended(binary):
    rbm = RBM(9, n_iter=1, random_state=0).fit(binary)
    before = rbm.components_.copy()
    rbm.partial_fit(binary[:7])
    assert rbm.n_steps_ == 6
    assert 0 < np.abs(rbm.components_ - before).max() < 0.5


def test_final_momentum_takes_over_after_the_switch(binary):
    low, high = (RBM(9, n_iter=3, momentum=m, random_state=0).fit(binary) for m in (0.0, 0.9))
    options = {"n_iter": 3, "final_momentum": 0.9, "random_state": 0}
    early = RBM(9, momentum=0.0, momentum_switch=0, **options).fit(binary)
    late = RBM(9, momentum=0.0, momentum_switch=3, **options).fit(binary)
    np.testing.assert_array_equal(early.components_, high.components_)
    np.testing.assert_array_equal(late.components_, low.components_)


def test_weight_decay_shrinks_weights_and_leaves_biases(rng):
    x = np.tile([1.0, 0.0, 1.0], (50, 1))
    plain, decayed = (
        RBM(4, n_iter=30, weight_decay=decay, random_state=0).fit(x) for decay in (0.0, 0.5)
    )
    assert np.abs(decayed.components_).sum() < 0.5 * np.abs(plain.components_).sum()
    assert np.abs(decayed.intercept_visible_).min() > np.abs(plain.intercept_visible_).min()


@pytest.mark.parametrize("learning", ["cd", nn.PCD(n_chains=8)])
def test_hidden_samples_are_zeros_and_ones(binary, learning):
    rbm = RBM(9, n_iter=1, batch_size=40, learning=learning).fit(binary)
    assert rbm.h_samples_.shape == (5 if learning == "cd" else 8, 9)
    assert set(np.unique(rbm.h_samples_)) <= {0.0, 1.0}


def test_a_model_loaded_read_only_can_go_on_training(binary):
    rbm = RBM(9, n_iter=1, random_state=0).fit(binary)
    for array in (rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_):
        array.flags.writeable = False
    rbm.partial_fit(binary)
    assert np.isfinite(rbm.transform(binary)).all()


def test_learning_rules_survive_clone_and_pickle():
    rbm = RBM(learning=nn.PCD(k=3, n_chains=7))
    assert clone(rbm).learning == rbm.learning
    assert pickle.loads(pickle.dumps(rbm)).learning == rbm.learning


def test_ctrl_c_keeps_what_was_learnt(binary, monkeypatch):
    step = nn.RBMTrainer.step

    def interrupted(self, batch, t):
        if t == 3:
            raise KeyboardInterrupt
        return step(self, batch, t)

    monkeypatch.setattr(nn.RBMTrainer, "step", interrupted)
    rbm = RBM(9, n_iter=5, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        rbm.fit(binary)
    monkeypatch.undo()
    assert rbm.n_steps_ == 3
    rbm.partial_fit(binary)
    assert rbm.n_steps_ == 4
    assert rbm.transform(binary).shape == (45, 9)


def test_fit_leaves_the_data_alone(binary):
    x = binary.copy()
    x.flags.writeable = False
    RBM(9, n_iter=1).fit(x)
    np.testing.assert_array_equal(x, binary)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "RBM: n_components must be an integer >= 1; got 0"),
        ({"n_components": -3}, ValueError, "n_components must be an integer >= 1; got -3"),
        ({"n_components": 2.5}, TypeError, "n_components must be an integer >= 1; got 2.5"),
        ({"n_components": True}, TypeError, "n_components must be an integer >= 1; got True"),
        ({"n_components": 10**14}, MemoryError, "n_components must fit into memory; got 1000000"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number > 0; got 0"),
        ({"learning_rate": np.nan}, ValueError, "learning_rate must be a finite number > 0"),
        ({"learning_rate": "0.1"}, TypeError, "learning_rate must be a finite number > 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1; got 0"),
        ({"n_iter": -1}, ValueError, "n_iter must be an integer >= 0; got -1"),
        ({"momentum": 1.0}, ValueError, "momentum must be a finite number >= 0 and < 1; got 1"),
        ({"final_momentum": -1}, ValueError, "final_momentum must be a finite number >= 0"),
        ({"momentum_switch": 0.5}, TypeError, "momentum_switch must be an integer >= 0"),
        ({"weight_decay": np.inf}, ValueError, "weight_decay must be a finite number >= 0"),
        ({"learning": "ml"}, ValueError, "learning must be 'cd', 'pcd' or an object"),
        ({"k": 0}, ValueError, "k must be an integer >= 1; got 0"),
        ({"visible": "ising"}, ValueError, "visible must be 'bernoulli' or an object"),
        ({"visible_bias": 1}, ValueError, "visible_bias must be 'zeros' or 'log_odds'; got 1"),
        ({"random_state": -1}, ValueError, "random_state must be an integer from 0"),
        ({"random_state": "x"}, TypeError, "random_state must be an integer, a RandomState"),
        ({"verbose": -1}, ValueError, "verbose must be an integer >= 0; got -1"),
    ],
)
def test_bad_parameters_are_named_with_what_was_required_and_what_came(parameters, error, message):
    with pytest.raises(error, match=message):
        RBM(**{"n_components": 2, **parameters}).fit(np.zeros((4, 3)))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[0.0, np.nan]], ValueError, "NaN"),
        ([[0.0, np.inf]], ValueError, "infinity"),
        (np.zeros((0, 3)), ValueError, "0 sample"),
        (np.zeros((3, 0)), ValueError, "0 feature"),
        (np.zeros(3), ValueError, "Expected 2D array"),
        ([["a", "b"]], ValueError, "not compatible with arrays of bytes/strings"),
        (np.zeros((2, 2), complex), ValueError, "Complex data"),
        (BitMatrix.zeros((0, 3)), ValueError, "0 sample"),
    ],
)
def test_bad_data_are_refused(x, error, message):
    with pytest.raises(error, match=message):
        RBM(2).fit(x)


def test_values_outside_the_unit_interval_warn():
    x = np.array([[0.0, 1.5], [-1.0, 0.5]])
    with pytest.warns(UserWarning, match=r"values in \[0, 1\]; X spans \[-1, 1.5\]"):
        RBM(2, n_iter=1).fit(x)


ROUNDED = nn.CD(precision="bfloat16")


@pytest.mark.parametrize(
    "model",
    [
        RBM(3, learning=ROUNDED, n_iter=1),
        RBM(3, learning=nn.Dropout(ROUNDED, 0.5), n_iter=1),
        DBN([3, 2], learning=ROUNDED, n_iter=1),
        DBNClassifier([3], pretrain=DBN(3, learning=ROUNDED, n_iter=1), n_iter=1),
    ],
)
def test_rounded_weights_ask_for_data_that_train_in_float32(binary, model, tmp_path):
    x = binary.astype(bool)
    labels = [x[:, 0]] if isinstance(model, DBNClassifier) else []
    message = r"X must be float32 or a BitMatrix where learning has precision='bfloat16'"
    with pytest.raises(TypeError, match=f"^{type(model).__name__}: {message}; got .* in float64"):
        model.fit(x, *labels, checkpoint=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    if isinstance(model, RBM):
        with pytest.raises(TypeError, match=message):
            model.partial_fit(x)
        assert not hasattr(model, "components_")
    model.fit(BitMatrix.pack(x), *labels)


def test_methods_ask_for_fit_and_for_the_features_of_fit(binary):
    for method in ("transform", "reconstruct", "free_energy", "score_samples", "gibbs"):
        with pytest.raises(NotFittedError):
            getattr(RBM(), method)(binary)
    with pytest.raises(NotFittedError):
        RBM().sample()
    rbm = RBM(3, n_iter=1).fit(binary)
    for x in (binary[:, :5], BitMatrix.zeros((2, 5))):
        with pytest.raises(ValueError, match="X has 5 features"):
            rbm.transform(x)
    with pytest.raises(ValueError, match=r"X must have shape \(n, 3\)"):
        rbm.inverse_transform(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="n_gibbs must be an integer >= 1"):
        rbm.sample(n_gibbs=0)
    with pytest.raises(ValueError, match="returns must be 'sample' or 'mean'"):
        rbm.sample(returns="both")
