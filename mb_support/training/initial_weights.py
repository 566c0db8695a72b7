"""How the weights of a model begin: random, with sinusoids as position embeddings."""

import math

import torch

#: Amplitude of the sinusoids, and standard deviation of the input projection's weights.
POSITION_SCALE = 0.7


def sinusoids(n_positions, hidden_size, shortest=6.0, longest=4000.0):
    """Sine and cosine of each position at wavelengths from `shortest` to `longest` frames, a
    (n_positions, hidden_size) Tensor, as in Vaswani et al. (2017), section 3.5."""
    wavelengths = torch.logspace(math.log10(shortest), math.log10(longest), hidden_size // 2)
    phase = 2 * math.pi * torch.arange(n_positions)[:, None] / wavelengths
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)


@torch.no_grad()
def start_as_waves(model):
    """Let position embeddings begin as `sinusoids`, in place; they learn from there. So "the frame
    before" begins as one direction instead of a thousand separate facts."""
    positions = model.embeddings.position_embeddings.weight
    positions.copy_(POSITION_SCALE * sinusoids(*positions.shape))
    model.inputs_to_hidden_dim.weight.normal_(std=POSITION_SCALE)
