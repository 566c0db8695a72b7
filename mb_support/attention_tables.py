"""Tables and curves of the attention chapter: all trainings of a size beside each other."""

import numpy as np
import pandas as pd

from . import attention_measures as measures
from .attention_by_trajectory import MEASURES
from .attention_verdicts import (
    ABOVE,
    EQUAL_SIDES,
    interval_text,
    judge,
    spread_text,
    together,
    values_of,
    within,
)


def measure_table(results, names):
    """Measures of every size, trained and untrained.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.
    names : sequence of str
        Keys of `attention_by_trajectory.MEASURES`, which says what the rows are called.

    Returns
    -------
    DataFrame of str
        A row for each measure and size, columns "trained" and "untrained", cells as
        `attention_verdicts.spread_text`.
    """
    rows = {
        (MEASURES[name], size): [
            spread_text([values_of(kept, name, which) for kept in trainings.values()])
            for which in ("trained", "untrained")
        ]
        for name in names
        for size, trainings in results.items()
    }
    index = pd.MultiIndex.from_tuples(rows, names=["measure", "model"])
    return pd.DataFrame(list(rows.values()), index=index, columns=["trained", "untrained"])


def in_words(results, measure, which="trained", digits=2):
    """Means over trainings as one line: "small 0.08, medium 0.15"."""
    return ", ".join(
        f"{size} {mean_of(trainings, measure, which):.{digits}f}"
        for size, trainings in results.items()
    )


def mean_of(trainings, measure, which="trained"):
    """A measure of the trainings of one size: mean over trainings and trajectories."""
    return float(np.mean([np.nanmean(values_of(k, measure, which)) for k in trainings.values()]))


def fewest_targets(trainings, which="trained"):
    """Frames attended to by the head that attends to the fewest, mean over trainings."""
    return float(np.mean([np.min(k[which]["heads"]["head_targets"]) for k in trainings.values()]))


def targets_of_heads(results):
    """Frames attended to by each head, by training, and of the first training untrained.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.

    Returns
    -------
    dict of str to (layers, heads) ndarray of float
        Keys such as "small-0" and "small untrained".
    """
    found = {}
    for size, trainings in results.items():
        for name, kept in trainings.items():
            found[name] = np.array(kept["trained"]["heads"]["head_targets"])
        first = next(iter(trainings.values()))
        found[f"{size} untrained"] = np.array(first["untrained"]["heads"]["head_targets"])
    return found


def intervals(results, group, name=None):
    """Intervals over trajectories, one for each training and one for each size untrained.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.
    group : str
        "each" or "features", of which the untrained networks are shown too, or "agreement".
    name : str
        Measure in the group.

    Returns
    -------
    dict of str to (mean, low, high)
        Keys such as "small-0", and "small untrained": the mean over the trainings' starts.
    """
    found = {}
    for size, trainings in results.items():
        for training, kept in trainings.items():
            part = kept[group] if group == "agreement" else kept["trained"][group]
            found[training] = measures.bootstrap(np.array(part[name], float))
        if group != "agreement":
            parts = [kept["untrained"][group][name] for kept in trainings.values()]
            found[f"{size} untrained"] = measures.bootstrap(np.array(parts, float).mean(axis=0))
    return found


def mean_agreement(trainings, pair):
    """Rank correlation of a pair of measures: mean over the trainings of a size."""
    values = [kept["agreement"][pair] for kept in trainings.values()]
    return float(np.nanmean(np.array(values, float)))


def agreement_in_words(results, pair):
    """`mean_agreement` of every size as one line."""
    means = {size: mean_agreement(trainings, pair) for size, trainings in results.items()}
    return ", ".join(f"{size} {mean:.2f}" for size, mean in means.items())


def bands(results, profile):
    """Means of a profile with 1.96 standard errors over trajectories, by training.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.
    profile : str
        "profile", "section_profiles" or "lorenz".

    Returns
    -------
    dict of str to (mean, low, high)
        Keys such as "small-0 untrained", then those such as "small-0".
    """
    found = {}
    for suffix, which in ((" untrained", "untrained"), ("", "trained")):
        for trainings in results.values():
            for training, kept in trainings.items():
                part = kept[which]["means"][profile]
                mean, error = (np.array(part[key], float) for key in ("mean", "se"))
                found[training + suffix] = mean, mean - 1.96 * error, mean + 1.96 * error
    return found


def section_table(trainings, section=100):
    """Mean time difference within each sub-section, in frames, for the trainings of one size.

    Parameters
    ----------
    trainings : dict of str to dict
        By name, as kept.
    section : int
        Length of the sub-sections, frames.

    Returns
    -------
    DataFrame of str
        One row for each sub-section, a column for each training, with its interval over
        trajectories and the verdict on "alike".
    """
    distance = measures.mean_distance(section)
    columns = {}
    for name, kept in trainings.items():
        found = np.transpose(measures.bootstrap(values_of(kept, "moments")))  # (sections, 3)
        columns[name] = [
            f"{interval_text(interval * distance, 1)} {within(interval, EQUAL_SIDES)}"
            for interval in found
        ]
    n_sections = len(next(iter(columns.values())))
    index = [f"{k * section} to {(k + 1) * section - 1}" for k in range(n_sections)]
    return pd.DataFrame(columns, index=index).rename_axis("frames")


def extreme_heads(results, names, which="trained"):
    """The heads that stand out, training by training.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.
    names : sequence of str
        Keys of `attention_by_trajectory.EXTREME_HEADS`.
    which : {"trained", "untrained"}

    Returns
    -------
    DataFrame of str
        One row for each training; cells "layer.head: mean [low, high]", measured on trajectories
        that had no part in choosing the head.
    """
    rows = {}
    for trainings in results.values():
        for name, kept in trainings.items():
            heads = [kept[which]["extreme"][key] for key in names]
            rows[name] = [
                f"{h['layer']}.{h['head']}: "
                + interval_text(measures.bootstrap(np.array(h["values"], float)))
                for h in heads
            ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(names))


def trainings_with(results, name, least=0.5):
    """In how many trainings a head stands out: "small 2 of 5, medium 3 of 3".

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.
    name : str
        Key of `attention_by_trajectory.EXTREME_HEADS`.
    least : float
        Mean of the head's measure, on trajectories that did not choose it, from which it counts.

    Returns
    -------
    str
    """
    counts = {}
    for size, trainings in results.items():
        values = [
            np.mean(kept["trained"]["extreme"][name]["values"]) for kept in trainings.values()
        ]
        counts[size] = f"{size} {sum(v >= least for v in values)} of {len(values)}"
    return ", ".join(counts.values())


#: Experiments on frames: keys of what is kept.
EXPERIMENTS = {"removed": "removed", "unread": "not read"}
#: Frames removed, or left unread, where one number is asked for.
N_REMOVED = 50


def experiment_curves(results):
    """Probability of the true state by the number of frames removed, or left unread.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.

    Returns
    -------
    dict of (str, str) to dict of str to (mean, low, high)
        By experiment and size, then by which frames. Mean over trainings, interval over
        trajectories; arrays over the numbers of frames, none first.
    """
    return {
        (name, size): {
            order: measures.bootstrap(
                np.mean([np.array(kept[part][order], float) for kept in trainings.values()], axis=0)
            )
            for order in next(iter(trainings.values()))[part]
        }
        for part, name in EXPERIMENTS.items()
        for size, trainings in results.items()
    }


def _lost(trainings, part, order):
    # probability of the true state lost beyond that lost with random frames, (n, 1 + n_removed)
    return [
        np.array(kept[part]["random"], float) - np.array(kept[part][order], float)
        for kept in trainings.values()
    ]


def _orders(trainings, part):
    return [order for order in next(iter(trainings.values()))[part] if order != "random"]


def experiment_costs(results):
    """Probability of the true state lost with chosen frames beyond that lost with random ones.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.

    Returns
    -------
    DataFrame of str
        A row for each experiment, order and number of frames, a column for each size, cells as
        `attention_verdicts.spread_text`; differences are paired by trajectory.
    """
    columns, rows = {}, []
    for size, trainings in results.items():
        n_removed = next(iter(trainings.values()))["settings"]["n_removed"]
        rows = [
            (part, order, k)
            for part in EXPERIMENTS
            for order in _orders(trainings, part)
            for k in range(len(n_removed))
        ]
        columns[size] = [
            spread_text([lost[:, 1 + k] for lost in _lost(trainings, part, order)])
            for part, order, k in rows
        ]
    index = [(order, EXPERIMENTS[part], n_removed[k]) for part, order, k in rows]
    index = pd.MultiIndex.from_tuples(index, names=["frames", "experiment", "number"])
    return pd.DataFrame(columns, index=index)


def suffers(results, part, order, n_removed=N_REMOVED):
    """Whether the answer suffers more from the loss of chosen frames than of random ones.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.
    part : str
        Key of `EXPERIMENTS`.
    order : str
        Which frames, such as "most attended".
    n_removed : int
        One of the numbers of frames removed.

    Returns
    -------
    dict of str to str
        Verdict on "more", by size.

    Raises
    ------
    ValueError
        If that number was not removed.
    """
    found = {}
    for size, trainings in results.items():
        numbers = list(next(iter(trainings.values()))["settings"]["n_removed"])
        if n_removed not in numbers:
            raise ValueError(f"n_removed must be one of {numbers}; got {n_removed}")
        k = 1 + numbers.index(n_removed)
        lost = _lost(trainings, part, order)
        found[size] = together(judge(values[:, k], 0.0, ABOVE) for values in lost)
    return found


def layer_table(results):
    """Increase of both losses when the attention of a layer is silenced.

    Parameters
    ----------
    results : dict
        From `attention_study.load_results`.

    Returns
    -------
    DataFrame of str
        One row for each layer; two columns for each size, mean over trainings and range.
    """
    columns = {}
    for size, trainings in results.items():
        changes = np.array([kept["layers"]["mean"] for kept in trainings.values()], float)
        for k, loss in enumerate(("frame", "state")):
            column = [
                f"{mean:.2f} ({low:.2f} to {high:.2f})"
                for mean, low, high in zip(
                    *(f(changes[:, k], axis=0) for f in (np.mean, np.min, np.max)), strict=True
                )
            ]
            columns[size, loss] = pd.Series(column, index=range(1, len(column) + 1))
    return pd.DataFrame(columns).fillna("").rename_axis(index="layer")


def head_correlations(trainings):
    """What predicts the effect of silencing a head of the small model.

    Parameters
    ----------
    trainings : dict of str to dict
        Trainings of the small model, by name.

    Returns
    -------
    dict of str to (mean, lowest, highest)
        Rank correlation over heads, over trainings: of the size of the effect on the
        cross-entropy with its first-order prediction ("slope"), with how few frames a head
        attends to ("few") and with the norm of what it reads ("norm").
    """
    rows = []
    for kept in trainings.values():
        effect = np.abs(np.array(kept["small_heads"]["mean"], float)[1]).ravel()
        heads = kept["trained"]["heads"]
        predictors = (kept["small_heads"]["slope"], -np.array(heads["head_targets"]),
                      heads["head_norms"])  # fmt: skip
        rows.append([measures.rank_correlation(np.ravel(p), effect) for p in predictors])
    found = np.array(rows)
    summary = zip(found.mean(axis=0), found.min(axis=0), found.max(axis=0), strict=True)
    return dict(zip(("slope", "few", "norm"), summary, strict=True))
