"""SparseCoder on data with missing entries."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils import get_tags

import layerwise
from layerwise import SparseCoder, ops

LASSOS = ["lasso", "lasso_cd"]


@pytest.fixture
def phi(rng):
    return rng.standard_normal((15, 30)) / np.sqrt(30)


@pytest.fixture
def x(rng, phi):
    codes = rng.standard_normal((50, 15)) * (rng.random((50, 15)) < 0.15)
    return codes @ phi


@pytest.fixture
def holes(rng, x):
    return np.where(rng.random(x.shape) < 0.4, np.nan, x)


def coder(phi, algorithm="lasso", **options):
    options = {"transform_alpha": 1e-3, "allow_missing": True} | options
    return SparseCoder(phi, transform_algorithm=algorithm, **options)


@pytest.mark.parametrize("algorithm", LASSOS)
def test_codes_are_those_of_what_is_observed(phi, x, holes, algorithm):
    exact = {"gap_tol": 1e-12, "transform_max_iter": 20_000}
    codes = coder(phi, algorithm, transform_alpha=0.05, **exact).fit_transform(holes)
    for row, code in zip(holes, codes, strict=True):
        seen = ~np.isnan(row)
        own = ops.lasso(row[None, seen], phi[:, seen], 0.05, tol=1e-12).codes
        np.testing.assert_allclose(code, own[0], atol=1e-4)


def test_signals_are_restored(phi, x, holes):
    model = coder(phi, gap_tol=1e-8)
    restored = model.inverse_transform(model.transform(holes))
    gone = np.isnan(holes)
    assert np.abs(restored - x)[gone].mean() <= 0.05 * np.abs(x[gone]).mean()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_form_of_the_data_gives_the_same_codes(phi, holes, dtype, tmp_path):
    holes = holes.astype(dtype)
    codes = coder(phi).transform(holes)
    assert codes.dtype == dtype
    path = tmp_path / "x.npy"
    np.save(path, holes)
    for form in (holes.copy(order="F"), pd.DataFrame(holes), np.load(path, mmap_mode="r")):
        np.testing.assert_array_equal(coder(phi).transform(form), codes)
    sparse = coder(phi, sparse_output=True).transform(holes)
    assert isinstance(sparse, sp.csr_array)
    np.testing.assert_array_equal(sparse.toarray(), codes)
    split = coder(phi, split_sign=True).transform(holes)
    np.testing.assert_array_equal(split[:, :15] - split[:, 15:], codes)


def test_complete_data_are_coded_as_ever(phi, x):
    binary = (x > 0).astype(np.uint8)
    for data in (x, sp.csr_array(x), binary):
        plain = coder(phi, allow_missing=False).transform(data)
        np.testing.assert_array_equal(coder(phi).transform(data), plain)


def test_nan_is_an_error_where_it_was_not_allowed(phi, holes):
    with pytest.raises(ValueError, match="NaN"):
        coder(phi, allow_missing=False).transform(holes)
    with pytest.raises(ValueError, match="NaN"):
        coder(phi).transform(sp.csr_array(holes))
    holes[3, 4] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        coder(phi).transform(holes)


def test_the_tag_says_whether_nan_is_allowed(phi):
    assert get_tags(coder(phi)).input_tags.allow_nan
    assert not get_tags(SparseCoder(phi)).input_tags.allow_nan


@pytest.mark.parametrize("algorithm", ["lasso_lars", "omp", "threshold"])
def test_other_algorithms_refuse_it(phi, x, algorithm):
    for call in (coder(phi, algorithm).fit, coder(phi, algorithm).transform):
        with pytest.raises(ValueError, match=rf"^SparseCoder: allow_missing .*{algorithm}; got"):
            call(x)
    with pytest.raises(TypeError, match=r"^SparseCoder: allow_missing"):
        coder(phi, allow_missing="yes").fit(x)


def test_copies_do_the_same(phi, holes, tmp_path):
    model = coder(phi)
    codes = model.transform(holes)
    np.testing.assert_array_equal(clone(model).transform(holes), codes)
    model.save(tmp_path / "coder")
    np.testing.assert_array_equal(layerwise.load(tmp_path / "coder").transform(holes), codes)
