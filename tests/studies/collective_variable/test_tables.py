"""Kept results: nothing is skipped in silence; tables and verdicts from made-up errors."""

import json

import numpy as np
import pytest
import torch

from mb_support.model import TrajectoryConfig, TrajectoryTransformer, weights_digest
from mb_support.studies.collective_variable import tables as cv_tables
from mb_support.studies.collective_variable.scores import REGIONS

N_BLOCKS = 40
SETTINGS = {"n_train": 30, "n_trees": 45, "n_scored": 40}
CONSTANTS = dict.fromkeys(REGIONS, 0.2)
TRAININGS = [f"small-{seed}" for seed in range(5)]
EVERYWHERE = "small (everywhere)"


def report(error, validation=None, seed=0):
    """A report whose root mean square error is about `error` in every region."""
    noise = np.random.default_rng(seed).chisquare(40, N_BLOCKS) / 40
    return {
        "squares": {region: (error**2 * noise).tolist() for region in REGIONS},
        "validation": error if validation is None else validation,
        "rank": [0.5, 0.4, 0.6],
        "calibration": {
            "committor": [0.2, 0.8],
            "mean": [error, None],
            "low": [0.1, None],
            "high": [0.3, None],
        },
    }


def part(error, layer=3, probability=(0.1, 0.2, 0.9, 0.8)):
    return {
        "settings": SETTINGS,
        "weights": "of some model",
        "layer": layer,
        "layers": {key: [0.4, 0.3, 0.2, error, 0.25] for key in (*REGIONS, "position")},
        "probe": report(error),
        "shuffled": report(0.4),
        "trees": report(0.15, seed=2),
        "classifier": {
            "committor": [0.1, 0.3, 0.6, 0.9],
            "state": [0, 0, 1, 1],
            "probability": list(probability),
        },
    }


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with a checkpoint of the small size."""
    torch.manual_seed(0)
    model = TrajectoryTransformer(TrajectoryConfig.of_size("small")).eval()
    folder = tmp_path_factory.mktemp("checkpoints")
    model.save_pretrained(folder / "small")
    return folder, weights_digest(model)


@pytest.fixture
def folder(tmp_path, checkpoints):
    """Results of all parts of the small size, whose third training is the checkpoint."""
    standardised = {
        "PCA": report(0.36, 0.5),
        "TICA": report(0.37, 0.3),
        "linear in hand-made features": report(0.3, seed=1),
        "boosted trees, 30 trajectories": report(0.2, seed=1),
        "boosted trees, 45 trajectories": report(0.05, seed=1),
    }
    raw = {"PCA": report(0.03), "radial functions of x, y": report(0.001)}
    parts = {
        "baselines": {
            "share_in_transition": 0.02,
            "mass": {region: [1.0] * N_BLOCKS for region in REGIONS},
            "views": {"standardised": standardised, "raw": raw},
        },
        "ideal": {"probe": report(0.01)},
    }
    for k, name in enumerate(TRAININGS):
        parts[name] = part(0.10 + 0.01 * k)
        parts[f"untrained-{name}"] = part(0.3 + 0.01 * k, layer=1)
    parts["small-2"]["weights"] = checkpoints[1]
    for name, record in parts.items():
        write(tmp_path, name, record | {"settings": SETTINGS})
    return tmp_path


def write(folder, name, record):
    (folder / f"{name}.json").write_text(json.dumps(record))


@pytest.fixture
def load(checkpoints):
    return lambda folder: cv_tables.load_all(["small"], folder, checkpoints[0])


@pytest.fixture
def kept(load, folder):
    return load(folder)


def test_all_trainings_of_a_size_are_read_in_the_order_of_their_seeds(kept):
    errors = cv_tables.errors(kept, "transition")
    expected = [0.10, 0.11, 0.12, 0.13, 0.14]
    np.testing.assert_allclose(errors["small"].trainings, expected, rtol=0.1)
    assert len(errors["small, untrained"].trainings) == 5
    assert list(errors)[0] == cv_tables.IDEAL


@pytest.mark.parametrize("missing", ["untrained-small-1", "ideal", "baselines"])
def test_a_missing_part_is_an_error_and_is_named(folder, load, missing):
    (folder / f"{missing}.json").unlink()
    with pytest.raises(ValueError, match=f"no {missing}.json"):
        load(folder)


def test_a_size_with_one_training_has_tables_but_no_verdicts_of_its_own(folder, load):
    for name in TRAININGS:
        if name != "small-2":
            (folder / f"{name}.json").unlink()
    kept = load(folder)
    assert cv_tables.score_table(kept).loc["small", "trainings"] == 1
    table = cv_tables.verdict_table(cv_tables.compare(kept, CONSTANTS))
    assert (table["trainings"] == 1).all()
    assert table["all frames"].str.startswith("undecided").all()


def test_parts_of_other_settings_or_weights_are_not_mixed(folder, load):
    write(folder, "small-1", part(0.1) | {"settings": {"n_train": 31}})
    with pytest.raises(ValueError, match="different settings"):
        load(folder)
    write(folder, "small-2", part(0.1))
    with pytest.raises(ValueError, match="are of the weights in"):
        load(folder)


def test_the_best_simple_method_is_chosen_on_validation_not_on_the_test(kept):
    assert kept.best_simple() == "TICA"


def test_tables_hold_every_method_once(kept):
    table = cv_tables.score_table(kept, constants=CONSTANTS)
    assert table.index.is_unique and len(table) == 12
    assert table.loc["small", "trainings"] == 5 and table.loc["PCA", "trainings"] == ""
    assert table.loc["small", "transition region"].startswith("0.12")
    assert "(0.1" in table.loc["small", "transition region"]  # least and greatest training
    assert "(" not in table.loc["PCA", "transition region"]
    assert table.loc[cv_tables.CONSTANT, "equal weight at every q"] == "0.200"
    assert list(cv_tables.score_table(kept, "raw").index)[0] == "PCA"
    layers = cv_tables.layer_table(kept)
    assert layers.loc["small", "trained"] == "3, 3, 3, 3, 3"
    assert layers.loc["small", "untrained"] == "1, 1, 1, 1, 1"


def test_layers_are_averaged_over_trainings_between_the_least_and_the_greatest(kept):
    curve = cv_tables.layer_curves(kept, "position")["small"]
    np.testing.assert_allclose(curve[3], [0.12, 0.10, 0.14])
    np.testing.assert_allclose(curve[0], [0.4, 0.4, 0.4])


def test_calibration_is_averaged_and_empty_bins_stay_empty():
    curves = [report(error)["calibration"] for error in (0.1, 0.3)]
    found = cv_tables.mean_curve(curves)
    assert found["mean"][0] == pytest.approx(0.2) and np.isnan(found["mean"][1])


def test_verdicts_follow_from_the_intervals(kept):
    found = cv_tables.compare(kept, CONSTANTS)
    verdicts = {rival: found["small", rival, "transition"].verdict for _, rival, _ in found}
    assert verdicts == {
        "a constant": "lower",
        "untrained": "lower",
        "shuffled committor": "lower",
        "simple": "lower",
        "linear in hand-made features": "lower",
        "boosted trees, 30 trajectories": "lower",
        "boosted trees, 45 trajectories": "higher",
        "best possible": "higher",
    }
    trees = "boosted trees, 45 trajectories"
    table = cv_tables.verdict_table(found)
    assert table.loc[("small", trees), "all frames"].startswith("higher: +0.0")
    summary = cv_tables.summary_table(found)
    assert summary.loc[trees].tolist() == ["none", EVERYWHERE, "none"]


def test_trees_compare_encodings_with_those_before_training(folder, load):
    for name in TRAININGS:
        content = json.loads((folder / f"{name}.json").read_text())
        write(folder, name, content | {"trees": report(0.05)})
    found = cv_tables.trees_against_untrained(load(folder))["small"]
    assert found.verdict == "lower" and found.value == pytest.approx(0.05 - 0.15, abs=0.02)


def test_trainings_on_both_sides_of_the_trees_decide_nothing(folder, load):
    for k, name in enumerate(TRAININGS[:2]):
        write(folder, name, part(0.3 + 0.1 * k))
    found = cv_tables.compare(load(folder), CONSTANTS)
    key = "small", "boosted trees, 30 trajectories", "transition"
    assert found[key].verdict == "undecided"


def test_the_share_of_what_can_be_known_is_between_nothing_and_all(kept):
    found = cv_tables.shares_known(kept, "boltzmann", CONSTANTS)["small"]
    squares = np.square([0.10, 0.11, 0.12, 0.13, 0.14])
    expected = (0.2**2 - squares) / (0.2**2 - 0.01**2)
    assert found.value == pytest.approx(expected.mean(), rel=0.03)
    assert found.low < found.value < found.high < 1
    table = cv_tables.share_table(kept, CONSTANTS)
    assert table.loc["small", "all frames"] == found.text(2)


def test_sentences_quote_errors_with_intervals_and_numbers_of_trainings(kept):
    found = cv_tables.findings(kept, CONSTANTS)
    value = cv_tables.errors(kept, "transition")["small"]
    assert found["trained_transition"] == f"small {value.text()}, n = 5"
    assert found["baseline_name"] == "TICA" and found["raw_baseline_name"] == "PCA"
    assert found["lower_than_untrained"] == EVERYWHERE
    assert found["higher_than_untrained"] == "none"
    assert cv_tables.spread([0.1, 0.3]) == "0.20 (0.10 to 0.30)"
    assert cv_tables.spread([0.1]) == "0.10"


def test_the_classifier_is_compared_with_the_bare_state(folder, load, kept):
    column = "above the state in every training"
    table = cv_tables.classifier_table(kept)
    assert table.loc["small", "rank correlation with q"] == "0.80 (0.80 to 0.80)"
    assert table.loc["state of the first frame", "rank correlation with q"] == "0.89"
    assert table.loc["small", column] == "no" and table.loc["small", "starts"] == 4
    for name in TRAININGS:
        record = part(0.1, probability=(0.1, 0.2, 0.8, 0.9))
        write(folder, name, record | {"weights": kept.trained["small"][2]["weights"]})
    kept = load(folder)
    assert cv_tables.classifier_table(kept).loc["small", column] == "yes"
    curves = cv_tables.classifier_curves(kept, [0, 0.5, 1])
    np.testing.assert_allclose(curves["share in basin B"]["mean"], [0, 1])
    np.testing.assert_allclose(curves["small"]["mean"], [0.15, 0.85])
