"""Predictions kept in the repository: packed, found again, and those of the committed weights."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from mb_support.datasets import FINAL_TEST, make_dataset
from mb_support.files import paths
from mb_support.model import SIZES, TrajectoryConfig, TrajectoryTransformer, inference
from mb_support.studies.classification import kept_predictions as evaluation
from mb_support.studies.classification.kept_predictions import Predictions, Task
from mb_support.training import trainings

KEPT = [name for name in evaluation.parts() if evaluation.result_path(name).exists()]
COMMITTED = [size for size in SIZES if size in KEPT]


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A checkpoint of an untrained small model, and a cache and results of its own."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    monkeypatch.setattr(paths, "TRAININGS", tmp_path / "trainings")
    monkeypatch.setattr(evaluation, "N_TEST", 6)
    torch.manual_seed(1)
    config = TrajectoryConfig.of_size("small", initializer_range=0.4)
    TrajectoryTransformer(config).save_pretrained(tmp_path / "checkpoints" / "small")
    return tmp_path


TASKS = [
    Task("metastable", 6, 0, 512),
    Task("metastable", 6, 0, 512, is_reversed=True),
    Task("metastable", 4, 0, 50),
    Task("metastable", 4, 30, 50),
]


def small_model():
    return TrajectoryTransformer.from_pretrained(paths.CHECKPOINTS / "small").eval()


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


def test_all_trainings_are_scored_on_the_same_trajectories_of_their_data():
    for name, config in trainings().items():
        assert evaluation.tasks(name)[0] == evaluation.whole(config.regime, evaluation.N_TEST)
    for size in SIZES:
        assert evaluation.tasks(size)[0] == evaluation.whole("metastable", evaluation.N_TEST)
    assert evaluation.N_TEST == 5000


def test_tasks_are_distinct_and_fit():
    for tasks in map(evaluation.tasks, evaluation.parts()):
        assert len(set(tasks)) == len(tasks)
        for task in tasks:
            n_frames = evaluation.whole(task.regime).length
            assert task.start + task.length <= n_frames and task.n >= 1000


def test_predictions_are_kept_and_read_and_not_made_again(folders, capsys):
    assert evaluation.evaluate("small", folders, TASKS)
    kept = Predictions("small", folders)
    assert list(kept.states) == TASKS
    data = make_dataset(6, "test", FINAL_TEST)
    expected = evaluation.predict_states(small_model(), data.trajectories)[0]
    np.testing.assert_array_equal(kept.whole(), expected)
    expected = evaluation.predict_states(small_model(), data.trajectories[:4, 30:80])[0]
    np.testing.assert_array_equal(kept.states[TASKS[3]], expected)
    table = kept.slice_table("metastable", 50, np.zeros((3, 512), int))
    np.testing.assert_array_equal(table["start"], [0, 30])
    np.testing.assert_array_equal(table["n"], 3)
    assert table["label"][1] == np.mean(expected[:3] == 0)
    capsys.readouterr()
    assert not evaluation.evaluate("small", folders, TASKS)
    assert capsys.readouterr().out == "small is up to date\n"
    assert evaluation.evaluate("small", folders, TASKS[2:])  # something else
    torch.manual_seed(2)
    TrajectoryTransformer(small_model().config).save_pretrained(paths.CHECKPOINTS / "small")
    assert evaluation.evaluate("small", folders, TASKS[2:])  # other weights


def test_without_weights_what_was_kept_stays(folders, capsys):
    assert not evaluation.evaluate("small-3", folders)
    assert "there are no weights of it here" in capsys.readouterr().out


def test_predictions_of_other_trajectories_are_refused(folders):
    with pytest.raises(ValueError, match="no predictions of 'small'.*classification small"):
        Predictions("small", folders)
    evaluation.evaluate("small", folders, TASKS[2:3])
    path = evaluation.result_path("small", folders)
    record = json.loads(path.read_text())
    record["test_sets"]["metastable"]["seed"] += 1
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match="made of other trajectories"):
        Predictions("small", folders)


def test_all_trainings_of_a_recipe_are_found(folders):
    for seed in (0, 2):
        entry = [asdict(evaluation.whole("metastable"))]
        record = {"name": f"small-{seed}", "weights": "", "tasks": entry}
        record |= {"test_sets": evaluation.settings_of([Task(**entry[0])])}
        states = [evaluation.pack([seed == 2] * 6)]
        path = evaluation.result_path(f"small-{seed}", folders)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record | {"states": states}))
    found = evaluation.trained_with("small", folder=folders)
    np.testing.assert_array_equal(found, [[0] * 6, [1] * 6])
    assert len(evaluation.trained_with("small-fixed", folder=folders)) == 0


def test_kept_states_are_checked_against_some_predicted_again(folders):
    evaluation.evaluate("small", folders, TASKS[:1])
    kept, data = Predictions("small", folders), make_dataset(3, "test", FINAL_TEST)
    evaluation.check_states(small_model(), data, kept, n_live=9)
    kept.states[TASKS[0]][2] ^= 1
    with pytest.raises(ValueError, match="1 of 3 states of 'small' are not those kept"):
        evaluation.check_states(small_model(), data, kept, n_live=9)
    kept.states[TASKS[0]][2] ^= 1
    kept.record["weights"] = "others"
    with pytest.raises(ValueError, match="of other weights"):
        evaluation.check_states(small_model(), data, kept, n_live=9)


# ---- what is committed -------------------------------------------------------------------------


@pytest.mark.parametrize("size", COMMITTED)
def test_kept_predictions_are_those_of_the_committed_weights(size):
    model = inference.load_checkpoint(size)
    kept = Predictions(size)
    assert kept.record["weights"] == inference.weights_digest(model)
    n = {"small": 12, "medium": 4, "large": 2}[size]
    tasks = list(kept.states)[1::8]  # reversed trajectories, and slices
    data = make_dataset(n, "test", FINAL_TEST)
    for task in tasks:
        found = evaluation.predict_states(model, task.frames(data.trajectories))
        certain = abs(found[1][:, 0] - 0.5) > 1e-3  # last digits may decide the others
        np.testing.assert_array_equal(kept.states[task][:n][certain], found[0][certain])


@pytest.mark.parametrize("size", COMMITTED)
def test_the_committed_model_is_one_of_its_trainings(size):
    names = [name for name in KEPT if name.rpartition("-")[0] == size]
    weights = {json.loads(evaluation.result_path(name).read_text())["weights"] for name in names}
    assert Predictions(size).record["weights"] in weights


def test_no_training_is_scored_on_test_trajectories():
    # the one use of the test set is the evaluation: training code asks for other families
    for module in (paths.ROOT / "mb_support" / "training").glob("*.py"):
        assert '"test"' not in module.read_text()
