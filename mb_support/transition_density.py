"""Density of the next frame given this one, fast enough for a million evaluations per second.

One frame is too long for a Gaussian of the local force (its time step is a third of the relaxation
time in a basin) but short enough for a Gaussian with the exact mean and covariance, corrected for
skewness and excess: an Edgeworth series. Its coefficients are moments of the simulated chain
itself, time step error included, tabulated once on a grid.
"""

from dataclasses import dataclass
from math import comb

import numba
import numpy as np
from scipy import ndimage

from .cache import SOLVER_MODULES, cached
from .forecast import simulated_expectations
from .reference import GridSolver

# Fields of the table: mean x, y; inverse Cholesky factor 00, 10, 11; log of the factor's
# determinant; third cumulants of the whitened displacement xxx, xxy, xyy, yyy; fourth ones.
_N_FIELDS = 15
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
_OUTSIDE = -30.0  # added to the log density for a frame off the table
_LARGEST_CORRECTION = 4.0


@dataclass(frozen=True)
class TransitionDensity:
    """Table of the one-frame transition density.

    Attributes
    ----------
    coefficients : (n_x, n_y, 15) ndarray
        Cubic B-spline coefficients of the fields.
    origin : (2,) ndarray
        First node.
    step : float
        Distance between nodes.
    """

    coefficients: np.ndarray
    origin: np.ndarray
    step: float

    def log_density(self, now, later):
        """Log density of the next frame.

        Parameters
        ----------
        now, later : (n, 2) array_like
            A frame and the one after it, reduced length.

        Returns
        -------
        (n,) ndarray

        Raises
        ------
        ValueError
            If shapes differ or are not (n, 2).
        """
        now, later = np.asarray(now, dtype=float), np.asarray(later, dtype=float)
        if now.shape != later.shape or now.ndim != 2 or now.shape[1] != 2:
            raise ValueError(
                f"now and later must both have shape (n, 2); got {now.shape} and {later.shape}"
            )
        return _log_densities(now, later, self.coefficients, self.origin, self.step)


def transition_density(config, grid_step=0.04):
    """Tabulate the density of one frame to the next for an overdamped simulation.

    Parameters
    ----------
    config : SimulationConfig
        With the integrator "overdamped".
    grid_step : float
        Distance between the table's nodes, reduced length.

    Returns
    -------
    TransitionDensity

    Raises
    ------
    ValueError
        If the integrator is another.

    References
    ----------
    .. [1] P. McCullagh, Tensor Methods in Statistics, Chapman and Hall (1987), chapter 5.
    """
    if config.integrator != "overdamped":
        raise ValueError(f"integrator must be 'overdamped'; got {config.integrator!r}")
    solver = GridSolver(config.beta, config.diffusion, grid_step)
    key = dict(beta=config.beta, diffusion=config.diffusion, dt=config.dt, stride=config.stride)
    table = cached(
        "transition_density",
        key | {"grid_step": grid_step, "integrator": config.integrator},
        lambda: {"fields": _fields(solver, config)},
        modules=(*SOLVER_MODULES, "transition_density"),
    )["fields"]
    coefficients = [ndimage.spline_filter(field, order=3, mode="nearest") for field in table]
    return TransitionDensity(
        np.ascontiguousarray(np.moveaxis(coefficients, 0, -1)),
        np.array([solver.x[0], solver.y[0]]),
        solver.grid_step,
    )


def _fields(solver, config):
    x, y = np.moveaxis(solver.positions, -1, 0)
    powers = [(a - b, b) for a in range(1, 5) for b in range(a + 1)]
    raw = simulated_expectations(solver, config, [x**a * y**b for a, b in powers])
    raw = dict(zip(powers, raw, strict=True)) | {(0, 0): np.ones_like(x)}
    mean_x, mean_y = raw[1, 0], raw[0, 1]
    central = {
        (a, b): sum(
            comb(a, i) * comb(b, j) * raw[i, j] * (-mean_x) ** (a - i) * (-mean_y) ** (b - j)
            for i in range(a + 1)
            for j in range(b + 1)
        )
        for a, b in powers
    }
    # Off the active region the moments may be anything; keep the covariance positive there.
    floor = 1e-3 * 2 * config.diffusion * config.frame_time
    xx = np.maximum(central[2, 0], floor)
    factor_00 = np.sqrt(xx)
    factor_10 = central[1, 1] / factor_00
    factor_11 = np.sqrt(np.maximum(central[0, 2] - factor_10**2, floor))
    # xi = W (x - mean), W = inverse of the lower Cholesky factor
    w_00, w_11 = 1 / factor_00, 1 / factor_11
    w_10 = -factor_10 * w_00 * w_11
    fields = [mean_x, mean_y, w_00, w_10, w_11, np.log(factor_00 * factor_11)]
    for order in (3, 4):
        for b in range(order + 1):
            a = order - b
            # E[(w_00 u)^a (w_10 u + w_11 v)^b]
            moment = w_00**a * sum(
                comb(b, k) * w_10 ** (b - k) * w_11**k * central[a + b - k, k] for k in range(b + 1)
            )
            gaussian = {(4, 0): 3.0, (2, 2): 1.0, (0, 4): 3.0}.get((a, b), 0.0)
            fields.append(np.clip(moment - gaussian, -0.6, 0.6))
    # Where nothing can be told (the rim of the grid), the plain Gaussian is kept.
    fields = np.array(fields)
    fields[6:, ~solver.active] = 0
    return fields


@numba.njit(cache=True, error_model="numpy")
def _spline_weights(t, weights):
    s = 1 - t
    weights[0] = s * s * s / 6
    weights[1] = 2 / 3 - 0.5 * t * t * (2 - t)
    weights[2] = 2 / 3 - 0.5 * s * s * (2 - s)
    weights[3] = t * t * t / 6


@numba.njit(cache=True, error_model="numpy")
def _edgeworth(u, v, f):
    # log(1 + k3 H3 / 6 + k4 H4 / 24 + k3 k3 H6 / 72) to second order in k3 and first in k4
    a, b, c, d = f[6], f[7], f[8], f[9]
    trace_u, trace_v = a + c, b + d
    along_u = a * u * u + 2 * b * u * v + c * v * v
    along_v = b * u * u + 2 * c * u * v + d * v * v
    trace = trace_u * u + trace_v * v
    third = (along_u * u + along_v * v - 3 * trace) / 6
    uu, vv = u * u, v * v
    fourth = (
        f[10] * (uu * uu - 6 * uu + 3)
        + 4 * f[11] * (uu - 3) * u * v
        + 6 * f[12] * (uu - 1) * (vv - 1)
        + 4 * f[13] * (vv - 3) * u * v
        + f[14] * (vv * vv - 6 * vv + 3)
    ) / 24
    w_uu, w_uv, w_vv = a * u + b * v, b * u + c * v, c * u + d * v
    square = (
        -9 * (along_u * along_u + along_v * along_v)
        + 18 * (trace_u * along_u + trace_v * along_v)
        + 18 * (w_uu * w_uu + 2 * w_uv * w_uv + w_vv * w_vv)
        - 9 * (trace_u * trace_u + trace_v * trace_v)
        - 6 * (a * a + 3 * b * b + 3 * c * c + d * d)
    ) / 72
    return min(max(third + fourth + square, -_LARGEST_CORRECTION), _LARGEST_CORRECTION)


@numba.njit(cache=True, error_model="numpy")
def log_density_of_step(x0, y0, x1, y1, table, origin, step, fields, w_x, w_y):
    """Log density of (x1, y1) one frame after (x0, y0); the last three are work space."""
    place_x, place_y = (x0 - origin[0]) / step, (y0 - origin[1]) / step
    penalty = 0.0
    n_x, n_y = table.shape[0], table.shape[1]
    if not (1 <= place_x < n_x - 2 and 1 <= place_y < n_y - 2):
        penalty = _OUTSIDE
        place_x = min(max(place_x, 1.0), n_x - 2.001)
        place_y = min(max(place_y, 1.0), n_y - 2.001)
    i, j = int(place_x), int(place_y)
    _spline_weights(place_x - i, w_x)
    _spline_weights(place_y - j, w_y)
    fields[:] = 0
    for a in range(4):
        for b in range(4):
            weight = w_x[a] * w_y[b]
            row = table[i - 1 + a, j - 1 + b]
            for k in range(_N_FIELDS):
                fields[k] += weight * row[k]
    d_x, d_y = x1 - fields[0], y1 - fields[1]
    u = fields[2] * d_x
    v = fields[3] * d_x + fields[4] * d_y
    gaussian = -0.5 * (u * u + v * v) - fields[5] - 2 * _HALF_LOG_2PI
    return penalty + gaussian + _edgeworth(u, v, fields)


@numba.njit(cache=True, error_model="numpy")
def _log_densities(now, later, table, origin, step):
    fields, w_x, w_y = np.empty(_N_FIELDS), np.empty(4), np.empty(4)
    result = np.empty(len(now))
    for n in range(len(now)):
        result[n] = log_density_of_step(
            now[n, 0], now[n, 1], later[n, 0], later[n, 1], table, origin, step, fields, w_x, w_y
        )
    return result
