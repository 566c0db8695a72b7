"""Predicted states and their scores."""

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support

from mb_support import classification
from mb_support.classification import predict_states
from mb_support.datasets import make_dataset
from mb_support.model import (
    CausalConfig,
    CausalGenerator,
    TrajectoryConfig,
    TrajectoryTransformer,
    inference,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(4)
    config = TrajectoryConfig.of_size("small", initializer_range=0.4, hidden_dropout_prob=0.5)
    return TrajectoryTransformer(config).eval()


@pytest.fixture(scope="module")
def data():
    return make_dataset(9, "validation", index=7, n_frames=60)


# ---- predict_states ----------------------------------------------------------------------------


def test_predictions_are_the_models_own_logits(model, data):
    labels, probabilities = predict_states(model, data.trajectories)
    with torch.no_grad():
        logits = model(torch.from_numpy(data.trajectories)).state_logits
    np.testing.assert_allclose(probabilities, logits.softmax(dim=1), atol=1e-5)
    np.testing.assert_array_equal(labels, logits.argmax(dim=1))
    assert labels.dtype == np.int64 and labels.shape == (9,) and probabilities.shape == (9, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)


def test_arrays_tensors_lists_and_precisions_give_the_same(model, data):
    frames = data.trajectories[:3, :40]
    expected = predict_states(model, frames)[1]
    for same in (torch.from_numpy(frames), frames.astype(np.float64), frames.tolist()):
        np.testing.assert_allclose(predict_states(model, same)[1], expected, atol=1e-6)
    gradient = torch.from_numpy(frames).requires_grad_()
    np.testing.assert_array_equal(predict_states(model, gradient)[1], expected)


def test_neither_batches_nor_order_matter(model, data, monkeypatch):
    expected = predict_states(model, data.trajectories)[1]
    backwards = predict_states(model, data.trajectories[::-1])[1]
    np.testing.assert_allclose(backwards, expected[::-1], atol=1e-6)
    monkeypatch.setattr(inference, "FRAMES_PER_BATCH", 130)
    np.testing.assert_allclose(predict_states(model, data.trajectories)[1], expected, atol=1e-6)


@pytest.mark.parametrize("shape", ["array", "list"])
def test_trajectories_of_unequal_length_come_with_a_mask(model, data, shape):
    padded, mask = data.trajectories.copy(), np.ones(data.trajectories.shape[:2], int)
    lengths = np.arange(10, 10 + len(padded))
    for row, length in enumerate(lengths):
        padded[row, length:], mask[row, length:] = np.nan, 0
    found = predict_states(model, padded, mask.tolist() if shape == "list" else mask)[1]
    for row, length in enumerate(lengths):
        alone = predict_states(model, data.trajectories[row : row + 1, :length])[1]
        np.testing.assert_allclose(found[row], alone[0], atol=1e-5)


@pytest.mark.parametrize(("n_features", "n_states"), [(1, 2), (3, 4), (10, 3)])
def test_any_number_of_features_and_states(n_features, n_states):
    model = TrajectoryTransformer(
        TrajectoryConfig.of_size("small", n_features=n_features, n_states=n_states)
    )
    x = np.random.default_rng(0).normal(size=(5, 20, n_features))
    labels, probabilities = predict_states(model, x)
    assert probabilities.shape == (5, n_states) and set(labels) <= set(range(n_states))


def test_a_model_of_four_features_says_so_when_it_is_given_two():
    model = TrajectoryTransformer(TrajectoryConfig.of_size("small", n_features=4))
    with pytest.raises(ValueError, match=r"model has 4 features; got \(5, 20, 2\)"):
        predict_states(model, np.zeros((5, 20, 2)))


def test_predictions_do_not_change_the_model(model, data):
    model.train()
    model.encoder.layer[0].eval()
    model.set_attn_implementation("eager")
    expected = predict_states(model, data.trajectories[:4])[1]
    with pytest.raises(ValueError):
        predict_states(model, np.zeros((1, 5, 2)))
    assert model.training and not model.encoder.layer[0].training
    assert model.config._attn_implementation == "eager"
    model.eval()
    model.set_attn_implementation("sdpa")
    np.testing.assert_allclose(predict_states(model, data.trajectories[:4])[1], expected, atol=1e-5)


def test_short_predictions_print_nothing(model, data, capsys):
    predict_states(model, data.trajectories[:2])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        (np.zeros((5, 2)), r"shape \(batch, n_frames, 2\)"),
        (np.zeros((1, 5, 3)), "model has 2 features"),
        (np.zeros((0, 5, 2)), "at least one trajectory"),
        (np.ones((1, 1, 2)), "at least 2 frames"),
        (np.full((1, 5, 2), np.inf), "NaN or infinite"),
        (np.ones((1, 5, 2)), "constant"),
        (np.random.default_rng(0).normal(size=(1, 1025, 2)), "1025 frames.*1024"),
        ([["a", "b"]], "trajectories must hold real numbers"),
        (np.ones((1, 5, 2), complex), "real numbers; got dtype complex128"),
    ],
)
def test_what_cannot_be_classified_is_refused(model, trajectories, message):
    with pytest.raises(ValueError, match=message):
        predict_states(model, trajectories)


# ---- scores ------------------------------------------------------------------------------------


def guesses(n_states):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, n_states, 500)
    return labels, np.where(rng.random(500) < 0.85, labels, rng.integers(0, n_states, 500))


@pytest.mark.parametrize("n_states", [2, 4])
def test_scores_are_those_of_scikit_learn(n_states):
    labels, predicted = guesses(n_states)
    table = classification.scores(labels, predicted, n_states)
    expected = precision_recall_fscore_support(labels, predicted, average="weighted")[:3]
    assert tuple(table.index) == classification.SCORES
    np.testing.assert_allclose(table["value"], [np.mean(labels == predicted), *expected])
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()
    # the bootstrap interval of recall is as wide as Wilson's of the accuracy
    width = table["high"] - table["low"]
    assert width["recall"] == pytest.approx(width["accuracy"], rel=0.1)


def test_scores_of_a_case_done_by_hand():
    # two of A: one found; three of B: all found
    table = classification.scores([0, 0, 1, 1, 1], [0, 1, 1, 1, 1])
    expected = [4 / 5, (2 * 1 + 3 * 3 / 4) / 5, 4 / 5, (2 * 2 / 3 + 3 * 6 / 7) / 5]
    np.testing.assert_allclose(table["value"], expected)
    np.testing.assert_array_equal(classification.confusion([0, 1, 1], [1, 1, 1]), [[0, 1], [0, 2]])


def test_a_class_that_is_never_predicted_has_no_precision():
    table = classification.scores([0, 1], [1, 1])
    assert table.loc["precision", "value"] == pytest.approx(0.25)
    assert np.isfinite(table.to_numpy()).all()


@pytest.mark.parametrize(
    ("labels", "predicted"), [([0, 1], [0]), ([], []), ([[0]], [[0]]), ([0, 2], [0, 1])]
)
def test_labels_are_checked(labels, predicted):
    with pytest.raises(ValueError, match="labels"):
        classification.scores(labels, predicted)


def test_accuracy_by_group():
    table = classification.accuracy_by_group([1, 1, 0, 1], [0, 1, 1, 5], [0, 1, 2, 5, 6])
    np.testing.assert_array_equal(table["n"], [1, 2, 1])
    np.testing.assert_allclose(table["accuracy"], [1, 0.5, 1])


# ---- predictions on disk and checkpoints -------------------------------------------------------


def test_predictions_are_computed_once_for_each_model(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(inference.paths, "CACHE", tmp_path)
    calls = []

    def compute():
        calls.append(1)
        return np.arange(3)

    for _ in range(2):
        kept = inference.cached_predictions("test", model, data, compute, n_frames=5)
        np.testing.assert_array_equal(kept, [0, 1, 2])
    inference.cached_predictions("test", model, data, compute, n_frames=6)
    other = TrajectoryTransformer(model.config)
    inference.cached_predictions("test", other, data, compute, n_frames=5)
    assert len(calls) == 3


def test_checkpoints_are_found_and_loaded(model, tmp_path):
    assert inference.checkpoint_sizes(tmp_path) == []
    model.save_pretrained(tmp_path / "small")
    assert inference.checkpoint_sizes(tmp_path) == ["small"]
    loaded = inference.load_checkpoint("small", tmp_path)
    assert not loaded.training
    assert inference.weights_digest(loaded) == inference.weights_digest(model)
    with pytest.raises(ValueError, match="no trained model of size 'large'"):
        inference.load_checkpoint("large", tmp_path)


def test_a_bad_trajectory_is_named_by_its_number_in_the_whole(model):
    x = np.random.default_rng(0).normal(size=(300, 120, 2)).cumsum(axis=1)
    x[297, :, 1] = 3.0
    with pytest.raises(ValueError, match="number 297"):
        predict_states(model, x)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="must be a TrajectoryTransformer; got CausalGenerator"):
        predict_states(CausalGenerator(CausalConfig()), np.ones((1, 5, 2)))
