"""Markov state models (`deeptime`) of trajectory sets: timescale, density, passage times."""

import numpy as np
from deeptime.markov import TransitionCountModel
from deeptime.markov.msm import MaximumLikelihoodMSM
from scipy.sparse import coo_matrix

from ...states import DISKS, checked_set, inside_disks, parts
from .passage_counts import assign_boxes, box_edges, box_number


def assign_cells(trajectories, width=0.2):
    """Cells of a Markov state model, (n, n_frames) ndarray of int16.

    0 and 1 for the disks, 2 and more for square boxes of a width around them.
    """
    trajectories = checked_set(trajectories)
    cells, edges = np.empty(trajectories.shape[:2], np.int16), box_edges(width)
    for part in parts(trajectories):
        inside = inside_disks(trajectories[part], DISKS)
        boxes = assign_boxes(trajectories[part], edges)
        cells[part] = np.where(inside >= 0, inside, boxes + 2)
    return cells


def count_cells(width=0.2):
    """Number of cells that `assign_cells` tells apart."""
    return box_number(box_edges(width)) + 2


def transition_counts(cells, lag, n_cells, n_groups=50):
    """Transition counts over `lag` frames, in at most `n_groups` groups of trajectories.

    A list of sparse (n_cells, n_cells) matrices, one for each group, of all pairs (t, t + lag).
    """
    counts, shape = [], (n_cells, n_cells)
    for group in np.array_split(cells, min(n_groups, len(cells))):
        pair = group[:, :-lag].astype(np.int64) * n_cells + group[:, lag:]
        number, count = np.unique(pair, return_counts=True)
        counts.append(coo_matrix((count, (number // n_cells, number % n_cells)), shape).tocsr())
    return counts


def markov_model(counts, weights=None, reversible=True):
    """Maximum-likelihood Markov state model (`deeptime`) of grouped counts, or None.

    `weights` say how often each group counts; `reversible` imposes detailed balance, which the
    exact dynamics obeys. The model is that of the largest connected set, whose cells are
    `model.count_model.state_symbols`; there is none if no two cells are connected both ways.
    """
    weights = np.ones(len(counts)) if weights is None else weights
    total = sum(weight * matrix for weight, matrix in zip(weights, counts, strict=True) if weight)
    connected = TransitionCountModel(total.toarray()).submodel_largest()
    if connected.n_states < 2:
        return None
    return MaximumLikelihoodMSM(reversible=reversible).fit(connected).fetch_model()


def slowest_timescale(counts, lag_time, weights=None):
    """Slowest implied timescale -lag / ln(eigenvalue); NaN if no two cells are connected."""
    model = markov_model(counts, weights)
    return np.nan if model is None else float(model.timescales(k=1)[0] * lag_time)


def markov_kinetics(counts, lag_time, weights=None):
    """What a Markov state model on the cells of `assign_cells` says, from its matrix alone.

    A dict of "passage_time_ab", "passage_time_ba", "slowest_timescale" and "population_b" (share
    of time since the last visit of disk B rather than A); NaN where the counts do not connect.
    Targets are looked at once in a step of the model, which takes `lag_time`.
    """
    names = ("passage_time_ab", "passage_time_ba", "slowest_timescale", "population_b")
    # Short windows reach cells that they rarely leave: detailed balance would take the
    # likelihood's iteration minutes and changes these numbers by less than their errors.
    model = markov_model(counts, weights, reversible=False)
    cells = [] if model is None else np.asarray(model.count_model.state_symbols)
    disks = [np.flatnonzero(np.equal(cells, k)) for k in (0, 1)]
    if not all(map(len, disks)):
        return dict.fromkeys(names, np.nan)
    second = np.sort(np.abs(np.linalg.eigvals(model.transition_matrix)))[-2]
    found = (
        model.mfpt(*disks) * lag_time,
        model.mfpt(*disks[::-1]) * lag_time,
        -lag_time / np.log(second),
        1 - model.stationary_distribution @ model.committor_backward(*disks),
    )
    return dict(zip(names, map(float, found), strict=True))
