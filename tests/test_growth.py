"""A grown model answers as the small one did, and all of it can learn."""

from dataclasses import replace

import pytest
import torch
from training_runs import TINY

from mb_support import TrajectoryConfig, TrajectoryTransformer, growth, make_dataset, training
from mb_support.curriculum import BALANCING, RECIPES, REFINEMENTS, TrainingConfig
from mb_support.inference import load_checkpoint
from mb_support.initialisation import N_POSITION
from mb_support.records import runs

GROWING = TrainingConfig(
    "large",
    stages=((1000, 1),),
    batch_size=1,
    learning_rate=2e-4,
    grown_from="medium",
    neighbour_heads=True,
    block_length=16,
    taught=True,
)


@pytest.fixture(scope="module")
def trajectories():
    return torch.from_numpy(make_dataset(6, "validation", 41, n_frames=200).trajectories)


@pytest.fixture(scope="module")
def medium():
    return load_checkpoint("medium")


@pytest.fixture(scope="module")
def grown(medium, trajectories):
    model = training.new_model(GROWING)
    model.load_plain(training._grown(medium, model, GROWING))
    return model.eval()


def model_of(size, **settings):
    torch.manual_seed(0)
    return TrajectoryTransformer(TrajectoryConfig.of_size(size, **settings)).eval()


def test_a_grown_model_has_the_size_of_the_large_one_and_the_answers_of_the_small_one(
    medium, grown, trajectories
):
    assert grown.config.num_hidden_layers == 12 and grown.config.hidden_size == 120
    with torch.no_grad():
        before, after = medium(trajectories), grown(trajectories)
    odds = [out.state_logits[:, 1] - out.state_logits[:, 0] for out in (before, after)]
    assert (odds[0] - odds[1]).abs().max() < 0.1 * odds[0].abs().mean()
    assert torch.equal(odds[0] > 0, odds[1] > 0)
    error = (before.next_frames - trajectories[:, 1:].mean()).std()
    assert (before.next_frames - after.next_frames).abs().mean() < 0.1 * error


def test_twice_the_width_changes_nothing_at_all(trajectories):
    small = model_of("small")
    double = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=16)
    large = growth.grow(small, model_of("small", **double, intermediate_size=200), trajectories)
    with torch.no_grad():
        torch.testing.assert_close(
            large(trajectories).next_frames, small(trajectories).next_frames, rtol=1e-3, atol=1e-4
        )


def test_copies_do_not_stay_copies_and_new_layers_learn(grown, trajectories):
    model = grown.train()
    model.zero_grad()
    model(trajectories, labels=torch.tensor([0, 1, 0, 1, 0, 1])).loss.backward()
    gradient = model.encoder.layer[2].output.dense.weight.grad  # of what writes into two copies
    assert not torch.allclose(gradient[20], gradient[64 + 20], rtol=0.1)
    for layer in model.encoder.layer[8:]:
        assert layer.output.dense.weight.grad.abs().max() > 0
        assert layer.attention.output.dense.weight.grad.abs().max() > 0


def test_what_tells_positions_holds_still_in_copies_too(grown, trajectories):
    model = grown.train()
    model.zero_grad()
    model(trajectories, labels=torch.tensor([0, 1, 0, 1, 0, 1])).loss.backward()
    for first in (0, 64):
        held = slice(first, first + N_POSITION)
        for module in (model.inputs_to_hidden_dim, model.embeddings.LayerNorm):
            assert not module.weight.grad[held].any()
            assert module.weight.grad[held.stop].any()


@pytest.mark.parametrize(("small", "large"), [("medium", "small"), ("small", "large")])
def test_a_model_cannot_shrink_nor_grow_more_than_twice_as_wide(small, large, trajectories):
    with pytest.raises(ValueError, match="cannot grow into one"):
        growth.grow(model_of(small), model_of(large), trajectories)


def test_a_size_that_grows_is_trained_from_what_its_recipe_says(monkeypatch, tmp_path):
    first = replace(TINY, size="medium", stages=((16, 1),))
    own = replace(TINY, size="large", stages=((40, 1),), grown_from="medium", taught=True)
    monkeypatch.setitem(RECIPES, "medium", first)
    monkeypatch.setitem(RECIPES, "large", own)
    monkeypatch.setitem(REFINEMENTS, "medium", replace(first, taught=True, stages=((40, 1),)))
    monkeypatch.delitem(REFINEMENTS, "large", raising=False)
    assert "medium" in BALANCING  # which nothing grows from
    model, record = training.train_and_refine("large", tmp_path)
    assert model.config.hidden_size == 120
    made_by = [run["config"] for run in runs(record)]
    assert [config["size"] for config in made_by] == ["medium", "medium", "large"]
    assert [config["taught"] for config in made_by] == [False, True, True]
    training.save_checkpoint(model, record, tmp_path / "large")
    with pytest.raises(ValueError, match="a medium one after 1 run or a medium one after 2 runs"):
        training.train_and_refine("large", tmp_path / "new", begin_with=tmp_path / "large")
