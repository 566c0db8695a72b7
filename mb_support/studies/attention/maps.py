"""Attention weights of a model, and hooks on the layers that form them.

A weight says where a layer looks, not what the answer depends on: for that see `importance`.
"""

from contextlib import contextmanager
from functools import partial

import torch
from transformers.models.bert.modeling_bert import BertSelfAttention

from ...model.inference import as_trajectories


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
        layer by layer, so there is never more than one layer's weights in memory.

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
    n_layers, maps = model.config.num_hidden_layers, {}
    layers = range(n_layers) if layers is None else layers
    if any(not -n_layers <= layer < n_layers for layer in layers):
        raise ValueError(f"layers must lie in {-n_layers}..{n_layers - 1}; got {list(layers)}")

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
