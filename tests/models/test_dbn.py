"""DBN: greedy training, passes up and down."""

import numpy as np
import pytest

import layerwise
from layerwise import DBN, RBM, nn


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
