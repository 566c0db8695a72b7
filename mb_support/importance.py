"""What a model's answer depends on: gradients, frames removed or unread, heads silenced.

Deletion and ablation intervene and look at the answer; the gradient is their first order. The
answer is the log-odds of state B against A unless said otherwise.
"""

from contextlib import contextmanager

import numpy as np
import torch
from scipy.special import expit
from torch.nn import functional

from .attention import (
    as_trajectories,
    attention_implementation,
    attention_layers,
    on_layers,
)
from .losses import trajectory_loss
from .model import fastest_attention

BATCH = 8


def log_odds(model, trajectories, kept=None):
    """Log-odds of state B against A, with some of the frames only.

    Frames are removed after standardisation and position embedding, so those that are left keep
    their coordinates and their place in time: the answer is the same as if no frame could attend
    to the others and they did not count in the mean, but cheaper.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like of float
        Raw coordinates.
    kept : (n, n_kept) array_like of int, optional
        Frames that are left, for each trajectory; all of them by default.

    Returns
    -------
    (n,) ndarray of float32
    """
    trajectories = as_trajectories(trajectories)
    kept = None if kept is None else torch.as_tensor(np.asarray(kept), dtype=torch.int64)
    if kept is not None and (kept.ndim != 2 or len(kept) != len(trajectories) or 0 in kept.shape):
        raise ValueError(
            f"kept must have shape ({len(trajectories)}, n_kept) with n_kept at least 1; got "
            f"{tuple(kept.shape)}"
        )
    answers = []
    with torch.no_grad(), attention_implementation(model, fastest_attention()):
        for start in range(0, len(trajectories), BATCH):
            part = slice(start, start + BATCH)
            standardised = model.standardise(trajectories[part])[0]
            inputs = standardised.to(model.inputs_to_hidden_dim.weight.dtype)
            hidden = model.embeddings(model.inputs_to_hidden_dim(inputs))
            if kept is not None:
                hidden = hidden.gather(1, kept[part, :, None].expand(-1, -1, hidden.shape[-1]))
            logits = model.classify(model.encoder(hidden).last_hidden_state)
            answers.append(logits[:, 1] - logits[:, 0])
    return torch.cat(answers).float().numpy()


def gradient_importance(model, trajectories):
    """Gradient times input of the log-odds: first-order effect of moving a frame to the mean.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like of float

    Returns
    -------
    (n, n_frames) ndarray of float32
        Absolute value of the gradient with respect to the standardised frame, dotted with it.
    """
    parts = []
    with attention_implementation(model, fastest_attention()):
        for x in as_trajectories(trajectories).split(BATCH):
            z = model.standardise(x)[0].requires_grad_()
            logits = model.classify(model.encode(z))
            (slope,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), z)
            parts.append((slope * z.detach()).sum(-1).abs())
    return torch.cat(parts).numpy()


def section_edges(n_frames, n_sections):
    """Edges of sections of equal length, (n_sections + 1,) ints from 0 to n_frames."""
    if not 2 <= n_sections <= n_frames:
        raise ValueError(f"n_sections must lie in 2..{n_frames}; got {n_sections}")
    return np.linspace(0, n_frames, n_sections + 1).round().astype(int)


def sum_in_sections(values, edges):
    """Sums of (..., n_frames) values over sections, (..., n_sections)."""
    return np.add.reduceat(np.asarray(values), edges[:-1], axis=-1)


def occlusion_importance(model, trajectories, edges):
    """How far the log-odds move when a section of the trajectory is removed.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like of float
    edges : (n_sections + 1,) ndarray of int
        As from `section_edges`.

    Returns
    -------
    (n, n_sections) ndarray of float32
        Absolute change of the log-odds.
    """
    frames = np.arange(edges[-1])
    whole = log_odds(model, trajectories)
    changes = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        kept = frames[(frames < start) | (frames >= stop)]
        kept = np.tile(kept, (len(trajectories), 1))
        changes.append(np.abs(log_odds(model, trajectories, kept) - whole))
    return np.stack(changes, axis=1)


def keep_extreme(scores, n_kept, largest):
    """The `n_kept` frames with the largest (or smallest) scores, in order of time.

    Parameters
    ----------
    scores : (n, n_frames) array_like of float
    n_kept : int
    largest : bool

    Returns
    -------
    (n, n_kept) ndarray of int64
    """
    order = np.argsort(np.asarray(scores), axis=1, kind="stable")
    chosen = order[:, -n_kept:] if largest else order[:, :n_kept]
    return np.sort(chosen, axis=1)


def deletion_curve(model, trajectories, labels, scores, n_removed):
    """Probability of the true state after the frames with the largest scores were removed.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like of float
    labels : (n,) array_like of int
    scores : (n, n_frames) array_like of float
    n_removed : sequence of int
        Each below n_frames.

    Returns
    -------
    (n, len(n_removed)) ndarray of float
        The answer is right where it is above one half.

    Raises
    ------
    ValueError
        If fewer frames than none or more than all but one are to be removed.
    """
    n_frames = np.shape(scores)[1]
    if any(not 0 <= n < n_frames for n in n_removed):
        raise ValueError(f"n_removed must lie in 0..{n_frames - 1}; got {list(n_removed)}")
    sign = 2.0 * np.asarray(labels) - 1
    found = []
    for n in n_removed:
        kept = keep_extreme(scores, n_frames - n, False) if n else None
        found.append(expit(sign * log_odds(model, trajectories, kept)))
    return np.stack(found, axis=1)


def unread_curve(model, trajectories, labels, scores, n_unread):
    """Probability of the true state when heads read nothing from the frames with largest scores.

    The weights stay as they are, and so do the frames' own encodings; what every head of every
    layer takes from the chosen frames is zero. A frame on which weight is only unloaded can be
    treated so without harm.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like of float
    labels : (n,) array_like of int
    scores : (n, n_frames) array_like of float
    n_unread : sequence of int
        Numbers of frames, each from 0 to n_frames.

    Returns
    -------
    (n, len(n_unread)) ndarray of float

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    n_frames = np.shape(scores)[1]
    if any(not 0 <= n <= n_frames for n in n_unread):
        raise ValueError(f"n_unread must lie in 0..{n_frames}; got {list(n_unread)}")
    order = np.argsort(-np.asarray(scores), axis=1, kind="stable")
    ranks = torch.from_numpy(np.argsort(order, axis=1))
    sign = 2.0 * np.asarray(labels) - 1
    found = []
    for n in n_unread:
        parts = []
        for part in torch.arange(len(ranks)).split(BATCH):
            with _unread(model, ranks[part] < n):
                parts.append(log_odds(model, trajectories[part.numpy()]))
        found.append(expit(sign * np.concatenate(parts)))
    return np.stack(found, axis=1)


@contextmanager
def _unread(model, frames):
    # values of the chosen frames, (batch, n_frames) bool, are zero in every layer
    def hook(module, inputs, output):
        return output.masked_fill(frames[..., None], 0)

    handles = [m.value.register_forward_hook(hook) for m in attention_layers(model)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _silence(heads, head_size):
    # hook: the heads' part of the layer's output is zero
    def hook(layer, module, inputs, output):
        context = output[0].clone()
        for head in heads:
            context[..., head * head_size : (head + 1) * head_size] = 0
        return (context, *output[1:])

    return hook


def losses_by_trajectory(model, trajectories, labels):
    """Both terms of the loss for each trajectory, with the whole trajectory shown to both heads.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like of float
    labels : (n,) array_like of int

    Returns
    -------
    (n, 2) ndarray of float
        `losses.trajectory_loss` over the frames that have a successor, and cross-entropy.
    """
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    rows = []
    with torch.no_grad(), attention_implementation(model, fastest_attention()):
        for x, y in zip(as_trajectories(trajectories).split(BATCH), labels.split(BATCH),
                        strict=True):  # fmt: skip
            z = model.standardise(x)[0]
            encodings = model.encode(z)
            predicted = model.feature_predictor(encodings[:, :-1])
            along = [trajectory_loss(p, t) for p, t in zip(predicted, z[:, 1:], strict=True)]
            across = functional.cross_entropy(model.classify(encodings), y, reduction="none")
            rows.append(torch.stack([torch.stack(along), across], dim=1))
    return torch.cat(rows).double().numpy()


def head_ablation(model, trajectories, labels, units=None):
    """Loss of each trajectory with the output of some attention heads set to zero.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like of float
    labels : (n,) array_like of int
    units : sequence of (layer, heads), optional
        What to silence at a time: a layer and a sequence of its heads. Default: every head of
        every layer, one by one.

    Returns
    -------
    (len(units), n, 2) ndarray of float
        Increase of both terms of the loss over the whole model's, as `losses_by_trajectory`.

    Raises
    ------
    ValueError
        If there is no such layer or head.
    """
    layers = attention_layers(model)
    n_heads, head_size = layers[0].num_attention_heads, layers[0].attention_head_size
    if units is None:
        units = [(layer, [head]) for layer in range(len(layers)) for head in range(n_heads)]
    for layer, heads in units:
        if not 0 <= layer < len(layers) or any(not 0 <= head < n_heads for head in heads):
            raise ValueError(
                f"layer must lie in 0..{len(layers) - 1} and heads in 0..{n_heads - 1}; got "
                f"layer {layer}, heads {list(heads)}"
            )
    whole = losses_by_trajectory(model, trajectories, labels)
    changes = []
    for layer, heads in units:
        with on_layers(model, _silence(heads, head_size), layers=[layer]):
            changes.append(losses_by_trajectory(model, trajectories, labels) - whole)
    return np.stack(changes)


def layer_units(model):
    """Units for `head_ablation`: all heads of a layer at a time."""
    n_heads = model.config.num_attention_heads
    return [(layer, range(n_heads)) for layer in range(model.config.num_hidden_layers)]


def head_gradients(model, trajectories, labels):
    """First-order effect of silencing each head on the cross-entropy, without ablating any.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like of float
    labels : (n,) array_like of int

    Returns
    -------
    (n, layers, heads) ndarray of float
        Absolute value of the derivative with respect to a factor on the head's output.

    References
    ----------
    .. [1] P. Michel, O. Levy and G. Neubig, "Are sixteen heads really better than one?", NeurIPS
       (2019), eq. (2).
    """
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    n_layers, n_heads = model.config.num_hidden_layers, model.config.num_attention_heads
    rows, factors = [], None

    def scale(layer, module, inputs, output):
        context = output[0]
        shaped = context.view(*context.shape[:2], n_heads, -1)
        shaped = shaped * factors[:, layer, None, :, None]
        return (shaped.reshape(context.shape), *output[1:])

    with attention_implementation(model, fastest_attention()), on_layers(model, scale):
        for x, y in zip(as_trajectories(trajectories).split(BATCH), labels.split(BATCH),
                        strict=True):  # fmt: skip
            factors = torch.ones(len(x), n_layers, n_heads, requires_grad=True)
            logits = model.classify(model.encode(model.standardise(x)[0]))
            loss = functional.cross_entropy(logits, y, reduction="sum")
            (slope,) = torch.autograd.grad(loss, factors)
            rows.append(slope.abs())
    return torch.cat(rows).double().numpy()
