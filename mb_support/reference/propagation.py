"""exp(t L) applied to fields on the grid: conditional expectations and evolving densities.

Two schemes share the work. *Uniformisation* sums powers of the jump chain with Poisson weights.
All its terms are positive, so it is exact to rounding at every single node, also on walls 200 kT
high, but its cost grows with t. A *Chebyshev* expansion costs only the square root of that, but its
rounding errors are small in the mean square under the Boltzmann weight, which says nothing about
nodes of weight 1e-100. So long times are Chebyshev's except for a short stretch in which points on
the walls slide down: last for expectations, first for densities.
"""

from weakref import WeakKeyDictionary

import numpy as np
from scipy.special import ive
from scipy.stats import poisson

from ..compiled import compiled
from .grid import DIRECTIONS, coarsened

_SLIDE = 1 / 400  # length of the stretch times beta D: what it takes to slide down the walls
_TOLERANCE = 1e-15
_LARGEST_GROWTH = 1e8  # by which Chebyshev's rounding errors may grow at any node
_COARSE = 0.04  # grid step at which that is found out, reduced length
_MOST_SWEEPS = 500_000  # and how long it may take
_LONGEST_SUM = 1_000_000  # mean number of terms of uniformisation at once
_MOST_UPDATES = 1e11  # of one node, in one propagation: a few minutes

_slide_times = WeakKeyDictionary()


def _jump_chain(grid, is_density):
    """Stencil of 1 + L / fastest, or of its adjoint: (5, n_x, n_y) and the fastest rate."""
    total = grid.rates.sum(axis=0)
    fastest = total.max()
    stencil = np.empty((5, *total.shape))
    stencil[0] = 1 - total / fastest
    for direction, (d_x, d_y) in enumerate(DIRECTIONS):
        if is_density:  # what arrives from the neighbour, instead of what leaves towards it
            arriving = np.roll(grid.rates[direction ^ 1], (-d_x, -d_y), axis=(0, 1))
            stencil[direction + 1] = arriving / fastest
        else:
            stencil[direction + 1] = grid.rates[direction] / fastest
    return stencil, fastest


@compiled
def _jump(now, stencil, out):
    # What lies beyond the last node is the first one; rates across are zero if it is not.
    n, last = now.shape[0], now.shape[1] - 1
    for i in range(n):
        above, here, below = now[(i + 1) % n], now[i], now[i - 1]
        stay, up, down = stencil[0, i], stencil[1, i], stencil[2, i]
        right, left, row = stencil[3, i], stencil[4, i], out[i]
        for j, after, before in ((0, 1, last), (last, 0, last - 1)):
            row[j] = (
                stay[j] * here[j]
                + up[j] * above[j]
                + down[j] * below[j]
                + right[j] * here[after]
                + left[j] * here[before]
            )
        for j in range(1, last):
            row[j] = (
                stay[j] * here[j]
                + up[j] * above[j]
                + down[j] * below[j]
                + right[j] * here[j + 1]
                + left[j] * here[j - 1]
            )


@compiled
def _uniformised(field, stencil, weights):
    now, after = field.copy(), field.copy()
    result = weights[0] * field
    for n in range(1, len(weights)):
        _jump(now, stencil, after)
        now, after = after, now
        if weights[n] > 0:
            result += weights[n] * now
    return result


@compiled
def _chebyshev(field, stencil, coefficients):
    # T_n(1 + L / fastest): the spectrum of L lies in [-2 fastest, 0].
    before, now, jumped = field.copy(), field.copy(), field.copy()
    _jump(before, stencil, now)
    result = coefficients[0] * before + coefficients[1] * now
    for n in range(2, len(coefficients)):
        _jump(now, stencil, jumped)
        before, now = now, before
        for i in range(field.shape[0]):
            for j in range(field.shape[1]):
                now[i, j] = 2 * jumped[i, j] - now[i, j]
                result[i, j] += coefficients[n] * now[i, j]
    return result


def _poisson_weights(mean):
    n = np.arange(int(mean + 9 * np.sqrt(mean) + 30))
    weights = poisson.pmf(n, mean)
    weights[weights < _TOLERANCE * weights.max()] = 0
    last = np.flatnonzero(weights)[-1]
    return weights[: last + 1] / weights.sum()


def _chebyshev_coefficients(mean):
    # exp(mean (s - 1)) = sum_n c_n T_n(s), c_n = (2 - delta_n0) exp(-mean) I_n(mean)
    n = np.arange(int(np.sqrt(2 * mean * 40) + 40))
    coefficients = 2 * ive(n, mean)
    coefficients[0] /= 2
    return coefficients[: max(2, np.flatnonzero(coefficients > _TOLERANCE)[-1] + 1)]


def slide_time(grid):
    """Time after which Chebyshev's rounding errors do no harm, wherever a particle starts.

    At a node they grow with w^-1/2, w the Boltzmann weight. After a time t the error is the mean of
    that at x_t, and once no start leaves more than `_LARGEST_GROWTH`, all is well; infinite where a
    second well is itself so rare that this never happens.
    """
    shortest = _SLIDE / (grid.beta * grid.diffusion)
    if not np.isfinite(shortest):
        return shortest
    if grid not in _slide_times:
        _slide_times[grid] = _time_to_settle(coarsened(grid, _COARSE), shortest)
    return _slide_times[grid]


def _time_to_settle(grid, shortest):
    energy = grid.beta * (grid.energy - grid.energy.min())
    growth = np.where(grid.active, np.exp(np.minimum(energy, 1000) / 2), 0)
    growth *= np.sqrt(np.exp(-energy).sum())
    stencil, fastest = _jump_chain(grid, is_density=False)
    time, stretch = 0.0, shortest
    while True:
        growth = _uniformise(growth, stencil, fastest * stretch)
        time += stretch
        if growth.max() < _LARGEST_GROWTH:
            return time
        stretch = time / 4
        if fastest * (time + stretch) > _MOST_SWEEPS:
            return np.inf


def _uniformise(field, stencil, mean):
    pieces = int(np.ceil(mean / _LONGEST_SUM))
    weights = _poisson_weights(mean / pieces)
    for _ in range(pieces):
        field = _uniformised(field, stencil, weights)
    return field


def propagate(grid, field, time, is_density, settled=False):
    """exp(t L) f, or its adjoint on a density, for one field; see `GridSolver.propagate`.

    `settled`: the density has already slid down the walls. `ValueError` if it would take too long.

    References
    ----------
    .. [1] A. Jensen, Skand. Aktuarietidskr. 36, 87 (1953): uniformisation.
    .. [2] H. Tal-Ezer, SIAM J. Numer. Anal. 26, 1 (1989): Chebyshev expansion of exp(t L).
    """
    field = np.ascontiguousarray(field, dtype=float)
    if time == 0:
        return field.copy()
    stencil, fastest = _jump_chain(grid, is_density)
    slide = slide_time(grid)
    if settled and np.isfinite(slide) and time * fastest > 1:
        return _chebyshev(field, stencil, _chebyshev_coefficients(fastest * time))
    # A short remainder is not worth a second scheme.
    rest = time - slide if time > 1.5 * slide else 0.0
    updates = fastest * (time - rest) * field.size
    if updates > _MOST_UPDATES:
        raise ValueError(
            f"time = {time:g} takes {updates:.1g} steps of a node at beta = {grid.beta:g} and "
            f"grid_step = {grid.step:g}, where only the slow, safe scheme can be trusted; at most "
            f"{_MOST_UPDATES:g} are made: choose a shorter time, a larger grid_step or a smaller "
            "beta"
        )
    uniform = fastest * (time - rest)
    if rest == 0:
        return _uniformise(field, stencil, uniform)
    expansion = _chebyshev_coefficients(fastest * rest)
    if is_density:
        return _chebyshev(_uniformise(field, stencil, uniform), stencil, expansion)
    return _uniformise(_chebyshev(field, stencil, expansion), stencil, uniform)
