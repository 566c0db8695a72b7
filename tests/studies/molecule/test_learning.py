"""What is learned of the molecule, and what needs no learning."""

import json

import numpy as np
import pytest

from mb_support.studies.molecule import learning, study
from mb_support.studies.molecule.runs import features
from mb_support.studies.molecule.shooting import agreement


def test_the_ring_gives_the_angle_back_from_a_standardised_window():
    random = np.random.default_rng(0)
    angles = np.cumsum(random.normal(0, 0.2, (20, 128, 2)), axis=1)
    wanted = np.angle(np.exp(1j * angles[:, 0, 1]))
    np.testing.assert_allclose(learning.by_the_ring(features(angles)), wanted, atol=0.05)


def test_shots_from_the_model_itself_agree_with_it():
    random = np.random.default_rng(0)
    committor = random.uniform(0, 1, 4000)
    to_beta = random.binomial(16, committor)
    found = agreement(np.stack([16 - to_beta, to_beta], axis=-1), committor)
    assert found["explained"] == pytest.approx(1, abs=0.01) and found["scatter"] < 0.03
    assert abs(found["bias"]) < 3 * found["bias_error"]


def test_scatter_of_what_the_model_does_not_know_is_found():
    random = np.random.default_rng(0)
    committor = random.uniform(0.3, 0.7, 4000)
    to_beta = random.binomial(16, committor + random.choice([-0.2, 0.2], 4000))
    found = agreement(np.stack([16 - to_beta, to_beta], axis=-1), committor)
    assert found["scatter"] == pytest.approx(0.2, abs=0.01)


def test_what_is_kept_of_trainings_is_of_their_recipes():
    for part in study.MAKE:
        recipe = json.loads(json.dumps(study.recipe_of(part)))
        assert study.load(part).get("recipe") == recipe.get("recipe")
    assert study.recipe_of("large-0") != study.recipe_of("small-0")


def test_what_is_kept_says_that_no_forecast_reaches_the_mean_of_its_box():
    kept = study.load_results()
    box, _ = kept["baselines"]["skill"]["mean of its box"]
    assert all(content["judged"]["skill"][0] < box for content in kept["trainings"].values())
    trees, _ = kept["baselines"]["accuracy"]["boosted trees"]
    assert kept["trainings"]["large-0"]["judged"]["accuracy"][0] < trees
