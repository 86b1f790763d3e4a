"""Checkpoints of estimators: a run that is broken off ends with the bits of one that was not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import layerwise
from layerwise import DBN, RBM, DBNClassifier, nn
from layerwise.ops import BitMatrix
from layerwise.storage import document

from .killed_runs import MODELS

KILLS = int(os.environ.get("LAYERWISE_KILLS", "20"))


class Stopped(Exception):
    pass


@pytest.fixture
def x(rng):
    return rng.integers(0, 2, (30, 6)).astype(np.float32)


@pytest.fixture
def y(x):
    return np.where(x[:, 0] > 0, "on", "off")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


@pytest.fixture
def stop_at(monkeypatch):
    """Break training off at an update, counted over all parts of a run."""

    left = [-1]

    def stop(n):
        left[0] = n

    for trainer in (nn.RBMTrainer, nn.NetTrainer, nn.DictionaryTrainer, nn.ListaTrainer):

        def step(self, batch, t, original=trainer.step):
            if left[0] == 0:
                raise Stopped
            left[0] -= 1
            return original(self, batch, t)

        monkeypatch.setattr(trainer, "step", step)
    return stop


def stored(estimator, path):
    """Everything that an estimator has learnt, as bytes."""
    estimator.save(path)
    return path.read_bytes()


def killed_runs(*arguments, timeout):
    script = Path(__file__).with_name("killed_runs.py")
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(60 + 10 * KILLS)
def test_runs_killed_at_random_moments_end_with_the_same_bits(tmp_path):
    done = killed_runs(tmp_path, KILLS, KILLS, timeout=50 + 10 * KILLS)
    print(done)
    assert done["kills"] >= KILLS
    assert done["in a write"] >= 1


def test_runs_killed_at_every_system_call_of_a_write_end_with_the_same_bits(tmp_path):
    assert killed_runs(tmp_path, "calls", timeout=100)["points"] == 10


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_runs_broken_off_at_any_update_end_with_the_same_bits(name, every, x, y, path, stop_at):
    whole = stored(MODELS[name]().fit(x, y), path.with_name("model"))
    for n in range(0, 40, 5):
        path.unlink(missing_ok=True)
        checkpoint = nn.Checkpoint(path, every_updates=every)
        stop_at(n)
        with pytest.raises(Stopped):
            MODELS[name]().fit(x, y, checkpoint=checkpoint)
            raise Stopped  # short models are through
        stop_at(-1)
        resumed = MODELS[name]().fit(x, y, checkpoint=checkpoint, resume=True)
        assert stored(resumed, path.with_name("model")) == whole


@pytest.mark.parametrize("name", MODELS)
def test_runs_broken_off_after_the_last_update_end_with_the_same_bits(
    name, x, y, path, monkeypatch
):
    def stopped(self, part, value):
        raise Stopped

    whole = stored(MODELS[name]().fit(x, y), path.with_name("model"))
    checkpoint = nn.Checkpoint(path, every_updates=1)
    monkeypatch.setattr(nn.Checkpoint, "finish", stopped)
    with pytest.raises(Stopped):
        MODELS[name]().fit(x, y, checkpoint=checkpoint)
    monkeypatch.undo()
    resumed = MODELS[name]().fit(x, y, checkpoint=checkpoint, resume=True)
    assert stored(resumed, path.with_name("model")) == whole


@pytest.mark.parametrize("name", MODELS)
def test_checkpoints_change_no_bit_and_a_finished_run_is_not_repeated(name, x, y, path, stop_at):
    whole = stored(MODELS[name]().fit(x, y), path.with_name("model"))
    written = MODELS[name]().fit(x, y, checkpoint=path)
    assert stored(written, path.with_name("model")) == whole
    stop_at(0)
    again = MODELS[name]().fit(x, y, checkpoint=path, resume=True)
    assert stored(again, path.with_name("model")) == whole


def test_a_resumed_run_repeats_at_most_the_updates_since_the_last_write(x, path, monkeypatch):
    steps = []
    original = nn.RBMTrainer.step

    def step(self, batch, t):
        steps.append(t)
        if len(steps) == 8:
            raise Stopped
        return original(self, batch, t)

    monkeypatch.setattr(nn.RBMTrainer, "step", step)
    rbm = RBM(3, batch_size=6, n_iter=3, random_state=0)
    with pytest.raises(Stopped):
        rbm.fit(x, checkpoint=nn.Checkpoint(path, every_updates=3))
    rbm.fit(x, checkpoint=path, resume=True)
    assert steps == [*range(8), *range(6, 15)]


def test_without_a_random_state_the_seed_is_that_of_the_checkpoint(x, path, stop_at):
    stop_at(12)
    rbm = RBM(3, batch_size=6)
    with pytest.raises(Stopped):
        rbm.fit(x, checkpoint=path)
    seed = rbm._seed
    stop_at(-1)
    resumed = RBM(3, batch_size=6).fit(x, checkpoint=path, resume=True)
    assert resumed._seed == seed
    np.testing.assert_array_equal(
        resumed.components_, RBM(3, batch_size=6, random_state=seed).fit(x).components_
    )


def test_the_encoding_of_the_data_and_verbosity_may_change(x, path, stop_at):
    whole = RBM(3, random_state=0).fit(x).components_
    for i, encode in enumerate((sp.csr_matrix, BitMatrix.pack, np.asfortranarray)):
        stop_at(5)
        with pytest.raises(Stopped):
            RBM(3, random_state=0).fit(x, checkpoint=f"{path}{i}")
        stop_at(-1)
        rbm = RBM(3, random_state=0, verbose=i == 0)
        rbm.fit(encode(x), checkpoint=f"{path}{i}", resume=True)
        np.testing.assert_array_equal(rbm.components_, whole)


def changed(array):
    array = array.copy()
    array[-1, 0] = 1 - array[-1, 0]
    return array


@pytest.mark.parametrize(
    ("parameters", "change", "message"),
    [
        ({"learning_rate": 0.2}, {}, "has learning_rate 0.1, this run 0.2"),
        ({"learning": nn.CD(2)}, {}, r"has learning \"cd\", this run .*CD"),
        ({"n_components": 4}, {}, "has n_components 3, this run 4"),
        ({"n_iter": 20}, {}, "has n_iter 10, this run 20"),
        ({"random_state": 1}, {}, "has seed 0, this run 1"),
        ({"random_state": np.random.RandomState(0)}, {}, "has seed 0, this run"),
        ({}, {"x": lambda x: x[:-1]}, r"has shape of X \(30, 6\), this run \(29, 6\)"),
        ({}, {"x": lambda x: x.astype(float)}, "has dtype of training float32, this run float64"),
        ({}, {"x": changed}, "has hash of X .*, this run"),
        ({}, {"x": lambda x: x[::-1]}, "has hash of X .*, this run"),
        ({}, {"model": DBN}, "has estimator RBM, this run DBN"),
    ],
)
def test_checkpoints_of_other_runs_are_refused(parameters, change, message, x, path):
    RBM(3, random_state=0).fit(x, checkpoint=path)
    before = path.read_bytes()
    model = change.get("model", RBM)(**{"n_components": 3, "random_state": 0, **parameters})
    with pytest.raises(ValueError, match=f": checkpoint must be of the same run; .* {message}"):
        model.fit(change.get("x", np.array)(x), checkpoint=path, resume=True)
    assert path.read_bytes() == before


def test_checkpoints_of_other_labels_or_pretraining_are_refused(x, y, path):
    net = DBNClassifier(3, n_iter=1, random_state=0).fit(x, y, checkpoint=path)
    with pytest.raises(ValueError, match="DBNClassifier: checkpoint .* has hash of y"):
        net.fit(x, y[::-1], checkpoint=path, resume=True)
    net.pretrain = DBN(n_iter=1)
    with pytest.raises(ValueError, match="has pretrain true, this run .*DBN"):
        net.fit(x, y, checkpoint=path, resume=True)


def test_checkpoints_of_other_instruction_sets_are_refused_unless_asked_for(x, path, monkeypatch):
    isa = layerwise.show_config(mode="dict")["isa"]
    monkeypatch.setattr(document, "get_isa", lambda: "v9")
    RBM(3, random_state=0).fit(x, checkpoint=path)
    monkeypatch.undo()
    with pytest.raises(
        ValueError,
        match=f"RBM: checkpoint must be of the instruction-set level {isa}, .* is of v9 "
        r"\(set LAYERWISE_ISA=v9, or give Checkpoint\(..., any_isa=True\)",
    ):
        RBM(3, random_state=0).fit(x, checkpoint=path, resume=True)
    with layerwise.use_backend("reference"), pytest.raises(ValueError, match="level reference,"):
        RBM(3, random_state=0).fit(x, checkpoint=path, resume=True)
    checkpoint = nn.Checkpoint(path, any_isa=True)
    RBM(3, random_state=0).fit(x, checkpoint=checkpoint, resume=True)


def test_another_version_of_the_package_warns(x, path, monkeypatch):
    monkeypatch.setattr(layerwise, "__version__", "0.0.1")
    RBM(3, random_state=0).fit(x, checkpoint=path)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="was written by layerwise 0.0.1; this is"):
        RBM(3, random_state=0).fit(x, checkpoint=path, resume=True)


def test_a_file_that_is_there_is_neither_overwritten_nor_taken_for_granted(x, path):
    RBM(3, random_state=0).fit(x, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="RBM: checkpoint must be a file that is not there"):
        RBM(3, random_state=0).fit(x, checkpoint=path)
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="RBM: checkpoint must be given to resume from; got None"):
        RBM(3).fit(x, resume=True)
    with pytest.raises(ValueError, match="load: .* must be a layerwise model; it has the kind"):
        layerwise.load(path)
    RBM(3).fit(x).save(path)
    with pytest.raises(ValueError, match="RBM: .* must be a layerwise checkpoint; it has the kind"):
        RBM(3, random_state=0).fit(x, checkpoint=path, resume=True)


def test_damaged_checkpoints_are_refused(x, path, stop_at):
    stop_at(12)
    rbm = RBM(3, batch_size=6, random_state=0)
    with pytest.raises(Stopped):
        rbm.fit(x, checkpoint=path)
    stop_at(-1)
    whole = path.read_bytes()
    for damaged in (whole[:-1], b"", whole[:100] + b"x" + whole[101:], whole[:-9] + bytes(9)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="RBM: .* must be a layerwise checkpoint; it"):
            rbm.fit(x, checkpoint=path, resume=True)
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="RBM: .* must be a layerwise checkpoint; it is a"):
        rbm.fit(x, checkpoint=path, resume=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.pop("position"),
        lambda run: run["position"].update(t="seven"),
        lambda run: run["position"].update(speed=3),
        lambda run: run.update(stepper=None),
        lambda run: run["stepper"].pop("rule"),
        lambda run: run["stepper"].update(n_steps=None),
        lambda run: run["stepper"]["parameters"].update(w=np.zeros((1, 6), np.float32)),
        lambda run: run["stepper"]["parameters"].update(w=np.zeros((3, 6))),
        lambda run: run["stepper"]["velocities"].pop("a"),
        lambda run: run["stepper"]["rule"].update(chains=3, more=4),
        lambda run: run.update(callbacks=[["EarlyStopping", {"best": 0.0}]]),
        lambda run: run.update(callbacks=7),
    ],
)
def test_checkpoints_with_another_state_are_refused(change, x, path, stop_at):
    stop_at(12)
    rbm = RBM(3, batch_size=6, random_state=0)
    with pytest.raises(Stopped):
        rbm.fit(x, checkpoint=path)
    stop_at(-1)
    content = document.read_document("test", path, "checkpoint").content
    change(content["run"])
    document.write_document("test", path, "checkpoint", content)
    with pytest.raises(ValueError, match="RBM: checkpoint must have the state of this run; .*"):
        rbm.fit(x, checkpoint=path, resume=True)


@pytest.mark.parametrize(
    "content",
    [3, {}, {"identity": {}}, {"identity": 3, "parts": {}}, {"identity": {}, "parts": {}}],
)
def test_checkpoints_without_an_identity_are_refused(content, x, path):
    document.write_document("test", path, "checkpoint", content)
    with pytest.raises(ValueError, match="RBM: checkpoint must (have identity|be of the same run)"):
        RBM(3, random_state=0).fit(x, checkpoint=path, resume=True)


def test_parts_with_other_attributes_are_refused(x, path):
    RBM(3, random_state=0).fit(x, checkpoint=path)
    content = document.read_document("test", path, "checkpoint").content
    content["parts"]["layer 0"]["transform"] = "x"
    document.write_document("test", path, "checkpoint", content)
    with pytest.raises(ValueError, match="RBM: checkpoint must have .* layer 0"):
        RBM(3, random_state=0).fit(x, checkpoint=path, resume=True)


def test_a_place_that_cannot_be_written_is_an_error_before_training(x, tmp_path, stop_at):
    stop_at(0)
    with pytest.raises(FileNotFoundError, match="RBM: .* must be a file that can be written"):
        RBM(3).fit(x, checkpoint=tmp_path / "none" / "file")


def test_a_disk_that_is_full_warns_and_training_goes_on(x, path, monkeypatch):
    whole = RBM(3, random_state=0).fit(x)
    write_bytes, writes = Path.write_bytes, []

    def full(*args):
        writes.append(1)
        if len(writes) > 2:
            raise OSError(28, "No space left on device")
        return write_bytes(*args)

    monkeypatch.setattr(Path, "write_bytes", full)
    checkpoint = nn.Checkpoint(path, every_updates=4)
    with pytest.warns(RuntimeWarning, match="RBM: .*No space left on device; training goes on"):
        rbm = RBM(3, random_state=0).fit(x, checkpoint=checkpoint)
    monkeypatch.undo()
    np.testing.assert_array_equal(rbm.components_, whole.components_)
    assert os.listdir(path.parent) == ["run.checkpoint"]
    content = document.read_document("test", path, "checkpoint").content
    assert content["run"]["position"]["t"] == 4
    resumed = RBM(3, random_state=0).fit(x, checkpoint=checkpoint, resume=True)
    np.testing.assert_array_equal(resumed.components_, whole.components_)


def test_pipelines_hand_checkpoints_on(x, path):
    pipeline = make_pipeline(FunctionTransformer(), RBM(3, n_iter=1, random_state=0))
    pipeline.fit(x, rbm__checkpoint=path)
    resumed = pipeline.fit_transform(x, rbm__checkpoint=path, rbm__resume=True)
    np.testing.assert_array_equal(resumed, pipeline.transform(x))
