"""Laws of the reference product, its activations and the encodings of its operands."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse

from layerwise.reference import gemm as ref
from layerwise.reference import philox

ACTIVATIONS = ["none", "sigmoid", "relu", "softplus", "tanh"]


def test_gemm_is_the_triple_sum(rng):
    a, b, c, bias = (rng.normal(size=s) for s in [(3, 4), (4, 2), (3, 2), 2])
    expected = [
        [sum(a[i, k] * b[k, j] for k in range(4)) * 2 - 3 * c[i, j] + bias[j] for j in range(2)]
        for i in range(3)
    ]
    np.testing.assert_allclose(ref.gemm(a, b, c=c, alpha=2, beta=-3, bias=bias), expected)


def test_gemm_does_not_read_c_where_beta_is_zero():
    assert ref.gemm([[1.0]], [[1.0]], c=[[np.nan]], beta=0.0) == 1.0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_slope_is_the_derivative(activation):
    z, step = np.linspace(-4, 4, 40), 1e-6  # 0, where ReLU bends, is not among them
    numeric = (ref.activate(z + step, activation) - ref.activate(z - step, activation)) / (2 * step)
    slope = ref.activation_slope(ref.activate(z, activation), activation)
    np.testing.assert_allclose(slope, numeric, atol=1e-8)


def test_sigmoid_and_softplus_are_accurate_on_both_tails():
    z = np.array([-700.0, -40.0, 0.0, 40.0, 700.0])
    np.testing.assert_allclose(ref.sigmoid(z)[:3], [np.exp(-700), np.exp(-40), 0.5], rtol=1e-15)
    np.testing.assert_allclose(ref.softplus(z)[[0, 1, 4]], [np.exp(-700), np.exp(-40), 700.0])
    assert np.array_equal(ref.sigmoid(z) + ref.sigmoid(-z), np.ones(5))


@pytest.mark.parametrize("columns", [0, 1, 7, 63, 64, 65, 130])
def test_densify_gives_the_same_matrix_for_every_encoding(columns, rng):
    x = (rng.random((5, columns)) < 0.5).astype(np.float64)
    words = ref.pack_bits(x)
    assert words.shape == (5, -(-columns // 64))
    assert np.array_equal(ref.densify(SimpleNamespace(words=words, shape=x.shape)), x)
    assert np.array_equal(ref.densify(scipy.sparse.csr_array(x)), x)


def test_pack_bits_puts_column_j_in_bit_j_of_its_word():
    x = np.zeros((1, 70))
    x[0, [0, 3, 65]] = 1
    assert ref.pack_bits(x).tolist() == [[0b1001, 0b10]]


def test_noise_is_that_of_its_row_and_column():
    stream = SimpleNamespace(seed=3, step=1, layer=2, rows=np.array([4, 0]))
    mean = np.full((2, 5), 0.4)
    uniforms = philox.uniform(3, 1, philox.Purpose.gemm, 2, [4, 0], range(5))
    normals = philox.normal(3, 1, philox.Purpose.gemm, 2, [4, 0], range(5))
    product = {"a": np.zeros((2, 1)), "b": np.zeros((1, 5)), "bias": mean[0]}
    y, bits = ref.gemm(**product, noise="bernoulli", rng=stream, returns="both")
    z = ref.gemm(**product, noise="gaussian", noise_scale=0.1, rng=stream, returns="sample")
    assert np.array_equal(y, mean)
    assert np.array_equal(bits, uniforms < 0.4)
    assert np.array_equal(z, mean + 0.1 * normals)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gemm_bound_covers_the_error_of_float32(activation, rng):
    a, b, bias = (rng.normal(size=s).astype(np.float32) for s in [(40, 60), (60, 30), 30])
    exact = ref.gemm(a, b, bias=bias, activation=activation)
    z = (a @ b + bias).astype(np.float64)  # a product in float32, then an exact activation
    rounded = ref.activate(z, activation).astype(np.float32)
    ratio = np.abs(rounded - exact) / (
        np.finfo(np.float32).eps * ref.gemm_bound(a, b, bias=bias, activation=activation)
    )
    assert 0.05 < ratio.max() < 4


@pytest.mark.parametrize("function", [ref.activate, ref.activation_slope])
def test_unknown_activation_is_refused(function):
    with pytest.raises(ValueError, match="none, sigmoid, relu, softplus, tanh.*'elu'"):
        function(np.zeros(1), "elu")


def test_bfloat16_is_the_nearest_with_ties_to_even():
    x = [1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -32.7 * 2**-133, 0.0]
    expected = [1.0, 1.0, 1 + 2**-6, 1 + 2**-7, -33 * 2**-133, 0.0]
    np.testing.assert_array_equal(ref.round_to_bfloat16(x), np.float32(expected))
    assert ref.round_to_bfloat16(np.float32(3.4e38)) == np.inf
    assert ref.round_to_bfloat16(-np.inf) == -np.inf
    nan = np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(ref.round_to_bfloat16(nan)).all()


def test_bfloat16_keeps_what_it_has_given_and_moves_the_rest_little(rng):
    x = (rng.normal(size=1000) * np.exp(rng.uniform(-60, 60, 1000))).astype(np.float32)
    rounded = ref.round_to_bfloat16(x)
    assert np.array_equal(ref.round_to_bfloat16(rounded), rounded)
    assert (rounded.view(np.uint32) & 0xFFFF == 0).all()
    error = abs(rounded.astype(float) - x) / abs(x)
    assert 2**-9 < error.max() <= 2**-8
