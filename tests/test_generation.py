"""The sliding window, and forecasts against exact ones."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import nn

from mb_support import forecast_scores, generation, inference
from mb_support.datasets import make_dataset
from mb_support.generation import generate
from mb_support.model import TrajectoryConfig, TrajectoryTransformer
from mb_support.reference import GridSolver
from mb_support.simulation import REGIMES, SimulationConfig, simulate


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    config = TrajectoryConfig.of_size("small", initializer_range=0.3, hidden_dropout_prob=0.5)
    return TrajectoryTransformer(config).eval()


@pytest.fixture(scope="module")
def prompt():
    rng = np.random.default_rng(5)
    return np.cumsum(rng.normal(size=(3, 12, 2)), axis=1).astype(np.float32)


class Copier(TrajectoryTransformer):
    """A model whose every output is the frame it sits on; it notes the windows it is shown."""

    def __init__(self):
        super().__init__(TrajectoryConfig.of_size("small"))
        self.feature_predictor = nn.Identity()
        self.windows = []

    def standardise(self, frames, attention_mask=None):
        self.windows.append(frames.clone())
        return super().standardise(frames, attention_mask)

    def encode(self, standardised, attention_mask=None):
        return standardised


def counting(n_frames):
    return torch.arange(n_frames, dtype=torch.float32)[None, :, None].expand(1, n_frames, 2)


def test_first_frame_is_one_forward_pass_and_the_second_sees_it(model, prompt):
    generated = generate(model, prompt, 2)
    with torch.no_grad():
        first = model(torch.from_numpy(prompt)).next_frames[:, -1:]
        window = torch.cat([torch.from_numpy(prompt)[:, 1:], first], dim=1)
        second = model(window).next_frames[:, -1:]
    np.testing.assert_array_equal(generated[:, :12], prompt)
    np.testing.assert_allclose(generated[:, 12:], torch.cat([first, second], 1), atol=1e-5)


def test_several_frames_are_the_last_outputs(model, prompt):
    generated = generate(model, prompt, 4, frames_per_step=4)
    with torch.no_grad():
        outputs = model(torch.from_numpy(prompt)).next_frames[:, -4:]
    np.testing.assert_allclose(generated[:, 12:], outputs, atol=1e-5)


def test_several_frames_of_a_copier_repeat_the_end_of_the_prompt():
    generated = generate(Copier(), counting(10), 7, frames_per_step=3)
    np.testing.assert_allclose(generated[0, 10:, 0], [7, 8, 9, 7, 8, 9, 7], atol=1e-5)


def test_the_window_slides_and_never_skips_a_frame():
    model = Copier()
    generate(model, counting(6), 8, frames_per_step=2)
    assert [w.shape[1] for w in model.windows] == [6] * 4
    np.testing.assert_allclose(model.windows[1][0, :, 0], [2, 3, 4, 5, 4, 5], atol=1e-5)


def test_a_longer_window_grows_first_and_a_shorter_one_sees_the_end():
    model = Copier()
    generate(model, counting(6), 4, window_length=8)
    assert [w.shape[1] for w in model.windows] == [6, 7, 8, 8]
    model.windows.clear()
    generate(model, counting(6), 2, window_length=4)
    np.testing.assert_array_equal(model.windows[0][0, :, 0], [2, 3, 4, 5])


def test_statistics_of_the_prompt_are_kept(model, prompt):
    frames = torch.from_numpy(prompt)
    fixed = generate(model, frames, 2, statistics="prompt")
    torch.testing.assert_close(fixed[:, 12], generate(model, frames, 1)[:, 12])
    window = torch.cat([frames[:, 1:], fixed[:, 12:13]], dim=1)
    _, mean, std = model.standardise(frames)
    with torch.no_grad():
        second = mean + std * model.feature_predictor(model.encode((window - mean) / std))
    torch.testing.assert_close(fixed[:, 13], second[:, -1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("k", [1, 5])
def test_a_longer_run_begins_like_a_shorter_one(model, prompt, k):
    long, short = generate(model, prompt, 13, k), generate(model, prompt, 7, k)
    np.testing.assert_array_equal(long[:, :19], short)


def test_result_is_of_the_kind_of_the_prompt(model, prompt):
    array = generate(model, prompt.astype(np.float64), 3)
    tensor = generate(model, torch.from_numpy(prompt), 3)
    assert isinstance(array, np.ndarray) and array.dtype == np.float32
    assert isinstance(tensor, torch.Tensor) and not tensor.requires_grad
    assert array.shape == tuple(tensor.shape) == (3, 15, 2)
    np.testing.assert_array_equal(array, tensor.numpy())


def test_shift_and_scale_of_the_prompt_carry_over(model, prompt):
    scaled = generate(model, 3 * prompt + [5, -2], 6)
    np.testing.assert_allclose(scaled, 3 * generate(model, prompt, 6) + [5, -2], atol=2e-3)


def test_the_model_is_left_as_it_was(model, prompt):
    model.train()
    model.set_attn_implementation("eager")
    generated = generate(model, prompt, 3)
    assert model.training and model.config._attn_implementation == "eager"
    assert all(p.grad is None for p in model.parameters())
    model.eval()
    model.set_attn_implementation("sdpa")
    np.testing.assert_allclose(generate(model, prompt, 3), generated, atol=1e-5)
    assert model.config._attn_implementation == "sdpa"


def test_batches_do_not_matter(model, prompt, monkeypatch):
    together = generate(model, prompt, 4)
    monkeypatch.setattr(inference, "FRAMES_PER_BATCH", 24)
    np.testing.assert_allclose(generate(model, prompt, 4), together, atol=1e-5)


def test_a_fixed_point_is_no_error():
    stuck = Copier()
    stuck.feature_predictor = nn.Threshold(1e9, 0.0)  # always the mean of the window
    generated = generate(stuck, counting(5), 400).numpy()
    assert np.isfinite(generated).all()
    assert generation.is_standing_still(generated, 50).all()
    assert not generation.is_standing_still(counting(60).numpy(), 50).any()


def test_a_window_that_is_constant_to_the_last_bit_is_no_error():
    stuck = Copier()
    stuck.feature_predictor = nn.Threshold(1e9, 0.0)
    rest = generate(stuck, counting(2) * 0 + torch.tensor([[[0.0, 0.0], [1e-6, 1e-6]]]), 300)
    assert (rest[0, -1] == rest[0, -2]).all() and torch.isfinite(rest).all()


BAD = {
    "shape": (np.zeros((4, 2)), {}, "prompt.*shape"),
    "features": (np.zeros((1, 4, 3)), {}, "prompt.*shape"),
    "one frame": (np.ones((1, 1, 2)), {}, "prompt.*at least 2 frames"),
    "empty": (np.ones((0, 5, 2)), {}, "prompt.*at least one"),
    "nan": (np.full((1, 5, 2), np.nan), {}, "prompt.*NaN"),
    "constant": (np.ones((1, 5, 2)), {}, "prompt.*constant"),
    "text": (np.full((1, 5, 2), "a"), {}, "prompt must hold real numbers"),
    "too long": (counting(1025), {}, "1025 frames.*1024.*window_length"),
    "no step": (counting(9), {"n_steps": 0}, "n_steps must be at least 1; got 0"),
    "half a step": (counting(9), {"n_steps": 1.5}, "n_steps must be an integer"),
    "no frame": (counting(9), {"frames_per_step": 0}, "frames_per_step must be from 1 to 9"),
    "too many": (counting(9), {"frames_per_step": 10}, "frames_per_step.*got 10"),
    "tiny window": (counting(9), {"window_length": 1}, "window_length must be from 2 to 1024"),
    "wide window": (counting(9), {"window_length": 1025}, "window_length.*got 1025"),
    "statistics": (counting(9), {"statistics": "none"}, "statistics must be one of.*got 'none'"),
    "block over window": (
        counting(9),
        {"window_length": 4, "frames_per_step": 5},
        "frames_per_step must be from 1 to 4",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_requests_are_refused(model, case):
    bad_prompt, settings, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        generate(model, bad_prompt, **{"n_steps": 3, **settings})


def test_a_long_prompt_needs_only_a_window(model):
    rng = np.random.default_rng(0)
    assert generate(model, rng.normal(size=(1, 1100, 2)), 2, window_length=50).shape == (1, 1102, 2)


@pytest.fixture(scope="module")
def solver():
    config = REGIMES["metastable"]
    return GridSolver(config.beta, config.diffusion, grid_step=0.04)


def test_exact_forecast_agrees_with_simulation(solver):
    config = SimulationConfig(beta=1 / 15, diffusion=1.0, dt=1e-4, stride=50, n_frames=21)
    points = np.array([[-0.6, 1.3], [-0.1, 0.6]])
    exact = forecast_scores.exact_forecast(solver, points, config.frame_time, [1, 5, 20])
    for i, point in enumerate(points):
        runs = simulate(config, np.tile(point, (4000, 1)), seed=11)[:, [1, 5, 20]]
        error = runs.std(axis=0) / np.sqrt(len(runs))
        # The grid of this test is good to some 0.004, beside five standard errors.
        assert (abs(runs.mean(axis=0) - exact.means[i]) < 5 * error + 0.004).all()
        spread = runs.var(axis=0)
        np.testing.assert_allclose(exact.variances[i], spread, rtol=0.12)


def test_no_baseline_beats_the_exact_forecast(solver):
    config = SimulationConfig(beta=1 / 15, diffusion=1.0, dt=1e-4, stride=50, n_frames=60)
    data = simulate(config, np.tile([-0.2, 0.8], (300, 1)), seed=4)
    prompt, future = data[:, :40], data[:, 40:]
    horizons = forecast_scores.forecast_horizons(20, 6)
    exact = forecast_scores.exact_forecast(solver, prompt[:, -1], config.frame_time, horizons)
    floor = forecast_scores.squared_errors(exact.means, future[:, horizons - 1]).mean(axis=0)
    for forecast in forecast_scores.baseline_forecasts(prompt, 20).values():
        errors = forecast_scores.squared_errors(forecast, future)[:, horizons - 1].mean(axis=0)
        assert (errors > floor).all()
    np.testing.assert_allclose(floor, exact.variances.sum(axis=-1).mean(axis=0), rtol=0.2)


@pytest.mark.parametrize(
    ("horizons", "message"),
    [([], "sequence of integers"), ([0, 1], "ascend"), ([2, 2], "ascend"), ([0.5], "integers")],
)
def test_horizons_are_checked(solver, horizons, message):
    with pytest.raises(ValueError, match=message):
        forecast_scores.exact_forecast(solver, [[0, 0.5]], 0.005, horizons)


def test_horizons_run_from_one_to_the_last():
    horizons = forecast_scores.forecast_horizons(200, 15)
    assert horizons[0] == 1 and horizons[-1] == 200 and (np.diff(horizons) > 0).all()


def test_squared_errors_sum_over_coordinates():
    errors = forecast_scores.squared_errors(
        np.zeros((1, 2, 2)), np.array([[[3.0, 4.0], [0.0, 1.0]]])
    )
    np.testing.assert_array_equal(errors, [[25, 1]])
    with pytest.raises(ValueError, match="one shape"):
        forecast_scores.squared_errors(np.zeros((1, 2, 2)), np.zeros((1, 3, 2)))


def test_bands_are_as_wide_as_the_standard_error_says():
    values = np.random.default_rng(2).normal(size=(400, 3))
    mean, low, high = forecast_scores.mean_with_band(values)
    np.testing.assert_allclose(mean, values.mean(axis=0))
    np.testing.assert_allclose(high - low, 2 * 1.96 * values.std(axis=0) / 20, rtol=0.15)
    with pytest.raises(ValueError, match="two trajectories"):
        forecast_scores.mean_with_band(values[:1])


def test_echo_is_one_for_a_copy_and_none_for_noise():
    rng = np.random.default_rng(6)
    generated = rng.normal(size=(200, 60, 2))
    assert abs(generation.echo(generated, 30, 30).mean()) < 0.05
    generated[:, 30:] = 2 * generated[:, :30] + 1
    np.testing.assert_allclose(generation.echo(generated, 30, 30), 1)
    generated[:, 30:59] = 2 * generated[:, 1:30] + 1
    np.testing.assert_allclose(generation.echo(generated, 30, 30, shift=1), 1)
    assert abs(generation.echo(generated, 30, 30).mean()) < 0.05
    with pytest.raises(ValueError, match="frames_per_step"):
        generation.echo(generated, 30, 31)


def test_continuations_are_kept_and_are_those_of_generate(model, tmp_path, monkeypatch):
    monkeypatch.setattr(inference.paths, "CACHE", tmp_path)
    data = make_dataset(4, "validation", n_frames=30)
    first = generation.continue_set(model, data, 3, 20, 6, frames_per_step=2)
    np.testing.assert_array_equal(first, generate(model, data.trajectories[:3, :20], 6, 2))
    monkeypatch.setattr(generation, "generate", None)  # not called again
    np.testing.assert_array_equal(generation.continue_set(model, data, 3, 20, 6, 2), first)


def test_one_step_forecasts_end_in_one_frame(model, prompt):
    forecasts = generation.one_step_forecasts(model, prompt, 9, [5, 10])
    np.testing.assert_array_equal(forecasts[0], generate(model, prompt[:, 5:10], 1)[:, -1])
    np.testing.assert_array_equal(forecasts[1], generate(model, prompt[:, :10], 1)[:, -1])
    with pytest.raises(ValueError, match="lengths must be from 2 to 10; got 11"):
        generation.one_step_forecasts(model, prompt, 9, [11])


def test_densities_of_a_coordinate(solver):
    weight = solver.stationary_density() * solver.cell_area
    chosen = np.random.default_rng(9).choice(weight.size, size=20_000, p=weight.ravel())
    points = solver.positions.reshape(-1, 2)[chosen]
    edges, exact, found = forecast_scores.coordinate_densities(solver, 1, sample=points)
    assert (exact * np.diff(edges)).sum() == pytest.approx(1, abs=1e-6)
    probability = exact * np.diff(edges)
    error = np.sqrt(probability / len(points)) / np.diff(edges)
    assert (abs(found["sample"] - exact) < 5 * error + 1e-3).all()
    with pytest.raises(ValueError, match="coordinate must be from 0 to 1"):
        forecast_scores.coordinate_densities(solver, 2)


def test_distance_from_boltzmann_is_the_divergence_of_histograms(solver):
    weight = solver.stationary_density() * solver.cell_area
    rng = np.random.default_rng(8)
    chosen = rng.choice(weight.size, size=5000, p=weight.ravel() / weight.sum())
    points = solver.positions.reshape(-1, 2)[chosen]
    points = points + rng.uniform(-0.4, 0.4, points.shape) * solver.grid_step
    counts = np.bincount(chosen, minlength=weight.size)
    expected = jensenshannon(weight.ravel(), counts, base=2) ** 2
    assert forecast_scores.distance_from_boltzmann(solver, points) == pytest.approx(expected)
    # wider bins hold less noise
    assert forecast_scores.distance_from_boltzmann(solver, points, 4) < expected / 3
    assert forecast_scores.distance_from_boltzmann(solver, [[50.0, 50.0]]) == pytest.approx(1)
    for bad in ({"frames": np.empty((0, 2))}, {"frames": points, "coarsening": 0}):
        with pytest.raises(ValueError, match="frames|coarsening"):
            forecast_scores.distance_from_boltzmann(solver, **bad)


def test_skill_is_the_error_saved():
    actual = np.zeros((300, 2))
    reference = np.random.default_rng(1).normal(size=(300, 2))
    value, low, high = forecast_scores.skill(reference / 2, reference, actual)
    assert value == pytest.approx(0.75) and low == pytest.approx(0.75) == high
    other = np.random.default_rng(2).normal(size=(300, 2))
    value, low, high = forecast_scores.skill(other, reference, actual)
    assert low < 0 < high and low < value < high


def test_error_growth_is_the_mean_error_at_the_horizons():
    rng = np.random.default_rng(3)
    forecast, actual = rng.normal(size=(2, 50, 9, 2))
    mean, low, high = forecast_scores.error_growth(forecast, actual, [1, 9])
    errors = forecast_scores.squared_errors(forecast, actual)
    np.testing.assert_allclose(mean, errors[:, [0, 8]].mean(axis=0))
    assert (low < mean).all() and (mean < high).all()


def test_long_runs_are_told_apart(solver):
    rng = np.random.default_rng(4)
    a, b = np.array([-0.558, 1.442]), np.array([0.623, 0.028])
    hopping = np.where(np.arange(1000)[:, None] // 100 % 2, b, a)[None].repeat(2, axis=0)
    runs = {
        "still": np.tile(a, (3, 1000, 1)),
        "hopping": hopping + rng.normal(0, 0.1, (2, 1000, 2)),
    }
    table = forecast_scores.long_run_table(solver, runs)
    assert table.loc["still", "standing still"] == 1 and table.loc["hopping", "standing still"] == 0
    assert table.loc["still", "share of B"] == 0 and table.loc["hopping", "share of B"] == 0.5
    assert table.loc["hopping", "crossings"] == pytest.approx(9 / 999 * 1000)
    far = forecast_scores.long_run_table(solver, {"far": np.full((1, 200, 2), 9.0)})
    assert far.loc["far", "off the map"] == 1 and table["off the map"].max() == 0
    assert table.loc["hopping", "spread"] == pytest.approx(0.1 * np.sqrt(2), rel=0.15)


def test_frames_off_the_map_are_those_outside_the_grid_of_the_solver(solver):
    frames = np.array([[[0.0, 0.5], [9.0, 0.5]], [[0.0, -9.0], [np.inf, 0.5]]])
    off = forecast_scores.is_off_the_map(solver, frames)
    np.testing.assert_array_equal(off, [[False, True], [True, True]])
