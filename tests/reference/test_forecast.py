"""Exact forecasts against matrix exponentials, explicit sums and simulation."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.sparse.linalg import expm_multiply

from mb_support.files.cache import cached
from mb_support.potential import Potential
from mb_support.reference import GridSolver, forecast, propagation
from mb_support.reference.grid import DIRECTIONS
from mb_support.simulation import REGIMES, sample_starts, simulate
from mb_support.states import assign_states

CONFIG = REGIMES["metastable"]


@pytest.fixture(scope="module")
def solver():
    return GridSolver(CONFIG.beta, CONFIG.diffusion, grid_step=0.04)


@pytest.fixture(scope="module")
def coarse():
    return GridSolver(CONFIG.beta, CONFIG.diffusion, grid_step=0.1)


def generator_of(solver):
    """The generator as a plain matrix over active nodes, built entry by entry."""
    number = np.cumsum(solver.active.ravel()).reshape(solver.shape) - 1
    n = int(solver.active.sum())
    matrix = sparse.lil_matrix((n, n))
    for i, j in np.argwhere(solver.active):
        for direction, (d_x, d_y) in enumerate(DIRECTIONS):
            rate = solver.grid.rates[direction, i, j]
            if rate > 0:
                matrix[number[i, j], number[i + d_x, j + d_y]] += rate
                matrix[number[i, j], number[i, j]] -= rate
    return matrix.tocsr()


@pytest.mark.parametrize("time", [0.005, 0.1])
def test_propagation_is_the_matrix_exponential(coarse, time):
    generator = generator_of(coarse)
    field = coarse.positions[..., 1] ** 2
    exact = expm_multiply(generator * time, field[coarse.active])
    np.testing.assert_allclose(coarse.propagate(field, time)[coarse.active], exact, atol=1e-9)
    density = forecast.start_density(coarse)[0]
    exact = expm_multiply(generator.T * time, density[coarse.active])
    found = coarse.propagate_density(density, time)[coarse.active]
    np.testing.assert_allclose(found, exact, atol=1e-11 * exact.max())


def test_the_fast_scheme_agrees_with_positive_terms_alone_on_the_highest_walls(solver, monkeypatch):
    field, density = solver.positions[..., 0], forecast.start_density(solver).sum(axis=0)
    fast = solver.propagate(field, 0.3), solver.propagate_density(density, 0.3)
    monkeypatch.setattr(propagation, "_SLIDE", np.inf)
    safe = solver.propagate(field, 0.3), solver.propagate_density(density, 0.3)
    np.testing.assert_allclose(fast[0], safe[0], atol=1e-11)
    np.testing.assert_allclose(fast[1], safe[1], atol=1e-13)


def test_propagation_over_two_times_is_that_over_their_sum(coarse):
    field = coarse.positions[..., 0]
    twice = coarse.propagate(coarse.propagate(field, 0.02), 0.03)
    np.testing.assert_allclose(twice, coarse.propagate(field, 0.05), atol=1e-11)
    np.testing.assert_array_equal(coarse.propagate(field, 0)[coarse.active], field[coarse.active])


def test_densities_keep_their_norm_and_end_at_the_stationary_one(coarse):
    density = forecast.start_density(coarse)
    later = coarse.propagate_density(density, 0.2)
    np.testing.assert_allclose(later.sum(axis=(1, 2)), density.sum(axis=(1, 2)), rtol=1e-10)
    last = coarse.propagate_density(density.sum(axis=0), 500.0)
    np.testing.assert_allclose(last, coarse.stationary_density(), atol=1e-8 * last.max())


def test_start_density_is_uniform_and_split_at_the_ridge(solver):
    density = forecast.start_density(solver)
    assert density.sum() * solver.cell_area == pytest.approx(1)
    starts = sample_starts(200_000, seed=3)
    share = assign_states(starts).mean()
    assert density[1].sum() * solver.cell_area == pytest.approx(share, abs=0.004)
    inside = density.sum(axis=0)[density.sum(axis=0) > 0]
    assert inside.max() == pytest.approx(1 / (2.7 * 2.2))


def test_label_accuracy_is_what_simulation_reaches(solver):
    frames = [0, 1, 4]
    posterior = forecast.label_posterior(solver, frames, CONFIG.frame_time)
    n = 20_000
    trajectories = simulate(replace(CONFIG, n_frames=5), sample_starts(n, 11), seed=11)
    labels = assign_states(trajectories[:, 0])
    for k, frame in enumerate(frames):
        probability = solver.interpolate(posterior.probability[k], trajectories[:, frame])
        found = np.mean((probability > 0.5) == labels)
        spread = np.sqrt(0.25 / n)
        assert abs(found - posterior.accuracy[k]) < 4 * spread
        # calibrated: the mean probability is the share of label 1
        assert abs(probability.mean() - labels.mean()) < 4 * spread
    assert posterior.accuracy[0] == 1
    assert (np.diff(posterior.accuracy) < 0).all()


def test_last_state_is_known_better_the_later_one_looks(solver):
    accuracy = forecast.last_state_accuracy(solver, [0, 50, 90, 99], 100, CONFIG.frame_time)
    assert (np.diff(accuracy) > 0).all() and accuracy[-1] == 1 and accuracy[0] > 0.5


def test_the_last_of_three_states_is_guessed_as_the_likeliest():
    wells = Potential(three_wells, box=((-1.5, -0.6), (1.5, 0.6)))
    assert wells.n_states == 3
    solver = GridSolver(2.0, 1.0, grid_step=0.1, potential=wells)
    found = forecast.last_state_accuracy(solver, [0, 50, 99], 100, 0.5)
    shares = forecast.state_share(solver)
    settled = [solver.average(share) for share in shares]
    assert found[0] == pytest.approx(max(settled), abs=1e-3)  # all is forgotten
    assert found[0] < found[1] + 1e-6 < found[2] == 1.0


def three_wells(x, y):
    """Three wells in a row, the middle one deepest."""
    return 8 * (x * (x * x - 1)) ** 2 + 0.5 * x * x + 5 * y * y


def test_mean_frame_density_is_the_average_over_frames(coarse):
    now = forecast.start_density(coarse).sum(axis=0)
    total = 0
    for _ in range(11):
        total = total + now
        now = coarse.propagate_density(now, 0.005)
    found = forecast.mean_frame_density(coarse, 11, 0.005)
    np.testing.assert_allclose(found, total / 11, atol=1e-12)


@pytest.mark.slow
def test_next_frame_has_the_simulated_mean_and_spread(solver):
    points = np.array([(-0.558, 1.44), (0.62, 0.03), (-0.8, 0.6)])
    n = 100_000
    starts = np.repeat(points, n, axis=0)
    ends = simulate(replace(CONFIG, n_frames=2), starts, seed=5)[:, 1].astype(float)
    ends = ends.reshape(len(points), n, 2)
    mean, covariance = forecast.simulated_moments(solver, CONFIG)
    for k, point in enumerate(points):
        spread = np.sqrt(solver.interpolate(covariance[[0, 1], [0, 1]], point))
        error = (ends[k].mean(axis=0) - solver.interpolate(mean, point)) / spread * np.sqrt(n)
        assert np.abs(error).max() < 4
        ratio = ends[k].var(axis=0) / spread**2
        assert np.abs(ratio - 1).max() < 4 * np.sqrt(2 / n)


def test_time_step_raises_the_noise_floor_by_less_than_two_per_cent(solver):
    exact = forecast.noise_floor(solver, CONFIG.frame_time)
    simulated = solver.average(forecast.simulated_moments(solver, CONFIG)[1][[0, 1], [0, 1]])
    assert np.all(simulated > exact) and np.all(simulated < 1.03 * exact)


def test_noise_floor_is_free_diffusion_at_first_and_the_variance_in_the_end(solver, coarse):
    short = 1e-5
    floor = forecast.noise_floor(solver, short)
    np.testing.assert_allclose(floor, 2 * CONFIG.diffusion * short, rtol=0.05)
    floor = forecast.noise_floor(coarse, 100.0)
    x = np.moveaxis(coarse.positions, -1, 0)
    variance = coarse.average(x**2) - coarse.average(x) ** 2
    np.testing.assert_allclose(floor, variance, rtol=1e-6)


def test_a_frame_between_two_others_is_known_as_in_an_ornstein_uhlenbeck_process():
    beta, diffusion, stiffness, time = 1.0, 1.0, np.array([1.0, 2.0]), 0.6
    well = Potential(lambda x, y: 0.5 * x * x + y * y, box=((-3, -3), (3, 3)))
    solver = GridSolver(beta, diffusion, 0.2, potential=well)
    found = forecast.interpolation_floor(solver, time, n_modes=60)
    kept = np.exp(-beta * diffusion * stiffness * time)
    exact = (1 - kept**2) / (1 + kept**2) / (beta * stiffness)
    np.testing.assert_allclose(found, exact, rtol=0.02)
    with pytest.raises(ValueError, match="choose a longer time, or more modes"):
        forecast.interpolation_floor(solver, time, n_modes=5)


def test_exact_forecast_agrees_with_simulation(solver):
    config = replace(CONFIG, n_frames=21)
    points = np.array([[-0.6, 1.3], [-0.1, 0.6]])
    means, variances = forecast.exact_forecast(solver, points, config.frame_time, [1, 5, 20])
    for i, point in enumerate(points):
        runs = simulate(config, np.tile(point, (4000, 1)), seed=11)[:, [1, 5, 20]]
        error = runs.std(axis=0) / np.sqrt(len(runs))
        # The grid of this test is good to some 0.004, beside five standard errors.
        assert (abs(runs.mean(axis=0) - means[i]) < 5 * error + 0.004).all()
        spread = runs.var(axis=0)
        np.testing.assert_allclose(variances[i], spread, rtol=0.12)


def test_no_cheap_forecast_beats_the_exact_one(solver):
    data = simulate(replace(CONFIG, n_frames=60), np.tile([-0.2, 0.8], (300, 1)), seed=4)
    prompt, future = data[:, :40], data[:, 40:]
    horizons = np.array([1, 2, 6, 20])
    means, variances = forecast.exact_forecast(solver, prompt[:, -1], CONFIG.frame_time, horizons)
    actual = future[:, horizons - 1]
    floor = ((means - actual) ** 2).sum(axis=-1).mean(axis=0)
    for cheap in (prompt[:, -1:], prompt.mean(axis=1, keepdims=True)):
        assert (((cheap - actual) ** 2).sum(axis=-1).mean(axis=0) > floor).all()
    np.testing.assert_allclose(floor, variances.sum(axis=-1).mean(axis=0), rtol=0.2)


def test_slowest_mode_decays_with_its_own_time(coarse):
    rates, modes = coarse.eigenmodes(1)
    times = np.array([0.0, 0.5, 3.0])
    curve = forecast.autocorrelation(coarse, modes, times)
    np.testing.assert_allclose(curve[0], np.exp(-rates[0] * times), atol=1e-6)


def test_cache_recomputes_what_is_damaged_or_different(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"value": np.arange(5.0)}

    for _ in range(2):
        found = cached("thing", {"beta": 0.1}, compute, folder=tmp_path)
        np.testing.assert_array_equal(found["value"], np.arange(5.0))
    assert len(calls) == 1
    cached("thing", {"beta": 0.2}, compute, folder=tmp_path)
    assert len(calls) == 2
    for path in tmp_path.iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(bytes(data))
    cached("thing", {"beta": 0.1}, compute, folder=tmp_path)
    assert len(calls) == 3
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    cached("thing", {"beta": 0.1}, compute, folder=tmp_path)
    assert len(calls) == 4
    assert not list(tmp_path.glob("*.tmp"))


def test_cache_leaves_nothing_behind_when_the_computation_fails(tmp_path):
    with pytest.raises(RuntimeError):
        cached("thing", {}, lambda: (_ for _ in ()).throw(RuntimeError("no")), folder=tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="parameters must be"):
        cached("thing", {"a": object()}, dict, folder=tmp_path)


def test_a_solver_without_part_of_the_starts_is_refused():
    low = GridSolver(CONFIG.beta, CONFIG.diffusion, grid_step=0.1, energy_cutoff=100.0)
    with pytest.raises(ValueError, match="starts must lie within the active region"):
        forecast.start_density(low)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.propagate(np.zeros(s.shape), -1.0), "time must be"),
        (lambda s: s.propagate(np.zeros(s.shape), np.nan), "time must be"),
        (lambda s: s.propagate(np.zeros(3), 1.0), "values must have shape"),
        (lambda s: s.propagate_density(np.ones(s.shape), 1.0), "density must be zero"),
        (lambda s: forecast.label_posterior(s, [2, 1], 0.005), "frames must ascend"),
        (lambda s: forecast.label_posterior(s, [-1], 0.005), "frames must be integers"),
        (lambda s: forecast.label_posterior(s, [0.5], 0.005), "frames must be integers"),
        (lambda s: forecast.label_posterior(s, [1], 0.0), "frame_time must be positive"),
        (lambda s: forecast.last_state_accuracy(s, [9], 5, 0.005), "frames must lie below"),
        (lambda s: forecast.exact_forecast(s, [[0, 0.5]], 0.005, []), "horizons must be integers"),
        (lambda s: forecast.exact_forecast(s, [[0, 0.5]], 0.005, [0.5]), "horizons must be int"),
        (lambda s: forecast.exact_forecast(s, [[0, 0.5]], 0.005, [0, 1]), "at least 1"),
        (lambda s: forecast.exact_forecast(s, [[0, 0.5]], 0.005, [2, 2]), "horizons must ascend"),
        (lambda s: forecast.mean_frame_density(s, 0, 0.005), "n_frames must be"),
        (lambda s: forecast.autocorrelation(s, s.positions[..., 0], [1, 0]), "times must ascend"),
        (lambda s: forecast.simulated_moments(s, REGIMES["wild"]), "solver must have"),
        (lambda s: forecast.simulated_moments(s, REGIMES["underdamped"]), "integrator must be"),
    ],
)
def test_impossible_requests_are_refused(coarse, call, message):
    with pytest.raises(ValueError, match=message):
        call(coarse)
