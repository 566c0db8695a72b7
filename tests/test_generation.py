"""The sliding window, and what becomes of continuations."""

import numpy as np
import pytest
import torch
from torch import nn

from mb_support import generation
from mb_support.datasets import make_dataset
from mb_support.generation import generate
from mb_support.model import TrajectoryConfig, TrajectoryTransformer, inference
from mb_support.reference import GridSolver
from mb_support.simulation import REGIMES
from mb_support.studies.generation.study import forecast_horizons, squared_errors


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
    assert isinstance(array, np.ndarray) and array.dtype == np.float64
    assert isinstance(tensor, torch.Tensor) and not tensor.requires_grad
    assert tensor.dtype == torch.float32
    assert array.shape == tuple(tensor.shape) == (3, 15, 2)
    np.testing.assert_allclose(array, tensor.numpy(), atol=1e-5)


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


def test_a_particle_in_a_valley_does_not_stand_still():
    valleys = make_dataset(50, "validation", n_frames=120).trajectories[:, 60:]
    assert not generation.is_standing_still(valleys, 20).any()


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
    "no step": (counting(9), {"n_steps": 0}, "n_steps must be an integer of at least 1; got 0"),
    "half a step": (counting(9), {"n_steps": 1.5}, "n_steps must be an integer"),
    "no frame": (
        counting(9),
        {"frames_per_step": 0},
        "frames_per_step .* from 1 to 9",
    ),
    "too many": (counting(9), {"frames_per_step": 10}, "frames_per_step.*got 10"),
    "tiny window": (
        counting(9),
        {"window_length": 1},
        "window_length .* from 2 to 1024",
    ),
    "wide window": (counting(9), {"window_length": 1025}, "window_length.*got 1025"),
    "statistics": (counting(9), {"statistics": "none"}, "statistics must be one of.*got 'none'"),
    "block over window": (
        counting(9),
        {"window_length": 4, "frames_per_step": 5},
        "frames_per_step must be an integer from 1 to 4",
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


def test_horizons_run_from_one_to_the_last():
    horizons = forecast_horizons(200, 15)
    assert horizons[0] == 1 and horizons[-1] == 200 and (np.diff(horizons) > 0).all()


def test_squared_errors_sum_over_coordinates():
    errors = squared_errors(np.zeros((1, 2, 2)), np.array([[[3.0, 4.0], [0.0, 1.0]]]))
    np.testing.assert_array_equal(errors, [[25, 1]])


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


def test_one_step_forecasts_end_in_one_frame(model, prompt):
    forecasts = generation.one_step_forecasts(model, prompt, 9, [5, 10])
    np.testing.assert_array_equal(forecasts[0], generate(model, prompt[:, 5:10], 1)[:, -1])
    np.testing.assert_array_equal(forecasts[1], generate(model, prompt[:, :10], 1)[:, -1])
    with pytest.raises(ValueError, match="lengths must be an integer from 2 to 10; got 11"):
        generation.one_step_forecasts(model, prompt, 9, [11])


def test_frames_off_the_map_are_those_outside_the_grid_of_the_solver(solver):
    frames = np.array([[[0.0, 0.5], [9.0, 0.5]], [[0.0, -9.0], [np.inf, 0.5]]])
    off = generation.is_off_the_map(solver, frames)
    np.testing.assert_array_equal(off, [[False, True], [True, True]])


def test_continuations_are_told_apart_by_how_they_end(solver):
    a, rng = np.array([-0.558, 1.442]), np.random.default_rng(4)
    generated = np.tile(a, (4, 60, 1))
    generated[1] += rng.normal(0, 0.1, (60, 2))
    generated[2, 10:, 0] -= 0.1 * np.arange(50)  # by 0.1 in each frame, off the map after a while
    generated[3, 30:] = 9.0
    found = generation.how_they_end(solver, generated, 10, largest_step=1.0)
    assert found["end"].tolist() == ["at rest", "moving", "drifted off", "jumped off"]
    edge = int((a[0] - solver.x[0]) // 0.1) + 1
    assert found["left"].tolist() == [-1, -1, edge, 20]
    assert found["off"].tolist() == pytest.approx([0, 0, 1 - edge / 50, 0.6])
    assert found["from_minimum"][0] == pytest.approx(0, abs=1e-3)
    assert generation.how_they_end(solver, generated, 10, 20.0)["end"][3] == "drifted off"
    with pytest.raises(ValueError, match="n_prompt must be an integer from 1 to 59"):
        generation.how_they_end(solver, generated, 60, 1.0)
