"""Refitting: only the classifier's head learns, from encodings that are made once."""

from dataclasses import replace

import pytest
import torch
from training_runs import TINY

from mb_support import refit, training
from mb_support.recipes import learning_curve

FIRST = replace(TINY, stages=((16, 3),))
REFIT = replace(FIRST, stages=((60, 12),), taught=True, seed=1, guided_fraction=1.0, n_passes=1000)


@pytest.fixture(scope="module")
def first():
    torch.manual_seed(0)
    return training.new_model(FIRST).plain().eval()


@pytest.fixture(scope="module")
def refitted(first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("refit")
    model, record = training.train(REFIT, folder, begin_with=first, progress=False)
    return folder, model, record


def test_only_the_classifier_changes(first, refitted):
    _, model, _ = refitted
    for name, weight in first.state_dict().items():
        moved = not torch.equal(weight, model.state_dict()[name])
        assert moved == name.startswith("state_classifier."), name


def test_the_new_head_says_what_the_teacher_says_better_than_shares_alone(refitted):
    _, model, record = refitted
    items = training.training_stream(REFIT).__getitems__(range(48))
    labels = torch.stack([item["soft_labels"] for item in items]).float()
    trajectories = torch.stack([item["trajectories"] for item in items])[:, :-1]
    with torch.no_grad():
        logits = model(trajectories).state_logits
    loss = refit._cross_entropy(logits, labels)
    ignorant = refit._cross_entropy(labels.mean(dim=0).log().expand(48, -1), labels)
    assert loss < 0.8 * ignorant
    losses = [entry["classification_loss"] for entry in record["curve"][:-1]]
    assert loss == pytest.approx(losses[-1], rel=1e-3)  # standardisation is part of the head now
    assert losses[-1] < losses[0]


def test_the_record_is_that_of_a_run(refitted):
    _, _, record = refitted
    assert record["trajectories_seen"] == 48 and record["frames_seen"] == 48 * 60
    assert record["wall_time_s"] > 0 and "eval_accuracy" in record["curve"][-1]
    assert learning_curve(record)["scored_frames"].tolist() == [48 * 60]


def test_an_interrupted_refit_goes_on_to_the_same_head(first, refitted, tmp_path, monkeypatch):
    _, whole, _ = refitted
    monkeypatch.setattr(refit, "STEPS_KEPT", 5)
    plain = refit._encoded

    def stops(model, stream, config, steps, folder):
        if steps.start == 10:
            raise KeyboardInterrupt
        return plain(model, stream, config, steps, folder)

    monkeypatch.setattr(refit, "_encoded", stops)
    with pytest.raises(KeyboardInterrupt):
        training.train(REFIT, tmp_path, begin_with=first, progress=False)
    monkeypatch.setattr(refit, "_encoded", plain)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("encodings-*.npz")}
    assert len(kept) == 2
    model, _ = training.train(REFIT, tmp_path, begin_with=first, progress=False)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], weight)


def test_encodings_of_another_run_are_refused_until_it_begins_anew(first, refitted):
    folder, _, _ = refitted
    other = replace(REFIT, seed=2)
    with pytest.raises(ValueError, match="made by a run with other settings"):
        training.train(other, folder, begin_with=first, progress=False)
    training.train(other, folder, begin_with=first, progress=False, resume=False)


@pytest.mark.parametrize("wrong", [{"taught": False}, {"stages": ((60, 12, 48),)}])
def test_a_refit_is_taught_and_shows_all_frames(wrong):
    with pytest.raises(ValueError, match="a refit is taught"):
        replace(REFIT, **wrong)
