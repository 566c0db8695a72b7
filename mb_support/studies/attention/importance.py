"""What a model's answer depends on: gradients, frames removed or unread, heads silenced.

Removal and silencing intervene and look at the answer; the gradient is their first order. The
answer is the log-odds of state B against A unless said otherwise. Throughout, `trajectories` are
(n, n_frames, 2) raw coordinates and `labels` (n,) true states.
"""

from contextlib import ExitStack
from functools import partial
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
#: The most attended frames without those at the start, which tell the answer by themselves.
LATER = "most attended, not at the start"
#: Orders in which frames are left unread.
UNREAD = ("most attended", LATER, "first", "random")


def log_odds(model, trajectories, kept=None, unread=None):
    """Log-odds of state B against A, (n,), with only some frames `kept`, or some `unread`.

    Both are (n, n_chosen) frames. Frames are removed after standardisation and position embedding,
    so that the others keep coordinates and place in time. From an unread frame no head takes
    anything, while all weights stay.
    """
    trajectories = as_trajectories("trajectories", trajectories)
    answers = []
    with evaluating(model):
        for part in torch.arange(len(trajectories)).split(BATCH):
            z = model.standardise(trajectories[part])[0]
            hidden = model.inputs_to_hidden_dim(z.to(model.inputs_to_hidden_dim.weight.dtype))
            hidden = model.embeddings(hidden)
            with ExitStack() as hooks:
                if kept is not None:
                    hidden = hidden.gather(1, _along(kept, part, hidden))
                for layer in attention_layers(model) if unread is not None else ():
                    hook = layer.value.register_forward_hook(
                        lambda m, i, value: value.scatter(1, _along(unread, part, value), 0.0)  # noqa: B023
                    )
                    hooks.callback(hook.remove)
                logits = model.classify(model.encoder(hidden).last_hidden_state)
            answers.append(logits[:, 1] - logits[:, 0])
    return torch.cat(answers).float().numpy()


def _along(frames, part, hidden):
    # indices of chosen frames of a part of the trajectories, for all (batch, frame, hidden)
    frames = torch.as_tensor(np.asarray(frames), dtype=torch.int64)[part]
    return frames[..., None].expand(-1, -1, hidden.shape[-1])


def gradient_importance(model, trajectories):
    """Gradient of the log-odds times the standardised frame, absolute, (n, n_frames): the
    first-order effect of moving a frame to the mean."""
    parts = []
    with attention_implementation(model, fastest_attention()):
        for x in as_trajectories("trajectories", trajectories).split(BATCH):
            z = model.standardise(x)[0].requires_grad_()
            logits = model.classify(model.encode(z))
            (slope,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), z)
            parts.append((slope * z.detach()).sum(-1).abs())
    return torch.cat(parts).numpy()


def occlusion_importance(model, trajectories, edges):
    """How far the log-odds move without frames edges[k] to edges[k + 1] - 1, (n, n_pieces)."""
    n, frames, whole = len(trajectories), np.arange(edges[-1]), log_odds(model, trajectories)
    left = (np.tile(np.delete(frames, slice(*piece)), (n, 1)) for piece in pairwise(edges))
    return np.stack([np.abs(log_odds(model, trajectories, k) - whole) for k in left], axis=1)


def deletion_curve(model, trajectories, labels, scores, numbers, unread=False):
    """Probability of the true state, (n, len(numbers)), without the frames of largest scores; with
    `unread` they stay, but heads read nothing from them."""
    order = np.argsort(scores, axis=1, kind="stable")
    found = []
    for n in numbers:
        left, chosen = np.split(order, [order.shape[1] - n], axis=1)
        frames = {"unread": chosen} if unread else {"kept": np.sort(left, axis=1)}
        found.append(log_odds(model, trajectories, **frames))
    return expit((2.0 * np.asarray(labels) - 1)[:, None] * np.stack(found, axis=1))


def agreement(model, trajectories, found, n_pieces):
    """Rank correlations, (n,), by pair, of what says which of `n_pieces` pieces matter; `found` has
    "received", "norm_received", "rollout" and "gradient", (n, n_frames)."""
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


def deletions(model, trajectories, labels, found, numbers, n_start, unread=False, seed=0):
    """`deletion_curve` by 0 and `numbers` of frames, for each order, or those in `UNREAD`.

    The first `n_start` frames are the start.
    """
    n, n_frames = trajectories.shape[:2]
    is_start = np.arange(n_frames) < n_start
    orders = {
        "most attended": found["received"],
        LATER: np.where(is_start, -np.inf, found["received"]),
        "most norm-weighted": found["norm_received"],
        "largest gradient": found["gradient"],
        "first": np.tile(-np.arange(n_frames), (n, 1)),
        "random": np.random.default_rng(seed).random((n, n_frames)),
    }
    whole = deletion_curve(model, trajectories, labels, orders["random"], [0])
    chosen = {name: scores for name, scores in orders.items() if name in UNREAD or not unread}
    return {
        name: np.hstack([whole, deletion_curve(model, trajectories, labels, s, numbers, unread)])
        for name, s in chosen.items()
    }


def _batches(trajectories, labels):
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    frames = as_trajectories("trajectories", trajectories)
    return zip(frames.split(BATCH), labels.split(BATCH), strict=True)


def losses_by_trajectory(model, trajectories, labels):
    """Trajectory loss and cross-entropy of each trajectory, shown whole to both heads, (n, 2)."""
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
    """Increase of both losses, (len(units), n, 2), without the heads of each (layer, heads)."""
    whole = losses_by_trajectory(model, trajectories, labels)
    changes = []
    for layer, heads in units:
        with on_layers(model, partial(_silence, heads), layers=[layer]):
            changes.append(losses_by_trajectory(model, trajectories, labels) - whole)
    return np.stack(changes)


def _silence(heads, layer, module, inputs, output):
    # hook: the heads' part of the layer's output is zero
    context = output[0].clone()
    context.unflatten(-1, (module.num_attention_heads, -1))[..., list(heads), :] = 0
    return (context, *output[1:])


def head_gradients(model, trajectories, labels):
    """Absolute derivative of the cross-entropy by a factor on each head, (n, layers, heads):
    Michel, Levy and Neubig, "Are sixteen heads really better than one?", NeurIPS (2019)."""
    n_layers, n_heads = model.config.num_hidden_layers, model.config.num_attention_heads
    rows, factors = [], None

    def scale(layer, module, inputs, output):
        context = output[0].unflatten(-1, (n_heads, -1))
        return ((context * factors[:, layer, None, :, None]).flatten(-2), *output[1:])

    with attention_implementation(model, fastest_attention()), on_layers(model, scale):
        for x, y in _batches(trajectories, labels):
            factors = torch.ones(len(x), n_layers, n_heads, requires_grad=True)
            logits = model.classify(model.encode(model.standardise(x)[0]))
            loss = functional.cross_entropy(logits, y, reduction="sum")
            (slope,) = torch.autograd.grad(loss, factors)
            rows.append(slope.abs())
    return torch.cat(rows).double().numpy()


def silenced(model, trajectories, labels, heads=False):
    """Increase of both losses without a layer's attention, or each head's: "mean" and "se", (2,
    layers[, heads]); with heads also "slope", (layers, heads), of `head_gradients`."""
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
