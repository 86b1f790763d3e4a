"""scikit-learn's contract where `parametrize_with_checks` does not reach: frames in and out, every
parameter's errors, searches in parallel, and data that must not be copied as floats."""

import functools
import inspect
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import estimator_checks

from layerwise import DBN, RBM, DBNClassifier
from layerwise.ops import BitMatrix

ESTIMATORS = {
    "RBM": lambda **options: RBM(**{"n_components": 3, "n_iter": 1, **options}),
    "DBN": lambda **options: DBN(**{"n_components": (4, 3), "n_iter": 1, **options}),
    "DBNClassifier": lambda **options: DBNClassifier(
        **{"n_components": 3, "n_iter": 1, "pretrain": False, **options}
    ),
}
TRANSFORMERS = ("RBM", "DBN")
CHECKS_OF_TRANSFORMERS = (
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
)


@pytest.fixture
def x(rng):
    return rng.integers(0, 2, (40, 6)).astype(np.float32)


@pytest.fixture
def y(x):
    return x[:, 0].astype(int)


@pytest.mark.filterwarnings("ignore:.*visible units take values in")
@pytest.mark.parametrize(
    ("name", "check"),
    [(name, check) for name in TRANSFORMERS for check in CHECKS_OF_TRANSFORMERS]
    + [(name, "check_dataframe_column_names_consistency") for name in ESTIMATORS],
)
def test_checks_that_scikit_learn_keeps_to_itself_pass(name, check):
    getattr(estimator_checks, check)(name, ESTIMATORS[name](random_state=0))


@pytest.mark.parametrize("library", [pd, pl])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_frames_go_in_and_come_out(name, library, x):
    frame = library.DataFrame({column: x[:, i] for i, column in enumerate("abcdef")})
    kind = {pd: "pandas", pl: "polars"}[library]
    model = ESTIMATORS[name](random_state=0).set_output(transform=kind)
    h = model.fit_transform(frame)
    assert isinstance(h, library.DataFrame)
    assert list(h.columns) == [f"{name.lower()}{i}" for i in range(3)]
    assert model.feature_names_in_.tolist() == list("abcdef")
    plain = ESTIMATORS[name](random_state=0).fit(x)
    np.testing.assert_array_equal(h.to_numpy(), plain.transform(x))
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(library.DataFrame({c: x[:, i] for i, c in enumerate("abcdeg")}))


def test_classifiers_take_frames(x, y):
    frame = pd.DataFrame(x, columns=list("abcdef"))
    net = ESTIMATORS["DBNClassifier"](random_state=0, pretrain=True).fit(frame, pd.Series(y))
    assert net.feature_names_in_.tolist() == list("abcdef")
    assert net.dbn_.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame[list("bacdef")])


def test_feature_names_out_are_those_of_columns_in_unions(x):
    union = FeatureUnion([("low", RBM(2, n_iter=1)), ("high", DBN((3, 2), n_iter=1))]).fit(x)
    assert union.get_feature_names_out().tolist() == [
        "low__rbm0", "low__rbm1", "high__dbn0", "high__dbn1",
    ]  # fmt: skip
    assert union.transform(x).shape == (40, 4)


NUMBERS = ["0.1", np.nan, -0.1, None]
BAD = {
    "n_components": [0, -1, 2.5, True, "3", None],
    "learning_rate": [0, *NUMBERS],
    "batch_size": [0, 1.0, "10", None, True],
    "n_iter": [-1, 0.5, None, True],
    "verbose": [-1, "yes", None],
    "random_state": [-1, 2**64, "0", 0.5, np.random.default_rng(0)],
    "learning": ["ml", 3, None],
    "k": [0, 1.5, None, True],
    "momentum": [1.0, *NUMBERS],
    "final_momentum": [1.0, "0.1", np.nan, -0.1],
    "momentum_switch": [-1, 0.5, None],
    "weight_decay": [np.inf, *NUMBERS],
    "visible": ["ising", 3, None],
    "visible_bias": ["ones", 0, None],
    "layer_input": ["both", 0, None],
    "shuffle": ["no", 2, None],
    "pretrain": ["yes", 1, RBM(3), None],
    "dropout": [1, *NUMBERS],
    "input_dropout": [1, *NUMBERS],
    "l1_decay": [np.inf, *NUMBERS],
    "max_norm": [0, "6", np.nan],
    "sparsity_target": [0, 1, "0.1", np.nan],
    "sparsity_cost": [np.inf, *NUMBERS],
    "sparsity_penalty": ["l1", None],
    "centered": ["yes", 1, None],
    "monitor": ["yes", 1, None],
    "validation_fraction": [1, *NUMBERS],
    "callbacks": ["history", [3]],
    "solver": ["adam", None],
    "line_searches": [0, 1.5, None],
    "output_first": [-1, 0.5, None],
    "early_stopping": ["yes", 1, None],
    "n_iter_no_change": [0, 1.5, None],
    "tol": [np.inf, *NUMBERS],
}


def parameters():
    for name, make in ESTIMATORS.items():
        for parameter in inspect.signature(type(make())).parameters:
            yield pytest.param(name, parameter, id=f"{name}-{parameter}")


@pytest.mark.parametrize(("name", "parameter"), parameters())
def test_every_parameter_is_checked_in_fit_by_name_and_not_before(name, parameter, x, y):
    for value in BAD[parameter]:
        model = ESTIMATORS[name](**{parameter: value})
        clone(model)
        model.set_params(**{parameter: value})
        with pytest.raises((TypeError, ValueError), match=f"^{name}: .*{parameter}.*; got "):
            model.fit(x, y)
        learnt = [attribute for attribute in vars(model) if attribute.endswith("_")]
        assert learnt in ([], ["n_features_in_"])


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_searches_in_parallel_find_what_they_find_alone(x, y):
    pipeline = make_pipeline(MinMaxScaler(), RBM(3, n_iter=1, random_state=0), LogisticRegression())
    grid = {"rbm__learning_rate": [0.1, 1.0], "rbm__learning": ["cd", "pcd"]}
    alone, parallel = [
        GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs).fit(x, y) for n_jobs in (1, 2)
    ]
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(parallel.cv_results_[key], alone.cv_results_[key])
    np.testing.assert_array_equal(parallel.predict_proba(x), alone.predict_proba(x))


def test_classifiers_are_scored_in_parallel_as_alone(x, y):
    net = DBNClassifier(4, pretrain=DBN(n_iter=1), n_iter=5, random_state=0)
    alone, parallel = [cross_val_score(net, x, y, cv=4, n_jobs=n_jobs) for n_jobs in (1, 2)]
    np.testing.assert_array_equal(parallel, alone)


ROWS, COLUMNS = 5_000, 200
FLOAT_COPY = ROWS * COLUMNS * 8


@functools.cache
def large(kind):
    bits = np.random.default_rng(0).random((ROWS, COLUMNS)) < 0.02
    return {
        "uint8": lambda: bits.astype(np.uint8),
        "int64": lambda: bits.astype(np.int64),
        "bool": lambda: bits,
        "bits": lambda: BitMatrix.pack(bits),
        "counts": lambda: (bits * np.arange(COLUMNS) % 7).astype(np.uint8),
        "csr": lambda: sp.csr_array(bits.astype(np.float32)),
        "csr of uint8": lambda: sp.csr_matrix(bits.astype(np.uint8)),
        "float32": lambda: bits.astype(np.float32),
        "float64": lambda: bits.astype(np.float64),
    }[kind]()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks that are large beside the data of these tests would hide a copy."""
    monkeypatch.setattr("layerwise.nn.data.minibatch._CHUNK_ELEMENTS", 1 << 14)
    monkeypatch.setattr("layerwise.nn.data.minibatch._BYTES_TAKEN", 1 << 16)
    monkeypatch.setattr("layerwise.ops.bits._BLOCK_BYTES", 1 << 16)


def peak(function):
    """The most memory that a call holds beyond what was there before, in float copies of X.

    The smaller of two measurements: the first may see imports, each of them other threads.
    """
    measured = []
    for _ in range(2):
        tracemalloc.start()
        try:
            function()
            measured.append(tracemalloc.get_traced_memory()[1] / FLOAT_COPY)
        finally:
            tracemalloc.stop()
    return min(measured)


def test_the_measure_sees_a_float_copy():
    x = large("uint8")
    assert peak(lambda: x.astype(np.float64).sum()) > 0.99
    assert peak(lambda: large("csr").toarray().sum()) > 0.49


@pytest.mark.filterwarnings("ignore:.*visible units take values in")
@pytest.mark.parametrize(
    "kind", ["uint8", "int64", "bool", "bits", "csr", "csr of uint8", "float32", "float64"]
)
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.usefixtures("small_blocks")
def test_no_estimator_makes_a_float_copy_of_its_data(name, kind):
    x, y = large(kind), np.arange(ROWS) % 2
    model = ESTIMATORS[name](batch_size=100)
    assert peak(lambda: model.fit(x, y)) < 0.2
    for method in ("transform", "predict_proba", "score_samples", "free_energy"):
        if hasattr(model, method):
            assert peak(lambda method=method: getattr(model, method)(x)) < 0.2, method


@pytest.mark.filterwarnings("ignore:.*visible units take values in")
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.usefixtures("small_blocks")
def test_integers_that_are_no_bits_are_converted_batch_by_batch(name):
    x, y = large("counts"), np.arange(ROWS) % 2
    model = ESTIMATORS[name](batch_size=100, learning_rate=1e-4)
    assert peak(lambda: model.fit(x, y)) < 0.2
    method = "transform" if name in TRANSFORMERS else "predict_proba"
    assert peak(lambda: getattr(model, method)(x)) < 0.2
