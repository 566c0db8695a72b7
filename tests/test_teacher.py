"""The teacher: the ideal observer's answer, found from near the truth."""

from dataclasses import replace

import numpy as np
import pytest

from mb_support.datasets import focused_starts, thinned_frames
from mb_support.observer import IdealObserver, standardise
from mb_support.simulation import REGIMES, simulate
from mb_support.states import assign_states, distance_from_ridge
from mb_support.teacher import Teacher

CONFIG = replace(REGIMES["metastable"], n_frames=300)


@pytest.fixture(scope="module")
def teacher():
    return Teacher(CONFIG)


@pytest.fixture(scope="module")
def trajectories():
    starts = focused_starts(600, seed=17, near_ridge=0.12, n_candidates=48)
    return simulate(CONFIG, starts, 18)


@pytest.fixture(scope="module")
def shares(teacher, trajectories):
    return np.array([teacher.judge(trajectory)[0][1] for trajectory in trajectories])


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


def test_its_answer_does_not_depend_on_where_it_starts_from(teacher, trajectories, shares):
    # the same standardised frames, 2 % larger and shifted: another truth, the same posterior
    few = trajectories[:60].astype(float)
    moved = few.mean(axis=1, keepdims=True) + 0.005 + 1.02 * (few - few.mean(axis=1, keepdims=True))
    assert np.abs(distance_from_ridge(moved[:, 0]) - distance_from_ridge(few[:, 0])).max() > 0.005
    again = np.array([teacher.judge(trajectory)[0][1] for trajectory in moved])
    assert np.abs(again - shares[:60]).max() < 0.1 and np.abs(again - shares[:60]).mean() < 0.01


def test_it_locates_trajectories_as_precisely_as_the_ideal_observer(teacher, trajectories):
    few = trajectories[:24]
    seen = IdealObserver(CONFIG).observe(few).location
    located = standardise([teacher.judge(trajectory)[1] for trajectory in few])[1]
    truth = standardise(few)[1]
    # the posterior means scatter about the truth, the modes about the posterior means much less
    assert np.abs(located - seen).mean() < 0.3 * np.abs(seen - truth).mean()


def test_frames_that_stand_for_all_say_less_but_as_surely(teacher, trajectories, shares):
    frames, _ = thinned_frames(300, 96, seed=3, block_length=16)
    few = np.array([teacher.judge(trajectory, frames)[0][1] for trajectory in trajectories[:300]])
    states = assign_states(trajectories[:300, 0])
    assert np.abs(few - states).mean() > np.abs(shares[:300] - states).mean() + 0.01
    assert np.abs(few - 0.5).mean() == pytest.approx(np.abs(shares[:300] - 0.5).mean(), abs=0.03)
    everything = teacher.judge(trajectories[0], np.arange(300))
    for known, plain in zip(everything, teacher.judge(trajectories[0]), strict=True):
        np.testing.assert_array_equal(known, plain)


@pytest.mark.parametrize(
    ("trajectory", "frames", "message"),
    [
        (np.zeros((5, 3)), None, r"must be \(n_frames, 2\)"),
        (np.full((5, 2), np.nan), None, "finite"),
        (np.zeros((5, 2)), [0, 2, 4], "no two neighbouring frames"),
        (np.zeros((1, 2)), None, "no two neighbouring frames"),
    ],
)
def test_what_it_cannot_judge_is_refused(teacher, trajectory, frames, message):
    with pytest.raises(ValueError, match=message):
        teacher.judge(trajectory, frames)


def test_it_knows_the_overdamped_simulation_only():
    with pytest.raises(ValueError, match="overdamped"):
        Teacher(REGIMES["underdamped"])
