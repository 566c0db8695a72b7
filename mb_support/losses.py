"""The poster's loss: next-frame prediction plus state classification."""

import torch
from torch.nn import functional


def trajectory_loss(predicted, target):
    """Mean over frames of the squared distance between predicted and actual next frames.

    Parameters
    ----------
    predicted : (batch, n_frames - 1, 2) Tensor
        f(x_{1:N-1})_t for t = 1..N-1, in standardised coordinates.
    target : (batch, n_frames - 1, 2) Tensor
        x_{t+1} in the same coordinates.

    Returns
    -------
    () Tensor
        Mean over trajectories and t of `|f_t - x_{t+1}|^2`. The norm *sums* over the two
        coordinates: this is twice what `torch.nn.functional.mse_loss` returns.

    Raises
    ------
    ValueError
        If the shapes differ or the last axis does not have length 2.
    """
    if predicted.shape != target.shape or predicted.shape[-1] != 2:
        raise ValueError(
            "predicted and target must have the same shape (..., n_frames - 1, 2); got "
            f"{tuple(predicted.shape)} and {tuple(target.shape)}"
        )
    return (predicted - target).square().sum(dim=-1).mean()


def total_loss(predicted, target, state_logits, labels, gamma=1.0, lambda_=1.0):
    """The poster's loss, gamma * L_traj + lambda * cross-entropy.

    Parameters
    ----------
    predicted, target : (batch, n_frames - 1, 2) Tensor
        As for `trajectory_loss`.
    state_logits : (batch, n_states) Tensor
        g, before the softmax.
    labels : (batch,) int64 Tensor
        State of each trajectory.
    gamma, lambda_ : float
        Weights of the two terms; both 1 in the author's script.

    Returns
    -------
    total, trajectory, classification : () Tensor
        The weighted sum, and the two terms without their weights.

    Raises
    ------
    ValueError
        If shapes do not fit, or a label is not a state.
    """
    n_states = state_logits.shape[-1]
    if labels.shape != state_logits.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be int64 of shape ({state_logits.shape[0]},), one state for each "
            f"trajectory; got {labels.dtype} of shape {tuple(labels.shape)}"
        )
    if ((labels < 0) | (labels >= n_states)).any():
        raise ValueError(f"labels must lie in 0..{n_states - 1}; got {labels.unique().tolist()}")
    trajectory = trajectory_loss(predicted, target)
    classification = functional.cross_entropy(state_logits, labels)
    return gamma * trajectory + lambda_ * classification, trajectory, classification
