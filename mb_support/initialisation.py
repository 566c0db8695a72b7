"""How the weights of a model begin: positions as waves, and heads that look at the next frame.

Only a start: the architecture is the poster's. What a start decides is what can be learned within
an affordable run. Heads of the poster's sizes, of 2 to 5 dimensions, do not find the frame beside
them among a thousand by themselves, and the noise between neighbouring frames is what tells the
scale that the standardisation took away (see `ruler`).
"""

import math

import numpy as np
import torch
from scipy.integrate import cumulative_trapezoid

#: Amplitude of everything that encodes a position, before the LayerNorm.
POSITION_SCALE = 0.7
#: Standard deviation of the input projection's weights beside neighbour heads, and the weight of
#: the coordinates whose differences those heads take.
INPUT_SCALE, DIFFERENCE_SCALE = 0.35, 0.9
#: Gain that brings these differences, a tenth of the coordinates, up to the size of all else.
DIFFERENCE_GAIN = 4.0
#: Logarithm of the weight of the frame aimed at over that of the frames beside it.
SHARPNESS = 1.5
#: Dimensions that neighbour heads reserve: where a frame is (3), where the next one is (3), a
#: constant and a zero, for positions; and four for differences.
N_POSITION, N_DIFFERENCES = 8, 4
CONSTANT, ZERO = 6, 7


def sinusoids(n_positions, hidden_size, shortest=6.0, longest=4000.0):
    """Sine and cosine of each position at geometrically spaced wavelengths (in frames).

    Returns
    -------
    (n_positions, hidden_size) Tensor
        As Vaswani et al. (2017), section 3.5, but for the range of wavelengths.
    """
    wavelengths = torch.logspace(math.log10(shortest), math.log10(longest), hidden_size // 2)
    phase = 2 * math.pi * torch.arange(n_positions)[:, None] / wavelengths
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)


def spiral(n_points, ratio=3.0):
    """Points along a spiral on the unit sphere, equally far apart.

    Of all places for n points in three dimensions at one distance from the origin, neighbours
    here are each other's nearest points, and all others keep away: a dot product tells them apart.

    Parameters
    ----------
    n_points : int
        Two or more.
    ratio : float
        How many times farther apart windings are than points.

    Returns
    -------
    points : (n_points, 3) Tensor
    spacing : float
        Between neighbouring points, along the spiral.
    """
    if n_points < 2:
        raise ValueError(f"a spiral needs at least 2 points; got {n_points}")
    spacing = math.sqrt(4 * math.pi / (n_points * ratio))  # each has the same share of the area
    turns = 2 * math.pi / (ratio * spacing)
    polar = np.linspace(0.0, math.pi, 200_001)
    length = cumulative_trapezoid(np.hypot(1.0, turns * np.sin(polar)), polar, initial=0.0)
    polar = np.interp(np.linspace(0.0, length[-1], n_points), length, polar)
    azimuth = turns * polar
    points = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1
    )
    return torch.from_numpy(points.astype(np.float32)), float(length[-1] / (n_points - 1))


@torch.no_grad()
def start_as_waves(model, position_scale=POSITION_SCALE):
    """Let position embeddings begin as `sinusoids`, so that attention can learn distances.

    "The frame before" then is a direction, instead of a thousand separate facts.

    Parameters
    ----------
    model : TrajectoryTransformer
        Changed in place.
    position_scale : float
        Amplitude of the sinusoids, and standard deviation of the input projection's weights.
    """
    positions = model.embeddings.position_embeddings.weight
    positions.copy_(position_scale * sinusoids(*positions.shape))
    model.inputs_to_hidden_dim.weight.normal_(std=position_scale)


@torch.no_grad()
def scale_branches(model, scale):
    """Multiply the weights with which attention and feed-forward layers write their results.

    Parameters
    ----------
    model : TrajectoryTransformer
        Changed in place.
    scale : float
        Positive.
    """
    if not scale > 0:
        raise ValueError(f"scale must be positive; got {scale}")
    for layer in model.encoder.layer:
        layer.attention.output.dense.weight *= scale
        layer.output.dense.weight *= scale


@torch.no_grad()
def add_neighbour_heads(model):
    """Let two heads of the first layer begin as differences to the next and the previous frame.

    With p a point of the `spiral`, a head that asks with p_{t+1} and is answered with p_s has the
    scores S a_t a_s (p_{t+1} . p_s - 1), where a is what the embeddings' LayerNorm makes of a
    constant. That constant, a dimension of its own, is what makes scores largest at s = t + 1
    whatever the coordinates make of a: four dimensions in all. A dimension that is zero before the
    LayerNorm tells the mean that it subtracts. The head's value is minus the coordinates, which the
    residual connection turns into a difference of frames. Position embeddings, the queries and keys
    of these heads and the dimensions that they read keep this start throughout a training (steps of
    the optimiser, small for other weights, would put such scores out of focus); all else learns.

    Parameters
    ----------
    model : TrajectoryTransformer
        Changed in place; sinusoids fill the dimensions that are not reserved.

    Raises
    ------
    ValueError
        If heads have fewer than four dimensions, or the model is causal.
    """
    hidden, n_heads = model.config.hidden_size, model.config.num_attention_heads
    head_size = hidden // n_heads
    if head_size < 4 or n_heads < 2 or model.config.causal:
        raise ValueError(
            "neighbour heads need two heads of at least 4 dimensions that see the next frame; got "
            f"{n_heads} of {head_size}, causal={model.config.causal}"
        )
    reserved = N_POSITION + N_DIFFERENCES
    differences = slice(N_POSITION, reserved)
    positions, projection = model.embeddings.position_embeddings.weight, model.inputs_to_hidden_dim
    points, spacing = spiral(len(positions) + 1)

    positions.copy_(POSITION_SCALE * sinusoids(*positions.shape))
    positions[:, 0:3], positions[:, 3:6] = POSITION_SCALE * points[:-1], POSITION_SCALE * points[1:]
    positions[:, CONSTANT], positions[:, ZERO:reserved] = POSITION_SCALE, 0.0
    projection.weight.normal_(std=INPUT_SCALE)
    projection.bias.zero_()
    projection.weight[:reserved] = 0.0
    projection.weight[differences] = DIFFERENCE_SCALE * torch.eye(2).repeat(2, 1)
    # the mean over dimensions, which the LayerNorm subtracts, begins as zero
    for weights in (positions.T, projection.weight):
        weights[reserved:] -= weights.sum(dim=0) / (hidden - reserved)

    size = positions.var(dim=1).mean() + projection.weight.var(dim=0).sum()  # of a usual frame
    largest = SHARPNESS / (spacing**2 / 2) * math.sqrt(head_size) * size
    gain = float(largest.sqrt()) / POSITION_SCALE
    attention = model.encoder.layer[0].attention
    query, key, value = attention.self.query, attention.self.key, attention.self.value
    output = attention.output.dense
    output.weight[differences], output.bias[differences] = 0.0, 0.0
    for head, (asks, answers) in enumerate(((3, 0), (0, 3))):  # the next frame, the previous one
        rows = slice(head * head_size, (head + 1) * head_size)
        for linear in (query, key, value):
            linear.weight[rows], linear.bias[rows] = 0.0, 0.0
        output.weight[:, rows] = 0.0
        for i in range(3):
            query.weight[rows.start + i, asks + i] = gain
            key.weight[rows.start + i, answers + i] = gain
        query.weight[rows.start + 3, CONSTANT] = gain
        key.weight[rows.start + 3, CONSTANT] = -gain
        for linear in (query, key):  # each row sums to zero: it does not see the mean
            linear.weight[rows, ZERO] = -linear.weight[rows].sum(dim=1)
        for i in range(2):
            place = N_POSITION + 2 * head + i
            value.weight[rows.start + i, place] = 1.0
            output.weight[place, rows.start + i] = -1.0
    attention.output.LayerNorm.weight[differences] = DIFFERENCE_GAIN
    positions.requires_grad_(False)
    for linear in (query, key):
        _hold_rows(linear, slice(2 * head_size))
    hold_positions(model)


def hold_positions(model, first=0):
    """Let the dimensions that tell positions learn nothing of the coordinates.

    Parameters
    ----------
    model : TrajectoryTransformer
        Changed in place.
    first : int
        The first of these `N_POSITION` dimensions.
    """
    for module in (model.inputs_to_hidden_dim, model.embeddings.LayerNorm):
        _hold_rows(module, slice(first, first + N_POSITION))


def _hold_rows(module, rows):
    # no gradient for these rows of a module's weights and bias
    for weights in (module.weight, module.bias):
        free = torch.ones(len(weights), *[1] * (weights.ndim - 1))
        free[rows] = 0.0
        weights.register_hook(lambda gradient, free=free: gradient * free.to(gradient.device))
