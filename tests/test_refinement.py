"""Refining: a trained model again, on starts near the ridge, taught what can be known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from training_runs import TINY
from transformers import default_data_collator

from mb_support import training
from mb_support.curriculum import BALANCING, RECIPES, REFINEMENTS
from mb_support.datasets import (
    REFINING_FOCUS,
    FreshTrajectories,
    focused_starts,
    thinned_frames,
)
from mb_support.simulation import REGIMES
from mb_support.states import (
    assign_states,
    distance_from_ridge,
    height_above_ridge,
    separatrix,
)
from mb_support.teacher import Teacher

FIRST = replace(TINY, stages=((16, 3),))
AFTER = replace(FIRST, stages=((40, 4, 36), (40, 1)), taught=True, seed=1)


@pytest.fixture
def recipes(monkeypatch):
    monkeypatch.setitem(RECIPES, "small", FIRST)
    monkeypatch.setitem(REFINEMENTS, "small", AFTER)
    monkeypatch.delitem(BALANCING, "small")


def stream(n_items=16, n_guided=12, **options):
    return FreshTrajectories([(20, n_items)], 30_000, n_guided=n_guided, **options)


def test_distances_are_those_to_the_nearest_point_of_the_separatrix():
    points = focused_starts(200, seed=7, **REFINING_FOCUS)
    points = points[np.abs(distance_from_ridge(points)) < 0.05]
    x, y, _ = separatrix()
    nearest = cdist(points, np.stack([x, y], axis=1)).min(axis=1)
    assert len(points) > 50
    assert np.abs(np.abs(distance_from_ridge(points)) - nearest).max() < 0.005
    np.testing.assert_array_equal(distance_from_ridge(points) < 0, assign_states(points) == 1)


def test_three_of_four_guided_items_start_near_the_ridge_and_the_rest_where_they_did():
    items = stream(taught=True).__getitems__(range(16))
    plain = stream(n_guided=0).__getitems__(range(16))
    starts = np.stack([item["trajectories"][0].numpy() for item in items])
    focused = (np.arange(16) < 12) & (np.arange(16) % 4 != 3)
    near = np.abs(height_above_ridge(starts)) < REFINING_FOCUS["near_ridge"]
    assert near[focused].mean() > 0.8
    for i in np.flatnonzero(~focused):
        assert torch.equal(items[i]["trajectories"], plain[i]["trajectories"])


def test_soft_labels_are_what_the_teacher_says_of_the_frames_that_are_shown():
    teacher = Teacher(REGIMES["metastable"])
    stages = [(120, 2, 96), (20, 2)]
    items = FreshTrajectories(stages, 30_000, n_guided=3, block_length=16, taught=True)
    for number, item in enumerate(items[k] for k in range(4)):
        shown = item["trajectories"].numpy()[:-1]  # the last frame is there to be predicted
        frames = None
        if number < 2:
            frames, _ = thinned_frames(119, 96, (30_000, number), 16)
            np.testing.assert_array_equal(item["frames"].numpy(), frames)
        shares, located = teacher.judge(shown, frames)
        np.testing.assert_allclose(item["soft_labels"], shares)
        np.testing.assert_allclose(item["located"], located, rtol=1e-6)
        np.testing.assert_array_equal(item["states"], assign_states(located))
        assert item["guidance"] == (number < 3)


def test_soft_labels_take_the_place_of_labels_as_far_as_guidance_says():
    model = training.new_model(FIRST).train()
    items = stream(taught=True).__getitems__(range(4))
    batch = {key: torch.stack([item[key] for item in items]) for key in items[0]}
    shares = batch.pop("soft_labels")
    batch = {key: batch[key] for key in ("trajectories", "labels")}
    plain = model(**batch)
    log_p = torch.log_softmax(plain.state_logits, dim=-1)
    for guidance in (0.0, 0.4, 1.0):
        batch["guidance"] = torch.full((4,), guidance)
        target = guidance * shares + (1 - guidance) * torch.eye(2)[batch["labels"]]
        expected = plain.trajectory_loss - (target * log_p).sum(dim=-1).mean()
        assert model(**batch, soft_labels=shares).loss.item() == pytest.approx(expected.item())


def test_the_read_out_of_a_taught_run_begins_as_a_least_squares_fit():
    model = training.new_model(replace(AFTER, seed=0)).eval()
    taught = FreshTrajectories([(120, 96, 64)], 30_000, n_guided=96, block_length=16, taught=True)
    batches = [default_data_collator(taught.__getitems__(range(i, i + 8))) for i in range(0, 96, 8)]
    model.fit_guide(batches)
    errors, spreads = [], []
    for batch in batches:
        shown = {key: batch[key] for key in ("frames", "counts")}
        with torch.no_grad():
            output = model(batch["trajectories"], batch["labels"], **shown)
            told = model.guide(output.encodings)[..., 2:4]
        where = batch["located"].gather(1, batch["frames"][..., None].expand(-1, -1, 2))
        errors.append(told - where)
        spreads.append(where - where.mean(dim=(0, 1)))
    errors, spreads = torch.cat(errors), torch.cat(spreads)
    assert errors.mean(dim=(0, 1)).abs().max() < 1e-3  # a fit with a constant has no bias
    assert (errors.square().mean() < 0.8 * spreads.square().mean()).item()


def test_a_refinement_begins_with_the_trained_weights_and_the_record_tells_both_runs(
    recipes, tmp_path
):
    first, record = training.train(FIRST, tmp_path / "first", progress=False)
    whole, both = training.train_and_refine("small", tmp_path / "whole")
    assert both["before"]["config"] == record["config"]
    assert both["config"]["taught"] and not record["config"]["taught"]
    training.save_checkpoint(first, record, tmp_path / "saved")
    alone, refined = training.train_and_refine(
        "small", tmp_path / "alone", begin_with=tmp_path / "saved"
    )
    assert refined["before"]["commit"] == record["commit"]
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, alone.state_dict()[name]), name
        assert torch.isfinite(weight).all()
    again, _ = training.train_and_refine("small", tmp_path / "whole")  # nothing left to do
    assert torch.equal(again.inputs_to_hidden_dim.weight, whole.inputs_to_hidden_dim.weight)


def test_what_cannot_be_refined_is_refused(recipes, tmp_path, monkeypatch):
    model, record = training.train(FIRST, tmp_path / "run", progress=False)
    training.save_checkpoint(model, record | {"before": record}, tmp_path / "refined")
    with pytest.raises(ValueError, match="no model that the recipe of 'small' goes on with: a sma"):
        training.train_and_refine("small", tmp_path / "work", begin_with=tmp_path / "refined")
    with pytest.raises(ValueError, match="a taught run begins with a trained model"):
        training.train(AFTER, tmp_path / "work")
    monkeypatch.delitem(REFINEMENTS, "small")
    with pytest.raises(ValueError, match="it begins from nothing only"):
        training.train_and_refine("small", tmp_path / "work", begin_with=tmp_path / "refined")
