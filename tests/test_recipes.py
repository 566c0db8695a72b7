"""What the training chapter says of the runs: frames seen, errors, chance, tables and curves."""

from dataclasses import replace

import numpy as np
import pytest

from mb_support import recipes
from mb_support.curriculum import RECIPES, TrainingConfig, recipe_runs
from mb_support.plotting import training as figures
from mb_support.records import runs
from mb_support.training import FREE_SETTINGS, training_record

CONFIG = TrainingConfig("small", stages=((10, 3), (20, 2)), batch_size=4, learning_rate=1e-3)
LOG = [
    {"step": 2, "trajectory_loss": 2.0, "classification_loss": 0.7, "elapsed_s": 1.0},
    {"step": 4, "trajectory_loss": 1.0, "classification_loss": 0.5, "elapsed_s": 2.0},
    {"step": 5, "eval_accuracy": 0.9, "elapsed_s": 3.0},
]


@pytest.fixture
def record():
    return training_record(CONFIG, LOG)


def test_frames_are_counted_through_the_stages():
    np.testing.assert_array_equal(
        recipes.frames_at(CONFIG, [0, 1, 3, 4, 5]), 4 * np.array([0, 10, 30, 50, 70])
    )


def test_the_curve_ends_at_the_frames_of_the_record(record):
    curve = recipes.learning_curve(record)
    np.testing.assert_array_equal(curve["frames"], [80, 200])
    np.testing.assert_array_equal(curve["run_ends"], [280])
    assert curve["scored_frames"][-1] == record["frames_seen"] == 280
    np.testing.assert_array_equal(curve["trajectory_loss"], [2.0, 1.0])
    np.testing.assert_array_equal(curve["accuracy"], [0.9])


def test_standard_errors_and_chance_by_hand():
    assert recipes.accuracy_with_error(0.9, 100)[1] == pytest.approx(0.03)
    assert recipes.majority_share(np.array([0, 0, 0, 1])) == 0.75
    assert recipes.majority_share(np.array([1, 1, 0, 1])) == 0.75


def test_tables_have_a_column_for_the_author_and_one_for_each_run(record):
    table = recipes.recipe_table({"small": record})
    assert list(table.columns) == ["author", "small"] and not table.isna().any().any()
    assert table.loc["batch", "small"] == "4"
    costs = recipes.cost_table({"small": record})
    assert costs.loc["small", "frames seen"] == "280"
    assert costs.loc["small", "validation accuracy"] == "0.900 ± 0.015"


def test_the_live_recipe_is_the_committed_one_made_short():
    live = recipes.live_config((64, 40), seed=3)
    assert (live.n_steps, live.seed, live.size) == (40, 3, "small")
    assert live.learning_rate == recipes.RECIPES["small"].learning_rate


def test_beginnings_are_those_of_the_test_trajectories():
    whole, begun = recipes.beginnings(3, 50), recipes.beginnings(3, 20)
    np.testing.assert_array_equal(whole.trajectories[:, :20], begun.trajectories)
    np.testing.assert_array_equal(whole.labels, begun.labels)


def test_figures_draw_every_run(record):
    curves = {"small": recipes.learning_curve(record)}
    ax = figures.plot_loss(curves, "trajectory_loss")
    assert ax.get_yscale() == "log" and len(ax.lines) == 3  # twice the loss, guidance
    ax = figures.plot_accuracy(curves, 0.5)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "small",
        "more frequent state",
    ]


def test_a_refined_model_has_the_curve_and_cost_of_both_runs(record):
    refining = replace(CONFIG, stages=((20, 1),), taught=True, n_validation=100)
    later = training_record(refining, [LOG[0] | {"step": 1}, LOG[2] | {"step": 1}])
    refined = later | {"before": record}
    assert runs(refined) == [record, later | {"before": record}]
    curve = recipes.learning_curve(refined)
    np.testing.assert_array_equal(curve["frames"], [80, 200, 280 + 80])
    np.testing.assert_array_equal(curve["scored_frames"], [280, 360])
    np.testing.assert_array_equal(curve["run_ends"], [280, 360])
    assert len(curve["guidance_ends"]) == 1  # that of the first
    assert curve["accuracy_error"][-1] == pytest.approx(0.03)  # 0.9 of 100, not of 400
    assert recipes.cost_table({"small": refined}).loc["small", "trajectories seen"] == "24"
    table = recipes.recipe_table({"small": refined})
    assert table.loc["refinement", "small"].startswith("4 of the trajectories")
    assert table.loc["batch", "small"] == "4"


def test_a_classifier_that_ended_alone_says_what_it_gained(record):
    stages = ((10, 1), (20, 3))
    balancing = replace(CONFIG, stages=stages, taught=True, guided_fraction=0.0, n_passes=7)
    log = [LOG[0] | {"step": step} for step in (2, 4)] + [LOG[1], LOG[2] | {"step": 4}]
    balanced = training_record(balancing, log) | {"before": record}
    assert recipes.balancing_gain(balanced) == (pytest.approx(0.7), 0.5)
    assert recipes.total(balanced, "trajectories_seen") == 20 + 16
    table = recipes.recipe_table({"small": balanced})
    assert table.loc["refinement", "small"] == (
        "only the classifier's head: 16 of the trajectories, not guided, encoded once and shown "
        "7 times; rate 0.001; 10 (1 steps), then 20 (3 steps)"
    )


@pytest.mark.parametrize("size", RECIPES)
def test_committed_checkpoints_were_made_by_the_recipes(size):
    made_by = runs(recipes.load_records()[size])
    for recipe, run in zip(recipe_runs(size), made_by, strict=True):
        config = TrainingConfig.from_dict(run["config"])
        free = {name: getattr(config, name) for name in FREE_SETTINGS if name != "stop_after"}
        assert replace(recipe, **free) == config
