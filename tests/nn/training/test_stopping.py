"""Early stopping: when it stops, and what it goes back to."""

import copy

import numpy as np
import pytest

from layerwise import nn


class Walk:
    """A stepper with one weight, the number of updates, and a score read from a list."""

    def __init__(self, scores):
        self.scores = scores
        self.weights = {"w": np.zeros(1)}

    def step(self, batch, t):
        self.weights["w"] += 1
        return {"score": self.scores[t]}

    def state_dict(self):
        return {}


def run(scores, n_iter=100, **options):
    walk, stop = Walk(scores), nn.EarlyStopping("score", **options)
    made = nn.fit(walk, lambda epoch: ["a"], min(n_iter, len(scores)), [stop])
    return made, walk.weights["w"].item(), stop


def test_training_stops_after_patience_and_goes_back_to_the_best_epoch():
    made, weight, stop = run([5, 3, 4, 4, 4, 1], patience=3)
    assert (made, weight, stop.best, stop.best_epoch) == (5, 2.0, 3, 1)


def test_large_values_are_good_where_asked():
    made, weight, _ = run([1, 5, 4, 6, 2, 2, 9], patience=2, mode="max")
    assert (made, weight) == (6, 4.0)


def test_gains_within_the_tolerance_do_not_count():
    made, weight, _ = run([1.0, 0.95, 0.91, 0.89, 0.5], patience=3, tolerance=0.1)
    assert (made, weight) == (5, 5.0)
    made, weight, _ = run([1.0, 0.95, 0.91, 0.901, 0.5], patience=3, tolerance=0.1)
    assert (made, weight) == (4, 1.0)


def test_without_restoring_the_last_weights_stay():
    assert run([1, 2, 3], patience=2, restore_best=False)[1] == 3.0


def test_a_run_that_ends_before_patience_goes_back_too():
    assert run([3, 1, 2], patience=10)[:2] == (3, 2.0)


def test_nan_is_no_improvement():
    assert run([3, np.nan, np.nan, 1], patience=2)[:2] == (3, 1.0)
    assert run([np.nan] * 5, patience=2)[0] == 2
    assert run([np.nan, 3, 1], patience=2)[:2] == (3, 3.0)


def test_a_resumed_run_stops_where_an_unbroken_one_does():
    scores = [5, 3, 4, 4, 4, 1]
    walk, stop = Walk(scores), nn.EarlyStopping("score", patience=3)
    stop.start(walk, 6)
    for epoch in range(3):
        stop.epoch(epoch, {"score": scores[epoch]} | walk.step("a", epoch))
    state = copy.deepcopy(stop.state_dict())
    later = nn.EarlyStopping("score", patience=3)
    later.start(walk, 3)
    later.load_state_dict(state)
    assert not later.epoch(3, {"score": 4})
    assert later.epoch(4, {"score": 4})
    later.close()
    assert walk.weights["w"] == 2.0


def test_a_second_run_forgets_the_first():
    stop = nn.EarlyStopping("score", patience=1)
    for _ in range(2):
        walk = Walk([1, 2])
        nn.fit(walk, lambda epoch: ["a"], 2, [stop])
        assert (walk.weights["w"].item(), stop.best_epoch) == (1.0, 0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.EarlyStopping("x", patience=0), ValueError, "patience must be an integer >= 1"),
        (lambda: nn.EarlyStopping("x", patience=2.5), TypeError, "patience must be an integer"),
        (lambda: nn.EarlyStopping("x", mode="up"), ValueError, "mode must be 'min' or 'max'"),
        (lambda: nn.EarlyStopping("x", tolerance=-1), ValueError, "tolerance must be a finite"),
        (lambda: run([1], patience=1) and nn.fit(
            Walk([1]), lambda epoch: ["a"], 1, [nn.EarlyStopping("loss")]
        ), ValueError, r"metric must be one of \['score'\]; got 'loss'"),
    ],
)  # fmt: skip
def test_errors_name_what_was_required_and_what_came(make, error, message):
    with pytest.raises(error, match=message):
        make()
