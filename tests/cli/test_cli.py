"""The command line as a user meets it: in a process of its own."""

import importlib.metadata
import os
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

import layerwise
from layerwise import cli

from .processes import COMMAND, INTERRUPTIBLE, run


def test_command_is_installed():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="layerwise")
    assert entry.load() is cli.main


def test_version():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"layerwise {layerwise.__version__}\n")


@pytest.mark.parametrize("name", ["config", "info"])
def test_config_shows_what_show_config_shows(name, capsys):
    assert cli.main([name]) == 0
    shown = capsys.readouterr().out
    config = layerwise.show_config(mode="dict")
    for key in ("version", "isa", "compiler"):
        assert re.search(rf"^{key} +{re.escape(str(config[key]))}$", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "COMMAND"),
        (("teach",), "invalid choice"),
        (("train",), "MODEL_KIND"),
        (("train", "svm", "mnist-small"), "invalid choice: 'svm' (choose from 'rbm', 'dbn'"),
        (("demo", "--threads", "0"), "integer >= 1 is required; got '0'"),
        (("demo", "--threads", "two"), "integer >= 1 is required; got 'two'"),
        (("demo", "--seed", "-1"), "--seed"),
        (("demo", "--seed", str(2**64)), "integer from 0 to 2"),
        (("demo", "surplus"), "unrecognized arguments"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_an_output_that_is_no_folder_is_refused_before_training(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("")
    for output in (blocked, blocked / "below"):
        assert cli.main(["demo", "--output", str(output)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert f"output must be a folder that can be written to; got {output}" in err
    assert blocked.read_text() == ""


@pytest.fixture(scope="module")
def quick_demo(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return run("demo", "--quick", "--output", output, "--threads", 2, "--seed", 3), output


def test_demo_prints_progress_and_errors(quick_demo):
    done, _ = quick_demo
    assert done.returncode == 0, done.stderr
    for layer in ("layer 1 of 2, 784-100", "layer 2 of 2, 100-100", "fine-tuning"):
        assert layer in done.stderr
    errors = re.findall(r"with(?:out)? pretraining +(\d+\.\d)%", done.stdout)
    assert len(errors) == 2
    assert all(0 < float(error) < 100 for error in errors)


def test_demo_writes_the_pictures_it_names(quick_demo):
    done, output = quick_demo
    assert sorted(os.listdir(output)) == ["filters.png", "reconstructions.png", "samples.png"]
    for name in os.listdir(output):
        assert str(output.resolve() / name) in done.stdout
        with Image.open(output / name) as image:
            pixels = np.asarray(image)
        assert pixels.shape == (582, 582)
        assert pixels.std() > 5


def test_demo_is_the_same_for_a_seed_at_any_thread_count(quick_demo, tmp_path):
    _, output = quick_demo
    arguments = ["demo", "--quick", "--output", str(tmp_path), "--threads", "1", "--seed", "3"]
    assert cli.main(arguments) == 0
    for name in os.listdir(output):
        assert (tmp_path / name).read_bytes() == (output / name).read_bytes()


def test_ctrl_c_ends_the_demo_with_130_and_without_a_traceback(tmp_path):
    process = subprocess.Popen(
        [*INTERRUPTIBLE, "demo", "--output", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "learns" in process.stdout.readline()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "layerwise: interrupted" in errors
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == []


def test_a_reader_that_goes_away_is_no_traceback():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "config"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == ""
