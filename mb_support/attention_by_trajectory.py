"""What is said of the attention on each trajectory, and what is kept of it.

`attention` forms sums over the weights; here they become the numbers of the attention chapter, one
or a few for each trajectory, so that intervals over trajectories can be taken.
"""

import numpy as np

from . import attention_measures as measures
from .attention import summarise_attention
from .states import assign_states

#: Key timesteps are the most attended twentieth of the frames.
KEY_FRACTION = 0.05
#: A head attends to few frames if a query attends to less than a tenth of them.
FEW_TARGETS = 0.1
#: A head seeks or avoids its own state if its weight on it is further from that of the average row.
FOLLOWS = 0.1
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
    "time_own_state": "the same by time difference alone",
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
#: One number for each head.
HEAD_MEASURES = {
    "head_targets": "frames attended to by a query",
    "head_sides": "future minus past over their sum",
    "head_own_state": "weight on the own state over that of the average row",
    "head_next": "share of the weight on the next frame",
    "head_previous": "share of the weight on the previous frame",
    "head_first": "share of the weight on the first frame",
    "head_norms": "norm that the head reads over that of a mean frame",
}


def measures_of(summary):
    """What the chapter says of the attention on each trajectory.

    Parameters
    ----------
    summary : AttentionSummary

    Returns
    -------
    dict of str to ndarray of float
        First axis: trajectory. The keys of `MEASURES`, but for the last three; "moments", the mean
        time difference over the mean distance, for each sub-section; the keys of `HEAD_MEASURES`,
        for each layer and head; and "received", "norm_received", "rollout", "profile" and
        "section_profiles" as in `AttentionSummary` and `attention_measures`, averaged over heads.
    """
    n_frames, received = summary.n_frames, summary.mean_received
    norm_received, states = summary.norm_received, summary.states.astype(int)
    ten = np.argsort(-received, axis=1)[:, :10]
    sections = np.arange(n_frames) // ((summary.in_section.shape[-1] + 1) // 2)
    difference = summary.difference.mean(axis=(1, 2))
    past, future, norm_section, norm_state = np.moveaxis(summary.norm_sums.sum(axis=(1, 2)), -1, 0)
    norm_total = (summary.received * summary.norms).mean(axis=-1).sum(axis=(1, 2))
    share, norm_at_keys = _key_shares(received, norm_received)
    moments = measures.mean_time_difference(summary.windows)
    each = range(len(received))
    expected = np.array([measures.own_group_weight(received[i], states[i]) for i in each])
    norm_expected = [measures.own_group_weight(norm_received[i], states[i]) for i in each]
    by_time = [measures.own_weight_by_difference(difference[i], states[i]) for i in each]
    one_state = (states == states[:, :1]).all(axis=1)
    followed = {
        "own_state": summary.own_state_weight.mean(axis=(1, 2)) / expected,
        "norm_own_state": norm_state / norm_total / norm_expected,
        "time_own_state": np.array(by_time),
        "state_heads": (np.abs(summary.own_state - 1) > FOLLOWS).mean(axis=(1, 2)),
    }
    return {
        "share": share,
        "readers": np.take_along_axis(summary.attended_by, ten, axis=1).mean(axis=1),
        "columns": np.nanmean(summary.column_share, axis=(1, 2)),
        "diagonals": np.nanmean(summary.difference_share, axis=(1, 2)),
        "few": (summary.targets < FEW_TARGETS * n_frames).mean(axis=(1, 2)),
        "sides": measures.asymmetry(difference),
        "blocks": summary.own_section.mean(axis=(1, 2)),
        "first": received[:, 0],
        "norm_share": measures.top_share(norm_received, KEY_FRACTION),
        "norm_sides": (future - past) / (future + past),
        "norm_blocks": norm_section
        / norm_total
        / measures.own_group_weight(norm_received, sections),
        "norm_first": norm_received[:, 0],
        "key_norm": norm_at_keys / share * (1 - share) / (1 - norm_at_keys),
        **{name: np.where(one_state, np.nan, values) for name, values in followed.items()},
        "moments": moments / measures.mean_distance(summary.windows.shape[-1]),
        "head_targets": summary.targets,
        "head_sides": measures.asymmetry(summary.difference),
        "head_own_state": summary.own_state,
        "head_next": summary.difference[..., n_frames] / n_frames,
        "head_previous": summary.difference[..., n_frames - 2] / n_frames,
        "head_first": summary.received[..., 0] / n_frames,
        "head_norms": (summary.received * summary.norms).mean(-1) / summary.norms.mean(-1),
        "received": received,
        "norm_received": norm_received,
        "rollout": summary.rollout,
        "profile": summary.in_section.mean(axis=(1, 2)),
        "section_profiles": measures.section_profiles(summary.windows),
    }


def _key_shares(received, norm_received):
    # share of the attention, and of the norm-weighted attention, on the most attended frames
    n_top = max(1, round(KEY_FRACTION * received.shape[1]))
    keys = np.argsort(-received, axis=1, kind="stable")[:, :n_top]
    shares = [np.take_along_axis(r, keys, 1).sum(1) / r.sum(1) for r in (received, norm_received)]
    return shares


def measure(model, trajectories, section):
    """`measures_of` a model on trajectories, one at a time: large models fit in memory."""
    rows = [measures_of(summarise_attention(model, x[None], section)) for x in trajectories]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


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


def kept_measures(found, trajectories, n, both):
    """What is kept of `measure`.

    Parameters
    ----------
    found : dict
        From `measure`.
    trajectories : (n_all, n_frames, 2) ndarray
        Those measured.
    n : int
        The first of them, on which all but the measures of states are taken.
    both : (n_both,) ndarray of int
        Those that visit both states.

    Returns
    -------
    dict
        "each": `MEASURES` and "moments", one value for each trajectory, those of states on
        trajectories that visit both; "features": enrichment of key timesteps likewise; "means":
        mean and standard error of each profile; "heads": mean over trajectories of
        `HEAD_MEASURES`; "extreme": for each of `EXTREME_HEADS` layer and
        head, counted from 1, and their values on the trajectories that did not choose them.
    """
    first = {name: values[:n] for name, values in found.items()}
    settled = np.ptp(assign_states(trajectories[:n]), axis=1) == 0
    features = measures.frame_features(trajectories[:n])
    profiles = {name: first[name] for name in ("profile", "section_profiles")}
    profiles["lorenz"] = _at_equal_steps(measures.lorenz_curve(first["received"]))
    extreme = {}
    for name, (measure_, largest) in EXTREME_HEADS.items():
        values = found[measure_][both] if measure_ == "head_own_state" else first[measure_]
        (layer, head), values = measures.extreme_unit(values, largest)
        extreme[name] = {"layer": layer + 1, "head": head + 1, "values": values}
    return {
        "each": {name: first[name] for name in (*MEASURES, "moments") if name in first}
        | {name: found[name][both] for name in _OF_BOTH_STATES}
        | {"columns_one": first["columns"][settled], "columns_two": found["columns"][both]}
        | {"by_position": measures.share_by_position(first["received"], KEY_FRACTION)},
        "features": {
            name: measures.enrichment(first["received"], values, KEY_FRACTION)
            for name, values in features.items()
        },
        "means": {
            name: {"mean": v.mean(axis=0), "se": v.std(axis=0, ddof=1) / np.sqrt(len(v))}
            for name, v in profiles.items()
        },
        "heads": {
            name: (found[name][both] if name == "head_own_state" else first[name]).mean(axis=0)
            for name in HEAD_MEASURES
        },
        "extreme": extreme,
    }


def _at_equal_steps(curves, n_steps=70):
    # (n, n_steps + 1) of curves (n, n_points), first and last point included
    points = np.linspace(0, curves.shape[1] - 1, n_steps + 1)
    return np.stack([np.interp(points, np.arange(curves.shape[1]), c) for c in curves])
