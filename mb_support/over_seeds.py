"""Scores of several trainings of one recipe: over trajectories and over seeds, told apart.

All trainings are scored on the same test trajectories, so two things make a score uncertain: which
trajectories were drawn, and which seed the training had. A recipe is trained a few times only, so
its own scatter is poorly known; the scatter is pooled over all recipes that are compared, as in an
analysis of variance, and Student's t takes care of how few trainings there are.
"""

import numpy as np
import pandas as pd
from scipy import stats

from .classification import SCORES, scores_of_confusion, verdict


def _checked(labels, predictions):
    labels = np.asarray(labels)
    predictions = {name: np.asarray(states) for name, states in predictions.items()}
    for name, states in predictions.items():
        if states.ndim != 2 or states.shape[1:] != labels.shape or len(labels) == 0:
            raise ValueError(
                f"predictions of {name!r} must have shape (n_seeds, {len(labels)}); got "
                f"{states.shape}"
            )
    return labels, predictions


def _confusions(labels, predicted, weights):
    # (..., n_seeds, 2, 2) confusion matrices, each trajectory counted by its (..., n) weight
    found = [
        [weights @ ((labels == true) & (predicted == guess)).T.astype(float) for guess in (0, 1)]
        for true in (0, 1)
    ]  # (2, 2, ..., n_seeds)
    return np.moveaxis(np.array(found), (0, 1), (-2, -1))


def scores_by_seed(labels, predicted):
    """Scores of each training on the same trajectories.

    Parameters
    ----------
    labels : (n,) array_like of int
    predicted : (n_seeds, n) array_like of int

    Returns
    -------
    DataFrame
        One row for each training, columns `classification.SCORES`.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    labels, checked = _checked(labels, {"these trainings": predicted})
    confusions = _confusions(labels, checked["these trainings"], np.ones(len(labels)))
    return pd.DataFrame(scores_of_confusion(confusions), columns=list(SCORES))


def scores_over_seeds(labels, predictions, confidence=0.95, n_bootstrap=1000, seed=0):
    """Mean scores of several recipes with intervals over trajectories and seeds.

    Parameters
    ----------
    labels : (n,) array_like of int
    predictions : dict of str to (n_seeds, n) array_like of int
        States predicted by the trainings of each recipe, of the same trajectories.
    confidence : float
    n_bootstrap, seed : int
        Resamplings of the trajectories, and their seed.

    Returns
    -------
    dict of str to DataFrame
        For each recipe, rows `classification.SCORES` and columns "mean"; "low" and "high", the
        interval; "trajectories", the standard error from the trajectories; "seeds", that from the
        scatter over seeds, pooled over the recipes.

    Raises
    ------
    ValueError
        If the shapes do not fit, or no recipe was trained twice.

    Notes
    -----
    The half-width is sqrt((z e)^2 + (t s)^2 / k): e the standard error from the trajectories, s the
    pooled standard deviation over seeds, k the number of seeds, z and t the normal and Student's
    quantile. Chance from trajectories is part of s too, so intervals are rather too wide.
    """
    labels, predictions = _checked(labels, predictions)
    values = {name: scores_by_seed(labels, found).to_numpy() for name, found in predictions.items()}
    scatter, quantile = _pooled(list(values.values()), confidence)
    z = stats.norm.ppf((1 + confidence) / 2)
    drawn = np.random.default_rng(seed).multinomial(
        len(labels), np.full(len(labels), 1 / len(labels)), n_bootstrap
    )
    tables = {}
    for name, found in predictions.items():
        resampled = scores_of_confusion(_confusions(labels, found, drawn))
        by_trajectories = np.array([resampled[score].mean(axis=-1).std() for score in SCORES])
        by_seeds = scatter / np.sqrt(len(found))
        half = np.hypot(z * by_trajectories, quantile * by_seeds)
        mean = values[name].mean(axis=0)
        tables[name] = pd.DataFrame(
            {
                "mean": mean,
                "low": mean - half,
                "high": mean + half,
                "trajectories": by_trajectories,
                "seeds": by_seeds,
            },
            index=list(SCORES),
        )
    return tables


def _pooled(values, confidence):
    # standard deviation over seeds, pooled over recipes, and Student's quantile for it
    freedom = sum(len(v) - 1 for v in values)
    if freedom < 1:
        raise ValueError("no recipe was trained twice: nothing tells how trainings scatter")
    squares = sum(((v - v.mean(axis=0)) ** 2).sum(axis=0) for v in values)
    return np.sqrt(squares / freedom), stats.t.ppf((1 + confidence) / 2, freedom)


def accuracy_differences(labels, predictions, pairs=None, fixed=(), confidence=0.95):
    """How much more often one recipe is right than another, on the same trajectories.

    Parameters
    ----------
    labels : (n,) array_like of int
    predictions : dict of str to (n_seeds, n) array_like of int
        What was trained once has one row, and counts as if it scattered like the rest.
    pairs : sequence of (str, str), optional
        What is compared with what; by default each with the one before.
    fixed : collection of str
        Names of what no training decides, such as an ideal observer's guesses: they do not scatter.
    confidence : float

    Returns
    -------
    DataFrame
        One row for each pair, such as "medium over small"; columns "difference" of the mean
        accuracies, "low" and "high", as in `scores_over_seeds`. Trajectories that both miss add
        nothing to the interval.

    Raises
    ------
    ValueError
        If the shapes do not fit, or no recipe was trained twice.
    """
    labels, predictions = _checked(labels, predictions)
    is_right = {name: states == labels for name, states in predictions.items()}
    accuracies = [right.mean(axis=1) for right in is_right.values()]
    scatter, quantile = _pooled(accuracies, confidence)
    z = stats.norm.ppf((1 + confidence) / 2)
    if pairs is None:
        pairs = zip(list(is_right)[1:], list(is_right)[:-1], strict=True)
    rows = {}
    n_seeds = {name: np.inf if name in fixed else len(right) for name, right in is_right.items()}
    for name, other in pairs:
        gain = is_right[name].mean(axis=0) - is_right[other].mean(axis=0)
        by_trajectories = gain.std() / np.sqrt(len(labels))
        by_seeds = scatter * np.sqrt(1 / n_seeds[name] + 1 / n_seeds[other])
        half = np.hypot(z * by_trajectories, quantile * by_seeds)
        rows[f"{name} over {other}"] = gain.mean(), gain.mean() - half, gain.mean() + half
    return pd.DataFrame.from_dict(rows, orient="index", columns=["difference", "low", "high"])


def growth_verdicts(differences):
    """Whether accuracy grows from each recipe to the next, as {pair: verdict}.

    Parameters
    ----------
    differences : DataFrame
        From `accuracy_differences`.

    Returns
    -------
    dict of str to {"confirmed", "refuted", "undecided"}
    """
    return {
        pair: verdict((row.low, row.high), (0.0, 0.0))
        for pair, row in zip(differences.index, differences.itertuples(), strict=True)
    }


def reached_verdicts(tables, goals):
    """Whether mean accuracies reach given figures, as {name: verdict}.

    Parameters
    ----------
    tables : dict of str to DataFrame
        From `scores_over_seeds`.
    goals : dict of str to float

    Returns
    -------
    dict of str to {"confirmed", "refuted", "undecided"}
        "confirmed" where the interval lies above the figure.
    """
    intervals = {name: table.loc["accuracy", ["low", "high"]] for name, table in tables.items()}
    return {name: verdict(tuple(i), (goals[name], goals[name])) for name, i in intervals.items()}
