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
        "classifier": {
            "committor": [0.1, 0.3, 0.6, 0.9],
            "state": [0, 0, 1, 1],
            "probability": list(probability),
        },
    }


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TrajectoryTransformer(TrajectoryConfig.of_size("small")).eval()


@pytest.fixture
def folder(tmp_path, model):
    """Results of all parts of the small size, and a checkpoint that is its third training."""
    model.save_pretrained(tmp_path / "checkpoints" / "small")
    (tmp_path / "trainings").mkdir()
    standardised = {
        "PCA": report(0.36, 0.5),
        "TICA": report(0.37, 0.3),
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
        write(tmp_path / "trainings", name, {})
    parts["small-2"]["weights"] = weights_digest(model)
    for name, record in parts.items():
        write(tmp_path, name, record | {"settings": SETTINGS})
    return tmp_path


def write(folder, name, record):
    (folder / f"{name}.json").write_text(json.dumps(record))


def load(folder):
    return cv_tables.load_all(["small"], folder, folder / "checkpoints", folder / "trainings")


def test_all_trainings_of_a_size_are_read_in_the_order_of_their_seeds(folder):
    kept = load(folder)
    errors = cv_tables.errors(kept, "transition")
    expected = [0.10, 0.11, 0.12, 0.13, 0.14]
    np.testing.assert_allclose(errors["small"].trainings, expected, rtol=0.1)
    assert len(errors["small, untrained"].trainings) == 5
    assert list(errors)[0] == cv_tables.IDEAL


@pytest.mark.parametrize("missing", ["small-4", "untrained-small-1", "ideal", "baselines"])
def test_a_missing_part_is_an_error_and_is_named(folder, missing):
    (folder / f"{missing}.json").unlink()
    with pytest.raises(ValueError, match=f"no {missing}.json"):
        load(folder)


def test_every_finished_training_and_its_beginning_are_parts(tmp_path):
    for name in ("small-0", "small-3", "large-0", "small-fixed-0"):
        write(tmp_path, name, {})
    names = cv_tables.part_names(["small", "large"], tmp_path)
    assert names[:5] == ["baselines", "ideal", "small-0", "small-3", "large-0"]
    assert names[5:] == [f"untrained-{name}" for name in names[2:5]]
    with pytest.raises(ValueError, match="no training of size 'medium'"):
        cv_tables.part_names(["medium"], tmp_path)


def test_a_size_with_one_training_has_tables_but_no_verdicts_of_its_own(folder):
    for name in TRAININGS:
        if name != "small-2":
            (folder / "trainings" / f"{name}.json").unlink()
    kept = load(folder)
    assert cv_tables.score_table(kept).loc["small", "trainings"] == 1
    table = cv_tables.verdict_table(cv_tables.compare(kept))
    assert (table["trainings"] == 1).all()
    assert table["all frames"].str.startswith("undecided").all()
    assert cv_tables.findings(kept, CONSTANTS)["trained_boltzmann"].endswith("n = 1")


def test_parts_of_other_settings_are_not_mixed(folder):
    write(folder, "small-1", part(0.1) | {"settings": {"n_train": 31}})
    with pytest.raises(ValueError, match="'small-1' were made with other settings"):
        load(folder)


def test_results_of_other_weights_than_the_checkpoint_are_refused(folder):
    write(folder, "small-2", part(0.1))
    with pytest.raises(ValueError, match="no kept training of size 'small'"):
        load(folder)


def test_the_best_simple_method_is_chosen_on_validation_not_on_the_test(folder):
    assert load(folder).best_simple() == "TICA"


def test_tables_hold_every_method_once(folder):
    kept = load(folder)
    table = cv_tables.score_table(kept, constants=CONSTANTS)
    assert table.index.is_unique and len(table) == 9
    assert table.loc["small", "trainings"] == 5 and table.loc["PCA", "trainings"] == ""
    assert table.loc["small", "transition region"].startswith("0.12")
    assert "(0.1" in table.loc["small", "transition region"]  # least and greatest training
    assert "(" not in table.loc["PCA", "transition region"]
    assert table.loc[cv_tables.CONSTANT, "even in q"] == "0.200"
    assert list(cv_tables.score_table(kept, "raw").index)[0] == "PCA"
    layers = cv_tables.layer_table(kept)
    assert layers.loc["small", "trained"] == "3, 3, 3, 3, 3"
    assert layers.loc["small", "untrained"] == "1, 1, 1, 1, 1"


def test_layers_are_averaged_over_trainings_between_the_least_and_the_greatest(folder):
    curve = cv_tables.layer_curves(load(folder), "position")["small"]
    np.testing.assert_allclose(curve[3], [0.12, 0.10, 0.14])
    np.testing.assert_allclose(curve[0], [0.4, 0.4, 0.4])


def test_calibration_is_averaged_and_empty_bins_stay_empty():
    curves = [report(error)["calibration"] for error in (0.1, 0.3)]
    found = cv_tables.mean_curve(curves)
    assert found["mean"][0] == pytest.approx(0.2) and np.isnan(found["mean"][1])


def test_verdicts_follow_from_the_intervals(folder):
    found = cv_tables.compare(load(folder))
    verdicts = {rival: found["small", rival, "transition"].verdict for _, rival, _ in found}
    assert verdicts == {
        "untrained": "lower",
        "shuffled committor": "lower",
        "simple": "lower",
        "boosted trees, 30 trajectories": "lower",
        "boosted trees, 45 trajectories": "higher",
        "best possible": "higher",
    }
    everywhere = "small (transition region, all frames, even in q)"
    trees = "boosted trees, 45 trajectories"
    assert cv_tables.who(found, trees, "higher") == everywhere
    assert cv_tables.who(found, trees, "lower") == "none"
    table = cv_tables.verdict_table(found)
    assert table.loc[("small", trees), "all frames"].startswith("higher: +0.0")


def test_trainings_on_both_sides_of_the_trees_decide_nothing(folder):
    for k, name in enumerate(TRAININGS[:2]):
        write(folder, name, part(0.3 + 0.1 * k))
    found = cv_tables.compare(load(folder))
    key = "small", "boosted trees, 30 trajectories", "transition"
    assert found[key].verdict == "undecided"


def test_the_share_of_what_can_be_known_is_between_nothing_and_all(folder):
    found = cv_tables.shares_known(load(folder), "boltzmann", CONSTANTS)["small"]
    squares = np.square([0.10, 0.11, 0.12, 0.13, 0.14])
    expected = (0.2**2 - squares) / (0.2**2 - 0.01**2)
    assert found.value == pytest.approx(expected.mean(), rel=0.03)
    assert found.low < found.value < found.high < 1


def test_sentences_quote_errors_with_intervals_and_numbers_of_trainings(folder):
    kept = load(folder)
    found = cv_tables.findings(kept, CONSTANTS)
    value = cv_tables.errors(kept, "transition")["small"]
    assert found["trained_transition"] == f"small {value.text()}, n = 5"
    assert found["baseline_name"] == "TICA" and found["raw_baseline_name"] == "PCA"
    assert found["lower_than_untrained"] == "small (transition region, all frames, even in q)"
    assert found["higher_than_untrained"] == "none"
    assert cv_tables.spread([0.1, 0.3]) == "0.20 (0.10 to 0.30)"
    assert cv_tables.spread([0.1]) == "0.10"


def test_the_classifier_is_compared_with_the_bare_state(folder):
    kept = load(folder)
    ranks = cv_tables.classifier_ranks(kept)
    np.testing.assert_allclose(ranks["small"], [0.8] * 5)
    assert ranks["state of the first frame"][0] == pytest.approx(0.8944, abs=1e-3)
    assert cv_tables.classifier_verdict(kept) == "none"
    for name in TRAININGS:
        record = part(0.1, probability=(0.1, 0.2, 0.8, 0.9))
        write(folder, name, record | {"weights": kept.trained["small"][2]["weights"]})
    assert cv_tables.classifier_verdict(load(folder)) == "small"
    assert cv_tables.classifier_table(kept).loc["small", "starts"] == 4
    curves = cv_tables.classifier_curves(kept, [0, 0.5, 1])
    np.testing.assert_allclose(curves["share in basin B"]["mean"], [0, 1])
    np.testing.assert_allclose(curves["small"]["mean"], [0.15, 0.85])
