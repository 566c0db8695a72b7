"""The study of attention: what is measured, and what is kept of a training."""

import json

import numpy as np
import pytest
import torch
from tiny_models import agree, make_model

from mb_support.model import TrajectoryTransformer, weights_digest
from mb_support.states import assign_states
from mb_support.studies import kept_results as at_hand
from mb_support.studies.attention import study
from mb_support.studies.attention.all_measures import measure
from mb_support.studies.attention.importance import LATER

SETTINGS = study.AttentionMeasurement(
    n_trajectories=6, n_both=3, n_frames=61, section=20, n_pieces=5, n_removed=(3, 20),
    family="train", index=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    return study.measured_trajectories(SETTINGS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of trainings with one of the small model, and no checkpoints."""
    root = tmp_path_factory.mktemp("attention")
    for seed in (0, 3):
        weights = root / "trainings" / f"small-{seed}" / "model"
        make_model(seed=seed + 1).save_pretrained(weights)
        (weights / "training.json").write_text(json.dumps({"config": {"seed": seed}}))
    (root / "checkpoints").mkdir()
    (root / "checkpoints" / "small").symlink_to(root / "trainings" / "small-3" / "model")
    return root


@pytest.fixture(scope="module")
def make_part(folders):
    """`make_part` with the weights and into the results of `folders`."""

    def load_training(name):
        weights = folders / "trainings" / name / "model"
        model = TrajectoryTransformer.from_pretrained(weights).eval()
        return model, weights_digest(model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "load_training", load_training)
        yield lambda name, report: study.make_part(name, folders / "results", report, SETTINGS)


@pytest.fixture(scope="module")
def results(folders, make_part):
    """{"small": {"small-0": ..., "small-3": ...}}, made and read back."""
    for name in ("small-0", "small-3"):
        make_part(name, lambda line: None)
    return study.load_results(["small"], folders / "results", folders / "checkpoints", SETTINGS)


def test_questions_of_states_are_put_to_trajectories_that_visit_both(measured):
    x, labels, both = measured
    assert x.shape[1:] == (61, 2) and len(both) == 3 and len(x) >= 6
    np.testing.assert_array_equal(labels, assign_states(x[:, 0]))
    in_b = assign_states(x).mean(axis=1)
    assert ((in_b[both] >= 0.05) & (in_b[both] <= 0.95)).all()
    others = np.setdiff1d(np.arange(6), both)
    assert ((in_b[others] < 0.05) | (in_b[others] > 0.95)).all(), "none was passed over"


def test_the_examples_are_one_that_divides_its_time_and_one_that_stays():
    inside_a, inside_b = np.full((10, 2), (-0.56, 1.44)), np.full((10, 2), (0.62, 0.03))
    divided = [np.concatenate([inside_a[:n], inside_b[n:]]) for n in (5, 2, 4)]
    sets = np.stack([*divided, inside_b, inside_a])
    # of the second half of those that visit both states, which chose no head
    assert study.example_trajectories(sets, np.array([0, 1, 2])) == (2, 3)


def test_what_is_kept_is_of_the_trajectories_it_is_said_to_be_of(results, measured):
    x, _, both = measured
    kept = results["small"]["small-0"]
    found = measure(make_model(seed=1), x, 20)
    agree(kept["trained"]["each"]["share"], found["share"][:6], rtol=1e-3)
    agree(kept["trained"]["each"]["own_state"], found["own_state"][both], rtol=1e-3)
    agree(kept["trained"]["each"]["columns_two"], found["columns"][both], rtol=1e-3)
    mean = found["head_targets"][:6].mean(axis=0)
    agree(kept["trained"]["heads"]["head_targets"], mean, rtol=1e-3)
    profile = found["profile"][:6]
    agree(kept["trained"]["means"]["profile"]["mean"], profile.mean(axis=0), rtol=1e-3)
    assert len(kept["trained"]["means"]["lorenz"]["mean"]) == 71
    head = kept["trained"]["extreme"]["next frame"]
    layer, number = head["layer"] - 1, head["head"] - 1
    first_half = found["head_next"][:3].mean(axis=0)
    assert first_half[layer, number] == first_half.max()
    agree(head["values"], found["head_next"][3:6, layer, number], rtol=1e-3)
    assert set(kept["agreement"]) >= {"attention – occlusion", "norm-weighted – rollout"}
    assert np.shape(kept["removed"]["most attended"]) == (6, 1 + 2)
    assert set(kept["unread"]) == {"most attended", LATER, "first", "random"}
    assert np.shape(kept["layers"]["mean"]) == (2, 4)
    assert np.shape(kept["small_heads"]["mean"]) == (2, 4, 8)


def test_the_control_is_the_same_network_before_its_first_step():
    first, again, other = (
        at_hand.load_untrained(name) for name in ("small-0", "small-0", "small-1")
    )
    states = [model.state_dict() for model in (first, again, other)]
    name = "encoder.layer.0.attention.self.query.weight"
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0][name], states[2][name])


def test_results_are_made_once_and_only_for_their_weights_and_settings(results, folders, make_part):
    said = []
    make_part("small-0", said.append)
    assert said == ["small-0 is up to date"]
    places = folders / "results", folders / "checkpoints"
    with pytest.raises(ValueError, match=r"\['small-0', 'small-3'\] were made with other"):
        study.load_results(["small"], *places)  # with the settings of the book
    with pytest.raises(ValueError, match="no results.*studies attention"):
        study.load_results(["small"], folders / "nowhere", folders / "checkpoints", SETTINGS)
    assert study.load_results(["medium"], *places, SETTINGS) == {}


def test_weights_come_from_the_checkpoint_where_a_training_is_not_there(folders):
    found = at_hand.available(folders / "trainings", folders / "checkpoints")
    assert list(found) == ["small-0", "small-3"]
    found = at_hand.available(folders / "nowhere", folders / "checkpoints")
    assert found == {"small-3": folders / "checkpoints" / "small"}
    assert at_hand.checkpoint_training("small", folders / "checkpoints") == "small-3"


def test_the_committed_model_gives_the_kept_results_again(results, measured, monkeypatch):
    monkeypatch.setattr(study, "checkpoint_training", lambda size: "small-3")
    right, wrong = make_model(seed=4), make_model(seed=9)
    for model, expected in ((right, True), (wrong, False)):
        again = study.repeats(results, {"small": model}, measured[0], {"small": 2})
        assert again == {"small": expected}
