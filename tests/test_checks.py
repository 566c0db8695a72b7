"""What is wrong with an argument is said at the door, whichever function it is handed to."""

import json

import numpy as np
import pytest
import torch

from mb_support.classification import confusion, predict_states, scores
from mb_support.datasets import TrajectorySet, make_dataset
from mb_support.generation import generate
from mb_support.model import SIZES
from mb_support.model.causal import sample
from mb_support.model.inference import as_numbers, weights_digest
from mb_support.potential import double_well, potential
from mb_support.profiles import get_profile
from mb_support.reference import GridSolver
from mb_support.simulation import REGIMES, SimulationConfig, sample_starts, simulate
from mb_support.states import assign_states
from mb_support.studies.attention.importance import log_odds
from mb_support.studies.attention.maps import attention_maps
from mb_support.studies.collective_variable.frames import encode_frames
from mb_support.training import RECIPES

CONFIG = SimulationConfig(beta=0.1, diffusion=1.0, dt=1e-4, stride=1, n_frames=3)
TAKING_POSITIONS = {
    "potential": potential,
    "states": assign_states,
    "starts": lambda points: simulate(CONFIG, points, 1),
    "trajectories": lambda points: as_numbers("trajectories", points),
}


@pytest.mark.parametrize("known", [REGIMES, SIZES, RECIPES], ids=["regimes", "sizes", "recipes"])
def test_a_name_that_is_not_there_is_answered_with_those_that_are(known):
    first = next(iter(known))
    for name in (first[:-1], first.upper(), "", None, 0):
        with pytest.raises(ValueError, match=f"there is no {name!r}: choose one of.*'{first}'"):
            known[name]
    assert known.get("another") is None and "another" not in known


@pytest.mark.parametrize(
    "ask",
    [
        lambda name: make_dataset(2, regime=name),
        lambda name: make_dataset(2, family=name),
        lambda name: get_profile(name),
    ],
    ids=["regime", "family", "profile"],
)
@pytest.mark.parametrize("name", ["nowhere", ["metastable"], {"test": 1}, None, 3])
def test_what_is_no_name_is_refused_as_a_wrong_one_is(ask, name):
    with pytest.raises(ValueError, match="unknown .*choose one of"):
        ask(name)


@pytest.mark.parametrize("take", TAKING_POSITIONS.values(), ids=TAKING_POSITIONS)
@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([[0.0, 0.5], [0.1]], "rows of different lengths"),
        ([[0.0, 0.5], [0.1, [0.2]]], "rows of different lengths"),
        ([["0", "1"]], "real numbers"),
        ([[0.0, None]], "real numbers"),
        ([[0.0, 1.0 + 0.0j]], "real numbers"),
        ([[True, False]], "real numbers"),
        (np.ma.masked_array([[0.0, 0.5], [9.0, 9.0]], [[0, 0], [1, 1]]), "masked"),
        ([torch.zeros(2, requires_grad=True)], "cannot be read as an array"),
    ],
    ids="ragged,nested,texts,None,complex,bool,masked,learning".split(","),
)
def test_points_that_are_no_array_of_numbers_are_refused(take, points, reason):
    with pytest.raises(ValueError, match=reason):
        take(points)


@pytest.mark.parametrize(
    "labels", [[[0], [1, 0]], ["A", "B"], [0, None], np.array([0, 1j])], ids=str
)
def test_labels_to_be_scored_are_numbers(labels):
    for score in (confusion, scores):
        with pytest.raises(ValueError, match="labels must"):
            score(labels, [0, 1])
        with pytest.raises(ValueError, match="predicted must"):
            score([0, 1], labels)


@pytest.mark.parametrize("wrong", [lambda x, y: x * x + y * y, "double_well", None, double_well])
@pytest.mark.parametrize(
    "use",
    [
        lambda p: simulate(CONFIG, [[0.0, 0.0]], 1, potential=p),
        lambda p: sample_starts(2, 1, potential=p),
        lambda p: assign_states([[0.0, 0.0]], p),
        lambda p: GridSolver(1.0, 1.0, potential=p),
        lambda p: make_dataset(2, potential=p),
    ],
    ids="simulate,starts,states,solver,set".split(","),
)
def test_what_is_no_potential_is_refused(use, wrong):
    with pytest.raises(ValueError, match=r"must be a Potential, such as Potential\(energy, box"):
        use(wrong)


@pytest.mark.parametrize("wrong", ["checkpoints/small", "small", None, {"weights": 1}])
@pytest.mark.parametrize(
    "use",
    [
        predict_states,
        lambda model, x: generate(model, x, 2),
        lambda model, x: sample(model, x, 2, seed=0),
        lambda model, x: encode_frames(model, x, np.array([0]), np.array([0])),
        attention_maps,
        log_odds,
        lambda model, x: weights_digest(model),
    ],
    ids=["states", "generate", "sample", "encodings", "maps", "log odds", "digest"],
)
def test_what_is_no_model_is_refused(use, wrong):
    with pytest.raises(
        ValueError, match=r"model must be a trained model.*load_checkpoint\('small'"
    ):
        use(wrong, np.random.default_rng(0).normal(size=(2, 10, 2)))


@pytest.mark.parametrize("name", ["nframes", "n_frame", "Beta", "temperature"])
def test_a_misspelt_setting_of_a_set_is_named(name):
    with pytest.raises(ValueError, match=f"unknown keys .'{name}'.*allowed are"):
        make_dataset(2, **{name: 3})


@pytest.mark.parametrize("number", [np.int64, np.int8, np.uint16])
def test_settings_in_numbers_of_numpy_are_written_as_json(number):
    given = dict(n_frames=number(20), stride=number(5), mass=number(1), friction=np.float32(0.5))
    config = SimulationConfig(beta=np.float32(0.5), diffusion=np.array(1.0), dt=1e-4, **given)
    assert SimulationConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert json.loads(json.dumps(make_dataset(2, index=number(3), n_frames=2).seed)) == 60_003


@pytest.mark.parametrize("share", [0, 1, 7.0, -0.1, float("nan"), "half", None])
def test_a_share_that_is_none_is_refused(share):
    data = TrajectorySet.from_arrays(np.random.default_rng(0).normal(size=(4, 5, 2)))
    with pytest.raises(ValueError, match="share must be"):
        data.split(share)
    with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
        data.split(0.5, seed=-1)
