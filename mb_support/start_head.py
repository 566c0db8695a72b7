"""A head of a grown model that shows the first frame, as it was given, to all others.

What is asked for is where a trajectory starts, and the classifier is given the mean of all
encodings. That mean tells the shift and scale which the standardisation took away; what it lacks
is the first frame before they are put back. Not even that frame's own encoding has it exactly: each
LayerNorm weakens what no layer renews.
"""

import math

import torch

from .growth import copies, output_of
from .initialisation import N_DIFFERENCES, N_POSITION

#: Size of what is carried, where copies of a dimension differ by it. All else has size one.
CARRIED_SIZE = 0.1
#: Logarithm of the weight of the first frame over that of each other one.
SHARPNESS = 40.0
#: What is carried: a mark of the first frame, and each frame's two coordinates.
N_CARRIED = 3


@torch.no_grad()
def add_start_head(model, small, trajectories):
    """Let one head of the first layer that a grown model has of its own copy the first frame.

    Two copies of a dimension of the small model may differ, in proportion to each other's share,
    and nothing that reads both notices. Differences of six such pairs are put in order: whatever
    writes to both copies writes the same, and whatever reads both reads their shares. The first
    three then carry a mark of the first frame and each frame's standardised coordinates up to the
    layer of the head, two neurons per difference making up for what LayerNorms take away. The head
    finds the frame by its mark, and writes what it carries into the other three, for all frames.
    As a LayerNorm scales all differences alike, the ratio of coordinates to mark stays exact.

    Parameters
    ----------
    model : TrajectoryTransformer
        That has been grown, and may have been trained since; changed in place.
    small : TrajectoryConfig
        Of the model that it was grown from.
    trajectories : (batch, n_frames, 2) Tensor
        Typical ones, in raw coordinates.

    Raises
    ------
    ValueError
        If the model has no more layers or neurons than the small one, or too few copied
        dimensions beside those of positions.
    """
    _check_room(small, model.config)
    model.eval()
    pairs = _pairs(small.hidden_size, model.config.hidden_size)
    for pair in pairs:
        _put_in_order(model, pair)
    carrying, landing = pairs[:N_CARRIED], pairs[N_CARRIED:]
    below = model.encoder.layer[: small.num_hidden_layers]
    _carry(model, carrying, below, small.intermediate_size, trajectories)
    height = output_of(below[-1], model, trajectories)[:, 0] @ carrying[0].read
    above = model.encoder.layer[small.num_hidden_layers]
    _copy_the_first(above.attention, carrying, landing, height.mean())


def _check_room(small, large):
    n_layers, neurons = small.num_hidden_layers, small.intermediate_size + 2 * N_CARRIED
    n = small.hidden_size + N_POSITION + N_DIFFERENCES + 2 * N_CARRIED
    head_size = large.hidden_size // large.num_attention_heads
    if (
        large.num_hidden_layers <= n_layers
        or large.intermediate_size < neurons
        or large.hidden_size < n
        or head_size < N_CARRIED
    ):
        raise ValueError(
            f"a start head needs more than {n_layers} layers, {neurons} neurons and {n} dimensions "
            f"at least, and heads of {N_CARRIED}; got {large.num_hidden_layers}, "
            f"{large.intermediate_size}, {large.hidden_size} and {head_size}"
        )


def _carry(model, pairs, layers, neuron, trajectories):
    # mark and coordinates, from the embeddings up; of neurons those from number `neuron` on
    mark, *coordinates = pairs
    model.embeddings.position_embeddings.weight[0] += CARRIED_SIZE * mark.write
    for k, pair in enumerate(coordinates):
        model.inputs_to_hidden_dim.weight[:, k] += CARRIED_SIZE * pair.write
    wanted = _sizes(model.embeddings, model, trajectories, pairs)
    for layer in layers:
        gains = wanted / _sizes(layer, model, trajectories, pairs) - 1.0
        for k, (pair, gain) in enumerate(zip(pairs, gains, strict=True)):
            for j, sign in enumerate((1.0, -1.0), start=neuron + 2 * k):  # GELU(d) - GELU(-d) = d
                layer.intermediate.dense.weight[j] = sign * pair.read
                layer.intermediate.dense.bias[j] = 0.0
                layer.output.dense.weight[:, j] = sign * gain * pair.write


def _copy_the_first(attention, carrying, landing, height):
    # by the first head; `height` is that of the mark
    output, attention = attention.output.dense, attention.self
    head_size = attention.attention_head_size
    rows = slice(head_size)
    for linear in (attention.query, attention.key, attention.value):
        linear.weight[rows], linear.bias[rows] = 0.0, 0.0
    output.weight[:, rows] = 0.0
    gain = math.sqrt(SHARPNESS * math.sqrt(head_size))
    attention.query.bias[0] = gain
    attention.key.weight[0] = gain / height * carrying[0].read
    for k, (carried, landed) in enumerate(zip(carrying, landing, strict=True)):
        attention.value.weight[k] = carried.read
        output.weight[:, k] = landed.write


def start_readings(small, large):
    """How encodings are read where a start head writes.

    Parameters
    ----------
    small, large : TrajectoryConfig
        As for `add_start_head`.

    Returns
    -------
    (3, hidden_size) Tensor
        An encoding's dot products with these are a scale times one and the first frame's two
        coordinates, each by a factor of its own.
    """
    pairs = _pairs(small.hidden_size, large.hidden_size)
    return torch.stack([pair.read for pair in pairs[N_CARRIED:]])


def _pairs(n, n_large):
    # of the pairs of copies that there are, those whose difference has least of a mean
    _, share = copies(n, n_large)
    ours = torch.arange(N_POSITION + N_DIFFERENCES, n_large - n)
    ours = ours[(share[ours] - 0.5).abs().argsort()][: 2 * N_CARRIED]
    return [_Pair(int(i), n + int(i), share) for i in ours]


class _Pair:
    # two copies of a dimension: how their difference is written, and how it is read
    def __init__(self, ours, copy, share):
        self.both, self.shares = torch.tensor([ours, copy]), share[[ours, copy]]
        self.write, self.read = torch.zeros(len(share)), torch.zeros(len(share))
        self.write[ours], self.write[copy] = share[copy], -share[ours]
        self.read[ours], self.read[copy] = 1.0, -1.0


def _put_in_order(model, pair):
    # training moves copies apart: what writes to the pair writes the same again, and what reads it
    # reads both copies' shares
    both = pair.both

    def write_alike(module):
        for weights in (module.weight, module.bias):
            weights[both] = weights[both].mean(dim=0, keepdim=True).expand_as(weights[both])

    def read_shares(module):
        module.weight[:, both] = module.weight[:, both].sum(dim=1, keepdim=True) * pair.shares

    positions = model.embeddings.position_embeddings.weight
    positions[:, both] = positions[:, both].mean(dim=1, keepdim=True).expand(-1, 2)
    write_alike(model.inputs_to_hidden_dim)
    write_alike(model.embeddings.LayerNorm)
    for layer in model.encoder.layer:
        for name in ("query", "key", "value"):
            read_shares(getattr(layer.attention.self, name))
        read_shares(layer.intermediate.dense)
        for part in (layer.attention.output, layer.output):
            write_alike(part.dense)
            write_alike(part.LayerNorm)
    for head in (model.feature_predictor, model.state_classifier):
        read_shares(head[0])


def _sizes(module, model, trajectories, pairs):
    # root mean squares of the pairs' differences in what a part of the model gives
    given = output_of(module, model, trajectories)
    return torch.stack([(given @ pair.read).square().mean().sqrt() for pair in pairs])
