"""A larger model that begins as a trained smaller one: wider and deeper, with the same answers.

Much of what a large model learns a smaller one learns as well, in a fraction of the time. Net2Net
(Chen, Goodfellow and Shlens, ICLR 2016) widens a network by copying its units and sharing out what
they pass on, and deepens it by layers that do nothing yet; bert2BERT (Chen et al., ACL 2022) does
so for transformers. What is new here begins silent: it has random weights where it reads, and
zeros where it writes.
"""

import math

import torch

#: Copies of a dimension share its outgoing weights between 0.3 and 0.7, lest they stay copies.
LEAST_SHARE, MOST_SHARE = 0.3, 0.7


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
    source, share = copies(n, n_large)
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


def copies(n, n_large):
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


def output_of(module, model, trajectories):
    # what a layer, or its attention, makes of the trajectories
    kept = []
    hook = module.register_forward_hook(lambda module, inputs, output: kept.append(output))
    model(trajectories)
    hook.remove()
    return kept[0][0] if isinstance(kept[0], tuple) else kept[0]


def _pass_on(model, n_layers, trajectories):
    # layers after the first `n_layers` write nothing, and their LayerNorms restore what they get
    given = output_of(model.encoder.layer[n_layers - 1], model, trajectories)
    scale, mean = given.std(dim=-1, correction=0).mean(), given.mean()
    for layer in model.encoder.layer[n_layers:]:
        for part in (layer.attention.output, layer.output):
            part.dense.weight.zero_()
            part.dense.bias.zero_()
            part.LayerNorm.weight.fill_(scale)
            part.LayerNorm.bias.fill_(mean)
