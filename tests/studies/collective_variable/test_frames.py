"""Collective variables: frames and their weights, and the encodings of frames."""

import numpy as np
import pytest
import torch

from mb_support.datasets import make_dataset
from mb_support.model import TrajectoryConfig, TrajectoryTransformer
from mb_support.reference import GridSolver
from mb_support.states import DISKS
from mb_support.studies.collective_variable import frames as cv

N_FRAMES = 200


@pytest.fixture(scope="module")
def solver():
    return GridSolver(1 / 15, 1.0, 0.04)


@pytest.fixture(scope="module")
def data():
    return make_dataset(300, "train", 900, n_frames=N_FRAMES)


@pytest.fixture(scope="module")
def fields(solver, data):
    return cv.ExactFields(solver, data.config)


@pytest.fixture(scope="module")
def frames(fields, data):
    return cv.pick_frames(fields, data, seed=1, shares=(0.5, 0.05))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TrajectoryTransformer(TrajectoryConfig.of_size("small")).eval()


def test_weighted_frames_are_a_sample_of_the_boltzmann_density(solver, frames):
    # by chance a trajectory starts in one basin or the other: resample trajectories
    names, group = np.unique(frames.trajectory, return_inverse=True)
    mass = np.bincount(group, frames.weights)
    for values, exact in (
        (frames.committor, solver.average(cv.exact_committor(solver))),
        (frames.positions[:, 1], solver.average(solver.positions[..., 1])),
    ):
        part = np.bincount(group, frames.weights * (values - exact))
        error = np.sqrt(len(names) * np.var(part - part.mean())) / mass.sum()
        assert abs(part.sum()) < 4 * error
    unweighted = frames.committor.mean() - solver.average(cv.exact_committor(solver))
    assert unweighted > 0.1  # so that the weights are needed


def test_weights_and_shares_are_normalised(frames, data):
    assert frames.weights.sum() == pytest.approx(1)
    assert frames.training_weights.sum() == pytest.approx(1)
    assert frames.training_weights[frames.in_transition].sum() > 0.5
    assert frames.frame.min() >= cv.SKIPPED and frames.n_trajectories == len(data)


def test_picked_frames_are_frames_of_the_trajectories_with_their_exact_committor(
    solver, data, frames
):
    np.testing.assert_allclose(data.trajectories[frames.trajectory, frames.frame], frames.positions)
    exact = solver.interpolate(cv.exact_committor(solver), frames.positions)
    np.testing.assert_allclose(frames.committor, exact.clip(0, 1), atol=1e-12)


def test_the_committor_is_known_at_both_ends_and_half_way_beyond_the_map(fields):
    found = fields.committor([DISKS[0][0], DISKS[1][0], (9.0, 9.0)])
    np.testing.assert_allclose(found, [0.0, 1.0, 0.5], atol=1e-9)
    assert fields.weight(np.array([[9.0, 9.0]]))[0] == 0


def test_encodings_are_the_hidden_states_of_the_asked_frames(data, model):
    trajectories = data.trajectories[:80]
    trajectory, frame = np.array([3, 70, 3, 0]), np.array([199, 0, 7, 20])
    found = cv.encode_frames(model, trajectories, trajectory, frame)
    assert found.shape == (4, 5, 16)
    with torch.no_grad():
        shown = torch.from_numpy(trajectories[trajectory])
        hidden = model(shown, output_hidden_states=True).hidden_states
    expected = np.stack([h.numpy()[np.arange(4), frame] for h in hidden], axis=1)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    with pytest.raises(ValueError, match="trajectories"):
        cv.encode_frames(model, trajectories[0], [0], [0])
