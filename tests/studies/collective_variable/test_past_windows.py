"""Memory: time reversal, first passages, entropies, limits, and what a learner makes of windows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import PolynomialFeatures

from mb_support.reference import GridSolver
from mb_support.simulation import REGIMES
from mb_support.states import DISKS
from mb_support.studies.collective_variable import past_windows as memory
from mb_support.studies.collective_variable.frames import exact_committor

OVERDAMPED, UNDERDAMPED = REGIMES["metastable"], REGIMES["underdamped"]


@pytest.fixture(scope="module")
def solver():
    return GridSolver(1 / 15, 1.0, 0.04)


@pytest.fixture(scope="module")
def committor(solver):
    return exact_committor(solver)


@pytest.fixture(scope="module")
def arrivals(solver, committor):
    def sample(config, n, n_frames, seed):
        return memory.sample_arrivals(config, solver, committor, n, n_frames, seed)

    return sample


def test_points_are_drawn_from_the_boltzmann_density_of_the_region(solver, committor):
    points = memory.transition_points(solver, committor, 20_000, np.random.default_rng(0))
    inside = np.where((committor > 0.2) & (committor < 0.8), solver.stationary_density(), 0)
    expected = solver.average(solver.positions.transpose(2, 0, 1), inside)
    spread = points.std(axis=0) / np.sqrt(len(points))
    assert np.all(np.abs(points.mean(axis=0) - expected) < 4 * spread + 1e-4)
    values = solver.interpolate(committor, points)
    assert ((values > 0.15) & (values < 0.85)).all()  # points move within the cells of nodes


def test_who_is_reached_first_agrees_with_the_exact_committor(solver, committor):
    points = np.repeat([[-0.82, 0.62], [-0.05, 0.47]], 300, axis=0)
    reached = memory.first_reached(OVERDAMPED, points, None, DISKS, seed=5)
    exact = solver.interpolate(committor, points[[0, -1]])
    share = reached.reshape(2, -1).mean(axis=1)
    assert np.all(np.abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / 300) + 0.01)


def test_a_trajectory_that_arrives_nowhere_is_an_error():
    nowhere, start = (((-3, -3), 0.1), ((3, 3), 0.1)), np.array([[-0.8, 0.6]])
    with pytest.raises(RuntimeError, match="neither disk"):
        memory.first_reached(OVERDAMPED, start, None, nowhere, 0, max_time=0.1)


@pytest.mark.parametrize("config", [OVERDAMPED, UNDERDAMPED], ids=["overdamped", "underdamped"])
def test_windows_end_in_the_present_and_go_on_to_the_future(arrivals, config):
    some = arrivals(config, 400, 6, 11)
    assert some.windows.shape == (400, 6, 2) and some.next_frames.shape == (400, 2)
    assert set(np.unique(some.outcomes)) == {0, 1}
    steps = np.diff(np.concatenate([some.windows, some.next_frames[:, None]], axis=1), axis=1)
    lengths = np.sqrt(np.square(steps).sum(axis=-1).mean(axis=0))
    assert lengths.max() < 1.5 * lengths.min()  # no jump where past and future are joined


def test_a_reversed_past_is_a_past(arrivals):
    # mean displacement into the present and out of it, both along the present velocity
    some = arrivals(UNDERDAMPED, 4000, 2, 4)
    into = some.windows[:, -1] - some.windows[:, -2]
    out_of = some.next_frames - some.windows[:, -1]
    along = [
        np.mean(step * some.velocities) / np.mean(some.velocities**2) for step in (into, out_of)
    ]
    # a free particle moves v (1 - exp(-friction t)) / friction on average, before and after
    free = (1 - np.exp(-0.2)) / 10
    np.testing.assert_allclose(along, free, rtol=0.05)


def test_overdamped_past_and_future_meet_in_the_present_only(arrivals):
    some = arrivals(OVERDAMPED, 4000, 2, 9)
    into = some.windows[:, -1] - some.windows[:, -2]
    out_of = some.next_frames - some.windows[:, -1]
    # the drift belongs to the present: take it off both, then nothing is left in common
    place = PolynomialFeatures(5).fit_transform((some.windows[:, -1] - [-0.4, 0.6]) / 0.4)
    rest = [s - place @ np.linalg.lstsq(place, s, rcond=None)[0] for s in (into, out_of)]
    for axis in (0, 1):
        correlation = np.corrcoef(rest[0][:, axis], rest[1][:, axis])[0, 1]
        assert abs(correlation) < 4 / np.sqrt(4000)


def test_entropy_of_coins_has_less_than_half_the_bias_of_the_plain_formula():
    rng = np.random.default_rng(0)
    for p in (0.5, 0.2, 0.02):
        exact = -p * np.log(p) - (1 - p) * np.log(1 - p)
        found = memory.binomial_entropy(rng.binomial(50, p, size=50_000), 50).mean()
        share = rng.binomial(50, p, size=50_000) / 50
        safe = np.clip(share, 1e-300, 1 - 1e-16)
        naive = np.where(
            (share > 0) & (share < 1), -safe * np.log(safe) - (1 - safe) * np.log1p(-safe), 0
        ).mean()
        assert abs(found - exact) < 0.5 * abs(naive - exact)


def test_shooting_finds_the_entropy_that_the_exact_committor_gives(solver, committor):
    points = memory.transition_points(solver, committor, 150, np.random.default_rng(2))
    found = memory.shooting_bounds(OVERDAMPED, points, None, 60, 3)
    q = solver.interpolate(committor, points)
    exact = -(q * np.log(q) + (1 - q) * np.log(1 - q)).mean()
    assert found["outcome"][0] == pytest.approx(exact, abs=0.02)
    noise = 4 * OVERDAMPED.diffusion * OVERDAMPED.frame_time  # free diffusion, both coordinates
    assert found["next_frame"][0] == pytest.approx(noise, rel=0.2)


def test_knowing_the_velocity_never_hurts(solver, committor):
    rng = np.random.default_rng(6)
    points = memory.transition_points(solver, committor, 80, rng)
    velocities = memory.thermal_velocities(UNDERDAMPED, 80, rng)
    known = memory.shooting_bounds(UNDERDAMPED, points, velocities, 60, 3)
    unknown = memory.shooting_bounds(UNDERDAMPED, points, None, 60, 4)
    assert known["outcome"][0] < unknown["outcome"][0] - 0.02
    assert known["next_frame"][0] < 0.3 * unknown["next_frame"][0]


def test_free_flight_is_what_simulation_without_force_does():
    rng = np.random.default_rng(1)
    dt, n = 0.002, 20_000  # ten steps to a frame
    keep = np.exp(-UNDERDAMPED.friction_rate * dt)
    kick = np.sqrt((1 - keep**2) / (UNDERDAMPED.beta * UNDERDAMPED.mass))
    velocities = memory.thermal_velocities(UNDERDAMPED, n, rng)
    positions, frames = np.zeros((n, 2)), []
    for step in range(51):
        if step % 10 == 0:
            frames.append(positions.copy())
        before = velocities
        velocities = keep * velocities + kick * rng.normal(size=(n, 2))
        positions += dt * (before + velocities) / 2
    frames = np.stack(frames, axis=1)
    steps = np.diff(frames, axis=1)
    errors = [np.square(steps[:, -1]).sum(axis=-1).mean()]
    for length in (2, 4):
        past = steps[:, -length:-1].transpose(0, 2, 1).reshape(-1, length - 1)
        now = steps[:, -1].reshape(-1)
        fit = np.linalg.lstsq(past, now, rcond=None)[0]
        errors.append(2 * np.square(now - past @ fit).mean())
    exact = [memory.free_flight_error(UNDERDAMPED, length) for length in (1, 2, 4)]
    np.testing.assert_allclose(errors, exact, rtol=0.03)
    assert exact[2] < exact[1] < exact[0]


# ---- a learner of windows --------------------------------------------------------------------


def test_features_use_the_last_frames_only():
    windows = np.random.default_rng(0).normal(size=(5, 6, 2))
    changed = windows.copy()
    changed[:, :3] += 1.0
    np.testing.assert_array_equal(
        memory.window_features(windows, 3), memory.window_features(changed, 3)
    )
    assert memory.window_features(windows, 1).shape == (5, 20)
    assert memory.window_features(windows, 3).shape == (5, 20 + 6 * 4)


def test_a_second_frame_helps_where_there_is_inertia_and_not_elsewhere(arrivals):
    curves = {}
    for name, config in (("overdamped", OVERDAMPED), ("underdamped", UNDERDAMPED)):
        sets = [arrivals(config, 1500, 4, seed) for seed in (1, 20_001, 10_001)]
        curves[name] = memory.memory_curve(*sets, (1, 2, 4)).set_index("window_length")
    inert, plain = curves["underdamped"].loc[2], curves["overdamped"].loc[2]
    assert inert.outcome_gain > 5 * inert.outcome_gain_error
    assert inert.next_frame < 0.35 * curves["underdamped"].loc[1].next_frame
    assert abs(plain.outcome_gain) < 4 * plain.outcome_gain_error + 1e-3
    assert 0 in curves["underdamped"].index and 0 not in curves["overdamped"].index


def test_dynamics_are_compared_with_their_own_limits(solver):
    dynamics = {"overdamped": OVERDAMPED, "underdamped": UNDERDAMPED}
    curves, limits = memory.compare_dynamics(dynamics, solver, (1, 2), 150, (10, 20), 850)
    assert list(limits["overdamped"]) == ["position"]
    assert list(limits["underdamped"]) == ["position", "position, velocity"]
    assert curves["overdamped"].window_length.tolist() == [1, 2]
    found, known = memory.findings(curves, limits), limits["underdamped"]
    without, with_velocity = known["position"]["outcome"], known["position, velocity"]["outcome"]
    assert found["velocity_worth"] == pytest.approx(without[0] - with_velocity[0])
    assert found["velocity_worth_error"] > without[1]
    assert found["overdamped_gain_2"] == curves["overdamped"].outcome_gain[1]


def curve(gain, error):
    rows = {"window_length": [1, 2, 0], "outcome_gain": [0.0, gain, 0.1]}
    rows |= {"outcome_gain_error": [0.0, error, 0.01]}
    for name in ("outcome", "outcome_error", "next_frame", "next_frame_error"):
        rows[name] = [0.5, 0.4, 0.3]
    return pd.DataFrame(rows)


def test_a_gain_too_small_for_its_decimals_is_given_as_a_bound():
    rows = curve(2e-6, 1e-6).set_index("window_length")
    assert memory.gain_in_words(rows.loc[2]) == "within 0.0001 of zero"
    rows = curve(2e-6, 1e-3).set_index("window_length")
    assert memory.gain_in_words(rows.loc[2]) == "0.0000 ± 0.0010"


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(0.05, "helps"), (-0.05, "harms"), (0.02, "no effect seen"), (-0.02, "no effect seen")],
)
def test_a_gain_counts_if_it_is_well_above_its_error(gain, verdict):
    assert memory.memory_verdict(curve(gain, 0.01), 2) == verdict
    table = memory.gain_table({"some": curve(gain, 0.01)})
    assert table.loc[("some", 2), "verdict"] == verdict
    assert table.index.tolist()[-1] == ("some", "1, and its velocity")
