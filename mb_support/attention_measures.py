"""Numbers for what attention does: how concentrated, how local, how one-sided, and on which frames.

Every measure has a value that uniform attention gives; a mean over trajectories comes with its
bootstrap interval.
"""

import numpy as np
from scipy.stats import rankdata

from .potential import potential
from .states import assign_states, height_above_ridge


def pairs_by_difference(n_frames):
    """Number of (query, key) pairs at each time difference, (2 n_frames - 1,) ints."""
    return n_frames - np.abs(np.arange(1 - n_frames, n_frames))


def lorenz_curve(received):
    """Share of the attention that goes to the most attended frames.

    Parameters
    ----------
    received : (..., n_frames) ndarray of float
        Attention received by each frame, not negative.

    Returns
    -------
    (..., n_frames + 1) ndarray of float
        Entry k: share of the k frames that receive most; from 0 to 1.
    """
    ordered = -np.sort(-np.asarray(received, float), axis=-1)
    share = np.cumsum(ordered, axis=-1) / ordered.sum(axis=-1, keepdims=True)
    return np.concatenate([np.zeros_like(share[..., :1]), share], axis=-1)


def top_share(received, fraction=0.05):
    """Share of the attention that goes to the most attended `fraction` of frames, above 0."""
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1; got {fraction}")
    share = lorenz_curve(received)
    return share[..., round(fraction * (share.shape[-1] - 1))]


def asymmetry(difference):
    """Future against past: (future - past) / (future + past) of the attention in a profile.

    Parameters
    ----------
    difference : (..., 2 n - 1) ndarray of float
        Mean weight by time difference, as `AttentionSummary.difference`. There are as many
        pairs of frames at +d as at -d, so uniform attention gives 0.

    Returns
    -------
    (...) ndarray of float
        -1 if all attention goes to the past, 1 if all goes to the future.
    """
    n = (difference.shape[-1] + 1) // 2
    total = difference * pairs_by_difference(n)
    past, future = total[..., : n - 1].sum(axis=-1), total[..., n:].sum(axis=-1)
    return (future - past) / (future + past)


def locality(difference, reach=50):
    """Mean weight within `reach` frames, in units of the uniform weight; 1 if without locality."""
    n = (difference.shape[-1] + 1) // 2
    if not 1 <= reach < n:
        raise ValueError(f"reach must lie in 1..{n - 1} frames; got {reach}")
    near = slice(n - 1 - reach, n + reach)
    pairs = pairs_by_difference(n)[near]
    return (difference[..., near] * pairs).sum(axis=-1) / pairs.sum()


def bootstrap(values, n_resamples=1000, seed=0, level=0.95):
    """Mean over trajectories with its percentile bootstrap interval.

    Parameters
    ----------
    values : (n_trajectories, ...) ndarray of float
        NaN where a trajectory says nothing.
    n_resamples, seed : int
    level : float

    Returns
    -------
    mean, low, high : (...) ndarray of float
    """
    values = np.asarray(values, float)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    counts = np.random.default_rng(seed).multinomial(
        len(values), np.full(len(values), 1 / len(values)), n_resamples
    )
    with np.errstate(invalid="ignore"):
        mean = filled.sum(axis=0) / known.sum(axis=0)
        resampled = np.tensordot(counts, filled, 1) / np.tensordot(counts, known.astype(float), 1)
    # a resample may hold none of the trajectories that say something; NaN only if there is none
    resampled = np.where(np.isnan(resampled), mean, resampled)
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return mean, low, high


def rank_correlation(first, second):
    """Spearman's rank correlation along the last axis; ties share their mean rank.

    Parameters
    ----------
    first, second : (..., n) array_like of float

    Returns
    -------
    (...) ndarray of float
        NaN where one of them is constant.
    """
    a, b = (rankdata(values, axis=-1) for values in (first, second))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis=-1) / scale


def frame_features(trajectories):
    """What might make a frame a key timestep; the larger, the more so.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) ndarray of float

    Returns
    -------
    dict of str to (n, n_frames) ndarray of float
        "early": how close to the start. "extreme": distance from the trajectory's mean in
        standard deviations. "energy": potential energy. "fast": distance to the frame before.
        "ridge": how close to the border between the states. "transition": how close in time to
        a change of state; NaN where there is none.
    """
    trajectories = np.asarray(trajectories, float)
    n, n_frames = trajectories.shape[:2]
    centred = trajectories - trajectories.mean(axis=1, keepdims=True)
    steps = np.linalg.norm(np.diff(trajectories, axis=1, prepend=trajectories[:, :1]), axis=-1)
    steps[:, 0] = steps[:, 1]
    return {
        "early": np.tile(-np.arange(n_frames, dtype=float), (n, 1)),
        "extreme": np.linalg.norm(centred / trajectories.std(axis=1, keepdims=True), axis=-1),
        "energy": potential(trajectories),
        "fast": steps,
        "ridge": -np.abs(height_above_ridge(trajectories)),
        "transition": -_frames_to_transition(assign_states(trajectories)),
    }


def _frames_to_transition(states):
    # time to the nearest change of state; NaN in trajectories without one
    n, n_frames = states.shape
    distance = np.full((n, n_frames), np.nan)
    for row, changes in zip(distance, np.diff(states, axis=1) != 0, strict=True):
        at = np.flatnonzero(changes) + 0.5
        if len(at):
            row[:] = np.abs(np.arange(n_frames)[:, None] - at).min(axis=1)
    return distance


def enrichment(scores, feature, fraction=0.05):
    """How much more often the top frames by score are top frames by a feature than by chance.

    Parameters
    ----------
    scores, feature : (n, n_frames) ndarray of float
    fraction : float
        What counts as top, above 0 and at most 1.

    Returns
    -------
    (n,) ndarray of float
        1 by chance, 1 / fraction at most; NaN where the feature is.
    """
    n_frames = scores.shape[1]
    n_top = max(1, round(fraction * n_frames))
    shared = np.empty(len(scores))
    for i, (score, value) in enumerate(zip(scores, feature, strict=True)):
        best = np.argsort(-score, kind="stable")[:n_top]
        shared[i] = np.isin(best, np.argsort(-value, kind="stable")[:n_top]).mean()
    shared[np.isnan(feature).any(axis=1)] = np.nan
    return shared * n_frames / n_top
