"""Predictions kept in the repository: packed, found again, and those of the committed weights."""

import json

import numpy as np
import pytest
import torch

from mb_support import ceiling, evaluation, inference, paths
from mb_support.ceiling import Ceiling, load_approximate, load_ceilings
from mb_support.datasets import make_dataset
from mb_support.evaluation import Evaluation, Task
from mb_support.model import SIZES, TrajectoryConfig, TrajectoryTransformer
from mb_support.observer import IdealObserver
from mb_support.regimes import REGIMES
from mb_support.teacher import Teacher

KEPT = [size for size in SIZES if (paths.RESULTS / f"evaluation_{size}.json").exists()]
OBSERVED = [r for r in ceiling.OBSERVED if (paths.RESULTS / f"ceiling_{r}.json").exists()]


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """A folder with an untrained small model, and a cache of its own."""
    monkeypatch.setattr(inference.paths, "CACHE", tmp_path / "cache")
    torch.manual_seed(1)
    config = TrajectoryConfig.of_size("small", initializer_range=0.4)
    TrajectoryTransformer(config).save_pretrained(tmp_path / "checkpoints" / "small")
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("n", [1, 7, 8, 1000])
def test_packed_states_come_back(n):
    states = np.random.default_rng(n).integers(0, 2, n)
    np.testing.assert_array_equal(evaluation.unpack(evaluation.pack(states), n), states)


def test_a_task_takes_its_slice():
    trajectories = np.arange(5)[:, None, None] * 100 + np.arange(9)[None, :, None] + [0, 0.5]
    frames = Task("wild", n=2, start=3, length=4).frames(trajectories)
    np.testing.assert_array_equal(frames[..., 0], [[3, 4, 5, 6], [103, 104, 105, 106]])
    backwards = Task("wild", n=1, start=3, length=4, is_reversed=True).frames(trajectories)
    np.testing.assert_array_equal(backwards[0, :, 0], [6, 5, 4, 3])


@pytest.mark.parametrize("size", SIZES)
def test_tasks_are_distinct_and_fit(size):
    tasks = evaluation.tasks(size)
    assert len(set(tasks)) == len(tasks)
    assert all(task.start + task.length <= 1000 and task.n <= 1000 for task in tasks)
    with pytest.raises(ValueError, match="unknown size 'huge'"):
        evaluation.tasks("huge")


def test_an_evaluation_is_written_and_read(checkpoints, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "N_TEST", 6)
    tasks = [
        Task("metastable", n=6),
        Task("metastable", n=6, is_reversed=True),
        Task("metastable", n=4, start=0, length=50),
        Task("metastable", n=4, start=30, length=50),
    ]
    record = evaluation.evaluate("small", checkpoints, tasks)
    assert capsys.readouterr().out.count("\n") == 4
    (tmp_path / "evaluation_small.json").write_text(json.dumps(record))
    model = inference.load_checkpoint("small", checkpoints)
    kept = evaluation.load_evaluations({"small": model, "medium": model}, tmp_path)
    assert list(kept) == ["small"] and kept["small"].tasks == tasks
    data = make_dataset(6, "test")
    expected = evaluation.predict_states(model, data.trajectories)[0]
    np.testing.assert_array_equal(kept["small"].whole("metastable"), expected)
    starts, predicted = kept["small"].slices("metastable", 50)
    np.testing.assert_array_equal(starts, [0, 30])
    expected = evaluation.predict_states(model, data.trajectories[:4, 30:80])[0]
    np.testing.assert_array_equal(predicted[1], expected)
    table = kept["small"].slice_table("metastable", 50, np.zeros((3, 1000), int))
    np.testing.assert_array_equal(table["n"], 3)
    assert kept["small"].n_sets == 1
    accuracy = (kept["small"].whole("metastable")[:5] == data.labels[:5]).mean()
    np.testing.assert_allclose(evaluation.seed_table(kept["small"], 5), accuracy)
    for ask in (
        lambda: kept["small"].states(Task("wild")),
        lambda: kept["small"].whole("wild"),
        lambda: kept["small"].slices("wild", 50),
    ):
        with pytest.raises(ValueError, match="evaluated"):
            ask()


def test_predictions_of_other_weights_are_refused(checkpoints, tmp_path):
    model = inference.load_checkpoint("small", checkpoints)
    with pytest.raises(ValueError, match="no predictions of size 'small'.*mb_support.evaluation"):
        Evaluation.load("small", model, tmp_path)
    record = {"size": "small", "weights": "other", "predictions": []}
    (tmp_path / "evaluation_small.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="made with other weights of 'small'"):
        Evaluation.load("small", model, tmp_path)


@pytest.mark.parametrize("size", KEPT)
def test_kept_predictions_are_those_of_the_committed_weights(size):
    model = inference.load_checkpoint(size)
    kept = Evaluation.load(size, model)
    n = {"small": 12, "medium": 6, "large": 3}[size]
    for regime in ("metastable", "wild"):
        data = make_dataset(n, "test", 0, regime)
        chosen = [t for t in kept.tasks if t.regime == regime and t.index == 0]
        for task in chosen[::4]:
            found = evaluation.predict_states(model, task.frames(data.trajectories))
            certain = abs(found[1][:, 0] - 0.5) > 1e-3  # last digits may decide the others
            np.testing.assert_array_equal(kept.states(task)[:n][certain], found[0][certain])


# ---- the ideal observer ------------------------------------------------------------------------


def test_expected_accuracy_is_the_mean_certainty():
    seen = Ceiling(0, 10, np.array([0.9, 0.2, 0.5]), np.zeros(3))
    assert seen.expected_accuracy[0] == pytest.approx((0.9 + 0.8 + 0.5) / 3)
    np.testing.assert_array_equal(seen.guesses, [1, 0, 0])


def test_observations_go_on_from_where_they_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ceiling, "_PORTION", 2)
    path = tmp_path / "ceiling_metastable.json"
    assert load_ceilings("metastable", tmp_path) == {}
    ceiling.observe("metastable", path, [(0, 100, 2)], progress=False)
    ceiling.observe("metastable", path, [(0, 100, 3), (50, 100, 2)])
    assert capsys.readouterr().out.splitlines()[0] == "metastable, 100 frames from 0: 3 of 3"
    found = load_ceilings("metastable", tmp_path)
    assert {key: len(part.first) for key, part in found.items()} == {(0, 100): 3, (50, 100): 2}
    data = make_dataset(3, "test")
    observer = IdealObserver(data.config, 0, 100)
    expected = observer.observe(data.trajectories[:2, :100])
    np.testing.assert_allclose(found[0, 100].first[:2], expected.first, atol=1e-4)
    record = json.loads(path.read_text()) | {"data": "other"}
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match="other trajectories"):
        ceiling.observe("metastable", path, [(0, 100, 4)])


@pytest.mark.parametrize("regime", OBSERVED)
def test_the_observer_is_calibrated_on_the_kept_trajectories(regime):
    # its guesses are right as often as it says they are
    for part in load_ceilings(regime).values():
        labels = make_dataset(len(part.first), "test", 0, regime, n_frames=2).labels
        expected, _ = part.expected_accuracy
        certainty = np.maximum(part.first, 1 - part.first)
        error = np.sqrt((certainty * (1 - certainty)).sum()) / len(labels)
        assert abs((part.guesses == labels).mean() - expected) < 4 * error + 1e-3


@pytest.mark.parametrize("regime", OBSERVED)
def test_kept_observations_are_of_the_test_set(regime):
    record = json.loads((paths.RESULTS / f"ceiling_{regime}.json").read_text())
    assert record["data"] == ceiling.data_digest(make_dataset(20, "test", 0, regime))


def test_the_teachers_estimate_of_the_ceiling_agrees_with_labels_and_observer():
    found, n = load_approximate("metastable"), ceiling.N_APPROXIMATE
    assert found["n_trajectories"] == n
    by_luck = np.sqrt(found["accuracy"] * (1 - found["accuracy"]) / n)
    assert abs(found["accuracy"] - found["expected_accuracy"]) < 4 * by_luck
    observed, error = load_ceilings("metastable")[0, 1000].expected_accuracy
    assert abs(found["expected_accuracy"] - observed) < 3 * np.hypot(error, found["standard_error"])


def test_excess_error_is_what_other_guesses_cost():
    share = np.array([[0.9, 0.6, 0.2, 0.5]])
    entry = dict(vars(Task("metastable", n=4)))

    def excess(states):
        kept = entry | {"states": evaluation.pack(np.array(states))}
        return evaluation.excess_error(Evaluation({"size": "small", "predictions": [kept]}), share)

    assert excess([1, 1, 0, 0]) == (0.0, 0.0)
    mean, error = excess([0, 1, 1, 0])
    assert mean == pytest.approx((0.8 + 0.6) / 4)
    assert error == pytest.approx(np.std([0.8, 0.0, 0.6, 0.0]) / 2)


def test_judged_test_sets_are_those_of_the_labels():
    judged = np.array(load_approximate("metastable")["test_sets"])
    for index, share in enumerate(judged):
        labels = make_dataset(len(share), "test", index, n_frames=2).labels
        assert ((share > 0.5) == labels).mean() > 0.98
    again = ceiling.judge_test_sets("metastable", 2, 3, progress=False)
    np.testing.assert_allclose(judged[:2, :3], again, atol=1e-4)


def test_the_teachers_estimate_is_of_a_validation_set():
    found = ceiling.approximate("metastable", 12, 3, progress=False)
    starts = make_dataset(12, "validation", 3)
    shares = [Teacher(REGIMES["metastable"]).judge(x)[0] for x in starts.trajectories[:12]]
    assert found["expected_accuracy"] == pytest.approx(np.max(shares, axis=1).mean())
    assert found["index"] == 3 and 0.5 < found["accuracy"] <= 1.0


def test_what_is_there_is_not_evaluated_again(checkpoints, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "N_TEST", 4)
    monkeypatch.setattr(evaluation, "tasks", lambda size: [Task("metastable", n=4, length=40)])
    arguments = ["--size", "small", "--checkpoints", str(checkpoints), "--output", str(tmp_path)]
    evaluation.main(arguments)
    written = (tmp_path / "evaluation_small.json").read_text()
    assert "up to date" not in capsys.readouterr().out
    evaluation.main(arguments)
    assert "evaluation_small is up to date" in capsys.readouterr().out
    assert (tmp_path / "evaluation_small.json").read_text() == written
    monkeypatch.setattr(evaluation, "tasks", lambda size: [Task("metastable", n=4, length=50)])
    evaluation.main(arguments)  # something new is asked for
    assert (
        json.loads((tmp_path / "evaluation_small.json").read_text())["predictions"][0]["length"]
        == 50
    )


def test_kept_states_are_checked_against_some_predicted_again(checkpoints, monkeypatch):
    monkeypatch.setattr(evaluation, "N_TEST", 6)
    model, data = inference.load_checkpoint("small", checkpoints), make_dataset(6, "test")
    whole = Task("metastable", n=6)
    states = evaluation.classify_set(model, data, whole)
    record = {"size": "small", "predictions": []}

    def kept(of):
        entry = dict(vars(whole)) | {"states": evaluation.pack(of)}
        return Evaluation(record | {"predictions": [entry]})

    task = Task("metastable", n=5)
    found = evaluation.checked_states(model, data, kept(states), task, n_live=3)
    np.testing.assert_array_equal(found, states[:5])
    wrong = states.copy()
    wrong[2] = 1 - wrong[2]
    with pytest.raises(ValueError, match="1 of 3 states of 'small' are not those that were kept"):
        evaluation.checked_states(model, data, kept(wrong), task, n_live=3)
