"""The simulator: random numbers, bytes, orders, equilibrium, passages, refusals, speed."""

import json
import math
import os
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mb_support.potential import MINIMA, Potential, force, potential
from mb_support.simulation import (
    REGIMES,
    SimulationConfig,
    SimulationState,
    TrajectoryEscaped,
    first_passage_times,
    kernels,
    random_numbers,
    sample_starts,
    simulate,
)
from mb_support.states import assign_states

METASTABLE = REGIMES["metastable"]
INTEGRATORS = ["overdamped", "leimkuhler_matthews", "underdamped"]


# --- a plain NumPy simulator, driven by the same random numbers: the oracle ---------------------


def philox(counter, key):
    """Philox 4x32-10 of Salmon et al. (2011), section 3.3: (n, 4), (n, 2) to (n, 4), in uint64."""
    c, k = counter.astype(np.uint64).T.copy(), key.astype(np.uint64).T.copy()
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = np.stack([(b >> shift) ^ c[1] ^ k[0], b & low, (a >> shift) ^ c[3] ^ k[1], a & low])
        k = (k + np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)) & low
    return c.T


def deviates(seed, trajectories, step):
    """Normals (n, 2) of a step, by exact Box-Muller from the words addressed as documented."""
    n, pair = len(trajectories), step // 2
    counter = np.zeros((n, 4), np.uint64)
    counter[:, 0], counter[:, 2] = pair % 2**32, pair >> 32
    counter[:, 1] = [i % 2**32 for i in trajectories]
    counter[:, 3] = [i >> 32 for i in trajectories]
    words = philox(counter, np.tile([seed % 2**32, seed >> 32], (n, 1)))
    radius_word, angle_word = words[:, 2 * (step % 2) : 2 * (step % 2) + 2].T
    radius = np.sqrt(-2 * np.log((radius_word.astype(float) + 0.5) / 2**32))
    turn = (angle_word.astype(np.int64) * 2 % 2**32 + 2**31) % 2**32 - 2**31
    sign = np.where(angle_word >= 2**31, -1, 1)
    angle = 2 * np.pi * turn / 2**33
    return (sign * radius * np.stack([np.cos(angle), np.sin(angle)])).T


def oracle(config, starts, seed, trajectories, velocities=None):
    """Trajectories by the textbook formulas, in float64."""
    x, frames = starts.astype(float), [starts]
    v = velocities
    for step in range((config.n_frames - 1) * config.stride):
        z = deviates(seed, trajectories, step)
        if config.integrator == "underdamped":
            h, m = config.dt, config.mass
            decay = np.exp(-config.friction_rate * h)
            v = v + h / 2 / m * force(x)
            x = x + h / 2 * v
            v = decay * v + np.sqrt((1 - decay**2) / (config.beta * m)) * z
            x = x + h / 2 * v
            v = v + h / 2 / m * force(x)
        else:
            if config.integrator == "leimkuhler_matthews":
                z = (z + deviates(seed, trajectories, step + 1)) / 2
            drift = config.beta * config.diffusion * config.dt * force(x)
            x = x + drift + np.sqrt(2 * config.diffusion * config.dt) * z
        if (step + 1) % config.stride == 0:
            frames.append(x)
    return np.stack(frames, axis=1)


# --- random numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "counter, key, expected",
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000",
         "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
         "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_philox_gives_the_published_test_vectors(counter, key, expected):
    words = [np.array([[int(w, 16) for w in text.split()]], np.uint32) for text in (counter, key)]
    out = np.empty((1, 4), np.uint32)
    random_numbers.philox_words(*words, out)
    assert " ".join(f"{w:08x}" for w in out[0]) == expected
    assert philox(*words)[0].tolist() == out[0].tolist()


@pytest.fixture(scope="module")
def normals():
    """About 13 million deviates, through the functions that the simulator uses."""
    work = _workspace()
    pieces = []
    for batch in range(12_800):
        kernels.draw_normals(work, kernels.LANES, np.uint64(77), np.uint64(0), batch)
        pieces.append(work.normals.copy())
    return np.concatenate(pieces).astype(float)


def _workspace():
    from mb_support.simulation.langevin import _workspace as make

    return make()


@pytest.mark.slow
def test_normal_deviates_have_the_moments_of_the_normal_distribution(normals):
    n = len(normals)
    assert n >= 10_000_000
    # order: (expectation, variance of the power), cut-off 4 standard errors
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((normals**power).mean() - mean) < 4 * math.sqrt(variance / n), power


def test_normal_deviates_pass_kolmogorov_smirnov(normals):
    assert stats.kstest(normals, "norm").pvalue > 1e-3


def test_normal_deviates_have_the_right_tails(normals):
    for limit in (3.0, 4.0, 5.0):
        expected = 2 * stats.norm.sf(limit) * len(normals)
        seen = np.count_nonzero(np.abs(normals) > limit)
        assert abs(seen - expected) < 4 * math.sqrt(expected), limit
    assert np.abs(normals).max() < math.sqrt(2 * 33 * math.log(2))


def test_deviates_of_neighbouring_steps_trajectories_and_axes_are_uncorrelated(normals):
    z = normals.reshape(-1, 2, kernels.BATCH, kernels.LANES)
    pairs = {
        "axes": (z[:, 0], z[:, 1]),
        "steps": (z[:, :, :-1], z[:, :, 1:]),
        "trajectories": (z[..., :-1], z[..., 1:]),
        "squares": (z[:, 0] ** 2 - 1, (z[:, 1] ** 2 - 1) / 2),
    }
    for name, (a, b) in pairs.items():
        assert abs((a * b).mean()) < 4 / math.sqrt(a.size), name


# --- trajectories against the oracle ------------------------------------------------------------


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("precision, tolerance", [("float32", 3e-5), ("float64", 2e-5)])
def test_trajectories_follow_the_plain_numpy_integrator(integrator, precision, tolerance):
    # the saved frames are float32 and the deviates carry an absolute error of 2e-6
    config = SimulationConfig(
        1 / 15, 1.0, 1e-4 if integrator != "underdamped" else 1e-3, stride=3, n_frames=21,
        integrator=integrator, precision=precision,
    )  # fmt: skip
    first, seed = 2**33 + 5, 2**62 + 987654321
    starts = sample_starts(20, 3)
    ours, state = simulate(config, starts, seed, first_trajectory=first, return_state=True)
    velocities = None
    if integrator == "underdamped":  # the draw of initial velocities is tested elsewhere
        from mb_support.simulation.langevin import _initial_velocities

        velocities = _initial_velocities(config, seed, first, len(starts)).astype(float)
    expected = oracle(config, starts, seed, [first + i for i in range(20)], velocities)
    np.testing.assert_allclose(ours, expected, atol=tolerance)
    np.testing.assert_allclose(state.positions, expected[:, -1], atol=tolerance)


def test_compiled_force_agrees_with_the_potential_module():
    # one step without noise is the force
    starts = sample_starts(500, 9)
    for precision, tolerance in (("float32", 2e-6), ("float64", 1e-6)):
        config = SimulationConfig(
            1e6, 1e-10, 1e-1, 1, 2, precision=precision
        )  # beta D dt = 1e-5, noise 4e-6
        moved, state = simulate(config, starts, 1, return_state=True)
        noise = math.sqrt(2 * 1e-10 * 1e-1) * np.array(deviates(1, range(500), 0))
        drift = state.positions - starts - noise
        np.testing.assert_allclose(drift, 1e-5 * force(starts), atol=tolerance, rtol=2e-6)


def test_both_precisions_see_the_same_random_numbers():
    config = replace(METASTABLE, n_frames=41, stride=1)
    starts = sample_starts(50, 1)
    single = simulate(config, starts, 2)
    double = simulate(replace(config, precision="float64"), starts, 2)
    assert 0 < np.abs(single - double).max() < 1e-5


# --- bytes depend on nothing but configuration, seed, index and start ---------------------------


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_bytes_do_not_depend_on_threads_batches_or_resumption(integrator, precision):
    config = replace(
        METASTABLE, n_frames=1000, stride=1, integrator=integrator, precision=precision
    )
    starts = sample_starts(1000, 5)
    full = simulate(config, starts, 7, n_threads=1)
    assert simulate(config, starts, 7, n_threads=2).tobytes() == full.tobytes()
    assert simulate(config, starts, 7, n_threads=5).tobytes() == full.tobytes()
    for i in range(0, 1000, 37):
        part = simulate(config, starts[i : i + 37], 7, first_trajectory=i)
        assert part.tobytes() == full[i : i + 37].tobytes()
    for i in (0, 1, 511, 999):
        alone = simulate(config, starts[i : i + 1], 7, first_trajectory=i)
        assert alone.tobytes() == full[i : i + 1].tobytes()
    head, state = simulate(replace(config, n_frames=501), starts, 7, return_state=True)
    tail = simulate(replace(config, n_frames=500), state, 7)
    assert head.tobytes() == full[:, :501].tobytes()
    assert tail.tobytes() == full[:, 500:].tobytes()


@pytest.mark.parametrize("integrator", INTEGRATORS[:2])
@pytest.mark.parametrize("stride", [1, 7])
def test_single_precision_run_continues_from_its_own_frame(integrator, stride):
    config = replace(METASTABLE, n_frames=60, stride=stride, integrator=integrator)
    full = simulate(config, sample_starts(40, 5), 7)
    tail = simulate(replace(config, n_frames=37), SimulationState(full[:, 23], None, 23), 7)
    assert tail.tobytes() == full[:, 23:].tobytes()


def test_trajectory_index_carries_beyond_32_bits():
    config = replace(METASTABLE, n_frames=5)
    starts = sample_starts(300, 5)
    across = simulate(config, starts, 3, first_trajectory=2**32 - 100)
    beyond = simulate(config, starts[100:], 3, first_trajectory=2**32)
    assert across[100:].tobytes() == beyond.tobytes()
    assert simulate(config, starts[100:], 3).tobytes() != beyond.tobytes()


def test_other_seed_other_trajectories_same_first_frame():
    config = replace(METASTABLE, n_frames=5)
    starts = sample_starts(10, 5)
    a, b = simulate(config, starts, 1), simulate(config, starts, 1 + 2**32)
    assert a.dtype == np.float32 and a.shape == (10, 5, 2)
    np.testing.assert_array_equal(a[:, 0], starts.astype(np.float32))
    np.testing.assert_array_equal(b[:, 0], a[:, 0])
    assert (a[:, 1:] != b[:, 1:]).all()


def test_starts_depend_on_seed_and_index_and_fill_the_box():
    starts = sample_starts(20_000, 4)
    np.testing.assert_array_equal(starts[150:200], sample_starts(50, 4, first_trajectory=150))
    for axis, (low, high) in enumerate([(-1.5, 1.2), (-0.2, 2.0)]):
        uniform = stats.uniform(low, high - low).cdf
        assert stats.kstest(starts[:, axis], uniform).pvalue > 1e-3
    assert abs(np.corrcoef(starts.T)[0, 1]) < 4 / math.sqrt(len(starts))


# --- integrators: measured order, exact variances -----------------------------------------------


def harmonic_variance(integrator, dt, n=4096, relax=6.0, length=60.0, stiffness=1.0):
    """Variance of a harmonic well at kT = 1 and its standard error, at beta D = 1 or friction 1."""
    stride = max(1, round(0.5 / dt))
    config = SimulationConfig(
        1.0, 1.0, 1e-6, stride, round((relax + length) / (stride * dt)), integrator=integrator,
        friction=1.0, precision="float64",
    )  # fmt: skip
    config = replace(config, dt=dt)
    starts = np.random.default_rng(5).normal(size=(n, 2)).clip(-2.4, 2.4)
    x = simulate(config, starts, 11, potential=well(stiffness))
    x = x[:, round(relax / (stride * dt)) :].astype(float)
    means = (x**2).mean(axis=(1, 2))
    return means.mean(), means.std(ddof=1) / math.sqrt(n)


@pytest.mark.parametrize(
    "integrator, exact",
    [
        # stationary variance of the scheme itself, at k = m = kT = friction = beta D = 1
        ("overdamped", lambda h: 1 / (1 - h / 2)),
        ("leimkuhler_matthews", lambda h: 1.0),
        ("underdamped", lambda h: 1.0),
    ],
)
@pytest.mark.slow
def test_harmonic_well_has_the_exact_variance_of_the_scheme(integrator, exact):
    for dt in (0.5, 0.25):
        variance, error = harmonic_variance(integrator, dt)
        assert error < 0.005
        assert abs(variance - exact(dt)) < 3 * error, dt


@pytest.mark.parametrize("integrator", INTEGRATORS[:2])
@pytest.mark.slow
def test_harmonic_well_relaxes_as_it_should(integrator):
    # mean of x_n from x_0 = 2 decays by 1 - h a step in both overdamped schemes
    config = SimulationConfig(1.0, 1.0, 1e-6, 1, 21, integrator=integrator)
    config = replace(config, dt=0.1)
    x = simulate(config, np.full((20_000, 2), 2.0), 3, potential=well())
    mean, error = x.mean(axis=0), x.std(axis=0) / math.sqrt(len(x)) + 1e-9
    z = (mean - 2 * 0.9 ** np.arange(21)[:, None]) / error
    assert (np.abs(z[1:]) < 4).all()  # 40 correlated comparisons


def test_velocities_are_maxwell_boltzmann():
    config = replace(REGIMES["underdamped"], n_frames=50, mass=2.0)
    _, state = simulate(config, np.tile(MINIMA[0], (20_000, 1)), 3, return_state=True)
    energy = config.mass * (state.velocities.astype(float) ** 2).sum(axis=1) / 2
    assert abs(energy.mean() - 15) < 3 * energy.std() / math.sqrt(len(energy)) + 0.15
    start = simulate(replace(config, n_frames=1), np.tile(MINIMA[0], (20_000, 1)), 3,
                     return_state=True)[1].velocities  # fmt: skip
    assert stats.kstest(start.ravel() / math.sqrt(15 / 2), "norm").pvalue > 1e-3


def test_energy_is_conserved_without_friction():
    config = SimulationConfig(
        1 / 15, None, 5e-4, 20, 200, integrator="underdamped", friction=0.0, precision="float64"
    )
    x, state = simulate(config, np.tile(MINIMA[0], (64, 1)), 3, return_state=True)
    first = simulate(replace(config, n_frames=1), np.tile(MINIMA[0], (64, 1)), 3, return_state=True)
    energies = [
        potential(s.positions) + (s.velocities**2).sum(axis=1) / 2 for s in (first[1], state)
    ]
    assert np.abs(energies[1] - energies[0]).max() < 0.1


def well(stiffness=1.0, quartic=0.0):
    """V = stiffness (x^2 + y^2) / 2 + quartic (x^4 + y^4) / 4."""

    def energy(x, y):
        return stiffness * (x * x + y * y) / 2 + quartic * (x**4 + y**4) / 4

    return Potential(energy, box=((-3, -3), (3, 3)), minima=[[0.0, 0.0]])


def bias_of_quartic_well(integrator, dt, n_chunks, length=4000.0, n=2048):
    """Error of <exp(-x^2)> in V = x^2/2 + x^4/4 at kT = 1, and its standard error."""
    grid = np.linspace(-6, 6, 20_001)
    weight = np.exp(-(grid**2) / 2 - grid**4 / 4)
    exact = (np.exp(-(grid**2)) * weight).sum() / weight.sum()
    stride = round(1.0 / dt)
    config = SimulationConfig(
        1.0, 1.0, 1e-6, stride, round(length / (stride * dt)), integrator=integrator, friction=1.0
    )
    starts = np.random.default_rng(6).normal(size=(n, 2), scale=0.6).clip(-2, 2)
    means = []
    for i in range(n_chunks):
        x = simulate(
            replace(config, dt=dt), starts, 13, first_trajectory=i * n,
            potential=well(1.0, 1.0),
        )[:, 10:]  # fmt: skip
        means.append(np.exp(-x * x).mean(axis=(1, 2), dtype=float))
    means = np.concatenate(means)
    return means.mean() - exact, means.std(ddof=1) / math.sqrt(len(means))


@pytest.mark.parametrize(
    "integrator, dts, order",
    [
        ("overdamped", (0.04, 0.02), 1),
        ("leimkuhler_matthews", (0.14, 0.07), 2),
        ("underdamped", (0.32, 0.16), 2),
    ],
)
@pytest.mark.slow
def test_averages_converge_at_the_order_of_the_integrator(integrator, dts, order):
    # halving dt divides the bias by 2^order, up to statistical error and the next order of dt
    (coarse, error_coarse), (fine, error_fine) = (
        bias_of_quartic_well(integrator, dt, n_chunks=1 if order == 1 else 3) for dt in dts
    )
    assert abs(fine) > 4 * error_fine, "no bias to measure"
    measured = math.log2(coarse / fine)
    error = math.hypot(error_coarse / coarse, error_fine / fine) / math.log(2)
    assert error < 0.35
    assert abs(measured - order) < 3 * error


# --- equilibrium on Müller-Brown ----------------------------------------------------------------


def exact_mean_energy(centre, radius, kT=15.0):
    """Boltzmann average of V over a disk, by quadrature in polar coordinates."""
    r = (np.arange(600) + 0.5) / 600 * radius
    a = np.arange(720) * 2 * np.pi / 720
    points = centre + np.stack([np.outer(r, np.cos(a)), np.outer(r, np.sin(a))], axis=-1)
    v = potential(points)
    w = r[:, None] * np.exp(-(v - v.min()) / kT)
    return (w * v).sum() / w.sum()


@pytest.mark.parametrize("minimum", [MINIMA[0], MINIMA[1]])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_mean_energy_in_a_basin_agrees_with_quadrature(minimum, precision):
    config = replace(
        METASTABLE, integrator="leimkuhler_matthews", stride=50, n_frames=500, precision=precision
    )
    x = simulate(config, np.tile(minimum, (2048, 1)), 31)[:, 50:]
    inside = np.linalg.norm(x - minimum, axis=2) < 0.3
    v = potential(x.reshape(-1, 2)).reshape(x.shape[:2])
    sums, counts = (v * inside).sum(axis=1), inside.sum(axis=1)
    mean = sums.sum() / counts.sum()
    error = np.std(sums - mean * counts, ddof=1) / counts.mean() / math.sqrt(len(x))
    assert error < 0.05
    assert abs(mean - exact_mean_energy(minimum, 0.3)) < 3 * error


def test_equilibrium_histogram_agrees_with_quadrature():
    # kT = 30 equilibrates quickly; independent trajectories give the covariance of the bins, so
    # the chi-square is corrected for correlation
    beta = 1 / 30
    config = SimulationConfig(beta, 1.0, 1e-4, 100, 2001, integrator="leimkuhler_matthews")
    x = simulate(config, sample_starts(1024, 41), 41)[:, 1000:]
    edges_x, edges_y = np.linspace(-1.6, 1.3, 7), np.linspace(-0.5, 2.1, 7)
    fine = 60
    gx = np.linspace(-2.2, 1.9, 41 * fine // 5 + 1)
    gy = np.linspace(-1.2, 2.8, 40 * fine // 5 + 1)
    gx, gy = (gx[1:] + gx[:-1]) / 2, (gy[1:] + gy[:-1]) / 2
    grid = np.stack(np.meshgrid(gx, gy, indexing="ij"), axis=-1)
    weight = np.exp(-beta * (potential(grid) + 146.7))
    expected = np.histogram2d(
        grid[..., 0].ravel(), grid[..., 1].ravel(), bins=(edges_x, edges_y),
        weights=(weight / weight.sum()).ravel(),
    )[0].ravel()  # fmt: skip
    column = np.digitize(x[..., 0], edges_x) - 1
    row = np.digitize(x[..., 1], edges_y) - 1
    is_in = (column >= 0) & (column < 6) & (row >= 0) & (row < 6)
    bins = np.where(is_in, 6 * column + row, 36)
    fractions = np.stack([np.bincount(b, minlength=37)[:36] for b in bins]) / bins.shape[1]
    kept = expected > 2e-3
    assert kept.sum() >= 12
    difference = fractions.mean(axis=0)[kept] - expected[kept]
    covariance = np.cov(fractions[:, kept].T) / len(fractions)
    chi_square = difference @ np.linalg.solve(covariance, difference)
    assert stats.chi2(kept.sum()).sf(chi_square) > 1e-3


@pytest.mark.parametrize("kT, source, target", [(15, 1, 0), (20, 0, 1), (20, 1, 0)])
def test_mean_first_passage_times_agree_with_the_solver(kT, source, target):
    from mb_support.reference import GridSolver

    solver = GridSolver(1 / kT, 1.0, grid_step=0.02)
    disk = (MINIMA[target], 0.1)
    exact = float(solver.interpolate(solver.mean_first_passage_time(disk), MINIMA[source]))
    config = SimulationConfig(1 / kT, 1.0, 1e-4, 2, 2, integrator="leimkuhler_matthews")
    n = 2560 if exact < 15 else 1024
    times = first_passage_times(
        config, np.tile(MINIMA[source], (n, 1)), 51, *disk, max_time=100 * exact
    )
    assert abs(times.mean() - exact) < 3 * times.std() / math.sqrt(n)


def test_first_passage_of_a_diffusing_particle_in_a_harmonic_well_is_as_computed():
    # V = x^2 / 2 at kT = 1 from r = 2 to the disk r < 1: the mean time solves the radial
    # backward equation, t = integral of r^-1 e^{r^2/2} int_r^inf s e^{-s^2/2} ds = ln 2
    config = SimulationConfig(1.0, 1.0, 1e-6, 1, 2)
    config = replace(config, dt=2e-4)
    times = first_passage_times(
        config, np.tile([2.0, 0.0], (4096, 1)), 3, (0.0, 0.0), 1.0, max_time=100.0,
        potential=well(),
    )  # fmt: skip
    # looking at whole steps only, the disk seems smaller by 0.5826 sqrt(2 dt)
    late = math.log(2 / (1 - 0.5826 * math.sqrt(2 * 2e-4)))
    assert abs(times.mean() - late) < 3 * times.std() / math.sqrt(len(times))


def test_first_passage_is_zero_in_the_target_and_loud_when_time_runs_out():
    config = replace(METASTABLE, stride=5)
    times = first_passage_times(config, MINIMA[:1], 1, MINIMA[0], 0.1, max_time=1.0)
    assert times.tolist() == [0.0]
    with pytest.raises(RuntimeError, match="2 of 2 trajectories have not arrived"):
        first_passage_times(config, np.tile(MINIMA[0], (2, 1)), 1, MINIMA[1], 0.1, max_time=0.01)


@pytest.mark.parametrize("integrator, largest", [("overdamped", 0.00369), ("underdamped", 0.0157)])
def test_a_time_step_that_explodes_is_refused(integrator, largest):
    config = replace(METASTABLE, integrator=integrator, dt=0.1)
    message = rf"dt must be at most {largest:.3g}.*got 0\.1"
    with pytest.raises(ValueError, match=message):
        simulate(config, MINIMA[:1], 1)
    with pytest.raises(ValueError, match=message):
        first_passage_times(config, MINIMA[:1], 1, MINIMA[1], 0.1, max_time=1.0)


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        ({"dt": -1e-4}, r"dt must be positive and finite; got -0\.0001"),
        ({"dt": 0.0}, "dt must be positive and finite; got 0"),
        ({"dt": math.nan}, "dt must be positive and finite; got nan"),
        ({"beta": 0.0}, "beta must be positive"),
        ({"beta": -1.0}, r"beta must be positive and finite; got -1\.0"),
        ({"beta": math.inf}, "beta must be positive and finite; got inf"),
        ({"beta": "hot"}, "beta must be one positive number; got 'hot'"),
        ({"diffusion": 0}, "diffusion must be positive"),
        ({"diffusion": None}, "diffusion must be a positive number"),
        ({"diffusion": None, "integrator": "underdamped"}, "friction must be given"),
        ({"n_frames": 0}, "n_frames must be an integer from 1 to 1000000000; got 0"),
        ({"n_frames": 2.5}, "n_frames must be an integer.*got 2.5"),
        ({"stride": 0}, "stride must be an integer from 1 to 1000000000; got 0"),
        ({"integrator": "verlet"}, "integrator must be one of.*'overdamped'.*got 'verlet'"),
        ({"precision": "float16"}, "precision must be one of.*got 'float16'"),
        ({"mass": -2.0}, r"mass must be positive and finite; got -2\.0"),
        ({"friction": -1.0}, "friction must be zero or positive"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(METASTABLE, **change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"starts": [[math.nan, 0.0]]}, r"starts must be finite points.*starts\[0\] is \[nan"),
        ({"starts": [[0.0, 0.0], [50.0, 0.0]]}, r"starts\[1\] is \[50\.0, 0\.0\]"),
        ({"starts": [0.0, 0.0]}, r"starts must have shape \(n, 2\).*got \(2,\)"),
        ({"starts": np.empty((0, 2))}, "starts must have shape"),
        ({"seed": -1}, "seed must be an integer from 0 to 9223372036854775807; got -1"),
        ({"seed": 2**63}, "seed must be an integer from 0"),
        ({"seed": 1.5}, "seed must be an integer.*got 1.5"),
        ({"first_trajectory": -1}, "first_trajectory must be an integer from 0"),
        ({"n_threads": 0}, "n_threads must be an integer from 1"),
        ({"config": {"beta": 1}}, "config must be a SimulationConfig; got dict"),
    ],
)
def test_impossible_calls_are_refused(change, message):
    arguments = {"config": replace(METASTABLE, n_frames=2), "starts": [[0.0, 0.0]], "seed": 1}
    with pytest.raises(ValueError, match=message):
        simulate(**{**arguments, **change})


def test_velocities_of_a_state_must_be_finite():
    config = replace(REGIMES["underdamped"], n_frames=2)
    with pytest.raises(ValueError, match="velocities of the state must be finite"):
        simulate(config, SimulationState(np.zeros((1, 2)), np.full((1, 2), np.nan), 3), 1)


@pytest.mark.parametrize(
    "n, seed, message", [(0, 1, "n must be an integer from 1"), (3, -1, "seed must")]
)
def test_impossible_draws_of_starts_are_refused(n, seed, message):
    with pytest.raises(ValueError, match=message):
        sample_starts(n, seed)


def test_trajectory_that_escapes_stops_with_an_error_that_says_so():
    config = SimulationConfig(0.0065, 15.0, 2e-3, 50, 60)
    with pytest.raises(TrajectoryEscaped, match="left the finite range.*dt = 0.002"):
        simulate(config, sample_starts(200, 1), 1)


def test_steep_start_escapes_instead_of_becoming_silent_nan():
    with pytest.raises(TrajectoryEscaped, match="trajectory 1 left the finite range"):
        simulate(replace(METASTABLE, n_frames=3), [[0.0, 0.0], [2.4, 3.9]], 1)


@pytest.mark.parametrize("name", sorted(REGIMES))
def test_regimes_run_and_visit_both_states(name):
    x = simulate(REGIMES[name], sample_starts(64, 2), 2)
    assert np.isfinite(x).all()
    assert set(assign_states(x[:, 0])) == {0, 1}


def test_settings_survive_json_and_unknown_keys_do_not():
    config = replace(METASTABLE, integrator="underdamped", friction=3.0, precision="float64")
    settings = json.loads(json.dumps(config.to_dict()))
    assert SimulationConfig.from_dict(settings) == config
    with pytest.raises(ValueError, match=r"unknown keys \['colour'\]"):
        SimulationConfig.from_dict({**settings, "colour": 1})
    del settings["beta"]
    with pytest.raises(ValueError, match=r"lack \['beta'\]"):
        SimulationConfig.from_dict(settings)


def test_friction_defaults_to_the_einstein_relation():
    config = SimulationConfig(1 / 15, 2.0, 1e-3, 1, 2, integrator="underdamped", mass=3.0)
    assert config.friction_rate == pytest.approx(15 / (3 * 2))


# --- speed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision, at_least", [("float32", 300), ("float64", 100)])
def test_simulator_is_fast(precision, at_least):
    # per core and in processor time, so that other work on the machine matters less; the
    # measured comparison is benchmarks/simulator.py
    has_avx512 = os.path.exists("/proc/cpuinfo") and "avx512f" in open("/proc/cpuinfo").read()
    if not has_avx512:
        pytest.skip("the floor is for processors with AVX-512")
    config = replace(METASTABLE, n_frames=81, precision=precision)
    starts = sample_starts(512, 1)
    simulate(config, starts, 1, n_threads=1)
    n_steps, wanted, best = 512 * 80 * config.stride, 0.6 * at_least * 1e6, 0.0
    for attempt in range(60):
        begin = time.thread_time()
        simulate(config, starts, 1, n_threads=1)
        best = max(best, n_steps / (time.thread_time() - begin))
        if best > wanted:
            break
        time.sleep(0.5 * (attempt >= 10))  # a test on the other half of this core takes its share
    assert best > wanted
