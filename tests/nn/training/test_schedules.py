"""Schedules: their formulas, and when an optimiser hears of them."""

import copy
import pickle

import numpy as np
import pytest

from layerwise import nn

SCHEDULES = [
    (nn.Constant(0.3), lambda t: 0.3),
    (nn.Switch(0.5, 0.9, at=4), lambda t: 0.9 if t >= 4 else 0.5),
    (nn.Step(0.8, 0.5, every=3), lambda t: 0.8 * 0.5 ** int(t / 3)),
    (nn.Linear(0.2, 0.05, until=8), lambda t: np.interp(t, [0, 8], [0.2, 0.05])),
    (nn.Linear(0.5, 0.9, until=8), lambda t: np.interp(t, [0, 8], [0.5, 0.9])),
    (nn.Exponential(0.1, 0.9), lambda t: 0.1 * np.exp(t * np.log(0.9))),
    (nn.Inverse(0.1, half=5), lambda t: 0.5 / (5 + t)),
]


@pytest.mark.parametrize(("schedule", "formula"), SCHEDULES)
def test_schedules_follow_their_formulas_within_their_span(schedule, formula):
    times = np.arange(20)
    values = [schedule(t) for t in times]
    np.testing.assert_allclose(values, [formula(t) for t in times], rtol=1e-12)
    low, high = schedule.span
    assert low <= min(values) and max(values) <= high


@pytest.mark.parametrize("schedule", [schedule for schedule, _ in SCHEDULES])
def test_schedules_are_values(schedule):
    for same in (copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert same == schedule and hash(same) == hash(schedule)
    assert eval(repr(schedule), vars(nn)) == schedule
    assert schedule != nn.Constant(0.7)


def test_a_line_of_no_length_stays_where_it_starts():
    assert nn.Linear(0.1, 0.0, until=0)(5) == 0.1


class Steps:
    """A stepper that notes what its optimiser is set to."""

    def __init__(self):
        self.optimiser = nn.SGD({}, rate=7.0, momentum=0.0)
        self.seen = []

    def step(self, batch, t):
        self.seen.append((self.optimiser.rate, self.optimiser.momentum))
        return {}

    def state_dict(self):
        return {}


def test_the_scheduler_sets_rate_and_momentum_for_whole_epochs_from_the_first_on():
    stepper = Steps()
    scheduler = nn.Scheduler(rate=nn.Step(1.0, 0.5, every=1), momentum=nn.Switch(0.1, 0.2, at=3))
    nn.fit(stepper, lambda epoch: ["a", "b"], 2, [scheduler], first_epoch=2)
    assert stepper.seen == [(0.25, 0.1)] * 2 + [(0.125, 0.2)] * 2
    assert scheduler.n_epochs == 4


def test_the_scheduler_leaves_alone_what_has_no_schedule():
    stepper = Steps()
    nn.fit(stepper, lambda epoch: ["a"], 1, [nn.Scheduler(momentum=nn.Constant(0.4))])
    assert stepper.seen == [(7.0, 0.4)]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Constant(-1), ValueError, "Constant: value must be a finite number >= 0; got"),
        (lambda: nn.Linear(0.1, "0", 5), TypeError, "Linear: last must be a finite number >= 0"),
        (lambda: nn.Switch(0.1, np.nan, 5), ValueError, "Switch: later must be a finite number"),
        (lambda: nn.Step(0.1, 2, 5), ValueError, "Step: factor must be from 0 to 1; got 2"),
        (lambda: nn.Step(0.1, 0.5, 0), ValueError, "Step: every must be above 0; got 0"),
        (lambda: nn.Exponential(0.1, 1.5), ValueError, "Exponential: factor must be from 0 to 1"),
        (lambda: nn.Inverse(0.1, 0), ValueError, "Inverse: half must be above 0; got 0"),
    ],
)
def test_errors_name_what_was_required_and_what_came(make, error, message):
    with pytest.raises(error, match=message):
        make()
