"""Tables, curves and words of the attention chapter, from what was kept of every training."""

from itertools import product

import numpy as np
import pandas as pd

from ...statistics import (
    Z,
    answers_in_words,
    bootstrap_mean,
    rank_correlation,
    verdicts_in_words,
    with_interval,
)
from ..kept_results import by_size, title
from .importance import LATER
from .measures import KEY_FRACTION, MEASURES, mean_distance
from .verdicts import (
    EQUAL_SIDES,
    error_text,
    label,
    lost,
    most_leaning,
    spread_text,
    suffers,
    values_of,
    verdicts,
    within,
)

#: Experiments on frames: keys of what is kept, and their names.
EXPERIMENTS = {"removed": "removed", "unread": "not read"}
#: Frames removed, or left unread, where one number is asked for.
N_REMOVED = 50
#: Measures that prose cites, trained and untrained.
_CITED = ("share", "readers", "few", "columns", "sides", "blocks", "own_state", "state_heads")
#: What makes a frame a key timestep, in words.
FEATURES = {
    "early": "close to the start",
    "extreme": "far from the mean",
    "energy": "high in energy",
    "fast": "fast",
    "ridge": "near the ridge",
    "transition": "near a change of state",
}


def range_text(means, digits=2):
    """ "mean (lowest to highest training)", or "mean (1 seed)"."""
    low, high = (f"{value:.{digits}f}" for value in (np.min(means), np.max(means)))
    return f"{np.mean(means):.{digits}f} ({f'{low} to {high}' if len(means) > 1 else '1 seed'})"


def in_words(results, *keys, digits=2):
    """Means of the values at nested keys: "small 0.08 (0.07 to 0.10), large 0.15 (1 seed)"."""
    return ", ".join(
        f"{size} {range_text([np.nanmean(v) for v in values_of(trainings, *keys)], digits)}"
        for size, trainings in results.items()
    )


def measure_table(results, names):
    """Measures of every size, trained and untrained; `names` are keys of `MEASURES`."""
    rows = {
        (MEASURES[name], label(size, trainings)): {
            which: spread_text(values_of(trainings, which, "each", name))
            for which in ("trained", "untrained")
        }
        for name in names
        for size, trainings in results.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["measure", "model"])


def section_table(trainings, section):
    """Mean time difference in each sub-section, in frames, and verdict: a column a training."""
    columns, unit = {}, mean_distance(section)
    moments = values_of(trainings, "trained", "each", "moments")
    for name, values in zip(trainings, moments, strict=True):
        columns[name] = {
            f"{k * section} to {(k + 1) * section - 1}": f"{with_interval(*unit * found, 1)} "
            + within(found, EQUAL_SIDES)
            for k, found in enumerate(np.transpose(bootstrap_mean(values)))
        }
    return pd.DataFrame(columns).rename(columns=title).rename_axis("frames")


def extreme_heads(results, names, which="trained"):
    """The heads that stand out, "layer.head: mean [low, high]", a row for each training; measured
    on trajectories that did not choose the head."""
    kept = {
        name: k[which]["extreme"] for trained in results.values() for name, k in trained.items()
    }
    cells = {
        name: {
            key: f"L{heads[key]['layer']} H{heads[key]['head']}: "
            + with_interval(*bootstrap_mean(np.array(heads[key]["values"], float)))
            for key in names
        }
        for name, heads in kept.items()
    }
    return pd.DataFrame.from_dict(cells, orient="index").rename(index=title)


def state_heads(results):
    """`extreme_heads` that seek and that avoid their own state, trained and untrained."""
    names = ("seeks its own state", "avoids its own state")
    found = {which: extreme_heads(results, names, which) for which in ("trained", "untrained")}
    return pd.concat(found, axis=1)


def trainings_with(results, name, least=0.5):
    """In how many trainings a head of `EXTREME_HEADS` has a mean of `least` or more."""
    counts = []
    for size, trainings in results.items():
        means = [v.mean() for v in values_of(trainings, "trained", "extreme", name, "values")]
        counts.append(f"{size} {sum(mean >= least for mean in means)} of {len(means)}")
    return ", ".join(counts)


def experiment_costs(results):
    """Probability of the true state lost with chosen frames beyond that lost with random ones."""
    columns = {}
    for size, trainings in results.items():
        kept = next(iter(trainings.values()))
        columns[label(size, trainings)] = {
            (order, name, n): spread_text(lost(trainings, part, order, n))
            for part, name in EXPERIMENTS.items()
            for order, n in product(kept[part], kept["settings"]["n_removed"])
            if order != "random"
        }
    return pd.DataFrame(columns).rename_axis(["frames", "experiment", "number"])


def layer_table(results):
    """Increase of both losses when the attention of a layer is silenced, as `spread_text`."""
    columns = {}
    for size, trainings in results.items():
        means, errors = (values_of(trainings, "layers", key) for key in ("mean", "se"))
        half_widths = Z * np.mean(errors, axis=0)  # (2, layers)
        for k, loss in enumerate(("frame", "state")):
            cells = list(map(error_text, np.transpose(means)[:, k], half_widths[k]))
            columns[label(size, trainings), loss] = pd.Series(cells, range(1, 1 + len(cells)))
    return pd.DataFrame(columns).fillna("").rename_axis(index="layer")


def head_correlations(trainings):
    """Rank correlations over heads of the effect of silencing one with its gradient ("slope"), how
    "few" frames it attends to and the "norm" of what it reads."""
    effects = [np.abs(v[1]).ravel() for v in values_of(trainings, "small_heads", "mean")]
    predictors = {
        "slope": values_of(trainings, "small_heads", "slope"),
        "few": [-v for v in values_of(trainings, "trained", "heads", "head_targets")],
        "norm": values_of(trainings, "trained", "heads", "head_norms"),
    }
    return {
        name: [rank_correlation(v.ravel(), e) for v, e in zip(values, effects, strict=True)]
        for name, values in predictors.items()
    }


def _size(named):
    # "small" of "small (5 seeds)"
    return named.partition(" (")[0]


def share_at_same_places(trainings):
    """Of the attention that key timesteps get beyond their number's share, how much the positions
    get that are most attended in other trajectories: a mean over trainings."""
    beyond = [
        np.mean([v.mean() for v in values_of(trainings, "trained", "each", name)]) - KEY_FRACTION
        for name in ("by_position", "share")
    ]
    return float(beyond[0] / beyond[1])


def words(results):
    """What prose cites, by key: texts, and numbers of the settings."""
    small = next(iter(results.values()))
    first = next(iter(small.values()))
    settings = first["settings"]
    found = {}
    for which in ("trained", "untrained"):
        shares = {s: spread_text(values_of(t, which, "each", "share")) for s, t in results.items()}
        found |= by_size(f"{which}_share", shares)
    found |= {
        "n": settings["n_trajectories"],
        "n_half": settings["n_trajectories"] // 2,
        "n_both": settings["n_both"],
        "n_frames": settings["n_frames"],
        "n_removed": N_REMOVED,
        "n_removed_many": settings["n_removed"][-1],
        "n_start": settings["n_start"],
        "enrichment_limit": 1 / KEY_FRACTION,
        "mean_distance": mean_distance(settings["section"]),
        "seeds": ", ".join(f"{size} {len(trainings)}" for size, trainings in results.items()),
    }
    for start, weighted in (("verdicts", False), ("weighted", True)):
        for claim, judged in verdicts(results, weighted)["verdict"].groupby(level="claim"):
            key = claim.replace(" ", "_")
            found[f"{start}_{key}"] = verdicts_in_words(judged.droplevel("claim"))
            by_name = judged.droplevel("claim").rename(_size)
            found[f"answers_{'weighted_' * weighted}{key}"] = answers_in_words(by_name)
    for measure, (ending, which) in product(
        _CITED, (("words", "trained"), ("untrained", "untrained"))
    ):
        found[f"{measure}_{ending}"] = in_words(results, which, "each", measure)
    for ending, which in (("words", "trained"), ("untrained", "untrained")):
        leaning = {
            size: [most_leaning(v).mean() for v in values_of(trainings, which, "each", "moments")]
            for size, trainings in results.items()
        }
        found[f"moments_{ending}"] = ", ".join(
            f"{size} {range_text(means)}" for size, means in leaning.items()
        )
    for key, which in (("fewest_small", "trained"), ("fewest_control", "untrained")):
        targets = values_of(small, which, "heads", "head_targets")
        found[key] = range_text([v.min() for v in targets], 0)
    for key in ("first", "next"):
        found[f"{key}_frame_heads"] = trainings_with(results, f"{key} frame")
    for pair in [pair for pair in first["agreement"] if pair.endswith("occlusion")]:
        key = pair.replace(" – ", "_").replace("-", "_")
        found[f"rho_{key}_words"] = in_words(results, "agreement", pair)
    orders = {"most_attended": "most attended", "later": LATER, "first": "first"}
    numbers = {"": N_REMOVED, "_many": found["n_removed_many"]}
    for (key, order), (ending, n) in product(orders.items(), numbers.items()):
        judged = suffers(results, "unread", order, n)
        judged = {name.partition(" (")[0]: verdict for name, verdict in judged.items()}
        found[f"unread_{key}{ending}"] = answers_in_words(judged)
    for key, values in head_correlations(small).items():
        found[f"rho_{key}_ablation"] = range_text(values)
    same = {size: share_at_same_places(trainings) for size, trainings in results.items()}
    found["same_places"] = ", ".join(f"{size} {share:.2f}" for size, share in same.items())
    return found
