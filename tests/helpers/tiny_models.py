"""Models with random weights, trajectories, and comparison of arrays for the tests."""

import numpy as np
import torch

from mb_support.model import TrajectoryConfig, TrajectoryTransformer


def make_model(size="small", seed=0, **overrides):
    torch.manual_seed(seed)
    spread = 0.5 if size == "small" else 0.15  # attention far from uniform, but not chaotic
    config = TrajectoryConfig.of_size(size, initializer_range=spread, **overrides)
    return TrajectoryTransformer(config).eval()


def visits(n_frames, seed=0):
    """Three trajectories in the basins of the minima: two that change state, and one that stays."""
    rng = np.random.default_rng(seed)
    in_b = np.arange(n_frames) >= np.array([[n_frames // 2], [n_frames // 4], [0]])
    centres = np.where(in_b[..., None], (0.623, 0.028), (-0.558, 1.442))
    return (centres + 0.1 * rng.normal(size=(3, n_frames, 2))).astype(np.float32)


def agree(found, expected, rtol=2e-4, atol=2e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
