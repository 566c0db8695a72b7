"""Density of the next frame given this one, fast enough for a million evaluations per second.

In the time of a frame a particle may run from the ridge into either valley, so the density is far
from a Gaussian. In a small part of that time it is one, with the mean and covariance of the
simulated chain, time step error included. So the parts are strung together on a grid, by powers of
one matrix, and the logarithm of what comes out is tabulated as a correction to the Gaussian of the
same mean and covariance. The correction changes slowly with both frames; the Gaussian does not.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..compiled import compiled
from ..files.cache import cached
from ..potential import SADDLES, potential
from ..reference.forecast import simulated_moments
from ..reference.grid import box_coverage
from ..reference.solver import GridSolver
from ..simulation.langevin import START_BOX

# Fields of a Gaussian: mean x, y; inverse Cholesky factor 00, 10, 11; log of the factor's
# determinant.
_N_FIELDS = 6
_LOG_2PI = np.log(2 * np.pi)
_OUTSIDE = -30.0  # added to the log density for a frame off the table
_LARGEST_CORRECTION = 4.0
_REACH, _SPACING = 6.0, 0.5  # of the table of corrections, in standard deviations
_SMALLEST = 1e-18  # of a transition probability: its square is no denormal number
_NARROWEST = 1.2  # standard deviation of a part, in grid steps: narrower ones slip between nodes
_KEPT_ABOVE_SADDLE = 8.0  # kT: nodes beyond are kept only in the box of starts
_MARGIN = 0.1  # around the box of starts, reduced length


@dataclass(frozen=True)
class TransitionDensity:
    """Table of the one-frame transition density.

    `gaussian`, (n_x, n_y, 6), has cubic B-spline coefficients of the Gaussian's fields;
    `correction`, (n_x, n_y, n, n), quadratic ones of the log density less that of the Gaussian, by
    node and whitened displacement. Nodes lie `step` apart from `origin` on.
    """

    gaussian: np.ndarray
    correction: np.ndarray
    origin: np.ndarray
    step: float

    @property
    def table(self):
        """All of it, as `log_density_of_step` takes it."""
        return self.gaussian, self.correction, self.origin, self.step

    def log_density(self, now, later):
        """Log density, (n,), of frames `later` that follow frames `now`, both (n, 2)."""
        now, later = np.asarray(now, dtype=float), np.asarray(later, dtype=float)
        if now.shape != later.shape or now.ndim != 2 or now.shape[1] != 2:
            raise ValueError(
                f"now and later must both have shape (n, 2); got {now.shape} and {later.shape}"
            )
        return _log_densities(now, later, self.table)


def transition_density(config, grid_step=None):
    """Tabulate the one-frame density of an overdamped simulation, by default at nodes a quarter
    apart of how far a free particle gets in a frame, at least 0.05 and at most 0.1."""
    if config.integrator != "overdamped":
        raise ValueError(f"integrator must be 'overdamped'; got {config.integrator!r}")
    if grid_step is None:
        free = np.sqrt(2 * config.diffusion * config.frame_time)
        grid_step = float(np.clip(free / 4, 0.05, 0.1))
    solver = GridSolver(config.beta, config.diffusion, grid_step)
    key = dict(beta=config.beta, diffusion=config.diffusion, dt=config.dt, stride=config.stride)
    stored = cached(
        "transition_density", key | {"grid_step": grid_step}, lambda: _tabulated(solver, config)
    )
    coefficients = [ndimage.spline_filter(f, order=3, mode="nearest") for f in stored["fields"]]
    return TransitionDensity(
        np.ascontiguousarray(np.moveaxis(coefficients, 0, -1)),
        stored["correction"],
        np.array([solver.x[0], solver.y[0]]),
        solver.grid_step,
    )


def n_parts(config, grid_step):
    """Into how many equal parts a frame's time is cut: as many as the grid can tell apart."""
    steps = (_NARROWEST * grid_step) ** 2 / (2 * config.diffusion * config.dt)  # of a part, least
    whole = [n for n in range(1, config.stride + 1) if config.stride % n == 0]
    return max((n for n in whole if config.stride / n >= steps), default=1)


def _tabulated(solver, config):
    fields = _gaussian_fields(solver, config)
    parts = n_parts(config, solver.grid_step)
    part = _gaussian_fields(solver, replace(config, stride=config.stride // parts))
    coverage = box_coverage(solver.x, solver.y, np.array(START_BOX) + [[-_MARGIN], [_MARGIN]])
    highest = potential(SADDLES[0]) + _KEPT_ABOVE_SADDLE / config.beta
    kept = solver.active & ((coverage > 0) | (solver.grid.energy < highest))
    chain = _chain(solver.positions[kept], part[:, kept], solver.grid_step**2)
    density = _power(chain, parts) / solver.grid_step**2
    return {"fields": fields, "correction": _corrections(solver, kept, fields, density)}


def _gaussian_fields(solver, config):
    mean, covariance = simulated_moments(solver, config)
    # Off the active region the moments may be anything; keep the covariance positive there.
    floor = 1e-3 * 2 * config.diffusion * config.frame_time
    factor_00 = np.sqrt(np.maximum(covariance[0, 0], floor))
    factor_10 = covariance[0, 1] / factor_00
    factor_11 = np.sqrt(np.maximum(covariance[1, 1] - factor_10**2, floor))
    # xi = W (x - mean), W = inverse of the lower Cholesky factor
    w_00, w_11 = 1 / factor_00, 1 / factor_11
    w_10 = -factor_10 * w_00 * w_11
    return np.array([*mean, w_00, w_10, w_11, np.log(factor_00 * factor_11)])


@compiled
def _chain(positions, fields, cell_area):
    # (n, n) probabilities from node to node in one part of a frame; rows sum to one
    n = len(positions)
    chain = np.zeros((n, n), dtype=np.float32)
    for i in range(n):
        total = 0.0
        for j in range(n):
            d_x, d_y = positions[j, 0] - fields[0, i], positions[j, 1] - fields[1, i]
            u = fields[2, i] * d_x
            v = fields[3, i] * d_x + fields[4, i] * d_y
            square = u * u + v * v
            if square < 80:
                p = cell_area * np.exp(-0.5 * square - fields[5, i] - _LOG_2PI)
                if p > _SMALLEST:
                    chain[i, j] = p
                    total += p
        if total > 0:
            for j in range(n):
                chain[i, j] /= total
    return chain


def _power(chain, n):
    # matrix power whose smallest numbers are cut off: denormal ones are a hundred times slower
    result, square = None, chain
    while True:
        if n % 2:
            result = square if result is None else _cut(result @ square)
        n //= 2
        if n == 0:
            return result
        square = _cut(square @ square)


def _cut(chain):
    chain[chain < _SMALLEST] = 0
    return chain


def _corrections(solver, kept, fields, density):
    # spline coefficients of log density - log Gaussian, (n_x, n_y, n, n); none off kept nodes
    side = np.arange(-_REACH, _REACH + _SPACING / 2, _SPACING)
    xi = np.stack(np.meshgrid(side, side, indexing="ij"))
    found = np.zeros((*kept.shape, len(side), len(side)), dtype=np.float32)
    for (i, j), row in zip(np.argwhere(kept), density, strict=True):
        mean_x, mean_y, w_00, w_10, w_11, log_size = fields[:, i, j]
        d_x, d_y = solver.positions[..., 0] - mean_x, solver.positions[..., 1] - mean_y
        square = (w_00 * d_x) ** 2 + (w_10 * d_x + w_11 * d_y) ** 2
        exact = np.full(kept.shape, np.log(_SMALLEST))
        exact[kept] = np.log(np.maximum(row, _SMALLEST))
        ratio = exact + 0.5 * square + log_size + _LOG_2PI
        ratio = np.clip(ratio, -_LARGEST_CORRECTION, _LARGEST_CORRECTION)
        d_x = xi[0] / w_00
        d_y = (xi[1] - w_10 * d_x) / w_11
        places = [
            (mean_x + d_x - solver.x[0]) / solver.grid_step,
            (mean_y + d_y - solver.y[0]) / solver.grid_step,
        ]
        found[i, j] = ndimage.map_coordinates(ratio, places, order=3, mode="nearest")
    for axis in range(4):
        found = ndimage.spline_filter1d(found, 2, axis, output=np.float32, mode="mirror")
    return found


@compiled
def _cubic_weights(t, weights):
    s = 1 - t
    weights[0] = s * s * s / 6
    weights[1] = 2 / 3 - 0.5 * t * t * (2 - t)
    weights[2] = 2 / 3 - 0.5 * s * s * (2 - s)
    weights[3] = t * t * t / 6


@compiled
def _quadratic_weights(t, weights):
    weights[0] = 0.5 * (0.5 - t) ** 2
    weights[1] = 0.75 - t * t
    weights[2] = 0.5 * (0.5 + t) ** 2


@compiled
def log_density_of_step(x0, y0, x1, y1, table, work):
    """Log density of (x1, y1) one frame after (x0, y0), from the `table` of a `TransitionDensity`;
    `work` is a (5, 6) ndarray of float to write to."""
    gaussian, correction, origin, step = table
    fields, w_x, w_y, w_u, w_v = work[0], work[1], work[2], work[3], work[4]
    place_x, place_y = (x0 - origin[0]) / step, (y0 - origin[1]) / step
    penalty = 0.0
    n_x, n_y = gaussian.shape[0], gaussian.shape[1]
    if not (1 <= place_x < n_x - 2 and 1 <= place_y < n_y - 2):
        penalty = _OUTSIDE
        place_x = min(max(place_x, 1.0), n_x - 2.001)
        place_y = min(max(place_y, 1.0), n_y - 2.001)
    i, j = int(place_x), int(place_y)
    _cubic_weights(place_x - i, w_x)
    _cubic_weights(place_y - j, w_y)
    fields[:] = 0
    for a in range(4):
        for b in range(4):
            weight = w_x[a] * w_y[b]
            row = gaussian[i - 1 + a, j - 1 + b]
            for k in range(_N_FIELDS):
                fields[k] += weight * row[k]
    d_x, d_y = x1 - fields[0], y1 - fields[1]
    u = fields[2] * d_x
    v = fields[3] * d_x + fields[4] * d_y
    log_gaussian = -0.5 * (u * u + v * v) - fields[5] - _LOG_2PI
    reach = _REACH - _SPACING
    place_u = (min(max(u, -reach), reach) + _REACH) / _SPACING
    place_v = (min(max(v, -reach), reach) + _REACH) / _SPACING
    i, j, p, q = round(place_x), round(place_y), round(place_u), round(place_v)
    _quadratic_weights(place_x - i, w_x)
    _quadratic_weights(place_y - j, w_y)
    _quadratic_weights(place_u - p, w_u)
    _quadratic_weights(place_v - q, w_v)
    added = 0.0
    for a in range(3):
        for b in range(3):
            block = correction[i - 1 + a, j - 1 + b]
            total = 0.0
            for c in range(3):
                row_u = block[p - 1 + c]
                total += w_u[c] * (
                    w_v[0] * row_u[q - 1] + w_v[1] * row_u[q] + w_v[2] * row_u[q + 1]
                )
            added += w_x[a] * w_y[b] * total
    return penalty + log_gaussian + added


@compiled
def _log_densities(now, later, table):
    work = np.empty((5, _N_FIELDS))
    result = np.empty(len(now))
    for n in range(len(now)):
        result[n] = log_density_of_step(now[n, 0], now[n, 1], later[n, 0], later[n, 1], table, work)
    return result
