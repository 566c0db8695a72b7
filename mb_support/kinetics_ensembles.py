"""The ensembles whose kinetics is judged: one from each generator, and from real simulation."""

from dataclasses import dataclass, replace

import numpy as np

from . import kinetics
from .causal import sample
from .datasets import family_seed
from .forecast import simulated_moments
from .generation import generate
from .kinetics import Estimate
from .kinetics_markov import (
    assign_cells,
    count_cells,
    markov_kinetics,
    markov_model,
    transition_counts,
)
from .potential import MINIMA
from .reference import GridSolver
from .simulation import REGIMES, simulate
from .training.causal import FreshWindows

REGIME = REGIMES["metastable"]
#: The same dynamics in frames four times as close.
FINE = REGIMES["fine"]


@dataclass(frozen=True)
class Ensemble:
    """Size of an ensemble, and what of it is counted.

    Parameters
    ----------
    n_walkers : int
        Half of them start in A, half in B: far from their shares at equilibrium.
    n_frames : int
    n_settle : int
        Frames left out of densities and autocorrelations, in which the shares relax.
    lag : int
        Frames between the two ends of a transition of the Markov state model.
    seed : int
    """

    n_walkers: int = 4000
    n_frames: int = 3000
    n_settle: int = 1500
    lag: int = 25
    seed: int = family_seed("test", 60)

    def starts(self):
        """First frames, (n_walkers, 2): the bottoms of A and B in turn."""
        return MINIMA[np.arange(self.n_walkers) % 2]


def simulate_ensemble(ensemble):
    """Real simulation; a trajectory set like those that the generators make."""
    config = replace(REGIME, n_frames=ensemble.n_frames)
    return simulate(config, ensemble.starts(), ensemble.seed)


def sample_ensemble(model, ensemble, progress=True):
    """The stochastic generator, continued from the bare starts."""
    return sample(
        model,
        ensemble.starts()[:, None],
        ensemble.n_frames - 1,
        ensemble.seed,
        progress=progress,
    )


def gaussian_ensemble(ensemble, regime=REGIME, grid_step=0.02):
    """What a perfect generator with one Gaussian for the next frame would make.

    Each frame is drawn from the Gaussian that has the exact mean and the exact covariance of the
    next simulated frame.
    """
    solver = GridSolver(regime.beta, regime.diffusion, grid_step)
    mean, covariance = simulated_moments(solver, replace(regime, n_frames=2))
    x_x, x_y, y_y = covariance[0, 0], covariance[0, 1], covariance[1, 1]
    root = np.sqrt(np.maximum(x_x, 1e-12))
    below = x_y / root
    rest = np.sqrt(np.maximum(y_y - below**2, 1e-12))
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
    """How the poster's generator is run: prompts of real frames, a window, a frame at a time.

    Prompts start in A and B in turn, like the walkers of an `Ensemble`.
    """

    n_walkers: int = 48
    n_prompt: int = 100
    n_frames: int = 1500
    n_settle: int = 500
    lag: int = 25
    seed: int = family_seed("test", 61)

    starts = Ensemble.starts


def deterministic_ensemble(model, run):
    """The poster's generator: what the model makes after the prompts, without them."""
    config = replace(REGIME, n_frames=run.n_prompt)
    prompts = simulate(config, run.starts(), run.seed)
    made = generate(model, prompts, run.n_frames, window_length=run.n_prompt)
    return made[:, run.n_prompt :]


@dataclass(frozen=True)
class MarkovRun:
    """The Markov state model, from as many windows of the same kind as trained the generator.

    Parameters
    ----------
    n_windows, n_relax : int
        As in `FreshWindows`.
    lag : int
        Frames; a window has one more.
    width : float
        Of the cells, reduced length.
    n_groups : int
        Groups of windows that the bootstrap resamples.
    seed : int
        Not that of the generator's windows.
    """

    n_windows: int = 8_192_000
    n_relax: int = 2
    lag: int = 4
    width: float = 0.1
    n_groups: int = 48
    seed: int = family_seed("stream", 4500)


def fit_markov(run, n_samples=50):
    """Estimates of a Markov state model, in the form of `describe`."""
    n_each = run.n_windows // run.n_groups
    windows = FreshWindows(n_each * run.n_groups, run.lag + 1, run.n_relax, run.seed)
    edges = kinetics.box_edges(run.width)
    n_boxes = (len(edges[0]) - 1) * (len(edges[1]) - 1) + 1
    by_cell, by_box = [], []
    for group in range(run.n_groups):
        frames = windows.windows(group * n_each, n_each)
        cells, boxes = assign_cells(frames, run.width), kinetics.assign_boxes(frames, edges)
        by_cell += transition_counts(cells, run.lag, count_cells(run.width), n_groups=1)
        by_box += transition_counts(boxes, run.lag, n_boxes, n_groups=1)
    exact = kinetics.boltzmann_boxes(REGIME.beta, edges)
    lag_time = run.lag * REGIME.frame_time

    def density(weights):
        model = markov_model(by_box, weights, reversible=False)
        boxes = np.zeros(n_boxes)
        boxes[model.count_model.state_symbols] = model.stationary_distribution
        return boxes

    def everything(weights):
        found = markov_kinetics(by_cell, lag_time, weights)
        found |= {f"rate_{way}": 1 / found[f"passage_time_{way}"] for way in ("ab", "ba")}
        return found | {"divergence": kinetics.jensen_shannon_divergence(density(weights), exact)}

    random = np.random.default_rng(0)
    shares = np.full(run.n_groups, 1 / run.n_groups)
    samples = [everything(w) for w in random.multinomial(run.n_groups, shares, n_samples)]
    found = {}
    for name, value in everything(np.ones(run.n_groups)).items():
        spread = np.array([sample[name] for sample in samples])
        low, high = np.percentile(spread, [2.5, 97.5])
        found[name] = Estimate(value, float(spread.std(ddof=1)), float(low), float(high))
    return found | {"density": density(np.ones(run.n_groups)).tolist()}
