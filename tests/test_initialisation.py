"""How weights begin: neighbour heads look at the frames beside a frame, and go on doing so."""

import pytest
import torch

from mb_support import TrajectoryConfig, TrajectoryTransformer, initialisation, make_dataset
from mb_support.initialisation import N_DIFFERENCES, N_POSITION, add_neighbour_heads, spiral

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def model_of(size, **settings):
    torch.manual_seed(0)
    config = TrajectoryConfig.of_size(size, **NO_DROPOUT, **settings)
    return TrajectoryTransformer(config).eval()


@pytest.fixture(scope="module")
def trajectories():
    return torch.from_numpy(make_dataset(3, "validation", 40).trajectories)


def first_attention(model, trajectories):
    model.set_attn_implementation("eager")
    with torch.no_grad():
        return model(trajectories, output_attentions=True).attentions[0]


def test_points_of_a_spiral_are_nearest_to_their_neighbours():
    points, spacing = spiral(1025)
    assert torch.allclose(points.norm(dim=1), torch.ones(1025), atol=1e-5)
    steps = (points[1:] - points[:-1]).norm(dim=1)
    assert torch.allclose(steps[5:-5], torch.full_like(steps[5:-5], spacing), rtol=0.02)
    distances = torch.cdist(points, points) + 10 * torch.eye(1025)
    nearest = distances.argmin(dim=1)
    assert ((nearest - torch.arange(1025)).abs() == 1).all()
    beside = torch.arange(1025)[:, None] - torch.arange(1025)
    assert distances[beside.abs() > 2].min() > 1.5 * spacing


@pytest.mark.parametrize("size", ["medium", "large"])
@pytest.mark.parametrize(("head", "shift"), [(0, 1), (1, -1)])
def test_neighbour_heads_look_at_the_frame_beside(size, head, shift, trajectories):
    model = model_of(size)
    add_neighbour_heads(model)
    weights = first_attention(model, trajectories)[:, head]
    frames = torch.arange(10, 990)
    at = [weights[:, frames, frames + shift + near].mean() for near in (-1, 0, 1)]
    assert at[1] > 0.6
    assert sum(at) > 0.95


def test_neighbour_heads_write_displacements(trajectories):
    model = model_of("medium")
    add_neighbour_heads(model)
    kept = []
    model.encoder.layer[0].attention.output.register_forward_hook(lambda m, i, o: kept.append(o))
    with torch.no_grad():
        model(trajectories)
        standardised = model.standardise(trajectories)[0]
    written = kept[0][..., N_POSITION : N_POSITION + N_DIFFERENCES]
    moved = standardised[:, 1:] - standardised[:, :-1]
    for i in range(2):
        to_next = torch.stack([written[:, :-1, i].flatten(), -moved[..., i].flatten()])
        to_last = torch.stack([written[:, 1:, 2 + i].flatten(), moved[..., i].flatten()])
        assert torch.corrcoef(to_next)[0, 1] > 0.8
        assert torch.corrcoef(to_last)[0, 1] > 0.8


def test_steps_of_the_optimiser_leave_neighbour_heads_as_they_are(trajectories):
    model = model_of("medium")
    add_neighbour_heads(model)
    before = first_attention(model, trajectories)[:, :2]
    free = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(free, lr=3e-3, weight_decay=0.0)
    for _ in range(5):
        optimiser.zero_grad()
        model(trajectories[:, :200], labels=torch.tensor([0, 1, 0])).loss.backward()
        optimiser.step()
    after = first_attention(model, trajectories)[:, :2]
    frames = torch.arange(10, 990)
    for head, shift in ((0, 1), (1, -1)):
        kept = after[:, head, frames, frames + shift].mean()
        assert kept == pytest.approx(before[:, head, frames, frames + shift].mean().item(), rel=0.1)
    embeddings = model.embeddings.position_embeddings.weight
    assert not embeddings.requires_grad
    assert model.encoder.layer[0].attention.self.query.weight.grad[8:].abs().sum() > 0


def test_parameters_are_those_of_the_poster():
    plain, with_heads = model_of("medium"), model_of("medium")
    add_neighbour_heads(with_heads)
    assert {n: p.shape for n, p in with_heads.named_parameters()} == {
        n: p.shape for n, p in plain.named_parameters()
    }


@pytest.mark.parametrize(("size", "causal"), [("small", False), ("medium", True)])
def test_heads_that_cannot_look_at_the_next_frame_are_refused(size, causal):
    with pytest.raises(ValueError, match="neighbour heads need two heads of at least 4"):
        add_neighbour_heads(model_of(size, causal=causal))


def test_branches_are_scaled_and_a_scale_has_to_be_positive():
    model = model_of("small")
    before = model.encoder.layer[1].output.dense.weight.clone()
    initialisation.scale_branches(model, 0.5)
    assert torch.equal(model.encoder.layer[1].output.dense.weight, 0.5 * before)
    with pytest.raises(ValueError, match="scale must be positive"):
        initialisation.scale_branches(model, 0.0)


def test_a_spiral_needs_two_points():
    with pytest.raises(ValueError, match="at least 2 points"):
        spiral(1)
