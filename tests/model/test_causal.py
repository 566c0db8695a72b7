"""The causal generator: it never looks ahead, its likelihood is right, it samples what it says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from mb_support import sample_starts
from mb_support.model import CausalConfig, CausalGenerator
from mb_support.model.causal import (
    AngleGenerator,
    LSTMGenerator,
    draw_displacement,
    free_displacement,
    log_likelihood,
    sample,
)
from mb_support.training.causal import (
    CausalTrainingConfig,
    FreshWindows,
    OwnWindows,
    new_generator,
    train,
    training_windows,
)


def generator(kind=CausalGenerator, window_length=8, **settings):
    torch.manual_seed(3)
    config = CausalConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=32, window_length=window_length,
        n_components=3, **settings,
    )  # fmt: skip
    return kind(config).eval()


@pytest.fixture
def model():
    return generator()


def frames(batch=4, n_frames=8, seed=0):
    return torch.randn(batch, n_frames, 2, generator=torch.Generator().manual_seed(seed)) * 0.3


def assert_same(first, second, atol=1e-6):
    for name in ("log_weights", "means", "cholesky"):
        torch.testing.assert_close(first[name], second[name], atol=atol, rtol=1e-4)


@pytest.mark.parametrize("attention", ["sdpa", "eager", "cpu_fused", "lstm"])
def test_a_later_frame_never_changes_an_earlier_forecast(model, attention):
    if attention == "lstm":
        model = generator(LSTMGenerator)
    else:
        model.set_attn_implementation(attention)
    x = frames()
    changed = x.clone()
    changed[:, 5:] += 1.0
    with torch.no_grad():
        before, after = model(x), model(changed)
    for name in ("log_weights", "means", "cholesky"):
        torch.testing.assert_close(before[name][:, :5], after[name][:, :5])
        assert not torch.allclose(before[name][:, 5:], after[name][:, 5:])


def test_attention_implementations_agree(model):
    x = frames()
    outputs = []
    for attention in ("sdpa", "eager", "cpu_fused"):
        model.set_attn_implementation(attention)
        with torch.no_grad():
            outputs.append(model(x))
    assert_same(outputs[0], outputs[1])
    assert_same(outputs[0], outputs[2])


def test_the_place_of_the_frame_matters_because_standardisation_is_fixed(model):
    x = frames()
    with torch.no_grad():
        assert not torch.allclose(model(x).means, model(x + 0.5).means, atol=1e-3)
        assert not torch.allclose(model(x).means, model(2 * x).means, atol=1e-3)


def test_likelihood_is_that_of_torch_distributions(model):
    x = frames(n_frames=9)
    with torch.no_grad():
        output = model(x)
    log_x, log_y, below = output.cholesky.unbind(-1)
    scale_tril = torch.zeros(*log_x.shape, 2, 2)
    scale_tril[..., 0, 0], scale_tril[..., 1, 1] = log_x.exp(), log_y.exp()
    scale_tril[..., 1, 0] = below
    mixture = MixtureSameFamily(
        Categorical(logits=output.log_weights),
        MultivariateNormal(output.means, scale_tril=scale_tril),
    )
    moved = (x[:, 1:] - x[:, :-1]) / model.config.displacement_scale
    torch.testing.assert_close(
        log_likelihood(moved, output.log_weights, output.means, output.cholesky),
        mixture.log_prob(moved),
        rtol=1e-4,
        atol=1e-4,
    )
    torch.testing.assert_close(output.loss, -mixture.log_prob(moved).mean(), rtol=1e-4, atol=1e-4)


def test_draws_have_the_moments_of_the_mixture():
    weights = torch.tensor([0.7, 0.3])
    means = torch.tensor([[0.0, 1.0], [2.0, -1.0]])
    cholesky = torch.tensor([[0.0, -0.5, 0.4], [-0.3, 0.2, -0.6]])
    n = 100_000
    draws = draw_displacement(
        weights.log().expand(n, 2),
        means.expand(n, 2, 2),
        cholesky.expand(n, 2, 3),
        torch.Generator().manual_seed(5),
    )
    factors = torch.zeros(2, 2, 2)
    factors[:, 0, 0], factors[:, 1, 1] = cholesky[:, 0].exp(), cholesky[:, 1].exp()
    factors[:, 1, 0] = cholesky[:, 2]
    mean = weights @ means
    second = factors @ factors.transpose(1, 2) + means[:, :, None] * means[:, None, :]
    covariance = (weights[:, None, None] * second).sum(0) - mean[:, None] * mean
    n_errors = 4.5  # standard errors; five independent numbers
    standard_error = torch.sqrt(torch.diagonal(covariance) / n)
    assert ((draws.mean(0) - mean).abs() < n_errors * standard_error).all()
    torch.testing.assert_close(draws.T.cov(), covariance, atol=0.05, rtol=0)


@pytest.mark.parametrize("kind", [CausalGenerator, LSTMGenerator])
def test_what_is_remembered_of_a_window_changes_nothing(kind):
    model = generator(kind)
    # the same random numbers, by one full pass over the window for every frame
    x, n_steps = frames(batch=5, n_frames=3), 20
    fast = sample(model, x, n_steps, seed=1, slide=4)
    random = torch.Generator().manual_seed(1)
    whole, window, n_seen = x, model.config.window_length, 3
    scale = model.config.displacement_scale
    for _ in range(n_steps):
        if n_seen > window:
            n_seen = window - 4 + 1
        with torch.no_grad():
            output = model(whole[:, -n_seen:])
        step = draw_displacement(
            output.log_weights[:, -1], output.means[:, -1], output.cholesky[:, -1], random
        )
        whole = torch.cat([whole, whole[:, -1:] + scale * step[:, None]], dim=1)
        n_seen += 1
    np.testing.assert_allclose(fast, whole.numpy(), atol=2e-4)


def test_sampling_with_slide_one_shows_the_last_full_window_each_time(model):
    x = frames(n_frames=8)
    made = sample(model, x, 3, seed=2, slide=1)
    random = torch.Generator().manual_seed(2)
    for now in (8, 9, 10):
        with torch.no_grad():
            output = model(torch.from_numpy(made[:, now - 8 : now]))
        step = draw_displacement(
            output.log_weights[:, -1], output.means[:, -1], output.cholesky[:, -1], random
        )
        expected = made[:, now - 1] + model.config.displacement_scale * step.numpy()
        np.testing.assert_allclose(made[:, now], expected, atol=1e-5)


def test_a_window_of_one_frame_has_no_memory():
    model = generator(window_length=1)
    x = frames(n_frames=3)
    np.testing.assert_array_equal(
        sample(model, x, 6, seed=4)[:, 3:], sample(model, x[:, 2:], 6, seed=4)[:, 1:]
    )


def test_rivals_have_as_many_parameters_and_see_the_same_windows():
    attention, lstm = (CausalTrainingConfig(kind=kind) for kind in ("attention", "lstm"))
    alone = CausalTrainingConfig(context=1)
    sizes = [new_generator(config).num_parameters() for config in (attention, lstm, alone)]
    assert max(sizes) / min(sizes) < 1.01
    first = [training_windows(config).windows(0, 5) for config in (attention, lstm, alone)]
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[0], first[2])


def test_angles_have_no_edge():
    # a whole turn more or less changes neither the forecast nor the likelihood of what follows
    model, shown = generator(AngleGenerator, displacement_scale=0.5), 5 * frames()
    turned = shown + 2 * np.pi * torch.randint(-1, 2, shown.shape)
    first, second = model(shown), model(turned)
    assert_same(first, second, atol=1e-4)
    torch.testing.assert_close(first.loss, second.loss, rtol=1e-4, atol=0)
    made = sample(model, shown, 40, seed=1, progress=False)[:, shown.shape[1] :]
    assert np.abs(made).max() <= np.pi + 1e-5 and np.ptp(made) > 5
    crosses = np.abs(np.diff(made, axis=1)) > np.pi
    assert crosses.any(), "no walker came to the edge"


def test_same_seed_same_trajectory_other_seed_another(model):
    x = frames(n_frames=1)
    first = sample(model, x, 12, seed=7)
    assert first.shape == (4, 13, 2) and first.dtype == np.float32
    np.testing.assert_array_equal(first[:, :1], x.numpy())
    np.testing.assert_array_equal(first, sample(model, x, 12, seed=7))
    assert not np.allclose(first[:, 1:], sample(model, x, 12, seed=8)[:, 1:])


def test_save_then_load_gives_the_same_forecasts(model, tmp_path):
    model.save_pretrained(tmp_path)
    again = CausalGenerator.from_pretrained(tmp_path).eval()
    x = frames()
    with torch.no_grad():
        assert_same(model(x), again(x), atol=0)
    assert again.config.frame_mean == model.config.frame_mean
    assert again.config.displacement_scale == model.config.displacement_scale


def test_displacements_are_measured_in_that_of_free_diffusion_over_a_frame():
    # sqrt(2 D t), with D = kT / (mass friction) where there are momenta
    assert CausalConfig().displacement_scale == pytest.approx(np.sqrt(2 * 1.0 * 0.02))
    assert CausalConfig(regime="fine").displacement_scale == pytest.approx(0.1)
    assert free_displacement("wild") == pytest.approx(np.sqrt(2 * 100 * 0.004), abs=1e-6)
    assert free_displacement("underdamped") == pytest.approx(np.sqrt(2 * 1.5 * 0.02), abs=1e-6)
    assert CausalConfig(displacement_scale=0.3).displacement_scale == 0.3


def test_a_run_begins_with_the_unit_of_its_regime():
    for regime in ("metastable", "fine"):
        model = new_generator(CausalTrainingConfig(regime=regime))
        assert model.config.displacement_scale == free_displacement(regime)


def test_windows_depend_on_their_number_only():
    windows = FreshWindows(100, n_frames=5, n_relax=3, seed=30_001)
    batch = torch.stack([item["trajectories"] for item in windows.__getitems__(range(10, 20))])
    assert batch.shape == (10, 5, 2)
    torch.testing.assert_close(batch[4], windows[14]["trajectories"], rtol=0, atol=0)
    mixed = windows.__getitems__([14, 3, 4])
    torch.testing.assert_close(mixed[0]["trajectories"], batch[4], rtol=0, atol=0)
    # window 12 begins at its start, window 13 one frame later
    starts = sample_starts(100, 30_001)
    np.testing.assert_allclose(batch[2, 0], starts[12], atol=1e-6)
    assert np.abs(batch[3, 0].numpy() - starts[13]).max() > 1e-4


def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path):
    # the run that is cut after its third step goes on from the checkpoint of that step
    config = CausalTrainingConfig(
        n_steps=6, batch_size=16, n_validation=32, eval_every=6, save_every=3, n_components=2
    )
    whole, record = train(config, tmp_path / "whole")
    cut = tmp_path / "cut"
    cut.mkdir()
    (tmp_path / "whole" / "checkpoint-3").rename(cut / "checkpoint-3")
    resumed, _ = train(config, cut)
    for first, second in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert record["frames_seen"] == 6 * 16 * config.window_length
    assert record["processor_time_s"] > 0
    assert len(training_windows(config)) == 6 * 16


def test_a_training_does_not_go_on_from_a_run_with_other_settings_or_windows(tmp_path):
    config = CausalTrainingConfig(
        n_steps=2, batch_size=8, n_validation=8, eval_every=2, save_every=1, n_components=2
    )
    windows = np.zeros((8, 5, 2), np.float32), np.ones((8, 5, 2), np.float32)
    train(config, tmp_path, data=windows)
    with pytest.raises(ValueError, match="learning_rate was 0.002, is 0.001.*another folder"):
        train(replace(config, learning_rate=1e-3), tmp_path, data=windows)
    with pytest.raises(ValueError, match="data was"):
        train(config, tmp_path, data=windows[::-1])
    train(replace(config, save_every=2), tmp_path, data=windows)


def test_windows_of_ones_own_are_gone_through_in_ever_new_orders():
    windows = np.arange(7, dtype=np.float32)[:, None, None] + np.zeros((7, 3, 2), np.float32)
    items = OwnWindows(windows, 21, seed=4)
    seen = np.array([float(items[i]["trajectories"][0, 0]) for i in range(21)]).reshape(3, 7)
    assert (np.sort(seen) == np.arange(7)).all() and len(np.unique(seen, axis=0)) == 3
    assert float(items[9]["trajectories"][0, 0]) == seen[1, 2], "an item depends on its number only"


@pytest.mark.slow
def test_a_walk_on_a_circle_is_learned_from_windows_of_ones_own(tmp_path):
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal([0.3, 0], [0.1, 0.4], (600, 5, 2)), axis=1)
    walk += random.uniform(-np.pi, np.pi, (600, 1, 2))
    windows = np.angle(np.exp(1j * walk)).astype(np.float32)
    config = CausalTrainingConfig(
        n_steps=150, batch_size=64, warmup_steps=10, eval_every=150, save_every=150, n_components=2,
        hidden_size=32, num_hidden_layers=1, learning_rate=5e-3, kind="angles",
    )  # fmt: skip
    data, scale = (windows[:500], windows[500:]), 0.4
    model, record = train(config, tmp_path, data=data, displacement_scale=scale)
    entropy = np.log(2 * np.pi * np.e * 0.1 * 0.4 / scale**2)
    assert record["curve"][-1]["eval_loss"] == pytest.approx(entropy, abs=0.1)
    made = sample(model, np.zeros((200, 1, 2)), 50, seed=0, progress=False)
    step = np.angle(np.exp(1j * np.diff(made, axis=1)))
    np.testing.assert_allclose(step.mean(axis=(0, 1)), [0.3, 0], atol=0.05)
    np.testing.assert_allclose(step.std(axis=(0, 1)), [0.1, 0.4], rtol=0.15)


@pytest.mark.parametrize("change", [{}, {"context": 1}, {"kind": "lstm", "learning_rate": 4e-3}])
def test_training_beats_the_best_forecast_that_does_not_look(tmp_path, change):
    config = CausalTrainingConfig(
        n_steps=40, batch_size=128, warmup_steps=10, n_validation=512, eval_every=40, save_every=40
    )
    config = replace(config, **change)
    _, record = train(config, tmp_path)
    n_frames = config.window_length + 1
    windows = FreshWindows(2000, n_frames, config.n_relax, seed=20_001).windows(0, 2000)
    moved = (np.diff(windows, axis=1) / free_displacement(config.regime)).reshape(-1, 2)
    # the least loss of one Gaussian for all frames: its entropy
    blind = np.log(2 * np.pi * np.e) + 0.5 * np.log(np.linalg.det(np.cov(moved.T)))
    assert record["curve"][-1]["eval_loss"] < blind - 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m(frames(n_frames=10)), "1 to 9 frames"),
        (lambda m: m(torch.zeros(3, 2)), "shape"),
        (lambda m: m(torch.full((1, 3, 2), torch.nan)), "NaN"),
        (lambda m: sample(m, frames(), 0, seed=1), "n_steps"),
        (lambda m: sample(m, frames(), 5, seed=-1), "seed"),
        (lambda m: sample(m, frames(), 5, seed=1, slide=8), "slide"),
        (lambda m: sample(m, np.zeros((2, 3)), 5, seed=1), "shape"),
        (lambda m: CausalConfig(n_components=0), "n_components"),
        (lambda m: CausalConfig(window_length=0), "window_length"),
        (lambda m: CausalTrainingConfig(context=5), "context"),
        (lambda m: CausalTrainingConfig(kind="rnn"), "unknown kind 'rnn'"),
        (lambda m: CausalConfig(displacement_scale=0.0), "displacement_scale"),
        (lambda m: CausalConfig(regime="cold"), "unknown regime 'cold'"),
        (lambda m: FreshWindows(0, 5, 3, 1), "n_windows"),
        (lambda m: FreshWindows(5, 1, 3, 1), "n_frames"),
        (lambda m: FreshWindows(5, 5, -1, 1), "n_relax"),
        (lambda m: FreshWindows(5, 5, 3, 1, regime="cold"), "regime"),
        (lambda m: CausalTrainingConfig(batch_size=0), "batch_size"),
        (lambda m: CausalTrainingConfig(learning_rate=0.0), "learning_rate"),
    ],
)
def test_impossible_input_is_refused(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)
