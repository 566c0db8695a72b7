"""What the training chapter says of the runs: curves, errors, tables, scatter over seeds."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from mb_support.plotting import training as figures
from mb_support.statistics import binomial_error
from mb_support.studies import training as study
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
    return copy.deepcopy(training_record(config, log)) | {"threads": 2, "processes": 1}


@pytest.fixture
def records():
    found = {f"small-{seed}": make_record(0.90 + 0.01 * seed, seed=seed) for seed in range(3)}
    found["medium-0"] = make_record(0.95, size="medium")
    found["small-fixed-0"] = make_record(0.8, 0.9, n_distinct=10, dropout=0.1)
    found["small-fixed-both-1"] = make_record(0.7, 0.9, n_distinct=10, dropout=0.1)
    found[f"small-data-{DATA_CURVE[0]}"] = make_record(0.7, n_distinct=DATA_CURVE[0])
    found["small-wild-0"] = make_record(0.85, regime="wild")
    return found


def test_the_curve_is_drawn_against_the_trajectories_shown():
    curve = study.learning_curve(make_record())
    np.testing.assert_array_equal(curve["shown"], [8, 16])
    np.testing.assert_array_equal(curve["scored"], [12, 20])
    np.testing.assert_array_equal(curve["stage_ends"], [12, 20])
    np.testing.assert_array_equal(curve["accuracy"], [0.6, 0.9])


def test_standard_errors_and_chance_by_hand():
    assert binomial_error(0.9, 100) == pytest.approx(0.03)
    assert study.chance(np.array([0, 0, 0, 1])) == study.chance(np.array([1, 1, 0, 1])) == 0.75


def test_seeds_of_a_size_are_told_from_other_trainings_of_it(records):
    assert list(study.seeds_of(records, "small")) == [0, 1, 2]
    assert list(study.seeds_of(records, "small", "fixed")) == [0]
    assert list(study.seeds_of(records, "small", "fixed-both")) == [1]
    assert list(study.seeds_of(records, "large")) == []


def test_the_scatter_is_the_standard_deviation_over_seeds(records):
    table = study.scatter_table(records)
    assert table.loc["small", "mean accuracy"] == "0.9100"
    assert table.loc["small", "scatter over seeds"] == "0.0100"
    assert table.loc["small", "each seed"] == "0.900, 0.910, 0.920"
    assert table.loc["medium", "scatter over seeds"] == "–"  # one seed has none
    assert "large" not in table.index


def test_the_scatter_is_compared_with_the_error_of_the_validation(records):
    assert study.scatter_below_error(records) == "no for small"  # 0.0100 against 0.0090
    records["small-0"] = records["small-2"]
    assert study.scatter_below_error(records) == "yes for small"  # 0.0058


def test_the_recipe_table_has_a_column_for_the_author_and_one_for_each_size():
    table = study.recipe_table()
    assert list(table.columns) == ["author", "small", "medium", "large", "small, fixed set"]
    assert table.loc["shown", "small, fixed set"] == "100 times each"
    assert not table.isna().any().any()


def test_costs_are_those_of_one_training(records):
    records["small-2"] |= {"machine": "another", "wall_time_s": 60.0}
    records["small-1"] |= {"wall_time_s": 660.0, "threads": 3, "processes": 2}
    table = study.cost_table(records)
    machine = records["small-0"]["machine"]
    assert table.loc[("small", machine), ["trainings", "minutes"]].tolist() == ["2", "2.0 to 11.0"]
    assert table.loc[("small", machine), "threads"] == "2, 6"  # of all processes together
    assert table.loc[("small", "another"), ["trainings", "minutes"]].tolist() == ["1", "1.0"]


def test_overfitting_is_seen_where_the_validation_cross_entropy_was_lowest(records):
    table = study.fixed_set_table(records)
    assert table.loc["small", "lowest cross-entropy at pass"] == "1"  # 12 shown of 10
    assert table.loc["small", "final cross-entropy"] == "0.900"
    assert table["best accuracy"].tolist() == ["0.800", "0.700"]


def test_the_data_curve_ends_with_fresh_trajectories(records):
    table = study.data_curve(records)
    assert table["n_distinct"].tolist() == [DATA_CURVE[0], 120_000]
    np.testing.assert_allclose(table["accuracy"], [0.7, 0.91])
    assert table["n_seeds"].tolist() == [1, 3] and table["is_fresh"].tolist() == [False, True]


def test_other_data_sets_have_their_row(records):
    records["small-x4-0"] = make_record(0.95)
    table = study.variants_table(records)
    assert list(table.index) == ["the recipe", "4 times as many trajectories", "on wild"]
    assert table["seeds"].tolist() == ["3", "1", "1"]
    assert table.loc["the recipe"].tolist()[2] == "0.910 ± 0.009"


def test_trainings_without_a_record_are_named(records):
    records["medium-0"]["note"] = "shorter."
    words = study.words(records)
    assert "large-0" in words["training_missing"] and "small-0," not in words["training_missing"]
    assert words["training_notes"] == "medium-0: shorter."
    everything = dict.fromkeys(trainings(), records["small-0"])
    assert study.words(everything)["training_missing"] == ("All planned trainings have been made.")


def test_parameters_stand_beside_what_the_poster_prints():
    table = study.parameter_table()
    assert table.loc["encoder", "medium"] == "399,872 (399 K)"
    assert table.loc["total"].tolist() == [
        "38,708 (38.7 K)",
        "474,564 (474 K)",
        "2,338,348 (2.3 M)",
    ]


def test_recipes_that_were_tried_have_their_scores():
    table = study.tried_table()
    assert set(table.index) == {"medium", "large"} and not table.isna().any().any()
    assert "0.536 ± 0.016" in table["accuracy"].tolist()


def test_the_live_recipe_is_the_committed_one_made_short():
    live = study.live_config((64, 40), seed=3)
    assert (live.n_steps, live.seed, live.size) == (40, 3, "small")
    assert live.learning_rate == study.RECIPES["small"].learning_rate


def test_figures_draw_one_line_a_training(records):
    curves = study.curves(records)
    assert {size: len(found) for size, found in curves.items()} == {"small": 3, "medium": 1}
    assert len(figures.plot_learning(curves, "trajectory_loss", 4).lines) == 4
    assert len(figures.plot_learning(curves, "error").lines) == 4
    assert len(figures.plot_fixed(curves, 10, "cross_entropy").lines) == 8
    assert figures.plot_data_curve(study.data_curve(records)).get_xscale() == "log"


def test_the_data_curve_is_a_table_of_accuracies_with_errors():
    table = study.data_table(study.load_records())
    assert list(table)[-1] == "all fresh" and "1,000" in table
    assert table.loc["validation accuracy", "1,000"].startswith("0.9")
