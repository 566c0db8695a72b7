"""Tables and figures of exact results."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mb_support.plotting import potential as landscape
from mb_support.reference import GridSolver, noise_floor
from mb_support.simulation import REGIMES, sample_starts, simulate
from mb_support.states import DISK_A, DISK_B
from mb_support.studies import potential as exact

CONFIG = replace(REGIMES["metastable"], n_frames=9)


@pytest.fixture(scope="module")
def solver():
    return GridSolver(CONFIG.beta, CONFIG.diffusion, grid_step=0.05)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("mb_support.files.cache.CACHE", tmp_path)


def test_stationary_points_have_no_force():
    table = exact.stationary_points()
    assert (table["force"] < 1e-8).all()
    assert table["energy"].idxmin() == "A"


def test_published_values_are_met_to_one_per_cent():
    table = exact.compare_with_published(0.04)
    scalars, committors = table[:2], table[2:]
    assert (scalars["difference"].abs() < 0.01 * scalars["finite elements"]).all()
    assert (committors["difference"].abs() < 0.002).all()
    assert len(committors) == 9


def test_kinetics_are_stored_and_consistent():
    table = exact.kinetics_table({"default": CONFIG}, 0.08)
    again = exact.kinetics_table({"default": CONFIG}, 0.08)
    assert table.equals(again)
    column = table["default"]
    share = column["P(last in A)"]
    assert column["rate A to B"] * share == pytest.approx(column["reactive flux"])
    assert column["rate B to A"] * (1 - share) == pytest.approx(column["reactive flux"])
    assert column["timescale 1"] > 10 * column["timescale 2"]


def test_orders_of_made_up_changes():
    steps = np.array([0.4, 0.2, 0.1])
    changes = exact.pd.DataFrame({"first": steps, "second": 3 * steps**2}, index=steps)
    np.testing.assert_allclose(exact.observed_orders(changes), [1, 2])


def test_no_forecast_is_better_than_the_conditional_mean(solver):
    errors = exact.forecast_errors(solver, [1, 5], CONFIG.frame_time)
    assert (errors["exact floor"] < errors["last frame"]).all()
    assert (errors["exact floor"] < errors["mean"]).all()
    assert errors["exact floor"].is_monotonic_increasing
    by_moments = [noise_floor(solver, CONFIG.frame_time * k).sum() for k in (1, 5)]
    np.testing.assert_allclose(errors["exact floor"], by_moments, rtol=1e-8)


@pytest.mark.slow
def test_floor_table_rises_with_the_time_step():
    table = exact.floor_table(REGIMES["metastable"], grid_step=0.05)
    assert table.loc["data, as simulated", "sum"] > table.loc["data", "sum"]
    # the grid's propagator converges to the same values from below
    steps = np.array([0.05, 0.025])
    coarse, fine = (
        noise_floor(GridSolver(CONFIG.beta, CONFIG.diffusion, step), CONFIG.frame_time).sum()
        for step in steps
    )
    assert table.loc["equilibrium", "sum"] == pytest.approx(fine + (fine - coarse) / 3, rel=2e-3)
    np.testing.assert_allclose(table["sum"], table["x"] + table["y"])


def test_the_floor_of_an_odd_stride_is_refused():
    with pytest.raises(ValueError, match="stride must be even; got 201"):
        exact.floor_table(replace(CONFIG, stride=201), grid_step=0.05)


def test_label_curves_agree_with_simulation(solver):
    frames = [0, 1, 8]
    trajectories = simulate(CONFIG, sample_starts(4000, 5), 5)[:, frames]
    exact_curves, simulated = exact.label_curves(solver, CONFIG, frames, trajectories)
    accuracy, error = simulated["first frame's state"]
    limit = exact_curves["first frame's state"]
    assert np.all(np.abs(accuracy - limit) < 2 * error + 1e-3)
    assert accuracy[0] == limit[0] == 1
    assert exact_curves["last frame's state"][-1] == 1


def test_spread_frames_hold_the_first_the_last_and_more_early_than_late():
    frames = exact.spread_frames(512, 10, late=(0.95,))
    assert frames[0] == 0 and frames[1] == 1 and frames[-1] == 511 and 485 in frames
    assert (np.diff(frames) > 0).all() and frames.dtype.kind == "i"
    assert (frames < 100).sum() > (frames >= 100).sum()
    assert exact.spread_frames(2, 5).tolist() == [0, 1]
    with pytest.raises(ValueError, match="n_frames must be at least 2"):
        exact.spread_frames(1, 5)


def test_every_figure_of_the_landscape_is_drawn(solver):
    _, axes = plt.subplots(2, 4)
    axes = axes.ravel()
    energy = np.minimum(exact.potential(solver.positions), 500)
    box = [[-1.5, -0.2], [1.2, 2.0]]
    points = exact.stationary_points()
    ridge = np.array([[-1, 0], [0, 1]])
    committor = solver.committor(DISK_A, DISK_B)
    changes = exact.pd.DataFrame({"one": [0.4, 0.1]}, index=[0.2, 0.1])
    errors = exact.pd.DataFrame({"floor": [1.0, 2.0], "other": [2.0, 3.0]}, index=[1, 10])
    drawn = [
        landscape.plot_surface(solver.x, solver.y, energy, points, box, ridge, ax=axes[0]),
        landscape.plot_free_energy(solver.x, solver.y, energy / 15 + 10, ax=axes[1]),
        landscape.plot_committor(solver.x, solver.y, committor, (DISK_A, DISK_B), ax=axes[2]),
        landscape.plot_timescales([3.0, 0.1], 0.005, 5.0, ax=axes[3]),
        landscape.plot_convergence(changes, ax=axes[4]),
        landscape.plot_forecast_error(errors, ax=axes[5]),
        landscape.plot_label_knowledge(
            [0, 1], {"a": [1, 0.9]}, {"a": ([1.0, 0.9], [0.0, 0.01])}, ax=axes[6]
        ),
    ]
    assert drawn == list(axes[:7])
    assert all(ax.has_data() for ax in drawn)
    plt.close("all")
