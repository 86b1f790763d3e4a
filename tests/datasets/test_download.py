"""Downloads: whole and checked from one mirror or another, or no file at all."""

import builtins
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from layerwise.datasets import fashion, load_fashion_mnist, load_mnist, mnist

from .server import Server
from .tiny import tiny_set, write_served

pytest.importorskip("pooch")

SETS = [(mnist, "MNIST", lambda **given: load_mnist(None, **given)),
        (fashion, "FASHION_MNIST", load_fashion_mnist)]  # fmt: skip


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    with Server(tmp_path / "served") as server:
        yield server


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("LAYERWISE_DATA", raising=False)
    monkeypatch.setenv("LAYERWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=SETS, ids=["mnist", "fashion"])
def data_set(request, server, cache, tmp_path, monkeypatch):
    """Return what a set holds, a function that reads it and one that sets its mirrors."""
    module, name, load = request.param
    parts, published = tiny_set(getattr(module, name), tmp_path / "served")

    def use(*mirrors):
        urls = tuple(server.url(mirror) for mirror in mirrors)
        monkeypatch.setattr(module, name, dataclasses.replace(published, mirrors=urls))

    use("good")
    return parts, load, use


def files_of(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_missing_files_come_from_the_net_once(data_set, server, cache):
    parts, load, _ = data_set
    for _ in range(2):
        for array, part in zip(load(flatten=False, dtype=np.uint8), parts, strict=True):
            np.testing.assert_array_equal(array, part)
    assert len(server.asked) == 4
    assert files_of(cache) == sorted(path.rpartition("/")[2] for path in server.asked)


def test_only_what_is_missing_is_downloaded(data_set, server, cache, tmp_path, monkeypatch):
    _, load, _ = data_set
    load()
    (folder,) = cache.iterdir()
    mine = tmp_path / "mine" / folder.name
    mine.parent.mkdir()
    folder.rename(mine)
    (mine / "t10k-labels-idx1-ubyte.gz").unlink()
    monkeypatch.setenv("LAYERWISE_DATA", str(tmp_path / "mine"))
    server.asked.clear()
    load()
    assert server.asked == ["/good/t10k-labels-idx1-ubyte.gz"]
    assert files_of(cache) == ["t10k-labels-idx1-ubyte.gz"]


@pytest.mark.parametrize("first", ["missing", "broken", "truncated", "short", "damaged"])
def test_the_next_mirror_is_tried(data_set, server, cache, first):
    parts, load, use = data_set
    use(first, "good")
    np.testing.assert_array_equal(load().train_labels, parts[1])
    assert [path.split("/")[1] for path in server.asked] == [first, "good"] * 4
    assert all(name.endswith("-ubyte.gz") for name in files_of(cache))


def test_failures_of_all_mirrors_are_told_and_leave_no_file(data_set, server, cache):
    _, load, use = data_set
    bad = ["missing", "broken", "truncated", "short", "damaged"]
    use(*bad)
    with pytest.raises(OSError) as caught:
        load()
    message = str(caught.value)
    assert message.startswith(f"{caller(load)}: train-images-idx3-ubyte.gz must come whole from")
    for how in bad:
        assert f"{server.url(how)}train-images-idx3-ubyte.gz: " in message
    for reason in ("the server answered 404 Not Found", "the server answered 500 Out of order"):
        assert reason in message
    assert message.count("its SHA-256 must be ") == 2  # short, damaged
    assert "LAYERWISE_DATA" in message
    assert files_of(cache) == []


def test_no_server_is_an_error_that_names_it(data_set, server, cache, monkeypatch):
    _, load, use = data_set
    monkeypatch.setattr(server, "url", lambda how: "http://127.0.0.1:1/")
    use("nowhere")
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:1/train-images.*ConnectionError"):
        load()
    assert files_of(cache) == []


def test_without_permission_nothing_is_asked_for(data_set, server):
    _, load, _ = data_set
    with pytest.raises(FileNotFoundError, match="must exist, each unpacked or as .gz"):
        load(download=False)
    assert server.asked == []


def test_without_pooch_the_error_says_what_to_install(data_set, server, cache, monkeypatch):
    _, load, _ = data_set
    real = builtins.__import__

    def without(name, *arguments, **given):
        if name == "pooch":
            raise ImportError("No module named 'pooch'")
        return real(name, *arguments, **given)

    monkeypatch.setattr(builtins, "__import__", without)
    message = r"pooch must be installed to download train-images.*pip install 'layerwise\[download"
    with pytest.raises(ImportError, match=f"{caller(load)}: {message}"):
        load()
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_named(data_set, cache):
    _, load, _ = data_set
    cache.write_text("")
    with pytest.raises(OSError, match=f"the cache {cache}/.* must be a folder that can be written"):
        load()


PROGRAM = """
    import dataclasses, signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from layerwise.datasets import fashion
    from layerwise.datasets.published import Sums
    url, md5, sha256 = sys.argv[1:]
    files = {"train-images-idx3-ubyte": Sums(md5, sha256)}
    published = dataclasses.replace(fashion.FASHION_MNIST, mirrors=(url,), files=files)
    print("ready", flush=True)
    published.read("test", download=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_an_interrupted_download_is_not_taken_for_whole(server, cache, tmp_path, how):
    name, size = "train-images-idx3-ubyte", 300_000  # several pieces of a download
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    sums = write_served(tmp_path / "served" / name, pixels)
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM)]
    process = subprocess.Popen(
        [*program, server.url("stalled"), *sums], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in cache.rglob("*.tmp")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.send_signal(how)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode != 0
    left = files_of(cache)
    assert left == [] if how == signal.SIGINT else [name[-4:] for name in left] == [".tmp"]
    done = subprocess.run([*program, server.url("good"), *sums], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"{name}.gz" in files_of(cache)


def test_the_sums_are_those_of_the_published_files():
    """The names and forms: digits of the right number, no two alike."""
    for published in (mnist.MNIST, fashion.FASHION_MNIST):
        assert all(len(sums.md5) == 32 for sums in published.files.values())
        assert all(len(sums.sha256) == 64 for sums in published.files.values())
    both = [*mnist.MNIST.files.values(), *fashion.FASHION_MNIST.files.values()]
    assert len({text for sums in both for text in sums}) == 16


def caller(load):
    return "load_fashion_mnist" if load is load_fashion_mnist else "load_mnist"


def test_importing_the_data_sets_does_not_import_pooch():
    code = "import sys, layerwise.datasets; sys.exit('pooch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, timeout=60).returncode == 0
