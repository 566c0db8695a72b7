"""The grid solver where barriers are many kT high: independent routes to the same numbers.

A sum that cancels shows here as a factor of millions or a negative time.
"""

import warnings
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

from mb_support.potential import MINIMA, SADDLES, Potential, double_well, force, potential, torus
from mb_support.reference import GridSolver, forecast, propagation
from mb_support.reference.grid import DIRECTIONS, build_grid, jump_rates
from mb_support.simulation import SimulationConfig, first_passage_times
from mb_support.states import DISK_A, DISK_B
from mb_support.studies import potential as exact

TEMPERATURES = [15.0, 5.0, 2.0]
COLDER = [1.0, 0.4, 0.2]
COLDEST = [0.14, 0.03]


def solver_at(kT, grid_step=None):
    step = grid_step or (0.04 if kT > 1 else 0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GridSolver(1 / kT, 1.0, step)


@pytest.fixture(scope="module", params=TEMPERATURES + COLDER, ids="kT={:.3g}".format)
def cold(request):
    return solver_at(request.param)


def dense(solver):
    """Generator over the active nodes in many digits, from energies, and their weights."""
    nodes = [tuple(node) for node in np.argwhere(solver.active)]
    number = {node: k for k, node in enumerate(nodes)}
    energy = [mpmath.mpf(float(solver.beta * solver.grid.energy[node])) for node in nodes]
    generator = mpmath.zeros(len(nodes))
    for (i, j), k in number.items():
        for d_x, d_y in DIRECTIONS:
            other = number.get((i + d_x, j + d_y))
            if other is not None:
                rise = energy[other] - energy[k]
                rate = rise / mpmath.expm1(rise) / mpmath.mpf(solver.grid_step) ** 2
                generator[k, other] = rate
                generator[k, k] -= rate
    return generator, [mpmath.exp(min(energy) - e) for e in energy]


def curvatures(point):
    """Eigenvalues of the Hessian, from differences of the force."""
    step = 1e-4 * np.eye(2)
    return np.linalg.eigvalsh((force(point - step) - force(point + step)) / 2e-4)


def test_passage_times_agree_with_the_flux_relation(cold):
    for source, target, start in ((DISK_A, DISK_B, 0), (DISK_B, DISK_A, 1)):
        passage = cold.interpolate(cold.mean_first_passage_time(target), MINIMA[start])
        assert passage * cold.rate(source, target) == pytest.approx(1, rel=0.01)


def test_flux_is_the_same_both_ways_and_both_committors_are_precise(cold):
    forth = cold.transition_path_theory(DISK_A, DISK_B)
    back = cold.transition_path_theory(DISK_B, DISK_A)
    assert forth.flux == pytest.approx(back.flux, rel=1e-9)
    assert forth.probability_last_in_target == pytest.approx(
        back.probability_last_in_source, rel=1e-9
    )
    assert forth.probability_last_in_source == pytest.approx(
        back.probability_last_in_target, rel=1e-9
    )
    # the exact ratio of rates is that of the populations, however far apart they are
    share_b = cold.stationary_density()[cold.x > 0.2].sum() * cold.cell_area
    if cold.beta > 0.4:  # where B's basin can be told from the rest by x alone
        assert back.probability_last_in_source == pytest.approx(share_b, rel=1e-3)
    assert forth.committor.max() == 1 and forth.committor.min() == 0
    around_a = np.hypot(*(cold.positions - MINIMA[0]).T).T < 0.15
    outside = around_a & (np.hypot(*(cold.positions - DISK_A[0]).T).T > DISK_A[1])
    assert (forth.committor[outside] > 0).all(), "small probabilities are not lost"


def test_slowest_relaxation_is_the_sum_of_the_rates(cold):
    times = cold.implied_timescales(3)
    assert (times > 0).all() and (np.diff(times) < 0).all()
    if cold.beta > 0.15:  # with a gap of 1e4 and more
        rates = cold.rate(DISK_A, DISK_B) + cold.rate(DISK_B, DISK_A)
        assert times[0] * rates == pytest.approx(1, rel=2e-3)


def test_modes_stay_orthonormal(cold):
    _, modes = cold.eigenmodes(3)
    products = cold.average(modes[:, None] * modes)
    np.testing.assert_allclose(products, np.eye(3), atol=1e-8)


@pytest.mark.parametrize("kT", [15.0, 5.0])
def test_timescales_are_those_of_the_dense_eigenproblem(kT):
    coarse = solver_at(kT, 0.1)
    forth = coarse.grid.rates
    root = np.sqrt(coarse.stationary_density()[coarse.active])
    number = np.cumsum(coarse.active.ravel()).reshape(coarse.shape) - 1
    matrix = np.diag(-forth.sum(axis=0)[coarse.active])
    for direction, (d_x, d_y) in enumerate(DIRECTIONS):
        for i, j in np.argwhere(forth[direction] > 0):
            k, other = number[i, j], number[i + d_x, j + d_y]
            matrix[k, other] = forth[direction, i, j] * root[k] / root[other]
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)[::-1]
    np.testing.assert_allclose(coarse.implied_timescales(4), -1 / values[1:5], rtol=1e-5)


@pytest.fixture
def lattice():
    """A solver at kT = 0.5 on few nodes, so coarse that it has seven wells."""
    solver = solver_at(0.5, 0.2)
    grid, inside = solver.grid, np.zeros(solver.shape, dtype=bool)
    inside[np.ix_((solver.x > -1.3) & (solver.x < 1.0), (solver.y > -0.2) & (solver.y < 1.9))] = (
        True
    )
    inside &= grid.energy < grid.energy.min() + 130
    energy = np.where(inside, grid.energy, np.inf)
    rates = jump_rates(energy, inside, grid.beta, grid.diffusion, grid.step)
    solver.grid = replace(grid, energy=energy, active=inside, rates=rates)
    solver.active = inside
    return solver


def test_slow_modes_and_passage_times_are_those_of_arithmetic_in_many_digits(lattice):
    coarse = lattice
    target = ((0.6, 0.0), 0.1)  # one node, with its edges of full length
    with mpmath.workdps(150):
        generator, weight = dense(coarse)
        n = len(weight)
        # inverse iteration among the functions of mean zero
        bordered = mpmath.zeros(n + 1)
        bordered[:n, :n] = generator
        for k in range(n):
            bordered[k, n], bordered[n, k] = 1, weight[k]
        inverse = bordered**-1
        mode = mpmath.matrix([*(k % 7 for k in range(n)), 0])
        for _ in range(12):
            mode[n] = 0
            later = inverse * mode
            largest = max(range(n), key=lambda k: abs(weight[k] * mode[k] ** 2))
            timescale = -later[largest] / mode[largest]
            mode = later / max(abs(value) for value in later)
        inside = np.hypot(*(coarse.positions[coarse.active] - target[0]).T) < target[1]
        free = np.flatnonzero(~inside)
        # edges towards the disk end on its circle, half a step away
        reduced = mpmath.matrix(len(free))
        for row, k in enumerate(free):
            for column, other in enumerate(free):
                reduced[row, column] = generator[int(k), int(other)]
        onto = onto_circle(coarse, target)
        for row, k in enumerate(free):
            reduced[row, row] += sum(generator[int(k), int(m)] for m in np.flatnonzero(inside))
            reduced[row, row] -= onto[k]
        passage = mpmath.lu_solve(reduced, mpmath.matrix([-1] * len(free)))
        expected = np.array([float(value) for value in passage])
    found = coarse.mean_first_passage_time(target)[coarse.active][free]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    for n in (1, 3):  # however many are asked for
        assert coarse.implied_timescales(n)[0] == pytest.approx(float(timescale), rel=1e-6)


def onto_circle(solver, target):
    """Rates over the edges that end on the circle, computed one by one."""
    (x, y), radius = target
    rates = np.zeros(solver.shape)
    for i, j in np.argwhere(solver.active):
        here = solver.positions[i, j]
        for d_x, d_y in DIRECTIONS:
            there = here + solver.grid_step * np.array([d_x, d_y])
            if np.hypot(*(there - (x, y))) < radius <= np.hypot(*(here - (x, y))):
                length = solver.grid_step - radius  # the node lies in the centre
                crossing = here + length * np.array([d_x, d_y])
                rise = solver.beta * (potential(crossing) - potential(here))
                rates[i, j] += rise / np.expm1(rise) / (solver.grid_step * length)
    return rates[solver.active]


@pytest.mark.parametrize("kT", [2.0, 1.0, 0.5])
def test_rates_approach_the_formula_of_eyring_and_kramers(kT):
    found = solver_at(kT, 0.01).rate(DISK_A, DISK_B)
    barrier = potential(SADDLES[0]) - potential(MINIMA[0])
    well, saddle = curvatures(MINIMA[0]), curvatures(SADDLES[0])
    prefactor = -saddle.min() * np.sqrt(well.prod() / -saddle.prod()) / (2 * np.pi * kT)
    # corrections are of the order of kT over the barrier's own scale
    assert found / (prefactor * np.exp(-barrier / kT)) == pytest.approx(1, abs=0.05 * kT)


def integral_of_one_dimension(energy, beta, start, end, low):
    """Mean passage time from `start` to `end` of a particle with D = 1 on a line."""
    x = np.linspace(low, end, 20_001)
    weight = np.exp(-beta * energy(x))
    before = cumulative_trapezoid(weight, x, initial=0) / weight
    return np.trapezoid(np.where(x >= start, before, 0), x)


@pytest.mark.parametrize("kT", [0.1, 0.03])  # barriers of 50 and 170 kT
def test_passages_of_a_double_well_are_integrals_of_one_dimension(kT):
    solver = GridSolver(1 / kT, 1.0, potential=double_well())
    passage = solver.mean_first_passage_time(((1.0, 0.0), 0.15))
    expected = integral_of_one_dimension(lambda x: 5 * (x * x - 1) ** 2, 1 / kT, -1.0, 0.85, -1.6)
    assert solver.interpolate(passage, (-1.0, 0.0)) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("kT", [0.01, 0.001])
def test_the_step_follows_the_width_of_wells_and_barriers(kT):
    # of an edge over a barrier of curvature 20 the rate errs by step^2 20 / (12 kT)
    solver = GridSolver(1 / kT, 1.0, potential=double_well())
    assert solver.grid_step**2 * 20 / (12 * kT) < 0.0105


@pytest.mark.parametrize("kT", [1.0, 0.1, 0.02])
def test_a_torus_has_the_rates_of_its_separate_angles(kT):
    # V = f(x) - cos y: the slowest time is that of x alone
    solver = GridSolver(1 / kT, 1.0, 2 * np.pi / 160, potential=torus())
    there, back = (
        solver.transition_path_theory(*ends)
        for ends in ((((0, 0), 0.3), ((np.pi, 0), 0.3)), (((np.pi, 0), 0.3), ((0, 0), 0.3)))
    )
    assert there.flux == pytest.approx(back.flux, rel=1e-6)
    passage = solver.mean_first_passage_time(((np.pi, 0), 0.3))
    assert solver.interpolate(passage, (0.0, 0.0)) * there.rate == pytest.approx(1, rel=0.03)
    x = solver.x
    energy = -2 * np.cos(2 * x) - np.cos(x) / 2
    rise = np.stack([np.roll(energy, -1) - energy, np.roll(energy, 1) - energy]) / kT
    rate = np.where(np.abs(rise) < 1e-9, 1, rise / np.expm1(rise)) / solver.grid_step**2
    if kT == 1:  # colder ones are lost in sums that cancel
        line = np.roll(np.diag(rate[0]), 1, axis=1) + np.roll(np.diag(rate[1]), -1, axis=1)
        values = np.sort(np.linalg.eigvals(np.diag(line.sum(axis=1)) - line).real)
        assert solver.implied_timescales(1)[0] == pytest.approx(1 / values[1], rel=1e-6)
    else:
        assert solver.implied_timescales(1)[0] * (there.rate + back.rate) == pytest.approx(
            1, rel=1e-3
        )


def test_results_do_not_depend_on_the_grid_step():
    rates = [solver_at(2.0, step).rate(DISK_A, DISK_B) for step in (0.04, 0.02, 0.01)]
    np.testing.assert_allclose(rates[:2], rates[2], rtol=0.005)


@pytest.mark.slow
def test_simulated_passages_take_as_long_as_the_solver_says():
    config = SimulationConfig(beta=1 / 8, diffusion=1.0, dt=1e-4, stride=10, n_frames=2)
    n = 256
    solver = solver_at(8.0, 0.02)
    expected = solver.interpolate(solver.mean_first_passage_time(DISK_A), MINIMA[1])
    times = first_passage_times(
        config, np.tile(MINIMA[1], (n, 1)), 8, *DISK_A, max_time=30 * expected
    )
    assert np.isfinite(times).all()
    assert abs(times.mean() - expected) < 3 * times.std() / np.sqrt(n)


@pytest.mark.parametrize("kT", COLDEST)
@pytest.mark.parametrize(
    "quantity",
    [
        lambda s: s.mean_first_passage_time(DISK_B),
        lambda s: s.rate(DISK_A, DISK_B),
        lambda s: s.transition_path_theory(DISK_B, DISK_A),
        lambda s: s.implied_timescales(2),
    ],
    ids=["passage time", "rate", "flux", "timescales"],
)
def test_what_double_precision_cannot_hold_is_refused(kT, quantity):
    with pytest.raises(ValueError, match=r"too cold.*can be trusted .* up to beta = 6\.13"):
        quantity(solver_at(kT))


def test_a_grid_too_wide_for_the_wells_is_announced():
    with pytest.warns(UserWarning, match=r"grid_step = 0.1 is 4.5 times .* up to 0.055"):
        GridSolver(0.5, 1.0, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GridSolver(0.5, 1.0, 0.05)
        GridSolver(1 / 15, 1.0, 0.1)


def needle(x, y):
    """Two wide wells, and between them a barrier of width 0.02 at x = 0.05."""
    return (x * x - 1) ** 2 + 2 * y * y + 8 * np.exp(-(((x - 0.05) / 0.02) ** 2))


@pytest.mark.parametrize("step", [0.1, 0.2])
def test_a_barrier_that_slips_between_nodes_is_refused(step):
    wells = Potential(needle, box=((-1.8, -1.0), (1.8, 1.0)))
    with pytest.raises(ValueError, match=r"grid_step = 0\.\d+ is too wide.*kT lower on the grid"):
        GridSolver(1.0, 1.0, step, potential=wells)
    with pytest.warns(UserWarning, match=r"grid_step = 0\.02 is too wide.*kT lower on the grid"):
        build_grid(1.0, 1.0, 0.02, potential=wells)  # a node on its flank
    build_grid(1.0, 1.0, 0.01, potential=wells)


def test_a_barrier_of_a_torus_that_slips_between_nodes_is_refused():
    def energy(x, y):  # two wells in x, narrow barriers in between
        return np.cos(x) ** 2 - np.cos(y) + 8 * np.exp(-((np.sin(x - 0.02) / 0.015) ** 2))

    ring = Potential(energy, box=((-np.pi, -np.pi), (np.pi, np.pi)), periodic=True)
    with pytest.raises(ValueError, match="is too wide"):
        GridSolver(1.0, 1.0, 2 * np.pi / 100, potential=ring)
    build_grid(1.0, 1.0, 2 * np.pi / 400, potential=ring)


@pytest.mark.parametrize("kT", [8.0, 2.0, 1.0])
@pytest.mark.slow
def test_propagation_has_no_noise_on_walls_and_plateaus(kT, monkeypatch):
    cold = solver_at(kT, 0.06)
    field, density = cold.positions[..., 0], forecast.start_density(cold).sum(axis=0)
    time = 0.8
    found = cold.propagate(field, time), cold.propagate_density(density, time)
    monkeypatch.setattr(propagation, "_SLIDE", np.inf)  # sums of positive terms alone
    safe = cold.propagate(field, time), cold.propagate_density(density, time)
    np.testing.assert_allclose(found[0], safe[0], atol=1e-9)
    np.testing.assert_allclose(found[1], safe[1], atol=1e-9 * safe[1].max())
    assert found[1].sum() * cold.cell_area == pytest.approx(1, abs=1e-9)


def test_settled_densities_are_trusted_only_where_they_can_settle():
    cold = solver_at(1.0, 0.06)
    density = forecast.start_density(cold).sum(axis=0)
    later = cold.propagate_density(density, 0.1, settled=True)
    assert later.min() >= 0 and later.sum() * cold.cell_area == pytest.approx(1, abs=1e-9)


def test_propagation_that_would_take_hours_is_refused():
    with pytest.raises(ValueError, match="choose a shorter time, a larger grid_step or a smaller"):
        solver = solver_at(1.0, 0.01)
        solver.propagate(np.zeros(solver.shape), 100.0)


def test_best_guesses_at_low_temperature_are_probabilities():
    cold = solver_at(2.0, 0.06)
    posterior = forecast.label_posterior(cold, [0, 1, 30], 0.02)
    assert (posterior.probability >= 0).all() and (posterior.probability <= 1).all()
    assert 0.9 < posterior.accuracy[2] <= posterior.accuracy[1] < posterior.accuracy[0] == 1


def test_the_chapters_table_holds_at_low_temperature(tmp_path, monkeypatch):
    monkeypatch.setattr("mb_support.files.cache.CACHE", tmp_path)
    config = SimulationConfig(beta=1.0, diffusion=1.0, dt=1e-4, stride=10, n_frames=2)
    column = exact.kinetics_table({"cold": replace(config)}, 0.02)["cold"]
    assert column["mean first passage time A to B"] * column["rate A to B"] == pytest.approx(1)
    assert column["mean first passage time B to A"] * column["rate B to A"] == pytest.approx(1)
    assert column["timescale 1"] * column["rate B to A"] == pytest.approx(1, rel=1e-3)
