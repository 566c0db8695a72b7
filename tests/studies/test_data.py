"""What the data chapter computes: densities, passages, rates and step errors beside the exact."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from mb_support.datasets import TrajectorySet
from mb_support.plotting import data as figures
from mb_support.potential import MINIMA, SADDLES, potential
from mb_support.simulation import REGIMES, sample_starts, simulate
from mb_support.states import assign_states
from mb_support.studies import data as sampling

METASTABLE = REGIMES["metastable"]
HOT = replace(METASTABLE, beta=1 / 30)  # crosses often, so that little simulation suffices


def test_exact_marginal_is_a_density_and_follows_direct_quadrature():
    edges = np.linspace(-4.0, 2.5, 201)
    density = sampling.exact_marginal(0, edges, METASTABLE.beta)
    assert density.sum() * (edges[1] - edges[0]) == pytest.approx(1, abs=1e-6)
    # the ratio of two columns, by a plain sum along y
    y = np.linspace(-1.5, 3.0, 9001)
    columns = [
        np.exp(-METASTABLE.beta * potential(np.stack([np.full_like(y, x), y], -1))).sum()
        for x in (-0.6, 0.6)
    ]
    narrow = np.array([-0.605, -0.595]), np.array([0.595, 0.605])
    exact = [sampling.exact_marginal(0, e, METASTABLE.beta, n_fine=1)[0] for e in narrow]
    assert exact[0] / exact[1] == pytest.approx(columns[0] / columns[1], rel=0.01)


def test_equilibrium_marginals_agree_with_the_exact_ones():
    frames = sampling.equilibrium_frames(HOT, 256, 3, burn_in=8.0, length=8.0, spacing=0.05)
    assert frames.shape == (256, 160, 2)
    table = sampling.marginal(frames, 1, np.linspace(-0.4, 2.0, 13), HOT.beta)
    deviation = (table["simulated"] - table["exact"]) / table["error"]
    assert (deviation.abs() < 4).all()


def test_basin_energy_of_a_narrow_basin_is_that_of_its_parabola():
    # equipartition: half kT for each of two directions
    cold = sampling.basin_energy(MINIMA[0], 0.1, 1 / 0.01)
    assert cold - potential(MINIMA[0]) == pytest.approx(0.01, rel=0.01)


def test_passage_table_agrees_with_the_solver():
    table = sampling.passage_table(METASTABLE, (30.0,), 400, 5, 0.04)
    assert table["passage"].tolist() == ["A to B", "B to A"]
    assert (table["deviation"].abs() < 4).all()
    assert (table["error"] / table["simulated"] < 0.07).all()


def test_rate_table_agrees_with_the_solver():
    table = sampling.rate_table(replace(HOT, stride=10), 128, 30.0, 6, 0.04)
    assert (table["events"] > 100).all()
    assert (table["deviation"].abs() < 4).all()


def test_step_errors_have_the_order_of_euler_maruyama():
    table = sampling.step_error_table(METASTABLE, ("overdamped",), (4e-4, 8e-4, 1.6e-3), 512, 7)
    order, error = sampling.measured_order(table, "overdamped")
    assert error < 0.2 and abs(order - 1) < 3 * error


def test_measured_order_of_a_made_up_power_law_is_its_power():
    dt = np.array([1e-3, 2e-3, 4e-3])
    table = pd.DataFrame({"integrator": "x", "dt": dt, "bias": -3 * dt**2, "error": 1e-9})
    assert sampling.measured_order(table, "x")[0] == pytest.approx(2)


def test_regime_table_says_what_a_frame_and_a_trajectory_last():
    row = sampling.regime_table({"own": METASTABLE}).loc["own"]
    assert float(row["between frames"]) == pytest.approx(METASTABLE.stride * METASTABLE.dt)
    assert float(row["D"]) == pytest.approx(METASTABLE.diffusion)
    apart, n_frames = float(row["between frames"]), row["frames"]
    assert float(row["duration"]) == pytest.approx(apart * (n_frames - 1), rel=1e-2)


def test_speed_table_reads_what_the_benchmark_writes(tmp_path):
    row = {"name": "ours", "median_steps_per_s": 9e8, "median_steps_per_core_s": 4.5e8}
    path = tmp_path / "benchmark_simulator.json"
    path.write_text(json.dumps({"rows": [row | {"ours_is_faster_by": 1.0}], "machine": {}}))
    table, record = sampling.speed_table(tmp_path)
    assert table["million steps a second"].tolist() == [900.0] and record["machine"] == {}


def test_share_below_the_saddle_is_that_of_random_points_of_the_box():
    n = 200_000
    share = sampling.share_below_saddle()
    found = (potential(sample_starts(n, 20_001)) < potential(SADDLES[0])).mean()
    n_errors = 4
    assert abs(share - found) < n_errors * np.sqrt(share * (1 - share) / n)
    assert share == pytest.approx(sampling.share_below_saddle(400), abs=1e-3)


def made_up(places):
    """A set with one trajectory for each word of A and B."""
    frames = np.array([[MINIMA["AB".index(letter)] for letter in word] for word in places.split()])
    return TrajectorySet(frames, assign_states(frames[:, 0]), None, 0)


def test_labels_are_counted_by_hand():
    table = sampling.label_table({"few": made_up("AAA ABA BBA BBB")}, early=1)
    row = table.loc["few"]
    assert row["trajectories"] == 4 and row["label B"] == 50
    assert row["other state at frame 1"] == 25 and row["ends in other state"] == 25
    assert row["label B error"] == 25  # 100 sqrt(1/2 1/2 / 4)


def test_an_early_frame_beyond_the_trajectories_is_refused():
    with pytest.raises(ValueError, match=r"early must lie in 1\.\.2 for 'few'; got 3"):
        sampling.label_table({"few": made_up("AAA BBB")}, early=3)


def test_figures_draw_into_given_axes_and_return_them():
    config = replace(METASTABLE, n_frames=30)
    paths = simulate(config, sample_starts(20, 1), 1)
    times, states = config.frame_time * np.arange(30), assign_states(paths)
    grid = np.linspace(-1, 1, 20)
    numbers = pd.DataFrame({"exact": [1.0, 2.0], "simulated": [1.1, 1.9], "error": [0.1, 0.1]})
    steps = pd.DataFrame(
        {"integrator": ["overdamped"] * 2, "dt": [1e-4, 2e-4], "bias": [0.1, 0.2], "error": 0.01}
    )
    speed = pd.DataFrame({"program": ["ours", "NumPy"], "million steps a second": [900.0, 5.0]})
    draw = {
        "starts": lambda ax: figures.plot_starts(paths[:, 0], states[:, 0], paths[0], ax=ax),
        "trace": lambda ax: figures.plot_trace(times, paths[0, :, 0], states[0], ax=ax),
        "path": lambda ax: figures.plot_path(
            paths[0], times, grid, grid, np.add.outer(grid, grid), ax=ax
        ),
        "marginal": lambda ax: figures.plot_marginal(numbers.assign(centre=[0, 1]), "x", ax=ax),
        "ratios": lambda ax: figures.plot_ratios(numbers, ["a", "b"], ax=ax),
        "steps": lambda ax: figures.plot_step_error(steps, ax=ax),
        "speed": lambda ax: figures.plot_speed(speed, ax=ax),
    }
    for name, function in draw.items():
        figure, ax = plt.subplots()
        assert function(ax) is ax, name
        assert ax.get_xlabel(), name
        plt.close(figure)


def test_the_share_of_b_is_that_of_random_starts():
    labels = assign_states(sample_starts(100_000, 20_002))
    assert sampling.share_of_b() == pytest.approx(labels.mean(), abs=4 * 0.5 / np.sqrt(100_000))


def test_shares_are_given_in_per_cent_with_their_errors():
    table = sampling.in_per_cent(sampling.label_table({"few": made_up("AAA ABA BBA BBB")}, 1))
    assert table.loc["few", "trajectories"] == 4
    assert table.loc["few", "label B (%)"] == "50.0 ± 25.0"
