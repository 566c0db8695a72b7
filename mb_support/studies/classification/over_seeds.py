"""Scores of several trainings of one recipe: over trajectories and over seeds, told apart.

All trainings are scored on the same trajectories. The scatter over seeds is pooled over all
recipes that are compared, as in an analysis of variance, since none was trained often; what was
trained once counts as if it scattered like the rest.
"""

import numpy as np
import pandas as pd

from ...classification import SCORES, scores_of_confusion
from ...statistics import half_width, pooled_scatter, resamples, verdict


def scores_over_seeds(labels, predictions, n_bootstrap=1000):
    """Mean scores of recipes, {recipe: DataFrame}, with intervals over trajectories and seeds.

    `predictions` {recipe: (n_seeds, n) states} are all of the same trajectories. "trajectories" and
    "seeds" are the standard errors from either; the latter is NaN, and intervals are over
    trajectories alone, where no recipe was trained twice. Intervals are by `half_width`.
    """
    once = np.ones(len(labels))
    values = {
        name: np.transpose([*scores_of_confusion(_confusions(labels, found, once)).values()])
        for name, found in predictions.items()
    }
    scatter, quantile = pooled_scatter(values.values())
    drawn, tables = resamples(len(labels), n_bootstrap), {}
    for name, found in predictions.items():
        resampled = scores_of_confusion(_confusions(labels, found, drawn))
        by_trajectories = np.array([resampled[score].mean(axis=-1).std() for score in SCORES])
        by_seeds = scatter / np.sqrt(len(found))
        half = half_width(
            by_trajectories, np.nan_to_num(scatter), np.nan_to_num(quantile), len(found)
        )
        mean = values[name].mean(axis=0)
        columns = {"mean": mean, "low": mean - half, "high": np.minimum(mean + half, 1.0)}
        columns |= {"trajectories": by_trajectories, "seeds": by_seeds}
        tables[name] = pd.DataFrame(columns, index=list(SCORES))
    return tables


def accuracy_differences(labels, predictions, pairs=None, fixed=()):
    """How much more often one recipe is right than another, on the same trajectories.

    A row for each of the `pairs`, by default each with the one before; "larger" is a verdict.
    Trajectories that both miss add nothing to the interval. What no training decides, such as an
    observer's guesses, is `fixed`. Raises `ValueError` if nothing was trained twice.
    """
    is_right = {name: states == labels for name, states in predictions.items()}
    scatter, quantile = pooled_scatter([right.mean(axis=1) for right in is_right.values()])
    if np.isnan(scatter):
        raise ValueError("no recipe was trained twice: nothing tells how trainings scatter")
    if pairs is None:
        pairs = zip(list(is_right)[1:], list(is_right)[:-1], strict=True)
    rows = {}
    n_seeds = {name: np.inf if name in fixed else len(right) for name, right in is_right.items()}
    for name, other in pairs:
        gain = is_right[name].mean(axis=0) - is_right[other].mean(axis=0)
        by_trajectories = gain.std() / np.sqrt(len(labels))
        of_difference = scatter * np.sqrt(1 / n_seeds[name] + 1 / n_seeds[other])
        half = half_width(by_trajectories, of_difference, quantile, 1)
        interval = gain.mean() - half, gain.mean() + half
        rows[f"{name} over {other}"] = gain.mean(), *interval, verdict(interval, (0.0, 0.0))
    columns = ["difference", "low", "high", "larger"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def against_figures(tables, figures):
    """Whether mean accuracies of `scores_over_seeds` lie above given figures: {name: verdict}."""
    intervals = {name: table.loc["accuracy", ["low", "high"]] for name, table in tables.items()}
    return {name: verdict(tuple(i), (figures[name],) * 2) for name, i in intervals.items()}


def _confusions(labels, predicted, weights):
    # (..., n_seeds, 2, 2) confusion matrices, each trajectory counted by its (..., n) weight
    found = [
        [weights @ ((labels == true) & (predicted == guess)).T.astype(float) for guess in (0, 1)]
        for true in (0, 1)
    ]  # (2, 2, ..., n_seeds)
    return np.moveaxis(np.array(found), (0, 1), (-2, -1))
