"""Numbers for what attention does: how concentrated, how local, how one-sided, on which frames.

Weights are in units of the uniform weight 1 / n_frames: 1 is what a frame gets from a head that
does not choose. Every measure has a value that uniform attention gives.
"""

import numpy as np

from ...potential import potential
from ...states import assign_states, height_above_ridge

#: Key timesteps are the most attended twentieth of the frames.
KEY_FRACTION = 0.05
#: One number for each trajectory, averaged over layers and heads. Weights on the own sub-section
#: and the own state are over those of the average row; a frame attends if it gives more than the
#: uniform weight.
MEASURES = {
    "share": "share of the attention on key timesteps",
    "readers": "share of frames that attend to the ten most attended",
    "few": "share of heads that attend to few frames",
    "columns": "share of variance explained by the frame attended to",
    "diagonals": "share of variance explained by the time difference",
    "sides": "future minus past over their sum",
    "blocks": "weight on the own sub-section, 1 if no blocks",
    "own_state": "weight on the own state, 1 if states play no part",
    "time_own_state": "weight on the own state, from time differences alone",
    "state_heads": "share of heads that seek or avoid their own state",
    "first": "attention on the first frame, 1 if uniform",
    "norm_share": "norm-weighted: share on the twentieth that receives most",
    "norm_sides": "norm-weighted: future minus past over their sum",
    "norm_blocks": "norm-weighted: weight on the own sub-section",
    "norm_own_state": "norm-weighted: weight on the own state",
    "norm_first": "norm-weighted: on the first frame, 1 if uniform",
    "key_norm": "norm read at key timesteps over norm read elsewhere",
    "by_position": "share of the attention on the key positions of other trajectories",
    "columns_one": "variance explained by the frame, in one state",
    "columns_two": "variance explained by the frame, in both states",
}
#: One number for each head; shares are of its weight, sides as above.
HEAD_MEASURES = (
    "head_targets",  # frames attended to by a query
    "head_sides",
    "head_own_state",  # weight on the own state over that of the average row
    "head_next",  # share on the next frame
    "head_previous",
    "head_first",
    "head_norms",  # norm that the head reads over that of a mean frame
)
#: Heads that stand out: measure, and whether its largest or smallest value is looked for.
EXTREME_HEADS = {
    "seeks its own state": ("head_own_state", True),
    "avoids its own state": ("head_own_state", False),
    "looks ahead": ("head_sides", True),
    "looks back": ("head_sides", False),
    "next frame": ("head_next", True),
    "previous frame": ("head_previous", True),
    "first frame": ("head_first", True),
}
_OF_BOTH_STATES = ("own_state", "norm_own_state", "time_own_state", "state_heads")


def pairs_by_difference(n_frames):
    """Number of (query, key) pairs at each time difference, (2 n_frames - 1,) ints."""
    return n_frames - np.abs(np.arange(1 - n_frames, n_frames))


def lorenz_curve(received):
    """Share of (..., n_frames) attention that the k most attended frames receive, k from 0 on."""
    ordered = -np.sort(-np.asarray(received, float), axis=-1)
    share = np.cumsum(ordered, axis=-1) / ordered.sum(axis=-1, keepdims=True)
    return np.concatenate([np.zeros_like(share[..., :1]), share], axis=-1)


def top_share(received):
    """Share of the attention that goes to the most attended twentieth of frames."""
    share = lorenz_curve(received)
    return share[..., round(KEY_FRACTION * (share.shape[-1] - 1))]


def asymmetry(difference):
    """(future - past) / (future + past) of mean weights by time difference, (..., 2 n - 1)."""
    n = (difference.shape[-1] + 1) // 2
    total = difference * pairs_by_difference(n)
    past, future = total[..., : n - 1].sum(axis=-1), total[..., n:].sum(axis=-1)
    return (future - past) / (future + past)


def own_group_weight(received, groups):
    """Weight on the query's own group, of (n_frames,) ints, if all queries had the average row."""
    _, group_of, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return (received * counts[group_of]).mean() / len(groups)


def own_weight_by_difference(difference, groups):
    """Weight on the own group, over the uniform one, if it depended on the time difference alone.

    Frames close in time are mostly in one state, so it is above 1 for a head that looks at
    neighbours whatever their state. `difference` is (2 n_frames - 1,), `groups` (n_frames,).
    """
    members = (groups == np.unique(groups)[:, None]).astype(float)
    n_same = sum(np.correlate(inside, inside, "full") for inside in members)
    total = (difference * pairs_by_difference(len(groups))).sum()
    return (difference * n_same).sum() / total * len(groups) ** 2 / n_same.sum()


def section_profiles(windows):
    """Mean weight by time difference of windows (..., section, section), (..., 2 section - 1)."""
    reach = windows.shape[-1] - 1
    diagonals = [windows.diagonal(d, -2, -1).mean(axis=-1) for d in range(-reach, reach + 1)]
    return np.stack(diagonals, axis=-1)


def mean_time_difference(windows):
    """Sum of A_ij (j - i) over sum of A_ij, in frames, of windows A (..., section, section)."""
    frames = np.arange(windows.shape[-1])
    weighted = windows * (frames - frames[:, None])
    return weighted.sum(axis=(-2, -1)) / windows.sum(axis=(-2, -1))


def mean_distance(section):
    """Mean time difference without its sign, in frames, under uniform attention in a section."""
    return (section**2 - 1) / (3 * section)


def share_by_position(received):
    """Share of attention on the positions most attended in the *other* trajectories: as large as
    `top_share` if key timesteps lie at the same positions in all, else a twentieth."""
    most = top_frames(received.sum(axis=0) - received)
    return np.take_along_axis(received, most, axis=1).sum(axis=1) / received.sum(axis=1)


def top_frames(scores):
    """The twentieth of the frames with the largest (..., n_frames) scores, largest first."""
    n_top = max(1, round(KEY_FRACTION * scores.shape[-1]))
    return np.argsort(-scores, axis=-1, kind="stable")[..., :n_top]


def extreme_unit(values, largest=True):
    """The (layer, head) that stands out in the first half of (n, layers, heads) values, and its
    values in the second: the largest of many noisy means is too large, unless it is measured
    anew."""
    first, second = np.split(values, [(len(values) + 1) // 2])
    means = first.mean(axis=0)
    best = np.nanargmax(means if largest else -means)
    layer, head = np.unravel_index(best, means.shape)
    return (int(layer), int(head)), second[:, layer, head]


def frame_features(trajectories):
    """What might make a frame a key timestep, the larger the more so: {name: (n, n_frames)}, as in
    `tables.FEATURES`; NaN for the time to a change of state where there is none."""
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


def enrichment(scores, feature):
    """How much more often the top twentieth by score is that by a feature than by chance, (n,): at
    most about twenty; NaN where the feature is."""
    best, expected = top_frames(scores), top_frames(feature)
    shared = (best[:, :, None] == expected[:, None]).any(axis=2).mean(axis=1)
    shared[np.isnan(feature).any(axis=1)] = np.nan
    return shared * scores.shape[1] / best.shape[1]


def kept_measures(found, trajectories, n, both):
    """What is kept of `measure`, of the first `n` trajectories or, for states, of `both`.

    "each", `MEASURES` and "moments" of each trajectory; "features", enrichment of key timesteps;
    "means", profiles with standard errors; "heads", means; "extreme", for each of `EXTREME_HEADS`
    layer and head, counted from 1, and values on trajectories that did not choose them.
    """
    first = {name: values[:n] for name, values in found.items()}
    by_head = first | {"head_own_state": found["head_own_state"][both]}
    settled = np.ptp(assign_states(trajectories[:n]), axis=1) == 0
    profiles = {name: first[name] for name in ("profile", "section_profiles")}
    curves = lorenz_curve(first["received"])
    steps = np.linspace(0, curves.shape[1] - 1, 71)  # first and last point included
    profiles["lorenz"] = np.stack([np.interp(steps, np.arange(len(c)), c) for c in curves])
    extreme = {}
    for name, (which, largest) in EXTREME_HEADS.items():
        (layer, head), values = extreme_unit(by_head[which], largest)
        extreme[name] = {"layer": layer + 1, "head": head + 1, "values": values}
    return {
        "each": {name: first[name] for name in (*MEASURES, "moments") if name in first}
        | {name: found[name][both] for name in _OF_BOTH_STATES}
        | {"columns_one": first["columns"][settled], "columns_two": found["columns"][both]}
        | {"by_position": share_by_position(first["received"])},
        "features": {
            name: enrichment(first["received"], values)
            for name, values in frame_features(trajectories[:n]).items()
        },
        "means": {
            name: {"mean": v.mean(axis=0), "se": v.std(axis=0, ddof=1) / np.sqrt(len(v))}
            for name, v in profiles.items()
        },
        "heads": {name: by_head[name].mean(axis=0) for name in HEAD_MEASURES},
        "extreme": extreme,
    }
