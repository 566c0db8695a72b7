"""The approximate observer: the ideal observer's answer, found from near the truth."""

from dataclasses import replace

import numpy as np
import pytest

from mb_support.observer import ApproximateObserver, IdealObserver
from mb_support.potential import SADDLES, potential
from mb_support.simulation import REGIMES, sample_starts, simulate
from mb_support.states import assign_states, height_above_ridge

CONFIG = replace(REGIMES["metastable"], n_frames=256)


def distance_from_ridge(positions):
    """Distance to the separatrix, to first order, (...) of (..., 2): positive in A."""
    step = np.array([1e-4, 0.0])
    rise = height_above_ridge(positions - step) - height_above_ridge(positions + step)
    return height_above_ridge(positions) / np.hypot(1.0, rise / 2e-4)


@pytest.fixture(scope="module")
def observer():
    return ApproximateObserver(CONFIG)


@pytest.fixture(scope="module")
def trajectories():
    """Trajectories that start near the ridge, where labels are hard to tell."""
    starts = sample_starts(12_000, seed=17)
    near = starts[np.abs(distance_from_ridge(starts)) < 0.1][:500]
    return simulate(CONFIG, near, 18)


@pytest.fixture(scope="module")
def shares(observer, trajectories):
    return observer.observe(trajectories)


@pytest.mark.slow
def test_it_agrees_with_the_ideal_observer_who_knows_no_coordinates(trajectories, shares):
    few = trajectories[:24]
    seen = IdealObserver(CONFIG).observe(few).first
    assert np.abs(shares[:24] - seen).mean() < 0.03
    assert np.corrcoef(shares[:24], seen)[0, 1] > 0.98
    undecided = (seen > 0.05) & (seen < 0.95)
    assert undecided.sum() > 4  # or nothing was compared


def test_its_probabilities_are_calibrated(trajectories, shares):
    wrong = assign_states(trajectories[:, 0]) - shares
    variance = shares * (1 - shares)
    assert abs(wrong.sum()) < 3 * np.sqrt(variance.sum())
    # the mean square error is the variance that it announces
    spread = np.sqrt((variance * (1 - 2 * shares) ** 2).sum())
    assert abs((wrong**2 - variance).sum()) < 3 * spread
    assert (np.abs(shares - 0.5) < 0.4).mean() > 0.1


def test_its_answer_hardly_depends_on_where_it_starts_from(observer, trajectories, shares):
    # the same standardised frames, 2 % larger and shifted: another truth, the same posterior
    few = trajectories[:60].astype(float)
    moved = few.mean(axis=1, keepdims=True) + 0.005 + 1.02 * (few - few.mean(axis=1, keepdims=True))
    at_other_start = distance_from_ridge(moved[:, 0]) - distance_from_ridge(few[:, 0])
    assert np.abs(at_other_start).max() > 0.005
    assert np.abs(observer.observe(moved) - shares[:60]).mean() < 0.03


def test_knowing_that_starts_lie_below_the_saddle_helps():
    saddle = float(potential(SADDLES[0]))
    starts = sample_starts(12_000, seed=19)
    low = (potential(starts) < saddle) & (np.abs(distance_from_ridge(starts)) < 0.15)
    near = simulate(CONFIG, starts[low][:40], 20)
    labels = assign_states(near[:, 0])

    def surprise(observer):
        share = observer.observe(near)
        return -np.log(np.maximum(np.where(labels == 1, share, 1 - share), 1e-3)).sum()

    assert surprise(ApproximateObserver(CONFIG, saddle)) < surprise(ApproximateObserver(CONFIG))


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        (np.zeros((2, 5, 3)), r"must have shape \(n, n_frames, 2\)"),
        (np.zeros((2, 2, 2)), "at least three frames"),
        (np.full((2, 5, 2), np.nan), "finite"),
    ],
)
def test_what_it_cannot_judge_is_refused(observer, trajectories, message):
    with pytest.raises(ValueError, match=message):
        observer.observe(trajectories)


def test_it_knows_the_overdamped_simulation_only():
    with pytest.raises(ValueError, match="overdamped"):
        ApproximateObserver(REGIMES["underdamped"])
