"""Coders on anchors and of groups as estimators."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import layerwise
from layerwise import LLC, HierarchicalSparseCoder, LocalCoordinateCoder, SuperVectorCoder, nn
from layerwise.ops import BitMatrix

CODERS = {
    "lcc": lambda: LocalCoordinateCoder(5, n_iter=2, random_state=0),
    "lcc with sums": lambda: LocalCoordinateCoder(5, n_iter=2, sum_to_one=True, random_state=0),
    "extended lcc": lambda: LocalCoordinateCoder(5, n_iter=1, n_tangents=2, random_state=0),
    "llc": lambda: LLC(5, n_neighbors=3, random_state=0),
    "super-vectors": lambda: SuperVectorCoder(5, constant=0.5, random_state=0),
    "hierarchical": lambda: HierarchicalSparseCoder(
        3, n_atoms=7, group_size=2, lambda1=0.05, n_iter=2, n_rounds=2, random_state=0
    ),
    "hierarchical, both": lambda: HierarchicalSparseCoder(
        3, n_atoms=7, n_iter=1, n_rounds=2, append_codes=True, random_state=0
    ),
}
WIDTHS = {
    "lcc": 5,
    "lcc with sums": 5,
    "extended lcc": 15,
    "llc": 5,
    "super-vectors": 45,
    "hierarchical": 3,
    "hierarchical, both": 10,
}


@pytest.fixture
def x(rng):
    centres = rng.standard_normal((6, 8))
    x = centres[rng.integers(0, 6, 60)] + 0.3 * rng.standard_normal((60, 8))
    return (x / np.sqrt((x**2).sum(axis=1, keepdims=True))).astype(np.float32)


def dense(codes):
    return codes.toarray() if sp.issparse(codes) else codes


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        LocalCoordinateCoder(3, n_iter=2),
        LocalCoordinateCoder(3, n_iter=1, sum_to_one=True, n_tangents=1, sparse_output=False),
        LLC(3, n_neighbors=2),
        SuperVectorCoder(3),
        HierarchicalSparseCoder(2, n_atoms=4, n_iter=1, n_rounds=2),
    ]
)
def test_coders_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", CODERS)
def test_codes_have_the_names_shape_and_dtype_that_are_promised(name, x):
    coder = CODERS[name]().fit(x)
    codes = coder.transform(x)
    assert codes.shape == (60, WIDTHS[name])
    assert codes.dtype == np.float32
    assert len(coder.get_feature_names_out()) == WIDTHS[name]
    assert dense(codes).any(axis=1).all()
    if name.startswith("hierarchical"):
        assert isinstance(codes, np.ndarray) and codes.min() >= 0
    else:
        assert isinstance(codes, sp.csr_array) and codes.has_canonical_format
        coder.sparse_output = False
        np.testing.assert_array_equal(coder.transform(x), codes.toarray())
    assert clone(coder).fit(x.astype(np.float64)).transform(x.astype(np.float64)).dtype == float


@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize("through", ["pickle", "file"])
def test_copies_code_as_the_original(name, through, x, tmp_path):
    coder = CODERS[name]().fit(x)
    if through == "pickle":
        other = pickle.loads(pickle.dumps(coder))
    else:
        coder.save(tmp_path / "coder.safetensors")
        other = layerwise.load(tmp_path / "coder.safetensors")
    assert other.get_params() == coder.get_params()
    np.testing.assert_array_equal(dense(other.transform(x)), dense(coder.transform(x)))
    if hasattr(coder, "history_"):
        assert other.history_ == coder.history_


@pytest.mark.parametrize("name", CODERS)
def test_same_seed_same_bits_on_any_number_of_threads(name, x, full_teams):
    found = []
    for threads in (1, 2, 7):
        with layerwise.num_threads(threads):
            coder = CODERS[name]().fit(x)
            found.append((coder.components_, dense(coder.transform(x))))
    for components, codes in found[1:]:
        np.testing.assert_array_equal(components, found[0][0])
        np.testing.assert_array_equal(codes, found[0][1])


@pytest.mark.parametrize("name", CODERS)
def test_blocks_of_signals_change_no_bit(name, x, monkeypatch):
    coder = CODERS[name]().fit(x)
    whole = dense(coder.transform(x))
    monkeypatch.setattr("layerwise.nn.data.blocks._BLOCK_BYTES", 2**9)
    monkeypatch.setattr("layerwise.nn.data.blocks.BLOCK_ELEMENTS", 2**6)
    assert len(list(nn.coding_blocks(60, 8, np.float32))) > 3 and len(nn.row_blocks(16, 8)) > 1
    for threads in (1, 2):
        with layerwise.num_threads(threads):
            np.testing.assert_array_equal(dense(coder.transform(x)), whole)


@pytest.mark.parametrize("name", CODERS)
def test_encodings_of_the_data_give_the_same_codes(name, rng):
    x = (rng.random((40, 8)) < 0.4).astype(np.float32)
    coder = CODERS[name]().fit(x)
    expected = dense(coder.transform(x))
    for other in (sp.csr_array(x), BitMatrix.pack(x)):
        fitted = CODERS[name]().fit(other)
        np.testing.assert_array_equal(dense(fitted.transform(other)), expected)


def test_given_anchors_are_kept_where_nothing_is_learnt(x):
    coder = LocalCoordinateCoder(10, init=x[:10], n_iter=0).fit(x)
    np.testing.assert_array_equal(coder.components_, x[:10])
    expected = nn.LocalCoding(x[:10], 0.1).encode(x).toarray()
    np.testing.assert_array_equal(coder.transform(x).toarray(), expected)
    x[0] = 0  # the anchors are a copy
    assert coder.components_[0].any()


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_fitting_lowers_the_objective_in_every_pass(sum_to_one, x):
    coder = LocalCoordinateCoder(12, n_iter=6, sum_to_one=sum_to_one, alpha=0.05, random_state=0)
    objectives = [entry["objective"] for entry in coder.fit(x).history_]
    assert (np.diff(objectives) <= 1e-4).all()
    assert objectives[-1] < objectives[0]


def test_tangents_do_not_change_the_codes_of_the_anchors(x):
    plain = LocalCoordinateCoder(6, n_iter=2, random_state=0).fit(x)
    extended = LocalCoordinateCoder(6, n_iter=2, n_tangents=3, random_state=0).fit(x)
    codes = extended.transform(x).toarray().reshape(60, 6, 4)
    np.testing.assert_array_equal(codes[:, :, 0], plain.transform(x).toarray())
    assert extended.tangents_.shape == (6, 3, 8)
    offsets = x[:, None] - extended.components_
    along = np.einsum("nkd,kmd->nkm", offsets, extended.tangents_)
    np.testing.assert_allclose(codes[:, :, 1:], codes[:, :, :1] * along, atol=1e-6)


def test_llc_uses_all_anchors_where_there_are_few(x):
    codes = LLC(3, random_state=0).fit(x).transform(x)
    assert (np.diff(codes.indptr) == 3).all()


def test_shares_are_those_of_the_training_data(x):
    coder = SuperVectorCoder(6, random_state=0).fit(x)
    nearest = ((x[:, None] - coder.components_) ** 2).sum(axis=2).argmin(axis=1)
    expected = np.maximum(np.bincount(nearest, minlength=6), 1) / 60
    np.testing.assert_allclose(coder.share_, expected, rtol=1e-6)


def test_groups_may_come_as_an_array_of_three_axes(rng):
    groups = rng.standard_normal((30, 4, 5))
    coder = HierarchicalSparseCoder(3, n_atoms=6, group_size=4, n_iter=2, random_state=0)
    codes = coder.fit(groups).transform(groups)
    np.testing.assert_array_equal(codes, coder.transform(groups.reshape(30, 20)))
    assert coder.atoms_.shape == (6, 5) and coder.components_.shape == (3, 6)
    with pytest.raises(ValueError, match=r"^HierarchicalSparseCoder: X must have shape .*4, d"):
        coder.transform(groups.transpose(0, 2, 1))


def test_appended_codes_are_the_largest_of_each_group(rng):
    groups = rng.standard_normal((20, 3, 5))
    coder = HierarchicalSparseCoder(
        2, n_atoms=6, group_size=3, n_iter=1, append_codes=True, random_state=0
    ).fit(groups)
    coding = nn.HierarchicalCoding(coder.atoms_, coder.components_, 0.1, 0.01, 0.1)
    codes = np.abs(coding.infer(groups).codes.toarray()).reshape(20, 3, 6).max(axis=1)
    np.testing.assert_array_equal(coder.transform(groups)[:, 2:], codes)


def test_hierarchical_coding_tells_groups_by_what_their_signals_share(rng):
    """Two kinds of groups whose signals use different atoms, at random and with random signs."""
    atoms = np.eye(12)
    kinds = rng.integers(0, 2, 200)
    used = (rng.random((200, 5, 12)) < 0.5) & (np.arange(12) // 6 == kinds[:, None, None])
    x = (rng.standard_normal((200, 5, 12)) * used) @ atoms
    coder = HierarchicalSparseCoder(2, n_atoms=12, group_size=5, n_iter=15, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        codes = coder.fit(x).transform(x)
    told = codes.argmax(axis=1) == kinds
    assert max(told.mean(), 1 - told.mean()) > 0.95


@pytest.mark.parametrize(
    ("coder", "error", "match"),
    [
        (LocalCoordinateCoder(0), ValueError, "n_components"),
        (LocalCoordinateCoder(4, alpha=0.0), ValueError, "alpha"),
        (LocalCoordinateCoder(4, sum_to_one=1), TypeError, "sum_to_one"),
        (LocalCoordinateCoder(4, n_tangents=9), ValueError, "n_tangents .* 8; got 9"),
        (LocalCoordinateCoder(4, init="pca"), ValueError, "init"),
        (LocalCoordinateCoder(4, init=np.ones((4, 7))), ValueError, r"init .*\(4, 8\)"),
        (LocalCoordinateCoder(61), ValueError, "n_components .* 61 with n_samples=60"),
        (LLC(4, n_neighbors=0), ValueError, "n_neighbors"),
        (LLC(4, n_neighbors=2, beta=0), ValueError, "beta"),
        (SuperVectorCoder(4, constant=-1), ValueError, "constant"),
        (SuperVectorCoder(4, sparse_output="yes"), TypeError, "sparse_output"),
        (HierarchicalSparseCoder(group_size=3), ValueError, "group_size .* 8; got 3"),
        (HierarchicalSparseCoder(lambda2=0), ValueError, "lambda2"),
        (HierarchicalSparseCoder(n_rounds=0), ValueError, "n_rounds"),
    ],
)
def test_bad_parameters_are_refused(coder, error, match, x):
    with pytest.raises(error, match=rf"^{type(coder).__name__}: .*{match}"):
        coder.fit(x)
