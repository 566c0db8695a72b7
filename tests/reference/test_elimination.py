"""Elimination without subtractions against rational arithmetic and ordinary solvers."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from mb_support.reference.elimination import Elimination
from mb_support.reference.grid import DIRECTIONS, build_grid


def chain(shape, spread, seed, kept_share=1.0):
    """A grid with log rates uniform over +-spread, a mask of kept nodes, and leaving rates."""
    generator = np.random.default_rng(seed)
    active = np.zeros(np.add(shape, 2), dtype=bool)
    active[1:-1, 1:-1] = generator.random(shape) < kept_share
    rates = np.exp(generator.uniform(-spread, spread, (4, *active.shape)))
    for direction, step in enumerate(DIRECTIONS):
        rates[direction] *= active & np.roll(active, (-step[0], -step[1]), axis=(0, 1))
    grid = replace(build_grid(0.01, 1.0, 0.2), active=active, rates=rates)
    leaving = np.exp(generator.uniform(-spread, spread, active.shape)) * active
    return grid, active, leaving


def edges(grid, kept):
    """Every step (from, to, rate) between kept nodes, numbered as in `kept`."""
    number = np.full(kept.shape, -1)
    number[kept] = np.arange(kept.sum())
    for direction, (d_x, d_y) in enumerate(DIRECTIONS):
        there = np.roll(number, (-d_x, -d_y), axis=(0, 1))
        joined = kept & (there >= 0)
        yield from zip(
            number[joined], there[joined], grid.rates[direction][joined], strict=True
        )  # fmt: skip


def exact_solution(grid, kept, leaving, right):
    """Gauss elimination in rational arithmetic."""
    n = int(kept.sum())
    rows = [[Fraction(0)] * n + [Fraction(float(value))] for value in right]
    for k, rate in enumerate(leaving[kept]):
        rows[k][k] += Fraction(float(rate))
    for start, end, rate in edges(grid, kept):
        rows[start][start] += Fraction(float(rate))
        rows[start][end] -= Fraction(float(rate))
    for k in range(n):
        for i in range(n):
            if i != k and rows[i][k]:
                factor = rows[i][k] / rows[k][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return np.array([float(rows[k][n] / rows[k][k]) for k in range(n)])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_entry_is_right_although_rates_differ_by_forty_powers_of_ten(seed):
    grid, kept, leaving = chain((5, 6), spread=46, seed=seed, kept_share=0.9)
    right = np.random.default_rng(seed).random(kept.sum())
    found = Elimination(grid, kept, leaving).solve(right)
    np.testing.assert_allclose(found, exact_solution(grid, kept, leaving, right), rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 2), (1, 40), (40, 1), (7, 9), (33, 50), (61, 20)])
@pytest.mark.parametrize("kept_share", [1.0, 0.7])
def test_regions_of_any_shape_and_with_holes_are_solved(shape, kept_share):
    grid, kept, leaving = chain(shape, spread=1, seed=3, kept_share=kept_share)
    n = int(kept.sum())
    matrix = sparse.lil_matrix((n, n))
    matrix.setdiag(leaving[kept])
    for start, end, rate in edges(grid, kept):
        matrix[start, end] -= rate
        matrix[start, start] += rate
    right = np.random.default_rng(0).normal(size=n)  # of both signs
    found = Elimination(grid, kept, leaving).solve(right)
    np.testing.assert_allclose(found, spsolve(matrix.tocsc(), right), rtol=1e-9, atol=1e-11)


def test_factors_serve_many_right_sides_and_leave_them_alone():
    grid, kept, leaving = chain((12, 12), spread=2, seed=5)
    factors = Elimination(grid, kept, leaving)
    one, other = np.random.default_rng(1).random((2, kept.sum()))
    before = one.copy()
    total = factors.solve(one) + factors.solve(other)
    np.testing.assert_array_equal(one, before)
    np.testing.assert_allclose(factors.solve(one + other), total, rtol=1e-12)


def test_mean_time_in_a_chain_that_is_hardly_ever_left():
    # every state of a symmetric chain left at the rate 1e-250 is left after 1e250, on average
    grid, kept, _ = chain((9, 8), spread=0, seed=0)
    found = Elimination(grid, kept, np.full(kept.shape, 1e-250)).solve(np.ones(kept.sum()))
    np.testing.assert_allclose(found, 1e250, rtol=1e-12)
