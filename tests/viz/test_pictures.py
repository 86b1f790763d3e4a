"""Pictures of models by name are made of what the models have."""

import numpy as np
import pytest

from layerwise import DBN, RBM, ZCA, DBNClassifier, HierarchicalSparseCoder, viz
from layerwise.datasets import load_mnist


@pytest.fixture(scope="module")
def digits():
    return load_mnist().train_images[:200]


@pytest.fixture(scope="module")
def models(digits):
    y = np.arange(200) % 3
    return {
        "rbm": RBM(12, n_iter=1, random_state=0).fit(digits),
        "dbn": DBN((12, 7), n_iter=1, random_state=0).fit(digits),
        "classifier": DBNClassifier((12, 7), pretrain=DBN(n_iter=1), n_iter=1, random_state=0).fit(
            digits, y
        ),
    }


@pytest.mark.parametrize("kind", ["rbm", "dbn", "classifier"])
def test_filters_are_the_weights(models, kind):
    model = models[kind]
    w = {"rbm": lambda: model.components_, "dbn": lambda: model.rbms_[0].components_,
         "classifier": lambda: model.coefs_[0]}[kind]()  # fmt: skip
    expected = viz.tile(viz.signed_levels(w[:9], clipped=0.01), (28, 28), columns=9)
    assert np.array_equal(viz.draw("filters", model, count=9), expected)


def test_filters_above_the_first_layer_are_sums_of_those_below(models):
    below, above = (rbm.components_ for rbm in models["dbn"].rbms_)
    levels = viz.signed_levels(above @ below, clipped=0.01)
    expected = viz.tile(levels, (28, 28), columns=7)
    assert np.array_equal(viz.draw("filters", models["dbn"], layer=2), expected)


def test_groups_are_lines_of_the_atoms_of_largest_variance():
    groups = np.random.default_rng(0).standard_normal((40, 2 * 6))
    coder = HierarchicalSparseCoder(5, n_atoms=12, group_size=2, n_iter=2, random_state=0)
    coder.fit(groups)
    picture = viz.draw("groups", coder, image_shape=(2, 3), count=30)
    assert picture.shape == (3 * 3 + 1, 10 * 4 + 1)
    for line, variances in enumerate(coder.components_[:3]):
        order = np.argsort(-variances)[:10]
        levels = viz.signed_levels(coder.atoms_[order], clipped=0.01).astype(float)
        for column, j in enumerate(order):
            shown = picture[1 + 3 * line :, 1 + 4 * column :][:2, :3].ravel()
            faded = 128 + (levels[column] - 128) * np.sqrt(variances[j] / variances.max())
            np.testing.assert_allclose(shown, faded, atol=0.51)
    filters = viz.draw("filters", coder, image_shape=(2, 3))
    expected = viz.tile(viz.signed_levels(coder.atoms_, clipped=0.01), (2, 3), columns=10)
    assert np.array_equal(filters, expected)
    with pytest.raises(ValueError, match="model must be a HierarchicalSparseCoder; got RBM"):
        viz.draw("groups", RBM(2, n_iter=1, random_state=0).fit(np.eye(4)))


@pytest.mark.parametrize("kind", ["rbm", "dbn", "classifier"])
def test_samples_are_those_of_the_model(models, digits, kind):
    model = getattr(models[kind], "dbn_", models[kind])
    given = {"n_gibbs": 2, "random_state": 3}
    for start in (None, digits[:4]):
        samples = model.sample(4, start=start, returns="mean", **given)
        expected = viz.tile(viz.grey_levels(samples), (28, 28), columns=4)
        drawn = viz.draw("samples", models[kind], data=start, count=4, **given)
        assert np.array_equal(drawn, expected)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_reconstructions_lie_below_their_data(models, digits, dtype):
    x = (digits[:12] > 0.5).astype(dtype)
    picture = viz.draw("reconstructions", models["rbm"], data=x, count=24)
    below = models["rbm"].reconstruct(x)
    for i in range(12):
        top, left = 1 + i // 10 * 2 * 29, 1 + i % 10 * 29
        for rows, down in ((x, 0), (below, 29)):
            part = picture[top + down :, left:][:28, :28]
            assert np.array_equal(part, viz.grey_levels(rows[i]).reshape(28, 28))
    assert (picture[59:87, 60:] == 128).all()


def test_curves_pair_training_with_validation(models):
    rbm = RBM(2, n_iter=1, random_state=0).fit(np.eye(4))
    rbm.history_ = [
        {"epoch": 1, "loss": 2.0, "validation_loss": 3.0, "dead_units": 1.0},
        {"epoch": 2, "loss": 1.0, "validation_loss": 2.5, "dead_units": 0.0},
    ]
    expected = viz.curves({
        "loss": {"training": [2.0, 1.0], "validation": [3.0, 2.5]},
        "dead units": {"training": [1.0, 0.0]},
    })  # fmt: skip
    assert np.array_equal(viz.draw("curves", rbm), expected)
    rbm.history_ = [{"epoch": 1}]
    with pytest.raises(ValueError, match="must have been trained with monitor=True"):
        viz.draw("curves", rbm)


def test_histograms_are_of_every_layer(models, digits):
    dbn = models["dbn"]
    panels = {}
    for i, rbm in enumerate(dbn.rbms_, 1):
        panels[f"weights of layer {i}"] = rbm.components_
        panels[f"biases of layer {i}"] = rbm.intercept_hidden_
    assert np.array_equal(viz.draw("histograms", dbn), viz.histograms(panels))
    panels["means of hidden units"] = dbn.transform(digits)
    assert np.array_equal(viz.draw("histograms", dbn, data=digits), viz.histograms(panels))


def test_rows_that_are_no_square_need_a_shape():
    rbm = RBM(3, n_iter=1, random_state=0).fit(np.eye(6))
    assert viz.draw("filters", rbm, image_shape=(2, 3)).shape == (4, 13)
    with pytest.raises(ValueError, match="of 6 visible units, which are no square; got None"):
        viz.draw("filters", rbm)
    with pytest.raises(ValueError, match=r"of 6 visible units; got \(2, 2\)"):
        viz.draw("filters", rbm, image_shape=(2, 2))


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("faces", {}, "name must be filters, groups, .*; got 'faces'"),
        ("filters", {"layer": 2}, "layer must be from 1 to 1; got 2"),
        ("filters", {"count": 0}, "count must be at least 1; got 0"),
        ("reconstructions", {}, "data must be given"),
    ],
)
def test_bad_input_is_an_error_that_names_it(models, name, given, message):
    with pytest.raises(ValueError, match=f"draw: {message}"):
        viz.draw(name, models["rbm"], **given)


def test_only_what_is_there_can_be_drawn(digits):
    with pytest.raises(ValueError, match="draw: model must have filters or atoms; got ZCA"):
        viz.draw("filters", ZCA().fit(digits[:, :9]))
    plain = DBNClassifier(4, pretrain=False, n_iter=1, random_state=0).fit(
        digits, np.arange(200) % 2
    )
    viz.draw("filters", plain)
    viz.draw("histograms", plain)
    with pytest.raises(ValueError, match="this classifier was not pretrained"):
        viz.draw("samples", plain)
    with pytest.raises(ValueError, match="model must be a fitted estimator"):
        viz.draw("filters", RBM())
