"""Checkpoints of the training loop: when they are written, and what they hold."""

import contextlib
import os
import signal

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import nn
from layerwise.ops import BitMatrix
from layerwise.storage import read_document


class Counter:
    """A stepper whose metrics, and so the means of an epoch, depend on every update."""

    def __init__(self):
        self.total = np.zeros(1)

    def step(self, batch, t):
        self.total += (t + 1) ** 2
        return {"total": float(self.total[0])}

    def state_dict(self):
        return {"total": self.total}

    def load_state_dict(self, state):
        nn.restore_arrays({"total": self.total}, state)


class Spy(nn.Callback):
    """Stops a run with an exception after an update."""

    def __init__(self, at=None):
        self.at = at
        self.seen = []

    def step(self, t, metrics):
        self.seen.append(t)
        if t == self.at:
            raise KeyboardInterrupt


def batches(epoch):
    return ["abc", "d", "ef", "gh"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


def opened(path, resume=False, identity=None, **options):
    checkpoint = nn.Checkpoint(path, **options)
    checkpoint.open("train", identity or {"data": "letters"}, resume=resume)
    return checkpoint


@pytest.mark.parametrize("n", range(1, 13))
def test_a_run_goes_on_in_the_middle_of_an_epoch_with_its_metrics(n, path):
    whole = nn.History()
    nn.fit(Counter(), batches, 3, [whole])
    spy = Spy(at=n + 1)
    with pytest.raises(KeyboardInterrupt) if n < 12 else contextlib.nullcontext():
        nn.fit(Counter(), batches, 3, [nn.History(), spy, opened(path, every_updates=n)])
    assert spy.seen[-1] == min(n + 1, 12)
    history, spy = nn.History(), Spy()
    checkpoint = opened(path, resume=True, every_updates=n)
    assert nn.fit(Counter(), batches, 3, [history, spy, checkpoint]) == 12
    assert spy.seen == list(range(n + 1, 13))
    assert history.epochs == whole.epochs


class Interrupt(nn.Callback):
    """Presses Ctrl-C, some times over, while callbacks hear of an update."""

    def __init__(self, at, times=1):
        self.at, self.times = at, times

    def step(self, t, metrics):
        if t == self.at:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


@pytest.fixture
def python_handles_ctrl_c():
    """As in a program of its own; shells let programs in the background ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_handles_ctrl_c")
@pytest.mark.parametrize("n", [1, 4, 7, 11])
def test_ctrl_c_leaves_the_state_after_the_update_under_way(n, path):
    whole = nn.History()
    nn.fit(Counter(), batches, 3, [whole])
    rarely = {"every_seconds": 1e9}
    with pytest.raises(KeyboardInterrupt):
        nn.fit(Counter(), batches, 3, [nn.History(), Interrupt(n), opened(path, **rarely)])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    history, spy = nn.History(), Spy()
    nn.fit(Counter(), batches, 3, [history, spy, opened(path, resume=True, **rarely)])
    assert spy.seen == list(range(n + 1, 13))
    assert history.epochs == whole.epochs


@pytest.mark.usefixtures("python_handles_ctrl_c")
def test_a_second_ctrl_c_does_not_wait(path):
    checkpoint = opened(path, every_seconds=1e9)
    with pytest.raises(KeyboardInterrupt):
        nn.fit(Counter(), batches, 3, [Interrupt(2, times=2), checkpoint])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert read_document("test", str(path), "checkpoint").content["run"] is None


@pytest.mark.usefixtures("python_handles_ctrl_c")
def test_ctrl_c_after_the_last_update_is_not_lost(path):
    class Late(nn.Callback):
        def epoch(self, epoch, metrics):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        nn.fit(Counter(), batches, 1, [Late(), opened(path, every_seconds=1e9)])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [4, 8]),
        ({"every_epochs": 2}, [8]),
        ({"every_updates": 5}, [5, 10]),
        ({"every_updates": 5, "every_epochs": 1}, [4, 8]),
        ({"every_seconds": 1e9}, []),
        ({"every_seconds": 0}, [1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12]),
    ],
)
def test_files_are_written_at_the_intervals_asked_for(options, expected, path, monkeypatch):
    written = []
    checkpoint = opened(path, **options)
    monkeypatch.setattr(checkpoint, "_write", lambda state: written.append(state["position"]["t"]))
    nn.fit(Counter(), batches, 3, [checkpoint])
    assert written == expected


def test_seconds_are_counted_from_the_last_write(path, monkeypatch):
    now, written = [0.0], []

    class Clock(nn.Callback):
        def step(self, t, metrics):
            now[0] += 1.0

    monkeypatch.setattr("layerwise.nn.training.checkpoint.time.monotonic", lambda: now[0])
    checkpoint = opened(path, every_seconds=3.5)
    monkeypatch.setattr(checkpoint, "_write", lambda state: written.append(state["position"]["t"]))
    nn.fit(Counter(), batches, 3, [Clock(), checkpoint])
    assert written == [4, 8, 12]


def test_a_run_that_a_callback_ended_early_is_not_taken_further_back(path):
    """What is written in the epoch that ends the run has it end again."""

    class Stop(nn.Callback):
        def epoch(self, epoch, metrics):
            return epoch == 1

    assert nn.fit(Counter(), batches, 9, [Stop(), opened(path, every_updates=1)]) == 8
    assert read_document("test", path, "checkpoint").content["run"]["position"]["t"] == 8
    counter = Counter()
    assert nn.fit(counter, batches, 9, [Stop(), opened(path, resume=True)]) == 8
    assert counter.total == sum((t + 1) ** 2 for t in range(8))


def test_only_callbacks_that_carry_something_must_be_those_of_the_run(path):
    with pytest.raises(KeyboardInterrupt):
        nn.fit(Counter(), batches, 3, [nn.History(), Spy(6), opened(path)])
    with pytest.raises(
        ValueError, match="train: checkpoint .*callbacks must be History; got no History"
    ):
        nn.fit(Counter(), batches, 3, [opened(path, resume=True)])
    progress = nn.Progress("", 4)
    assert nn.fit(Counter(), batches, 3, [progress, nn.History(), opened(path, resume=True)]) == 12


class Filled(nn.Callback):
    """Carries nothing at first."""

    def __init__(self):
        self.seen = {}

    def step(self, t, metrics):
        self.seen["last"] = t

    def state_dict(self):
        return dict(self.seen)

    def load_state_dict(self, state):
        self.seen = dict(state)


def test_a_callback_may_begin_to_carry_something_later(path):
    with pytest.raises(KeyboardInterrupt):
        nn.fit(Counter(), batches, 3, [Filled(), Spy(6), opened(path, every_updates=5)])
    filled, spy = Filled(), Spy()
    nn.fit(Counter(), lambda epoch: [], 2, [filled, spy, opened(path, resume=True)])
    assert filled.seen == {"last": 5}


def test_every_callback_is_closed_whatever_others_raise(path):
    class Breaks(nn.Callback):
        def close(self):
            raise RuntimeError("close")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(RuntimeError, match="close"):
            nn.fit(Counter(), batches, 1, [Breaks(), opened(path)])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_progress_shows_numbers_alone(capsys):
    class Notes(nn.Callback):
        def epoch(self, epoch, metrics):
            metrics["note"], metrics["share"] = "fine", 0.25

    nn.fit(Counter(), batches, 1, [Notes(), nn.Progress("", 4, verbose=True)])
    shown = capsys.readouterr().err
    assert "share=0.25" in shown
    assert "fine" not in shown


def test_parts_are_kept_and_reset_the_run(path):
    checkpoint = opened(path)
    with pytest.raises(KeyboardInterrupt):
        nn.fit(Counter(), batches, 3, [Spy(6), checkpoint])
    assert checkpoint.finished("first") is None
    checkpoint.finish("first", {"w": np.ones(2)})
    again = opened(path, resume=True)
    np.testing.assert_array_equal(again.finished("first")["w"], np.ones(2))
    counter, spy = Counter(), Spy()
    nn.fit(counter, batches, 1, [spy, again])
    assert spy.seen == [1, 2, 3, 4]


def test_a_checkpoint_must_be_opened(path):
    with pytest.raises(ValueError, match="Checkpoint: open must be called before training"):
        nn.fit(Counter(), batches, 1, [nn.Checkpoint(path)])


def test_opening_claims_the_file(path):
    opened(path)
    assert os.listdir(path.parent) == ["run"]
    with pytest.raises(FileExistsError, match="train: checkpoint must be a file that is not there"):
        opened(path)
    (path.parent / ".run.0123abcd.tmp").touch()  # of a process that was killed
    opened(path, resume=True)
    assert os.listdir(path.parent) == ["run"]
    with pytest.raises(ValueError, match="train: .* has data letters, this run digits"):
        opened(path, resume=True, identity={"data": "digits"})
    with pytest.raises(ValueError, match="train: .* has size None, this run 3"):
        opened(path, resume=True, identity={"data": "letters", "size": "3"})


def test_free_entries_are_those_of_the_file(path):
    opened(path, identity={"data": "letters", "seed": "1"})
    identity = nn.Checkpoint(path).open(
        "train", {"data": "letters", "seed": "2"}, resume=True, free=("seed",)
    )
    assert identity == {"data": "letters", "seed": "1"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"every_epochs": 0},
            ValueError,
            "Checkpoint: every_epochs must be an integer >= 1; got 0",
        ),
        ({"every_epochs": 1.0}, TypeError, "Checkpoint: every_epochs must be an integer >= 1; got"),
        ({"every_updates": True}, TypeError, "every_updates must be an integer >= 1; got True"),
        ({"every_seconds": -1}, ValueError, "every_seconds must be a number >= 0; got -1"),
        ({"every_seconds": float("nan")}, ValueError, "every_seconds must be a number >= 0"),
        ({"every_seconds": "1"}, TypeError, "every_seconds must be a number >= 0; got '1'"),
    ],
)
def test_bad_intervals_are_refused(options, error, message, path):
    with pytest.raises(error, match=message):
        nn.Checkpoint(path, **options)


def test_fingerprints_are_of_values_and_not_of_their_encoding(rng):
    x = rng.integers(0, 2, (9, 70)).astype(np.float32)
    found = nn.fingerprint(nn.Rows(x, "float32"))
    for other in (sp.csr_matrix(x), BitMatrix.pack(x), np.asfortranarray(x), x.astype(np.uint8)):
        assert nn.fingerprint(nn.Rows(other, "float32")) == found
    assert nn.fingerprint(nn.Rows(x, "float64")) != found
    assert nn.fingerprint(nn.Rows(x[:, ::-1], "float32")) != found
    assert (
        nn.fingerprint(nn.Rows(x, "float32"), np.arange(9))["hash of y"]
        != (nn.fingerprint(nn.Rows(x, "float32"), np.arange(9)[::-1])["hash of y"])
    )


def test_fingerprints_of_large_data_are_of_rows_all_over_them(rng, monkeypatch):
    x = rng.random((1000, 4))
    found = nn.fingerprint(nn.Rows(x, "float64"))
    monkeypatch.setattr("layerwise.nn.training.checkpoint._CHUNK_ELEMENTS", 52)
    assert nn.fingerprint(nn.Rows(x, "float64")) == found
    monkeypatch.setattr("layerwise.nn.training.checkpoint._ELEMENTS", 400)
    found = nn.fingerprint(nn.Rows(x, "float64"))
    noticed = 0
    for row in range(1000):
        other = x.copy()
        other[row, 2] += 1e-9
        noticed += nn.fingerprint(nn.Rows(other, "float64")) != found
    assert noticed == 100
