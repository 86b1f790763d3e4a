"""The command line as a user meets it: in a process of its own."""

import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import layerwise
from layerwise import cli

COMMAND = [sys.executable, "-m", "layerwise.cli"]


def run(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options
    )


def test_command_is_installed():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="layerwise")
    assert entry.load() is cli.main


def test_version():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"layerwise {layerwise.__version__}\n")


@pytest.mark.parametrize("name", ["config", "info"])
def test_config_shows_what_show_config_shows(name):
    done = run(name)
    assert done.returncode == 0, done.stderr
    config = layerwise.show_config(mode="dict")
    for key in ("version", "isa", "compiler"):
        assert re.search(rf"^{key} +{re.escape(str(config[key]))}$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "COMMAND"),
        (("train",), "invalid choice"),
        (("demo", "--threads", "0"), "integer >= 1 is required; got '0'"),
        (("demo", "--threads", "two"), "integer >= 1 is required; got 'two'"),
        (("demo", "--seed", "-1"), "--seed"),
        (("demo", "--seed", str(2**64)), "integer from 0 to 2"),
        (("demo", "surplus"), "unrecognized arguments"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_is_no_folder_is_refused_before_training(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    for output in (blocked, blocked / "below"):
        start = time.monotonic()
        done = run("demo", "--output", output)
        assert done.returncode == 1
        assert f"output must be a folder that can be written to; got {output}" in done.stderr
        assert "Traceback" not in done.stderr
        assert "learns" not in done.stdout
        assert time.monotonic() - start < 60
    assert blocked.read_text() == ""


def test_quick_demo_prints_errors_and_writes_the_pictures_it_names(tmp_path):
    output = tmp_path / "new" / "folder"
    done = run("demo", "--quick", "--output", output, "--threads", 2, "--seed", 3)
    assert done.returncode == 0, done.stderr
    for layer in ("layer 1 of 2, 784-100", "layer 2 of 2, 100-100", "fine-tuning"):
        assert layer in done.stderr
    errors = re.findall(r"with(?:out)? pretraining +(\d+\.\d)%", done.stdout)
    assert len(errors) == 2
    assert all(0 < float(error) < 100 for error in errors)
    for name in ("filters", "samples", "reconstructions"):
        assert str(output.resolve() / f"{name}.png") in done.stdout
        with Image.open(output / f"{name}.png") as image:
            pixels = np.asarray(image)
        assert pixels.shape == (582, 582)
        assert pixels.std() > 5
    assert sorted(os.listdir(output)) == ["filters.png", "reconstructions.png", "samples.png"]


def test_demo_is_the_same_for_a_seed_at_any_thread_count(tmp_path):
    pictures = []
    for threads in (1, 3):
        done = run("demo", "--quick", "--output", tmp_path, "--threads", threads)
        assert done.returncode == 0, done.stderr
        pictures.append((tmp_path / "samples.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_ctrl_c_ends_the_demo_with_130_and_without_a_traceback(tmp_path):
    # Started in the background of a shell the test may have inherited an ignored SIGINT.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from layerwise.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "demo", "--output", str(tmp_path)],
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
