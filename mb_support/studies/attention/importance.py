"""What a model's answer depends on: gradients, frames removed or unread, heads silenced.

Removal and silencing intervene and look at the answer; the gradient is their first order. The
answer is the log-odds of state B against A unless said otherwise. Throughout, `trajectories` are
(n, n_frames, 2) raw coordinates and `labels` (n,) true states.
"""

from contextlib import contextmanager
from itertools import combinations, pairwise

import numpy as np
import torch
from scipy.special import expit
from torch.nn import functional

from ...model.inference import as_trajectories, evaluating
from ...model.losses import trajectory_loss
from ...model.transformer import fastest_attention
from ...statistics import rank_correlation
from .maps import attention_implementation, attention_layers, on_layers

BATCH = 8
#: Orders in which frames are left unread.
UNREAD = ("most attended", "first", "random")


def log_odds(model, trajectories, kept=None, unread=None):
    """Log-odds of state B against A, with some of the frames only.

    Frames are removed after standardisation and position embedding, so those that are left keep
    their coordinates and their place in time: the answer is the same as if no frame could attend
    to the others and they did not count in the mean, but cheaper. From an unread frame no head of
    any layer takes anything, while all weights stay: a frame on which weight is only unloaded can
    be treated so without harm.

    `kept` and `unread` are (n, n_chosen) frames that are left, and that are not read, of each
    trajectory; by default all and none. (n,) array.
    """
    trajectories = as_trajectories("trajectories", trajectories)
    kept, unread = (
        None if c is None else torch.as_tensor(np.asarray(c), dtype=torch.int64)
        for c in (kept, unread)
    )
    if kept is not None and (kept.ndim != 2 or len(kept) != len(trajectories) or 0 in kept.shape):
        raise ValueError(
            f"kept must have shape ({len(trajectories)}, n_kept) with n_kept at least 1; got "
            f"{tuple(kept.shape)}"
        )
    answers = []
    with evaluating(model):
        for start in range(0, len(trajectories), BATCH):
            part = slice(start, start + BATCH)
            standardised = model.standardise(trajectories[part])[0]
            inputs = standardised.to(model.inputs_to_hidden_dim.weight.dtype)
            hidden = model.embeddings(model.inputs_to_hidden_dim(inputs))
            if kept is not None:
                hidden = hidden.gather(1, kept[part, :, None].expand(-1, -1, hidden.shape[-1]))
            with _unread(model, None if unread is None else unread[part]):
                logits = model.classify(model.encoder(hidden).last_hidden_state)
            answers.append(logits[:, 1] - logits[:, 0])
    return torch.cat(answers).float().numpy()


@contextmanager
def _unread(model, frames):
    # values of the chosen frames, (batch, n_chosen), are zero in every layer
    def hook(module, inputs, output):
        return output.scatter(1, frames[..., None].expand(-1, -1, output.shape[-1]), 0.0)

    layers = attention_layers(model) if frames is not None else []
    handles = [layer.value.register_forward_hook(hook) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def gradient_importance(model, trajectories):
    """Gradient times input of the log-odds: first-order effect of moving a frame to the mean.

    (n, n_frames): absolute value of the gradient with respect to the standardised frame, dotted
    with it.
    """
    parts = []
    with attention_implementation(model, fastest_attention()):
        for x in as_trajectories("trajectories", trajectories).split(BATCH):
            z = model.standardise(x)[0].requires_grad_()
            logits = model.classify(model.encode(z))
            (slope,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), z)
            parts.append((slope * z.detach()).sum(-1).abs())
    return torch.cat(parts).numpy()


def occlusion_importance(model, trajectories, edges):
    """How far the log-odds move when a piece of the trajectory is removed, (n, n_pieces).

    Piece k begins at edges[k] and ends before edges[k + 1].
    """
    whole = log_odds(model, trajectories)
    changes = []
    for start, stop in pairwise(edges):
        kept = np.delete(np.arange(edges[-1]), slice(start, stop))
        kept = np.tile(kept, (len(trajectories), 1))
        changes.append(np.abs(log_odds(model, trajectories, kept) - whole))
    return np.stack(changes, axis=1)


def deletion_curve(model, trajectories, labels, scores, numbers, unread=False):
    """Probability of the true state without the frames that have the largest scores.

    `scores` are (n, n_frames), `numbers` of frames are below n_frames; (n, len(numbers)) array.
    With `unread` the frames are not removed, but heads read nothing from them; see `log_odds`.
    """
    n_frames = np.shape(scores)[1]
    if any(not 0 <= n < n_frames for n in numbers):
        raise ValueError(f"numbers must lie in 0..{n_frames - 1}; got {list(numbers)}")
    order = np.argsort(np.asarray(scores), axis=1, kind="stable")
    found = []
    for n in numbers:
        left, chosen = np.split(order, [n_frames - n], axis=1)
        frames = {"unread": chosen} if unread else {"kept": np.sort(left, axis=1)}
        found.append(log_odds(model, trajectories, **frames))
    return expit((2.0 * np.asarray(labels) - 1)[:, None] * np.stack(found, axis=1))


def agreement(model, trajectories, found, n_pieces):
    """Rank correlations between measures of which pieces of a trajectory matter.

    Measures are summed over `n_pieces` pieces of equal length, which are also removed one by one.
    `found` holds "received", "norm_received", "rollout" and "gradient", (n, n_frames) each. Keys
    such as "attention – occlusion", values (n,).
    """
    edges = np.linspace(0, trajectories.shape[1], n_pieces + 1).round().astype(int)
    along = {
        "attention": found["received"],
        "norm-weighted": found["norm_received"],
        "rollout": found["rollout"],
        "gradient": found["gradient"],
    }
    scores = {name: np.add.reduceat(v, edges[:-1], axis=-1) for name, v in along.items()}
    scores["occlusion"] = occlusion_importance(model, trajectories, edges)
    return {
        f"{first} – {second}": rank_correlation(scores[first], scores[second])
        for first, second in combinations(scores, 2)
    }


def deletions(model, trajectories, labels, found, numbers, unread=False, seed=0):
    """`deletion_curve` with no frame removed and by `numbers`, for each order of the frames.

    `found` as for `agreement`; `seed` is that of the random frames. With `unread`, the orders
    of `UNREAD` only.
    """
    n, n_frames = trajectories.shape[:2]
    orders = {
        "most attended": found["received"],
        "most norm-weighted": found["norm_received"],
        "largest gradient": found["gradient"],
        "first": np.tile(-np.arange(n_frames), (n, 1)),
        "random": np.random.default_rng(seed).random((n, n_frames)),
    }
    whole = deletion_curve(model, trajectories, labels, orders["random"], [0])
    return {
        name: np.hstack(
            [whole, deletion_curve(model, trajectories, labels, scores, numbers, unread)]
        )
        for name, scores in orders.items()
        if name in UNREAD or not unread
    }


def _batches(trajectories, labels):
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    frames = as_trajectories("trajectories", trajectories)
    return zip(frames.split(BATCH), labels.split(BATCH), strict=True)


def losses_by_trajectory(model, trajectories, labels):
    """Both terms of the loss for each trajectory, (n, 2): the whole of it is shown to both heads.

    `losses.trajectory_loss` over the frames that have a successor, and cross-entropy.
    """
    rows = []
    with evaluating(model):
        for x, y in _batches(trajectories, labels):
            z = model.standardise(x)[0]
            encodings = model.encode(z)
            predicted = model.feature_predictor(encodings[:, :-1])
            along = [trajectory_loss(p, t) for p, t in zip(predicted, z[:, 1:], strict=True)]
            across = functional.cross_entropy(model.classify(encodings), y, reduction="none")
            rows.append(torch.stack([torch.stack(along), across], dim=1))
    return torch.cat(rows).double().numpy()


def head_ablation(model, trajectories, labels, units):
    """Increase of the loss of each trajectory with the output of some heads set to zero.

    A unit, silenced at a time, is a layer and a sequence of its heads. (len(units), n, 2) array:
    both terms of the loss, as `losses_by_trajectory`.
    """
    layers = attention_layers(model)
    n_heads, head_size = layers[0].num_attention_heads, layers[0].attention_head_size
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


def _silence(heads, head_size):
    # hook: the heads' part of the layer's output is zero
    def hook(layer, module, inputs, output):
        context = output[0].clone()
        for head in heads:
            context[..., head * head_size : (head + 1) * head_size] = 0
        return (context, *output[1:])

    return hook


def head_gradients(model, trajectories, labels):
    """First-order effect of silencing each head on the cross-entropy, (n, layers, heads).

    Absolute value of the derivative with respect to a factor on the head's output: P. Michel,
    O. Levy and G. Neubig, "Are sixteen heads really better than one?", NeurIPS (2019), eq. (2).
    """
    n_layers, n_heads = model.config.num_hidden_layers, model.config.num_attention_heads
    rows, factors = [], None

    def scale(layer, module, inputs, output):
        context = output[0]
        shaped = context.view(*context.shape[:2], n_heads, -1)
        shaped = shaped * factors[:, layer, None, :, None]
        return (shaped.reshape(context.shape), *output[1:])

    with attention_implementation(model, fastest_attention()), on_layers(model, scale):
        for x, y in _batches(trajectories, labels):
            factors = torch.ones(len(x), n_layers, n_heads, requires_grad=True)
            logits = model.classify(model.encode(model.standardise(x)[0]))
            loss = functional.cross_entropy(logits, y, reduction="sum")
            (slope,) = torch.autograd.grad(loss, factors)
            rows.append(slope.abs())
    return torch.cat(rows).double().numpy()


def silenced(model, trajectories, labels, heads=False):
    """Increase of both losses without a layer's attention, or without each head.

    "mean" and "se" over trajectories, (2, layers) or (2, layers, heads): of the trajectory loss
    and of the cross-entropy. With heads also "slope", (layers, heads), from `head_gradients`.
    """
    n_layers, n_heads = model.config.num_hidden_layers, model.config.num_attention_heads
    units = [(layer, range(n_heads)) for layer in range(n_layers)]
    if heads:
        units = [(layer, [head]) for layer, of_layer in units for head in of_layer]
    changes = head_ablation(model, trajectories, labels, units)  # (units, n, 2)
    shape = (2, n_layers, n_heads) if heads else (2, n_layers)
    found = {
        "mean": changes.mean(axis=1).T.reshape(shape),
        "se": (changes.std(axis=1, ddof=1) / np.sqrt(changes.shape[1])).T.reshape(shape),
    }
    if heads:
        found["slope"] = head_gradients(model, trajectories, labels).mean(axis=0)
    return found
