"""States of trajectories as a model sees them, and how often it is right.

Slices of trajectories, with their exact limits, are the subject of `slices`; classifiers without
a transformer that of `baselines`.
"""

from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix
from tqdm import tqdm

from .inference import as_trajectories, evaluating, rows_per_batch
from .states import STATE_A, STATE_B

#: Accuracy of each size in the poster's table (A. Leban, "Modern autoregressive architectures for
#: the collective variable problem", University of Michigan). Its recall equals its accuracy, as
#: averages weighted by class do.
POSTER_SCORES = MappingProxyType({"small": 0.9150, "medium": 0.9780, "large": 0.9910})

#: The four scores of the table, in its order.
SCORES = ("accuracy", "precision", "recall", "f1")


def predict_states(model, trajectories, progress=True):
    """State of each trajectory's first frame, as the model's classifier g sees it.

    Parameters
    ----------
    model : TrajectoryTransformer
        Used in evaluation mode, on its own device, with the fastest exact attention there; left
        as it was.
    trajectories : (n, n_frames, 2) array_like or Tensor
        Raw coordinates. Standardised in float64, computed in the precision of the weights.
    progress : bool
        Show a progress bar if it takes more than a few seconds.

    Returns
    -------
    labels : (n,) ndarray of int64
        The more probable state, 0 for A and 1 for B.
    probabilities : (n, 2) ndarray of float64
        Softmax of the logits; rows sum to one.

    Raises
    ------
    ValueError
        If the shape is wrong, coordinates are not finite, a trajectory is constant in a
        coordinate, or there are more frames than the model has positions.

    Examples
    --------
    >>> labels, probabilities = predict_states(model, trajectories)
    """
    frames = as_trajectories("trajectories", trajectories, model.config.max_position_embeddings)
    device = next(model.parameters()).device
    rows = rows_per_batch(frames.shape[1])
    bar = tqdm(
        total=len(frames), desc="classifying", unit="trajectory", delay=3, disable=not progress
    )
    logits = []
    with evaluating(model), bar:
        for batch in frames.split(rows):
            # not model(batch): its forecasts are not needed
            standardised, _, _ = model.standardise(batch.to(device))
            logits.append(model.classify(model.encode(standardised)).double().cpu())
            bar.update(len(batch))
    probabilities = torch.softmax(torch.cat(logits), dim=1).numpy()
    return probabilities.argmax(axis=1), probabilities


def _checked_labels(labels, predicted):
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.ndim != 1 or labels.shape != predicted.shape or len(labels) == 0:
        raise ValueError(
            "labels and predicted must be one state for each of n >= 1 trajectories; got shapes "
            f"{labels.shape} and {predicted.shape}"
        )
    for name, values in (("labels", labels), ("predicted", predicted)):
        if not np.isin(values, (STATE_A, STATE_B)).all():
            raise ValueError(f"{name} must be 0 or 1; got {np.unique(values)[:5].tolist()}")
    return labels, predicted


def confusion(labels, predicted):
    """Confusion matrix, row = true state, column = predicted state.

    Parameters
    ----------
    labels, predicted : (n,) array_like of int
        States, 0 or 1.

    Returns
    -------
    (2, 2) ndarray of int

    Raises
    ------
    ValueError
        If the shapes differ, are empty or not one-dimensional, or a value is not a state.
    """
    labels, predicted = _checked_labels(labels, predicted)
    return confusion_matrix(labels, predicted, labels=[STATE_A, STATE_B])


def wilson_interval(n_right, n, confidence=0.95):
    """Wilson's interval of a proportion.

    Parameters
    ----------
    n_right, n : int
        Successes and trials.
    confidence : float

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If not 0 <= n_right <= n with n at least 1, or `confidence` is not between 0 and 1.

    References
    ----------
    .. [1] E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    if not 0 <= n_right <= n or n < 1:
        raise ValueError(f"n_right must be from 0 to n, with n at least 1; got {n_right} of {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1; got {confidence}")
    interval = binomtest(int(n_right), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def scores_of_confusion(matrix):
    """Accuracy and, averaged with the classes' true shares, precision, recall and F1.

    Parameters
    ----------
    matrix : (..., 2, 2) array_like
        Confusion matrices, row = true state.

    Returns
    -------
    dict of str to (...) ndarray
        The keys are those of `SCORES`. A class that is never predicted has precision 0.
    """
    matrix = np.asarray(matrix, float)
    right = np.diagonal(matrix, axis1=-2, axis2=-1)
    true, predicted = matrix.sum(axis=-1), matrix.sum(axis=-2)
    share = true / true.sum(axis=-1, keepdims=True)
    return {
        "accuracy": right.sum(axis=-1) / true.sum(axis=-1),
        "precision": (share * right / np.maximum(predicted, 1)).sum(axis=-1),
        "recall": (share * right / np.maximum(true, 1)).sum(axis=-1),
        "f1": (share * 2 * right / np.maximum(true + predicted, 1)).sum(axis=-1),
    }


def scores(labels, predicted, confidence=0.95, n_bootstrap=10_000, seed=0):
    """The four scores of the poster's table with their intervals.

    Parameters
    ----------
    labels, predicted : (n,) array_like of int
        States, 0 or 1.
    confidence : float
    n_bootstrap, seed : int
        Resamplings of the trajectories, for all but the accuracy, and their seed.

    Returns
    -------
    DataFrame
        Rows `SCORES`, columns "value", "low" and "high". The accuracy has Wilson's interval, the
        others bootstrap percentiles. Weighted recall is the accuracy by another name.

    Raises
    ------
    ValueError
        As `confusion` and `wilson_interval`.
    """
    matrix = confusion(labels, predicted)
    n = int(matrix.sum())
    # The scores depend on the confusion matrix alone, and so does the bootstrap.
    resampled = np.random.default_rng(seed).multinomial(n, matrix.ravel() / n, n_bootstrap)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    rows = {}
    for name, values in scores_of_confusion(resampled.reshape(-1, 2, 2)).items():
        rows[name] = [float(scores_of_confusion(matrix)[name]), *np.quantile(values, tails)]
    rows["accuracy"][1:] = wilson_interval(int(np.trace(matrix)), n, confidence)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])


def score_table(labels, predictions, n_digits=4):
    """One row of scores with intervals, as text, for each of several classifiers.

    Parameters
    ----------
    labels : (n,) array_like of int
    predictions : dict of str to (n,) array_like of int
        Predicted states of each classifier.
    n_digits : int

    Returns
    -------
    DataFrame of str
        Rows as in `predictions`, columns `SCORES`.
    """
    rows = {}
    for name, predicted in predictions.items():
        table = scores(labels, predicted)
        rows[name] = [
            f"{row.value:.{n_digits}f} [{row.low:.{n_digits - 1}f}, {row.high:.{n_digits - 1}f}]"
            for row in table.itertuples()
        ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(SCORES))


def paired_difference(labels, predicted, other, n_bootstrap=10_000, confidence=0.95, seed=0):
    """Difference of two classifiers' accuracies on the same trajectories.

    Parameters
    ----------
    labels, predicted, other : (n,) array_like of int
    n_bootstrap : int
    confidence : float
    seed : int

    Returns
    -------
    difference, low, high : float
        Accuracy of `predicted` less that of `other`, with a bootstrap interval over trajectories:
        far narrower than two separate intervals when both miss the same trajectories.

    Raises
    ------
    ValueError
        As `confusion`.
    """
    labels, predicted = _checked_labels(labels, predicted)
    _, other = _checked_labels(labels, other)
    gained = int(((predicted == labels) & (other != labels)).sum())
    lost = int(((predicted != labels) & (other == labels)).sum())
    n = len(labels)
    drawn = np.random.default_rng(seed).multinomial(
        n, [gained / n, lost / n, (n - gained - lost) / n], n_bootstrap
    )
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, tails)
    return (gained - lost) / n, float(low), float(high)


def verdict(interval, other):
    """Whether one interval lies above another.

    Parameters
    ----------
    interval, other : (low, high)
        The same number twice for what is known exactly.

    Returns
    -------
    {"confirmed", "refuted", "undecided"}
        Above, below, or overlapping.
    """
    for low, high in (interval, other):
        if not low <= high:
            raise ValueError(f"an interval is (low, high), low first; got ({low}, {high})")
    if interval[0] > other[1]:
        return "confirmed"
    return "refuted" if interval[1] < other[0] else "undecided"


def reach_of(limits, figures=POSTER_SCORES):
    """Which figures any classifier at all could reach, under several readings of the task.

    Parameters
    ----------
    limits : dict of str to (low, high)
        Interval of the highest accuracy that is possible, by reading.
    figures : dict of str to float
        By default the poster's accuracies.

    Returns
    -------
    DataFrame of str
        Rows readings, columns figures: "within reach", "out of reach", or "too close to tell" where
        the interval holds the figure.
    """
    words = {
        "confirmed": "within reach",
        "refuted": "out of reach",
        "undecided": "too close to tell",
    }
    rows = {
        reading: [words[verdict(interval, (figure, figure))] for figure in figures.values()]
        for reading, interval in limits.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(figures))


def verdicts_in_words(verdicts):
    """One line of {name: verdict}, such as "confirmed: small; undecided: medium, large"."""
    by_verdict = {}
    for name, found in verdicts.items():
        by_verdict.setdefault(found, []).append(name)
    return "; ".join(f"{found}: {', '.join(names)}" for found, names in by_verdict.items())


def first_stays(states):
    """Frames that each trajectory spends in its first state before it leaves for the first time.

    Parameters
    ----------
    states : (n, n_frames) array_like of int

    Returns
    -------
    (n,) ndarray of int64
        From 1 to n_frames.
    """
    states = np.asarray(states)
    if states.ndim != 2:
        raise ValueError(f"states must have shape (n, n_frames); got {states.shape}")
    left = states != states[:, :1]
    return np.where(left.any(axis=1), left.argmax(axis=1), states.shape[1])


def accuracy_by_group(is_right, values, edges):
    """Accuracy within intervals of some quantity.

    Parameters
    ----------
    is_right : (n,) array_like of bool
    values : (n,) array_like of float
        Quantity by which trajectories are grouped.
    edges : (n_groups + 1,) array_like of float
        Ascending; a group holds edge <= value < next edge.

    Returns
    -------
    DataFrame
        Columns "from", "to", "n", "accuracy", "low" and "high" (Wilson); groups without a
        trajectory are left out.
    """
    is_right, values, rows = np.asarray(is_right, bool), np.asarray(values), []
    for low_edge, high_edge in zip(edges[:-1], edges[1:], strict=True):
        chosen = is_right[(values >= low_edge) & (values < high_edge)]
        if len(chosen):
            interval = wilson_interval(int(chosen.sum()), len(chosen))
            rows.append((low_edge, high_edge, len(chosen), float(chosen.mean()), *interval))
    return pd.DataFrame(rows, columns=["from", "to", "n", "accuracy", "low", "high"])
