"""The grid solver against published values, closed forms and its own refinement."""

import time

import numpy as np
import pytest

from mb_support.potential import MINIMA, potential
from mb_support.reference import GridSolver
from mb_support.reference.grid import edge_rate

DISK_A = ((-0.558, 1.441), 0.1)
DISK_B = ((0.623, 0.028), 0.1)
# Committor at kT = 10, 20, 30 (design values from two independent finite-element codes).
POINTS = np.array([(-0.8034, 0.5983), (-0.0494, 0.4622), (0.2017, 0.2991)])
COMMITTORS = {
    10: (0.4026, 0.9482, 0.9769),
    20: (0.3003, 0.8050, 0.8992),
    30: (0.2805, 0.7179, 0.8414),
}


@pytest.fixture(scope="module")
def solver():
    return GridSolver(beta=1 / 15, diffusion=1.0, grid_step=0.04)


@pytest.mark.parametrize("kT", sorted(COMMITTORS))
def test_committor_matches_published_values(kT):
    exact = GridSolver(1 / kT, kT, grid_step=0.02)
    found = exact.interpolate(exact.committor(DISK_A, DISK_B), POINTS)
    np.testing.assert_allclose(found, COMMITTORS[kT], atol=2e-3)


def test_flux_and_share_of_time_match_published_values():
    paths = GridSolver(0.1, 10.0, grid_step=0.02).transition_path_theory(DISK_A, DISK_B)
    assert paths.flux == pytest.approx(0.00492646, rel=1e-2)
    assert paths.probability_last_in_source == pytest.approx(0.974587, rel=1e-2)
    assert paths.rate == pytest.approx(paths.flux / paths.probability_last_in_source)


def test_error_falls_with_the_square_of_the_grid_step():
    points = np.random.default_rng(1).uniform([-1.3, 0.0], [0.9, 1.8], (200, 2))

    def results(step):
        exact = GridSolver(0.1, 10.0, grid_step=step)
        paths = exact.transition_path_theory(DISK_A, DISK_B)
        passage = exact.mean_first_passage_time(DISK_B)
        return (
            paths.rate,
            exact.implied_timescales(1),
            exact.interpolate(passage, MINIMA[0]),
            exact.interpolate(paths.committor, points),
        )

    coarse, middle, fine = (results(step) for step in (0.05, 0.025, 0.0125))
    first, second = (
        np.array([np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(one, two, strict=True)])
        for one, two in ((coarse, middle), (middle, fine))
    )
    orders = np.log2(first / second)
    np.testing.assert_allclose(orders, 2, atol=0.2)


def test_fine_grid_is_fast():
    GridSolver(0.1, 10.0, grid_step=0.1).committor(DISK_A, DISK_B)  # compiles
    start = time.process_time()
    GridSolver(0.1, 10.0, grid_step=0.01).committor(DISK_A, DISK_B)
    assert time.process_time() - start < 3


def test_detailed_balance_is_exact(solver):
    weight, rates = solver.stationary_density(), solver.grid.rates
    forth = (weight * rates[0])[:-1]
    back = (weight * rates[1])[1:]
    np.testing.assert_allclose(forth, back, rtol=1e-10)


def test_stationary_density_is_the_boltzmann_weight(solver):
    density = solver.stationary_density()
    assert density.sum() * solver.cell_area == pytest.approx(1)
    i, j = np.argwhere(density > 1e-3 * density.max())[::7][:50].T
    energy = potential(solver.positions[i, j])
    ratio = np.exp(-(energy - energy[0]) / 15)
    np.testing.assert_allclose(density[i, j] / density[i[0], j[0]], ratio, rtol=1e-10)


def test_committor_stays_within_its_limits_and_swaps_with_its_disks(solver):
    forward = solver.committor(DISK_A, DISK_B)
    backward = solver.committor(DISK_B, DISK_A)
    assert forward.min() == 0 and forward.max() == 1
    np.testing.assert_allclose(forward + backward, 1, atol=1e-9)


def test_passage_time_agrees_with_transition_path_theory(solver):
    # Detailed balance: rate(A to B) = P(last in A)^-1 flux, and the mean time from the place where
    # A is entered from B to B is 1 / rate. With small disks and a high barrier the start matters
    # little, so the passage time from the minimum is the inverse rate within a few per cent.
    passage = solver.interpolate(solver.mean_first_passage_time(DISK_B), MINIMA[0])
    assert passage * solver.rate(DISK_A, DISK_B) == pytest.approx(1, rel=0.1)


def test_rates_both_ways_share_one_flux(solver):
    forth = solver.transition_path_theory(DISK_A, DISK_B)
    back = solver.transition_path_theory(DISK_B, DISK_A)
    assert forth.flux == pytest.approx(back.flux, rel=1e-9)
    last_in = forth.probability_last_in_source + back.probability_last_in_source
    assert last_in == pytest.approx(1)


def test_reactive_current_carries_the_flux_through_any_line(solver):
    paths = solver.transition_path_theory(DISK_A, DISK_B)
    row = np.argmin(abs(solver.y - 0.8))  # a horizontal line between the disks
    through = -paths.current[:, row, 1].sum() * solver.grid_step
    assert through == pytest.approx(paths.flux, rel=0.02)


def test_time_scales_with_diffusion(solver):
    faster = GridSolver(1 / 15, 5.0, grid_step=0.04)
    np.testing.assert_allclose(
        faster.implied_timescales(3) * 5, solver.implied_timescales(3), rtol=1e-8
    )
    np.testing.assert_allclose(
        faster.committor(DISK_A, DISK_B), solver.committor(DISK_A, DISK_B), atol=1e-9
    )


def test_eigenmodes_are_orthonormal(solver):
    _, modes = solver.eigenmodes(3)
    products = solver.average(modes[:, None] * modes)
    np.testing.assert_allclose(products, np.eye(3), atol=1e-8)
    np.testing.assert_allclose(solver.average(modes), 0, atol=1e-8)


def test_interpolation_is_exact_for_cubics_and_at_nodes(solver):
    x, y = solver.positions[..., 0], solver.positions[..., 1]
    field = np.stack([x**3 - 2 * x * y**2, y**3 + x])
    points = np.random.default_rng(0).uniform([-1.5, -0.2], [1.2, 2.0], (40, 2))
    a, b = points.T
    exact = [a**3 - 2 * a * b**2, b**3 + a]
    np.testing.assert_allclose(solver.interpolate(field, points), exact, atol=1e-10)
    corner = solver.positions[0, 0]
    assert solver.interpolate(field, corner)[0] == pytest.approx(field[0, 0, 0])


def test_points_off_the_grid(solver):
    field = solver.stationary_density()
    with pytest.raises(ValueError, match="positions must lie within"):
        solver.interpolate(field, [[0.0, 9.0]])
    filled = solver.interpolate(field, [[0.0, 9.0], [0.0, 0.5]], fill_value=-1.0)
    assert filled[0] == -1 and filled[1] > 0


def test_edge_rate_keeps_detailed_balance_on_steep_edges():
    start, end = np.array([0.0, 10.0, 400.0, 3.0]), np.array([1.0, 300.0, 0.0, 3.0])
    ratio = edge_rate(start, end, 0.1) / edge_rate(end, start, 0.1)
    np.testing.assert_allclose(ratio, np.exp(-0.1 * (end - start)), rtol=1e-9)
    assert edge_rate(1e4, 0.0, 1.0) == pytest.approx(1e4)  # the drift times h / D
    assert edge_rate(0.0, 1e4, 1.0) < 1e-200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(beta=0.0), "beta must be positive"),
        (dict(beta=-1.0), "beta must be positive"),
        (dict(beta=np.nan), "beta must be positive"),
        (dict(beta="hot"), "beta must be one positive number"),
        (dict(diffusion=0.0), "diffusion must be positive"),
        (dict(diffusion=[1.0, 2.0]), "diffusion must be one positive number"),
        (dict(grid_step=-0.1), "grid_step must be positive"),
        (dict(grid_step=1e-5), "grid_step = 1e-05 needs"),
        (dict(grid_step=2.0), "grid_step = 2.0 needs"),
        (dict(energy_cutoff=-1.0), "energy_cutoff must be positive"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GridSolver(**{"beta": 0.1, "diffusion": 1.0, "grid_step": 0.05} | settings)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (DISK_A, ((-0.5, 1.4), 0.1), "must not overlap"),
        (((9.0, 9.0), 0.1), DISK_B, "source must lie inside the domain"),
        (DISK_A, ((0.623, 0.028), 0.001), "target holds no grid node"),
        (DISK_A, ((0.623, 0.028), -0.1), "target radius must be positive"),
        (DISK_A, ((0.623, np.nan), 0.1), "target must have a finite centre"),
        (DISK_A, ((0.623, 0.028, 1.0), 0.1), "target must have a finite centre"),
        (DISK_A, 3.0, "target must be a pair"),
    ],
)
def test_impossible_disks_are_refused(solver, source, target, message):
    for method in (solver.committor, solver.rate):
        with pytest.raises(ValueError, match=message):
            method(source, target)


def test_wrong_shapes_are_refused(solver):
    with pytest.raises(ValueError, match="values must have shape"):
        solver.interpolate(np.zeros((3, 3)), [[0.0, 0.0]])
    with pytest.raises(ValueError, match="values must be finite"):
        solver.interpolate(np.full(solver.shape, np.nan), [[0.0, 0.0]])
    with pytest.raises(ValueError, match="positions must have shape"):
        solver.interpolate(np.zeros(solver.shape), [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="positions must be finite"):
        solver.interpolate(np.zeros(solver.shape), [np.nan, 0.0])
    with pytest.raises(ValueError, match="n must be an integer"):
        solver.implied_timescales(0)
    with pytest.raises(ValueError, match="n must be at most"):
        solver.implied_timescales(10**6)
    with pytest.raises(ValueError, match="target must be a pair"):
        solver.mean_first_passage_time(None)
