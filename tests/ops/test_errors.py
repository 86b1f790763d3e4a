"""Bad arguments get an error that names the op, the argument, what was required and what came."""

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import ops
from layerwise.ops import BitMatrix, Philox

RNG = Philox(0)


def array(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def labels(*shape, dtype=np.int64):
    return np.zeros(shape, dtype)


# Arguments of a call that works, every array of every op among them.
CALLS = {
    "gemm": lambda: {
        "a": array(2, 3),
        "b": array(3, 4),
        "c": array(2, 4),
        "bias": array(4),
        "out": array(2, 4),
    },
    "gibbs_hidden": lambda: {"v": array(2, 3), "w": array(4, 3), "a": array(4)},
    "gibbs_visible": lambda: {"h": array(2, 4), "w": array(4, 3), "b": array(3)},
    "gibbs_cd": lambda: {
        "v": array(2, 3),
        "w": array(4, 3),
        "b": array(3),
        "a": array(4),
        "rng": RNG,
    },
    "gibbs_cd_update": lambda: {
        "v": array(2, 3),
        "w": array(4, 3),
        "b": array(3),
        "a": array(4),
        "w_velocity": array(4, 3),
        "b_velocity": array(3),
        "a_velocity": array(4),
        "rate": 0.1,
        "rng": RNG,
    },
    "gibbs_free_energy": lambda: {
        "v": array(2, 3),
        "w": array(4, 3),
        "b": array(3),
        "a": array(4),
    },
    "gibbs_pseudo_likelihood": lambda: {
        "v": array(2, 3),
        "w": array(4, 3),
        "b": array(3),
        "a": array(4),
    },
    "dense": lambda: {"x": array(2, 3), "w": array(4, 3), "b": array(4)},
    "dense_dx": lambda: {"dz": array(2, 4), "w": array(4, 3), "x": array(2, 3)},
    "dense_dw": lambda: {"dz": array(2, 4), "x": array(2, 3), "out": array(4, 3)},
    "dense_dw_update": lambda: {
        "dz": array(2, 4),
        "x": array(2, 3),
        "w": array(4, 3),
        "velocity": array(4, 3),
        "rate": 0.1,
    },
    "dense_db": lambda: {"dz": array(2, 4)},
    "activation_dx": lambda: {"dy": array(2, 4), "y": array(2, 4), "activation": "tanh"},
    "softmax": lambda: {"z": array(2, 4)},
    "softmax_cross_entropy": lambda: {"z": array(2, 4), "labels": labels(2), "weight": array(2)},
    "dropout": lambda: {"x": array(2, 4), "rate": 0.5, "rng": RNG},
    "dropout_dx": lambda: {"dy": array(2, 4), "rate": 0.5, "rng": RNG},
    "sgd_momentum": lambda: {
        "w": array(4, 3),
        "velocity": array(4, 3),
        "dw": array(4, 3),
        "rate": 0.1,
    },
}


def float_arguments(op):
    arguments = CALLS[op]().items()
    return [name for name, x in arguments if isinstance(x, np.ndarray) and name != "labels"]


FLOAT_ARGUMENTS = [(op, name) for op in CALLS for name in float_arguments(op)]
MATRICES = [(op, name) for op, name in FLOAT_ARGUMENTS if CALLS[op]()[name].ndim == 2]
ENCODED = {
    ("gemm", "a"),
    ("gemm", "b"),
    ("dense", "x"),
    ("dense_dw", "x"),
    ("dense_dw_update", "x"),
    ("gibbs_visible", "h"),
}
ENCODED |= {(op, "v") for op in CALLS if op.startswith("gibbs") and op != "gibbs_visible"}

OPTIONAL = {("gemm", "c"), ("gemm", "bias"), ("gemm", "out"), ("dense", "b"), ("dense_dx", "x")}
OPTIONAL |= {("dense_dw", "out"), ("softmax_cross_entropy", "weight")}


def call(op, **changes):
    return getattr(ops, op)(**{**CALLS[op](), **changes})


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("op", CALLS)
def test_the_calls_below_work_before_they_are_spoilt(op):
    call(op)


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("op", "name"), FLOAT_ARGUMENTS)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, np.float16, complex, ">f4", object])
def test_dtypes_are_never_cast(op, name, dtype):
    good = CALLS[op]()[name]
    with pytest.raises(TypeError, match=rf"^{op}: {name} must be float32 or float64; got "):
        call(op, **{name: good.astype(dtype)})


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(
    ("op", "name"), [x for x in FLOAT_ARGUMENTS if len(float_arguments(x[0])) > 1]
)
def test_one_dtype_a_call(op, name):
    arguments, others = CALLS[op](), float_arguments(op)
    with pytest.raises(TypeError, match=rf"^{op}: all float arrays must have one dtype; got ") as e:
        call(op, **{name: arguments[name].astype(np.float64)})
    for other in others:
        assert f"{other} float{'64' if other == name else '32'}" in str(e.value)


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("op", "name"), FLOAT_ARGUMENTS)
@pytest.mark.parametrize("value", [[[1.0]], "abc", 3.0, object()])
def test_only_arrays(op, name, value):
    with pytest.raises(TypeError, match=rf"^{op}: {name} must be an array of NumPy, torch or CuPy"):
        call(op, **{name: value})


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("op", "name"), sorted(set(FLOAT_ARGUMENTS) - OPTIONAL))
def test_arrays_may_not_be_left_out(op, name):
    with pytest.raises(TypeError, match=rf"^{op}: {name} must be an array .*; got NoneType"):
        call(op, **{name: None})


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("op", "name"), FLOAT_ARGUMENTS)
def test_shapes_agree(op, name):
    arguments = CALLS[op]()
    good = arguments[name]
    shape = r"\(.*\)"
    if op != "sgd_momentum":
        with pytest.raises(ValueError, match=rf"^{op}: {name} must have shape {shape}; got shape"):
            call(op, **{name: good[None]})
    arrays = [x for x in arguments.values() if isinstance(x, np.ndarray)]
    for axis in range(good.ndim):
        size = good.shape[axis]
        if sum(x.shape.count(size) for x in arrays) == 1:
            continue  # no other argument has this axis
        wrong = np.repeat(good, 3, axis=axis)
        with pytest.raises(
            ValueError, match=rf"^{op}: .*\b{name} {shape}.* must agree in \w+; got shapes"
        ):
            call(op, **{name: wrong})


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("op", "name"), MATRICES)
def test_encoded_matrices_only_where_kernels_take_them(op, name):
    good = CALLS[op]()[name]
    for encoded in (BitMatrix.pack(good), sp.csr_array(good)):
        if (op, name) in ENCODED:
            call(op, **{name: encoded})
        else:
            with pytest.raises(TypeError, match=rf"^{op}: {name} must be an array of NumPy"):
                call(op, **{name: encoded})


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("op", "name"), sorted(ENCODED))
def test_sparse_matrices_are_canonical_csr_of_floats(op, name):
    good = CALLS[op]()[name]
    with pytest.raises(TypeError, match=rf"^{op}: {name} must be in CSR format; got csc"):
        call(op, **{name: sp.csc_array(good)})
    with pytest.raises(TypeError, match=rf"^{op}: {name} must be float32 or float64; got int64"):
        call(op, **{name: sp.csr_array(good.astype(np.int64))})
    unsorted = sp.csr_array(
        (np.ones(2, np.float32), np.array([1, 0]), np.array([0, 2, *[2] * (len(good) - 1)])),
        shape=good.shape,
    )
    with pytest.raises(ValueError, match=rf"{name} must have column indices that are sorted"):
        call(op, **{name: unsorted})


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("op", "changes", "error", "message"),
    [
        ("gemm", {"activation": "gelu"}, ValueError, "activation must be one of none, sigmoid"),
        ("gemm", {"activation": None}, ValueError, "activation must be one of"),
        ("gemm", {"returns": "all"}, ValueError, "returns must be one of mean, sample, both"),
        ("gemm", {"returns": "sample"}, ValueError, "noise, for returns='sample', must be one of"),
        (
            "gemm",
            {"returns": "both", "noise": "poisson", "rng": RNG},
            ValueError,
            "must be one of bernoulli, gaussian; got 'poisson'",
        ),
        ("gemm", {"noise": "gaussian"}, ValueError, "noise must come with returns="),
        (
            "gemm",
            {"returns": "both", "noise": "bernoulli"},
            TypeError,
            "rng must be a Philox; got NoneType",
        ),
        (
            "gemm",
            {"returns": "both", "noise": "gaussian", "rng": RNG, "packed": True},
            ValueError,
            "packed must come with noise='bernoulli'; got noise='gaussian'",
        ),
        ("gemm", {"packed": True}, ValueError, "packed must come with noise='bernoulli'"),
        (
            "gemm",
            {"returns": "sample", "noise": "gaussian", "rng": RNG},
            ValueError,
            "out receives the mean; got returns='sample'",
        ),
        ("gemm", {"c": None, "beta": 2.0}, ValueError, "beta=2.0 must come with c; got c=None"),
        ("gibbs_hidden", {"returns": "probs"}, ValueError, "returns must be one of"),
        ("gibbs_hidden", {"returns": "sample"}, TypeError, "rng must be a Philox"),
        ("gibbs_visible", {"packed": True}, ValueError, "packed must come with returns="),
        (
            "gibbs_visible",
            {"returns": "sample", "rng": Philox(0, rows=[1])},
            ValueError,
            "one row id for each of 2 rows; got 1 ids",
        ),
        (
            "gibbs_visible",
            {"returns": "sample", "rng": Philox(0, rows=2**32 - 1)},
            ValueError,
            "must leave ids below 2",
        ),
        ("gibbs_cd", {"k": 0}, ValueError, "k must be from 1 to"),
        ("gibbs_cd", {"k": 1.0}, TypeError, "k must be an int; got float"),
        ("gibbs_cd", {"rng": None}, TypeError, "rng must be a Philox"),
        ("gibbs_cd", {"rng": Philox(0, 2**32 - 1), "k": 2}, ValueError, r"rng.step \+ k"),
        ("gibbs_cd", {"visible": "both"}, ValueError, "visible must be one of sample, mean"),
        ("gibbs_cd", {"precision": "half"}, ValueError, "precision must be one of full, bfloat16"),
        ("gibbs_cd", {"v": array(0, 3)}, ValueError, "v must have at least one row"),
        (
            "gibbs_cd",
            {"chains": BitMatrix.zeros((0, 3))},
            ValueError,
            "chains must have at least one row",
        ),
        ("gibbs_cd", {"chains": array(5, 3)}, TypeError, "chains must be a BitMatrix; got numpy"),
        (
            "gibbs_cd",
            {"chains": BitMatrix.zeros((5, 4))},
            ValueError,
            r"v \(N,D\) and chains \(C,D\) must agree in D",
        ),
        (
            "gibbs_cd",
            {"chains": BitMatrix.zeros((5, 3)), "visible": "mean"},
            ValueError,
            "visible must be 'sample' with chains",
        ),
        ("gibbs_cd", {"chain_rng": RNG}, ValueError, "chain_rng must come with chains"),
        (
            "gibbs_cd",
            {"chains": BitMatrix.zeros((5, 3)), "chain_rng": Philox(0, rows=[1, 2])},
            ValueError,
            "chain_rng must have one row id for each of 5 rows",
        ),
        ("gemm", {"alpha": "1"}, TypeError, "alpha must be a number; got str"),
        ("gemm", {"beta": None}, TypeError, "beta must be a number; got NoneType"),
        ("gemm", {"noise_scale": np.ones(2)}, TypeError, "noise_scale must be a number"),
        ("dense_dw", {"alpha": 1j}, TypeError, "alpha must be a number; got complex"),
        ("dense_db", {"alpha": [1.0]}, TypeError, "alpha must be a number; got list"),
        ("dropout", {"rate": "0.5"}, TypeError, "rate must be a number; got str"),
        ("sgd_momentum", {"momentum": None}, TypeError, "momentum must be a number"),
        ("dense", {"activation": "selu"}, ValueError, "activation must be one of"),
        (
            "dense_dx",
            {"x": None, "activation": "relu"},
            ValueError,
            "activation='relu' must come with x; got x=None",
        ),
        ("dense_dw", {"beta": 1.0, "out": None}, ValueError, "beta=1.0 must come with out"),
        ("activation_dx", {"activation": "exp"}, ValueError, "activation must be one of"),
        ("softmax_cross_entropy", {"labels": array(2)}, TypeError, "int32 or int64; got float32"),
        ("softmax_cross_entropy", {"labels": [0, 1]}, TypeError, "labels must be an array"),
        (
            "softmax_cross_entropy",
            {"labels": labels(2, dtype=np.uint8)},
            TypeError,
            "int32 or int64; got uint8",
        ),
        ("softmax_cross_entropy", {"labels": labels(3)}, ValueError, "must agree in N"),
        ("softmax_cross_entropy", {"labels": np.array([0, 4])}, ValueError, "4"),
        ("softmax_cross_entropy", {"labels": np.array([-1, 0])}, ValueError, "-1"),
        ("dropout", {"rate": 1.0}, ValueError, "rate must be at least 0 and below 1; got 1.0"),
        ("dropout", {"rate": -0.1}, ValueError, "rate must be"),
        ("dropout_dx", {"rate": float("nan")}, ValueError, "dropout_dx: rate must be"),
        ("dropout", {"rng": np.random.default_rng()}, TypeError, "rng must be a Philox"),
        (
            "sgd_momentum",
            {"velocity": array(3)},
            ValueError,
            r"w \(...\) and velocity \(...\) must agree in shape; got shapes \(4, 3\) and \(3,\)",
        ),
    ],
)
def test_contradictions_and_values(op, changes, error, message):
    with pytest.raises(error, match=message) as info:
        call(op, **changes)
    assert str(info.value).startswith(f"{op}: ")


@pytest.mark.parametrize("op", CALLS)
def test_num_threads_is_checked(op):
    with pytest.raises(ValueError, match=f"^{op}: num_threads must be from 1 to"):
        call(op, num_threads=0)
    with pytest.raises(TypeError, match=f"^{op}: num_threads must be an int; got str"):
        call(op, num_threads="2")


def test_max_workspace_is_checked():
    with pytest.raises(TypeError, match="^gemm: max_workspace must be an int; got str"):
        call("gemm", max_workspace="1M")
    with pytest.raises(ValueError, match=r"^gemm: max_workspace must be at least \d+ bytes"):
        call("gemm", max_workspace=1)


@pytest.mark.usefixtures("backend")
def test_masked_arrays_are_refused():
    with pytest.raises(TypeError, match="dense_db: dz must be a plain array; got a masked one"):
        ops.dense_db(np.ma.masked_array(array(2, 3)))


def test_results_too_large_are_refused_before_they_are_allocated():
    tall = np.broadcast_to(np.float32(0), (2**31, 1))
    with pytest.raises(MemoryError, match=r"gemm: an array of shape \(2147483648, 2147483648\)"):
        ops.gemm(tall, tall.T)
    long = np.broadcast_to(np.float32(0), (2**45, 1))
    with pytest.raises(MemoryError, match="softmax: an array of shape"):
        ops.softmax(long)


@pytest.mark.usefixtures("backend")
def test_read_only_outputs_are_refused():
    out = array(2, 4)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        call("gemm", out=out)
    w = array(4, 3)
    w.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        call("sgd_momentum", w=w)
