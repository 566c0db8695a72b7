"""Potentials of one's own: what is derived from an energy, and answers that are known otherwise."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from mb_support import GridSolver, assign_states, make_dataset, sample_starts, simulate
from mb_support.potential import (
    MINIMA,
    MUELLER_BROWN,
    SADDLES,
    Potential,
    double_well,
    four_wells,
    potential,
    torus,
)
from mb_support.reference import label_posterior
from mb_support.simulation import SimulationConfig, first_passage_times

BOX = ((-1.0, -1.0), (1.0, 1.0))
UNIT = SimulationConfig(1.0, 1.0, 1e-3, 1, 2)


def written_out(x, y):
    """Müller and Brown's energy as a reader would write it."""
    return (
        -200 * math.exp(-((x - 1) ** 2) - 10 * y**2)
        - 100 * math.exp(-(x**2) - 10 * (y - 0.5) ** 2)
        - 170 * math.exp(-6.5 * (x + 0.5) ** 2 + 11 * (x + 0.5) * (y - 1.5) - 6.5 * (y - 1.5) ** 2)
        + 15 * math.exp(0.7 * (x + 1) ** 2 + 0.6 * (x + 1) * (y - 1) + 0.7 * (y - 1) ** 2)
    )


@pytest.fixture(scope="module")
def reader():
    return Potential(written_out, box=MUELLER_BROWN.box, bounds=MUELLER_BROWN.bounds)


def random_points(p, n, seed=0):
    return p.box[0] + p.extent * np.random.default_rng(seed).random((n, 2))


# ---- what is derived from the energy -------------------------------------------------------------


def test_everything_of_mueller_brown_follows_from_its_energy(reader):
    points = random_points(reader, 3000)
    np.testing.assert_allclose(reader(points), potential(points), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(reader.force(points), MUELLER_BROWN.force(points), rtol=1e-7)
    np.testing.assert_allclose(reader.minima, MINIMA, atol=1e-9)
    assert reader.highest_pass == pytest.approx(potential(SADDLES).max(), abs=0.05)
    assert reader.curvature == pytest.approx(MUELLER_BROWN.curvature, rel=1e-5)


@pytest.mark.parametrize("n", [2000, 40_000])  # by descent, and by the table
def test_basins_are_those_of_steepest_descent(reader, n):
    points = random_points(reader, n)
    in_a = assign_states(points) == 0
    assert ((reader.basins(points) == 0) == in_a).mean() > 0.9995


def test_a_minimum_of_no_state_counts_as_what_it_is_connected_with_first():
    two = Potential(written_out, box=MUELLER_BROWN.box, minima=MINIMA[:2])
    points = random_points(two, 3000)
    assert (assign_states(points, two) == assign_states(points)).mean() > 0.999


def test_branches_are_followed_by_differences():
    def energy(x, y):
        return x * x + y * y if x > 0 else 4 * x * x + y * y

    p = Potential(energy, box=BOX)
    points = random_points(p, 100)
    slope = np.where(points[:, 0] > 0, 2.0, 8.0)
    expected = -np.stack([slope * points[:, 0], 2 * points[:, 1]], axis=1)
    np.testing.assert_allclose(p.force(points), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("no function", dict(energy=3), "energy must be a function"),
        ("not compiled", dict(energy=lambda x, y: x.real_part_of(y)), "numba can compile"),
        ("an array", dict(energy=lambda x, y: (x, y)), "one finite number"),
        ("infinite", dict(energy=lambda x, y: math.log(x)), "finite"),
        ("no minimum", dict(energy=lambda x, y: x + y), "no minimum"),
        ("no force", dict(force=lambda x, y: (-2 * x, 2 * y)), "minus the gradient"),
        ("one force", dict(force=lambda x, y: -2 * x), "two finite numbers"),
        ("no period", dict(periodic=True), "repeat itself"),
        ("no box", dict(box=(0, 1)), "box must be"),
        ("empty box", dict(box=((0, 0), (0, 1))), "box must be"),
        ("states", dict(minima=[[0.0, 0.0]], states=(1,)), "states must be numbers"),
    ],
)
def test_what_cannot_be_is_refused(name, settings, message):
    settings = dict(energy=lambda x, y: x * x + y * y, box=BOX) | settings
    with pytest.raises(ValueError, match=message):
        Potential(settings.pop("energy"), **settings)


def test_a_potential_without_walls_does_not_hold_a_particle():
    dent = Potential(lambda x, y: -math.exp(-x * x - y * y), box=BOX)
    with pytest.raises(ValueError, match="particle would leave"):
        GridSolver(1.0, 1.0, potential=dent)
    with pytest.raises(ValueError, match="dt must be at most"):
        simulate(replace(UNIT, dt=2.0), [[0.0, 0.0]], 1, potential=dent)


# ---- simulated, solved, and known otherwise ------------------------------------------------------


def passage_time_of_a_double_well(barrier, end):
    """Mean time from x = -1 to `end` in V = barrier (x^2 - 1)^2 at kT = D = 1, by quadrature."""

    def energy(x):
        return barrier * (x * x - 1) ** 2

    def inner(x):
        return math.exp(energy(x)) * quad(lambda s: math.exp(-energy(s)), -3, x)[0]

    return quad(inner, -1, end, limit=200)[0]


def test_a_double_well_has_the_passage_time_of_one_dimension():
    # the disk is wide against the valley in y: reaching it is reaching x = 0.5
    well = double_well(barrier=4.0, stiffness=400.0)
    exact = passage_time_of_a_double_well(4.0, 0.5)
    solver = GridSolver(1.0, 1.0, 0.02, potential=well)
    target = ((1.0, 0.0), 0.5)
    found = solver.interpolate(solver.mean_first_passage_time(target), [-1.0, 0.0])
    assert found == pytest.approx(exact, rel=0.01)
    starts = np.tile([-1.0, 0.0], (3000, 1))
    times = first_passage_times(UNIT, starts, 3, *target, max_time=500.0, potential=well)
    error = times.std() / math.sqrt(len(times))
    assert abs(times.mean() - found) < 3 * error and error < 0.03 * found


@pytest.mark.slow
def test_two_angles_are_simulated_and_solved_on_the_torus():
    p = torus()
    solver = GridSolver(1.0, 1.0, 0.1, potential=p)
    source, target = ((0.0, 0.0), 0.4), ((math.pi, 0.0), 0.4)
    committor = solver.committor(source, target)
    left, right = solver.interpolate(committor, [[-1.5, 0.3], [1.5, -0.3]])
    assert left == pytest.approx(right, abs=1e-9), "both ways around are alike"
    across = solver.interpolate(committor, [[math.pi - 0.1, 0.0], [0.1 - math.pi, 0.0]])
    np.testing.assert_allclose(across, 1.0, atol=1e-9)
    exact = solver.interpolate(solver.mean_first_passage_time(target), [0.0, 0.0])
    starts = np.zeros((3000, 2))
    times = first_passage_times(UNIT, starts, 3, *target, max_time=1e3, potential=p)
    assert abs(times.mean() - exact) < 3 * times.std() / math.sqrt(len(times))
    frames = simulate(replace(UNIT, stride=100, n_frames=300), starts, 4, potential=p)
    assert (frames >= -3.1416).all() and (frames <= 3.1416).all()
    late = frames[:, 200:, 0]
    weight = np.cos(solver.positions[..., 0])
    at_start = (np.abs(solver.positions).max(axis=-1) < 0.06).astype(float)
    expected = solver.average(solver.propagate(weight, 25.0), at_start)
    assert np.cos(late).mean() == pytest.approx(expected, abs=0.05)


def test_a_free_rotor_forgets_at_the_rate_of_its_diffusion():
    flat = Potential(
        lambda x, y: 0.0,
        box=((0.0, 0.0), (2 * math.pi, 2 * math.pi)),
        minima=[[0.0, 0.0]],
        periodic=True,
    )
    solver = GridSolver(1.0, 2.0, 0.1, potential=flat)
    np.testing.assert_allclose(solver.implied_timescales(4), 0.5, rtol=2e-3)
    along = np.cos(solver.positions[..., 0])
    np.testing.assert_allclose(solver.propagate(along, 0.4), math.exp(-0.8) * along, atol=2e-3)


def test_four_wells_are_four_states():
    p = four_wells()
    data = make_dataset(400, regime=replace(UNIT, stride=20, n_frames=30), potential=p)
    assert p.n_states == 4 and set(data.labels) == {0, 1, 2, 3}
    np.testing.assert_array_equal(data.labels, assign_states(data.trajectories[:, 0], p))
    signs = np.sign(p.minima).astype(int).tolist()
    assert signs == [[-1, -1], [1, -1], [-1, 1], [1, 1]], "deepest first"
    solver = GridSolver(1.0, 1.0, 0.05, potential=p)
    known = label_posterior(solver, [0, 20], 0.02)
    right = (known.joint[1].argmax(axis=0) == np.arange(4)[:, None, None]) * known.joint[1]
    assert known.joint[1].sum() * solver.cell_area == pytest.approx(1, abs=1e-6)
    assert right.sum() * solver.cell_area == pytest.approx(known.accuracy[1])
    assert len(sample_starts(5, 1, potential=p)) == 5


@pytest.mark.slow
def test_mueller_brown_by_the_general_way_gives_the_same_passages(reader):
    kwargs = dict(max_time=200.0)
    config = SimulationConfig(0.1, 10.0, 5e-5, 5, 2)
    starts = np.tile(MINIMA[1], (1500, 1))
    times = first_passage_times(config, starts, 3, MINIMA[0], 0.1, potential=reader, **kwargs)
    solver = GridSolver(0.1, 10.0, 0.02)
    exact = solver.interpolate(solver.mean_first_passage_time((MINIMA[0], 0.1)), MINIMA[1])
    assert abs(times.mean() - exact) < 3.5 * times.std() / math.sqrt(len(times))


# ---- what is refused, and what is not a matter of units ------------------------------------------


@pytest.mark.parametrize(
    ("minima", "message"),
    [
        ([[0, 0]], r"minima\[0\] = \[0.0, 0.0\] is no minimum"),  # the pass
        ([[-1, 0], [0.7, 0.2]], r"minima\[1\] .* no minimum"),
        ([[-1, 0], [50, 50]], "lies outside"),
        ([[-1, 0], [1, 0], [1, 0]], "there twice"),
    ],
)
def test_points_that_are_no_minima_are_refused(minima, message):
    with pytest.raises(ValueError, match=message):
        Potential(two_wells, box=((-2, -1), (2, 1)), minima=minima)


def test_minima_may_be_given_to_a_few_digits():
    found = Potential(two_wells, box=((-2, -1), (2, 1)), minima=[[1, 0], [-1.001, 0]])
    assert found.minima.tolist() == [[1, 0], [-1.001, 0]]


def two_wells(x, y):
    return (x * x - 1) ** 2 + y * y


@pytest.mark.parametrize("unit", [1e-3, 1e-6, 1e-20])
def test_minima_are_found_in_small_units_of_energy(unit):
    found = Potential(lambda x, y: unit * ((x * x - 1) ** 2 + y * y), box=((-2, -1), (2, 1)))
    np.testing.assert_allclose(found.minima, [[-1, 0], [1, 0]], atol=1e-6)


def test_passage_times_do_not_depend_on_the_unit_of_length():
    times = []
    for unit in (1.0, 1e-3):
        wells = Potential(
            lambda x, y: 3 * ((x * x / unit**2 - 1) ** 2 + y * y / unit**2),  # noqa: B023
            box=((-2 * unit, -unit), (2 * unit, unit)),
        )
        solver = GridSolver(1.0, unit**2, grid_step=0.05 * unit, potential=wells)
        disks = [((place * unit, 0.0), 0.2 * unit) for place in (-1, 1)]
        times.append(1 / solver.rate(*disks))
    assert times[0] == pytest.approx(times[1], rel=0.01)


def test_steps_that_rounding_would_swallow_are_refused():
    far = Potential(
        lambda x, y: ((x - 1e5) ** 2 + (y - 1e5) ** 2) / 2, box=((99998, 99998), (100002, 100002))
    )
    config = SimulationConfig(1.0, 1.0, 1e-4, 10, 5)
    starts = sample_starts(3, 1, potential=far)
    with pytest.raises(ValueError, match="move the potential to the origin"):
        simulate(config, starts, 1, potential=far)
    assert simulate(replace(config, precision="float64"), starts, 1, potential=far).shape


def test_a_simulation_goes_on_from_wherever_it_came_to():
    trough = Potential(
        lambda x, y: 5 * (x * x - 1) ** 2 + 0.5 * y * y, box=((-1.2, -0.3), (1.2, 0.3))
    )
    config = SimulationConfig(1.0, 1.0, 1e-3, 100, 100)
    starts = sample_starts(20, 1, potential=trough)
    whole, state = simulate(config, starts, 1, potential=trough, return_state=True)
    assert (np.abs(state.positions[:, 1]) > 0.9).any()  # where no trajectory may start
    more = simulate(config, state, 1, potential=trough)
    longer = simulate(replace(config, n_frames=199), starts, 1, potential=trough)
    np.testing.assert_array_equal(longer[:, 99:], more)
