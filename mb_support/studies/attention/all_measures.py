"""All measures of a model's attention weights, one trajectory and one layer at a time."""

import numpy as np
import torch
from torch.nn import functional
from transformers.models.bert.modeling_bert import BertAttention

from ...model.inference import as_trajectories
from ...states import assign_states
from .maps import attention_implementation, on_layers
from .measures import (
    asymmetry,
    mean_distance,
    mean_time_difference,
    own_group_weight,
    own_weight_by_difference,
    pairs_by_difference,
    section_profiles,
    top_frames,
    top_share,
)

#: A head attends to few frames if a query attends to less than a tenth of them.
FEW_TARGETS = 0.1
#: A head seeks or avoids its own state if its weight on it is further from that of the average row.
FOLLOWS = 0.1


def measure(model, trajectories, section=100):
    """All measures of a model's attention on each of (n, n_frames, 2) trajectories.

    One trajectory and one layer at a time, for the weights of all would not fit in memory.
    `section` is the length of sub-sections in frames.

    Arrays, trajectory first: the keys of `MEASURES`, but for the last three; "moments", the mean
    time difference over the mean distance, for each sub-section; `HEAD_MEASURES`, for each layer
    and head; "received", "norm_received", "rollout", for each frame; "profile" and
    "section_profiles" by time difference. What is not of heads is averaged over layers and heads.

    Notes
    -----
    What a head adds to the encoding of frame i is the sum over j of A_ij f(x_j), where f is its
    value and its part of the output projection, biases of the latter aside; norm-weighted
    attention is A_ij |f(x_j)| [1]_. Rollout [2]_ follows the weights through the layers, half of
    each step being the residual connection: r_{l-1} = r_l (A_l + 1) / 2 with A_l averaged over
    heads, from the uniform row, the mean over frames that the classifier sees.

    References
    ----------
    .. [1] G. Kobayashi et al., "Attention is not only a weight: analyzing transformers with
       vector norms", EMNLP (2020).
    .. [2] S. Abnar and W. Zuidema, "Quantifying attention flow in transformers", ACL (2020),
       section 3.
    """
    rows = [_measure_one(model, x, section) for x in as_trajectories("trajectories", trajectories)]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _measure_one(model, trajectory, section):
    n, states = len(trajectory), assign_states(trajectory.numpy())
    frames = torch.arange(n)
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
        weights = output[1][0].float() * n  # (heads, query, key)
        norms = _norms(module.value(inputs[0][0]), outputs[layer], len(weights))
        layers.append(_of_layer(weights, norms, masks))
        maps.append(weights.mean(dim=0))

    with torch.no_grad(), attention_implementation(model, "eager"), on_layers(model, reduce):
        model(trajectory[None])
    heads = {k: torch.stack([layer[k] for layer in layers]).numpy() for k in layers[0]}
    rollout = torch.ones(n)
    for weights in maps[::-1]:  # last layer first
        rollout = (rollout @ weights / n + rollout) / 2
    mean_map = torch.stack(maps).mean(dim=0).numpy()
    found = _of_map(mean_map, sections.numpy(), section) | _of_heads(heads, states, section)
    return found | {"rollout": rollout.numpy()}


def _norms(value, output, n_heads):
    # |f(x_j)| of each head: value (n_frames, hidden) through its part of the output projection
    value = value.unflatten(-1, (n_heads, -1)).transpose(0, 1)
    weight = output.weight.unflatten(1, (n_heads, -1)).permute(1, 2, 0)
    return (value @ weight).norm(dim=-1).float()


def _of_layer(weights, norms, masks):
    # weights (heads, query, key) with a mean of 1, norms (heads, key), masks (4, query, key)
    n = weights.shape[-1]
    received = weights.mean(dim=1)
    n_pairs = torch.from_numpy(pairs_by_difference(n))
    rows = functional.pad(weights.flip(-2), (0, n)).flatten(-2)  # each row one step further right
    diagonals = rows[..., : n * (2 * n - 1)].unflatten(-1, (n, 2 * n - 1)).sum(dim=-2)
    difference = diagonals / n_pairs
    variance = weights.var(dim=(1, 2), correction=0)
    variance[variance < 1e-5] = torch.nan  # rounding, where all weights are equal
    own = weights.flatten(1) @ masks[2:].flatten(1).T / n**2  # (heads, section and state)
    return {
        "received": received,
        "norms": norms,
        "difference": difference,
        "targets": n * torch.exp(torch.special.entr(weights).mean(dim=(1, 2))),
        "columns": received.var(dim=-1, correction=0) / variance,
        "diagonals": (n_pairs * (difference - 1) ** 2).sum(dim=-1) / n**2 / variance,
        "own": own,
        # over what it would be if every query had the average row
        "own_ratio": own / (received @ masks[2:].mean(dim=1).T / n),
        # means over queries on earlier and later frames, in the own section and state
        "norm_sums": (weights * norms[:, None]).flatten(1) @ masks.flatten(1).T / n**2,
    }


def _of_map(mean_map, sections, section):
    # measures of the weights averaged over layers and heads, (query, key)
    n, frames = len(mean_map), np.arange(len(mean_map))
    inside = sections[:, None] == sections
    offset = (frames - frames[:, None] + section - 1)[inside]
    starts = range(0, n - section + 1, section)
    windows = np.stack([mean_map[i : i + section, i : i + section] for i in starts])
    ten = np.argsort(-mean_map.mean(axis=0))[:10]
    return {
        "readers": (mean_map > 1).mean(axis=0)[ten].mean(),
        "profile": np.bincount(offset, mean_map[inside]) / np.bincount(offset),
        "section_profiles": section_profiles(windows),
        "moments": mean_time_difference(windows) / mean_distance(section),
    }


def _of_heads(heads, states, section):
    # measures of what `_of_layer` gives of each layer and head, and their means
    n = len(states)
    received = heads["received"].mean(axis=(0, 1))
    norm_received = (heads["received"] * heads["norms"]).sum(axis=(0, 1))
    norm_received = norm_received / norm_received.mean()
    difference = heads["difference"].mean(axis=(0, 1))
    past, future, norm_section, norm_state = heads["norm_sums"].sum(axis=(0, 1))
    norm_read = (heads["received"] * heads["norms"]).mean(axis=-1)  # by each head
    keys = top_frames(received)
    share, norm_at_keys = (r[keys].sum() / r.sum() for r in (received, norm_received))
    norm_total, sections = norm_read.sum(), np.arange(n) // section
    own_state = heads["own_ratio"][..., 1]
    of_states = {
        "own_state": heads["own"][..., 1].mean() / own_group_weight(received, states),
        "norm_own_state": norm_state / norm_total / own_group_weight(norm_received, states),
        "time_own_state": own_weight_by_difference(difference, states),
        "state_heads": (np.abs(own_state - 1) > FOLLOWS).mean(),
        "head_own_state": own_state,
    }
    if (states == states[0]).all():
        of_states = {name: np.full_like(value, np.nan) for name, value in of_states.items()}
    return of_states | {
        "share": share,
        "columns": np.nanmean(heads["columns"]),
        "diagonals": np.nanmean(heads["diagonals"]),
        "few": (heads["targets"] < FEW_TARGETS * n).mean(),
        "sides": asymmetry(difference),
        "blocks": heads["own_ratio"][..., 0].mean(),
        "first": received[0],
        "norm_share": top_share(norm_received),
        "norm_sides": (future - past) / (future + past),
        "norm_blocks": norm_section / norm_total / own_group_weight(norm_received, sections),
        "norm_first": norm_received[0],
        "key_norm": norm_at_keys / share * (1 - share) / (1 - norm_at_keys),
        "head_targets": heads["targets"],
        "head_sides": asymmetry(heads["difference"]),
        "head_next": heads["difference"][..., n] / n,
        "head_previous": heads["difference"][..., n - 2] / n,
        "head_first": heads["received"][..., 0] / n,
        "head_norms": norm_read / heads["norms"].mean(axis=-1),
        "received": received,
        "norm_received": norm_received,
    }
