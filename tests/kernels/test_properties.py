"""Every op at drawn shapes, dtypes, layouts, encodings and numbers of threads.

LAYERWISE_HYPOTHESIS_CASES is the number of cases, over all ops; where it is given they are new ones
every time, otherwise always the same.
"""

import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from . import cases, harness, oracles

CASES = int(os.environ.get("LAYERWISE_HYPOTHESIS_CASES", "400"))
SIZE = st.one_of(st.integers(0, 40), st.sampled_from([63, 64, 65, 127, 128, 129, 257, 300]))
FORMS = st.tuples(st.sampled_from(harness.LAYOUTS), st.booleans())  # layout, read-only
# Sums of terms of one sign, whose error grows with their number: the oracle judges up to here.
ONE_SIGN, MOST_TERMS = ("dictionary_statistics", "gibbs_cd", "gibbs_cd_update"), 65
BACKENDS = [name for name in harness.backend_names() if name != "reference"]


def lay_out(x, form, writable):
    """The values of an argument in a drawn form."""
    layout, readonly = form
    if x.dtype.kind != "f":
        return x
    out = harness.lay_out(np.atleast_2d(x), layout).reshape(x.shape, copy=False)
    if writable and np.shares_memory(out, x):
        out = out.copy(order="K")
    out.flags.writeable = writable or not readonly
    return out


def draw_arguments(op, rng, dtype, shape, encodings, density):
    """A right call and its results; None where the op refuses shapes without elements."""
    try:
        arrays, options = cases.arguments(op, rng, dtype, *shape)
        for i, encoding in encodings.items():
            sparse = harness.binary(rng, arrays[i].shape, dtype, density)
            arrays[i] = sparse if encoding == "bits" else arrays[i] * sparse
        return arrays, options, cases.call(harness.Backend("native"), op, arrays, options)
    except ValueError:
        if 0 not in shape:
            raise
        return None


@settings(
    max_examples=max(1, CASES // len(cases.OPS)),
    deadline=None,
    database=None,
    derandomize="LAYERWISE_HYPOTHESIS_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(
    shape=st.tuples(SIZE, SIZE, SIZE),
    dtype=st.sampled_from(harness.DTYPES),
    forms=st.lists(FORMS, min_size=8, max_size=8),
    encodings=st.tuples(*[st.sampled_from(harness.ENCODINGS)] * 2),
    density=st.sampled_from([0.0, 0.02, 0.2, 0.5, 1.0]),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("op", cases.OPS)
def test_a_call_in_any_form_has_the_bits_of_the_plain_call_and_the_values_of_the_oracle(
    name, op, shape, dtype, forms, encodings, density, threads, seed
):
    rng, backend = np.random.default_rng(seed), harness.Backend(name)
    with warnings.catch_warnings(), harness.guarded_outputs():
        warnings.simplefilter("ignore", ConvergenceWarning)
        encodings = dict(zip(cases.ENCODED.get(op, ()), encodings, strict=False))
        found = draw_arguments(op, rng, dtype, shape, encodings, density)
        if found is None:
            return
        arrays, options, plain = found
        own = cases.IN_PLACE.get(op, ())
        given = [lay_out(x, forms[i], i in own) for i, x in enumerate(arrays)]
        for i, encoding in encodings.items():
            if encoding != "bits" or tells_dtype(given[:i] + given[i + 1 :], dtype):
                given[i] = harness.encode(given[i], encoding)
        inputs = [x.copy() for i, x in enumerate(given) if i not in own]
        got = cases.results(backend, op, given, options | {"num_threads": threads})
    for x, y in zip(got, plain, strict=True):
        assert harness.same_bits(x, y)
    for x, y in zip([x for i, x in enumerate(given) if i not in own], inputs, strict=True):
        assert same_values(x, y)
    if op in oracles.ORACLES and not (op in ONE_SIGN and shape[0] > MOST_TERMS):
        oracles.ORACLES[op](oracles.Drawn(op, dtype, arrays, options, got, backend))


def tells_dtype(arrays, dtype):
    """Whether any is of this dtype: a BitMatrix has none."""
    return any(getattr(x, "dtype", None) == dtype for x in arrays)


def same_values(x, y):
    return np.array_equal(harness.as_matrix(x), harness.as_matrix(y))
