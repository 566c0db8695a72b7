"""Attention weights of a model, and hooks on the layers that form them.

A weight says where a layer looks, not what the answer depends on: for that see `importance`.
"""

from contextlib import contextmanager
from functools import partial

import torch
from transformers.models.bert.modeling_bert import BertSelfAttention

from ...model.inference import as_trajectories, checked_model


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
    """Call ``hook(layer, module, inputs, output)`` at the attention of some layers, or of all; what
    it returns, if not None, replaces the module's output."""
    modules, handles = attention_layers(model), []
    for layer in range(len(modules)) if layers is None else layers:
        handles.append(modules[layer].register_forward_hook(partial(hook, layer)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def attention_maps(model, trajectories, layers=None, average=None):
    """Attention weights of raw trajectories, (batch, layers, heads, query, key).

    `layers`: all by default, negative ones count from the last. `average`: None, "heads", or "all"
    for heads and layers; then there is never more than one layer's weights in memory.
    """
    n_layers = checked_model(model).config.num_hidden_layers
    layers, maps = range(n_layers) if layers is None else layers, {}

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
