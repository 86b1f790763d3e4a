"""Dictionary learning: what every rule promises of the objective, of atoms and of its memory."""

import numpy as np
import pytest

from layerwise import nn, num_threads
from layerwise.ops import BitMatrix

RULES = {
    "block_coordinate": nn.BlockCoordinate(),
    "lagrange_dual": nn.LagrangeDual(),
    "online": nn.Online(),
    "ksvd": nn.KSVD(),
    "exact_ksvd": nn.KSVD(exact=True),
}
TIGHT = nn.LassoCoding(0.1, tol=1e-9, max_iter=10_000)


def planted(rng, n, atoms, features, active, noise=0.01):
    """Signals of a few atoms of a random dictionary, and it."""
    phi = rng.standard_normal((atoms, features))
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    codes = np.zeros((n, atoms))
    for code in codes:
        code[rng.choice(atoms, active, replace=False)] = rng.standard_normal(active)
    return codes @ phi + noise * rng.standard_normal((n, features)), phi


def learn(x, atoms, coding, rule, n_iter, batch_size=100, seed=0, dtype="float64", **options):
    """A dictionary, and the metrics of every epoch."""
    phi = nn.first_atoms(x, atoms, dtype, seed, positive=options.get("positive", False))
    trainer = nn.DictionaryTrainer(phi, coding, rule, **options)
    batches, history = nn.Minibatches(nn.Rows(x, dtype), batch_size, seed=seed), nn.History()
    nn.fit(trainer, batches, n_iter, [nn.EpochEnd(), history])
    return phi, history.epochs


def objective(x, phi, coding=TIGHT):
    return float(coding.objective(x, phi, coding.codes(x, phi)).mean())


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("name", ["block_coordinate", "lagrange_dual"])
def test_objective_never_rises_under_rules_that_take_all_signals(name, positive, rng):
    x, _ = planted(rng, 150, 15, 10, 3)
    coding, options = TIGHT, {}
    if positive:
        if not RULES[name].positive:
            pytest.skip("atoms of either sign only")
        x, options = np.abs(x), {"positive": True}
        coding = nn.LassoCoding(0.1, positive=True, tol=1e-9, max_iter=10_000)
    phi, epochs = learn(x, 15, coding, RULES[name], 12, **options)
    values = [epoch["objective"] for epoch in epochs] + [objective(x, phi, coding)]
    assert np.diff(values).max() <= 1e-9
    assert values[-1] < 0.8 * values[0]
    assert np.linalg.norm(phi, axis=1).max() <= 1 + 1e-12
    assert not positive or phi.min() >= 0


def test_both_rules_that_take_all_signals_give_the_same_dictionary(rng):
    x, _ = planted(rng, 250, 15, 10, 3)
    swept = learn(x, 15, TIGHT, nn.BlockCoordinate(max_sweeps=10_000, tol=1e-12), 4)[0]
    newton = learn(x, 15, TIGHT, nn.LagrangeDual(), 4)[0]
    np.testing.assert_allclose(swept, newton, atol=1e-5)


def test_online_learning_ends_where_learning_from_all_signals_does(rng):
    x, true = planted(rng, 200, 4, 8, 2)
    start = true + 0.1 * rng.standard_normal(true.shape)
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    rows, found = nn.Rows(x, "float64"), {}
    for rule, size, n_iter in ((nn.LagrangeDual(), 200, 15), (nn.Online(), 20, 15)):
        found[size] = start.copy()
        trainer = nn.DictionaryTrainer(found[size], nn.LassoCoding(0.1, tol=1e-6), rule)
        nn.fit(trainer, nn.Minibatches(rows, size, seed=0), n_iter, [nn.EpochEnd()])
    assert objective(x, found[20]) < 1.005 * objective(x, found[200]) < objective(x, start)
    assert (found[20] * found[200]).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("name", ["lagrange_dual", "online", "ksvd", "exact_ksvd"])
def test_a_planted_dictionary_is_found_again(name, rng):
    """All of it from somewhere near; most of it from signals, which are no atoms."""
    x, true = planted(rng, 600, 20, 16, 2)
    pursuit = name.endswith("ksvd")
    coding = nn.PursuitCoding(2) if pursuit else nn.LassoCoding(0.1)
    rows, size = nn.Rows(x, "float64"), {"online": 40, "lagrange_dual": 300}.get(name, 600)
    near = true + 0.15 * rng.standard_normal(true.shape)
    starts = [near / np.linalg.norm(near, axis=1, keepdims=True)]
    starts.append(nn.first_atoms(x, 20, "float64", seed=0))
    found = []
    for phi in starts:
        trainer = nn.DictionaryTrainer(phi, coding, RULES[name])
        before = int((np.abs(true @ phi.T).max(axis=1) > 0.99).sum())
        nn.fit(trainer, nn.Minibatches(rows, size, seed=0), 12, [nn.EpochEnd()])
        phi /= np.linalg.norm(phi, axis=1, keepdims=True)
        found.append((before, int((np.abs(true @ phi.T).max(axis=1) > 0.99).sum())))
    assert found[0][0] == 0
    assert found[0][1] >= 19, found
    assert found[1][1] >= found[1][0] + 5, found


def test_codes_over_a_learnt_dictionary_are_sparser_than_over_its_start(rng):
    x, _ = planted(rng, 400, 15, 10, 2)
    _, epochs = learn(x, 15, nn.LassoCoding(0.05), nn.Online(), 15, batch_size=40)
    assert epochs[-1]["non_zeros"] < epochs[0]["non_zeros"]


@pytest.mark.parametrize("exact", [False, True])
def test_no_pass_of_ksvd_raises_the_squared_error(exact, rng):
    x, _ = planted(rng, 200, 20, 10, 3)
    phi, coding, rule = nn.first_atoms(x, 20, "float64", 0), nn.PursuitCoding(3), nn.KSVD(exact)
    for _ in range(5):
        codes = coding.codes(x, phi, format="csr")
        before, left = nn.residual(x, phi, codes), rule.fit_atoms(phi, x, codes)
        assert (left**2).sum() < (before**2).sum()
        np.testing.assert_allclose(np.linalg.norm(phi, axis=1), 1, atol=1e-12)


def test_exact_ksvd_fits_one_atom_as_the_leading_singular_pair_does(rng):
    x = rng.standard_normal((30, 6))
    phi = nn.first_atoms(x, 1, "float64", 0)
    codes = nn.PursuitCoding(1).codes(x, phi, format="csr")
    left = nn.KSVD(exact=True).fit_atoms(phi, x, codes)
    u, s, v = np.linalg.svd(x)
    assert abs(float(phi[0] @ v[0])) == pytest.approx(1)
    np.testing.assert_allclose(left, x - s[0] * np.outer(u[:, 0], v[0]), atol=1e-10)


@pytest.mark.parametrize("name", RULES)
def test_atoms_that_no_code_uses_are_replaced_by_the_worst_coded_signals(name, rng):
    """Signals live in the first half of the features, atom 0 in the second."""
    x, _ = planted(rng, 60, 8, 6, 2)
    x = np.concatenate([x, np.zeros((60, 6))], axis=1)
    phi = nn.first_atoms(x, 8, "float64", 0)
    phi[0] = np.eye(12)[11]
    ksvd = name.endswith("ksvd")
    coding = nn.PursuitCoding(2) if ksvd else TIGHT
    rule = nn.Online(dead_after=3) if name == "online" else RULES[name]
    trainer, history = nn.DictionaryTrainer(phi, coding, rule), nn.History()
    batches = nn.Minibatches(nn.Rows(x, "float64"), 60 if ksvd else 20, seed=0)
    nn.fit(trainer, batches, 1, [nn.EpochEnd(), history])
    assert history.epochs[0]["replaced_atoms"] == 1
    assert np.linalg.norm(phi[0]) == pytest.approx(1)
    cosines = x @ phi[0] / np.linalg.norm(x, axis=1)
    assert cosines.max() == pytest.approx(1)
    assert coding.codes(x, phi)[:, 0].any()


def test_the_worst_coded_signal_comes_first(rng):
    x = np.concatenate([np.tile([1.0, 0.0, 0.0], (20, 1)), [[0.0, 3.0, 0.0], [0.0, 0.0, 2.0]]])
    phi = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    trainer = nn.DictionaryTrainer(phi, TIGHT, nn.BlockCoordinate())
    nn.fit(trainer, nn.Minibatches(nn.Rows(x, "float64"), 5, seed=0), 1, [nn.EpochEnd()])
    assert np.array_equal(phi[1], [0.0, 1.0, 0.0])


def test_non_negative_codes_and_atoms_stay_so(rng):
    x = np.abs(planted(rng, 200, 10, 8, 2)[0])
    coding = nn.LassoCoding(0.1, positive=True)
    phi, epochs = learn(x, 10, coding, nn.Online(), 10, 20, positive=True)
    assert phi.min() >= 0
    assert coding.codes(x, phi).min() >= 0
    assert epochs[-1]["objective"] < epochs[0]["objective"]


def test_rules_for_atoms_of_either_sign_refuse_positive(rng):
    for rule in (nn.LagrangeDual(), nn.KSVD()):
        with pytest.raises(ValueError, match=f"^{type(rule).__name__}: positive"):
            nn.DictionaryTrainer(np.eye(3), TIGHT, rule, positive=True)


@pytest.mark.parametrize("name", RULES)
def test_every_thread_count_gives_the_same_bits(name, full_teams, rng):
    x, _ = planted(rng, 700, 90, 40, 4)
    coding = nn.PursuitCoding(4) if name.endswith("ksvd") else nn.LassoCoding(0.2)
    found = []
    for threads in (1, 2, 7):
        with num_threads(threads):
            found.append(learn(x, 90, coding, RULES[name], 2, 350)[0])
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()


@pytest.mark.parametrize("name", RULES)
def test_a_state_that_was_kept_goes_on_with_the_same_bits(name, rng):
    x, _ = planted(rng, 100, 12, 8, 2)
    coding = nn.PursuitCoding(2) if name.endswith("ksvd") else TIGHT
    rows, phi = nn.Rows(x, "float64"), nn.first_atoms(x, 12, "float64", 0)
    batches = list(nn.Minibatches(rows, 30, seed=0)(0))

    def trainer():
        return nn.DictionaryTrainer(phi.copy(), coding, RULES[name])

    def go_on(trainer, start):
        for t, batch in enumerate(batches[start:], start):
            trainer.step(batch, t)
        trainer.end_epoch()
        return trainer.dictionary.tobytes()

    first = trainer()
    for t, batch in enumerate(batches[:2]):
        first.step(batch, t)
    second = trainer()
    second.load_state_dict(first.state_dict())
    assert (second.n_steps, second.n_rows) == (2, 60)
    assert go_on(first, 2) == go_on(second, 2) == go_on(trainer(), 0)


@pytest.mark.parametrize("kind", ["csr", "bits"])
def test_encoded_signals_are_learnt_from_as_dense_ones(kind, rng):
    import scipy.sparse as sp

    x = (rng.random((80, 20)) < 0.2).astype(np.float32)
    encoded = BitMatrix.pack(x) if kind == "bits" else sp.csr_array(x)
    for rule in (nn.Online(dead_after=1), nn.LagrangeDual(), nn.KSVD()):
        coding = nn.PursuitCoding(2) if isinstance(rule, nn.KSVD) else nn.LassoCoding(0.2)
        a, b = (learn(data, 30, coding, rule, 2, 20, dtype="float32")[0] for data in (x, encoded))
        assert a.tobytes() == b.tobytes()


def test_the_present_forgets_the_past(rng):
    """A stream that changes: short windows follow it, and never forgetting does not."""
    old, new = planted(rng, 600, 10, 8, 2)[0], planted(rng, 600, 10, 8, 2)[0]
    x, found = np.concatenate([old, new]), {}
    for rule in (nn.Online(rho=0.0), nn.Online(rho=1.0, window=10)):
        phi = nn.first_atoms(old, 10, "float64", 0)
        trainer = nn.DictionaryTrainer(phi, TIGHT, rule)
        nn.fit(trainer, nn.Minibatches(nn.Rows(x, "float64"), 20, seed=0, shuffle=False), 1)
        found[rule.rho] = objective(new, phi)
    assert found[1.0] < 0.95 * found[0.0]


def test_first_atoms_are_signals_of_norm_1_and_noise_where_there_are_too_few(rng):
    x = np.concatenate([rng.standard_normal((4, 5)), np.zeros((3, 5))])
    atoms = nn.first_atoms(x, 6, "float32", seed=1)
    assert atoms.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1, rtol=1e-6)
    cosines = np.abs(atoms @ (x[:4] / np.linalg.norm(x[:4], axis=1, keepdims=True)).T)
    assert (cosines.max(axis=1) > 1 - 1e-6).tolist() == [True] * 4 + [False] * 2
    assert nn.first_atoms(np.abs(x), 6, "float64", seed=1, positive=True).min() >= 0


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: nn.Online(rho=-1), ValueError, "Online: rho"),
        (lambda: nn.Online(window=0), ValueError, "Online: window"),
        (lambda: nn.Online(sweeps=1.5), TypeError, "Online: sweeps"),
        (lambda: nn.BlockCoordinate(tol=np.nan), ValueError, "BlockCoordinate: tol"),
        (lambda: nn.LagrangeDual(max_iter=0), ValueError, "LagrangeDual: max_iter"),
        (lambda: nn.KSVD(exact=1), TypeError, "KSVD: exact"),
    ],
)
def test_bad_parameters_of_rules_are_refused(make, error, match):
    with pytest.raises(error, match=f"^{match} must be"):
        make()
