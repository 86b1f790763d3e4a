"""Options of RBMs and stacks: what they do to a model, their limits, and that they cost no bits."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

import layerwise
from layerwise import DBN, RBM, nn

from .test_rbm import bars, likelihood

OPTIONS = [
    {"l1_decay": 0.01},
    {"max_norm": 0.05},
    {"sparsity_target": 0.1},
    {"sparsity_target": 0.1, "sparsity_penalty": "cross_entropy"},
    {"centered": True},
    {"centered": nn.Centring("average", rate=0.1)},
    {"dropout": 0.4},
    {"dropout": 0.4, "learning": "pcd", "centered": True, "l1_decay": 0.01, "sparsity_target": 0.1},
]


@pytest.fixture
def binary(rng):
    return rng.integers(0, 2, (45, 70)).astype(np.float64)


def parameters(rbm):
    return rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_


def assert_same(rbm, other):
    for ours, theirs in zip(parameters(rbm), parameters(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "limit",
    [
        {"l1_decay": 0.0, "dropout": 0.0, "centered": False},
        {"max_norm": 1e6},
        {"sparsity_target": 0.1, "sparsity_cost": 0.0},
        {"sparsity_target": 0.1, "sparsity_cost": 0.0, "sparsity_penalty": "cross_entropy"},
    ],
)
@pytest.mark.parametrize("learning", ["cd", "pcd"])
def test_options_without_effect_give_the_bits_of_none(binary, limit, learning):
    options = {"n_iter": 3, "momentum": 0.5, "learning": learning, "random_state": 0}
    assert_same(RBM(9, **options, **limit).fit(binary), RBM(9, **options).fit(binary))


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_changes_what_is_learnt(binary, options):
    plain, other = (
        RBM(9, n_iter=2, random_state=0, **each).fit(binary)
        for each in ({key: options[key] for key in options if key == "learning"}, options)
    )
    assert not np.array_equal(plain.intercept_hidden_, other.intercept_hidden_) or not (
        np.array_equal(plain.components_, other.components_)
    )


@pytest.mark.parametrize("options", OPTIONS)
def test_same_seed_same_bits_on_any_number_of_threads_and_in_any_encoding(binary, options):
    results = []
    for threads, encode in ((1, np.asarray), (2, np.asarray), (2, sp.csr_array)):
        with layerwise.num_threads(threads):
            rbm = RBM(9, n_iter=2, batch_size=20, random_state=0, **options)
            results.append(rbm.fit(encode(binary)))
    for other in (*results[1:], RBM(9, n_iter=2, batch_size=20, random_state=0, **options).fit(
        binary.astype(bool)
    )):  # fmt: skip
        assert_same(results[0], other)


@pytest.mark.parametrize("options", OPTIONS)
def test_partial_fit_over_batches_is_a_fit_in_the_same_order(binary, options):
    options = {"batch_size": 20, "momentum": 0.5, "random_state": 0, **options}
    whole = RBM(9, n_iter=1, shuffle=False, **options).fit(binary)
    parts = RBM(9, **options)
    for start in range(0, len(binary), 20):
        parts.partial_fit(binary[start : start + 20])
        parts = pickle.loads(pickle.dumps(parts))
    assert_same(parts, whole)


@pytest.mark.parametrize("options", OPTIONS)
def test_float32_is_kept(binary, options):
    rbm = RBM(9, n_iter=2, **options).fit(binary.astype(np.float32))
    assert {array.dtype for array in parameters(rbm)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("penalty", ["squared", "cross_entropy"])
def test_hidden_units_come_near_the_sparsity_target(rng, penalty):
    x = bars(300, rng, size=4)
    options = {"n_iter": 60, "learning_rate": 0.1, "random_state": 0}
    plain = RBM(20, **options).fit(x).transform(x).mean(axis=0)
    options |= {"sparsity_target": 0.1, "sparsity_cost": 10.0, "sparsity_penalty": penalty}
    sparse = RBM(20, **options).fit(x).transform(x).mean(axis=0)
    assert np.abs(sparse - 0.1).mean() < 0.05 < 0.2 < np.abs(plain - 0.1).mean()


def test_l1_draws_weights_to_zero_and_leaves_others_large(rng):
    x = bars(300, rng)
    options = {"n_iter": 150, "learning_rate": 0.1, "random_state": 0}
    plain, l1 = (
        np.abs(RBM(12, l1_decay=decay, **options).fit(x).components_) for decay in (0.0, 0.002)
    )
    assert (plain < 0.02).mean() < 0.02 < 0.05 < (l1 < 0.02).mean()
    assert l1.max() > 2


def test_norms_stay_within_max_norm(rng):
    x = bars(300, rng)
    plain, limited = (
        RBM(12, n_iter=20, learning_rate=0.3, max_norm=norm, random_state=0).fit(x)
        for norm in (None, 1.5)
    )
    norms = [np.linalg.norm(rbm.components_, axis=1).max() for rbm in (plain, limited)]
    assert norms[1] <= 1.5 * (1 + 1e-12) < norms[0]


@pytest.mark.parametrize("centered", [True, nn.Centring("average")])
def test_centring_learns_data_and_their_negative_alike(centered):
    """Bars on a white ground are as easy to learn as bars on a black one."""
    x = bars(240, np.random.default_rng(0))
    scores = []
    for data in (x, 1 - x):
        rbm = RBM(12, n_iter=100, learning_rate=0.1, centered=centered, random_state=0)
        scores.append(likelihood(rbm.fit(data), data))
    assert scores[0] == pytest.approx(scores[1], abs=0.25)
    assert min(scores) > -np.log(6) - 0.5


@pytest.mark.parametrize("options", OPTIONS[-4:])
def test_models_with_options_approach_a_known_distribution(options):
    x = bars(240, np.random.default_rng(0))
    settings = {"n_iter": 60, "learning_rate": 0.1, "momentum": 0.5, "random_state": 0}
    settings |= {key: value for key, value in options.items() if key not in ("l1_decay",)}
    floor = -9 * np.log(2)
    assert floor + 1.0 < likelihood(RBM(12, **settings).fit(x), x) < -np.log(6) + 0.05


def test_rows_without_weight_are_not_learnt(rng):
    x = bars(400, rng)
    other = rng.integers(0, 2, x.shape).astype(float)
    weight = np.repeat([1.0, 0.0], 400)
    settings = {"n_iter": 40, "learning_rate": 0.1, "batch_size": 20, "random_state": 0}
    mixed = np.concatenate([x, other])
    weighted = RBM(12, **settings).fit(mixed, sample_weight=weight)
    equal = RBM(12, **settings).fit(mixed)
    assert likelihood(weighted, x) > likelihood(equal, x) + 0.5


def test_only_ratios_of_weights_matter(binary, rng):
    weight = rng.random(45)
    one, other = (
        RBM(9, n_iter=2, random_state=0).fit(binary, sample_weight=s) for s in (weight, 8 * weight)
    )
    assert_same(one, other)
    equal, plain = (
        RBM(9, n_iter=2, random_state=0).fit(binary, sample_weight=s)
        for s in (np.full(45, 3), None)
    )
    np.testing.assert_allclose(equal.components_, plain.components_, rtol=1e-7)


def test_weights_follow_their_rows_whatever_the_order(binary, rng):
    """A weight that lands on another row would show in the visible biases."""
    x = np.repeat(np.eye(2), 30, axis=0)
    weight = np.repeat([1.0, 0.0], 30)
    for data in (x, sp.csr_array(x), lambda: np.array_split(x, 7)):
        rbm = RBM(2, n_iter=30, random_state=0).fit(data, sample_weight=weight)
        assert rbm.intercept_visible_[0] > 0.5 > -0.5 > rbm.intercept_visible_[1]
    dbn = DBN((2, 2), n_iter=30, random_state=0).fit(x, sample_weight=weight)
    assert dbn.rbms_[0].intercept_visible_[0] > 0.5 > -0.5 > dbn.rbms_[0].intercept_visible_[1]


def test_layers_take_their_own_options(binary):
    dbn = DBN((5, 4), sparsity_target=(None, 0.1), dropout=[0.2, 0], l1_decay=(0.1, 0.0), n_iter=1)
    layers = dbn.fit(binary).rbms_
    assert [layer.sparsity_target for layer in layers] == [None, 0.1]
    assert [layer.dropout for layer in layers] == [0.2, 0]


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"l1_decay": -1}, ValueError, "l1_decay must be a finite number >= 0; got -1"),
        ({"max_norm": 0}, ValueError, "max_norm must be a finite number > 0; got 0"),
        ({"max_norm": "6"}, TypeError, "max_norm must be a finite number > 0; got '6'"),
        ({"sparsity_target": 1}, ValueError, "sparsity_target must be a finite number > 0 and < 1"),
        ({"sparsity_cost": np.nan}, ValueError, "sparsity_cost must be a finite number >= 0"),
        ({"sparsity_penalty": "l2"}, ValueError, "sparsity_penalty must be 'squared' or 'cross_"),
        ({"centered": "yes"}, TypeError, "centered must be True or False; got 'yes'"),
        ({"dropout": 1}, ValueError, "dropout must be a finite number >= 0 and < 1; got 1"),
        ({"dropout": 0.5, "learning": nn.Dropout(nn.CD(), 0.1)}, TypeError, "learning must be CD"),
    ],
)
def test_bad_parameters_are_named_with_what_was_required_and_what_came(parameters, error, message):
    for model in (RBM(2), DBN((2, 2))):
        with pytest.raises(error, match=f"{type(model).__name__}: {message}"):
            model.set_params(**parameters).fit(np.zeros((4, 3)))


@pytest.mark.parametrize("weight", [[1, 1], [-1, 1, 1], [0, 0, 0], [np.nan, 1, 1], [[1], [1], [1]]])
def test_bad_weights_are_refused(weight):
    with pytest.raises(ValueError, match="RBM: sample_weight must have one finite number >= 0"):
        RBM(2).fit(np.eye(3), sample_weight=weight)


class Break(nn.Callback):
    """Breaks training off before an update."""

    def __init__(self, at):
        self.at = at

    def step(self, t, metrics):
        if t == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.filterwarnings("ignore:.*the model over-fits")
def test_a_run_that_was_broken_off_goes_on_with_the_same_bits(binary, options, tmp_path):
    """Running means, offsets, schedules and early stopping are where they were."""

    def model(at):
        stop = nn.EarlyStopping("validation_pseudo_likelihood", patience=2, mode="max")
        return RBM(
            9, n_iter=8, batch_size=10, momentum=nn.Linear(0.2, 0.8, 5), monitor=True,
            learning_rate=nn.Exponential(0.3, 0.8), validation_fraction=0.2,
            callbacks=[stop, Break(at)], random_state=0, **options,
        )  # fmt: skip

    weight = np.arange(45.0)
    whole = model(-1).fit(binary, sample_weight=weight)
    checkpoint = nn.Checkpoint(tmp_path / "run", every_updates=1)
    for at in (3, 9):
        with pytest.raises(KeyboardInterrupt):
            model(at).fit(binary, sample_weight=weight, checkpoint=checkpoint, resume=True)
    resumed = model(-1).fit(binary, sample_weight=weight, checkpoint=checkpoint, resume=True)
    assert_same(resumed, whole)
    assert resumed.history_ == whole.history_
    assert resumed.n_epochs_ == whole.n_epochs_
    with pytest.raises(ValueError, match="has hash of sample_weight"):
        model(-1).fit(binary, checkpoint=checkpoint, resume=True)


def test_models_with_options_are_saved_with_all_they_go_on_from(binary, tmp_path):
    for options in OPTIONS:
        rbm = RBM(
            9, n_iter=2, learning_rate=nn.Step(0.1, 0.5, every=1), monitor=True,
            callbacks=[nn.EarlyStopping("reconstruction_error")], random_state=0, **options,
        ).fit(binary)  # fmt: skip
        rbm.save(tmp_path / "rbm")
        loaded = layerwise.load(tmp_path / "rbm")
        assert loaded.get_params() == rbm.get_params()
        assert loaded.history_ == rbm.history_
        assert_same(loaded.partial_fit(binary), rbm.partial_fit(binary))
