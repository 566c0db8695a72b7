"""The poster's loss: next-frame prediction plus state classification."""

import torch
from torch.nn import functional

from .inputs import checked_labels


def trajectory_loss(predicted, target, mask=None):
    """Mean over frames of the squared distance between predicted and actual next frames.

    Parameters
    ----------
    predicted : (batch, n_frames - 1, n_features) Tensor
        f(x_{1:N-1})_t for t = 1..N-1, in standardised coordinates.
    target : (batch, n_frames - 1, n_features) Tensor
        x_{t+1} in the same coordinates.
    mask : (batch, n_frames - 1) Tensor of bool, optional
        False where a frame or its target is padding; each trajectory counts as much as another.

    Returns
    -------
    () Tensor
        Mean over trajectories and t of `|f_t - x_{t+1}|^2`. The norm *sums* over the
        coordinates: of two this is twice what `torch.nn.functional.mse_loss` returns.
    """
    if not (isinstance(predicted, torch.Tensor) and isinstance(target, torch.Tensor)):
        got = f"{type(predicted).__name__} and {type(target).__name__}"
        raise ValueError(f"predicted and target must be tensors; got {got}")
    if predicted.shape != target.shape or predicted.ndim < 2:
        raise ValueError(
            "predicted and target must have the same shape (..., n_frames - 1, n_features); got "
            f"{tuple(predicted.shape)} and {tuple(target.shape)}"
        )
    squares = (predicted - target).square().sum(dim=-1)
    if mask is None:
        return squares.mean()
    return (squares.masked_fill(~mask, 0).sum(dim=-1) / mask.sum(dim=-1).clamp_min(1)).mean()


def total_loss(predicted, target, state_logits, labels, gamma=1.0, lambda_=1.0, mask=None):
    """The poster's loss, gamma * L_traj + lambda * cross-entropy.

    Parameters
    ----------
    predicted, target : (batch, n_frames - 1, n_features) Tensor
        As for `trajectory_loss`.
    state_logits : (batch, n_states) Tensor
        g, before the softmax.
    labels : (batch,) array_like or Tensor of int
        State of each trajectory.
    gamma, lambda_ : float
        Weights of the two terms; both 1 in the author's script.
    mask : (batch, n_frames - 1) Tensor of bool, optional
        As for `trajectory_loss`.

    Returns
    -------
    total, trajectory, classification : () Tensor
        The weighted sum, and the two terms without their weights.
    """
    labels = checked_labels(labels, state_logits)
    trajectory = trajectory_loss(predicted, target, mask)
    classification = functional.cross_entropy(state_logits, labels)
    return gamma * trajectory + lambda_ * classification, trajectory, classification
