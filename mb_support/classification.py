"""States of trajectories as a model sees them, and how often it is right.

Slices of trajectories are the subject of `slices`; classifiers without a transformer that of
`baselines`; several trainings of one recipe that of `over_seeds`.
"""

from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import confusion_matrix
from tqdm import tqdm

from .model.inference import as_trajectories, evaluating, rows_per_batch
from .states import STATE_A, STATE_B
from .statistics import CONFIDENCE, wilson_interval

#: Accuracy of each size in the poster's table (A. Leban, "Modern autoregressive architectures for
#: the collective variable problem", University of Michigan).
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


def confusion(labels, predicted):
    """Confusion matrix of (n,) states, (2, 2) ndarray of int: row = true state.

    Raises `ValueError` if the shapes differ or are not (n,), or a value is not a state.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.ndim != 1 or labels.shape != predicted.shape or len(labels) == 0:
        raise ValueError(
            "labels and predicted must be one state for each of n >= 1 trajectories; got shapes "
            f"{labels.shape} and {predicted.shape}"
        )
    for name, values in (("labels", labels), ("predicted", predicted)):
        if not np.isin(values, (STATE_A, STATE_B)).all():
            raise ValueError(f"{name} must be 0 or 1; got {np.unique(values)[:5].tolist()}")
    return confusion_matrix(labels, predicted, labels=[STATE_A, STATE_B])


def scores_of_confusion(matrix):
    """The four `SCORES` of (..., 2, 2) confusion matrices, as a dict of (...) ndarray.

    Precision, recall and F1 are averaged with the classes' true shares, so that recall is the
    accuracy by another name. A class that is never predicted has precision 0.
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


def scores(labels, predicted):
    """The four `SCORES` of (n,) states with intervals over trajectories: "value", "low", "high".

    The accuracy has Wilson's interval, the others bootstrap percentiles.
    """
    matrix = confusion(labels, predicted)
    n = int(matrix.sum())
    # The scores depend on the confusion matrix alone, and so does the bootstrap.
    resampled = np.random.default_rng(0).multinomial(n, matrix.ravel() / n, 10_000)
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    rows = {}
    for name, values in scores_of_confusion(resampled.reshape(-1, 2, 2)).items():
        rows[name] = [float(scores_of_confusion(matrix)[name]), *np.quantile(values, tails)]
    rows["accuracy"][1:] = wilson_interval(int(np.trace(matrix)), n)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])


def first_stays(states):
    """Frames that each trajectory spends in its first state before it leaves, (n,) int64.

    `states` is (n, n_frames); a trajectory that never leaves has n_frames.
    """
    states = np.asarray(states)
    left = states != states[:, :1]
    return np.where(left.any(axis=1), left.argmax(axis=1), states.shape[1])


def accuracy_by_group(is_right, values, edges):
    """Accuracy of the trajectories with edge <= value < next edge, for each pair of edges.

    A DataFrame of "from", "to", "n", "accuracy", "low" and "high" (Wilson); groups without a
    trajectory are left out.
    """
    is_right, values, rows = np.asarray(is_right, bool), np.asarray(values), []
    for low_edge, high_edge in zip(edges[:-1], edges[1:], strict=True):
        chosen = is_right[(values >= low_edge) & (values < high_edge)]
        if len(chosen):
            interval = wilson_interval(int(chosen.sum()), len(chosen))
            rows.append((low_edge, high_edge, len(chosen), float(chosen.mean()), *interval))
    return pd.DataFrame(rows, columns=["from", "to", "n", "accuracy", "low", "high"])
