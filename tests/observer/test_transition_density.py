"""One-frame transition densities against what the simulator does."""

from dataclasses import replace

import numpy as np
import pytest

from mb_support.observer import transition_density as td
from mb_support.observer.transition_density import transition_density
from mb_support.simulation import REGIMES, sample_starts, simulate

METASTABLE = REGIMES["metastable"]


@pytest.fixture(scope="module", params=["metastable", "wild"])
def regime(request, tmp_path_factory):
    """A regime and its density, on a coarser grid than usual, tabulated anew."""
    config = REGIMES[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(td, "cached", lambda name, key, compute: compute())
        step = {"metastable": 0.06, "wild": 0.14}[request.param]
        return config, transition_density(config, step)


POINTS = [(-0.558, 1.44), (0.4, 0.2), (-0.82, 0.624), (-0.3, 0.8), (1.0, 1.8)]


def frames_after(point, config, n=20_000):
    starts = np.tile(point, (n, 1))
    return simulate(replace(config, n_frames=2), starts, seed=9)[:, 1].astype(float)


@pytest.mark.parametrize("point", POINTS)
def test_density_is_normalised(regime, point):
    config, density = regime
    ends = frames_after(point, config, 4000)
    centre, spread = ends.mean(axis=0), ends.std(axis=0)
    side = np.linspace(-6, 6, 121)
    grid = centre + spread * np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    weight = np.exp(density.log_density(np.tile(point, (len(grid), 1)), grid))
    total = weight.sum() * np.prod(spread) * (side[1] - side[0]) ** 2
    assert total == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("point", POINTS)
def test_density_has_the_quantiles_of_simulated_frames(regime, point):
    # Of both coordinates and their sum and difference: probability integrals are uniform
    config, density = regime
    ends = frames_after(point, config)
    centre, spread = ends.mean(axis=0), ends.std(axis=0)
    side = np.linspace(-5, 5, 201)
    grid = centre + spread * np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    weight = np.exp(density.log_density(np.tile(point, (len(grid), 1)), grid))
    weight /= weight.sum()
    cell = spread * (side[1] - side[0])
    grid += np.random.default_rng(0).uniform(-0.5, 0.5, grid.shape) * cell  # no two alike
    for direction in np.array([(1, 0), (0, 1), (1, 1), (1, -1)]) / spread:
        order = np.argsort(grid @ direction)
        below = np.cumsum(weight[order])
        found = np.interp(ends @ direction, (grid @ direction)[order], below)
        distance = np.abs(np.sort(found) - np.linspace(0, 1, len(found))).max()
        assert distance < 0.025  # Kolmogorov-Smirnov; luck alone gives 0.01


def test_density_explains_frames_near_the_ridge_better_than_a_gaussian():
    density = transition_density(METASTABLE)
    starts = np.tile((-0.3, 0.8), (20_000, 1))
    ends = frames_after((-0.3, 0.8), METASTABLE)
    offset = ends - ends.mean(axis=0)
    covariance = np.cov(offset.T)
    gaussian = -0.5 * np.einsum("ni,ij,nj->n", offset, np.linalg.inv(covariance), offset)
    gaussian -= 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    assert (density.log_density(starts, ends) - gaussian).mean() > 0.15


def test_whole_trajectories_are_more_likely_than_stretched_ones():
    density = transition_density(METASTABLE)
    frames = simulate(METASTABLE, sample_starts(20, 4), 4).astype(float)

    def mean_log_density(frames, factor):
        centre = frames.mean(axis=1, keepdims=True)
        moved = centre + factor * (frames - centre)
        now, later = moved[:, :-1].reshape(-1, 2), moved[:, 1:].reshape(-1, 2)
        return density.log_density(now, later).mean() + 2 * np.log(factor)

    truth = mean_log_density(frames, 1.0)
    assert truth > mean_log_density(frames, 0.95) and truth > mean_log_density(frames, 1.05)


def test_parts_of_a_frame_are_as_many_as_the_grid_can_tell_apart():
    n = td.n_parts(METASTABLE, 0.05)
    spread = np.sqrt(2 * METASTABLE.diffusion * METASTABLE.dt * METASTABLE.stride / n)
    assert METASTABLE.stride % n == 0 and 1.2 * 0.05 <= spread < 2 * 0.05
    assert td.n_parts(METASTABLE, 10.0) == 1


def test_what_has_no_density_is_refused():
    with pytest.raises(ValueError, match="integrator must be 'overdamped'"):
        transition_density(REGIMES["underdamped"])
    density = transition_density(METASTABLE)
    with pytest.raises(ValueError, match=r"must both have shape \(n, 2\)"):
        density.log_density(np.zeros((3, 2)), np.zeros((4, 2)))
