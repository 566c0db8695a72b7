"""A larger model that begins as a trained smaller one: wider and deeper, with the same answers.

Much of what a large model learns a smaller one learns as well, in a fraction of the time. Net2Net
(Chen, Goodfellow and Shlens, ICLR 2016) widens a network by copying its units and sharing out what
they pass on, and deepens it by layers that do nothing yet; bert2BERT (Chen et al., ACL 2022) does
so for transformers. What is new here begins silent: it has random weights where it reads, and
zeros where it writes.
"""

import math

import torch

from .initialisation import N_DIFFERENCES, N_POSITION

#: Copies of a dimension share its outgoing weights between 0.3 and 0.7, lest they stay copies.
LEAST_SHARE, MOST_SHARE = 0.3, 0.7
#: Size of the mark of the first frame, where copies differ by it; the gain of the neurons that keep
#: it up; and the logarithm of the weight of that frame over each other one where heads look for it.
MARK, RELAY_GAIN, START_SHARPNESS = 0.3, 16.0, 16.0
#: How far copies move apart for what the first frame has there.
START_GAIN = 0.5


@torch.no_grad()
def grow(small, large, trajectories):
    """Let a model begin as a trained smaller one.

    Dimensions of the residual stream are copied, from the first, until there are enough; up to a
    LayerNorm, which counts copied ones twice, nothing changes. Heads and neurons of the small
    model come first, and layers that it has not pass on what they are given.

    Parameters
    ----------
    small : TrajectoryTransformer
        Trained.
    large : TrajectoryTransformer
        With random weights; changed in place, and in evaluation mode afterwards.
    trajectories : (batch, n_frames, 2) Tensor
        Typical ones, in raw coordinates: new layers take their LayerNorms' scale from them.

    Returns
    -------
    TrajectoryTransformer
        `large`.

    Raises
    ------
    ValueError
        If a part of the large model is smaller, or more than twice as wide as that of the small.
    """
    a, b = small.config, large.config
    n, n_large = a.hidden_size, b.hidden_size
    head, head_large = n // a.num_attention_heads, n_large // b.num_attention_heads
    smaller = (
        n_large < n
        or head_large < head
        or any(
            getattr(b, part) < getattr(a, part)
            for part in ("num_hidden_layers", "num_attention_heads", "intermediate_size")
        )
    )
    if smaller or n_large > 2 * n:
        raise ValueError(
            f"a model with {a.num_hidden_layers} layers of {n} dimensions cannot grow into one "
            f"with {b.num_hidden_layers} of {n_large}: each part must be as large, and no more "
            "than twice as wide"
        )
    source, share = _copies(n, n_large)
    heads = (torch.arange(a.num_attention_heads)[:, None] * head_large + torch.arange(head)).ravel()

    def copy(target, origin, written=slice(None), rows=source):
        # a linear layer; `written` are the rows of `target` that stand for those of `origin`
        target.weight[written] = origin.weight[rows][:, source] * share
        target.bias[written] = origin.bias[rows]

    def copy_norm(target, origin):
        target.weight.copy_(origin.weight[source])
        target.bias.copy_(origin.bias[source])

    def copy_output(target, origin, read):
        # a linear layer that writes into the residual stream; new heads and neurons are silent
        target.weight.zero_()
        target.weight[:, read] = origin.weight[source]
        target.bias.copy_(origin.bias[source])

    for name in ("weight", "bias"):
        getattr(large.inputs_to_hidden_dim, name).copy_(
            getattr(small.inputs_to_hidden_dim, name)[source]
        )
    positions = small.embeddings.position_embeddings.weight
    large.embeddings.position_embeddings.weight.copy_(positions[:, source])
    copy_norm(large.embeddings.LayerNorm, small.embeddings.LayerNorm)
    everything = slice(None)
    for old, new in zip(small.encoder.layer, large.encoder.layer, strict=False):
        for name in ("query", "key", "value"):
            copy(
                getattr(new.attention.self, name),
                getattr(old.attention.self, name),
                heads,
                everything,
            )
        query = new.attention.self.query
        padding = torch.ones(a.num_attention_heads * head_large, dtype=torch.bool)
        padding[heads] = False  # dimensions that a head of the small model has not
        query.weight[: len(padding)][padding] = 0.0
        query.bias[: len(padding)][padding] = 0.0
        for weights in (query.weight, query.bias):
            weights[heads] *= math.sqrt(head_large / head)  # scores are divided by its root
        copy_output(new.attention.output.dense, old.attention.output.dense, heads)
        copy_norm(new.attention.output.LayerNorm, old.attention.output.LayerNorm)
        neurons = torch.arange(a.intermediate_size)
        copy(new.intermediate.dense, old.intermediate.dense, neurons, everything)
        copy_output(new.output.dense, old.output.dense, neurons)
        copy_norm(new.output.LayerNorm, old.output.LayerNorm)
    for name in ("feature_predictor", "state_classifier"):
        old, new = getattr(small, name), getattr(large, name)
        copy(new[0], old[0])
        copy_norm(new[2], old[2])
        copy(new[3], old[3], rows=everything)
    _pass_on(large.eval(), a.num_hidden_layers, trajectories)
    return large


@torch.no_grad()
def add_start_heads(model, small, trajectories):
    """Let the first layer that a grown model has of its own look at the first frame.

    What is asked for is where a trajectory starts, and the encoding of the first frame tells that
    best; the classifier is given the mean over all. So the heads of that layer attend to the first
    frame, and together pass on the whole of its encoding; what they write begins as zero.

    To be found, the first frame is marked: copies of a dimension move apart, in proportion to each
    other's share, so that nothing which reads both notices. In each layer below, two of the
    neurons that the small model has not keep the mark up.

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
    a, b = small, model.config
    n, n_layers, neuron = a.hidden_size, a.num_hidden_layers, a.intermediate_size
    n_large, first = b.hidden_size, N_POSITION + N_DIFFERENCES
    if (
        n_large - n < first + 2
        or b.num_hidden_layers <= n_layers
        or b.intermediate_size < neuron + 2
    ):
        raise ValueError(
            f"start heads need more than {n_layers} layers, and at least {neuron + 2} neurons and "
            f"{n + first + 2} dimensions; got {b.num_hidden_layers}, {b.intermediate_size} and "
            f"{n_large}"
        )
    model.eval()
    _, share = _copies(n, n_large)
    pairs = torch.arange(first, n_large - n), torch.arange(n + first, n_large)
    mark = _mark(pairs, share)
    model.embeddings.position_embeddings.weight[0] += mark
    for layer in model.encoder.layer[:n_layers]:
        finder, shift = _finder(_output_of(layer.attention, model, trajectories), pairs)
        for k, threshold in enumerate((0.25, 0.75)):  # together a step of height RELAY_GAIN / 2
            layer.intermediate.dense.weight[neuron + k] = RELAY_GAIN * finder
            layer.intermediate.dense.bias[neuron + k] = RELAY_GAIN * (shift - threshold)
            layer.output.dense.weight[:, neuron + k] = (-1) ** k * mark / (RELAY_GAIN / 2)
    finder, _ = _finder(_output_of(layer, model, trajectories), pairs)
    head_size = n_large // b.num_attention_heads
    attention = model.encoder.layer[n_layers].attention
    output, attention = attention.output.dense, attention.self
    for linear in (attention.query, attention.key, attention.value, output):
        linear.weight.zero_()
        linear.bias.zero_()
    for mine, copy in zip(*pairs, strict=True):
        output.weight[mine, mine] = START_GAIN * share[copy]
        output.weight[copy, mine] = -START_GAIN * share[mine]
    gain = math.sqrt(START_SHARPNESS * math.sqrt(head_size))
    attention.query.bias[::head_size] = gain
    attention.key.weight[::head_size] = gain * finder
    attention.value.weight.copy_(torch.eye(n_large))


def _mark(pairs, share):
    # a direction in which copies move apart unseen, and without a mean for LayerNorms to subtract
    ours, copies = pairs
    signs = torch.ones(len(ours))
    signs[1::2] = -1.0
    lean = share[copies] - share[ours]
    signs -= lean * (signs @ lean) / (lean @ lean)
    mark = torch.zeros(len(share))
    mark[ours], mark[copies] = MARK * signs * share[copies], -MARK * signs * share[ours]
    return mark


def _finder(given, pairs):
    # weights that make 1 of the mark in the first frame, and 0 of frames without one: Fisher's
    # discriminant, as training moves copies apart by themselves
    ours, copies = pairs
    apart = given[..., ours] - given[..., copies]
    others = apart[:, 1:].flatten(0, 1)
    seen = apart[:, 0].mean(dim=0) - others.mean(dim=0)
    spread = torch.cov(others.T) + 1e-4 * (seen @ seen) * torch.eye(len(seen))
    found = torch.linalg.solve(spread, seen)
    weights = torch.zeros(given.shape[-1])
    weights[ours] = found / (found @ seen)
    weights[copies] = -weights[ours]
    return weights, -(others.mean(dim=0) @ weights[ours])


def _copies(n, n_large):
    # which dimension each one of the large model stands for, and its share of what that passes on
    n_copied = n_large - n
    source = torch.cat([torch.arange(n), torch.arange(n_copied)])
    share = torch.ones(n_large)
    generator = torch.Generator().manual_seed(0)
    share[:n_copied] = LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * torch.rand(
        n_copied, generator=generator
    )
    share[n:] = 1.0 - share[:n_copied]
    return source, share


def _output_of(module, model, trajectories):
    # what a layer, or its attention, makes of the trajectories
    kept = []
    hook = module.register_forward_hook(lambda module, inputs, output: kept.append(output))
    model(trajectories)
    hook.remove()
    return kept[0][0] if isinstance(kept[0], tuple) else kept[0]


def _pass_on(model, n_layers, trajectories):
    # layers after the first `n_layers` write nothing, and their LayerNorms restore what they get
    given = _output_of(model.encoder.layer[n_layers - 1], model, trajectories)
    scale, mean = given.std(dim=-1, correction=0).mean(), given.mean()
    for layer in model.encoder.layer[n_layers:]:
        for part in (layer.attention.output, layer.output):
            part.dense.weight.zero_()
            part.dense.bias.zero_()
            part.LayerNorm.weight.fill_(scale)
            part.LayerNorm.bias.fill_(mean)
