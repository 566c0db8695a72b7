"""The ideal observer: its transition density, its volume element, its calibration."""

from dataclasses import replace

import numpy as np
import pytest

from mb_support.observer import IdealObserver, standardise
from mb_support.simulation import REGIMES, sample_starts, simulate
from mb_support.states import assign_states
from mb_support.transition_density import transition_density

CONFIG = replace(REGIMES["metastable"], n_frames=100)
N_TRAJECTORIES = 40


@pytest.fixture(scope="module")
def trajectories():
    return simulate(CONFIG, sample_starts(N_TRAJECTORIES, 77), 77)


@pytest.fixture(scope="module")
def observation(trajectories):
    return IdealObserver(CONFIG).observe(trajectories)


@pytest.mark.parametrize("point", [(-0.558, 1.44), (0.4, 0.2), (-0.8, 0.6), (1.0, 1.8)])
def test_transition_density_is_normalised_and_fits_simulated_frames(point):
    density = transition_density(CONFIG)
    n = 20_000
    starts = np.tile(point, (n, 1))
    ends = simulate(replace(CONFIG, n_frames=2), starts, seed=9)[:, 1].astype(float)
    centre, spread = ends.mean(axis=0), ends.std(axis=0)
    side = np.linspace(-6, 6, 121)
    grid = centre + spread * np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    weight = np.exp(density.log_density(np.tile(point, (len(grid), 1)), grid))
    total = weight.sum() * np.prod(spread) * (side[1] - side[0]) ** 2
    assert total == pytest.approx(1, abs=0.01)
    # on average it explains the frames better than a Gaussian of their own mean and covariance
    offset = ends - centre
    inverse = np.linalg.inv(np.cov(offset.T))
    gaussian = -0.5 * np.einsum("ni,ij,nj->n", offset, inverse, offset)
    gaussian += 0.5 * np.log(np.linalg.det(inverse)) - np.log(2 * np.pi)
    gain = density.log_density(starts, ends) - gaussian
    assert gain.mean() > -4 * gain.std() / np.sqrt(n)


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


def test_slices_are_given_probabilities(trajectories):
    observer = IdealObserver(CONFIG, first_frame=60, n_frames=40, n_samples=200)
    seen = observer.observe(trajectories[:5, 60:])
    assert ((seen.first >= 0) & (seen.first <= 1)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: IdealObserver(CONFIG, first_frame=-1), "first_frame must be"),
        (lambda: IdealObserver(CONFIG, first_frame=90, n_frames=20), "n_frames must be at most"),
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
