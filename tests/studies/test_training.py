"""What the training chapter says of the runs: curves, errors, tables, scatter over seeds."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from mb_support.plotting import training as figures
from mb_support.studies import training as training_study
from mb_support.training import TrainingConfig, trainings
from mb_support.training.recipes import DATA_CURVE
from mb_support.training.run import training_record

CONFIG = TrainingConfig("small", stages=((10, 12), (20, 8)), batch_size=4, learning_rate=1e-3)


def make_record(accuracy=0.9, cross_entropy=0.3, **settings):
    log = [
        {"step": 2, "trajectory_loss": 2.0, "classification_loss": 0.7, "elapsed_s": 1.0},
        {"step": 3, "eval_accuracy": 0.6, "eval_loss": 0.25, "elapsed_s": 1.5},
        {"step": 4, "trajectory_loss": 1.0, "classification_loss": 0.5, "elapsed_s": 2.0},
        {"step": 5, "eval_accuracy": accuracy, "eval_loss": cross_entropy, "elapsed_s": 120.0},
    ]
    config = replace(CONFIG, **settings)
    return copy.deepcopy(training_record(config, log))


@pytest.fixture
def records():
    found = {f"small-{seed}": make_record(0.90 + 0.01 * seed, seed=seed) for seed in range(3)}
    found["medium-0"] = make_record(0.95, size="medium")
    found["small-fixed-0"] = make_record(0.8, 0.9, n_distinct=10, dropout=0.1)
    found[f"small-data-{DATA_CURVE[0]}"] = make_record(0.7, n_distinct=DATA_CURVE[0])
    found["small-wild-0"] = make_record(0.85, regime="wild")
    return found


def test_frames_and_trajectories_are_counted_through_the_stages():
    assert make_record()["frames_seen"] == 12 * 10 + 8 * 20
    assert make_record()["trajectories_seen"] == 20


def test_the_curve_is_drawn_against_the_trajectories_shown():
    curve = training_study.learning_curve(make_record())
    np.testing.assert_array_equal(curve["shown"], [8, 16])
    np.testing.assert_array_equal(curve["scored"], [12, 20])
    np.testing.assert_array_equal(curve["stage_ends"], [12, 20])
    np.testing.assert_array_equal(curve["accuracy"], [0.6, 0.9])


def test_standard_errors_and_chance_by_hand():
    assert training_study.accuracy_with_error(0.9, 100)[1] == pytest.approx(0.03)
    assert training_study.majority_share(np.array([0, 0, 0, 1])) == 0.75
    assert training_study.majority_share(np.array([1, 1, 0, 1])) == 0.75


def test_seeds_of_a_size_are_told_from_other_trainings_of_it(records):
    assert list(training_study.seeds_of(records, "small")) == [0, 1, 2]
    assert list(training_study.seeds_of(records, "small", "fixed")) == [0]
    assert list(training_study.seeds_of(records, "large")) == []


def test_the_scatter_is_the_standard_deviation_over_seeds(records):
    table = training_study.scatter_table(records)
    assert table.loc["small", "mean accuracy"] == "0.9100"
    assert table.loc["small", "scatter over seeds"] == "0.0100"
    assert table.loc["small", "each seed"] == "0.900, 0.910, 0.920"
    assert table.loc["medium", "scatter over seeds"] == "-"  # one seed has none
    assert "large" not in table.index


def test_the_recipe_table_has_a_column_for_the_author_and_one_for_each_size():
    table = training_study.recipe_table()
    assert list(table.columns) == ["author", "small", "medium", "large"]
    assert not table.isna().any().any()


def test_costs_are_those_of_one_training(records):
    records["small-2"] |= {"machine": "another", "wall_time_s": 60.0}
    records["small-1"] |= {"wall_time_s": 660.0}
    table = training_study.cost_table(records)
    machine = records["small-0"]["machine"]
    assert table.loc[("small", machine), ["trainings", "minutes"]].tolist() == ["2", "2.0 to 11.0"]
    assert table.loc[("small", "another"), ["trainings", "minutes"]].tolist() == ["1", "1.0"]


def test_overfitting_is_seen_where_the_validation_cross_entropy_was_lowest(records):
    table = training_study.fixed_set_table(records)
    assert table.loc["small", "lowest cross-entropy at pass"] == "1"  # 12 shown of 10
    assert table.loc["small", "final cross-entropy"] == "0.900"
    assert table.loc["small", "best accuracy"] == "0.800"


def test_the_data_curve_ends_with_fresh_trajectories(records):
    table = training_study.data_curve(records)
    assert table["n_distinct"].tolist() == [DATA_CURVE[0], np.inf]
    np.testing.assert_allclose(table["accuracy"], [0.7, 0.91])
    assert table["n_seeds"].tolist() == [1, 3]


def test_other_data_sets_have_their_row(records):
    records["small-x4-0"] = make_record(0.95)
    table = training_study.variants_table(records)
    assert list(table.index) == ["the recipe", "4 times as many trajectories", "on wild"]
    assert table["seeds"].tolist() == ["3", "1", "1"]
    assert table.loc["the recipe"].tolist()[2] == "0.910 ± 0.009"


def test_trainings_without_a_record_are_named(records):
    assert "medium-0" not in training_study.missing(records)
    assert {"small-3", "medium-1", "large-0"} <= set(training_study.missing(records))
    words = training_study.missing_in_words(records)
    assert "small-3, small-4, medium-1" in words and "small-0" not in words
    assert "have been made" in training_study.missing_in_words(trainings())
    records["medium-0"]["note"] = "shorter."
    assert training_study.notes_in_words(records) == "medium-0: shorter."


def test_recipes_that_were_tried_have_their_scores():
    table = training_study.tried_table()
    assert set(table.index) == {"medium", "large"} and not table.isna().any().any()
    assert "0.536 ± 0.016" in table["validation accuracy (1000 trajectories)"].tolist()


def test_the_live_recipe_is_the_committed_one_made_short():
    live = training_study.live_config((64, 40), seed=3)
    assert (live.n_steps, live.seed, live.size) == (40, 3, "small")
    assert live.learning_rate == training_study.RECIPES["small"].learning_rate


def test_figures_draw_one_line_a_training(records):
    curves = {"small": [training_study.learning_curve(r) for r in records.values()][:3]}
    assert len(figures.plot_loss(curves, "trajectory_loss").lines) == 3
    assert len(figures.plot_accuracy(curves, 0.6).lines) == 4  # and chance
    assert len(figures.plot_fixed(curves, 10, "cross_entropy").lines) == 6
    assert figures.plot_data_curve(training_study.data_curve(records)).get_xscale() == "log"
