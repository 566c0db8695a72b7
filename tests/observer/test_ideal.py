"""The ideal observer: its volume element, its calibration, where it lets trajectories start."""

from dataclasses import replace

import numpy as np
import pytest

from mb_support.observer import IdealObserver
from mb_support.observer.ideal import standardise, start_wall
from mb_support.potential import SADDLES, potential
from mb_support.simulation import REGIMES, sample_starts, simulate
from mb_support.states import assign_states

CONFIG = replace(REGIMES["metastable"], n_frames=100)
N_TRAJECTORIES = 40


@pytest.fixture(scope="module")
def trajectories():
    return simulate(CONFIG, sample_starts(N_TRAJECTORIES, 77), 77)


@pytest.fixture(scope="module")
def observation(trajectories):
    return IdealObserver(CONFIG).observe(trajectories)


def test_labels_are_calibrated(trajectories, observation):
    # sum of (label - probability) over its own standard deviation
    for probability, labels in (
        (observation.first, assign_states(trajectories[:, 0])),
        (observation.last, assign_states(trajectories[:, -1])),
    ):
        spread = np.sqrt((probability * (1 - probability)).sum())
        assert abs((labels - probability).sum()) < 4 * spread
        brier = ((labels - probability) ** 2).sum()
        expected = (probability * (1 - probability)).sum()
        scatter = np.sqrt((probability * (1 - probability) * (1 - 2 * probability) ** 2).sum())
        assert abs(brier - expected) < 4 * scatter


def test_scale_and_shift_are_inferred_without_bias(trajectories, observation):
    # A wrong power of s in the volume element would shift log s by about a standard deviation.
    error = standardise(trajectories)[1] - observation.location
    score = error.mean(axis=0) / error.std(axis=0) * np.sqrt(len(error))
    assert np.abs(score).max() < 4


def test_observer_sees_standardised_coordinates_only(trajectories, observation):
    moved = 3 * trajectories[:5].astype(float) + np.array([10.0, -7.0])
    again = IdealObserver(CONFIG).observe(moved)
    np.testing.assert_allclose(again.first, observation.first[:5], atol=1e-4)
    np.testing.assert_allclose(again.location, observation.location[:5], atol=1e-3)


def test_starts_lie_in_the_box_and_below_the_highest_energy():
    starts, saddle = sample_starts(1000, 5), float(potential(SADDLES[0]))
    assert (start_wall(starts) == 0).all()
    np.testing.assert_array_equal(start_wall(starts, saddle) == 0, potential(starts) <= saddle)
    assert start_wall(np.array([[-1.6, 0.5], [0.0, 2.1], [9.0, 9.0]]), saddle).min() > 400


def test_an_observer_who_knows_that_starts_are_low_places_them_there(trajectories):
    saddle = float(potential(SADDLES[0]))
    low = trajectories[potential(trajectories[:, 0]) < saddle][:6]
    seen = IdealObserver(CONFIG, highest_start=saddle).observe(low)
    np.testing.assert_allclose(seen.first, assign_states(low[:, 0]), atol=0.1)


def test_slices_are_given_probabilities(trajectories):
    observer = IdealObserver(CONFIG, first_frame=60, n_frames=40, n_samples=200)
    seen = observer.observe(trajectories[:5, 60:])
    assert ((seen.first >= 0) & (seen.first <= 1)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: IdealObserver(CONFIG, first_frame=-1), "first_frame must be"),
        (lambda: IdealObserver(CONFIG, first_frame=90, n_frames=20), "n_frames must be at most"),
        (lambda: IdealObserver(CONFIG, 5, highest_start=-40.0), "first_frame must be 0"),
        (lambda: IdealObserver(CONFIG, n_frames=2), "n_frames must be an integer of at least 3"),
        (lambda: IdealObserver(REGIMES["underdamped"]), "integrator must be"),
        (lambda: standardise(np.zeros((3, 4))), "trajectories must have shape"),
        (lambda: standardise(np.zeros((3, 4, 2))), "trajectories must move"),
        (lambda: standardise(np.full((3, 4, 2), np.nan)), "trajectories must be finite"),
    ],
)
def test_impossible_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_wrong_number_of_frames_is_refused(trajectories):
    with pytest.raises(ValueError, match="trajectories must have 100 frames"):
        IdealObserver(CONFIG).observe(trajectories[:, :20])
