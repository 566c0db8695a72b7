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


def own_group_weight(received, groups):
    """Weight on frames of the query's own group if every query had the average row.

    Parameters
    ----------
    received : (..., n_frames) ndarray of float
        Attention received by each frame, 1 if uniform.
    groups : (n_frames,) ndarray of int
        Group of each frame, such as its state or its sub-section.

    Returns
    -------
    (...) ndarray of float
        From 0 to 1.
    """
    _, group_of, counts = np.unique(groups, return_inverse=True, return_counts=True)
    share_of_queries = counts[group_of] / len(groups)
    return (np.asarray(received, float) * share_of_queries).mean(axis=-1)


def own_weight_by_difference(difference, groups):
    """Weight on the own group if it depended on the time difference alone, over the uniform one.

    Frames close in time are mostly in one state: a head that looks at neighbours, whatever their
    state, has this value above 1.

    Parameters
    ----------
    difference : (..., 2 n_frames - 1) ndarray of float
        Mean weight by time difference, as `attention.AttentionSummary.difference`.
    groups : (n_frames,) ndarray of int

    Returns
    -------
    (...) ndarray of float
        1 if weights are uniform, or if all frames are in one group.
    """
    n_same = np.zeros(2 * len(groups) - 1)  # pairs of one group at each time difference
    for group in np.unique(groups):
        inside = (groups == group).astype(float)
        n_same += np.correlate(inside, inside, "full")
    total = (difference * pairs_by_difference(len(groups))).sum(axis=-1)
    return (difference * n_same).sum(axis=-1) / total * len(groups) ** 2 / n_same.sum()


def section_profiles(windows):
    """Mean weight by time difference within each sub-section.

    Parameters
    ----------
    windows : (..., n_sections, section, section) ndarray of float
        Weights within sub-sections, as `attention.AttentionSummary.windows`.

    Returns
    -------
    (..., n_sections, 2 section - 1) ndarray of float
    """
    reach = windows.shape[-1] - 1
    diagonals = [windows.diagonal(d, -2, -1).mean(axis=-1) for d in range(-reach, reach + 1)]
    return np.stack(diagonals, axis=-1)


def mean_time_difference(windows):
    """Time difference weighted by attention: sum of A_ij (j - i) over sum of A_ij.

    Parameters
    ----------
    windows : (..., section, section) ndarray of float
        Weights of queries (rows) on keys (columns).

    Returns
    -------
    (...) ndarray of float
        In frames: positive if attention leans to the future, 0 if it is uniform.
    """
    frames = np.arange(windows.shape[-1])
    weighted = windows * (frames - frames[:, None])
    return weighted.sum(axis=(-2, -1)) / windows.sum(axis=(-2, -1))


def mean_distance(section):
    """Mean time difference without its sign, in frames, under uniform attention in a section."""
    return (section**2 - 1) / (3 * section)


def share_by_position(received, fraction=0.05):
    """Share of the attention on the positions that are most attended in the *other* trajectories.

    Parameters
    ----------
    received : (n, n_frames) ndarray of float
        Attention received in each of two or more trajectories.
    fraction : float
        Of the positions.

    Returns
    -------
    (n,) ndarray of float
        As large as `top_share` if key timesteps lie at the same positions in all trajectories;
        `fraction` if positions do not matter.

    Raises
    ------
    ValueError
        If there is one trajectory only.
    """
    received = np.asarray(received, float)
    if len(received) < 2:
        raise ValueError(f"positions of others need two or more trajectories; got {len(received)}")
    n_top = max(1, round(fraction * received.shape[1]))
    others = received.sum(axis=0) - received
    most = np.argsort(-others, axis=1, kind="stable")[:, :n_top]
    return np.take_along_axis(received, most, axis=1).sum(axis=1) / received.sum(axis=1)


def extreme_unit(values, largest=True):
    """The head that stands out most, chosen on one half of the trajectories, measured on the other.

    The largest of many noisy means is too large; measured anew, it is not.

    Parameters
    ----------
    values : (n, layers, heads) ndarray of float
        A measure of each head in each of two or more trajectories.
    largest : bool
        Or the smallest.

    Returns
    -------
    unit : tuple of int
        Layer and head.
    values : (n // 2,) ndarray of float
        Of that head in the second half of the trajectories.
    """
    values = np.asarray(values, float)
    first, second = values[: (len(values) + 1) // 2], values[(len(values) + 1) // 2 :]
    means = first.mean(axis=0)
    best = np.nanargmax(means if largest else -means)
    layer, head = np.unravel_index(best, means.shape)
    return (int(layer), int(head)), second[:, layer, head]


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
