"""The attention chapter's questions put to a model: measures, what they agree on, and verdicts."""

import numpy as np
import pandas as pd

from . import attention_measures as measures
from . import importance
from .attention import summarise_attention
from .curriculum import RECIPES
from .states import assign_states
from .training import new_model

#: Key timesteps are the most attended twentieth of the frames.
KEY_FRACTION = 0.05
#: A head attends to few frames if a query attends to less than a tenth of them.
FEW_TARGETS = 0.1
#: Within these bounds a measure counts as that of a model without the structure in question.
EQUAL_SIDES, NO_LOCALITY = (-0.1, 0.1), (0.9, 1.1)
#: "By all others": key timesteps get more than the uniform weight from this share of frames.
BY_ALL = 0.9
N_SECTIONS = 20


def untrained(size):
    """The model of a size before the first step of its training, in evaluation mode."""
    return new_model(RECIPES[size]).plain().eval()


def mixed_trajectory(trajectories):
    """Index of the trajectory that divides its time most evenly between the two states."""
    return int(np.argmin(np.abs(assign_states(trajectories).mean(axis=1) - 0.5)))


def summarise(models, trajectories, counts, section=100):
    """Attention of each model, and of the same model untrained on half as many trajectories.

    Parameters
    ----------
    models : dict of str to TrajectoryTransformer
        By size.
    trajectories : (n, n_frames, 2) ndarray of float32
    counts : dict of str to int
        How many of the trajectories each size is given.
    section : int
        Length of sub-sections and windows, frames.

    Returns
    -------
    dict of str to AttentionSummary
        Keys "small", "small untrained", and so on.
    """
    summaries = {}
    for size, model in models.items():
        n = counts[size]
        summaries[size] = summarise_attention(model, trajectories[:n], section)
        control = summarise_attention(untrained(size), trajectories[: (n + 1) // 2], section)
        summaries[f"{size} untrained"] = control
    return summaries


def statistics(summaries, reach=50):
    """What the chapter says of attention, with intervals over trajectories.

    Parameters
    ----------
    summaries : dict of str to AttentionSummary
    reach : int
        Frames within which attention is local.

    Returns
    -------
    dict of str to dict of str to (mean, low, high)
        By measure, then as the summaries are named. "share": of the attention received by the
        key timesteps. "readers": share of frames that give the ten most attended frames more
        than the uniform weight. "columns": share of the variance of the weights explained by
        the frame attended to, mean over heads. "sides": future minus past over their sum.
        "local": weight within `reach` frames over the uniform. "own state": weight on the own
        state over that of the average row.
    """
    table = {name: {} for name in ("share", "readers", "columns", "sides", "local", "own state")}
    for name, summary in summaries.items():
        received = summary.mean_received
        most = np.argsort(-received, axis=1)[:, :10]
        difference = summary.difference.mean(axis=(1, 2))
        values = (
            measures.top_share(received, KEY_FRACTION),
            np.take_along_axis(summary.attended_by, most, axis=1).mean(axis=1),
            np.nanmean(summary.column_share, axis=(1, 2)),
            measures.asymmetry(difference),
            measures.locality(difference, reach),
            summary.same_state.mean(axis=(1, 2)),
        )
        for measure, value in zip(table, values, strict=True):
            table[measure][name] = measures.bootstrap(value)
    return table


def section_profiles(summary, trajectory=0):
    """Mean weight by time difference in each sub-section of one trajectory.

    Parameters
    ----------
    summary : AttentionSummary
    trajectory : int

    Returns
    -------
    (n_sections, 2 section - 1) ndarray of float
        Averaged over layers and heads; 1 is the uniform weight.
    """
    windows = summary.windows[trajectory]
    reach = windows.shape[-1] - 1
    diagonals = [windows.diagonal(d, 1, 2).mean(axis=-1) for d in range(-reach, reach + 1)]
    return np.stack(diagonals, axis=1)


def extreme_heads(summary, reach=50):
    """Means over trajectories of the head that stands out most: sides, local, own_state.

    Parameters
    ----------
    summary : AttentionSummary
    reach : int
        Frames within which attention is local.

    Returns
    -------
    dict of str to float
    """
    sides = measures.asymmetry(summary.difference).mean(axis=0).ravel()
    known = ~np.isnan(summary.same_state).any(axis=(1, 2))
    own = summary.same_state[known].mean(axis=0) if known.any() else np.array(np.nan)
    return {
        "sides": float(sides[np.abs(sides).argmax()]),
        "local": float(measures.locality(summary.difference, reach).mean(axis=0).max()),
        "own_state": float(own.max()),
    }


def few_target_heads(summary):
    """Number of heads whose queries attend to less than `FEW_TARGETS` of the frames."""
    return int((summary.targets.mean(axis=0) < FEW_TARGETS * summary.n_frames).sum())


def _within(interval, bounds):
    # is a quantity inside the bounds, judging by its interval?
    _, low, high = interval
    if bounds[0] <= low and high <= bounds[1]:
        return "confirmed"
    return "refuted" if high < bounds[0] or low > bounds[1] else "undecided"


def _above(interval, control):
    # is a quantity larger than in the untrained control?
    if interval[1] > control[2]:
        return "confirmed"
    return "refuted" if interval[2] < control[1] else "undecided"


def verdicts(table, summaries):
    """Each takeaway of the poster about attention, judged for each size by a rule.

    Parameters
    ----------
    table : dict
        From `statistics`.
    summaries : dict of str to AttentionSummary

    Returns
    -------
    pandas.DataFrame
        Columns claim, model, measured, untrained, verdict; one row for each claim and size.
    """
    rows = []
    for size in (name for name in summaries if "untrained" not in name):
        control = f"{size} untrained"
        few = few_target_heads(summaries[size]), few_target_heads(summaries[control])
        judged = {
            "there are key timesteps": ("share", _above(table["share"][size],
                                                        table["share"][control])),
            "all others attend to them": ("readers", _within(table["readers"][size], (BY_ALL, 1))),
            "future and past alike": ("sides", _within(table["sides"][size], EQUAL_SIDES)),
            "no local blocks": ("local", _within(table["local"][size], NO_LOCALITY)),
        }  # fmt: skip
        for claim, (measure, verdict) in judged.items():
            shown = [as_text(table[measure][name]) for name in (size, control)]
            rows.append((claim, size, *shown, verdict))
        verdict = "confirmed" if few[0] > few[1] else "undecided" if few[0] else "refuted"
        rows.append(("some heads attend to few frames", size, *map(str, few), verdict))
    columns = ["claim", "model", "measured", "untrained", "verdict"]
    return pd.DataFrame(rows, columns=columns).sort_values("claim", kind="stable")


def as_text(interval, digits=2):
    """ "mean [low, high]", rounded."""
    mean, low, high = (f"{value:.{digits}f}" for value in interval)
    return f"{mean} [{low}, {high}]"


def key_features(summaries, trajectories):
    """How far the key timesteps coincide with frames that stand out in other ways.

    Parameters
    ----------
    summaries : dict of str to AttentionSummary
        Of the first trajectories of `trajectories`.
    trajectories : (n, n_frames, 2) ndarray of float

    Returns
    -------
    dict of str to dict of str to (mean, low, high)
        `attention_measures.enrichment` of each of `attention_measures.frame_features`.
    """
    features = measures.frame_features(trajectories)
    return {
        feature: {
            name: measures.bootstrap(
                measures.enrichment(s.mean_received, values[: len(s.rollout)], KEY_FRACTION)
            )
            for name, s in summaries.items()
        }
        for feature, values in features.items()
    }


def agreement(model, trajectories, summary, n_occluded):
    """Rank correlations between measures of which parts of a trajectory matter.

    All measures are summed over `N_SECTIONS` sections of equal length, so that removing a
    section can be compared with the others.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) ndarray of float32
        Those of the summary, or more.
    summary : AttentionSummary
    n_occluded : int
        Trajectories from which sections are removed.

    Returns
    -------
    dict of str to (mean, low, high)
        Spearman correlation of each pair of attention, rollout, gradient and occlusion.
    """
    n = len(summary.rollout)
    edges = importance.section_edges(summary.n_frames, N_SECTIONS)
    scores = {
        "attention": summary.mean_received,
        "rollout": summary.rollout,
        "gradient": importance.gradient_importance(model, trajectories[:n]),
    }
    scores = {name: importance.sum_in_sections(v, edges) for name, v in scores.items()}
    scores["occlusion"] = importance.occlusion_importance(model, trajectories[:n_occluded], edges)
    names, found = list(scores), {}
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            both = min(len(scores[first]), len(scores[second]))
            correlation = measures.rank_correlation(scores[first][:both], scores[second][:both])
            found[f"{first} – {second}"] = measures.bootstrap(correlation)
    return found


def deletions(model, data, summary, n_removed, seed):
    """Accuracy after the most attended, the steepest, or random frames were removed.

    Parameters
    ----------
    model : TrajectoryTransformer
    data : TrajectorySet
    summary : AttentionSummary
        Of the first trajectories of `data`.
    n_removed : sequence of int
    seed : int
        Of the random frames.

    Returns
    -------
    dict of str to (n, len(n_removed)) ndarray of float
        1 where the answer is right, 0 where not.
    """
    x = data.trajectories[: len(summary.rollout)]
    scores = {
        "most attended": summary.mean_received,
        "largest gradient": importance.gradient_importance(model, x),
        "random": np.random.default_rng(seed).random(summary.rollout.shape),
    }
    labels = data.labels[: len(x)]
    counted = [n for n in n_removed if n]
    none = importance.deletion_curve(model, x, labels, scores["random"], [0])[:, 0]
    found = {}
    for name, score in scores.items():
        right = iter(importance.deletion_curve(model, x, labels, score, counted).T)
        found[name] = np.stack([next(right) if n else none for n in n_removed], axis=1)
    return found


def ablation(model, data, n, by_layer=False):
    """Both losses without each head (or each layer's attention), and what predicts the effect.

    Parameters
    ----------
    model : TrajectoryTransformer
    data : TrajectorySet
    n : int
        Trajectories used.
    by_layer : bool
        Silence all heads of a layer at a time.

    Returns
    -------
    changes : (2, layers, heads or 1, n) ndarray of float
        Increase of the trajectory loss and of the cross-entropy.
    """
    x, y = data.trajectories[:n], data.labels[:n]
    units = importance.layer_units(model) if by_layer else None
    changes = importance.head_ablation(model, x, y, units)  # (units, n, 2)
    n_layers = model.config.num_hidden_layers
    return np.moveaxis(changes, -1, 0).reshape(2, n_layers, -1, n)
