"""How estimators train: schedules, callbacks, histories, validation parts, data from anywhere."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from layerwise import DBN, RBM, nn
from layerwise.ops import BitMatrix


@pytest.fixture
def binary(rng):
    return rng.integers(0, 2, (45, 30)).astype(np.float64)


def mapped(x, path):
    file = np.memmap(path / "x", x.dtype, "w+", shape=x.shape)
    file[:] = x
    return np.memmap(path / "x", x.dtype, "r", shape=x.shape)


def assert_same(rbm, other):
    for name in ("components_", "intercept_visible_", "intercept_hidden_"):
        np.testing.assert_array_equal(getattr(rbm, name), getattr(other, name))


def test_constant_schedules_give_the_bits_of_numbers(binary):
    plain = RBM(9, learning_rate=0.05, momentum=0.5, n_iter=3, random_state=0).fit(binary)
    for options in (
        {"learning_rate": nn.Constant(0.05), "momentum": nn.Constant(0.5)},
        {"learning_rate": nn.Linear(0.05, 0.0, until=0), "momentum": 0.5},
    ):
        assert_same(RBM(9, n_iter=3, random_state=0, **options).fit(binary), plain)


def test_a_switch_is_final_momentum(binary):
    plain = RBM(9, momentum=0.2, final_momentum=0.8, momentum_switch=2, n_iter=4, random_state=0)
    switch = RBM(9, momentum=nn.Switch(0.2, 0.8, at=2), n_iter=4, random_state=0)
    assert_same(switch.fit(binary), plain.fit(binary))


def test_a_rate_that_falls_to_zero_ends_learning(binary):
    schedule = nn.Step(0.1, 0.0, every=2)
    two, four = (RBM(9, learning_rate=schedule, n_iter=n, random_state=0) for n in (2, 4))
    assert_same(two.fit(binary), four.fit(binary))


def test_schedules_go_on_in_partial_fit_call_by_call(binary):
    rbm = RBM(9, learning_rate=nn.Step(0.1, 0.0, every=3), n_iter=2, random_state=0).fit(binary)
    w = rbm.components_.copy()
    rbm.partial_fit(binary)
    assert not np.array_equal(rbm.components_, w)
    w = rbm.components_.copy()
    rbm.partial_fit(binary)
    np.testing.assert_array_equal(rbm.components_, w)
    assert rbm.n_epochs_ == 4


def test_layers_of_a_stack_take_their_own_schedules(binary):
    rates = (nn.Constant(0.1), nn.Linear(0.1, 0.01, until=5))
    dbn = DBN((5, 4), learning_rate=rates, n_iter=1).fit(binary)
    assert tuple(rbm.learning_rate for rbm in dbn.rbms_) == rates


def test_estimators_with_schedules_and_callbacks_can_be_cloned_pickled_and_compared(binary):
    options = {"learning_rate": nn.Exponential(0.1, 0.9), "callbacks": [nn.EarlyStopping("loss")]}
    for rbm in (RBM(**options), clone(RBM(**options)), pickle.loads(pickle.dumps(RBM(**options)))):
        assert rbm.get_params()["learning_rate"] == options["learning_rate"]
        assert rbm.get_params()["callbacks"] == options["callbacks"]


class Recorder(nn.Callback):
    def __init__(self, stop_after=99):
        self.stop_after = stop_after
        self.calls = []

    def start(self, stepper, n_iter):
        self.calls.append(("start", n_iter, sorted(stepper.weights)))

    def begin(self, epoch):
        self.calls.append(("begin", epoch))

    def step(self, t, metrics):
        self.calls.append(("step", t))

    def epoch(self, epoch, metrics):
        metrics["own"] = 10.0 * epoch
        self.calls.append(("epoch", epoch))
        return epoch == self.stop_after

    def close(self):
        self.calls.append(("close",))


def test_users_callbacks_hear_everything_and_stop_training(binary):
    recorder = Recorder(stop_after=1)
    rbm = RBM(4, batch_size=30, n_iter=9, callbacks=[recorder]).fit(binary)
    assert recorder.calls == [
        ("start", 9, ["a", "b", "w"]),
        ("begin", 0), ("step", 1), ("step", 2), ("epoch", 0),
        ("begin", 1), ("step", 3), ("step", 4), ("epoch", 1), ("close",),
    ]  # fmt: skip
    assert rbm.history_ == [{"epoch": 1, "own": 0.0}, {"epoch": 2, "own": 10.0}]
    assert (rbm.n_epochs_, rbm.n_steps_) == (2, 4)


def test_history_is_kept_when_training_is_broken_off(binary):
    class Break(nn.Callback):
        def begin(self, epoch):
            if epoch == 2:
                raise KeyboardInterrupt

    rbm = RBM(4, n_iter=9, callbacks=[Break()])
    with pytest.raises(KeyboardInterrupt):
        rbm.fit(binary)
    assert [epoch["epoch"] for epoch in rbm.history_] == [1, 2]
    assert rbm.n_epochs_ == 2


def test_watching_does_not_change_what_is_learnt(binary):
    plain = RBM(9, n_iter=3, random_state=0).fit(binary)
    assert_same(RBM(9, n_iter=3, random_state=0, monitor=True).fit(binary), plain)
    assert_same(RBM(9, n_iter=3, random_state=0, callbacks=[Recorder()]).fit(binary), plain)


def test_monitoring_keeps_metrics_of_every_epoch_and_of_the_validation_part(binary):
    rbm = RBM(9, n_iter=3, monitor=True, validation_fraction=0.2, random_state=0).fit(binary)
    assert rbm.n_samples_seen_ == 3 * 36
    assert [epoch["epoch"] for epoch in rbm.history_] == [1, 2, 3]
    assert {"reconstruction_error", "free_energy_gap", "dead_units"} <= set(rbm.history_[-1])
    dbn = DBN((5, 4), n_iter=2, monitor=True, validation_fraction=0.2).fit(binary)
    for layer in dbn.rbms_:
        assert len(layer.history_) == 2
        assert layer.n_samples_seen_ == 2 * 36


def test_the_validation_part_is_fixed_by_the_seed_and_not_trained_on(binary):
    other = binary.copy()
    rbm = RBM(9, n_iter=2, validation_fraction=0.2, random_state=0).fit(binary)
    assert_same(rbm, RBM(9, n_iter=2, validation_fraction=0.2, random_state=0).fit(binary))
    kept = []
    for row in range(45):
        other[row] = 1 - binary[row]
        changed = RBM(9, n_iter=1, validation_fraction=0.2, random_state=0).fit(other)
        same = RBM(9, n_iter=1, validation_fraction=0.2, random_state=0).fit(binary)
        kept.append(np.array_equal(changed.components_, same.components_))
        other[row] = binary[row]
    assert sum(kept) == 9


def test_early_stopping_ends_with_the_best_weights(rng):
    x = rng.integers(0, 2, (60, 12)).astype(float)  # noise: there is nothing to generalise to
    stop = nn.EarlyStopping("validation_pseudo_likelihood", patience=3, mode="max")
    options = {
        "n_components": 30, "learning_rate": 0.5, "monitor": True, "validation_fraction": 0.25,
        "random_state": 0,
    }  # fmt: skip
    rbm = RBM(n_iter=200, callbacks=[stop], **options).fit(x)
    scores = [epoch["validation_pseudo_likelihood"] for epoch in rbm.history_]
    assert len(scores) == np.argmax(scores) + 4 < 200
    assert_same(rbm, RBM(n_iter=int(np.argmax(scores)) + 1, **options).fit(x))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("model", [RBM(9, n_iter=2), DBN((6, 5), n_iter=2)])
def test_a_memory_map_trains_as_the_array_does(binary, tmp_path, dtype, model):
    x = binary.astype(dtype)
    options = {"random_state": 0, "visible_bias": "log_odds", "batch_size": 10}
    array, file = (
        clone(model).set_params(**options).fit(data) for data in (x, mapped(x, tmp_path))
    )
    np.testing.assert_array_equal(array.transform(x), file.transform(mapped(x, tmp_path)))
    assert array.n_features_in_ == file.n_features_in_


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("model", [RBM(9, n_iter=2), DBN((6, 5), n_iter=2, layer_input="sample")])
def test_blocks_train_as_the_array_does(binary, model, shuffle):
    options = {"random_state": 0, "shuffle": shuffle, "batch_size": 10, "monitor": True}
    array = clone(model).set_params(**options).fit(binary)
    blocks = clone(model).set_params(**options).fit(lambda: np.array_split(binary, 4))
    np.testing.assert_array_equal(array.transform(binary), blocks.transform(binary))


@pytest.mark.parametrize("encode", [np.asarray, sp.csr_matrix, BitMatrix.pack])
def test_a_generator_serves_one_epoch_and_partial_fit(binary, encode):
    def blocks():
        return (encode(binary[start : start + 9]) for start in range(0, 45, 9))

    options = {"batch_size": 9, "n_iter": 1, "shuffle": False, "random_state": 0}
    whole = RBM(9, **options).fit(encode(binary))
    assert_same(RBM(9, **options).fit(blocks()), whole)
    assert_same(RBM(9, **options).partial_fit(blocks()), whole)
    with pytest.raises(ValueError, match="X must be a function that returns a new iterator"):
        RBM(9, n_iter=2).fit(blocks())


def test_blocks_are_validated_one_by_one(binary):
    for bad, message in (
        (binary[:, :5], "X has 5 features, but RBM is expecting 30"),
        (np.full((2, 30), np.nan), "NaN"),
        (binary[0], "Expected 2D array"),
    ):
        with pytest.raises(ValueError, match=message):
            RBM(9).fit(lambda: [binary, bad])  # noqa: B023
    with pytest.warns(UserWarning, match=r"values in \[0, 1\]; X spans \[-3, 1\]"):
        RBM(9, n_iter=1).fit(lambda: [binary, np.where(binary, -3, binary + 1)])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_memory_map_is_searched_for_what_is_not_finite(binary, tmp_path, value):
    x = binary.copy()
    x[-1, -1] = value
    with pytest.raises(ValueError, match="NaN|infinity"):
        RBM(9).fit(mapped(x, tmp_path))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"learning_rate": nn.Schedule}, TypeError, "learning_rate must be a finite number > 0"),
        (
            {"momentum": nn.Linear(0.5, 1.0, 5)},
            ValueError,
            "momentum must stay below 1; got Linear",
        ),
        ({"callbacks": nn.Callback()}, TypeError, "callbacks must be a list of layerwise.nn.Callb"),
        ({"callbacks": ["x"]}, TypeError, "callbacks must be a list .* got \\['x'\\]"),
        (
            {"validation_fraction": 1},
            ValueError,
            "validation_fraction must be a finite number >= 0",
        ),
        ({"validation_fraction": 0.01}, ValueError, "validation_fraction must leave rows for both"),
        ({"monitor": "yes"}, TypeError, "monitor must be True or False; got 'yes'"),
    ],
)
def test_bad_parameters_are_named_with_what_was_required_and_what_came(parameters, error, message):
    for model in (RBM(2), DBN((2, 2))):
        copied = copy.deepcopy(parameters)
        with pytest.raises(error, match=message):
            model.set_params(**copied).fit(np.zeros((4, 3)))


def test_a_validation_part_cannot_be_held_out_of_blocks(binary):
    with pytest.raises(ValueError, match="validation_fraction must be 0 where X comes in blocks"):
        RBM(2, validation_fraction=0.1).fit(lambda: [binary])
