"""Models with random weights for the tests, and comparison of arrays."""

import numpy as np
import torch

from mb_support.model import TrajectoryConfig, TrajectoryTransformer


def make_model(size="small", seed=0, **overrides):
    torch.manual_seed(seed)
    spread = 0.5 if size == "small" else 0.15  # attention far from uniform, but not chaotic
    config = TrajectoryConfig.of_size(size, initializer_range=spread, **overrides)
    return TrajectoryTransformer(config).eval()


def agree(found, expected, rtol=2e-4, atol=2e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
