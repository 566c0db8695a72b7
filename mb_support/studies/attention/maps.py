"""What the attention of a model looks like: maps, and sums over them that fit in memory.

An attention weight says where a layer looks, not what the answer depends on: for that see
`importance`.
"""

from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from torch.nn import functional
from transformers.models.bert.modeling_bert import BertAttention, BertSelfAttention

from ...model.inference import as_trajectories
from ...states import assign_states
from .measures import pairs_by_difference


@contextmanager
def attention_implementation(model, name):
    """Use an attention implementation, and no dropout, for the length of a ``with`` block."""
    before, was_training = model.config._attn_implementation, model.training
    model.set_attn_implementation(name)
    model.eval()
    try:
        yield model
    finally:
        model.set_attn_implementation(before)
        model.train(was_training)


def attention_layers(model):
    """The self-attention modules of a model, first layer first."""
    return [module for module in model.modules() if isinstance(module, BertSelfAttention)]


@contextmanager
def on_layers(model, hook, layers=None):
    """Call ``hook(layer, module, inputs, output)`` at the attention of some layers, or of all.

    What the hook returns, if not None, replaces the module's output.
    """
    modules, handles = attention_layers(model), []
    for layer in range(len(modules)) if layers is None else layers:
        handles.append(modules[layer].register_forward_hook(partial(hook, layer)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _check_layers(model, layers):
    n_layers = model.config.num_hidden_layers
    layers = range(n_layers) if layers is None else layers
    if any(not -n_layers <= layer < n_layers for layer in layers):
        raise ValueError(f"layers must lie in {-n_layers}..{n_layers - 1}; got {list(layers)}")
    return [layer % n_layers for layer in layers]


def attention_maps(model, trajectories, layers=None, average=None):
    """Attention weights as the eager implementation forms them.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (batch, n_frames, 2) array_like of float
        Raw coordinates.
    layers : sequence of int, optional
        Layers to return, all by default; negative ones count from the last.
    average : {None, "heads", "all"}
        What to average over: nothing, heads, or heads and those layers. Averages are formed
        layer by layer, so at no time are there more than one layer's weights in memory.

    Returns
    -------
    ndarray of float32
        Shape (batch, layers, heads, n_frames, n_frames), without the axes averaged over. The
        last two axes are query and key; rows sum to one.

    Raises
    ------
    ValueError
        If a layer does not exist or `average` is none of the above.
    """
    if average not in (None, "heads", "all"):
        raise ValueError(f"average must be None, 'heads' or 'all'; got {average!r}")
    layers, maps = _check_layers(model, layers), {}

    def keep(layer, module, inputs, output):
        weights = output[1] if average is None else output[1].mean(dim=1)
        if average == "all":
            maps["all"] = maps.get("all", 0) + weights / len(layers)
        else:
            maps[layer] = weights

    with torch.no_grad(), attention_implementation(model, "eager"), on_layers(model, keep, layers):
        model(as_trajectories("trajectories", trajectories))
    if average == "all":
        return maps["all"].float().numpy()
    return torch.stack([maps[layer] for layer in layers], dim=1).float().numpy()


@dataclass(frozen=True)
class AttentionSummary:
    """Sums over the attention weights of a model on some trajectories, as arrays of float32.

    Weights are in units of the uniform weight 1 / n_frames: 1 is what a frame gets from a head
    that does not choose. First axes: trajectory, layer, head; the last four fields have none of
    layer and head.

    Notes
    -----
    What a head adds to the encoding of frame i is the sum over j of A_ij f(x_j), where f is its
    value and its part of the output projection, biases of the latter aside [1]_. `norms`
    holds |f(x_j)|, norm-weighted attention is A_ij |f(x_j)|.

    Rollout [2]_ follows the weights through the layers, half of each step being the residual
    connection: r_{l-1} = r_l (A_l + 1) / 2 with A_l averaged over heads, starting from the
    uniform row r_L = 1 / n_frames, the mean over frames that the classifier sees.

    References
    ----------
    .. [1] G. Kobayashi et al., "Attention is not only a weight: analyzing transformers with
       vector norms", EMNLP (2020).
    .. [2] S. Abnar and W. Zuidema, "Quantifying attention flow in transformers", ACL (2020),
       section 3.
    """

    #: (..., n_frames): weight a frame receives, averaged over the frames that attend (queries).
    received: np.ndarray
    #: (..., n_frames): norm of what the head reads from a frame; see Notes.
    norms: np.ndarray
    #: (..., 2 n_frames - 1): mean weight by time difference key - query, from -(n_frames - 1).
    difference: np.ndarray
    #: (..., 2 section - 1): the same over pairs of frames in the same sub-section.
    in_section: np.ndarray
    #: Exponential of the mean entropy of a row: how many frames a query attends to.
    targets: np.ndarray
    #: Share of the variance of the weights explained by which frame is attended to: 1 where all
    #: frames attend to the same ones; NaN where all weights are equal.
    column_share: np.ndarray
    #: Share of the variance explained by the time difference alone.
    difference_share: np.ndarray
    #: Weight on frames in the query's own state over what it would be if every query had the
    #: average row; NaN where a trajectory stays in one state.
    own_state: np.ndarray
    #: The same for frames in the query's own sub-section.
    own_section: np.ndarray
    #: The weight on the own state itself, from 0 to 1.
    own_state_weight: np.ndarray
    #: (..., 4): means over queries of the norm-weighted attention on earlier frames, on later
    #: frames, in the query's own sub-section, in its own state.
    norm_sums: np.ndarray
    #: (trajectory, n_frames // section, section, section): weights averaged over layers and
    #: heads, in windows along the diagonal.
    windows: np.ndarray
    #: (trajectory, n_frames): share of the queries that give a frame more than the uniform
    #: weight, after averaging over layers and heads.
    attended_by: np.ndarray
    #: (trajectory, n_frames): attention rollout down to the input frames; see Notes.
    rollout: np.ndarray
    #: (trajectory, n_frames): state of each frame.
    states: np.ndarray

    @property
    def mean_received(self):
        """`received` averaged over layers and heads, (trajectory, n_frames)."""
        return self.received.mean(axis=(1, 2))

    @property
    def norm_received(self):
        """Norm-weighted attention a frame receives, over all heads; mean 1 over frames."""
        total = (self.received * self.norms).sum(axis=(1, 2))
        return total / total.mean(axis=-1, keepdims=True)


def summarise_attention(model, trajectories, section=100):
    """Reduce a model's attention weights on (n, n_frames, 2) trajectories to an `AttentionSummary`.

    One trajectory and one layer at a time, for the weights of all would not fit in memory.
    `section` is the length of sub-sections and windows, 2 to n_frames frames. `ValueError` for a
    causal model.
    """
    trajectories = as_trajectories("trajectories", trajectories)
    n_frames = trajectories.shape[1]
    if model.config.causal:
        raise ValueError("summarise_attention is for models that are not causal; this one is")
    if not 2 <= section <= n_frames:
        raise ValueError(f"section must lie in 2..{n_frames} frames; got {section}")
    parts = [_summarise_one(model, x, section) for x in trajectories]
    return AttentionSummary(
        **{
            f.name: np.stack([part[f.name] for part in parts]).astype(np.float32)
            for f in fields(AttentionSummary)
        }
    )


def _summarise_one(model, trajectory, section):
    n_frames, states = len(trajectory), assign_states(trajectory.numpy())
    frames = torch.arange(n_frames)
    sections, of_state = frames // section, torch.from_numpy(states)
    masks = torch.stack(  # (4, query, key)
        [
            frames < frames[:, None],
            frames > frames[:, None],
            sections == sections[:, None],
            of_state == of_state[:, None],
        ]
    ).float()
    outputs = [m.output.dense for m in model.modules() if isinstance(m, BertAttention)]
    layers, maps = [], []

    def reduce(layer, module, inputs, output):
        weights = output[1][0].float() * n_frames  # (heads, query, key)
        norms = _norms(module.value(inputs[0][0]), outputs[layer], len(weights))
        layers.append(_summarise_layer(weights, norms, masks, section))
        maps.append(weights.mean(dim=0))

    with torch.no_grad(), attention_implementation(model, "eager"), on_layers(model, reduce):
        model(trajectory[None])
    mean_map = torch.stack(maps).mean(dim=0).numpy()
    row = torch.ones(n_frames)
    for weights in maps[::-1]:  # rollout, last layer first
        row = (row @ weights / n_frames + row) / 2
    starts = range(0, n_frames - section + 1, section)
    found = {name: np.stack([layer[name] for layer in layers]) for name in layers[0]}
    if (states == states[0]).all():
        found["own_state"] = np.full_like(found["own_state"], np.nan)
    return found | {
        "windows": np.stack([mean_map[i : i + section, i : i + section] for i in starts]),
        "attended_by": (mean_map > 1).mean(axis=0),
        "rollout": row.numpy(),
        "states": states,
    }


def _norms(value, output, n_heads):
    # |f(x_j)| of each head: value (n_frames, hidden) through its part of the output projection
    value = value.unflatten(-1, (n_heads, -1)).transpose(0, 1)
    weight = output.weight.unflatten(1, (n_heads, -1)).permute(1, 2, 0)
    return (value @ weight).norm(dim=-1).float()


def _summarise_layer(weights, norms, masks, section):
    # weights (heads, query, key) with a mean of 1, norms (heads, key), masks (4, query, key)
    n_frames = weights.shape[-1]
    received = weights.mean(dim=1)
    n_pairs = torch.from_numpy(pairs_by_difference(n_frames))
    difference = _over_diagonals(weights) / n_pairs
    in_section = _in_sections(weights, section) / _in_sections(torch.ones_like(masks[0]), section)
    variance = weights.var(dim=(1, 2), correction=0)
    variance[variance < 1e-5] = torch.nan  # rounding, where all weights are equal
    by_difference = (n_pairs * (difference - 1) ** 2).sum(dim=-1) / n_frames**2
    own = weights.flatten(1) @ masks[2:].flatten(1).T / n_frames**2  # (heads, section and state)
    own_if_average = received @ masks[2:].mean(dim=1).T / n_frames
    own_section, own_state = (own / own_if_average).T
    found = {
        "received": received,
        "norms": norms,
        "difference": difference,
        "in_section": in_section,
        "targets": n_frames * torch.exp(torch.special.entr(weights).mean(dim=(1, 2))),
        "column_share": received.var(dim=-1, correction=0) / variance,
        "difference_share": by_difference / variance,
        "own_state": own_state,
        "own_state_weight": own[:, 1],
        "own_section": own_section,
        "norm_sums": (weights * norms[:, None]).flatten(1) @ masks.flatten(1).T / n_frames**2,
    }
    return {name: values.numpy() for name, values in found.items()}


def _over_diagonals(weights):
    # sums (..., 2 n - 1) of (..., n, n) over pairs with the same key - query
    n = weights.shape[-1]
    rows = functional.pad(weights.flip(-2), (0, n)).flatten(-2)  # each row one step further right
    return rows[..., : n * (2 * n - 1)].unflatten(-1, (n, 2 * n - 1)).sum(dim=-2)


def _in_sections(weights, section):
    # the same over pairs in one sub-section, (..., 2 section - 1)
    total = 0
    for start in range(0, weights.shape[-1], section):
        sums = _over_diagonals(weights[..., start : start + section, start : start + section])
        missing = section - (sums.shape[-1] + 1) // 2  # frames, of the last sub-section
        total = total + functional.pad(sums, (missing, missing))
    return total
