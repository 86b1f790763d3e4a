"""Pooling over a pyramid: its cells part the grid, its values are what their names say."""

import numpy as np
import pytest

from layerwise import nn

LEVELS = [[(1, 1)], [(2, 2)], [(1, 1), (2, 2), (4, 4)], [(3, 1), (1, 2)]]


def pooled(codes, cells, pooling, heights=None):
    out = np.empty((len(codes), len(cells), codes.shape[3]), codes.dtype)
    pool = nn.Pool(cells, pooling, out)
    first = 0
    for height in heights or [codes.shape[1]]:
        pool.add(codes[:, first : first + height], first)
        first += height
    pool.finish()
    return out


@pytest.fixture(params=[1, 2, 5])
def codes(request, rng):
    return rng.normal(size=(3, 9, 7, request.param)).astype(np.float32)


@pytest.mark.parametrize("grid", [(4, 4), (9, 7), (27, 27)])
@pytest.mark.parametrize("level", [(1, 1), (2, 2), (4, 4), (3, 1), (2, 3)])
def test_cells_of_a_level_part_the_grid_evenly(level, grid):
    counts = np.zeros(grid, int)
    cells = nn.pyramid_cells([level], grid)
    assert len(cells) == level[0] * level[1]
    for rows, columns in cells:
        counts[rows, columns] += 1
        for part, size, parts in zip((rows, columns), grid, level, strict=True):
            assert abs(part.stop - part.start - size / parts) < 1
    assert (counts == 1).all()


def test_quadrants_are_those_of_the_paper():
    rows = {(r.start, r.stop) for r, _ in nn.pyramid_cells([(2, 2)], (27, 27))}
    assert rows == {(0, 14), (14, 27)}


@pytest.mark.parametrize("levels", LEVELS)
def test_values_are_those_of_each_cell_on_its_own(levels, codes):
    cells = nn.pyramid_cells(levels, codes.shape[1:3])
    formulas = {
        "max": lambda part: part.max(axis=(1, 2)),
        "max_abs": lambda part: np.abs(part).max(axis=(1, 2)),
        "sum": lambda part: part.sum(axis=(1, 2)),
        "average": lambda part: part.mean(axis=(1, 2)),
        "sqrt": lambda part: np.sqrt((part**2).mean(axis=(1, 2))),
    }
    assert set(formulas) == set(nn.POOLINGS)
    for pooling, formula in formulas.items():
        found = pooled(codes, cells, pooling)
        expected = [formula(codes[:, r, c].astype(np.float64)) for r, c in cells]
        np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("levels", LEVELS)
def test_sums_of_a_level_add_up_and_the_largest_is_the_largest_of_all(levels, codes):
    for level in levels:
        cells = nn.pyramid_cells([level], codes.shape[1:3])
        total = pooled(codes, cells, "sum").sum(axis=1)
        np.testing.assert_allclose(total, codes.sum(axis=(1, 2)), rtol=1e-4, atol=1e-4)
        largest = pooled(codes, cells, "max").max(axis=1)
        np.testing.assert_array_equal(largest, codes.max(axis=(1, 2)))


@pytest.mark.parametrize("pooling", nn.POOLINGS)
def test_strips_give_what_the_whole_gives(pooling, codes):
    cells = nn.pyramid_cells(LEVELS[2], codes.shape[1:3])
    whole = pooled(codes, cells, pooling)
    for heights in ([1] * 9, [4, 5], [2, 3, 4]):
        found = pooled(codes, cells, pooling, heights)
        if pooling.startswith("max"):
            np.testing.assert_array_equal(found, whole)
        else:
            np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pooling", nn.POOLINGS)
def test_an_image_has_the_same_bits_alone_and_among_others(pooling, codes):
    cells = nn.pyramid_cells(LEVELS[2], codes.shape[1:3])
    whole = pooled(codes, cells, pooling)
    for i in range(len(codes)):
        np.testing.assert_array_equal(pooled(codes[i : i + 1], cells, pooling)[0], whole[i])
