"""The training loop and its callbacks."""

import io
import sys

import numpy as np
import pytest

from layerwise import nn


class Counter:
    """A stepper that notes what it was asked."""

    def __init__(self, fail_at=None):
        self.seen = []
        self.fail_at = fail_at

    def step(self, batch, t):
        if t == self.fail_at:
            raise KeyboardInterrupt
        self.seen.append((t, len(batch)))
        return {"size": float(len(batch))}

    def state_dict(self):
        return {"seen": self.seen}


class Spy(nn.Callback):
    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.calls = []

    def start(self, stepper, n_iter):
        self.calls.append("start")

    def epoch(self, epoch, metrics):
        self.calls.append(epoch)
        return epoch == self.stop_after

    def close(self):
        self.calls.append("close")


def batches(epoch):
    return ["abc", "d"]


def test_steps_are_numbered_through_epochs_and_go_on_from_t():
    counter = Counter()
    assert nn.fit(counter, batches, 2, t=10) == 14
    assert counter.seen == [(10, 3), (11, 1), (12, 3), (13, 1)]


def test_metrics_are_averaged_over_rows():
    history = nn.History()
    nn.fit(Counter(), batches, 2, [history])
    assert history.epochs == [{"epoch": epoch, "size": 2.5} for epoch in (1, 2)]


def test_any_callback_stops_training_after_all_have_heard_the_epoch():
    first, second = Spy(stop_after=1), Spy()
    assert nn.fit(Counter(), batches, 9, [first, second]) == 4
    assert first.calls == second.calls == ["start", 0, 1, "close"]


def test_callbacks_are_closed_when_training_is_broken_off():
    spy = Spy()
    with pytest.raises(KeyboardInterrupt):
        nn.fit(Counter(fail_at=2), batches, 9, [spy])
    assert spy.calls == ["start", 0, "close"]


def test_monitor_adds_metrics_that_later_callbacks_hear():
    history = nn.History()
    nn.fit(Counter(), batches, 1, [nn.Monitor(lambda: {"extra": 1.0}), history])
    assert history.epochs == [{"epoch": 1, "size": 2.5, "extra": 1.0}]


def test_progress_is_silent_off_a_terminal_unless_verbose(monkeypatch):
    for verbose in (False, True):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        nn.fit(Counter(), batches, 2, [nn.Progress("layer 1", 2, verbose=verbose)])
        assert ("layer 1" in stream.getvalue()) is verbose


def test_sgd_follows_its_formula_and_decays_weights_only():
    w, b = np.array([[2.0]]), np.array([3.0])
    sgd = nn.SGD({"w": w, "b": b}, rate=0.1, momentum=nn.Switch(0.0, 0.5, at=1), weight_decay=0.25)
    sgd.update({"w": np.array([[1.0]]), "b": np.array([1.0])}, 0)
    np.testing.assert_allclose(w, 2.0 + 0.1 * (1.0 - 0.25 * 2.0))
    np.testing.assert_allclose(b, 3.1)
    sgd.update({"w": np.array([[0.0]]), "b": np.array([0.0])}, 1)
    np.testing.assert_allclose(w, 2.05 + 0.5 * 0.05 - 0.1 * 0.25 * 2.05)
    np.testing.assert_allclose(b, 3.15)


def test_sgd_goes_on_from_velocities():
    parameters = {"w": np.zeros((1, 1))}
    first = nn.SGD(parameters, rate=1.0, momentum=0.5)
    first.update({"w": np.ones((1, 1))}, 0)
    later = nn.SGD(parameters, rate=1.0, momentum=0.5, velocities=first.state_dict())
    later.update({"w": np.zeros((1, 1))}, 1)
    assert parameters["w"] == 1.5


def test_random_weights_do_not_depend_on_the_block_they_are_drawn_in(monkeypatch):
    whole = nn.random_weights((9, 7), 0.5, "float64", seed=1, layer=2)
    monkeypatch.setattr("layerwise.nn.training.weights._BLOCK_ELEMENTS", 15)
    np.testing.assert_array_equal(nn.random_weights((9, 7), 0.5, "float64", 1, 2), whole)
    assert not np.array_equal(nn.random_weights((9, 7), 0.5, "float64", 1, 3), whole)
