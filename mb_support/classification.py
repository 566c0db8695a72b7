"""States of trajectories as a model sees them, and how often it is right."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import confusion_matrix
from tqdm import tqdm

from .checks import checked_array
from .model.inference import as_numbers, checked_model, evaluating, rows_per_batch
from .model.inputs import check_values, checked_mask
from .statistics import TAILS, wilson_interval

#: Accuracy of each size in the poster's table (A. Leban, "Modern autoregressive architectures for
#: the collective variable problem", University of Michigan).
POSTER_SCORES = MappingProxyType({"small": 0.9150, "medium": 0.9780, "large": 0.9910})

#: The four scores of the table, in its order.
SCORES = ("accuracy", "precision", "recall", "f1")


def predict_states(model, trajectories, attention_mask=None, progress=True):
    """State of each trajectory's first frame, as the model's classifier g sees it.

    Parameters
    ----------
    model : TrajectoryTransformer
        Used in evaluation mode, on its own device, with the fastest exact attention there; left
        as it was.
    trajectories : (n, n_frames, n_features) array_like or Tensor
        Raw coordinates, as many as the model has features. Standardised in float64, computed in
        the precision of the weights.
    attention_mask : (n, n_frames) array_like or Tensor, optional
        1 for frames, 0 for padding: trajectories of unequal length, filled up to the longest.
    progress : bool
        Show a progress bar if it takes more than a few seconds.

    Returns
    -------
    labels : (n,) ndarray of int64
        The most probable state; of Müller-Brown trajectories 0 for A and 1 for B.
    probabilities : (n, n_states) ndarray of float64
        Softmax of the logits; rows sum to one.

    Raises
    ------
    ValueError
        If the shape or the mask is wrong, coordinates are not finite, a trajectory is constant in
        a coordinate, or there are more frames than the model has positions.

    Examples
    --------
    >>> labels, probabilities = predict_states(model, trajectories)
    """
    n_features = getattr(checked_model(model).config, "n_features", None)
    if n_features is None:
        raise ValueError(f"model must be a TrajectoryTransformer; got {type(model).__name__}")
    frames = as_numbers("trajectories", trajectories)
    if frames.ndim != 3 or frames.shape[-1] != n_features:
        raise ValueError(
            f"trajectories must have shape (batch, n_frames, {n_features}), as the model has "
            f"{n_features} features; got {tuple(frames.shape)}"
        )
    mask = checked_mask(attention_mask, frames)
    if len(frames) and frames.shape[1] > 1:  # else the model says what is wrong
        check_values(frames, mask)
    device, rows = next(model.parameters()).device, rows_per_batch(frames.shape[1])
    bar = tqdm(
        total=len(frames), desc="classifying", unit="trajectory", delay=3, disable=not progress
    )
    logits = []
    with evaluating(model), bar:
        for low in range(0, max(1, len(frames)), rows):
            batch = frames[low : low + rows].to(device)
            shown = None if mask is None else mask[low : low + rows]
            found = model(batch, attention_mask=shown, return_dict=True).state_logits
            logits.append(found.double().cpu())
            bar.update(len(batch))
    probabilities = torch.softmax(torch.cat(logits), dim=1).numpy()
    return probabilities.argmax(axis=1), probabilities


def confusion(labels, predicted, n_states=2):
    """Confusion matrix of (n,) states, (n_states, n_states) of int, row = true state; `ValueError`
    if the shapes differ or are not (n,), or a value is not a state."""
    labels, predicted = checked_array("labels", labels), checked_array("predicted", predicted)
    if labels.ndim != 1 or labels.shape != predicted.shape or len(labels) == 0:
        raise ValueError(
            "labels and predicted must be one state for each of n >= 1 trajectories; got shapes "
            f"{labels.shape} and {predicted.shape}"
        )
    for name, values in (("labels", labels), ("predicted", predicted)):
        if not np.isin(values, range(n_states)).all():
            raise ValueError(
                f"{name} must lie in 0..{n_states - 1}; got {np.unique(values)[:5].tolist()}"
            )
    return confusion_matrix(labels, predicted, labels=range(n_states))


def scores_of_confusion(matrix):
    """The four `SCORES` of (..., n_states, n_states) confusion matrices, a dict of (...) ndarray.

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


def scores(labels, predicted, n_states=2):
    """The four `SCORES` of (n,) states with intervals over trajectories: Wilson's for the accuracy,
    bootstrap percentiles for the others."""
    matrix = confusion(labels, predicted, n_states)
    n = int(matrix.sum())
    # The scores depend on the confusion matrix alone, and so does the bootstrap.
    resampled = np.random.default_rng(0).multinomial(n, matrix.ravel() / n, 10_000)
    found = pd.DataFrame(scores_of_confusion(resampled.reshape(-1, n_states, n_states)))
    low, high = found.quantile(list(TAILS)).to_numpy()
    values = scores_of_confusion(matrix)
    table = pd.DataFrame({"value": pd.Series(values).astype(float), "low": low, "high": high})
    table.loc["accuracy", ["low", "high"]] = wilson_interval(int(np.trace(matrix)), n)
    return table


def accuracy_by_group(is_right, values, edges):
    """Accuracy, with Wilson's interval, of the trajectories with edge <= value < next edge, for
    each pair of edges with any."""
    is_right, values, rows = np.asarray(is_right, bool), np.asarray(values), []
    for low_edge, high_edge in zip(edges[:-1], edges[1:], strict=True):
        chosen = is_right[(values >= low_edge) & (values < high_edge)]
        if len(chosen):
            interval = wilson_interval(int(chosen.sum()), len(chosen))
            rows.append((low_edge, high_edge, len(chosen), float(chosen.mean()), *interval))
    return pd.DataFrame(rows, columns=["from", "to", "n", "accuracy", "low", "high"])
