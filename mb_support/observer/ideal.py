"""The ideal observer: how well anyone could tell a label from a standardised trajectory.

The observer knows potential, temperature, time step and the law of the starts, but like the model
sees only z_t = (x_t - m) / s, with m and s the mean and standard deviation of each coordinate over
the frames it is shown. It is Bayes' rule, so no classifier has a higher expected accuracy.

A path x of N frames and (z, m, s) are two coordinate systems for the same 2 N numbers. Along each
coordinate x = m 1 + s z with z on a sphere of radius sqrt(N) orthogonal to 1, an (N - 2)-sphere, so
the volume element is s^(N-2) dm ds dz and

    p(m, s | z)  proportional to  p(x_1) prod_t p(x_t+1 | x_t) s_x^(N-2) s_y^(N-2),  x = m + s z.

No prior is left to choose. Four dimensions remain to integrate, by adaptive importance sampling:
candidates (m, s) from simulated trajectories are ranked, the best are climbed to their modes, a
first round of samples is drawn around modes and candidates, a second around the first, and all
samples are weighted against the mixture of both proposals.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize

from ..checks import checked_count
from ..compiled import compiled
from ..potential import potential
from ..reference.forecast import label_posterior
from ..reference.solver import GridSolver
from ..simulation.langevin import START_BOX, sample_starts, simulate
from ..states import assign_states
from . import laplace
from .mixture import Mixture
from .transition_density import log_density_of_step, transition_density

_SEED = 40_000  # of the candidates' simulation and of the samples
_N_TRANSITIONS = 100  # looked at when candidates are ranked
_N_KEPT = (100, 400)  # candidates ranked again by all transitions: least and most
_N_CLIMBS = 8  # starts from which modes are sought
_APART = 0.2  # at least, between the means of two starts, reduced length
_N_FRAMES_SAMPLED = 100_000  # at least: samples times frames
_LOG_FLOOR = -300.0
_WALL, _ENERGY_WALL = 5000.0, 20.0  # decay of the start density beyond its edge: per length, energy
_TRIES = 30  # starts drawn for one that lies low enough
_WIDEST = 0.3  # of a mode along a direction that is flat, or rises at the edge of the box


@dataclass(frozen=True)
class Observation:
    """What the ideal observer concludes from n trajectories.

    `first` is P(label = 1), (n,), the label being the state of frame 0 of the whole trajectory;
    `last` the same of the last frame shown; `location` the posterior mean, (n, 4), of m_x, m_y,
    log s_x, log s_y.
    """

    first: np.ndarray
    last: np.ndarray
    location: np.ndarray


def checked_frames(trajectories):
    """(n, n_frames, 2) float64 frames; `ValueError` if not so, fewer than three, or not finite."""
    trajectories = np.asarray(trajectories, dtype=float)
    if trajectories.ndim != 3 or trajectories.shape[2] != 2 or trajectories.shape[1] < 3:
        raise ValueError(
            "trajectories must have shape (n, n_frames, 2) with at least three frames; got "
            f"{trajectories.shape}"
        )
    if not np.isfinite(trajectories).all():
        raise ValueError("trajectories must be finite; got NaN or infinity")
    return trajectories


def standardise(trajectories):
    """(n, n_frames, 2) trajectories by their own mean and standard deviation, and their (n, 4)
    location: m_x, m_y, log s_x, log s_y; `ValueError` as `checked_frames`, or if a coordinate does
    not move."""
    trajectories = checked_frames(trajectories)
    mean, spread = trajectories.mean(axis=1), trajectories.std(axis=1)
    if not (spread > 1e-12).all():
        raise ValueError("trajectories must move along both coordinates; one stands still")
    standardised = (trajectories - mean[:, None]) / spread[:, None]
    return standardised, np.concatenate([mean, np.log(spread)], axis=1)


def start_wall(positions, highest_start=None):
    """Minus the log density of starts at (..., 2) positions, up to a constant: zero where one may
    lie, in the box and below the energy `highest_start`; steep beyond."""
    (low_x, low_y), (high_x, high_y) = START_BOX
    x, y = positions[..., 0], positions[..., 1]
    beyond = np.maximum(np.maximum(low_x - x, x - high_x), np.maximum(low_y - y, y - high_y))
    wall = _WALL * np.maximum(beyond, 0.0)
    if highest_start is not None:
        inside = np.clip(positions, *START_BOX)  # the potential may overflow far outside
        wall = wall + _ENERGY_WALL * np.maximum(potential(inside) - highest_start, 0.0)
    return wall


class IdealObserver:
    """Posterior of a trajectory's label given its standardised frames.

    Parameters
    ----------
    config : SimulationConfig
        What made the trajectories; integrator "overdamped".
    first_frame, n_frames : int
        Which frames of the whole trajectory are shown, three or more; by default all.
    n_candidates : int
        Simulated trajectories from which candidates for (m, s) are taken.
    n_samples : int, optional
        Importance samples for each trajectory; by default 400, and more for short windows, whose
        posterior is broad.
    highest_start : float, optional
        Energy below which trajectories start, by default anywhere in the box; all frames are shown
        then.
    """

    def __init__(
        self,
        config,
        first_frame=0,
        n_frames=None,
        n_candidates=2000,
        n_samples=None,
        highest_start=None,
    ):
        self.first_frame = checked_count("first_frame", first_frame, smallest=0)
        longest = config.n_frames - self.first_frame
        self.n_frames = checked_count("n_frames", longest if n_frames is None else n_frames, 3)
        if self.n_frames > longest:
            raise ValueError(
                f"n_frames must be at most {longest}, what is left of {config.n_frames} frames "
                f"from frame {self.first_frame} on; got {self.n_frames}"
            )
        usual = max(400, _N_FRAMES_SAMPLED // self.n_frames)
        self.n_samples = checked_count("n_samples", usual if n_samples is None else n_samples, 10)
        n_candidates = checked_count("n_candidates", n_candidates, smallest=10)
        if config.integrator != "overdamped":
            raise ValueError(f"integrator must be 'overdamped'; got {config.integrator!r}")
        if highest_start is not None and self.first_frame > 0:
            raise ValueError("first_frame must be 0 where highest_start is given")
        self.highest_start = highest_start
        self._table = transition_density(config).table
        if self.first_frame > 0:
            self._solver = GridSolver(config.beta, config.diffusion, grid_step=0.04)
            known = label_posterior(self._solver, [self.first_frame], config.frame_time)
            self._share_of_b = known.probability[0]
            density = known.joint[0].sum(axis=0)
            self._log_density = np.maximum(np.log(np.maximum(density, 1e-280)), _LOG_FLOOR)
        starts = sample_starts(n_candidates, _SEED)
        if highest_start is not None:
            starts = sample_starts(_TRIES * n_candidates, _SEED)
            starts = starts[potential(starts) < highest_start][:n_candidates]
        shown = slice(self.first_frame, self.first_frame + self.n_frames)
        self._candidates = standardise(simulate(config, starts, _SEED)[:, shown])[1]

    def observe(self, trajectories):
        """The `Observation` of (n, n_frames, 2) trajectories, raw or standardised.

        Only standardised frames are used. Raises `ValueError` if they are not as many as announced.
        """
        frames, _ = standardise(trajectories)
        if frames.shape[1] != self.n_frames:
            raise ValueError(
                f"trajectories must have {self.n_frames} frames; got {frames.shape[1]}"
            )
        seen = [self._observe_one(z, k) for k, z in enumerate(frames)]
        first, last, location = (np.array(part) for part in zip(*seen, strict=True))
        return Observation(first, last, location)

    def sample_posterior(self, standardised, number=0):
        """Where one (n_frames, 2) standardised trajectory may have been.

        Gives (n, 4) samples of m_x, m_y, log s_x, log s_y and their (n,) importance weights, which
        sum to one. The trajectory's `number` decides which.
        """
        rng = np.random.default_rng([_SEED, number])
        locations, log_weights = self._sample(standardised, rng)
        return locations, _normalised(log_weights)

    def _log_posterior(self, locations, z, window_step=1):
        # up to a constant, at (k, 4) locations, from every n-th transition
        begin = locations[:, :2] + np.exp(locations[:, 2:]) * z[0]
        return self._log_start(begin) + log_posteriors(
            np.ascontiguousarray(locations), z, window_step, self._table
        )

    def _log_start(self, positions):
        # log density of the first frame shown, up to a constant
        if self.first_frame == 0:
            return -start_wall(positions, self.highest_start)
        corner = self._solver.x[0], self._solver.y[0]
        places = (positions - corner).T / self._solver.grid_step
        return ndimage.map_coordinates(self._log_density, places, order=1, cval=_LOG_FLOOR)

    def _observe_one(self, z, number):
        samples, weights = self.sample_posterior(z, number)
        scale = np.exp(samples[:, 2:])
        begin, end = samples[:, :2] + scale * z[0], samples[:, :2] + scale * z[-1]
        if self.first_frame == 0:
            first = assign_states(begin)
        else:
            first = self._solver.interpolate(self._share_of_b, begin, fill_value=0.5)
        return (
            float(np.clip(weights @ first, 0, 1)),
            float(weights @ assign_states(end)),
            weights @ samples,
        )

    def _sample(self, z, rng):
        # samples of the posterior and their log weights
        window_step = max(1, len(z) // _N_TRANSITIONS)
        ranking = self._log_posterior(self._candidates, z, window_step)
        n_kept = int(np.clip(40_000 // len(z), *_N_KEPT))
        best = self._candidates[np.argsort(-ranking)[:n_kept]]
        height = self._log_posterior(best, z)
        # Each start is the best candidate whose mean lies well away from those before.
        starts, far = [], np.ones(len(best), dtype=bool)
        while far.any() and len(starts) < _N_CLIMBS:
            starts.append(best[np.argmax(np.where(far, height, -np.inf))])
            far &= np.linalg.norm(best[:, :2] - starts[-1][:2], axis=1) > _APART
        modes = self._around_modes(starts, z)
        # A few frames fit many places. Then remote candidates, each unlikely, count by their
        # number, and samples are needed all over.
        tempered = _normalised(ranking / 2)
        is_broad = 1 / (tempered**2).sum() > 5
        around = Mixture.kernels(self._candidates, _normalised(ranking / 3), 300, 0.12, rng)
        anywhere = Mixture.kernels(
            self._candidates, np.full(len(ranking), 1 / len(ranking)), 100, 0.1, rng
        )
        shares = (0.1, 0.6, 0.3) if is_broad else (0.9, 0.08, 0.02)
        rounds = [Mixture.joined(list(zip(shares, (modes, around, anywhere), strict=True)))]
        sizes = [self.n_samples // 2]
        samples = rounds[0].draw(sizes[0], rng)
        heights = self._log_posterior(samples, z)
        for size in [self.n_samples // 4] * 2:
            mixture = Mixture.joined([(n, one) for n, one in zip(sizes, rounds, strict=True)])
            weights = _normalised(heights - mixture.log_density(samples))
            rounds.append(Mixture.kernels(samples, weights, 60, 0.3, rng))
            sizes.append(size)
            more = rounds[-1].draw(size, rng)
            samples = np.concatenate([samples, more])
            heights = np.concatenate([heights, self._log_posterior(more, z)])
        mixture = Mixture.joined([(n, one) for n, one in zip(sizes, rounds, strict=True)])
        return samples, heights - mixture.log_density(samples)

    def _around_modes(self, starts, z):
        modes, factors, evidences = [], [], []
        for start in starts:
            mode, height = self._climb(start, z)
            if any(
                _same(mode, other, factor) for other, factor in zip(modes, factors, strict=True)
            ):
                continue
            factor = self._spread(mode, z)
            modes.append(mode)
            factors.append(factor)
            evidences.append(height + np.log(np.diag(factor)).sum())
        # tempered, so that no mode is left out
        return Mixture(np.array(modes), np.array(factors), np.array(evidences) / 2)

    def _climb(self, start, z):
        def descent(location):
            height, slope = laplace.value_and_slope(partial(self._log_posterior, z=z), location)
            return -height, -slope

        found = minimize(
            descent, start, jac=True, method="BFGS", options={"gtol": 0.5, "maxiter": 60}
        )
        return found.x, -found.fun

    def _spread(self, mode, z):
        # Cholesky factor of the inverse Hessian of minus the log posterior
        covariance = laplace.covariance(partial(self._log_posterior, z=z), mode, _WIDEST)
        return np.linalg.cholesky(covariance)


def _same(mode, other, factor):
    return np.linalg.norm(np.linalg.solve(factor, mode - other)) < 1.0


def _normalised(log_weights):
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


@compiled
def log_posteriors(locations, z, window_step, table):
    """Log posterior, (n,), of (n, 4) locations, but for the start; from every n-th transition."""
    work = np.empty((5, 6))
    n_frames = len(z)
    result = np.empty(len(locations))
    for k in range(len(locations)):
        m_x, m_y, log_x, log_y = locations[k]
        s_x, s_y = np.exp(log_x), np.exp(log_y)
        total, n_used = 0.0, 0
        for t in range(0, n_frames - 1, window_step):
            total += log_density_of_step(
                m_x + s_x * z[t, 0],
                m_y + s_y * z[t, 1],
                m_x + s_x * z[t + 1, 0],
                m_y + s_y * z[t + 1, 1],
                table,
                work,
            )
            n_used += 1
        total *= (n_frames - 1) / n_used
        # s^(N-2) from the volume element, and one more for log s instead of s
        result[k] = total + (n_frames - 1) * (log_x + log_y)
    return result
