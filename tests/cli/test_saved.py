"""`layerwise info` and `layerwise draw` on saved models; `layerwise reproduce`."""

import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import layerwise
from layerwise import DBN, RBM, DBNClassifier, HierarchicalSparseCoder, cli, reproduce, viz
from layerwise.datasets import load_mnist

from .processes import run


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def models(rng):
    x = rng.integers(0, 2, (60, 16))
    RBM(9, n_iter=2, random_state=0).fit(x).save("rbm")
    DBN((9, 4), n_iter=1, random_state=0).fit(x).save("dbn")
    DBNClassifier(9, pretrain=False, n_iter=1).fit(x, np.where(x[:, 0], "on", "off")).save("net")
    RBM(5, learning_rate=0.25).save("new")
    np.save("x.npy", x.astype(np.uint8) * 255)
    return x


def facts(*arguments):
    finished = run("info", *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_info_says_what_is_in_the_file(models):
    shown = {name: dict(re.findall(r"^(\w[\w ]*?)  +(.*)$", facts(name), re.MULTILINE)) for name in
             ("rbm", "dbn", "net", "new")}  # fmt: skip
    expected = {"model": "RBM", "units": "16-9", "parameters": "169 of float64", "updates": "12",
                "rows seen": "120"}  # fmt: skip
    assert expected.items() <= shown["rbm"].items()
    assert shown["rbm"]["written by"].startswith(f"layerwise {layerwise.__version__} at ")
    assert shown["dbn"]["units"] == "16-9-4"
    assert shown["net"]["classes"] == "2: off, on"
    assert shown["new"]["model"] == "RBM, not fitted"
    assert re.search(r"^  learning_rate +0\.25$", facts("new"), re.MULTILINE)


@pytest.mark.parametrize("name", ["rbm", "dbn", "net", "new"])
def test_info_as_json(models, name):
    found = json.loads(facts(name, "--json"))
    model = layerwise.load(name)
    assert found["model"] == type(model).__name__
    assert found["hyper_parameters"].keys() == model.get_params(deep=False).keys()
    assert found["hyper_parameters"]["learning_rate"] == model.learning_rate
    assert found["fitted"] == (name != "new")
    if name == "net":
        assert found["classes"] == ["off", "on"]
        assert found["units"] == [16, 9, 2]


OTHERS = {
    "DictionaryLearning": lambda: layerwise.DictionaryLearning(4, n_iter=1, random_state=0),
    "VectorQuantizer": lambda: layerwise.VectorQuantizer(4, max_iter=1, random_state=0),
    "ZCA": lambda: layerwise.ZCA(),
    "LLC": lambda: layerwise.LLC(4, random_state=0),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_models_without_hidden_units_are_described_and_refused_by_name(kind, rng, capsys):
    OTHERS[kind]().fit(rng.standard_normal((40, 9))).save("model")
    assert cli.main(["info", "model"]) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"^model +{kind}$", shown, re.MULTILINE)
    assert re.search(r"^parameters +[1-9][\d,]* of float64$", shown, re.MULTILINE)
    for picture in ("samples", "reconstructions", "histograms"):
        np.save("x.npy", np.zeros((2, 9)))
        assert cli.main(["draw", picture, "model", "--data", "x.npy"]) == 1
        assert "draw: model must " in capsys.readouterr().err


def test_info_without_a_model_is_config(capsys):
    assert cli.main(["info"]) == 0
    assert capsys.readouterr().out.startswith("version")
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == layerwise.__version__


def test_what_is_no_model_is_said(models, capsys):
    Path("words").write_text("no model")
    for arguments in (["info", "words"], ["info", "none"], ["draw", "filters", "words"]):
        assert cli.main(arguments) == 1
        assert "must be a layerwise model; " in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in viz.PICTURES if name != "groups"])
def test_draw_writes_what_viz_draws(models, name):
    rbm = layerwise.load("rbm")
    rbm.history_ = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]
    given = {"count": 6, "n_gibbs": 3, "random_state": 5, "data": models.astype(np.float32)}
    if name == "curves":
        with pytest.raises(ValueError, match="monitor"):
            viz.draw(name, layerwise.load("rbm"))
        return
    done = run("draw", name, "rbm", "--data", "x.npy", "--count", 6, "--gibbs", 3, "--seed", 5,
               "--zoom", 1)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{name}.png\n"
    with Image.open(f"{name}.png") as image:
        assert np.array_equal(np.asarray(image), viz.draw(name, rbm, **given))


def test_draw_writes_the_groups_of_a_hierarchical_coder(rng):
    coder = HierarchicalSparseCoder(5, n_atoms=12, group_size=2, n_iter=1, random_state=0)
    coder.fit(rng.standard_normal((40, 2 * 9))).save("coder")
    done = run("draw", "groups", "coder", "--shape", "3x3", "--count", 20, "--zoom", 1)
    assert done.returncode == 0, done.stderr
    with Image.open("groups.png") as image:
        expected = viz.draw("groups", coder, image_shape=(3, 3), count=20)
        assert np.array_equal(np.asarray(image), expected)


def test_draw_takes_shape_layer_and_zoom(models):
    done = run("draw", "filters", "dbn", "--layer", 2, "--shape", "2x8", "--output", "f.png")
    assert done.returncode == 0, done.stderr
    expected = viz.draw("filters", layerwise.load("dbn"), layer=2, image_shape=(2, 8))
    with Image.open("f.png") as image:
        assert np.array_equal(np.asarray(image), expected.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["faces", "rbm"], 2, "invalid choice: 'faces'"),
        (["filters", "rbm", "--shape", "4"], 2, "HEIGHTxWIDTH is required, as in 28x28; got '4'"),
        (["filters", "rbm", "--shape", "3x3"], 1, "image_shape must be (height, width) of 16"),
        (["filters", "rbm", "--layer", "2"], 1, "layer must be from 1 to 1; got 2"),
        (["filters", "rbm", "--output", "rbm"], 1, "unless --overwrite is given; rbm exists"),
        (["reconstructions", "rbm"], 1, "data must be given"),
        (["samples", "net"], 1, "this classifier was not pretrained"),
        (["filters", "new"], 1, "model must be a fitted estimator"),
    ],
)
def test_draw_says_what_it_cannot_do(models, arguments, status, message):
    done = run("draw", *arguments)
    assert done.returncode == status
    assert message in done.stderr and "Traceback" not in done.stderr


RECIPE = """
    from layerwise.reproduce import Recipe

    def run(output, *, seeds, quick, report):
        (output / "seeds.txt").write_text(repr((seeds, quick)))
        report("measured")

    RECIPE = Recipe("sum", "one and one make two", run, seeds=(0, 1, 2))
"""


@pytest.fixture
def recipe(here, monkeypatch):
    """A recipe in a folder that stands beside the package's own."""
    (here / "recipes").mkdir()
    (here / "recipes" / "_sum_recipe.py").write_text(textwrap.dedent(RECIPE))
    (here / "recipes" / "_helper.py").write_text("")
    monkeypatch.setattr(reproduce, "__path__", [*reproduce.__path__, str(here / "recipes")])


def test_reproduce_lists_recipes(recipe, capsys):
    assert cli.main(["reproduce"]) == 0
    assert "one and one make two" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ((0, 1, 2), False)),
        (["--seeds", "4", "5"], ((4, 5), False)),
        (["--seed", "7", "--quick"], ((7,), True)),
    ],
)
def test_reproduce_runs_a_recipe_with_its_seeds_or_others(
    recipe, here, capsys, arguments, expected
):
    for output in (here / "layerwise-sum", here / "new" / "folder"):
        given = [] if output.name == "layerwise-sum" else ["--output", str(output)]
        assert cli.main(["reproduce", "sum", *arguments, *given]) == 0
        assert capsys.readouterr().out == "measured\n"
        assert (output / "seeds.txt").read_text() == repr(expected)


def test_reproduce_names_what_it_knows(recipe, capsys):
    assert cli.main(["reproduce", "product"]) == 1
    assert "NAME must be one of: " in (err := capsys.readouterr().err)
    assert "sum" in err and err.endswith("got 'product'\n")


def test_the_network_of_the_tutorial_runs_in_a_short_form(here, capsys):
    for _ in range(2):  # the second run finds its nets trained
        assert cli.main(["reproduce", "mnist-dbn", "--quick", "--seeds", "3"]) == 0
        lines = capsys.readouterr().out.splitlines()
    models = [line.split(",")[0].strip() for line in lines if "labels" in line and "min" in line]
    assert sorted(models) == ["DBN", "DBN", "SVM", "random start", "random start"]
    output = here / "layerwise-mnist-dbn"
    found = json.loads((output / "results.json").read_text())["results"]
    errors = {(each["model"], each["n_labels"]): each["error"] for each in found}
    assert len(errors) == 5
    assert errors["SVM", 1000] < 0.15
    net = layerwise.load(output / "dbn-3.safetensors")
    test = load_mnist("small")
    assert 1 - net.score(test.test_images, test.test_labels) == errors["DBN", 1000]
    assert (output / "filters.png").stat().st_size > 1000
