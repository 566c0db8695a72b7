"""A teacher for the classifier: what the ideal observer would answer, from near the truth.

A label says A or B, also where the frames shown leave it open. What they say is the posterior of
the label given the standardised trajectory, and a model that is shown that learns from every
trajectory what it would else have to average over many (knowledge distillation, Hinton, Vinyals
and Dean, 2015). `observer.IdealObserver` has to search for the shift and scale that the
standardisation took away. Here they are known, so a normal approximation of the posterior
(Laplace's) can be built around the truth: two Newton steps towards its mode, and the curvature.
"""

import numba
import numpy as np
from scipy.stats import norm

from . import laplace
from .states import distance_from_ridge
from .transition_density import log_density_of_step, transition_density

_WIDEST = 0.3  # of the posterior along any direction, reduced length: about a basin
_LONGEST_STEP = 0.15


class Teacher:
    """Posterior of the start's state, for trajectories whose raw coordinates are known.

    Parameters
    ----------
    config : SimulationConfig
        What makes the trajectories; integrator "overdamped".

    Raises
    ------
    ValueError
        If the integrator is another.
    """

    def __init__(self, config):
        self._density = transition_density(config)

    def judge(self, trajectory, frames=None):
        """What the standardised frames tell: the state of the first one, and where all lie.

        Parameters
        ----------
        trajectory : (n_frames, 2) array_like
            Raw coordinates.
        frames : (n_kept,) array_like of int, optional
            Frames that are shown and stand for all, increasing from 0; by default all are.
            Steps between neighbours count, each for as many as it stands for: what is asked for
            is how sure one may be of a whole trajectory whose frames are like these.

        Returns
        -------
        shares : (2,) ndarray of float
            Probabilities of A and of B for the first frame.
        located : (n_frames, 2) ndarray of float
            The trajectory with the shift and scale at the mode of the posterior.

        Raises
        ------
        ValueError
            If the shape is another, a coordinate is not finite, or no two neighbours are shown.
        """
        trajectory = np.ascontiguousarray(trajectory, dtype=float)
        if trajectory.ndim != 2 or trajectory.shape[1] != 2 or not np.isfinite(trajectory).all():
            raise ValueError(
                f"trajectory must be (n_frames, 2) and finite; got one of shape {trajectory.shape}"
            )
        frames = np.arange(len(trajectory)) if frames is None else np.asarray(frames)
        begins = frames[:-1][np.diff(frames) == 1]
        if not len(begins):
            raise ValueError("no two neighbouring frames are shown: nothing tells the scale")
        moved, covariance = self._posterior(trajectory, begins)
        covariance = covariance * len(begins) / (len(trajectory) - 1)
        start = trajectory[0] + moved[:2]
        steps = 1e-4 * np.eye(2)
        gradient = distance_from_ridge(start + steps) - distance_from_ridge(start - steps)
        gradient /= 2e-4
        width = np.sqrt(gradient @ covariance[:2, :2] @ gradient)
        share_of_a = norm.cdf(distance_from_ridge(start) / width)
        located = start + np.exp(moved[2:]) * (trajectory - trajectory[0])
        return np.array([share_of_a, 1.0 - share_of_a]), located

    def _posterior(self, trajectory, begins):
        # mode and covariance of (shift of the start, changes of the log scales), the truth being 0
        def log_posterior(moves):
            density = self._density
            return _log_posteriors(
                moves, trajectory, begins, density.coefficients, density.origin, density.step
            )

        covariance = laplace.covariance(log_posterior, np.zeros(4), _WIDEST)
        mode = np.zeros(4)
        for _ in range(2):
            _, slope = laplace.value_and_slope(log_posterior, mode)
            step = covariance @ slope
            mode = mode + step * min(1.0, _LONGEST_STEP / max(np.abs(step).max(), 1e-12))
        return mode, covariance


@numba.njit(cache=True, error_model="numpy")
def _log_posteriors(moves, trajectory, begins, table, origin, step):
    # as in `observer`, of trajectories that are shifted and stretched around their start
    fields, w_x, w_y = np.empty(table.shape[2]), np.empty(4), np.empty(4)
    x_0, y_0 = trajectory[0]
    result = np.empty(len(moves))
    for k in range(len(moves)):
        shift_x, shift_y, log_x, log_y = moves[k]
        s_x, s_y = np.exp(log_x), np.exp(log_y)
        total = 0.0
        for t in begins:
            total += log_density_of_step(
                x_0 + shift_x + s_x * (trajectory[t, 0] - x_0),
                y_0 + shift_y + s_y * (trajectory[t, 1] - y_0),
                x_0 + shift_x + s_x * (trajectory[t + 1, 0] - x_0),
                y_0 + shift_y + s_y * (trajectory[t + 1, 1] - y_0),
                table,
                origin,
                step,
                fields,
                w_x,
                w_y,
            )
        result[k] = total + len(begins) * (log_x + log_y)
    return result
