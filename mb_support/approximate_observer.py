"""The ideal observer's answer without its search, for many trajectories.

`observer.IdealObserver` has to search for the shift and scale that standardisation took away.
Whoever owns the raw coordinates knows where to look: around the truth, a normal approximation of
the same posterior (Laplace's) takes two Newton steps towards the mode, and the curvature there.
That is for estimating the ceiling only; it tells nothing to any model.
"""

import numpy as np

from . import laplace
from .compiled import compiled
from .observer import start_wall
from .states import assign_states
from .transition_density import log_density_of_step, transition_density

_WIDEST = 0.3  # of the posterior along any direction, reduced length: about a basin
_LONGEST_STEP = 0.15
_REACH, _N_SIDE = 4.0, 33  # of the grid over the start's posterior, in standard deviations


class ApproximateObserver:
    """Posterior of the start's state, for trajectories whose raw coordinates are known.

    Parameters
    ----------
    config : SimulationConfig
        What makes the trajectories; integrator "overdamped".
    highest_start : float, optional
        Energy below which trajectories start; by default they start anywhere in the box.

    Raises
    ------
    ValueError
        If the integrator is another.
    """

    def __init__(self, config, highest_start=None):
        self._table = transition_density(config).table
        self._highest_start = highest_start
        side = np.linspace(-_REACH, _REACH, _N_SIDE)
        self._places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        self._weights = np.exp(-0.5 * (self._places**2).sum(axis=1))

    def observe(self, trajectories):
        """Probability of label 1 given each trajectory's standardised frames.

        Parameters
        ----------
        trajectories : (n, n_frames, 2) array_like
            Raw coordinates, at least three frames.

        Returns
        -------
        (n,) ndarray of float

        Raises
        ------
        ValueError
            If the shape is another, or a coordinate is not finite.
        """
        trajectories = np.ascontiguousarray(trajectories, dtype=float)
        if trajectories.ndim != 3 or trajectories.shape[2] != 2 or trajectories.shape[1] < 3:
            raise ValueError(
                "trajectories must have shape (n, n_frames, 2) with at least three frames; got "
                f"{trajectories.shape}"
            )
        if not np.isfinite(trajectories).all():
            raise ValueError("trajectories must be finite; got NaN or infinity")
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
        def log_posterior(moves):
            return _log_posteriors(moves, trajectory, self._table)

        covariance = laplace.covariance(log_posterior, np.zeros(4), _WIDEST)
        mode = np.zeros(4)
        for _ in range(2):
            _, slope = laplace.value_and_slope(log_posterior, mode)
            step = covariance @ slope
            mode = mode + step * min(1.0, _LONGEST_STEP / max(np.abs(step).max(), 1e-12))
        return mode, covariance


@compiled
def _log_posteriors(moves, trajectory, table):
    # as in `observer`, of trajectories that are shifted and stretched around their start
    work = np.empty((5, 6))
    x_0, y_0 = trajectory[0]
    n_steps = len(trajectory) - 1
    result = np.empty(len(moves))
    for k in range(len(moves)):
        shift_x, shift_y, log_x, log_y = moves[k]
        s_x, s_y = np.exp(log_x), np.exp(log_y)
        total = 0.0
        for t in range(n_steps):
            total += log_density_of_step(
                x_0 + shift_x + s_x * (trajectory[t, 0] - x_0),
                y_0 + shift_y + s_y * (trajectory[t, 1] - y_0),
                x_0 + shift_x + s_x * (trajectory[t + 1, 0] - x_0),
                y_0 + shift_y + s_y * (trajectory[t + 1, 1] - y_0),
                table,
                work,
            )
        result[k] = total + n_steps * (log_x + log_y)
    return result
