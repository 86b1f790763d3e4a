"""`layerwise train` as a user meets it: data in, a model file out, whatever comes between."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import layerwise
from layerwise import DBN, RBM, DBNClassifier, cli
from layerwise.datasets import load_mnist

from .processes import INTERRUPTIBLE, run

SMALL = ["--n-components", "9", "--n-iter", "2", "--batch-size", "20", "--quiet"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files(rng):
    """Bits, bytes and labels in files."""
    x = rng.integers(0, 2, (200, 16), dtype=np.uint8)
    y = x[:, 0].astype(np.int64)
    np.save("bits.npy", x)
    np.save("bytes.npy", x * 255)
    np.savez("xy.npz", x=x, y=y)
    np.save("y.npy", y)
    names = ",".join(["label", *(f"x{i}" for i in range(16))])
    np.savetxt("xy.csv", np.column_stack([y, x]), "%d", ",", header=names, comments="")
    return x, y


def done(*arguments):
    finished = run(*arguments)
    assert finished.returncode == 0, finished.stderr
    return finished


def test_an_rbm_from_a_file_is_the_one_python_trains(files):
    x, _ = files
    finished = done("train", "rbm", "bits.npy", "--output", "m", "--seed", 3, *SMALL)
    assert "200 examples of 16 values" in finished.stdout
    assert finished.stderr == ""
    expected = RBM(9, n_iter=2, batch_size=20, random_state=3).fit(np.asarray(x))
    np.testing.assert_array_equal(layerwise.load("m").components_, expected.components_)
    assert not [name for name in os.listdir() if name.startswith((".m", "m."))]


def test_a_dbn_has_its_layers_options():
    done("train", "dbn", "mnist-small", "--n-components", "9,5", "--n-iter", "1,2",
         "--learning", "cd,pcd", "--quiet")  # fmt: skip
    dbn = layerwise.load("dbn.safetensors")
    assert isinstance(dbn, DBN)
    assert [rbm.components_.shape for rbm in dbn.rbms_] == [(9, 784), (5, 9)]
    assert (dbn.n_iter, dbn.learning, dbn.random_state) == ((1, 2), ("cd", "pcd"), 0)


def test_a_classifier_is_pretrained_as_told_and_tested():
    finished = done("train", "dbn-classifier", "mnist-small", "--n-components", "40", "--n-iter",
                    "3", "--pretraining-n-iter", "2", "--test", "--quiet")  # fmt: skip
    digits = load_mnist()
    expected = DBNClassifier(40, n_iter=3, pretrain=DBN(n_iter=2), random_state=0).fit(
        digits.train_images, digits.train_labels
    )
    net = layerwise.load("dbn-classifier.safetensors")
    np.testing.assert_array_equal(net.coefs_[0], expected.coefs_[0])
    error = np.mean(expected.predict(digits.test_images) != digits.test_labels)
    assert f"test error: {error:.2%} of 1,000" in finished.stdout


@pytest.mark.parametrize(
    "data",
    [
        ["xy.npz"],
        ["bits.npy", "--labels", "y.npy"],
        ["xy.csv", "--label-column", "0"],
        ["bytes.npy", "--labels", "y.npy"],
    ],
)
def test_labels_come_from_where_they_are(files, data):
    x, y = files
    finished = done("train", "dbn-classifier", *data, "--output", "m", "--no-pretrain", *SMALL)
    assert ("divided by 255" in finished.stdout) == (data[0] == "bytes.npy")
    net = layerwise.load("m")
    assert (net.predict(x) == y).mean() > 0.5
    assert net.n_features_in_ == 16


def test_values_are_divided_by_what_is_said(files):
    x, _ = files
    np.save("tens.npy", x * 10.0)
    finished = done("train", "rbm", "tens.npy", "--divide-by", 10, "--output", "m", *SMALL)
    assert "divided by 10" in finished.stdout
    expected = RBM(9, n_iter=2, batch_size=20, random_state=0).fit(x.astype(np.float64))
    np.testing.assert_array_equal(layerwise.load("m").components_, expected.components_)


def test_warnings_are_a_line_without_the_source(files):
    x, _ = files
    np.save("tens.npy", x * 10.0)
    finished = done("train", "rbm", "tens.npy", "--output", "m", *SMALL)
    (line,) = finished.stderr.splitlines()
    assert line.startswith("layerwise: warning: ") and ".py" not in line


LONG = ["train", "rbm", "bits.npy", "--n-components", "32", "--output", "m", "--quiet",
        "--n-iter", "300", "--checkpoint-every", "0.2"]  # fmt: skip


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(how, files):
    process = subprocess.Popen(
        [*INTERRUPTIBLE, *LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        first = None
        while first is None or os.stat("m.checkpoint").st_ino == first:  # one that training wrote
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
            if first is None and os.path.exists("m.checkpoint"):
                first = os.stat("m.checkpoint").st_ino
        process.send_signal(how)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors == (
            "layerwise: interrupted; the same command with --resume goes on from m.checkpoint\n"
        )
    assert not os.path.exists("m")
    refused = run(*LONG)
    assert refused.returncode == 1
    assert "the checkpoint m.checkpoint must not be there, unless --resume" in refused.stderr
    done(*LONG, "--resume")
    whole = RBM(32, n_iter=300, random_state=0).fit(files[0])
    np.testing.assert_array_equal(layerwise.load("m").components_, whole.components_)
    assert not [name for name in os.listdir() if name.startswith((".m", "m."))]


def test_resume_without_a_checkpoint_starts_at_the_beginning(files):
    done("train", "rbm", "bits.npy", "--output", "m", "--resume", *SMALL)
    assert layerwise.load("m").n_steps_ == 20


def test_the_checkpoint_of_another_run_is_refused_and_kept(files):
    x, _ = files
    with pytest.raises(KeyboardInterrupt):
        fit_until_interrupted(RBM(9, n_iter=50, batch_size=20, random_state=0), x)
    before = Path("m.checkpoint").read_bytes()
    finished = run("train", "rbm", "bits.npy", "--output", "m", "--resume", *SMALL)
    assert finished.returncode == 1
    assert "checkpoint must be of the same run; m.checkpoint has n_iter 50" in finished.stderr
    assert Path("m.checkpoint").read_bytes() == before
    done("train", "rbm", "bits.npy", "--output", "m", "--overwrite", *SMALL)


def fit_until_interrupted(rbm, x):
    class Stop(layerwise.nn.Checkpoint):
        def reached(self, run):
            super().reached(run)
            if run.position.t == 30:
                raise KeyboardInterrupt

    rbm.fit(x, checkpoint=Stop("m.checkpoint"))


def test_a_checkpoint_is_kept_when_the_data_cannot_be_read(files):
    Path("m.checkpoint").write_text("an hour's work")
    assert cli.main(["train", "rbm", "none", "--output", "m", "--overwrite"]) == 1
    assert Path("m.checkpoint").read_text() == "an hour's work"


def test_what_is_there_is_replaced_only_when_told(files):
    done("train", "rbm", "bits.npy", "--output", "m", *SMALL)
    before = Path("m").read_bytes()
    again = ["train", "rbm", "bits.npy", "--output", "m", "--seed", 1, *SMALL]
    refused = run(*again)
    assert refused.returncode == 1
    assert "output must be a file that is not there yet, unless --overwrite" in refused.stderr
    assert Path("m").read_bytes() == before
    done(*again, "--overwrite")
    assert Path("m").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rbm", "none"], "data must be mnist, mnist-small, fashion-mnist or a file; there is no"),
        (["rbm", "bits.npy", "--output", "no/m"], "output must lie in a folder that exists"),
        (["rbm", "bits.npy", "--output", "."], "output must be a file; . is a folder"),
        (["rbm", "bits.npy", "--output", "m", "--checkpoint", "./m"], "another file than --output"),
        (["rbm", "bits.npy", "--test"], "--test needs data with a test part; bits.npy has none"),
        (["rbm", "bits.npy", "--divide-by", "0"], "--divide-by must be a finite number > 0; got 0"),
        (["rbm", "bits.npy", "--learning", "sgd"], "RBM: learning must be 'cd', 'pcd'"),
        (["rbm", "bits.npy", "--momentum", "2"], "RBM: momentum must be a finite number"),
        (["rbm", "mnist-small", "--labels", "y.npy"], "are for files; mnist-small is a data set"),
        (["dbn-classifier", "bits.npy"], "data must have labels to train a classifier"),
        (["dbn-classifier", "bits.npy", "--labels", "xy.npz"], "one label for each of 200"),
        (["dbn-classifier", "xy.csv", "--label-column", "kind"], "label_column must be one of"),
        (
            ["dbn-classifier", "xy.npz", "--no-pretrain", "--pretraining-n-iter", "2"],
            "must not be given with --no-pretrain; got --pretraining-n-iter",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(files, arguments, message, capsys):
    before = sorted(os.listdir())
    assert cli.main(["train", *arguments, "--quiet"]) == 1
    err = capsys.readouterr().err
    assert message in err and err.startswith("layerwise: ") and err.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_large_maps_are_divided_block_by_block(monkeypatch, files):
    from layerwise.commands import _data

    x, _ = files
    monkeypatch.setattr(_data, "_WHOLE_BYTES", 1000)
    monkeypatch.setattr(_data, "_BLOCK_ELEMENTS", 64)
    examples = _data.load_examples("train", "bytes.npy")
    for _ in range(2):  # a new iterator for every epoch
        blocks = list(examples.x())
        assert {block.shape for block in blocks} == {(4, 16)}
        np.testing.assert_array_equal(np.concatenate(blocks), x.astype(np.float32))
