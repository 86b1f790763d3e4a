"""Fine-tuning of DBNClassifier: solvers, schedules, early stopping, data from anywhere."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import layerwise
from layerwise import DBN, DBNClassifier, nn

from .test_training import mapped


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


def assert_same(net, other):
    for ours, theirs in zip(
        net.coefs_ + net.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("solver", ["cg", "lbfgs"])
def test_digits_are_learnt_by_line_searches(digits, solver):
    x, x_test, y, y_test = digits
    net = DBNClassifier(
        (100, 100), pretrain=DBN(n_iter=15, batch_size=20), solver=solver, n_iter=30,
        batch_size=450, output_first=3, random_state=0,
    ).fit(x, y)  # fmt: skip
    assert net.score(x_test, y_test) > 0.96
    assert net.loss_curve_[-1] < 0.1 < net.loss_curve_[0]


@pytest.mark.parametrize("solver", ["sgd", "cg", "lbfgs"])
def test_the_output_layer_learns_first_where_asked(problem, solver):
    net = small(output_first=3, solver=solver).fit(*problem)
    untouched = small(n_iter=0).fit(*problem)
    for i in range(2):
        np.testing.assert_array_equal(net.coefs_[i], untouched.coefs_[i])
        np.testing.assert_array_equal(net.intercepts_[i], untouched.intercepts_[i])
    assert not np.array_equal(net.coefs_[2], untouched.coefs_[2])
    later = small(output_first=2, solver=solver).fit(*problem)
    assert not np.array_equal(later.coefs_[0], untouched.coefs_[0])


@pytest.mark.parametrize("solver", ["cg", "lbfgs"])
def test_same_seed_same_bits_on_any_number_of_threads(problem, solver):
    nets = []
    for threads in (1, 2):
        with layerwise.num_threads(threads):
            nets.append(small(solver=solver, dropout=0.3).fit(*problem))
    assert_same(*nets)


def test_early_stopping_keeps_the_weights_of_the_best_epoch(rng):
    x = rng.random((80, 10))
    y = rng.integers(0, 2, 80)  # noise: the best epoch is an early one
    options = {
        "pretrain": False, "early_stopping": True, "validation_fraction": 0.3,
        "learning_rate": nn.Constant(0.2), "random_state": 0,
    }  # fmt: skip
    net = DBNClassifier(30, n_iter=300, n_iter_no_change=4, **options).fit(x, y)
    scores = [epoch["validation_score"] for epoch in net.history_]
    best = int(np.argmax(scores))
    assert len(scores) == best + 5 < 300
    assert net.best_validation_score_ == max(scores)
    shorter = DBNClassifier(30, n_iter=best + 1, n_iter_no_change=99, **options).fit(x, y)
    assert_same(net, shorter)


def test_validation_metrics_are_those_of_the_rows_held_out(problem):
    x, y = problem
    net = small(early_stopping=True, validation_fraction=0.25, n_iter_no_change=99, n_iter=2)
    net.fit(x, y)
    correct = (net.predict(x) == y).astype(float)
    loss = -net.predict_log_proba(x)[np.arange(60), np.searchsorted(net.classes_, y)]
    best = max(net.history_, key=lambda epoch: epoch["validation_score"])
    # The part is not known from outside: both figures fit some 15 of the 60 rows.
    assert np.sort(correct)[:15].mean() <= best["validation_score"] <= np.sort(correct)[-15:].mean()
    assert np.sort(loss)[:15].mean() <= best["validation_loss"] <= np.sort(loss)[-15:].mean()
    assert round(15 * best["validation_score"]) == pytest.approx(15 * best["validation_score"])
    assert net.n_steps_ == 2 * 3  # 45 rows in batches of 20


def test_without_early_stopping_nothing_is_held_out(problem):
    net = small(n_iter=2).fit(*problem)
    assert net.best_validation_score_ is None
    assert net.history_ == [
        {"epoch": i + 1, "loss": loss} for i, loss in enumerate(net.loss_curve_)
    ]


def test_a_number_falls_in_a_line_and_a_schedule_goes_by_epochs(problem):
    """60 rows in batches of 60: an epoch is an update, so that the two can be compared."""
    line = small(batch_size=60, n_iter=5, learning_rate=0.2).fit(*problem)
    schedule = nn.Linear(0.2, 0.0, until=5)
    assert_same(small(batch_size=60, n_iter=5, learning_rate=schedule).fit(*problem), line)
    one, two = (
        small(
            learning_rate=nn.Step(0.2, 0.0, every=1), momentum=nn.Step(0.9, 0.0, every=1), n_iter=n
        )
        for n in (1, 4)
    )
    assert_same(one.fit(*problem), two.fit(*problem))


def test_callbacks_hear_of_the_fine_tuning(problem):
    class Stop(nn.Callback):
        def epoch(self, epoch, metrics):
            metrics["twice"] = 2 * metrics["loss"]
            return epoch == 1

    net = small(n_iter=9, callbacks=[Stop()]).fit(*problem)
    assert len(net.history_) == len(net.loss_curve_) == net.n_epochs_ == 2
    assert net.history_[1]["twice"] == 2 * net.loss_curve_[1]


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "cg"}])
def test_a_memory_map_trains_as_the_array_does(problem, tmp_path, options):
    x, y = problem
    assert_same(small(**options).fit(mapped(x, tmp_path), y), small(**options).fit(x, y))


@pytest.mark.parametrize("pretrain", [False, DBN(n_iter=2, layer_input="sample")])
def test_blocks_train_as_the_array_does(problem, pretrain):
    x, y = problem
    blocks, array = (
        small(pretrain=pretrain).fit(data, y) for data in (lambda: np.array_split(x, 7), x)
    )
    assert_same(blocks, array)
    for labels in (y[:-1], np.append(y, "odd")):
        with pytest.raises(ValueError, match="y must have one value for each row of X"):
            small(pretrain=False).fit(lambda: np.array_split(x, 7), labels)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"solver": "adam"}, ValueError, "solver must be 'sgd' or 'cg' or 'lbfgs'; got 'adam'"),
        ({"line_searches": 0}, ValueError, "line_searches must be an integer >= 1; got 0"),
        ({"output_first": -1}, ValueError, "output_first must be an integer >= 0; got -1"),
        ({"early_stopping": 1}, TypeError, "early_stopping must be True or False; got 1"),
        ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change must be an integer >= 1; got 0"),
        ({"tol": -1}, ValueError, "tol must be a finite number >= 0; got -1"),
        ({"validation_fraction": 1}, ValueError, "validation_fraction must be a finite number"),
        ({"early_stopping": True, "validation_fraction": 0.01}, ValueError, "must leave rows for"),
        ({"momentum": nn.Constant(1)}, ValueError, "momentum must stay below 1; got Constant"),
        ({"callbacks": 3}, TypeError, "callbacks must be a list of layerwise.nn.Callback"),
    ],
)
def test_bad_parameters_are_named_with_what_was_required_and_what_came(parameters, error, message):
    with pytest.raises(error, match=message):
        DBNClassifier(3, pretrain=False, **parameters).fit(np.eye(4), [0, 1, 0, 1])
