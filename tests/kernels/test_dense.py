"""Fully connected layers, softmax, dropout and SGD against the oracle."""

import numpy as np
import pytest

from layerwise.reference import dense as ref
from layerwise.reference import gemm as ref_gemm

from . import bounds, harness

# Rows, inputs, outputs; the last have products of few columns.
SHAPES = [*harness.shapes(3, others=(5, 21, 12)), (150, 33, 10), (150, 10, 33), (33, 10, 150)]
PLANES = harness.shapes(2, others=(6, 21))


def _label(rng, n, classes, dtype=np.int64):
    return rng.integers(0, max(classes, 1), n).astype(dtype)


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
def test_dense_equals_the_oracle_at_awkward_sizes(backend, dtype, encoding, rng):
    for i, (n, d, f) in enumerate(SHAPES):
        activation = harness.ACTIVATIONS[i % 5]
        w = harness.real(rng, (f, d), dtype, 1 / np.sqrt(max(d, 1)))
        b = harness.real(rng, f, dtype) if i % 3 else None
        make = harness.real if encoding == "dense" else harness.binary
        x = make(rng, (n, d), dtype)
        out = harness.GuardedView((n, f), dtype, ["columns", "step", "negative"][i % 3])
        got = backend.dense(harness.encode(x, encoding), w, b, activation, out=out.view)
        out.check()
        expected = ref.dense(x, w, b, activation)
        bound = ref_gemm.gemm_bound(x, w.T, bias=b, activation=activation)
        harness.check("dense", got, expected, bound, dtype=dtype, case=(n, d, f, activation))


def test_dense_dx_equals_the_oracle_at_awkward_sizes(backend, dtype, rng):
    for i, (n, d, f) in enumerate(SHAPES):
        activation = harness.ACTIVATIONS[i % 5]
        dz, w = harness.real(rng, (n, f), dtype), harness.real(rng, (f, d), dtype)
        x = ref_gemm.activate(rng.standard_normal((n, d)), activation).astype(dtype)
        out = harness.GuardedView((n, d), dtype, ["columns", "step", "negative"][i % 3])
        got = backend.dense_dx(dz, w, x=x, activation=activation, out=out.view)
        out.check()
        expected = ref.dense_dx(dz, w, x=x, activation=activation)
        slope = ref_gemm.activation_slope(x.astype(np.float64), activation)
        bound = ref_gemm.gemm_bound(dz, w) * slope
        harness.check("dense_dx", got, expected, bound, dtype=dtype, case=(n, d, f, activation))
    assert harness.same_bits(backend.dense_dx(dz, w), backend.dense_dx(dz, w, activation="none"))


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
def test_dense_dw_equals_the_oracle_at_awkward_sizes(backend, dtype, encoding, rng):
    for i, (n, d, f) in enumerate(SHAPES):
        make = harness.real if encoding == "dense" else harness.binary
        dz, x = harness.real(rng, (n, f), dtype), make(rng, (n, d), dtype)
        out = harness.GuardedView((f, d), dtype, ["columns", "step", "negative"][i % 3])
        old = harness.real(rng, (f, d), dtype) if i % 2 else np.full((f, d), np.nan, dtype)
        out.view[...] = old
        scales = {"alpha": -0.5, "beta": 0.25 if i % 2 else 0.0}
        got = backend.dense_dw(dz, harness.encode(x, encoding), **scales, out=out.view)
        out.check()
        expected = ref.dense_dw(dz, x, **scales, out=old)
        bound = ref_gemm.gemm_bound(dz.T, x, c=old, **scales)
        harness.check("dense_dw", got, expected, bound, dtype=dtype, case=(n, d, f))
    fresh = backend.dense_dw(dz, x, alpha=-0.5)
    assert harness.same_bits(fresh, backend.dense_dw(dz, x, alpha=-0.5, out=np.empty_like(fresh)))


@pytest.mark.parametrize("encoding", harness.ENCODINGS)
def test_a_step_along_dw_equals_the_oracle_and_the_two_ops(backend, dtype, encoding, rng):
    rule = {"rate": 0.3, "momentum": 0.7, "weight_decay": 0.02}
    for n, d, f in [*SHAPES, (33, 150, 70)]:
        dz, x = harness.real(rng, (n, f), dtype), harness.binary(rng, (n, d), dtype)
        given, old = harness.encode(x, encoding), harness.real(rng, (f, d), dtype)
        velocity = harness.real(rng, (f, d), dtype)
        fused = [old.copy(), velocity.copy()]
        backend.dense_dw_update(dz, given, *fused, alpha=-0.5, **rule)
        expected = [old.astype(np.float64), velocity.astype(np.float64)]
        ref.dense_dw_update(dz, x, *expected, alpha=-0.5, **rule)
        terms = 0.5 * np.abs(dz.astype(np.float64)).T @ x + rule["weight_decay"] * np.abs(old)
        bound = rule["rate"] * terms + rule["momentum"] * np.abs(velocity)
        args = {"dtype": dtype, "case": (n, d, f)}
        harness.check("dense_dw_update", fused[1], expected[1], bound, **args)
        harness.check("dense_dw_update", fused[0], expected[0], bound + np.abs(old), **args)
        if backend.name != "reference":  # which rounds its gradient on the way out
            parts = [old.copy(), velocity.copy()]
            backend.sgd_momentum(*parts, backend.dense_dw(dz, given, alpha=-0.5), **rule)
            assert all(harness.same_bits(a, b) for a, b in zip(fused, parts, strict=True))


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_gradients_take_any_strides(native, dtype, layout, rng):
    dz, x, w = (harness.real(rng, s, dtype) for s in [(19, 13), (19, 37), (13, 37)])
    given = {"dz": dz, "x": x, "w": w}
    laid = {name: harness.lay_out(value, layout) for name, value in given.items()}
    for op, names, options in [
        ("dense", ("x", "w"), {}),
        ("dense_dx", ("dz", "w"), {}),
        ("dense_dw", ("dz", "x"), {}),
        ("dense_db", ("dz",), {}),
        ("activation_dx", ("dz", "dz"), {"activation": "tanh"}),
        ("softmax", ("dz",), {}),
        ("dropout", ("x",), {"rate": 0.5, "rng": harness.stream()}),
    ]:
        plain = getattr(native, op)(*(given[name] for name in names), **options)
        got = getattr(native, op)(*(laid[name] for name in names), **options)
        assert harness.same_bits(got, plain), op
    labels = _label(rng, 19, 13)
    plain = native.softmax_cross_entropy(dz, labels)
    got = native.softmax_cross_entropy(laid["dz"], labels)
    assert all(harness.same_bits(p, q) for p, q in zip(got, plain, strict=True))


def test_dense_db_equals_the_oracle_at_awkward_sizes(backend, dtype, rng):
    for n, f in [*PLANES, (1000, 9), (3, 1100), ((1 << 20) + 70, 2)]:
        dz = harness.real(rng, (n, f), dtype)
        got = backend.dense_db(dz, -0.5)
        bound = 0.5 * np.abs(dz.astype(np.float64)).sum(axis=0)
        expected = ref.dense_db(dz, -0.5)
        harness.check("dense_db", got, expected, bound, dtype=dtype, case=(n, f))


def test_activation_dx_equals_the_oracle_at_awkward_sizes(backend, dtype, activation, rng):
    for n, f in [*PLANES, (70, 300)]:
        dy = harness.real(rng, (n, f), dtype)
        y = ref_gemm.activate(3 * rng.standard_normal((n, f)), activation).astype(dtype)
        got = backend.activation_dx(dy, y, activation)
        expected = ref.activation_dx(dy, y, activation)
        harness.check("activation_dx", got, expected, np.abs(expected), dtype=dtype, case=(n, f))


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_softmax_equals_the_oracle_at_awkward_sizes(backend, dtype, scale, rng):
    for n, classes in [*PLANES, (3, 1000), (70, 300)]:
        z = harness.real(rng, (n, classes), dtype, scale)
        with np.errstate(divide="ignore"):  # no classes
            expected, bound = ref.softmax(z), bounds.softmax(z)
        got = backend.softmax(z)
        harness.check("softmax", got, expected, bound, dtype=dtype, case=(n, classes))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("label_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_cross_entropy_equals_the_oracle(backend, dtype, scale, label_dtype, weighted, rng):
    for n, classes in [*(s for s in PLANES if s[1]), (3, 1000), (70, 300), (5000, 10)]:
        z = harness.real(rng, (n, classes), dtype, scale)
        labels = _label(rng, n, classes, label_dtype)
        weight = rng.random(n).astype(dtype) if weighted else None
        factor = weight.astype(np.float64) if weighted else np.ones(n)
        loss, dz = backend.softmax_cross_entropy(z, labels, weight)
        expected = ref.softmax_cross_entropy(z, labels, weight)
        limits = bounds.cross_entropy(z, labels)
        op, case = "softmax_cross_entropy", (n, classes)
        harness.check(op, loss, expected[0], factor * limits[0], dtype=dtype, case=case)
        harness.check(op, dz, expected[1], factor[:, None] * limits[1], dtype=dtype, case=case)


def test_softmax_of_impossible_and_undefined_scores(backend, dtype):
    """A score of -inf is probability 0; NaN, +inf or nothing but -inf make the row NaN."""
    z = np.ones((4, 37), dtype)
    z[0, 3], z[1, 3], z[2, 3], z[3] = -np.inf, np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected = ref.softmax(z)
    assert expected[0, 3] == 0
    assert np.isnan(expected[1:]).all()
    harness.check("softmax", backend.softmax(z), expected, 1.0, dtype=dtype)


@pytest.mark.parametrize("label", [-1, 5])
def test_cross_entropy_refuses_labels_outside_the_classes(native, dtype, label):
    with pytest.raises(ValueError, match=rf"softmax_cross_entropy: .*labels.*{label}"):
        native.softmax_cross_entropy(np.zeros((2, 5), dtype), np.array([0, label]))


@pytest.mark.parametrize("op", ["dropout", "dropout_dx"])
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_dropout_equals_the_oracle_at_awkward_sizes(backend, dtype, op, rate, rng):
    for n, f in [*PLANES, (40, 300)]:
        x = harness.real(rng, (n, f), dtype)
        stream = harness.stream(rows=rng.integers(0, 2**32, n))
        got = getattr(backend, op)(x, rate, rng=stream)
        expected = getattr(ref, op)(x, rate, rng=stream)
        assert np.array_equal(got != 0, expected != 0)  # the uniforms are exact: no ties
        harness.check(op, got, expected, np.abs(expected), dtype=dtype, case=(n, f))


def test_dropout_of_nan_is_zero(backend, dtype):
    got = backend.dropout(np.full((9, 33), np.nan, dtype), 0.5, rng=harness.stream())
    expected = ref.dropout(np.full((9, 33), np.nan), 0.5, rng=harness.stream())
    assert harness.same_bits(got == 0, expected == 0)


@pytest.mark.parametrize("layout", ["columns", "step", "negative"])
def test_sgd_momentum_equals_the_oracle_and_stays_inside(backend, dtype, layout, rng):
    rate, momentum, decay = (float(dtype(x)) for x in (0.1, 0.9, 0.03))
    scales = {"rate": rate, "momentum": momentum, "weight_decay": decay}
    for shape in [*PLANES, (70, 300)]:
        old_w, old_velocity, dw = (harness.real(rng, shape, dtype) for _ in range(3))
        w = harness.GuardedView(shape, dtype, layout)
        velocity = harness.GuardedView(shape, dtype, layout)
        w.view[...], velocity.view[...] = old_w, old_velocity
        backend.sgd_momentum(w.view, velocity.view, dw, **scales)
        w.check()
        velocity.check()
        expected_w, expected_velocity = old_w.astype(np.float64), old_velocity.astype(np.float64)
        ref.sgd_momentum(expected_w, expected_velocity, dw, **scales)
        bound = momentum * np.abs(old_velocity) + rate * (np.abs(dw) + decay * np.abs(old_w))
        args = {"dtype": dtype, "case": shape}
        harness.check("sgd_momentum", velocity.view, expected_velocity, bound, **args)
        harness.check("sgd_momentum", w.view, expected_w, bound + np.abs(old_w), **args)


def test_sgd_momentum_takes_vectors(backend, dtype, rng):
    for size in harness.SIZES:
        w, velocity, dw = (harness.real(rng, size, dtype) for _ in range(3))
        as_rows = w.copy()[None], velocity.copy()[None]
        backend.sgd_momentum(*as_rows, dw[None], rate=0.1, momentum=0.9)
        backend.sgd_momentum(w, velocity, dw, rate=0.1, momentum=0.9)
        assert harness.same_bits(w, as_rows[0][0])
        assert harness.same_bits(velocity, as_rows[1][0])


# Laws


def test_dense_dx_and_dense_dw_are_adjoint_to_dense(backend, dtype, rng):
    """<dense(x), dz> = <x, dense_dx(dz)> = <w, dense_dw(dz, x)>: exact for small integers."""
    x, w, dz = (rng.integers(-4, 5, s).astype(dtype) for s in [(23, 65), (33, 65), (23, 33)])
    forward = np.sum(backend.dense(x, w) * dz)
    assert forward == np.sum(x * backend.dense_dx(dz, w))
    assert forward == np.sum(w * backend.dense_dw(dz, x))


def test_backward_pass_agrees_with_finite_differences(backend, activation, rng):
    x, w1, b1, w2 = (harness.real(rng, s, np.float64) for s in [(5, 4), (6, 4), 6, (3, 6)])
    labels = _label(rng, 5, 3)

    def loss():
        scores = backend.dense(backend.dense(x, w1, b1, activation), w2)
        return float(backend.softmax_cross_entropy(scores, labels)[0].sum())

    hidden = backend.dense(x, w1, b1, activation)
    _, dz2 = backend.softmax_cross_entropy(backend.dense(hidden, w2), labels)
    dz1 = backend.dense_dx(dz2, w2, x=hidden, activation=activation)
    gradients = [
        (w2, backend.dense_dw(dz2, hidden)),
        (w1, backend.dense_dw(dz1, x)),
        (b1, backend.dense_db(dz1)),
        (x, backend.dense_dx(dz1, w1)),
    ]
    for parameter, gradient in gradients:
        for index in np.ndindex(parameter.shape):
            kept, step = parameter[index], 1e-5
            parameter[index] = kept + step
            above = loss()
            parameter[index] = kept - step
            numeric = (above - loss()) / (2 * step)
            parameter[index] = kept
            assert abs(gradient[index] - numeric) < 1e-8


def test_activation_dx_composes_with_dense_dx(backend, dtype, activation, rng):
    dz, w = harness.real(rng, (9, 17), dtype), harness.real(rng, (17, 33), dtype)
    x = ref_gemm.activate(rng.standard_normal((9, 33)), activation).astype(dtype)
    fused = backend.dense_dx(dz, w, x=x, activation=activation)
    parts = backend.activation_dx(backend.dense_dx(dz, w), x, activation)
    np.testing.assert_allclose(fused, parts, rtol=8 * float(np.finfo(dtype).eps))
