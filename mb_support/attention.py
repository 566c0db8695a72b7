"""What the attention of a model looks like: maps, and sums over them that fit in memory.

An attention weight says where a layer looks, not what the answer depends on; the measures of
the latter (rollout aside, which is made of weights too) are in `importance`. Between the two are
norms: a weight counts for little where what it multiplies is small.
"""

from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np
import torch
from transformers.models.bert.modeling_bert import BertAttention, BertSelfAttention

from .attention_measures import own_group_weight, pairs_by_difference
from .attention_reduction import SCALARS, reduce_attention
from .inference import as_numbers
from .model import fastest_attention
from .states import assign_states


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
def on_layers(model, hook, layers=None, before=False):
    """Call ``hook(layer, module, inputs[, output])`` at the attention of some layers.

    What the hook returns, if not None, replaces the module's output (or its inputs, if `before`).
    """

    def bind(layer):
        return lambda *arguments: hook(layer, *arguments)

    modules = attention_layers(model)
    handles = []
    for layer in range(len(modules)) if layers is None else layers:
        register = "register_forward_pre_hook" if before else "register_forward_hook"
        handles.append(getattr(modules[layer], register)(bind(layer)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def as_trajectories(trajectories):
    """(n, n_frames, 2) Tensor of float32 or float64 of what may be an array."""
    return as_numbers("trajectories", trajectories)


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
        model(as_trajectories(trajectories))
    if average == "all":
        return maps["all"].float().numpy()
    return torch.stack([maps[layer] for layer in layers], dim=1).float().numpy()


@dataclass(frozen=True)
class AttentionSummary:
    """Sums over the attention weights of a model on some trajectories.

    Weights are in units of the uniform weight 1 / n_frames: 1 is what a frame gets from a head
    that does not choose. Axes of the arrays: trajectory, layer, head, then as below.

    Parameters
    ----------
    received : (..., n_frames) ndarray of float32
        Weight a frame receives, averaged over the frames that attend (queries).
    norms : (..., n_frames) ndarray of float32
        Norm of what the head reads from a frame; see Notes.
    difference : (..., 2 n_frames - 1) ndarray of float32
        Mean weight at each time difference key - query, from -(n_frames - 1) frames.
    in_section : (..., 2 section - 1) ndarray of float32
        The same over pairs of frames in the same sub-section of the trajectory.
    targets : (...) ndarray of float32
        Exponential of the mean entropy of a row: how many frames a query attends to, as if it
        gave each the same weight.
    column_share : (...) ndarray of float32
        Share of the variance of the weights explained by which frame is attended to. It is 1
        where all frames attend to the same frames, and about 0 where each has its own; NaN where
        all weights are equal.
    difference_share : (...) ndarray of float32
        Share of the variance explained by the time difference alone.
    own_state, own_section : (...) ndarray of float32
        Weight on frames in the query's own state, and in its own sub-section, over what it would
        be if every query had the average row. The former is NaN where a trajectory stays in one
        state.
    own_state_weight : (...) ndarray of float32
        The weight on the own state itself, from 0 to 1.
    norm_sums : (..., 4) ndarray of float32
        Means over queries of the norm-weighted attention: on earlier frames, on later frames, in
        the query's own sub-section, in its own state.
    windows : (trajectory, n_frames // section, section, section) ndarray of float32
        Weights averaged over layers and heads, in windows along the diagonal.
    attended_by : (trajectory, n_frames) ndarray of float32
        Share of the queries that give a frame more than the uniform weight, after averaging
        over layers and heads.
    rollout : (trajectory, n_frames) ndarray of float32
        Attention rollout from the mean over frames, which the classifier sees, down to the
        input frames; see Notes.
    states : (trajectory, n_frames) ndarray of float32
        State of each frame.

    Notes
    -----
    What a head adds to the encoding of frame i is the sum over j of A_ij f(x_j), where f is its
    value and its part of the output projection, biases of the latter aside [1]_. `norms`
    holds |f(x_j)|, norm-weighted attention is A_ij |f(x_j)|.

    Rollout [2]_ follows the weights through the layers, half of each step being the residual
    connection: r_{l-1} = r_l (A_l + 1) / 2 with A_l averaged over heads, starting from the
    uniform row r_L = 1 / n_frames.

    References
    ----------
    .. [1] G. Kobayashi et al., "Attention is not only a weight: analyzing transformers with
       vector norms", EMNLP (2020).
    .. [2] S. Abnar and W. Zuidema, "Quantifying attention flow in transformers", ACL (2020),
       section 3.
    """

    received: np.ndarray
    norms: np.ndarray
    difference: np.ndarray
    in_section: np.ndarray
    targets: np.ndarray
    column_share: np.ndarray
    difference_share: np.ndarray
    own_state: np.ndarray
    own_section: np.ndarray
    own_state_weight: np.ndarray
    norm_sums: np.ndarray
    windows: np.ndarray
    attended_by: np.ndarray
    rollout: np.ndarray
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

    @property
    def n_frames(self):
        """Length of the trajectories."""
        return self.received.shape[-1]


def summarise_attention(model, trajectories, section=100):
    """Reduce a model's attention weights on trajectories to an `AttentionSummary`.

    One trajectory and one layer at a time: the memory needed is that of one n_frames x n_frames
    matrix for each layer.

    Parameters
    ----------
    model : TrajectoryTransformer
        Not causal.
    trajectories : (n, n_frames, 2) array_like of float
        Raw coordinates.
    section : int
        Length of sub-sections and windows, 2 to n_frames frames.

    Raises
    ------
    ValueError
        If the model is causal or `section` is out of range.
    """
    trajectories = as_trajectories(trajectories)
    n_frames = trajectories.shape[1]
    if model.config.causal:
        raise ValueError("summarise_attention is for models that are not causal; this one is")
    if not 2 <= section <= n_frames:
        raise ValueError(f"section must lie in 2..{n_frames} frames; got {section}")
    parts = [_summarise_one(model, x, section) for x in trajectories]
    stacked = {f.name: np.stack([part[f.name] for part in parts]) for f in fields(AttentionSummary)}
    return AttentionSummary(**{k: v.astype(np.float32) for k, v in stacked.items()})


def _summarise_one(model, trajectory, section):
    n_frames, n_heads = len(trajectory), model.config.num_attention_heads
    states = assign_states(trajectory.numpy())
    n_layers = model.config.num_hidden_layers
    sums, norms, maps = [], [], np.zeros((n_layers, n_frames, n_frames), np.float32)
    outputs = [m.output.dense for m in model.modules() if isinstance(m, BertAttention)]

    def reduce(layer, module, inputs):
        hidden = inputs[0][0]  # (n_frames, hidden_size)
        query, key, value = (
            part(hidden).view(n_frames, n_heads, -1).transpose(0, 1)
            for part in (module.query, module.key, module.value)
        )
        norms.append(_norms(value, outputs[layer]))
        sums.append(reduce_attention(query, key, norms[-1], states, section, maps[layer]))

    with torch.no_grad(), attention_implementation(model, fastest_attention()):
        with on_layers(model, reduce, before=True):
            model(trajectory[None])
    received, difference, in_section, scalars = (np.stack(s) for s in zip(*sums, strict=True))
    scalars = dict(zip(SCALARS, np.moveaxis(scalars, -1, 0), strict=True))
    maps /= n_heads
    mean_map = maps.mean(axis=0)
    return {
        "received": received,
        "norms": np.stack(norms),
        "difference": difference * n_frames / pairs_by_difference(n_frames),
        "in_section": in_section * n_frames / _n_section_pairs(n_frames, section),
        "targets": np.exp(scalars["entropy"] / n_frames),
        **_shares(received, difference, scalars["squares"]),
        **_own(received, in_section, scalars, states, section),
        "norm_sums": np.stack(
            [scalars[f"norm_{of}"] for of in ("past", "future", "own_section", "own_state")], -1
        )
        / n_frames,
        "windows": np.stack(
            [
                mean_map[i : i + section, i : i + section] * n_frames
                for i in range(0, n_frames - section + 1, section)
            ]
        ),
        "attended_by": (mean_map > 1 / n_frames).mean(axis=0),
        "rollout": _pooled_rollout(maps) * n_frames,
        "states": states,
    }


def _norms(value, output):
    # |f(x_j)| of each head: value (heads, n_frames, head_size) through its part of the projection
    weight = output.weight.view(output.out_features, len(value), -1).transpose(0, 1)
    return (value @ weight.transpose(1, 2)).norm(dim=-1).float().numpy()


def _n_section_pairs(n_frames, section):
    whole, rest = divmod(n_frames, section)
    pairs = whole * pairs_by_difference(section)
    return pairs + np.pad(pairs_by_difference(rest), section - rest) if rest else pairs


def _shares(received, difference, squares):
    # of the variance over all pairs; in units in which the mean weight is 1
    n_frames = received.shape[-1]
    variance = squares - 1
    variance = np.where(variance > 1e-5, variance, np.nan)  # rounding, where all weights are equal
    between_keys = (received**2).mean(axis=-1) - 1
    n_pairs = pairs_by_difference(n_frames)
    profile = difference * n_frames / n_pairs
    between_differences = (n_pairs * profile**2).sum(axis=-1) / n_frames**2 - 1
    return {
        "column_share": between_keys / variance,
        "difference_share": between_differences / variance,
    }


def _own(received, in_section, scalars, states, section):
    n_frames = len(states)
    sections = np.arange(n_frames) // section
    own_state = scalars["own_state"] / n_frames
    ratio = own_state / own_group_weight(received, states)
    if (states == states[0]).all():
        ratio = np.full_like(ratio, np.nan)
    own_section = in_section.sum(axis=-1) / n_frames
    return {
        "own_state": ratio,
        "own_state_weight": own_state,
        "own_section": own_section / own_group_weight(received, sections),
    }


def _pooled_rollout(maps):
    # maps (layers, n_frames, n_frames), averaged over heads; last layer first
    row = np.full(maps.shape[-1], 1 / maps.shape[-1], np.float32)
    for layer in maps[::-1]:
        row = (row @ layer + row) / 2
    return row
