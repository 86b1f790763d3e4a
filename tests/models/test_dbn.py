"""DBN: greedy training, passes up and down."""

import numpy as np
import pytest
import scipy.sparse as sp

import layerwise
from layerwise import DBN, RBM, nn
from layerwise.ops import BitMatrix

from ..nn.energy import enumeration


@pytest.fixture
def binary(rng):
    return rng.integers(0, 2, (45, 30)).astype(np.float64)


def test_the_first_layer_is_an_rbm_on_the_data_and_the_second_on_its_means(binary):
    dbn = DBN((7, 5), n_iter=2, batch_size=20, random_state=0).fit(binary)
    options = {
        "n_iter": 2, "batch_size": 20, "learning_rate": 0.1, "momentum": 0.5,
        "final_momentum": 0.9, "weight_decay": 2e-4, "random_state": 0,
    }  # fmt: skip
    first = RBM(7, **options).fit(binary)
    np.testing.assert_array_equal(dbn.rbms_[0].components_, first.components_)
    assert dbn.rbms_[1].components_.shape == (5, 7)
    h = first.transform(binary)
    np.testing.assert_array_equal(dbn.transform(binary), dbn.rbms_[1].transform(h))


def test_reconstruction_goes_up_and_down_with_means(binary):
    dbn = DBN((7, 5), n_iter=2, random_state=0).fit(binary)
    up = dbn.transform(binary)
    down = dbn.rbms_[0].inverse_transform(dbn.rbms_[1].inverse_transform(up))
    np.testing.assert_array_equal(dbn.reconstruct(binary), down)
    np.testing.assert_array_equal(dbn.inverse_transform(up), down)


def test_training_reconstructs_better(rng):
    prototypes = rng.integers(0, 2, (4, 20))
    x = prototypes[rng.integers(0, 4, 400)].astype(np.float32)
    errors = []
    for n_iter in (0, 40):
        dbn = DBN((16, 8), n_iter=n_iter, batch_size=20, random_state=0).fit(x)
        errors.append(np.square(dbn.reconstruct(x) - x).mean())
    assert errors[1] < 0.3 * errors[0]


@pytest.mark.parametrize("layer_input", ["mean", "sample"])
def test_same_seed_same_bits_on_any_number_of_threads(binary, layer_input):
    results = []
    for threads in (1, 2):
        with layerwise.num_threads(threads):
            dbn = DBN((17, 9), n_iter=2, layer_input=layer_input, random_state=3).fit(binary)
            results.append([rbm.components_ for rbm in dbn.rbms_] + [dbn.transform(binary)])
    for array, same in zip(*results, strict=True):
        np.testing.assert_array_equal(array, same)


def test_layers_take_their_own_parameters(binary):
    dbn = DBN(
        (7, 6, 5), n_iter=(1, 2, 3), learning=["cd", nn.PCD(n_chains=4), "cd"], k=[1, 1, 2],
        learning_rate=(0.1, 0.05, 0.02), weight_decay=0.0, batch_size=45,
    )  # fmt: skip
    assert [rbm.n_steps_ for rbm in dbn.fit(binary).rbms_] == [1, 2, 3]
    assert dbn.rbms_[1].h_samples_.shape == (4, 6)
    assert dbn.rbms_[2].k == 2


@pytest.mark.parametrize("sizes", [6, (6,), (7, 6)])
def test_samples_have_the_shape_of_data(binary, sizes):
    dbn = DBN(sizes, n_iter=1, random_state=0).fit(binary)
    v = dbn.sample(3, n_gibbs=2, random_state=1)
    assert v.shape == (3, 30)
    assert set(np.unique(v)) == {0.0, 1.0}
    np.testing.assert_array_equal(v, dbn.sample(3, n_gibbs=2, random_state=1))
    assert not np.array_equal(dbn.sample(3, n_gibbs=2), dbn.sample(3, n_gibbs=2))
    mean = dbn.sample(n_gibbs=1, start=binary[:4], returns="mean")
    assert mean.shape == (4, 30)
    assert 0 < mean.min() <= mean.max() < 1


def test_down_pass_samples_have_the_means_of_the_layer_above():
    """One layer of constant units over another: what comes down is known."""
    dbn = DBN((2, 2), n_iter=0, random_state=0).fit(np.zeros((4, 2)))
    dbn.rbms_[1].intercept_visible_[:] = [50.0, -50.0]
    dbn.rbms_[0].components_[:] = [[1.0, -1.0], [30.0, 30.0]]
    v = dbn.sample(4000, n_gibbs=1, random_state=0)
    np.testing.assert_allclose(v.mean(axis=0), 1 / (1 + np.exp([-1.0, 1.0])), atol=0.05)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_components": ()}, ValueError, "DBN: n_components must be .* got an empty one"),
        ({"n_components": (5, 0)}, ValueError, r"DBN: n_components\[1\] must be an integer >= 1"),
        ({"n_components": "55"}, TypeError, "DBN: n_components must be an integer >= 1 or a seq"),
        ({"n_iter": (1, 2, 3)}, ValueError, "n_iter must be one value or one for each of 2 lay"),
        ({"learning_rate": (0.1, -1)}, ValueError, "DBN: learning_rate must be a finite number"),
        ({"layer_input": "both"}, ValueError, "DBN: layer_input must be 'mean' or 'sample'"),
        ({"momentum": 2}, ValueError, "DBN: momentum must be a finite number >= 0 and < 1"),
    ],
)
def test_bad_parameters_are_named_with_what_was_required_and_what_came(parameters, error, message):
    with pytest.raises(error, match=message):
        DBN(**{"n_components": (3, 2), **parameters}).fit(np.zeros((4, 3)))


def test_transform_goes_up_and_down_to_any_depth(binary):
    dbn = DBN((7, 5, 4), n_iter=1, random_state=0).fit(binary)
    h = binary
    for depth, rbm in enumerate(dbn.rbms_, start=1):
        h = rbm.transform(h)
        np.testing.assert_array_equal(dbn.transform(binary, depth=depth), h)
    np.testing.assert_array_equal(dbn.transform(binary), h)
    down = dbn.rbms_[0].inverse_transform(dbn.rbms_[1].inverse_transform(h[:, :1] + np.zeros(5)))
    np.testing.assert_array_equal(dbn.inverse_transform(h[:, :1] + np.zeros(5), depth=2), down)
    for depth in (0, 4):
        with pytest.raises(ValueError, match="DBN.transform: depth must be"):
            dbn.transform(binary, depth=depth)
    with pytest.raises(TypeError, match="depth must be an integer >= 1; got 1.5"):
        dbn.inverse_transform(binary, depth=1.5)


def tiny_stack(rng, sizes):
    dbn = DBN(sizes[1:], n_iter=0).fit(np.zeros((3, sizes[0])))
    for rbm in dbn.rbms_:
        for array in (rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_):
            array[...] = 0.8 * rng.standard_normal(array.shape)
    return dbn


def log_bernoulli(x, z):
    return (x * z - np.logaddexp(0, z)).sum(axis=-1)


def exact_quantities(dbn):
    """log p(v), the bound, and log Z of the top, of a two-layer stack, for every state v."""
    (w1, b1, a1), (w2, b2, a2) = (
        (rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_) for rbm in dbn.rbms_
    )
    v, h = enumeration.states(len(b1)), enumeration.states(len(b2))
    log_h = enumeration.log_probabilities(w2, b2, a2)  # of the top RBM's visible units
    log_z = -dbn.rbms_[1].free_energy(h)[0] - log_h[0]
    log_v_h = log_bernoulli(v[:, None], (h @ w1 + b1)[None])  # (v,h)
    log_q = log_bernoulli(h[None], (v @ w1.T + a1)[:, None])
    log_p = np.logaddexp.reduce(log_h + log_v_h, axis=1)
    bound = (np.exp(log_q) * (log_h + log_v_h - log_q)).sum(axis=1)
    return log_p, bound, log_z


def test_the_variational_bound_is_the_exact_one_in_the_mean_and_below_log_p(rng):
    dbn = tiny_stack(rng, (4, 3, 2))
    log_p, bound, log_z = exact_quantities(dbn)
    v = enumeration.states(4)
    n = 3000
    found = np.array(
        [dbn.variational_bound(v, log_z, n_samples=30, random_state=i) for i in range(n // 30)]
    )
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - bound) < 5 * error)
    assert np.all(bound < log_p)


def test_the_bound_is_log_p_where_the_pass_up_is_the_posterior(rng):
    """The top RBM is the lower one turned over: the stack is one RBM, whatever is drawn."""
    dbn = tiny_stack(rng, (4, 3, 4))
    first, second = dbn.rbms_
    second.components_[...] = first.components_.T
    second.intercept_visible_[...] = first.intercept_hidden_
    second.intercept_hidden_[...] = first.intercept_visible_
    _, _, log_z = exact_quantities(dbn)
    v = enumeration.states(4)
    expected = enumeration.log_probabilities(
        first.components_, first.intercept_visible_, first.intercept_hidden_
    )
    for seed in range(3):
        found = dbn.variational_bound(v, log_z, n_samples=1, random_state=seed)
        np.testing.assert_allclose(found, expected)


def test_the_bound_of_one_layer_is_log_p(rng):
    dbn = tiny_stack(rng, (4, 3))
    rbm = dbn.rbms_[0]
    v = enumeration.states(4)
    expected = enumeration.log_probabilities(
        rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_
    )
    log_z = -rbm.free_energy(v)[0] - expected[0]
    np.testing.assert_allclose(dbn.variational_bound(v, log_z), expected)
    for encode in (sp.csr_array, BitMatrix.pack):
        np.testing.assert_allclose(dbn.variational_bound(encode(v), log_z), expected)


def test_bounds_do_not_depend_on_how_rows_are_cut(rng, monkeypatch):
    dbn = tiny_stack(rng, (4, 3, 2))
    v = enumeration.states(4)
    whole = dbn.variational_bound(v, 1.0, random_state=0)
    monkeypatch.setattr("layerwise.nn.data.minibatch._CHUNK_ELEMENTS", 12)
    np.testing.assert_array_equal(dbn.variational_bound(v, 1.0, random_state=0), whole)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"log_z": np.nan}, ValueError, "variational_bound: log_z must be a finite number"),
        ({"log_z": "1"}, TypeError, "variational_bound: log_z must be a finite number"),
        ({"log_z": 1, "n_samples": 0}, ValueError, "n_samples must be an integer >= 1; got 0"),
    ],
)
def test_bad_arguments_of_the_bound_are_named(rng, options, error, message):
    with pytest.raises(error, match=message):
        tiny_stack(rng, (4, 3)).variational_bound(np.eye(4), **options)
