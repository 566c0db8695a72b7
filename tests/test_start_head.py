"""A start head shows the first frame, as the standardisation left it, to all others."""

from dataclasses import replace

import pytest
import torch
from training_runs import TINY

from mb_support import TrajectoryConfig, TrajectoryTransformer, growth, make_dataset
from mb_support.inference import load_checkpoint
from mb_support.start_head import add_start_head, start_readings

SMALL, LARGE = (TrajectoryConfig.of_size(size) for size in ("medium", "large"))
LAYER = SMALL.num_hidden_layers  # the first that the large model has of its own


@pytest.fixture(scope="module")
def typical():
    return torch.from_numpy(make_dataset(6, "validation", 41, n_frames=200).trajectories)


@pytest.fixture(scope="module")
def others():
    return torch.from_numpy(make_dataset(12, "validation", 42, n_frames=150).trajectories)


def grown(typical):
    torch.manual_seed(0)
    return growth.grow(load_checkpoint("medium"), TrajectoryTransformer(LARGE), typical)


def trained_since(typical):
    # training moves copies apart, as noise does
    model = grown(typical)
    with torch.no_grad():
        for layer in model.encoder.layer:
            for weights in layer.parameters():
                weights += 0.02 * weights.std() * torch.randn_like(weights)
    return model


@pytest.fixture(scope="module")
def with_head(typical):
    model = grown(typical)
    add_start_head(model, SMALL, typical)
    return model


def test_one_head_attends_to_the_first_frame_only(with_head, others):
    with_head.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = with_head(others, output_attentions=True).attentions
    assert attentions[LAYER][:, 0, :, 0].min() > 0.99
    assert attentions[LAYER][:, 1:, :, 0].max() < 0.5
    assert attentions[LAYER + 1][..., 0].max() < 0.5


def test_no_answer_changes(with_head, typical, others):
    with torch.no_grad():
        before, after = grown(typical)(others), with_head(others)
    torch.testing.assert_close(after.state_logits, before.state_logits, rtol=0.05, atol=0.05)
    torch.testing.assert_close(after.next_frames, before.next_frames, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("make", [grown, trained_since])
def test_the_mean_encoding_tells_the_first_frame_exactly(make, typical, others):
    model = make(typical)
    add_start_head(model, SMALL, typical)
    with torch.no_grad():
        mean = model(others).encodings.mean(dim=1)
    scale, *copied = start_readings(SMALL, LARGE) @ mean.T
    starts = model.standardise(others)[0][:, 0]
    ratio = torch.stack(copied, dim=1) / scale[:, None] / starts
    assert scale.min() > 1e-3
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=2e-3, atol=0.0)


def test_a_start_head_needs_room(typical):
    with pytest.raises(ValueError, match="a start head needs more than 12 layers"):
        add_start_head(TrajectoryTransformer(LARGE), LARGE, typical)
    with pytest.raises(ValueError, match="a start head needs a model to grow from"):
        replace(TINY, start_head=True)
