"""The best that anyone could know of the committor: sure observers, split ones, the ideal one."""

import numpy as np
import pytest

from mb_support.datasets import make_dataset
from mb_support.observer import IdealObserver
from mb_support.observer.ideal import standardise
from mb_support.reference import GridSolver
from mb_support.studies.collective_variable import frames as cv
from mb_support.studies.collective_variable import scores as cv_scores
from mb_support.studies.collective_variable.study import best_committor

N = 12


@pytest.fixture(scope="module")
def data():
    return make_dataset(N, "validation", 940, n_frames=60)


@pytest.fixture(scope="module")
def fields(data):
    return cv.ExactFields(GridSolver(1 / 15, 1.0, 0.04), data.config)


@pytest.fixture(scope="module")
def frames(fields, data):
    return cv.pick_frames(fields, data, seed=1, shares=(1.0, 0.2))


class Sure:
    """Knows where every trajectory was, or wavers between that and places moved from there."""

    def __init__(self, trajectories, moves=((0.0, 0.0),), weights=(1.0,)):
        self.true = standardise(trajectories)[1]
        self.moves, self.weights = np.asarray(moves), np.asarray(weights)

    def sample_posterior(self, standardised, number):
        moved = np.concatenate([self.moves, np.zeros_like(self.moves)], axis=1)
        return self.true[number] + moved, self.weights


def test_who_knows_the_place_knows_the_committor(data, fields, frames):
    found = best_committor(Sure(data.trajectories), fields, data.trajectories, frames)
    for name in (*cv_scores.REGIONS, "fitted"):
        np.testing.assert_allclose(found[name], frames.committor, atol=1e-6)
    np.testing.assert_allclose(found["position"], frames.positions, atol=1e-6)
    asked = np.unique(frames.trajectory)
    np.testing.assert_allclose(found["effective_samples"][asked], 1)


def test_two_places_count_with_their_chance_and_with_the_weight_of_a_frame_there(
    data, fields, frames
):
    move, chance = np.array([0.1, -0.1]), np.array([0.3, 0.7])
    observer = Sure(data.trajectories, ((0.0, 0.0), move), chance)
    found = best_committor(observer, fields, data.trajectories, frames)
    places = [frames.positions, frames.positions + move]
    q = np.array([fields.committor(place) for place in places])
    weight = chance[:, None] * np.array([fields.weight(place) for place in places])
    factor = cv_scores.region_factors(frames)["transition"](q)
    for region, w in (("boltzmann", weight), ("transition", weight * factor)):
        clear = w.sum(axis=0) > 1e-9
        expected = (w * q).sum(axis=0) / np.where(clear, w.sum(axis=0), 1)
        np.testing.assert_allclose(found[region][clear], expected[clear], atol=1e-6)
    nowhere = weight.sum(axis=0) * factor.max(axis=0) == 0
    plain = chance @ q
    np.testing.assert_allclose(found["transition"][nowhere], plain[nowhere], atol=1e-6)


def test_only_the_standardised_frames_are_used(data, fields, frames):
    observer = Sure(data.trajectories)
    once = best_committor(observer, fields, data.trajectories, frames)
    again = best_committor(observer, fields, standardise(data.trajectories)[0], frames)
    np.testing.assert_allclose(once["boltzmann"], again["boltzmann"], atol=1e-4)


def test_the_ideal_observer_knows_more_than_chance_and_samples_what_it_concludes(
    data, fields, frames
):
    observer = IdealObserver(data.config, n_candidates=150, n_samples=100)
    found = best_committor(observer, fields, data.trajectories, frames)
    squares = cv_scores.error_sums(found, frames, N)["boltzmann"].sum()
    mean = frames.weights @ frames.committor
    constant = cv_scores.error_sums(np.full(len(frames), mean), frames, N)["boltzmann"].sum()
    assert squares < 0.2 * constant
    z = standardise(data.trajectories[:1])[0][0]
    locations, weights = observer.sample_posterior(z)
    assert weights.sum() == pytest.approx(1)
    concluded = observer.observe(data.trajectories[:1]).location[0]
    np.testing.assert_allclose(weights @ locations, concluded)
