"""What a learner makes of windows: features, held-out losses, verdicts."""

import numpy as np
import pandas as pd
import pytest

from mb_support import memory, memory_curves
from mb_support.collective_variable import SOURCE, TARGET, exact_committor
from mb_support.reference import GridSolver
from mb_support.simulation import REGIMES

OVERDAMPED, UNDERDAMPED = REGIMES["metastable"], REGIMES["underdamped"]


@pytest.fixture(scope="module")
def solver():
    return GridSolver(1 / 15, 1.0, 0.04)


@pytest.fixture(scope="module")
def arrivals(solver):
    def sample(config, n, n_frames, seed):
        committor = exact_committor(solver)
        return memory.sample_arrivals(config, solver, committor, SOURCE, TARGET, n, n_frames, seed)

    return sample


def test_features_use_the_last_frames_only():
    windows = np.random.default_rng(0).normal(size=(5, 6, 2))
    changed = windows.copy()
    changed[:, :3] += 1.0
    np.testing.assert_array_equal(
        memory_curves.window_features(windows, 3), memory_curves.window_features(changed, 3)
    )
    assert memory_curves.window_features(windows, 1).shape == (5, 20)
    assert memory_curves.window_features(windows, 3).shape == (5, 20 + 6 * 4)
    with pytest.raises(ValueError, match="from 1 to 6"):
        memory_curves.window_features(windows, 7)


def test_a_second_frame_helps_where_there_is_inertia_and_not_elsewhere(arrivals):
    curves = {}
    for name, config in (("overdamped", OVERDAMPED), ("underdamped", UNDERDAMPED)):
        sets = [arrivals(config, 3000, 4, seed) for seed in (1, 20_001, 10_001)]
        curves[name] = memory_curves.memory_curve(*sets, (1, 2, 4)).set_index("window_length")
    inert, plain = curves["underdamped"].loc[2], curves["overdamped"].loc[2]
    assert inert.outcome_gain > 5 * inert.outcome_gain_error
    assert inert.next_frame < 0.35 * curves["underdamped"].loc[1].next_frame
    assert abs(plain.outcome_gain) < 4 * plain.outcome_gain_error + 1e-3
    assert 0 in curves["underdamped"].index and 0 not in curves["overdamped"].index


def test_dynamics_are_compared_with_their_own_limits(solver):
    dynamics = {"overdamped": OVERDAMPED, "underdamped": UNDERDAMPED}
    curves, limits = memory_curves.compare_dynamics(dynamics, solver, (1, 2), 300, (20, 30), 850)
    assert list(limits["overdamped"]) == ["position"]
    assert list(limits["underdamped"]) == ["position", "position, velocity"]
    assert curves["overdamped"].window_length.tolist() == [1, 2]
    worth, error = memory_curves.worth_of_velocity(limits["underdamped"])
    drawn = memory_curves.limits_of(limits, "outcome")["underdamped"]
    assert worth == pytest.approx(drawn["position"][0] - drawn["position, velocity"][0])
    assert error > drawn["position"][1]


def curve(gain, error):
    rows = {"window_length": [1, 2, 0], "outcome_gain": [0.0, gain, 0.1]}
    rows |= {"outcome_gain_error": [0.0, error, 0.01]}
    for name in ("outcome", "outcome_error", "next_frame", "next_frame_error"):
        rows[name] = [0.5, 0.4, 0.3]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(0.05, "helps"), (-0.05, "harms"), (0.02, "no effect seen"), (-0.02, "no effect seen")],
)
def test_a_gain_counts_if_it_is_well_above_its_error(gain, verdict):
    assert memory_curves.memory_verdict(curve(gain, 0.01), 2) == verdict
    table = memory_curves.gain_table({"some": curve(gain, 0.01)})
    assert table.loc[("some", 2), "verdict"] == verdict
    assert table.index.tolist()[-1] == ("some", "1, and its velocity")


def test_a_verdict_on_a_length_that_was_not_tried_is_refused():
    with pytest.raises(ValueError, match="window_length must be one of"):
        memory_curves.memory_verdict(curve(0.1, 0.01), 7)
