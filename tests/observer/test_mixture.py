"""Mixtures of t distributions: densities and samples of each other."""

import numpy as np
import pytest
from scipy.stats import multivariate_t

from mb_support.observer.mixture import Mixture


@pytest.fixture
def mixture():
    centres = np.array([[0.0, 0.0], [3.0, 1.0]])
    factors = np.array([np.diag([1.0, 0.5]), [[0.4, 0.0], [0.2, 0.3]]])
    return Mixture(centres, factors, np.log([3.0, 1.0]))


def test_density_is_that_of_its_parts(mixture):
    points = np.random.default_rng(0).normal(size=(20, 2)) * 3
    expected = sum(
        share * multivariate_t(centre, factor @ factor.T, df=5).pdf(points)
        for share, centre, factor in zip(
            (0.75, 0.25), mixture.centres, mixture.factors, strict=True
        )
    )
    offset = mixture.log_density(points) - np.log(expected)
    np.testing.assert_allclose(offset, offset[0])  # up to a constant


def test_samples_have_the_mean_of_the_mixture(mixture):
    drawn = mixture.draw(20_000, np.random.default_rng(1))
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - [0.75, 0.25]) < 4 * error).all()


def test_mixtures_are_joined_by_their_shares(mixture):
    other = Mixture(np.array([[5.0, 5.0]]), np.eye(2)[None], np.zeros(1))
    both = Mixture.joined([(0.2, mixture), (0.8, other)])
    np.testing.assert_allclose(np.exp(both.log_shares), [0.15, 0.05, 0.8])


def test_kernels_lie_around_the_points_that_weigh():
    points = np.random.default_rng(2).normal(size=(100, 2))
    weights = np.zeros(100)
    weights[:3] = 1 / 3
    kernels = Mixture.kernels(points, weights, 40, 0.3, np.random.default_rng(3))
    assert {tuple(c) for c in kernels.centres} <= {tuple(p) for p in points[:3]}
