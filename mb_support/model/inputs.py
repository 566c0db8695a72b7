"""What is given to a model, checked at the door: trajectories, masks and labels."""

import numpy as np
import torch

#: A coordinate whose range is below so many roundings of its largest value stands still.
RESOLUTION = 4


def resolution(dtype):
    """Smallest range of a coordinate, relative to its size, that is more than rounding."""
    return RESOLUTION * torch.finfo(dtype).eps


def check_shape(trajectories, max_frames=None, n_features=None):
    """`ValueError` unless (batch, n_frames, n_features) are floating point, and of two to
    `max_frames` frames."""
    if not isinstance(trajectories, torch.Tensor) or not trajectories.is_floating_point():
        raise ValueError(
            "trajectories must be a floating point Tensor; got "
            f"{getattr(trajectories, 'dtype', type(trajectories).__name__)} in a "
            f"{type(trajectories).__name__}: convert with torch.from_numpy(x) or x.float()"
        )
    wanted = "n_features" if n_features is None else n_features
    if trajectories.ndim != 3 or (n_features is not None and trajectories.shape[-1] != n_features):
        raise ValueError(
            f"trajectories must have shape (batch, n_frames, {wanted}); got "
            f"{tuple(trajectories.shape)}. A single trajectory needs a leading axis: x[None]"
        )
    n_frames = trajectories.shape[1]
    if trajectories.shape[0] == 0 or n_frames < 2:
        raise ValueError(
            "trajectories must hold at least one trajectory of at least 2 frames; got shape "
            f"{tuple(trajectories.shape)}"
        )
    if max_frames is not None and n_frames > max_frames:
        raise ValueError(
            f"trajectories have {n_frames} frames, but the model has positions for "
            f"{max_frames}: pass slices of at most {max_frames} frames"
        )


def check_values(trajectories, mask=None, n_shown=None):
    """Refuse coordinates that are not finite, and trajectories of whose first `n_shown` frames not
    all can be standardised; `mask` is False for padding."""
    if is_training_on_gpu(trajectories):
        return  # a look at values would make the processor wait at each step
    if mask is not None:
        # padding counts as a repetition of the first frame
        first = mask.int().argmax(dim=1)[:, None, None].expand(-1, 1, trajectories.shape[-1])
        trajectories = torch.where(mask[..., None], trajectories, trajectories.gather(1, first))
    if not torch.isfinite(trajectories).all():
        raise ValueError("trajectories hold NaN or infinite coordinates")
    low, high = trajectories[:, :n_shown].aminmax(dim=1)
    size = torch.maximum(low.abs(), high.abs())
    still = high - low <= resolution(trajectories.dtype) * size
    if still.any():
        row = int(still.any(dim=1).int().argmax())
        shown = "" if n_shown is None else " in the frames that are not only a target"
        raise ValueError(
            f"a trajectory (number {row}) is constant in a coordinate{shown}, to the precision "
            f"of {trajectories.dtype}, and cannot be standardised: drop it, or simulate with a "
            "larger stride"
        )


def is_training_on_gpu(tensor):
    """Whether reading values of a tensor would hold up a training step."""
    return tensor.is_cuda and torch.is_grad_enabled()


def checked_mask(attention_mask, trajectories):
    """Attention mask as a boolean Tensor, None without padding; `ValueError` if the shape is wrong,
    a value is neither 0 nor 1, or a row has fewer than two frames."""
    if attention_mask is None:
        return None
    wanted = tuple(trajectories.shape[:2])
    if not isinstance(attention_mask, torch.Tensor):
        try:
            attention_mask = torch.as_tensor(np.asarray(attention_mask))
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(
                f"attention_mask must hold 0 and 1 in shape {wanted}; got rows of different "
                "lengths, or no numbers"
            ) from None
    if tuple(attention_mask.shape) != wanted:
        raise ValueError(
            f"attention_mask must have shape {wanted}; got {tuple(attention_mask.shape)}"
        )
    attention_mask = attention_mask.to(trajectories.device)
    mask = attention_mask == 1
    if is_training_on_gpu(trajectories):
        return mask
    if not (mask | (attention_mask == 0)).all():
        raise ValueError(
            "attention_mask must hold 1 for frames and 0 for padding; got "
            f"{attention_mask.unique()[:5].tolist()}"
        )
    n_real = mask.sum(dim=1)
    if (n_real < 2).any():
        row = int(n_real.argmin())
        raise ValueError(
            "attention_mask must leave at least 2 frames of each trajectory; number "
            f"{row} has {int(n_real[row])}, the rest is padding"
        )
    return None if mask.all() else mask


def checked_labels(labels, state_logits):
    """Labels as an int64 Tensor, (batch,), beside logits, (batch, n_states); `ValueError` if the
    shape is wrong, or a label is not a state."""
    n, n_states = state_logits.shape
    given = labels
    if not isinstance(labels, torch.Tensor):
        try:
            labels = torch.as_tensor(np.asarray(labels))
        except (TypeError, ValueError, RuntimeError):
            labels = torch.empty(0, dtype=torch.float32)
    if labels.shape != (n,) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels must be int64 of shape ({n},), one state for each trajectory; got "
            f"{labels.dtype} of shape {tuple(labels.shape)} in a {type(given).__name__}"
        )
    labels = labels.to(state_logits.device, torch.int64)
    if not labels.is_cuda and ((labels < 0) | (labels >= n_states)).any():
        raise ValueError(f"labels must lie in 0..{n_states - 1}; got {labels.unique().tolist()}")
    return labels


def standardised(frames, mask=None):
    """Frames by the mean and standard deviation of their own trajectory; and these two.

    Shapes (batch, n_frames, n_features), and (batch, 1, n_features) twice; padding (False in
    `mask`) becomes zero. Computed in float64 and relative to the largest coordinate, so that
    neither an offset nor the unit matters. A generator may run into a fixed point: the standard
    deviation is held at the rounding of the coordinates.
    """
    smallest = resolution(frames.dtype)
    # the accelerators of Apple have no float64
    frames = frames.to(torch.float32 if frames.device.type == "mps" else torch.float64)
    if mask is None:
        count = frames.shape[1]
    else:
        frames = frames.masked_fill(~mask[..., None], 0)
        count = mask.sum(dim=1)[:, None, None]
    size = frames.detach().abs().amax(dim=1, keepdim=True)
    size = size.masked_fill(size == 0, 1)
    scaled = frames / size
    mean = scaled.sum(dim=1, keepdim=True) / count
    centred = scaled - mean
    if mask is not None:
        centred = centred.masked_fill(~mask[..., None], 0)
    std = (centred.square().sum(dim=1, keepdim=True) / count).sqrt().clamp_min(smallest)
    return centred / std, mean * size, std * size
