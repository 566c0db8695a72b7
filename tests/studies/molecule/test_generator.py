"""How the stochastic generator is trained on the molecule's angles, and judged."""

from dataclasses import replace

import numpy as np
import pytest
from molecules import MINIMA, fake_runs

from mb_support.studies.molecule import generator, study, tables
from mb_support.studies.molecule.runs import SPLIT, STRIDE


def test_training_windows_stay_within_training_runs_and_the_last_is_for_validation():
    shown, scored = generator.training_windows(fake_runs(60), n_frames=5)
    run = np.round(shown[..., 0] / 0.01)
    assert (run == run[:, :1]).all() and set(run[:, 0]) == set(list(SPLIT["train"])[:-1])
    assert set(np.round(scored[..., 0] / 0.01).ravel()) == {list(SPLIT["train"])[-1]}
    np.testing.assert_allclose(np.diff(shown[..., 1]), STRIDE * 1e-4, atol=1e-7)
    assert len(scored) == 60 - 4 * STRIDE


def jumps(rate_a, rate_b, n=200, n_frames=2000, seed=0):
    """Angles that jump between the two minima with given chances in each frame."""
    random = np.random.default_rng(seed)
    state = np.zeros((n, n_frames), int)
    for t in range(1, n_frames):
        leaves = random.random(n) < np.where(state[:, t - 1] == 0, rate_a, rate_b)
        state[:, t] = np.where(leaves, 1 - state[:, t - 1], state[:, t - 1])
    return MINIMA[state] + random.normal(0, 0.05, (n, n_frames, 2))


def test_rates_of_jumps_between_the_minima_are_found():
    frame_time, rate_a, rate_b = 0.4, 0.02, 0.01
    ensemble = generator.in_frames(fake_runs(), jumps(rate_a, rate_b))
    assert ensemble.settings.frame_time == pytest.approx(frame_time)
    found = generator.describe(ensemble, MINIMA, jumps(rate_a, rate_b, n=20, seed=1))
    exact = {
        "passage_time_ab": frame_time / rate_a,
        "passage_time_ba": frame_time / rate_b,
        "population_b": rate_a / (rate_a + rate_b),
        "slowest_timescale": -frame_time / np.log(1 - rate_a - rate_b),
    }
    for name, value in exact.items():
        tolerance = 4 * found[name].standard_error + 0.01 * value
        assert found[name].value == pytest.approx(value, abs=tolerance), name
    assert found["divergence"].value < 0.01


@pytest.mark.parametrize("lag", [2, 10])
def test_a_markov_state_model_of_jumps_makes_jumps_as_often(lag):
    rate_a, rate_b = 0.004, 0.002  # in a kept frame
    runs = replace(fake_runs(), dihedrals=jumps(rate_a, rate_b))
    walkers = generator.markov_walkers(runs, lag, n_walkers=200, n_frames=1000)
    assert walkers.dihedrals.shape == (200, 1000, 2)
    assert walkers.settings.frame_time == pytest.approx(lag * runs.settings.frame_time)
    found = generator.describe(walkers, MINIMA, runs.dihedrals[:20])
    # jumps forth and back within a lag are not seen
    seen = 1 - (1 - rate_a - rate_b) ** lag
    exact = walkers.settings.frame_time / (seen * rate_a / (rate_a + rate_b))
    tolerance = 4 * found["passage_time_ab"].standard_error + 0.05 * exact
    assert found["passage_time_ab"].value == pytest.approx(exact, abs=tolerance)
    assert found["population_b"].value == pytest.approx(2 / 3, abs=0.05)


def test_what_is_kept_says_that_memory_helps():
    kept = study.load_results()
    (loss, error), (ratio, of_ratio) = tables.gain_of_memory(kept)
    assert loss > 2 * error and ratio - 1 > 2 * of_ratio
    assert tables.disagreements(kept, "memory") == "none"
    assert "standard errors" in tables.disagreements(kept, "memoryless")


def test_what_is_kept_says_that_a_markov_state_model_needs_a_long_lag():
    kept = study.load_results()
    near, far = (kept["times_too_long"][f"Markov {lag}"] for lag in generator.MARKOV_STRIDES)
    assert near["passage_time_ba"][0] > 2 * near["passage_time_ba"][1]
    assert all(abs(value) < 2 * error for value, error in far.values())
    # the differences are those of the rows of the table
    for model, looked_at, row in (
        (near, kept["counted"], "Markov 2"),
        (far, kept["rivals"]["every 20"], "Markov 20"),
    ):
        for name in ("passage_time_ab", "passage_time_ba"):
            ratio = kept["rivals"][row][name][0] / looked_at[name][0]
            assert model[name][0] == pytest.approx(ratio - 1, abs=1e-3)
