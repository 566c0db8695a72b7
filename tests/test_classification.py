"""Predicted states, their scores, slices of trajectories, and the classifiers beside them."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from mb_support import classification
from mb_support.classification import predict_states
from mb_support.datasets import FINAL_TEST, make_dataset
from mb_support.model import TrajectoryConfig, TrajectoryTransformer, inference
from mb_support.reference import GridSolver, label_posterior
from mb_support.states import assign_states
from mb_support.statistics import verdict, verdicts_in_words
from mb_support.studies.classification import baselines, slices


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(4)
    config = TrajectoryConfig.of_size("small", initializer_range=0.4, hidden_dropout_prob=0.5)
    return TrajectoryTransformer(config).eval()


@pytest.fixture(scope="module")
def data():
    return make_dataset(200, "validation", index=7, n_frames=300)


# ---- predict_states ----------------------------------------------------------------------------


def test_predictions_are_the_models_own_logits(model, data):
    labels, probabilities = predict_states(model, data.trajectories[:20])
    with torch.no_grad():
        logits = model(torch.from_numpy(data.trajectories[:20])).state_logits
    np.testing.assert_allclose(probabilities, logits.softmax(dim=1), atol=1e-5)
    np.testing.assert_array_equal(labels, logits.argmax(dim=1))
    assert labels.dtype == np.int64 and labels.shape == (20,) and probabilities.shape == (20, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)


def test_arrays_tensors_lists_and_precisions_give_the_same(model, data):
    frames = data.trajectories[:3, :40]
    expected = predict_states(model, frames)[1]
    for same in (torch.from_numpy(frames), frames.astype(np.float64), frames.tolist()):
        np.testing.assert_allclose(predict_states(model, same)[1], expected, atol=1e-6)
    gradient = torch.from_numpy(frames).requires_grad_()
    np.testing.assert_array_equal(predict_states(model, gradient)[1], expected)


def test_neither_batches_nor_order_matter(model, data, monkeypatch):
    frames = data.trajectories[:9, :50]
    expected = predict_states(model, frames)[1]
    np.testing.assert_allclose(predict_states(model, frames[::-1])[1], expected[::-1], atol=1e-6)
    monkeypatch.setattr(inference, "FRAMES_PER_BATCH", 100)
    np.testing.assert_allclose(predict_states(model, frames)[1], expected, atol=1e-6)


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
    assert model.config._attn_implementation == "sdpa"


def test_the_model_is_restored_after_an_error(model):
    model.train()
    with pytest.raises(RuntimeError), inference.evaluating(model):
        assert not model.training and model.config._attn_implementation == "cpu_fused"
        raise RuntimeError
    assert model.training and model.config._attn_implementation == "sdpa"
    model.eval()


def test_short_predictions_print_nothing(model, data, capsys):
    predict_states(model, data.trajectories[:2])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        (np.zeros((5, 2)), r"shape \(batch, n_frames, 2\)"),
        (np.zeros((1, 5, 3)), "shape"),
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


@pytest.fixture(scope="module")
def guesses():
    rng = np.random.default_rng(1)
    labels = (rng.random(500) < 0.6).astype(int)
    return labels, np.where(rng.random(500) < 0.85, labels, 1 - labels)


def test_scores_are_those_of_scikit_learn(guesses):
    labels, predicted = guesses
    table = classification.scores(labels, predicted)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, average="weighted"
    )
    expected = [accuracy_score(labels, predicted), precision, recall, f1]
    assert tuple(table.index) == classification.SCORES
    np.testing.assert_allclose(table["value"], expected, atol=1e-12)
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()


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


def test_bootstrap_interval_of_recall_is_as_wide_as_wilsons(guesses):
    table = classification.scores(*guesses)
    width = table["high"] - table["low"]
    assert width["recall"] == pytest.approx(width["accuracy"], rel=0.1)


def test_wilson_interval_covers_as_often_as_it_says():
    # exact coverage: binomial probabilities of the counts whose interval holds the truth
    from scipy.stats import binom

    n, p = 200, 0.97
    covered = [
        low <= p <= high for low, high in (classification.wilson_interval(k, n) for k in range(201))
    ]
    assert binom.pmf(np.arange(201), n, p)[covered].sum() == pytest.approx(0.95, abs=0.03)
    assert classification.wilson_interval(0, 10)[0] == 0
    assert classification.wilson_interval(0, 10)[1] == pytest.approx(0.2775, abs=1e-4)


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (0, 0)])
def test_wilson_interval_refuses_what_is_no_proportion(arguments):
    with pytest.raises(ValueError, match="n_right"):
        classification.wilson_interval(*arguments)


@pytest.mark.parametrize(
    ("labels", "predicted"), [([0, 1], [0]), ([], []), ([[0]], [[0]]), ([0, 2], [0, 1])]
)
def test_labels_are_checked(labels, predicted):
    with pytest.raises(ValueError, match="labels"):
        classification.scores(labels, predicted)


def test_first_stays_end_at_the_first_crossing():
    states = [[0, 0, 1, 0], [1, 1, 1, 1], [1, 0, 1, 1]]
    np.testing.assert_array_equal(classification.first_stays(states), [2, 4, 1])


def test_accuracy_by_group():
    table = classification.accuracy_by_group([1, 1, 0, 1], [0, 1, 1, 5], [0, 1, 2, 5, 6])
    np.testing.assert_array_equal(table["n"], [1, 2, 1])
    np.testing.assert_allclose(table["accuracy"], [1, 0.5, 1])


# ---- baselines ---------------------------------------------------------------------------------


def test_features_know_neither_place_nor_scale(data):
    features = baselines.trajectory_features(data.trajectories[:5])
    moved = baselines.trajectory_features(data.trajectories[:5] * [2.0, 5.0] - [3, 1])
    np.testing.assert_allclose(moved, features, atol=1e-4)
    assert features.shape == (5, len(features[0])) and np.isfinite(features).all()


def test_baselines_are_better_than_chance_on_unseen_trajectories(data):
    train = make_dataset(300, "train", n_frames=300)
    fitted = baselines.fit_baselines(train.trajectories, train.labels)
    for predicted in baselines.predict_baselines(fitted, data.trajectories).values():
        assert (predicted == data.labels).mean() > 0.7  # chance 0.5 to 0.6


def test_kept_baselines_are_read_and_not_fitted_again(tmp_path, capsys):
    assert baselines.load_baselines("wild_100000", tmp_path) == {}
    for is_made in (True, False):
        found = baselines.evaluate_baselines("wild_100000", tmp_path, n_train=150, n_test=40)
        assert found == is_made
    assert "up to date" in capsys.readouterr().out
    kept = baselines.load_baselines("wild_100000", tmp_path)
    train = make_dataset(150, "train", 0, "wild")
    fitted = baselines.fit_baselines(train.trajectories, train.labels)
    test = make_dataset(40, "test", FINAL_TEST, "wild")
    expected = baselines.predict_baselines(fitted, test.trajectories)
    assert list(kept) == list(expected)
    for name, states in kept.items():
        np.testing.assert_array_equal(states, expected[name])
    path = tmp_path / "classification" / "baselines_wild_100000.json"
    path.write_text(path.read_text().replace('"seed": 6000', '"seed": 7000'))
    with pytest.raises(ValueError, match="is of other trajectories"):
        baselines.load_baselines("wild_100000", tmp_path)


def test_the_side_of_the_mean_is_upper_left_for_a():
    path = np.array([[[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0]], [[1.0, -1.0], [-1.0, 1.0], [0, 0]]])
    np.testing.assert_array_equal(baselines.side_of_the_mean(path + 7), [0, 1])


def test_baselines_check_their_input(data):
    with pytest.raises(ValueError, match="at least 128 frames"):
        baselines.trajectory_features(data.trajectories[:, :100])
    with pytest.raises(ValueError, match="move in both"):
        baselines.trajectory_features(np.ones((1, 200, 2)))
    with pytest.raises(ValueError, match="both states"):
        baselines.fit_baselines(data.trajectories[:3], [0, 0, 0])


# ---- slices ------------------------------------------------------------------------------------


def test_a_slice_is_judged_by_its_own_first_state_and_by_the_label(data):
    states = assign_states(data.trajectories)
    predicted = states[:, [0, 40, 250]].T  # who tells every slice's own first state
    table = slices.slice_table(predicted, [0, 40, 250], 50, states)
    np.testing.assert_array_equal(table["own"], 1)
    np.testing.assert_allclose(table["label"], (states[:, [0, 40, 250]].T == states[:, 0]).mean(1))
    causes = slices.causes_of_decline(table)
    np.testing.assert_allclose(causes["short"] + causes["view"], 0)
    np.testing.assert_allclose(causes["moved"], causes["error"])


def test_later_slices_are_harder_where_intervals_say_so():
    states = np.zeros((400, 30), int)
    states[200:, 10:] = 1
    falling = np.array([states[:, 0], np.repeat([0, 1, 0], [200, 150, 50])])
    tables = {
        "falling": slices.slice_table(falling, [0, 10], 20, states),
        "level": slices.slice_table(falling[[0, 0]], [0, 10], 20, states),
    }
    found = slices.decline_verdicts(tables, 10)
    assert found == {"falling": "confirmed", "level": "undecided"}
    with pytest.raises(ValueError, match="from frames .0, 20. are needed"):
        slices.decline_verdicts(tables, 20)


def test_causes_add_up_to_the_error():
    rng = np.random.default_rng(3)
    states = rng.integers(0, 2, (50, 30))
    predicted = rng.integers(0, 2, (3, 50))
    causes = slices.causes_of_decline(slices.slice_table(predicted, [0, 5, 10], 20, states))
    np.testing.assert_allclose(causes[["short", "view", "moved"]].sum(axis=1), causes["error"])
    assert causes["view"][0] == causes["moved"][0] == 0


def test_excess_over_the_limit_is_in_standard_errors():
    states = np.zeros((100, 30), int)
    states[50:, 10:] = 1
    predicted = np.array([states[:, 0], np.repeat([0, 1], [60, 40])])
    table = slices.slice_table(predicted, [0, 10], 20, states)
    largest, n_compared = slices.largest_excess([table], [0, 10], [1.0, 0.5])
    assert n_compared == 1 and largest == pytest.approx(0.1 / 0.05)
    with pytest.raises(ValueError, match="no limit at 10"):
        slices.largest_excess([table], [0], [1.0])
    with pytest.raises(ValueError, match="after frame 0"):
        slices.largest_excess([table[:1]], [0], [1.0])


def test_causes_need_one_length_and_frame_zero():
    with pytest.raises(ValueError, match="of one length"):
        slices.causes_of_decline(pd.DataFrame({"length": [5, 6], "start": [0, 0]}))


def test_best_guesses_reach_the_exact_limit_on_simulated_trajectories():
    data = make_dataset(3000, "validation", index=8, n_frames=201, regime="wild")
    solver = GridSolver(data.config.beta, data.config.diffusion, grid_step=0.04)
    posterior = label_posterior(solver, [0, 20, 200], data.config.frame_time)
    copying = slices.copying_accuracy(solver, posterior)
    states = assign_states(data.trajectories)
    for number, frame in enumerate(posterior.frames):
        at_frame = data.trajectories[:, frame]
        # Bayes' rule on the grid; at frame 0 the state is the label
        joint = solver.interpolate(posterior.joint[number], at_frame, fill_value=0.0)
        guessed = joint.argmax(axis=0) if frame else states[:, 0]
        for found, exact in (
            ((guessed == data.labels).mean(), posterior.accuracy[number]),
            ((states[:, frame] == data.labels).mean(), copying[number]),
        ):
            error = np.sqrt(max(exact * (1 - exact), 1e-12) / len(data))
            assert abs(found - exact) < 4 * error + 1e-3


# ---- kept predictions and checkpoints ----------------------------------------------------------


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


def test_a_verdict_compares_intervals():
    assert verdict((0.93, 0.96), (0.915, 0.915)) == "confirmed"
    assert verdict((0.96, 0.98), (0.978, 0.978)) == "undecided"
    assert verdict((0.96, 0.98), (0.99, 1.0)) == "refuted"
    with pytest.raises(ValueError, match="low first"):
        verdict((0.98, 0.96), (0.9, 0.9))


def test_verdicts_in_words_go_together():
    found = {"small": "confirmed", "medium": "undecided", "large": "confirmed"}
    assert verdicts_in_words(found) == "confirmed: small, large; undecided: medium"
