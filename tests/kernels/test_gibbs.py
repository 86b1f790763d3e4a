"""gibbs against the oracle one half-step at a time, and a tiny RBM by enumeration."""

from itertools import product

import numpy as np
import pytest
import scipy.sparse

from layerwise import ops
from layerwise.reference import gibbs as ref
from layerwise.reference.gemm import pack_bits, round_to_bfloat16, sigmoid
from layerwise.reference.philox import Purpose

from . import bounds, harness

# Rows, visibles, hiddens.
SHAPES = harness.shapes(3, others=(5, 21, 12))
FEW_SHAPES = [(1, 1, 1), (2, 7, 3), (7, 63, 17), (3, 64, 65), (9, 129, 33), (5, 300, 260)]


def _half_step(op):
    """Oracle, bound and purpose of a half-step."""
    if op == "gibbs_hidden":
        return ref.gibbs_hidden, bounds.hidden, Purpose.gibbs_hidden
    return ref.gibbs_visible, bounds.visible, Purpose.gibbs_visible


def _half_step_inputs(op, rng, shape, dtype, density=0.4):
    n, visible, hidden = shape
    rbm = harness.tiny_rbm(rng, hidden, visible, dtype)
    state = harness.binary(rng, (n, visible if op == "gibbs_hidden" else hidden), dtype, density)
    return state, rbm.w, rbm.a if op == "gibbs_hidden" else rbm.b


@pytest.mark.parametrize("op", ["gibbs_hidden", "gibbs_visible"])
def test_half_step_means_equal_the_oracle_at_awkward_sizes(backend, dtype, op, rng):
    oracle, bound, _ = _half_step(op)
    for i, shape in enumerate(SHAPES):
        state, w, bias = _half_step_inputs(op, rng, shape, dtype)
        encoded = harness.encode(state, harness.ENCODINGS[i % 3])
        got = getattr(backend, op)(encoded, w, bias)
        expected = oracle(state, w, bias)
        harness.check(op, got, expected, bound(state, w, bias), dtype=dtype, case=shape)


@pytest.mark.parametrize("returns", ["sample", "both"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", harness.ENCODINGS)
@pytest.mark.parametrize("op", ["gibbs_hidden", "gibbs_visible"])
def test_half_step_samples_are_those_of_the_oracle(
    backend, dtype, op, encoding, packed, returns, rng
):
    oracle, bound, purpose = _half_step(op)
    for shape in FEW_SHAPES:
        state, w, bias = _half_step_inputs(op, rng, shape, dtype)
        stream = harness.stream(rows=rng.integers(0, 2**32, len(state)) if packed else 2**32 - 9)
        got = getattr(backend, op)(
            harness.encode(state, encoding), w, bias, returns=returns, packed=packed, rng=stream
        )
        mean, limit = oracle(state, w, bias), bound(state, w, bias)
        if returns == "both":
            harness.check(op, got[0], mean, limit, dtype=dtype, case=shape)
            got = got[1]
        assert isinstance(got, ops.BitMatrix) == packed
        uniforms = harness.uniforms(stream, purpose, mean.shape)
        got = harness.as_matrix(got)
        harness.check_samples(op, got, mean, limit, uniforms, dtype=dtype, case=shape)


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_half_steps_take_any_strides(native, dtype, layout, rng):
    rbm = harness.tiny_rbm(rng, 19, 35, dtype)
    w = harness.lay_out(rbm.w, layout)
    v, h = harness.real(rng, (9, 35), dtype), harness.real(rng, (9, 19), dtype)
    got = native.gibbs_hidden(harness.lay_out(v, layout), w, rbm.a)
    assert harness.same_bits(got, native.gibbs_hidden(v, rbm.w, rbm.a))
    got = native.gibbs_visible(harness.lay_out(h, layout), w, rbm.b)
    assert harness.same_bits(got, native.gibbs_visible(h, rbm.w, rbm.b))


def _chain(backend, start, rbm, k, stream, visible="sample"):
    """Visible states after k sweeps, made of the backend's own half-steps."""
    state = start
    for sweep in range(k):
        step = stream.at(step=stream.step + sweep)
        h = backend.gibbs_hidden(state, rbm.w, rbm.a, returns="sample", rng=step)
        state = backend.gibbs_visible(h, rbm.w, rbm.b, returns=visible, rng=step)
    return state


def _cd_oracle(v, model, rbm):
    """Statistics of given chain states: sampling and its ties are the half-steps' matter."""
    v, model = v.astype(np.float64), harness.as_matrix(model)
    h_data, h_model = ref.gibbs_hidden(v, rbm.w, rbm.a), ref.gibbs_hidden(model, rbm.w, rbm.a)
    expected = (
        h_data.T @ v / len(v) - h_model.T @ model / len(model),
        v.mean(axis=0) - model.mean(axis=0),
        h_data.mean(axis=0) - h_model.mean(axis=0),
    )
    return expected, bounds.cd(v, model, rbm.w, rbm.a)


def _check_cd(got, v, model, rbm, *, dtype, case):
    parts = zip(("dw", "db", "da"), *_cd_oracle(v, model, rbm), strict=True)
    for name, value, limit in parts:
        part = getattr(got, name)
        harness.check("gibbs_cd", part, value, limit, dtype=dtype, case=(name, case))


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
@pytest.mark.parametrize(("k", "visible"), [(1, "sample"), (1, "mean"), (3, "sample"), (2, "mean")])
def test_cd_statistics_are_those_of_its_half_steps(backend, dtype, encoding, k, visible, rng):
    for n, d, f in [*FEW_SHAPES, (65, 40, 30), (257, 16, 9), (700, 33, 480)]:
        rbm = harness.tiny_rbm(rng, f, d, dtype)
        v = harness.binary(rng, (n, d), dtype)
        if encoding == "dense":  # grey values are data too
            v *= rng.random((n, d)).astype(dtype)
        stream = harness.stream(rows=rng.integers(0, 2**32, n))
        given = harness.encode(v, encoding)
        got = backend.gibbs_cd(given, rbm.w, rbm.b, rbm.a, k=k, rng=stream, visible=visible)
        model = _chain(backend, v, rbm, k, stream, visible)
        _check_cd(got, v, model, rbm, dtype=dtype, case=(n, d, f))


def _awkward_weights(rng, f, d):
    """float32 weights with ties of the rounding, subnormal, huge and, in some rows, no numbers."""
    w = (0.3 * rng.standard_normal((f, d))).astype(np.float32)
    w[::3, ::2] = np.float32(1 + 2**-8) * np.float32(2.0) ** rng.integers(-20, 0)
    w[::4, ::3] *= np.float32(1e-39)
    w[::5, 1::4] = np.float32(3.4e38)
    w[1::7, ::5] = np.nan
    return w


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize(("k", "visible"), [(1, "sample"), (3, "sample"), (2, "mean")])
def test_bfloat16_has_the_bits_of_rounded_weights(backend, encoding, special, k, visible, rng):
    for n, d, f in [*FEW_SHAPES, (65, 200, 90), (300, 70, 130), (7, 1100, 40)]:
        rbm = harness.tiny_rbm(rng, f, d, np.float32)
        w = _awkward_weights(rng, f, d) if special else rbm.w
        v = harness.binary(rng, (n, d), np.float32)
        if encoding == "dense" and visible == "mean":  # grey values: no block is sparse
            v = rng.random((n, d)).astype(np.float32)
        v, options = harness.encode(v, encoding), {"k": k, "rng": harness.stream()}
        rounded = round_to_bfloat16(w)
        got = backend.gibbs_cd(v, w, rbm.b, rbm.a, visible=visible, precision="bfloat16", **options)
        same = backend.gibbs_cd(v, rounded, rbm.b, rbm.a, visible=visible, **options)
        assert all(harness.same_bits(x, y) for x, y in zip(got, same, strict=True))


def test_bfloat16_is_for_float32(backend, rng):
    rbm = harness.tiny_rbm(rng, 3, 4, np.float64)
    with pytest.raises(
        TypeError, match="^gibbs_cd: precision must be 'full' where arrays are floa"
    ):
        backend.gibbs_cd(np.eye(4), rbm.w, rbm.b, rbm.a, rng=harness.stream(), precision="bfloat16")


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
@pytest.mark.parametrize("persistent", [False, True])
def test_bfloat16_moves_the_weights_themselves(native, encoding, persistent, rng):
    for n, d, f in [*FEW_SHAPES, (65, 200, 90)]:
        v = harness.encode(harness.binary(rng, (n, d), np.float32), encoding)
        start = ops.BitMatrix.pack(harness.binary(rng, (5, d), np.float32))
        chains = [start.copy() if persistent else None for _ in range(2)]
        fused = _parameters(rng, harness.tiny_rbm(rng, f, d, np.float32))
        parts = [x.copy() for x in fused]
        options = {"k": 2, "rng": harness.stream()}
        native.gibbs_cd_update(v, *fused, chains=chains[0], precision="bfloat16", **RULE, **options)
        w, *biases = parts[:3]
        directions = native.gibbs_cd(v, round_to_bfloat16(w), *biases, chains=chains[1], **options)
        for x, velocity, direction in zip(parts[:3], parts[3:], directions, strict=True):
            native.sgd_momentum(x, velocity, direction, **RULE)
        assert all(harness.same_bits(x, y) for x, y in zip(fused, parts, strict=True))
        assert not persistent or np.array_equal(chains[0].words, chains[1].words)


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_cd_takes_any_strides(native, dtype, layout, rng):
    rbm = harness.tiny_rbm(rng, 19, 35, dtype)
    v = harness.binary(rng, (9, 35), dtype)
    rest = {"b": rbm.b, "a": rbm.a, "rng": harness.stream()}
    laid = native.gibbs_cd(harness.lay_out(v, layout), harness.lay_out(rbm.w, layout), **rest)
    plain = native.gibbs_cd(v, rbm.w, **rest)
    assert all(harness.same_bits(x, y) for x, y in zip(laid, plain, strict=True))


RULE = {"rate": 0.3, "momentum": 0.7}
DECAY = 0.02  # of the weights


def _parameters(rng, rbm):
    """Copies of an RBM's parameters, and velocities for them."""
    parameters = [x.copy() for x in (rbm.w, rbm.b, rbm.a)]
    return [*parameters, *(harness.real(rng, x.shape, x.dtype) for x in parameters)]


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
def test_an_update_equals_the_oracle(backend, dtype, encoding, rng):
    for n, d, f in [*FEW_SHAPES, (65, 200, 90)]:
        rbm, stream = harness.tiny_rbm(rng, f, d, dtype), harness.stream()
        v = harness.binary(rng, (n, d), dtype)
        model = _chain(backend, v, rbm, 2, stream)
        before = _parameters(rng, rbm)
        after = [x.copy() for x in before]
        given = harness.encode(v, encoding)
        backend.gibbs_cd_update(given, *after, k=2, rng=stream, weight_decay=DECAY, **RULE)
        for i, (direction, limit) in enumerate(zip(*_cd_oracle(v, model, rbm), strict=True)):
            old, velocity = before[i].astype(np.float64), before[i + 3].astype(np.float64)
            decay = DECAY if old.ndim == 2 else 0.0
            step = RULE["momentum"] * velocity + RULE["rate"] * (direction - decay * old)
            bound = RULE["momentum"] * abs(velocity) + RULE["rate"] * (limit + decay * abs(old))
            case = {"dtype": dtype, "case": (i, n, d, f)}
            harness.check("gibbs_cd_update", after[i + 3], step, bound, **case)
            harness.check("gibbs_cd_update", after[i], old + step, bound + abs(old), **case)


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
@pytest.mark.parametrize("persistent", [False, True])
def test_an_update_has_the_bits_of_statistics_and_steps(native, dtype, encoding, persistent, rng):
    for n, d, f in [*FEW_SHAPES, (65, 200, 90)]:
        v = harness.encode(harness.binary(rng, (n, d), dtype), encoding)
        start = ops.BitMatrix.pack(harness.binary(rng, (5, d), dtype))
        chains = [start.copy() if persistent else None for _ in range(2)]
        fused = _parameters(rng, harness.tiny_rbm(rng, f, d, dtype))
        parts = [x.copy() for x in fused]
        options = {"k": 2, "rng": harness.stream()}
        native.gibbs_cd_update(v, *fused, chains=chains[0], weight_decay=DECAY, **RULE, **options)
        directions = native.gibbs_cd(v, *parts[:3], chains=chains[1], **options)
        for x, velocity, direction in zip(parts[:3], parts[3:], directions, strict=True):
            decay = DECAY if x.ndim == 2 else 0.0
            native.sgd_momentum(x, velocity, direction, weight_decay=decay, **RULE)
        assert all(harness.same_bits(x, y) for x, y in zip(fused, parts, strict=True))
        assert not persistent or np.array_equal(chains[0].words, chains[1].words)


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_an_update_takes_any_strides(native, dtype, layout, rng):
    v = harness.binary(rng, (9, 35), dtype)
    plain = _parameters(rng, harness.tiny_rbm(rng, 19, 35, dtype))
    laid = [harness.lay_out(np.atleast_2d(x).copy(), layout) for x in plain]
    laid = [x if x.shape[0] > 1 else x[0] for x in laid]
    for arrays in (plain, laid):
        native.gibbs_cd_update(v, *arrays, rng=harness.stream(), **RULE)
    assert all(harness.same_bits(x, y) for x, y in zip(laid, plain, strict=True))


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
@pytest.mark.parametrize("own_stream", [False, True])
def test_pcd_advances_its_chains_in_place(backend, dtype, encoding, own_stream, rng):
    for n, d, f in FEW_SHAPES:
        rbm, count = harness.tiny_rbm(rng, f, d, dtype), 1 + (n * 3) % 10
        v = harness.binary(rng, (n, d), dtype)
        start = harness.binary(rng, (count, d), dtype)
        base = np.full((count + 2, -(-d // 64)), 0x5555555555555555, np.uint64)
        base[1:-1] = pack_bits(start)  # rows before and after that are not the chains'
        chains = ops.BitMatrix(base[1:-1], d)
        stream = harness.stream(rows=np.arange(n)[::-1])
        chain_stream = harness.stream(seed=5, rows=1234) if own_stream else stream.at(rows=0)
        got = backend.gibbs_cd(
            harness.encode(v, encoding), rbm.w, rbm.b, rbm.a, k=2, rng=stream, chains=chains,
            chain_rng=chain_stream if own_stream else None,
        )  # fmt: skip
        model = _chain(backend, start, rbm, 2, chain_stream)
        assert np.array_equal(chains.words, pack_bits(harness.as_matrix(model)))
        assert (base[[0, -1]] == 0x5555555555555555).all()
        _check_cd(got, v, model, rbm, dtype=dtype, case=(n, d, f))


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
def test_free_energy_equals_the_oracle_at_awkward_sizes(backend, dtype, encoding, rng):
    for n, d, f in SHAPES:
        rbm = harness.tiny_rbm(rng, f, d, dtype)
        v = harness.binary(rng, (n, d), dtype)
        args = (rbm.w, rbm.b, rbm.a)
        got = backend.gibbs_free_energy(harness.encode(v, encoding), *args)
        expected, limit = ref.gibbs_free_energy(v, *args), bounds.free_energy(v, *args)
        harness.check("gibbs_free_energy", got, expected, limit, dtype=dtype, case=(n, d, f))


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_free_energy_takes_means_and_any_strides(backend, dtype, layout, rng):
    rbm = harness.tiny_rbm(rng, 19, 35, dtype)
    v = rng.random((9, 35)).astype(dtype)
    args = (harness.lay_out(rbm.w, layout), rbm.b, rbm.a)
    got = backend.gibbs_free_energy(harness.lay_out(v, layout), *args)
    expected, limit = ref.gibbs_free_energy(v, *args), bounds.free_energy(v, *args)
    harness.check("gibbs_free_energy", got, expected, limit, dtype=dtype)


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
def test_pseudo_likelihood_equals_the_oracle_at_awkward_sizes(backend, dtype, encoding, rng):
    small = [shape for shape in SHAPES if np.prod(shape) < 15_000]  # the oracle flips every bit
    for n, d, f in [*small, (2, 260, 30), (20, 30, 260), (70, 65, 33)]:
        rbm = harness.tiny_rbm(rng, f, d, dtype)
        v = harness.binary(rng, (n, d), dtype)
        args = (rbm.w, rbm.b, rbm.a)
        got = backend.gibbs_pseudo_likelihood(harness.encode(v, encoding), *args)
        expected = ref.gibbs_pseudo_likelihood(v, *args)
        limit = bounds.pseudo_likelihood(v, *args)
        harness.check("gibbs_pseudo_likelihood", got, expected, limit, dtype=dtype, case=(n, d, f))


def test_pseudo_likelihood_stays_finite_for_large_weights(backend, dtype, rng):
    rbm = harness.tiny_rbm(rng, 17, 33, dtype)
    v = harness.binary(rng, (5, 33), dtype)
    args = (rbm.w * 200, rbm.b, rbm.a)
    got = backend.gibbs_pseudo_likelihood(v, *args)
    expected, limit = ref.gibbs_pseudo_likelihood(v, *args), bounds.pseudo_likelihood(v, *args)
    harness.check("gibbs_pseudo_likelihood", got, expected, limit, dtype=dtype)


@pytest.mark.parametrize("encoding", ["dense", "csr"])
def test_pseudo_likelihood_flips_grey_values_too(backend, dtype, encoding, rng):
    for n, d, f in FEW_SHAPES:
        rbm = harness.tiny_rbm(rng, f, d, dtype)
        v = harness.binary(rng, (n, d), dtype) * rng.random((n, d)).astype(dtype)
        v[:, ::3] = harness.binary(rng, v[:, ::3].shape, dtype)
        args = (rbm.w, rbm.b, rbm.a)
        given = v if encoding == "dense" else scipy.sparse.csr_array(v)
        got = backend.gibbs_pseudo_likelihood(given, *args)
        expected, limit = ref.gibbs_pseudo_likelihood(v, *args), bounds.pseudo_likelihood(v, *args)
        harness.check("gibbs_pseudo_likelihood", got, expected, limit, dtype=dtype, case=(n, d, f))


# Laws: a tiny RBM by enumeration

D, F = 5, 4
VISIBLE = np.array(list(product([0.0, 1.0], repeat=D)))
HIDDEN = np.array(list(product([0.0, 1.0], repeat=F)))


@pytest.fixture
def rbm(rng, dtype):
    return harness.tiny_rbm(rng, F, D, dtype)


def _joint(rbm):
    """p(v, h) of shape (32, 16), from the energies."""
    w, b, a = (x.astype(np.float64) for x in (rbm.w, rbm.b, rbm.a))
    p = np.exp(VISIBLE @ w.T @ HIDDEN.T + (VISIBLE @ b)[:, None] + HIDDEN @ a)
    return p / p.sum()


def _probabilities(means, states):
    return np.prod(np.where(states[None] == 1, means[:, None], 1 - means[:, None]), axis=2)


def test_free_energies_of_all_states_give_the_exact_marginal(backend, dtype, rbm):
    energy = backend.gibbs_free_energy(VISIBLE.astype(dtype), rbm.w, rbm.b, rbm.a)
    p = np.exp(-energy.astype(np.float64))
    np.testing.assert_allclose(
        p / p.sum(), _joint(rbm).sum(axis=1), rtol=100 * float(np.finfo(dtype).eps)
    )


def test_one_sweep_leaves_the_exact_marginal_invariant(backend, dtype, rbm):
    h = backend.gibbs_hidden(VISIBLE.astype(dtype), rbm.w, rbm.a).astype(np.float64)
    v = backend.gibbs_visible(HIDDEN.astype(dtype), rbm.w, rbm.b).astype(np.float64)
    p = _joint(rbm).sum(axis=1)
    after = p @ _probabilities(h, HIDDEN) @ _probabilities(v, VISIBLE)
    np.testing.assert_allclose(after, p, rtol=100 * float(np.finfo(dtype).eps))


def test_pseudo_likelihood_is_the_sum_of_exact_conditionals(backend, dtype, rbm):
    p = _joint(rbm).sum(axis=1).reshape([2] * D)
    conditional = [p / p.sum(axis=i, keepdims=True) for i in range(D)]
    expected = np.sum(np.log(conditional), axis=0).ravel()
    got = backend.gibbs_pseudo_likelihood(VISIBLE.astype(dtype), rbm.w, rbm.b, rbm.a)
    np.testing.assert_allclose(got, expected, rtol=200 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("k", [1, 2])
def test_cd_is_on_average_what_enumeration_gives(backend, dtype, rbm, k):
    n, starts = 20_000, [3, 12, 21, 30]
    h = sigmoid(VISIBLE @ rbm.w.T.astype(np.float64) + rbm.a)
    v = sigmoid(HIDDEN @ rbm.w.astype(np.float64) + rbm.b)
    sweep = _probabilities(h, HIDDEN) @ _probabilities(v, VISIBLE)
    p = np.linalg.matrix_power(sweep, k)[starts].mean(axis=0)
    data = np.tile(VISIBLE[starts], (n // 4, 1)).astype(dtype)
    got = backend.gibbs_cd(data, rbm.w, rbm.b, rbm.a, k=k, rng=harness.stream())
    expected = {
        "dw": h[starts].T @ VISIBLE[starts] / 4 - (p[:, None] * h).T @ VISIBLE,
        "db": VISIBLE[starts].mean(axis=0) - p @ VISIBLE,
        "da": h[starts].mean(axis=0) - p @ h,
    }
    for name, value in expected.items():  # a value in [0, 1] has standard deviation 1/2 at most
        assert np.abs(getattr(got, name) - value).max() < 4.5 * 0.5 / np.sqrt(n), name
