"""Estimators in files: the same bits come back, and what is not a sound model does not."""

import copy
import json
import pickle
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.base import clone

import layerwise
from layerwise import DBN, LISTA, RBM, DBNClassifier, DictionaryLearning, SparseCoder, nn
from layerwise.ops import BitMatrix
from layerwise.storage import document

ESTIMATORS = {
    "unfitted": lambda: RBM(learning_rate=0.5, learning=nn.PCD(k=2)),
    "rbm": lambda: RBM(4, n_iter=2, random_state=0),
    "pcd": lambda: RBM(4, n_iter=2, learning=nn.PCD(k=2, n_chains=5), momentum=0.5),
    "n_iter=0": lambda: RBM(4, n_iter=0, visible=nn.Bernoulli(), random_state=0),
    "dbn": lambda: DBN((4, 3), n_iter=[1, 2], learning=("cd", nn.CD(2)), k=np.array([1, 2])),
    "classifier": lambda: DBNClassifier((4, 3), n_iter=2, random_state=0),
    "no pretraining": lambda: DBNClassifier(4, pretrain=False, n_iter=2),
    "own pretraining": lambda: DBNClassifier(
        4, pretrain=DBN(n_iter=1, learning="pcd"), n_iter=2, random_state=np.random.RandomState(3)
    ),
    "dictionary": lambda: DictionaryLearning(4, alpha=0.2, n_iter=2, random_state=0),
    "lista": lambda: LISTA(DictionaryLearning(4, fit_algorithm=nn.LagrangeDual()), n_iter=2),
    "sparse coder": lambda: SparseCoder(np.eye(6)),
}


@pytest.fixture
def x(rng):
    return rng.integers(0, 2, (40, 6)).astype(np.float32)


@pytest.fixture
def y(x):
    return np.where(x[:, 0] > 0, "one", "zero")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def same(a, b):
    """Whether two values have the same types and bits, estimators and all they hold included."""
    if type(a) is not type(b):
        return False
    if hasattr(a, "get_params") or isinstance(a, nn.LearningRule):
        return same(vars(a), vars(b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, np.random.RandomState):
        return same(a.get_state(), b.get_state())
    return a == b


def fitted(name, x, y):
    estimator = ESTIMATORS[name]()
    return estimator if name == "unfitted" else estimator.fit(x, y)


def through_file(estimator, path):
    estimator.save(path)
    return layerwise.load(path)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_everything_that_an_estimator_holds_comes_back(name, x, y, path):
    estimator = fitted(name, x, y)
    before = copy.deepcopy(estimator)
    back = through_file(estimator, path)
    assert same(estimator, before)
    assert same(back, estimator)


@pytest.mark.parametrize("through", ["pickle", "joblib", "copy", "file"])
@pytest.mark.parametrize("name", ["pcd", "dbn", "classifier"])
def test_copies_of_every_kind_predict_sample_and_go_on_learning_as_the_original(
    name, through, x, y, path
):
    original = fitted(name, x, y)
    if through == "pickle":
        other = pickle.loads(pickle.dumps(original))
    elif through == "joblib":
        joblib.dump(original, path)
        other = joblib.load(path)
    elif through == "copy":
        other = copy.deepcopy(original)
    else:
        other = through_file(original, path)
    assert same(other, original)
    for method in ("transform", "reconstruct", "predict_proba", "predict"):
        if hasattr(original, method):
            np.testing.assert_array_equal(getattr(other, method)(x), getattr(original, method)(x))
    if hasattr(original, "sample"):
        np.testing.assert_array_equal(other.sample(3, n_gibbs=2), original.sample(3, n_gibbs=2))
    if hasattr(original, "partial_fit"):
        arguments = (x, y) if name == "classifier" else (x,)
        for _ in range(2):
            original.partial_fit(*arguments)
            other.partial_fit(*arguments)
        assert same(other, original)
    original.fit(x, y)  # leaves the copy alone
    assert not same(other, original)


def test_clones_have_the_parameters_and_nothing_that_was_learnt(x, y):
    for name in ESTIMATORS:
        estimator = fitted(name, x, y)
        twin = clone(estimator)
        assert set(vars(twin)) == set(estimator.get_params(deep=False))
        assert same(clone(twin).get_params(deep=False), twin.get_params(deep=False))


@pytest.mark.parametrize("name", ["rbm", "pcd", "classifier"])
def test_a_memory_mapped_joblib_file_can_be_used_and_trained_on(name, x, y, path):
    original = fitted(name, x, y)
    joblib.dump(original, path)
    mapped = joblib.load(path, mmap_mode="r")
    array = mapped.coefs_[0] if name == "classifier" else mapped.components_
    assert not array.flags.writeable
    original.partial_fit(x, y)
    mapped.partial_fit(x, y)
    method = "predict_proba" if name == "classifier" else "transform"
    np.testing.assert_array_equal(getattr(mapped, method)(x), getattr(original, method)(x))


OBJECTS = np.array(["no", "yes"], object)


@pytest.mark.parametrize("labels", [[3, -1], [1.0, 2.0], [False, True], ["no", "yes"], OBJECTS])
def test_labels_of_any_type_come_back(labels, x, path):
    y = np.array(labels)[x[:, 0].astype(int)]
    net = DBNClassifier(3, n_iter=1, pretrain=False).fit(x, y)
    back = through_file(net, path)
    assert back.classes_.dtype == net.classes_.dtype
    np.testing.assert_array_equal(back.predict(x), net.predict(x))


def test_feature_names_and_output_settings_come_back(x, path):
    frame = pd.DataFrame(x, columns=list("abcdef"))
    rbm = RBM(2, n_iter=1).set_output(transform="pandas").fit(frame)
    back = through_file(rbm, path)
    assert back.feature_names_in_.tolist() == list("abcdef")
    assert back.transform(frame).columns.tolist() == ["rbm0", "rbm1"]
    with pytest.raises(ValueError, match="feature names"):
        back.transform(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize("encode", [sp.csr_matrix, BitMatrix.pack, lambda x: x.astype(np.float64)])
def test_the_encoding_of_the_data_does_not_matter(encode, x, path):
    rbm = RBM(4, n_iter=1, learning="pcd").fit(encode(x))
    assert same(through_file(rbm, path), rbm)


def test_a_new_process_loads_without_having_imported_anything(x, path):
    rbm = RBM(4, n_iter=1, learning=nn.CD(2), random_state=0).fit(x)
    rbm.save(path)
    code = f"""
        import layerwise
        print(repr(layerwise.load({str(path)!r}).components_.tobytes()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == repr(rbm.components_.tobytes())


def test_saving_replaces_the_file_and_failing_to_keeps_it(x, path):
    rbm = RBM(4, n_iter=1, random_state=0).fit(x)
    rbm.save(path)
    RBM(5, n_iter=1).fit(x).save(path)
    assert layerwise.load(path).components_.shape == (5, 6)
    for unsound, error, message in [
        (RBM(learning=lambda: 0), TypeError, r"save: parameters.learning must be a number, .*"),
        (RBM(random_state=np.random.default_rng()), TypeError, "save: parameters.random_state"),
        (type("Own", (RBM,), {})(), TypeError, "save: the object must be .* got Own"),
    ]:
        with pytest.raises(error, match=message):
            unsound.save(path)
        assert layerwise.load(path).components_.shape == (5, 6)


def test_a_model_that_load_would_refuse_is_not_saved(x, path):
    rbm = RBM(4, n_iter=1).fit(x)
    rbm.components_[0, 0] = np.nan
    with pytest.raises(ValueError, match="save: components_ must be finite; got NaN"):
        rbm.save(path)
    assert not path.exists()


def rewrite(path, change):
    """Change a model's state, its arrays or both; the checksum is made to fit."""
    with safe_open(path, framework="np") as file:
        head = json.loads(file.metadata()["layerwise"])
    arrays = load_file(path)
    change(head["content"]["object"][1], arrays)
    head.pop("sha256")
    head["sha256"] = document._digest(head, arrays)
    save_file(arrays, path, {"layerwise": json.dumps(head)})


def put(name, value):
    return lambda state, arrays: arrays.update({name: np.ascontiguousarray(value(arrays[name]))})


def put_json(name, value):
    return lambda state, arrays: state.update({name: value})


def drop(name):
    return lambda state, arrays: (state.pop(name, None), arrays.pop(name, None))


def nan_inside(w):
    w = w.copy()
    w.flat[-1] = np.nan
    return w


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("components_"), "a fitted estimator must have components_; got none"),
        (drop("_seed"), "a fitted estimator must have _seed"),
        (put("components_", nan_inside), "components_ must be finite; got NaN"),
        (put("intercept_hidden_", nan_inside), "intercept_hidden_ must be finite"),
        (put("_state.velocities.w", nan_inside), r"_state\['velocities'\]\['w'\] must be finite"),
        (put("components_", np.transpose), r"components_ must have shape .*features=6"),
        (put("components_", np.ravel), "components_ must have shape"),
        (put("intercept_hidden_", lambda a: a[1:]), r"must have shape \(components=4\); got .*3,"),
        (put("intercept_visible_", np.float64), "must be float32 like the others; got float64"),
        (put("components_", np.int64), "must be a float32 or float64 array; got int64"),
        (put("components_", np.float16), "must be a float32 or float64 array; got float16"),
        (put_json("components_", 3), "must be a float32 or float64 array; got int"),
        (put_json("n_features_in_", 7), "components_ must have shape .*features=7"),
        (put_json("n_features_in_", "six"), "n_features_in_ must be an integer; got 'six'"),
        (put_json("n_steps_", -1), "n_steps_ must be from 0"),
        (put_json("_seed", 2**64), "_seed must be from 0"),
        (put_json("random_state_", 3), "random_state_ must be of type RandomState; got int"),
        (put_json("_state", {"dict": {"rule": {"dict": {}}}}), "_state must be a dict with"),
        (put_json("transform", "x"), r"unknown entries of RBM: \['transform'\]"),
        (put_json("__class__", "x"), r"unknown entries of RBM: \['__class__'\]"),
        (put_json("parameters", {"dict": {"alpha": 1}}), "unknown entries of RBM's parameters"),
        (put_json("parameters", [1]), "parameters must be a dict"),
        (drop("parameters"), "parameters must be a dict; got None"),
    ],
)
def test_unsound_rbms_are_refused(change, message, x, path):
    RBM(4, n_iter=1, random_state=0).fit(x).save(path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=f"^load: .*model.safetensors must be a lay.*{message}"):
        layerwise.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put_json("rbms_", []), "rbms_ must be a list that is not empty"),
        (put_json("rbms_", {"object": ["RBM", {}]}), "no valid RBM: parameters must be a dict"),
        (lambda state, arrays: state["rbms_"].reverse(), r"rbms_\[0\].components_ must have shape"),
        (lambda state, arrays: state["rbms_"].pop(0), r"rbms_\[0\].components_ must have shape"),
        (
            lambda state, arrays: state["rbms_"].insert(
                0, {"object": ["RBM", {"parameters": {"dict": {}}}]}
            ),
            r"rbms_\[0\] must be fitted",
        ),
        (
            lambda state, arrays: state["rbms_"].insert(0, {"object": ["CD", {}]}),
            r"rbms_\[0\] must be of type RBM; got CD",
        ),
    ],
)
def test_unsound_dbns_are_refused(change, message, x, path):
    DBN((4, 3), n_iter=1).fit(x).save(path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=f"^load: .*{message}"):
        layerwise.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state, arrays: state["coefs_"].pop(), "intercepts_ must have 2 items; got 3"),
        (lambda state, arrays: state["coefs_"].reverse(), r"coefs_\[0\] must have shape"),
        (put("coefs_.1", nan_inside), r"coefs_\[1\] must be finite"),
        (put_json("classes_", {"strings": ["str", ["a"]]}), "classes_ must be an array of 2 lab"),
        (put_json("dbn_", 3), "dbn_ must be of type DBN"),
        (put("_velocities.w1", np.transpose), r"_velocities\['w1'\] must have shape"),
        (
            lambda state, arrays: state["_velocities"]["dict"].pop("b2"),
            "_velocities must be a dict",
        ),
        (put_json("loss_curve_", "falls"), "loss_curve_ must be of type list"),
    ],
)
def test_unsound_classifiers_are_refused(change, message, x, y, path):
    DBNClassifier((4, 3), n_iter=1, pretrain=False).fit(x, y).save(path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=f"^load: .*{message}"):
        layerwise.load(path)


def test_files_that_hold_something_else_than_a_model_are_refused(x, path):
    document.write_document("save", path, "model", nn.CD())
    with pytest.raises(ValueError, match="load: .* must be a layerwise model; it has a CD"):
        layerwise.load(path)
    joblib.dump(RBM(2), path)
    with pytest.raises(ValueError, match="load: .* must be a layerwise model; it is damaged or"):
        layerwise.load(path)


def test_a_model_of_a_newer_minor_version_is_read_with_a_warning(x, path):
    rbm = RBM(4, n_iter=1, random_state=0).fit(x)
    rbm.save(path)
    with safe_open(path, framework="np") as file:
        head = json.loads(file.metadata()["layerwise"])
    arrays = load_file(path)
    state = head["content"]["object"][1]
    state["parameters"]["dict"]["tempering"] = {"array": "tempering"}
    state["spectrum_"] = 3
    arrays["tempering"] = np.ones(3)
    head["version"][1] += 1
    head.pop("sha256")
    head["sha256"] = document._digest(head, arrays)
    save_file(arrays, path, {"layerwise": json.dumps(head)})
    with pytest.warns(UserWarning, match="a newer layerwise; unknown entries of RBM") as caught:
        back = layerwise.load(path)
    assert ["tempering" in str(w.message) for w in caught] == [True, False]
    assert same(back, rbm)
    head["version"][0] += 1
    save_file(arrays, path, {"layerwise": json.dumps(head)})
    with pytest.raises(ValueError, match="of a newer layerwise: this one reads 1.x, update it"):
        layerwise.load(path)


def test_attributes_of_older_files_have_their_defaults(x, path):
    """What a later version adds as a hyper-parameter is absent from the files there are now."""
    rbm = RBM(4, n_iter=1, random_state=0).fit(x)
    rbm.save(path)
    rewrite(path, lambda state, arrays: state["parameters"]["dict"].pop("weight_decay"))
    assert same(layerwise.load(path), rbm)
