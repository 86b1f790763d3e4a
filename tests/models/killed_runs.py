"""Trains in child processes that are killed at random moments, and lets them go on.

    python killed_runs.py FOLDER KILLS SEED
    python killed_runs.py FOLDER calls

The first waits for a write every second time: left to chance alone, too few kills fall into one.
The second kills at every system call of a write, before it and after it. Children are forked from
this process, which has imported everything but never computed. A line of JSON says what happened.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from layerwise import DBN, LISTA, RBM, DBNClassifier, DictionaryLearning, nn
from layerwise.storage import document

MODELS = {
    "rbm": lambda: RBM(5, batch_size=4, n_iter=3, momentum=0.5, random_state=1),
    # Long runs at a large rate: chains that share random numbers are soon the same otherwise.
    "pcd": lambda: RBM(
        5, batch_size=20, n_iter=12, learning="pcd", learning_rate=3.0, random_state=1
    ),
    "dbn": lambda: DBN((6, 5, 4), batch_size=8, n_iter=2, layer_input="sample", random_state=1),
    "classifier": lambda: DBNClassifier(
        (6, 5), pretrain=DBN(batch_size=8, n_iter=1), batch_size=8, n_iter=3, dropout=0.2,
        random_state=1,
    ),
    "online": lambda: DictionaryLearning(9, alpha=0.1, batch_size=4, n_iter=3, random_state=1),
    "dual": lambda: DictionaryLearning(
        9, alpha=0.1, batch_size=8, n_iter=4, fit_algorithm="lagrange_dual", random_state=1
    ),
    "lista": lambda: LISTA(
        DictionaryLearning(9, alpha=0.1, n_iter=1), batch_size=4, n_iter=3, random_state=1
    ),
}  # fmt: skip
INTERVALS = ({"every_updates": 1}, {"every_seconds": 0.01}, {"every_epochs": 1})
KILLS_A_RUN = 3


def data():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (40, 7)).astype(np.float32)
    return x, np.where(x[:, 0] > 0, "on", "off")


def in_child(work):
    """Fork; the child works and exits with 0."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def train(name, output, **options):
    MODELS[name]().fit(*data(), **options).save(output)


def temporaries(folder):
    """The files that hold a write until it is complete."""
    return {entry for entry in os.listdir(folder / "checkpoint") if entry.endswith(".tmp")}


def run(name, interval, folder, kill_after=None, in_write=False):
    """Train, or go on; gives whether that came to its end, and whether a kill fell into a write.

    A kill that is to fall ``in_write`` waits for the first write after its moment, if there is one.
    """
    checkpoint = nn.Checkpoint(folder / "checkpoint" / "run", **interval)
    left = temporaries(folder)
    pid = in_child(
        lambda: train(name, folder / "model", checkpoint=checkpoint, resume=True),
    )
    if kill_after is not None:
        time.sleep(kill_after)
        ended = False
        while in_write and not ended and temporaries(folder) <= left:
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        os.kill(pid, signal.SIGKILL)
    status = status_of(pid)
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"{name}, {interval}: a child ended with {status}")
    return status == 0, not temporaries(folder) <= left


class Case:
    """A model and how often it is written, with what an unbroken run makes and takes."""

    def __init__(self, name, interval, folder):
        self.name, self.interval, self.folder = name, interval, folder
        assert status_of(in_child(lambda: train(name, folder / "model"))) == 0
        self.expected = (folder / "model").read_bytes()
        began = time.monotonic()
        run(name, interval, folder)
        self.seconds = time.monotonic() - began
        self.check("unbroken")

    def check(self, what):
        """Compare the files that a run leaves with what they must be, and begin anew."""
        found = os.listdir(self.folder / "checkpoint")
        if found != ["run"]:
            raise SystemExit(f"{self.name}, {self.interval}, {what}: files {found} are left")
        if (self.folder / "model").read_bytes() != self.expected:
            raise SystemExit(f"{self.name}, {self.interval}, {what}: other bits")
        (self.folder / "checkpoint" / "run").unlink()

    def kill(self, rng):
        """Run to the end, killed up to three times; gives how often, and how often in a write."""
        kills = in_write = 0
        over = False
        while not over:
            moment = rng.uniform(0, self.seconds) if kills < KILLS_A_RUN else None
            over, found = run(
                self.name, self.interval, self.folder, moment, in_write=kills % 2 == 1
            )
            kills += not over
            in_write += found
        self.check(f"killed {kills} times")
        return kills, in_write


def kill_at(call, after, number):
    """Kill this process at the given call of a write to a checkpoint: that of the given number."""
    owner, name = call
    function, calls = getattr(owner, name), []

    def killing(*args, **kwargs):
        if name == "open" and not args[1] & os.O_CREAT:  # only to flush
            return function(*args, **kwargs)
        calls.append(1)
        if after:
            result = function(*args, **kwargs)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result if after else function(*args, **kwargs)

    setattr(owner, name, killing)


def kill_at_calls(folder):
    """Kill one write at each of its system calls, then go on: a model has the same bits always."""
    case = Case("pcd", {"every_updates": 5}, Path(folder))
    points = 0
    # The third write: the first claims the file. A write flushes the file, then the folder.
    for call, numbers in [
        ((os, "open"), [3]),
        ((document, "save"), [3]),
        ((os, "fsync"), [5, 6]),
        ((os, "replace"), [3]),
    ]:
        for number, after in itertools.product(numbers, (False, True)):
            checkpoint = nn.Checkpoint(case.folder / "checkpoint" / "run", **case.interval)

            def work(call=call, after=after, number=number, checkpoint=checkpoint):
                kill_at(call, after, number)
                train(case.name, case.folder / "model", checkpoint=checkpoint)

            assert status_of(in_child(work)) == -signal.SIGKILL, call
            assert run(case.name, case.interval, case.folder)[0]
            case.check(f"killed {'after' if after else 'before'} {call[1]} {number}")
            points += 1
    print(json.dumps({"points": points}))


def main(folder, kills, seed):
    rng = random.Random(seed)
    done = {"kills": 0, "in a write": 0, "runs": 0}
    cases = {}
    while done["kills"] < kills:
        number = done["runs"] % (len(MODELS) * len(INTERVALS))
        name, interval = list(MODELS)[number % len(MODELS)], INTERVALS[number % len(INTERVALS)]
        if number not in cases:
            cases[number] = Case(name, interval, Path(folder))
        found = cases[number].kill(rng)
        done["kills"] += found[0]
        done["in a write"] += found[1]
        done["runs"] += 1
    print(json.dumps(done))


if __name__ == "__main__":
    Path(sys.argv[1], "checkpoint").mkdir()
    if sys.argv[2] == "calls":
        kill_at_calls(sys.argv[1])
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
