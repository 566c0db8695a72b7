"""Slow variables without a transformer, against the exact committor."""

import numpy as np
import pytest
import torch

from mb_support.datasets import make_dataset
from mb_support.reference import GridSolver
from mb_support.states import DISKS
from mb_support.studies.collective_variable import baselines as cv_baselines
from mb_support.studies.collective_variable import frames as cv


@pytest.fixture(scope="module")
def data():
    return make_dataset(150, "train", 900, n_frames=200)


@pytest.fixture(scope="module")
def known(data):
    """Positions of some frames, and their exact committor."""
    solver = GridSolver(1 / 15, 1.0, 0.04)
    positions = data.trajectories[:, 100::7].reshape(-1, 2).astype(float)
    committor = solver.interpolate(cv.exact_committor(solver), positions, fill_value=0.5)
    return positions, committor


def test_principal_and_slowest_components_find_their_directions():
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.normal(size=(20, 500)), axis=1) * 0.01
    wide = rng.normal(size=(20, 500)) * 5
    trajectories = np.stack([wide, slow], axis=-1)
    probe = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    wide_only = cv_baselines.principal_component(trajectories)(probe)
    assert abs(wide_only[0] - wide_only[2]) > 100 * abs(wide_only[1] - wide_only[2])
    slow_only = cv_baselines.slowest_linear(trajectories, 5)(probe)
    assert abs(slow_only[1] - slow_only[2]) > 20 * abs(slow_only[0] - slow_only[2])


def test_a_vampnet_finds_the_committor_and_depends_on_its_seed_alone(data, known):
    make = cv_baselines.vampnet_variable
    positions, committor = known
    values = make(data.trajectories, 5, seed=0, n_epochs=6)(positions)
    assert abs(np.corrcoef(values, committor)[0, 1]) > 0.95
    state = torch.get_rng_state()
    again = make(data.trajectories, 5, seed=0, n_epochs=6)(positions)
    np.testing.assert_array_equal(values, again)
    assert torch.equal(state, torch.get_rng_state())


def test_a_markov_model_gives_the_committor(data, known):
    raw = data.trajectories.astype(float)
    inside = [cv.within(raw, disk) for disk in DISKS]
    centres = cv_baselines.place_cells(raw, spacing=0.12)
    found = cv_baselines.markov_committor(raw, centres, 1, *inside, disks=DISKS)
    positions, committor = known
    assert np.sqrt(np.mean((found(positions) - committor) ** 2)) < 0.05
    np.testing.assert_array_equal(found([DISKS[0][0], DISKS[1][0]]), [0.0, 1.0])


def test_states_without_a_cell_are_refused(data):
    raw = data.trajectories[:20]
    nowhere = np.zeros(raw.shape[:2], dtype=bool)
    centres = cv_baselines.place_cells(raw, n_cells=10)
    assert centres.shape == (10, 2)
    with pytest.raises(ValueError, match="within the source"):
        cv_baselines.markov_committor(raw, centres, 2, nowhere, nowhere)
