"""Markov state models (`deeptime`) of trajectory sets: timescale, density, passage times."""

import numpy as np
from deeptime.markov import TransitionCountModel
from deeptime.markov.msm import MaximumLikelihoodMSM
from scipy.sparse import coo_matrix

from .kinetics import DISKS, assign_boxes, box_edges, checked_set, parts


def assign_cells(trajectories, width=0.2, disks=DISKS):
    """Cells of a Markov state model: the two disks first, then square boxes around them.

    Returns
    -------
    (n, n_frames) ndarray of int16
        0 and 1 for the disks, 2 and more for boxes.
    """
    trajectories = checked_set(trajectories)
    cells = np.empty(trajectories.shape[:2], np.int16)
    edges = box_edges(width)
    for part in parts(*trajectories.shape[:2]):
        frames = trajectories[part]
        cells[part] = assign_boxes(frames, edges) + 2
        for number, (centre, radius) in enumerate(disks):
            offset = frames - np.asarray(centre, frames.dtype)
            cells[part][(offset**2).sum(axis=-1) < radius**2] = number
    return cells


def count_cells(width=0.2):
    """Number of cells that `assign_cells` tells apart."""
    x_edges, y_edges = box_edges(width)
    return (len(x_edges) - 1) * (len(y_edges) - 1) + 3


def transition_counts(cells, lag, n_cells, n_groups=50):
    """Transition counts between cells, in groups of trajectories for the bootstrap.

    Parameters
    ----------
    cells : (n, n_frames) ndarray of int
    lag : int
        Frames between the two ends of a transition.
    n_cells : int
    n_groups : int
        At most as many as there are trajectories.

    Returns
    -------
    list of (n_cells, n_cells) sparse matrices
        One for each group: all pairs (t, t + lag).

    Raises
    ------
    ValueError
        If the lag is out of range.
    """
    if not 1 <= lag < cells.shape[1]:
        raise ValueError(f"lag must be from 1 to {cells.shape[1] - 1} frames; got {lag!r}")
    counts = []
    for group in np.array_split(cells, min(n_groups, len(cells))):
        pair = group[:, :-lag].astype(np.int64) * n_cells + group[:, lag:]
        number, count = np.unique(pair, return_counts=True)
        shape = (n_cells, n_cells)
        counts.append(coo_matrix((count, (number // n_cells, number % n_cells)), shape).tocsr())
    return counts


def markov_model(counts, weights=None, reversible=True):
    """Maximum-likelihood Markov state model (`deeptime`) of grouped counts.

    Parameters
    ----------
    counts : list of sparse matrices
        From `transition_counts`.
    weights : (n_groups,) ndarray, optional
        How often each group counts.
    reversible : bool
        Impose detailed balance, which the exact dynamics obeys.

    Returns
    -------
    MarkovStateModel
        On the largest connected set; `model.count_model.state_symbols` are its cells.

    Raises
    ------
    ValueError
        If no two cells are connected both ways.
    """
    weights = np.ones(len(counts)) if weights is None else weights
    total = sum(weight * matrix for weight, matrix in zip(weights, counts, strict=True) if weight)
    connected = TransitionCountModel(total.toarray()).submodel_largest()
    if connected.n_states < 2:
        raise ValueError("no two cells are connected both ways: there is no dynamics to model")
    return MaximumLikelihoodMSM(reversible=reversible).fit(connected).fetch_model()


def slowest_timescale(counts, lag_time, weights=None):
    """Slowest implied timescale -lag / ln(eigenvalue); NaN if no two cells are connected."""
    try:
        model = markov_model(counts, weights)
    except ValueError:
        return np.nan
    return float(model.timescales(k=1)[0] * lag_time)


def markov_kinetics(counts, lag_time, weights=None):
    """What a Markov state model on the cells of `assign_cells` says, from its matrix alone.

    Parameters
    ----------
    counts : list of sparse matrices
    lag_time : float
        Time of a step of the model; targets are looked at once in a step.
    weights : (n_groups,) ndarray, optional

    Returns
    -------
    dict
        "passage_time_ab", "passage_time_ba", "slowest_timescale", "population_b" (share of time
        since the last visit of disk B rather than A); NaN where the counts do not connect.
    """
    nothing = ("passage_time_ab", "passage_time_ba", "slowest_timescale", "population_b")
    try:
        # Short windows reach cells that they rarely leave: detailed balance would take the
        # likelihood's iteration minutes and changes these numbers by less than their errors.
        model = markov_model(counts, weights, reversible=False)
    except ValueError:
        return dict.fromkeys(nothing, np.nan)
    cells = np.asarray(model.count_model.state_symbols)
    disks = [np.flatnonzero(cells == k) for k in (0, 1)]
    if not all(map(len, disks)):
        return dict.fromkeys(nothing, np.nan)
    second = np.sort(np.abs(np.linalg.eigvals(model.transition_matrix)))[-2]
    return {
        "passage_time_ab": float(model.mfpt(*disks) * lag_time),
        "passage_time_ba": float(model.mfpt(*disks[::-1]) * lag_time),
        "slowest_timescale": float(-lag_time / np.log(second)),
        "population_b": float(1 - model.stationary_distribution @ model.committor_backward(*disks)),
    }
