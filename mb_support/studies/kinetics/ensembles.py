"""How ensembles are made: by simulation, by generators that learned, and by two exact Gaussians.

And the Markov state model, which needs no ensemble.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...datasets.sets import family_seed
from ...generation import generate
from ...model.causal import sample
from ...potential import MINIMA
from ...reference.forecast import simulated_moments
from ...reference.solver import GridSolver
from ...simulation.langevin import simulate
from ...simulation.settings import REGIMES
from ...statistics import bootstrap, jensen_shannon_divergence
from ...training.causal import FreshWindows
from . import passage_counts
from .markov import (
    assign_cells,
    count_cells,
    markov_kinetics,
    markov_model,
    transition_counts,
)

REGIME = REGIMES["metastable"]
#: The same dynamics in frames four times as close.
FINE = REGIMES["fine"]


@dataclass(frozen=True)
class Ensemble:
    """Size of an ensemble, and what of it is counted."""

    n_walkers: int = 4000  # half start in A, half in B: far from their shares at equilibrium
    n_frames: int = 3000
    n_settle: int = 1500  # frames in which the shares relax; not counted in densities
    lag: int = 25  # of the Markov state model, frames
    seed: int = family_seed("test", 60)

    def starts(self):
        """First frames, (n_walkers, 2): the bottoms of A and B in turn."""
        return MINIMA[np.arange(self.n_walkers) % 2]


#: As long in time as an `Ensemble`, in frames four times as close.
FINE_ENSEMBLE = Ensemble(
    n_walkers=2000, n_frames=12_000, n_settle=6000, lag=100, seed=family_seed("test", 66)
)
#: Ensembles of one kind differ in the seed.
SEEDS = tuple(family_seed("test", index) for index in (60, 65, *range(610, 618)))


def simulate_ensemble(ensemble):
    """Real simulation; a trajectory set like those that the generators make."""
    config = replace(REGIME, n_frames=ensemble.n_frames)
    return simulate(config, ensemble.starts(), ensemble.seed)


def sample_ensemble(model, ensemble):
    """A stochastic generator, continued from the bare starts."""
    return sample(model, ensemble.starts()[:, None], ensemble.n_frames - 1, ensemble.seed)


def gaussian_ensemble(ensemble, regime=REGIME):
    """What a perfect generator with one Gaussian for the next frame would make.

    Each frame is drawn from the Gaussian that has the exact mean and the exact covariance of the
    next simulated frame.
    """
    solver = GridSolver(regime.beta, regime.diffusion, grid_step=0.02)
    mean, covariance = simulated_moments(solver, replace(regime, n_frames=2))
    root = np.sqrt(np.maximum(covariance[0, 0], 1e-12))
    below = covariance[0, 1] / root
    rest = np.sqrt(np.maximum(covariance[1, 1] - below**2, 1e-12))
    fields = np.stack([mean[0], mean[1], root, below, rest])
    random = np.random.default_rng(ensemble.seed)
    frames = np.empty((ensemble.n_frames, ensemble.n_walkers, 2), np.float32)
    frames[0] = ensemble.starts()
    for t in range(1, ensemble.n_frames):
        mean_x, mean_y, root, below, rest = solver.interpolate(fields, frames[t - 1])
        z_x, z_y = random.standard_normal((2, ensemble.n_walkers))
        frames[t, :, 0] = mean_x + root * z_x
        frames[t, :, 1] = mean_y + below * z_x + rest * z_y
    return frames.transpose(1, 0, 2)


@dataclass(frozen=True)
class DeterministicRun:
    """How the poster's generator is run: prompts of real frames, a window, a frame at a time."""

    n_walkers: int = 48
    n_prompt: int = 100
    n_frames: int = 1500
    n_settle: int = 500
    lag: int = 25
    seed: int = family_seed("test", 61)

    starts = Ensemble.starts


def deterministic_ensemble(model, run, statistics="window"):
    """The poster's generator: what the model makes after the prompts, without them; `statistics` of
    the "prompt", as the author's code does, or of each "window" standardise it."""
    config = replace(REGIME, n_frames=run.n_prompt)
    prompts = simulate(config, run.starts(), run.seed)
    made = generate(model, prompts, run.n_frames, window_length=run.n_prompt, statistics=statistics)
    return made[:, run.n_prompt :]


def short_simulation(run):
    """Real simulation of the same size: how the prompts of `deterministic_ensemble` went on."""
    config = replace(REGIME, n_frames=run.n_prompt + run.n_frames)
    return simulate(config, run.starts(), run.seed)[:, run.n_prompt :]


def spreads(frames, run):
    """Largest standard deviation over a window, of all walkers, window after window of a run."""
    windows = np.split(frames.astype(float), run.n_frames // run.n_prompt, axis=1)
    return [float(window.std(axis=1).max()) for window in windows]


@dataclass(frozen=True)
class MarkovRun:
    """The Markov state model, from as many windows of the same kind as trained the generator."""

    n_windows: int = 8_192_000
    n_relax: int = 2
    lag: int = 4  # frames; a window has one more
    width: float = 0.1  # of the cells, reduced length
    n_groups: int = 48  # of windows, which the bootstrap resamples
    seed: int = family_seed("stream", 4500)  # not that of the generator's windows


def fit_markov(run, n_samples=50):
    """Estimates of a Markov state model, in the form of `describe`."""
    n_each = run.n_windows // run.n_groups
    windows = FreshWindows(n_each * run.n_groups, run.lag + 1, run.n_relax, run.seed)
    edges = passage_counts.box_edges(run.width)
    n_boxes, by_cell, by_box = passage_counts.box_number(edges), [], []
    for group in range(run.n_groups):
        frames = windows.windows(group * n_each, n_each)
        cells, boxes = assign_cells(frames, run.width), passage_counts.assign_boxes(frames, edges)
        by_cell += transition_counts(cells, run.lag, count_cells(run.width), n_groups=1)
        by_box += transition_counts(boxes, run.lag, n_boxes, n_groups=1)
    exact, found = passage_counts.boltzmann_boxes(REGIME.beta, edges), {}

    def density(weights):
        model, boxes = markov_model(by_box, weights, reversible=False), np.zeros(n_boxes)
        boxes[model.count_model.state_symbols] = model.stationary_distribution
        return boxes

    def everything(weights):
        key = tuple(weights)
        if key not in found:
            values = markov_kinetics(by_cell, run.lag * REGIME.frame_time, weights)
            divergence = jensen_shannon_divergence(density(weights), exact)
            found[key] = values | {"divergence": divergence}
        return found[key]

    ones = np.ones(run.n_groups)
    estimates = {
        name: bootstrap(lambda w, name=name: everything(w)[name], run.n_groups, n_samples)
        for name in everything(ones)
    }
    return estimates | {"density": density(ones).tolist()}
