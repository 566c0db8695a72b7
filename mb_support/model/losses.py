"""The poster's loss: next-frame prediction plus state classification."""

from torch.nn import functional

from .inputs import checked_labels


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
    labels : (batch,) array_like or Tensor of int
        State of each trajectory.
    gamma, lambda_ : float
        Weights of the two terms; both 1 in the author's script.

    Returns
    -------
    total, trajectory, classification : () Tensor
        The weighted sum, and the two terms without their weights.
    """
    labels = checked_labels(labels, state_logits)
    trajectory = trajectory_loss(predicted, target)
    classification = functional.cross_entropy(state_logits, labels)
    return gamma * trajectory + lambda_ * classification, trajectory, classification
