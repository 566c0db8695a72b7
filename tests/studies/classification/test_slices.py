"""Later slices: their accuracy, its causes, and the exact limit."""

import numpy as np
import pytest

from mb_support.datasets import make_dataset
from mb_support.reference import GridSolver, label_posterior
from mb_support.states import assign_states
from mb_support.studies.classification import slices
from mb_support.studies.classification.kept_predictions import slice_table


def test_who_tells_each_slices_own_state_errs_only_where_the_particle_moved():
    states = np.random.default_rng(1).integers(0, 2, (80, 300))
    table = slice_table({start: states[:, start] for start in (0, 40, 250)}, 50, states)
    np.testing.assert_array_equal(table["own"], 1)
    moved = [(states[:, start] == states[:, 0]).mean() for start in (0, 40, 250)]
    np.testing.assert_allclose(table["label"], moved)
    causes = slices.causes_of_decline(table)
    np.testing.assert_allclose(causes["short"] + causes["view"], 0)
    np.testing.assert_allclose(causes["moved"], causes["error"])


def test_causes_add_up_to_the_error():
    rng = np.random.default_rng(3)
    predicted = {start: rng.integers(0, 2, 50) for start in (0, 5, 10)}
    causes = slices.causes_of_decline(slice_table(predicted, 20, rng.integers(0, 2, (50, 30))))
    np.testing.assert_allclose(causes[["short", "view", "moved"]].sum(axis=1), causes["error"])
    assert causes["view"][0] == causes["moved"][0] == 0


def test_later_slices_are_harder_where_intervals_say_so():
    states = np.zeros((400, 30), int)
    states[200:, 10:] = 1
    falling = {0: states[:, 0], 10: np.repeat([0, 1, 0], [200, 150, 50])}
    tables = {
        "falling": slice_table(falling, 20, states),
        "level": slice_table({0: states[:, 0], 10: states[:, 0]}, 20, states),
    }
    assert slices.decline_verdicts(tables, 10) == {"falling": "confirmed", "level": "undecided"}
    by_length = {20: tables, 25: {name: table[:1] for name, table in tables.items()}}
    words = "slices of 20 frames: confirmed for falling, undecided for level"
    assert slices.decline_in_words(by_length, 10) == words
    lost = slices.lost_table({20: tables})["from 10"]
    assert lost["20 frames", "level"] == "+0.00 [+0.00, +0.00]"
    assert lost["20 frames", "falling"].startswith("+0.38 [+0.3")
    assert slices.best_starts_in_words({20: tables}) == "20 frames: falling 0, level 0"


def test_excess_over_the_limit_is_in_standard_errors():
    states = np.zeros((100, 30), int)
    states[50:, 10:] = 1
    table = slice_table({0: states[:, 0], 10: np.repeat([0, 1], [60, 40])}, 20, states)
    decline = slices.Decline.__new__(slices.Decline)  # without the solver
    decline.frames, decline.limit = np.array([0, 10]), np.array([1.0, 0.5])
    decline.by_length = {20: {"small": table}}
    assert decline.largest_excess() == (pytest.approx(0.1 / 0.05), 1)
    assert slices.largest_excess([decline, decline]) == (pytest.approx(0.1 / 0.05), 2)


def test_best_guesses_reach_the_exact_limit_on_simulated_trajectories():
    data = make_dataset(2000, "validation", index=8, n_frames=21, regime="wild")
    solver = GridSolver(data.config.beta, data.config.diffusion, grid_step=0.05)
    posterior = label_posterior(solver, [0, 2, 20], data.config.frame_time)
    copying = slices.copying_accuracy(solver, posterior)
    states = assign_states(data.trajectories)
    for number, frame in enumerate(posterior.frames):
        at_frame = data.trajectories[:, frame]
        # Bayes' rule on the grid; at frame 0 the state is the label
        joint = solver.interpolate(posterior.joint[number], at_frame, fill_value=0.0)
        guessed = joint.argmax(axis=0) if frame else states[:, 0]
        for found, exact in (
            ((guessed == data.labels).mean(), posterior.accuracy[number]),
            ((states[:, frame] == data.labels).mean(), copying[number]),
        ):
            error = np.sqrt(max(exact * (1 - exact), 1e-12) / len(data))
            assert abs(found - exact) < 4 * error + 2e-3
