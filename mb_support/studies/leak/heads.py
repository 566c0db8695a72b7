"""Which attention heads fetch the next frame: where they look, and what is lost without them.

A head is a pair (layer, head), both counted from 0.
"""

import numpy as np
import torch

from ...model.inference import as_trajectories
from ..attention.maps import attention_implementation, on_layers
from .errors import N_RELAX, frame_errors, over, predict_next_frames, summarise

#: How far from a frame the attention of a head is looked up, in frames.
OFFSETS = (-3, -2, -1, 0, 1, 2, 3)
NEXT = OFFSETS.index(1)


def attention_near(model, trajectories, batch_size=4):
    """Mean attention of every head that frame i gives to frame i + offset, the last one withheld:
    (n_layers, n_heads, len(OFFSETS), n_frames - 1), NaN where there is no such frame."""
    frames = as_trajectories("trajectories", trajectories)[:, :-1].float()
    n, n_shown = frames.shape[:2]
    config = model.config
    shape = (config.num_hidden_layers, config.num_attention_heads, len(OFFSETS), n_shown)
    total = np.zeros(shape)

    def add(layer, module, inputs, output):
        for number, offset in enumerate(OFFSETS):
            near = output[1].diagonal(offset, dim1=-2, dim2=-1).double().sum(dim=0).numpy()
            first = max(0, -offset)
            total[layer, :, number, first : first + near.shape[-1]] += near

    with torch.no_grad(), attention_implementation(model, "eager"), on_layers(model, add):
        for part in frames.split(batch_size):
            model.encode(model.standardise(part)[0])
    at = np.arange(n_shown) + np.array(OFFSETS)[:, None]
    return np.where((at >= 0) & (at < n_shown), total / n, np.nan)


def finders(attention):
    """Heads by the mean weight that they give to the next frame, most first, from `attention_near`;
    and the weights, (n_layers, n_heads)."""
    weights = np.nanmean(attention[:, :, NEXT], axis=-1)
    order = np.argsort(-weights, axis=None, kind="stable")
    return [divmod(int(i), weights.shape[1]) for i in order], weights


def others(heads, n):
    """As many heads of each layer as the first `n` of `finders` hold, those that look at the next
    frame least: a control. Of another layer where one has too few."""
    chosen, rest = [], list(reversed(heads[n:]))
    for layer, _ in heads[:n]:
        same = [head for head in rest if head[0] == layer]
        if same or rest:
            chosen.append((same or rest)[0])
            rest.remove(chosen[-1])
    return chosen


def without_heads(model, heads):
    """While the block runs, the output of some heads is replaced by its mean over the frames: what
    it says of single frames is gone, its level, which later layers rely on, is not."""
    size = model.config.hidden_size // model.config.num_attention_heads

    def flatten(layer, module, inputs, output):
        context = output[0].clone()  # (batch, n_frames, hidden_size)
        for head in [head for at, head in heads if at == layer]:
            part = context[..., head * size : (head + 1) * size]
            part[:] = part.mean(dim=1, keepdim=True)
        return (context, *output[1:])

    return on_layers(model, flatten, layers=sorted({layer for layer, _ in heads}))


def ablation(model, trajectories, exact, heads, numbers):
    """Interior error over exact error while the first "n_heads" of `finders` are flattened, and
    `others` instead: a list of dict of (value, standard error), the whole model first."""

    def ratio(chosen):
        with without_heads(model, chosen):
            predicted = predict_next_frames(model, trajectories)
        errors = frame_errors(predicted, trajectories, exact)
        return summarise(over(errors, slice(N_RELAX, -1)))["ratio"]

    whole = ratio([])
    rows = [{"n_heads": 0, "finders": whole, "others": whole}]
    for n in numbers:
        rows.append({"n_heads": n, "finders": ratio(heads[:n]), "others": ratio(others(heads, n))})
    return rows
