"""Experiments beside attention: frames removed or left unread, layers and heads silenced."""

import numpy as np

from . import attention_measures as measures
from . import importance


def agreement(model, trajectories, found, n_pieces):
    """Rank correlations between measures of which pieces of a trajectory matter.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) ndarray of float32
    found : dict
        "received", "norm_received" and "rollout" of these trajectories, from `measure`.
    n_pieces : int
        Measures are summed over pieces of equal length, which are also removed one by one.

    Returns
    -------
    dict of str to (n,) ndarray of float
        Spearman correlation of each pair of measures, such as "attention – occlusion".
    """
    edges = importance.section_edges(trajectories.shape[1], n_pieces)
    along = {
        "attention": found["received"],
        "norm-weighted": found["norm_received"],
        "rollout": found["rollout"],
        "gradient": importance.gradient_importance(model, trajectories),
    }
    scores = {name: importance.sum_in_sections(v, edges) for name, v in along.items()}
    scores["occlusion"] = importance.occlusion_importance(model, trajectories, edges)
    names = list(scores)
    return {
        f"{first} – {second}": measures.rank_correlation(scores[first], scores[second])
        for i, first in enumerate(names)
        for second in names[i + 1 :]
    }


#: Orders in which frames are left unread.
UNREAD = ("most attended", "first", "random")


def deletions(model, trajectories, labels, found, n_removed, unread=False, seed=0):
    """Probability of the true state after frames were removed, by the order of their removal.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) ndarray of float32
    labels : (n,) ndarray of int
    found : dict
        "received" and "norm_received" of these trajectories, from `measure`.
    n_removed : sequence of int
    unread : bool
        Heads read nothing from the frames, which stay where they are; in the orders of `UNREAD`.
    seed : int
        Of the random frames.

    Returns
    -------
    dict of str to (n, 1 + len(n_removed)) ndarray of float
        With none removed, then by `n_removed`.
    """
    n, n_frames = trajectories.shape[:2]
    orders = {
        "most attended": found["received"],
        "most norm-weighted": found["norm_received"],
        "largest gradient": importance.gradient_importance(model, trajectories),
        "first": np.tile(-np.arange(n_frames), (n, 1)),
        "random": np.random.default_rng(seed).random((n, n_frames)),
    }
    whole = importance.deletion_curve(model, trajectories, labels, orders["random"], [0])
    curve = importance.unread_curve if unread else importance.deletion_curve
    return {
        name: np.hstack([whole, curve(model, trajectories, labels, scores, n_removed)])
        for name, scores in orders.items()
        if name in UNREAD or not unread
    }


def silenced(model, trajectories, labels, heads=False):
    """Increase of both losses without a layer's attention, or without each head.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) ndarray of float32
    labels : (n,) ndarray of int
    heads : bool
        Each head instead of each layer.

    Returns
    -------
    dict of str to ndarray of float
        "mean" and "se" over trajectories, shapes (2, layers) or (2, layers, heads): of the
        trajectory loss and of the cross-entropy. With heads also "slope", (layers, heads): the
        first-order effect on the cross-entropy.
    """
    units = None if heads else importance.layer_units(model)
    changes = importance.head_ablation(model, trajectories, labels, units)  # (units, n, 2)
    shape = (2, model.config.num_hidden_layers, *([-1] if heads else []))
    found = {
        "mean": changes.mean(axis=1).T.reshape(shape),
        "se": (changes.std(axis=1, ddof=1) / np.sqrt(changes.shape[1])).T.reshape(shape),
    }
    if heads:
        slopes = importance.head_gradients(model, trajectories, labels)
        found["slope"] = slopes.mean(axis=0)
    return found
