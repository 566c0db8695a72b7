"""The ideal observer's answer without its search, for many trajectories.

`observer.IdealObserver` has to search for the shift and scale that standardisation took away.
Whoever owns the raw coordinates knows where to look: around the truth, a normal approximation of
the same posterior (Laplace's) takes two Newton steps towards the mode, and the curvature there.
That is for estimating the ceiling only; it tells nothing to any model.
"""

import numpy as np

from ..states import assign_states
from . import laplace
from .ideal import checked_frames, log_posteriors, start_wall
from .transition_density import transition_density

_WIDEST = 0.3  # of the posterior along any direction, reduced length: about a basin
_LONGEST_STEP = 0.15
_REACH, _N_SIDE = 4.0, 33  # of the grid over the start's posterior, in standard deviations


class ApproximateObserver:
    """Posterior of the start's state, for trajectories whose raw coordinates are known.

    They are from overdamped simulation, and start below an energy, by default anywhere in the box.
    """

    def __init__(self, config, highest_start=None):
        self._table = transition_density(config).table
        self._highest_start = highest_start
        side = np.linspace(-_REACH, _REACH, _N_SIDE)
        self._places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        self._weights = np.exp(-0.5 * (self._places**2).sum(axis=1))

    def observe(self, trajectories):
        """Probability of label 1, (n,), given the standardised frames of (n, n_frames, 2) raw ones.

        Raises `ValueError` if the shape is another, or a coordinate is not finite.
        """
        trajectories = np.ascontiguousarray(checked_frames(trajectories))
        return np.array([self._observe_one(trajectory) for trajectory in trajectories])

    def _observe_one(self, trajectory):
        moved, covariance = self._posterior(trajectory)
        factor = np.linalg.cholesky(covariance[:2, :2])
        starts = trajectory[0] + moved[:2] + self._places @ factor.T
        weights = self._weights * (start_wall(starts, self._highest_start) == 0)
        if weights.sum() < 1e-3 * self._weights.sum():  # the mode lies off: nothing to cut
            weights = self._weights
        return float(weights @ assign_states(starts) / weights.sum())

    def _posterior(self, trajectory):
        # mode and covariance of (shift of the start, changes of the log scales), the truth being 0
        from_start = trajectory - trajectory[0]

        def log_posterior(moves):
            locations = np.concatenate([trajectory[0] + moves[:, :2], moves[:, 2:]], axis=1)
            return log_posteriors(locations, from_start, 1, self._table)

        covariance = laplace.covariance(log_posterior, np.zeros(4), _WIDEST)
        mode = np.zeros(4)
        for _ in range(2):
            _, slope = laplace.value_and_slope(log_posterior, mode)
            step = covariance @ slope
            mode = mode + step * min(1.0, _LONGEST_STEP / max(np.abs(step).max(), 1e-12))
        return mode, covariance
