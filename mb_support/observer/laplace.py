"""Laplace's approximation: a posterior as the normal distribution that its mode suggests.

The log posteriors here take many points in one call, and each call is dear; so slope and curvature
are central differences, all of whose points are asked for together.
"""

import numpy as np

_PROBE_STEP = 2e-3  # of the differences, in reduced length and in log length
_SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def value_and_slope(log_posterior, point):
    """A log posterior, of (n, n_dimensions) points, and its gradient at a point."""
    probes = _PROBE_STEP * np.eye(len(point))
    values = log_posterior(point + np.concatenate([np.zeros_like(probes[:1]), probes, -probes]))
    up, down = values[1:].reshape(2, -1)
    return values[0], (up - down) / (2 * _PROBE_STEP)


def covariance(log_posterior, mode, widest):
    """Inverse of the curvature of a log posterior, positive definite; directions that are flat or
    rise get the standard deviation `widest`."""
    probes = _PROBE_STEP * np.eye(len(mode))
    pairs = [(i, j) for i in range(len(mode)) for j in range(i + 1)]
    corners = [mode + a * probes[i] + b * probes[j] for i, j in pairs for a, b in _SIGNS]
    values = log_posterior(np.array(corners)).reshape(-1, len(_SIGNS))
    curvature = np.empty((len(mode), len(mode)))
    for (i, j), (pp, pm, mp, mm) in zip(pairs, values, strict=True):
        curvature[i, j] = curvature[j, i] = -(pp - pm - mp + mm) / (4 * _PROBE_STEP**2)
    sizes, axes = np.linalg.eigh(curvature)
    return (axes / np.maximum(sizes, widest**-2)) @ axes.T
