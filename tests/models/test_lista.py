"""LISTA as an estimator."""

import numpy as np
import pytest

from layerwise import LISTA, DictionaryLearning, SparseCoder, num_threads


@pytest.fixture
def x(rng):
    return rng.standard_normal((300, 6))


@pytest.fixture
def phi(rng):
    atoms = rng.standard_normal((9, 6))
    return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)


def test_codes_come_nearer_to_the_solvers_than_those_of_untrained_layers(x, phi):
    exact = SparseCoder(phi, transform_algorithm="lasso", transform_alpha=0.2).transform(x[200:])
    options = {"alpha": 0.2, "batch_size": 25, "learning_rate": 0.01, "random_state": 0}
    ista, lista = (LISTA(phi, n_iter=n, **options).fit(x[:200]) for n in (0, 20))
    errors = [((net.transform(x[200:]) - exact) ** 2).sum() for net in (ista, lista)]
    assert errors[1] < 0.4 * errors[0]
    assert lista.history_[-1]["loss"] < 0.4 * lista.history_[0]["loss"]


def test_the_dictionary_may_be_learnt_from_the_same_data(x):
    template = DictionaryLearning(9, alpha=0.3, n_iter=2, batch_size=50)
    lista = LISTA(template, n_iter=1, random_state=0).fit(x)
    learnt = template.set_params(random_state=0).fit(x).components_
    assert np.array_equal(lista.dictionary_, learnt)
    assert not hasattr(LISTA(template).dictionary, "encoder_")


def test_a_fit_has_the_same_bits_on_any_number_of_threads(x, phi):
    nets = []
    for threads in (1, 2):
        with num_threads(threads):
            nets.append(LISTA(phi, n_iter=2, random_state=0).fit(x))
    assert np.array_equal(nets[0].inhibition_, nets[1].inhibition_)


def test_non_negative_codes(x, phi):
    assert LISTA(phi, alpha=0.1, positive_code=True, n_iter=2).fit(x).transform(x).min() >= 0


def test_partial_fits_are_the_steps_of_a_fit(x, phi):
    options = {"alpha": 0.2, "batch_size": 50, "shuffle": False, "random_state": 0}
    whole = LISTA(phi, n_iter=1, **options).fit(x)
    steps = LISTA(phi, **options)
    for part in np.split(x, 6):
        steps.partial_fit(part)
    assert np.array_equal(steps.encoder_, whole.encoder_)
    assert (steps.n_steps_, steps.n_samples_seen_, steps.n_epochs_) == (6, 300, 6)


def test_bad_hyper_parameters_are_refused(x, phi):
    for options, error in (({"n_layers": -1}, ValueError), ({"alpha": "x"}, TypeError)):
        with pytest.raises(error, match="^LISTA: "):
            LISTA(phi, **options).fit(x)
    with pytest.raises(ValueError, match="^LISTA: dictionary must have a column"):
        LISTA(np.ones((3, 5))).fit(x)
