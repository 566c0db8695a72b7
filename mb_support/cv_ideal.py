"""The committor as well as anyone could know it from a standardised trajectory.

Standardisation hides where a trajectory was, so even an observer who knows the dynamics exactly is
not sure of q(x_t). `observer.IdealObserver` has samples of the shift and scale that were taken
away, given the standardised frames; each sample says where every frame was. The mean of q over
them, each with the weight with which a frame at that place is scored, has the least expected
squared error of all functions of the standardised trajectory: no read-out of any encoding can do
better but by chance.
"""

import numpy as np
from tqdm.auto import tqdm

from .cv_scores import REGIONS, region_factors
from .observer import standardise


def best_committor(observer, fields, trajectories, frames, progress=False):
    """Posterior mean of the committor of frames, given their standardised trajectories.

    Parameters
    ----------
    observer : IdealObserver
        Of whole trajectories.
    fields : ExactFields
    trajectories : (n_trajectories, n_frames, 2) array_like
        Raw or standardised; only the standardised frames are used.
    frames : Frames
        Which frames are asked for.
    progress : bool
        Draw a progress bar.

    Returns
    -------
    dict of str to ndarray
        For each of `cv_scores.REGIONS` and for "fitted", the weights with which probes are fitted:
        the best prediction of q, (n,). "position": that of the position with the Boltzmann
        weights, (n, 2). "effective_samples": (n_trajectories,), NaN where no frame was asked for.
    """
    standardised, _ = standardise(trajectories)
    factors = region_factors(frames)
    found = {name: np.empty(len(frames)) for name in (*REGIONS, "fitted")}
    found["position"] = np.empty((len(frames), 2))
    found["effective_samples"] = np.full(len(standardised), np.nan)
    numbers = np.unique(frames.trajectory)
    for number in tqdm(numbers, "trajectories", disable=not progress):
        rows = np.flatnonzero(frames.trajectory == number)
        z = standardised[number]
        locations, weights = observer.sample_posterior(z, int(number))
        found["effective_samples"][number] = 1 / np.square(weights).sum()
        places = locations[:, None, :2] + np.exp(locations[:, None, 2:]) * z[frames.frame[rows]]
        committor = fields.committor(places)  # (samples, frames)
        density = weights[:, None] * fields.weight(places)
        for name, factor in factors.items():
            found[name][rows] = _mean(committor, density * factor(committor), weights)
        for axis in (0, 1):
            found["position"][rows, axis] = _mean(places[..., axis], density, weights)
    return found


def _mean(values, densities, weights):
    # a frame that no sample puts into a region has no weight there: then the plain mean
    total = densities.sum(axis=0)
    weighted = (densities * values).sum(axis=0) / np.where(total > 0, total, 1.0)
    return np.where(total > 0, weighted, weights @ values)
