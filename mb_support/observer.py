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

import numba
import numpy as np
from scipy.optimize import minimize

from . import laplace
from .forecast import label_posterior, state_share
from .grid import checked_count
from .reference import GridSolver
from .simulation import sample_starts, simulate
from .states import assign_states
from .transition_density import log_density_of_step, transition_density

_N_TRANSITIONS = 100  # looked at when candidates are ranked
_N_KEPT = (100, 400)  # candidates ranked again by all transitions: least and most
_N_CLIMBS = 8  # starts from which modes are sought
_APART = 0.2  # at least, between the means of two starts, reduced length
_N_FRAMES_SAMPLED = 100_000  # at least: samples times frames
_DEGREES = 5.0  # of freedom of the proposals' t distributions
_LOG_FLOOR = -300.0
_WIDEST = 0.3  # of a mode along a direction that is flat, or rises at the edge of the box


@dataclass(frozen=True)
class Observation:
    """What the ideal observer concludes from trajectories.

    Attributes
    ----------
    first : (n,) ndarray
        P(label = 1), the label being the state of frame 0 of the whole trajectory.
    last : (n,) ndarray
        P(state of the last frame shown = 1).
    effective_samples : (n,) ndarray
        (sum w)^2 / sum w^2 of the importance weights.
    location : (n, 4) ndarray
        Posterior mean of m_x, m_y, log s_x, log s_y.
    """

    first: np.ndarray
    last: np.ndarray
    effective_samples: np.ndarray
    location: np.ndarray


def standardise(trajectories):
    """Subtract each trajectory's mean and divide by its standard deviation, by coordinate.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) array_like

    Returns
    -------
    standardised : (n, n_frames, 2) ndarray
    location : (n, 4) ndarray
        m_x, m_y, log s_x, log s_y.

    Raises
    ------
    ValueError
        If the shape is another, there are fewer than three frames, a value is not finite or a
        coordinate does not move.
    """
    trajectories = np.asarray(trajectories, dtype=float)
    if trajectories.ndim != 3 or trajectories.shape[2] != 2 or trajectories.shape[1] < 3:
        raise ValueError(
            "trajectories must have shape (n, n_frames, 2) with at least three frames; got "
            f"{trajectories.shape}"
        )
    if not np.isfinite(trajectories).all():
        raise ValueError("trajectories must be finite; got NaN or infinity")
    mean, spread = trajectories.mean(axis=1), trajectories.std(axis=1)
    if not (spread > 1e-12).all():
        raise ValueError("trajectories must move along both coordinates; one stands still")
    standardised = (trajectories - mean[:, None]) / spread[:, None]
    return standardised, np.concatenate([mean, np.log(spread)], axis=1)


class IdealObserver:
    """Posterior of a trajectory's label given its standardised frames.

    Parameters
    ----------
    config : SimulationConfig
        What made the trajectories; integrator "overdamped".
    first_frame : int
        Frame of the whole trajectory with which the frames shown begin.
    n_frames : int, optional
        Number of frames shown; by default all from `first_frame` on.
    n_candidates : int
        Simulated trajectories from which candidates for (m, s) are taken.
    n_samples : int, optional
        Importance samples for each trajectory; by default 400, and more for short windows, whose
        posterior is broad.
    seed : int
        Of the candidates' simulation and of the samples.
    grid_step : float
        Of the solver and of the table of transition densities.

    Raises
    ------
    ValueError
        If the frames shown are not at least three frames of the trajectory.
    """

    def __init__(
        self,
        config,
        first_frame=0,
        n_frames=None,
        n_candidates=2000,
        n_samples=None,
        seed=40_000,
        grid_step=0.04,
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
        self.seed = seed
        if config.integrator != "overdamped":
            raise ValueError(f"integrator must be 'overdamped'; got {config.integrator!r}")
        self.density = transition_density(config, grid_step)
        self._solver = GridSolver(config.beta, config.diffusion, grid_step)
        frames = [self.first_frame]
        posterior = label_posterior(self._solver, frames, config.frame_time)
        total = posterior.joint[0].sum(axis=0)
        # Beyond the box of starts the density of frame 0 is zero: no state is possible there.
        self._log_start = np.maximum(np.log(np.maximum(total, 1e-280)), _LOG_FLOOR)
        self._first_state = (
            state_share(self._solver)[1] if self.first_frame == 0 else posterior.probability[0]
        )
        starts = sample_starts(n_candidates, self.seed)
        shown = slice(self.first_frame, self.first_frame + self.n_frames)
        self._candidates = standardise(simulate(config, starts, self.seed)[:, shown])[1]

    def observe(self, trajectories):
        """Posterior of the label for each trajectory.

        Parameters
        ----------
        trajectories : (n, n_frames, 2) array_like
            Raw or standardised frames; only the standardised ones are used.

        Returns
        -------
        Observation

        Raises
        ------
        ValueError
            If the shape is not (n, n_frames, 2) with the number of frames announced.
        """
        frames, _ = standardise(trajectories)
        if frames.shape[1] != self.n_frames:
            raise ValueError(
                f"trajectories must have {self.n_frames} frames; got {frames.shape[1]}"
            )
        seen = [self._observe_one(z, k) for k, z in enumerate(frames)]
        first, last, effective, location = (np.array(part) for part in zip(*seen, strict=True))
        return Observation(first, last, effective, location)

    # ---- one trajectory --------------------------------------------------------------------

    def _log_posterior(self, locations, z, window_step=1):
        """Log posterior up to a constant at (k, 4) locations, from every n-th transition."""
        return _log_posteriors(
            np.ascontiguousarray(locations),
            z,
            window_step,
            self._log_start,
            self.density.coefficients,
            self.density.origin,
            self.density.step,
        )

    def _observe_one(self, z, number):
        rng = np.random.default_rng([self.seed, number])
        samples, log_weights = self._sample(z, rng)
        weights = _normalised(log_weights)
        begin = samples[:, :2] + np.exp(samples[:, 2:]) * z[0]
        end = samples[:, :2] + np.exp(samples[:, 2:]) * z[-1]
        if self.first_frame == 0:
            first = assign_states(begin)
        else:
            first = self._solver.interpolate(self._first_state, begin, fill_value=0.5)
        return (
            float(np.clip(weights @ first, 0, 1)),
            float(weights @ assign_states(end)),
            1 / (weights**2).sum(),
            weights @ samples,
        )

    def _sample(self, z, rng):
        """Samples of the posterior and their log weights."""
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
        around = _Mixture.kernels(self._candidates, _normalised(ranking / 3), 300, 0.12, rng)
        anywhere = _Mixture.kernels(
            self._candidates, np.full(len(ranking), 1 / len(ranking)), 100, 0.1, rng
        )
        shares = (0.1, 0.6, 0.3) if is_broad else (0.9, 0.08, 0.02)
        rounds = [_Mixture.joined(list(zip(shares, (modes, around, anywhere), strict=True)))]
        sizes = [self.n_samples // 2]
        samples = rounds[0].draw(sizes[0], rng)
        heights = self._log_posterior(samples, z)
        for size in [self.n_samples // 4] * 2:
            mixture = _Mixture.joined([(n, one) for n, one in zip(sizes, rounds, strict=True)])
            weights = _normalised(heights - mixture.log_density(samples))
            rounds.append(_Mixture.kernels(samples, weights, 60, 0.3, rng))
            sizes.append(size)
            more = rounds[-1].draw(size, rng)
            samples = np.concatenate([samples, more])
            heights = np.concatenate([heights, self._log_posterior(more, z)])
        mixture = _Mixture.joined([(n, one) for n, one in zip(sizes, rounds, strict=True)])
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
        return _Mixture(np.array(modes), np.array(factors), np.array(evidences) / 2)

    def _climb(self, start, z):
        def descent(location):
            height, slope = laplace.value_and_slope(partial(self._log_posterior, z=z), location)
            return -height, -slope

        found = minimize(
            descent, start, jac=True, method="BFGS", options={"gtol": 0.5, "maxiter": 60}
        )
        return found.x, -found.fun

    def _spread(self, mode, z):
        """Cholesky factor of the inverse Hessian of minus the log posterior."""
        covariance = laplace.covariance(partial(self._log_posterior, z=z), mode, _WIDEST)
        return np.linalg.cholesky(covariance)


class _Mixture:
    """Mixture of four-dimensional t distributions, each with a centre and a scale factor."""

    def __init__(self, centres, factors, log_shares):
        self.centres = centres
        self.factors = np.broadcast_to(factors, (len(centres), 4, 4))
        self.log_shares = log_shares - np.logaddexp.reduce(log_shares)

    @classmethod
    def joined(cls, parts):
        """Mixture of (share, mixture) pairs."""
        return cls(
            np.concatenate([mixture.centres for _, mixture in parts]),
            np.concatenate([mixture.factors for _, mixture in parts]),
            np.concatenate([np.log(share) + mixture.log_shares for share, mixture in parts]),
        )

    @classmethod
    def kernels(cls, points, weights, n, width, rng):
        """n kernels around points picked by weight; their covariance is `width` of the points'."""
        spread = _covariance(points, weights, floor=1e-7)
        picked = points[rng.choice(len(points), n, p=weights)]
        return cls(picked, np.linalg.cholesky(width * spread)[None], np.zeros(n))

    def draw(self, n, rng):
        """n samples, (n, 4)."""
        which = rng.choice(len(self.centres), size=n, p=np.exp(self.log_shares))
        noise = rng.standard_normal((n, 4))
        noise *= np.sqrt(_DEGREES / rng.chisquare(_DEGREES, n))[:, None]
        return self.centres[which] + np.einsum("nij,nj->ni", self.factors[which], noise)

    def log_density(self, samples):
        """Log density up to a constant that all mixtures share, (n,)."""
        inverse = np.linalg.inv(self.factors)
        offset = samples[None] - self.centres[:, None]  # (components, n, 4)
        scaled = np.einsum("kij,knj->kni", inverse, offset)
        log_t = -(_DEGREES + 4) / 2 * np.log1p((scaled**2).sum(axis=-1) / _DEGREES)
        log_size = np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(axis=1)
        return np.logaddexp.reduce(log_t + (self.log_shares - log_size)[:, None], axis=0)


def _same(mode, other, factor):
    return np.linalg.norm(np.linalg.solve(factor, mode - other)) < 1.0


def _normalised(log_weights):
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _covariance(samples, weights, floor):
    offset = samples - weights @ samples
    return (weights[:, None] * offset).T @ offset + floor * np.eye(4)


@numba.njit(cache=True, error_model="numpy")
def _log_posteriors(locations, z, window_step, log_start, table, origin, step):
    fields, w_x, w_y = np.empty(table.shape[2]), np.empty(4), np.empty(4)
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
                origin,
                step,
                fields,
                w_x,
                w_y,
            )
            n_used += 1
        total *= (n_frames - 1) / n_used
        # Bilinear log density of the first frame shown
        place_x = (m_x + s_x * z[0, 0] - origin[0]) / step
        place_y = (m_y + s_y * z[0, 1] - origin[1]) / step
        if 0 <= place_x < log_start.shape[0] - 1 and 0 <= place_y < log_start.shape[1] - 1:
            i, j = int(place_x), int(place_y)
            a, b = place_x - i, place_y - j
            total += (1 - a) * ((1 - b) * log_start[i, j] + b * log_start[i, j + 1])
            total += a * ((1 - b) * log_start[i + 1, j] + b * log_start[i + 1, j + 1])
        else:
            total += _LOG_FLOOR
        # s^(N-2) from the volume element, and one more for log s instead of s
        result[k] = total + (n_frames - 1) * (log_x + log_y)
    return result
