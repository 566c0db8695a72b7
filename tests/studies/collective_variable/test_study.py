"""The study of collective variables at its smallest: what is kept, and for which weights."""

import json

import numpy as np
import pytest
import torch

from mb_support.model import TrajectoryConfig, TrajectoryTransformer
from mb_support.observer.ideal import standardise
from mb_support.studies.collective_variable import baselines as cv_baselines
from mb_support.studies.collective_variable import scores as cv_scores
from mb_support.studies.collective_variable import study as cv_study
from mb_support.training import trainings
from mb_support.training.run import new_model

SETTINGS = cv_study.StudySettings(
    n_train=20,
    n_validation=10,
    n_scored=20,
    n_trees=30,
    scored="validation",
    shares=(0.5, 0.05),
    ridges=(10.0, 100.0),
    rounds=(5, 10),
    n_blocks=10,
    n_classified=16,
    grid_step=0.08,
)


@pytest.fixture(scope="module")
def study():
    return cv_study.Study(SETTINGS)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    return TrajectoryTransformer(TrajectoryConfig.of_size("small")).eval()


@pytest.fixture(scope="module")
def made(study, model, tmp_path_factory):
    """A folder with the parts of a training, here of random weights, and of a control."""
    folder = tmp_path_factory.mktemp("results")
    for part in ("small-0", "untrained-small-0"):
        cv_study.make_part(study, part, folder, model)
    return folder


def read(folder, part):
    return json.loads((folder / f"{part}.json").read_text())


def test_the_book_scores_test_trajectories_and_chooses_on_others():
    settings = cv_study.StudySettings()
    assert settings.scored == "test" and settings.n_scored >= 300


def test_sets_share_no_trajectory(study):
    starts = [tuple(start) for s in study.sets.values() for start in s.trajectories[:, 0].tolist()]
    assert len(set(starts)) == len(starts) == 50


def test_every_layer_is_probed_and_validation_chooses_one(study, made):
    part = read(made, "small-0")
    layers = part["layers"]
    assert {len(values) for values in layers.values()} == {5}
    assert part["layer"] == int(np.argmin(layers["validation"]))
    assert part["probe"]["validation"] == min(layers["validation"])
    mass = cv_scores.block_masses(study.frames["scored"], 10)
    for region in cv_scores.REGIONS:
        error = np.sqrt(sum(part["probe"]["squares"][region]) / mass[region].sum())
        assert error == pytest.approx(layers[region][part["layer"]], rel=1e-3)


def test_trees_read_the_layer_that_the_probe_reads(made):
    part = read(made, "small-0")
    assert part["trees"]["n_trees"] in SETTINGS.rounds
    probe, trees = (part[key]["validation"] for key in ("probe", "trees"))
    assert trees < 1.5 * probe and trees != probe


def test_a_probe_that_is_told_shuffled_committors_knows_nothing(study, made):
    part, frames = read(made, "small-0"), study.frames["scored"]
    constant = np.full(
        len(frames), study.frames["train"].training_weights @ study.frames["train"].committor
    )
    chance = cv_scores.error_sums(constant, frames, 10)["boltzmann"].sum()
    assert sum(part["shuffled"]["squares"]["boltzmann"]) > 0.7 * chance


def test_the_classifier_is_asked_of_every_part_of_the_range(made):
    asked = read(made, "small-0")["classifier"]
    assert len(asked["committor"]) == len(asked["state"]) == len(asked["probability"]) == 16
    counts = np.histogram(asked["committor"], [0, 0.26, 0.5, 0.74, 1])[0]
    assert counts.min() >= 2
    assert "classifier" not in read(made, "untrained-small-0")


def test_a_part_is_made_once_for_the_same_weights_and_settings(study, model, made, capsys):
    cv_study.make_part(study, "small-0", made, model)
    assert "up to date" in capsys.readouterr().out


def test_controls_are_what_the_training_began_with():
    control, began = cv_study.load_model("untrained-small-2"), new_model(trainings()["small-2"])
    for name, tensor in began.state_dict().items():
        assert torch.equal(control.state_dict()[name], tensor)
    other = cv_study.load_model("untrained-small-1").state_dict()
    assert not torch.equal(other["inputs_to_hidden_dim.weight"], tensor_of(began))


def tensor_of(model):
    return model.state_dict()["inputs_to_hidden_dim.weight"]


def test_baselines_hold_every_method_of_both_views(study, monkeypatch):
    monkeypatch.setattr(cv_baselines, "LAGS", (5,))
    monkeypatch.setattr(cv_baselines, "MARKOV_LAGS", (2,))
    views = cv_baselines.baselines(study)
    both = {"PCA", "TICA", "VAMPNet", "linear in x, y", "radial functions of x, y"}
    assert both <= set(views["raw"]) and both <= set(views["standardised"])
    told = [name for name in views["standardised"] if name.startswith("boosted trees")]
    assert told == ["boosted trees, 20 trajectories", "boosted trees, 30 trajectories"]
    # where a frame is says more than where it is in units of its own trajectory
    for name in both - {"TICA", "VAMPNet"}:
        assert views["raw"][name]["validation"] < views["standardised"][name]["validation"]
    assert views["raw"]["radial functions of x, y"]["validation"] < 0.05


def test_facts_say_how_much_was_looked_at(study):
    facts = study.facts()
    assert facts["n_frames"]["scored"] == len(study.frames["scored"])
    assert 0 < facts["share_in_transition"] < 0.05
    assert sum(facts["mass"]["boltzmann"]) == pytest.approx(1, abs=1e-3)


class SureObserver:
    """Knows where every trajectory of a study was."""

    def __init__(self, study):
        self.true = standardise(study.sets["scored"].trajectories)[1]

    def sample_posterior(self, standardised, number):
        return self.true[number : number + 1], np.ones(1)


def test_the_best_possible_is_what_the_observer_concludes(study):
    report = cv_study.ideal_part(study, SureObserver(study))["probe"]
    assert max(max(squares) for squares in report["squares"].values()) < 1e-9
    assert report["rank"][0] == pytest.approx(1) and report["position"] < 1e-5
    assert report["effective_samples"] == 1
