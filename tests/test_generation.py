"""The sliding window: what it shows the model, what it appends, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from mb_support.generation import generate
from mb_support.model import TrajectoryConfig, TrajectoryTransformer, inference


def new_model(**settings):
    torch.manual_seed(3)
    settings = {"initializer_range": 0.3, "hidden_dropout_prob": 0.5} | settings
    return TrajectoryTransformer(TrajectoryConfig.of_size("small", **settings)).eval()


def walks(n_features=2):
    steps = np.random.default_rng(5).normal(size=(3, 12, n_features))
    return np.cumsum(steps, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return new_model()


@pytest.fixture(scope="module")
def prompt():
    return walks()


class Copier(TrajectoryTransformer):
    """A model whose every output is the frame it sits on; it notes the windows it is shown."""

    def __init__(self, head=None):
        super().__init__(TrajectoryConfig.of_size("small"))
        self.feature_predictor = head or nn.Identity()
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


@pytest.mark.parametrize("n_features", [1, 3, 10])
def test_frames_have_as_many_features_as_the_model(n_features):
    model, prompt = new_model(n_features=n_features), walks(n_features)
    generated = generate(model, prompt, 5, frames_per_step=2)
    assert generated.shape == (3, 17, n_features)
    _, mean, std = model.standardise(torch.from_numpy(prompt))
    with torch.no_grad():
        outputs = model.feature_predictor(model.encode((torch.from_numpy(prompt) - mean) / std))
    np.testing.assert_allclose(generated[:, 12:14], (mean + std * outputs)[:, -2:], atol=1e-5)


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
    long = np.random.default_rng(0).normal(size=(1, 1100, 2))  # more than the model has positions
    assert generate(model, long, 2, window_length=5).shape == (1, 1102, 2)


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
    np.testing.assert_allclose(array, tensor.numpy(), atol=1e-5)


def test_shift_and_scale_of_the_prompt_carry_over(model, prompt):
    scaled = generate(model, 3 * prompt + [5, -2], 6)
    np.testing.assert_allclose(scaled, 3 * generate(model, prompt, 6) + [5, -2], atol=2e-3)


def test_the_model_is_left_as_it_was(model, prompt):
    before = generate(model, prompt, 3)
    model.train()
    model.set_attn_implementation("eager")
    np.testing.assert_allclose(generate(model, prompt, 3), before, atol=1e-5)
    assert model.training and model.config._attn_implementation == "eager"
    assert all(p.grad is None for p in model.parameters())
    model.eval()
    model.set_attn_implementation("sdpa")


def test_batches_do_not_matter(model, prompt, monkeypatch):
    together = generate(model, prompt, 4)
    monkeypatch.setattr(inference, "FRAMES_PER_BATCH", 24)
    np.testing.assert_allclose(generate(model, prompt, 4), together, atol=1e-5)


def test_a_fixed_point_is_no_error():
    always_the_mean = Copier(nn.Threshold(1e9, 0.0))
    generated = generate(always_the_mean, counting(5), 400)
    assert torch.isfinite(generated).all() and generated[0, -20:].std(dim=0).max() < 1e-3
    rest = torch.tensor([[[0.0, 0.0], [1e-6, 1e-6]]])  # constant to the last bit after a while
    rest = generate(always_the_mean, rest, 300)
    assert (rest[0, -1] == rest[0, -2]).all() and torch.isfinite(rest).all()


BAD = {
    "shape": (np.zeros((4, 2)), {}, r"prompt must have shape \(batch, n_prompt, 2\).*got \(4, 2\)"),
    "features": (np.zeros((1, 4, 3)), {}, "prompt has 3 features.*model was made for 2"),
    "one frame": (np.ones((1, 1, 2)), {}, "prompt.*at least 2 frames"),
    "empty": (np.ones((0, 5, 2)), {}, "prompt.*at least one"),
    "nan": (np.full((1, 5, 2), np.nan), {}, "prompt.*NaN"),
    "constant": (np.ones((1, 5, 2)), {}, "prompt.*constant"),
    "at rest": (counting(9).clamp(max=5), {"window_length": 3}, "last window_length.*constant"),
    "text": (np.full((1, 5, 2), "a"), {}, "prompt must hold real numbers"),
    "too long": (counting(1025), {}, "1025 frames.*1024.*window_length"),
    "no step": (counting(9), {"n_steps": 0}, "n_steps must be an integer of at least 1; got 0"),
    "half a step": (counting(9), {"n_steps": 1.5}, "n_steps must be an integer"),
    "no frame": (counting(9), {"frames_per_step": 0}, "frames_per_step .* from 1 to 9"),
    "too many": (counting(9), {"frames_per_step": 10}, "frames_per_step.*got 10"),
    "tiny window": (counting(9), {"window_length": 1}, "window_length .* from 2 to 1024"),
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


def test_a_model_of_four_features_refuses_two(prompt):
    with pytest.raises(ValueError, match="prompt has 2 features.*made for 4"):
        generate(new_model(n_features=4), prompt, 3)
