"""The poster's model: its size to the last digit, and what must never change its answers."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from mb_support.datasets import TrajectorySet
from mb_support.model import SIZES, TrajectoryConfig, TrajectoryTransformer
from mb_support.model.inputs import check_shape
from mb_support.studies import model as study

#: Parameters of each part, from the table of the design.
COUNTS = {
    "small": dict(
        inputs_to_hidden_dim=48,
        embeddings=16_416,
        encoder=21_568,
        feature_predictor=338,
        state_classifier=338,
        total=38_708,
    ),
    "medium": dict(
        inputs_to_hidden_dim=192,
        embeddings=65_664,
        encoder=399_872,
        feature_predictor=4_418,
        state_classifier=4_418,
        total=474_564,
    ),
    "large": dict(
        inputs_to_hidden_dim=360,
        embeddings=123_120,
        encoder=2_184_864,
        feature_predictor=15_002,
        state_classifier=15_002,
        total=2_338_348,
    ),
}


def make_model(size="small", implementation="sdpa", seed=0, **overrides):
    """A freshly initialised model in evaluation mode, with weights large enough to matter."""
    torch.manual_seed(seed)
    config = TrajectoryConfig.of_size(size, initializer_range=0.3, **overrides)
    model = TrajectoryTransformer(config)
    model.set_attn_implementation(implementation)
    return model.eval()


def random_walks(batch=3, n_frames=24, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, n_frames, 2, generator=generator).cumsum(dim=1)


@pytest.mark.parametrize("size", SIZES)
def test_parameter_counts_are_the_posters(size):
    model = TrajectoryTransformer(TrajectoryConfig.of_size(size))
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in
              model.named_children()}  # fmt: skip
    assert counts | {"total": sum(p.numel() for p in model.parameters())} == COUNTS[size]


@pytest.mark.parametrize("size", SIZES)
def test_outputs_have_their_shapes(size):
    model = make_model(size, "eager")
    x = random_walks(2, 12)
    with torch.no_grad():
        output = model(x, output_attentions=True, output_hidden_states=True)
    config = model.config
    assert output.next_frames.shape == (2, 12, 2) and output.state_logits.shape == (2, 2)
    assert output.encodings.shape == (2, 12, config.hidden_size) and output.loss is None
    assert len(output.attentions) == config.num_hidden_layers == len(output.hidden_states) - 1
    assert output.attentions[0].shape == (2, config.num_attention_heads, 12, 12)
    torch.testing.assert_close(output.hidden_states[-1], output.encodings)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_rows_sum_to_one(causal):
    model = make_model(implementation="eager", causal=causal)
    with torch.no_grad():
        weights = torch.stack(model(random_walks(), output_attentions=True).attentions)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    above = weights.triu(diagonal=1)
    assert (above == 0).all() if causal else (above > 0).any()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("implementation", ["sdpa", "cpu_fused"])
def test_attention_implementations_agree(implementation, causal):
    x = random_walks(2, 40)
    with torch.no_grad():
        expected = make_model(implementation="eager", causal=causal)(x)
        found = make_model(implementation=implementation, causal=causal)(x)
    torch.testing.assert_close(found.encodings, expected.encodings, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.state_logits, expected.state_logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("implementation", ["eager", "sdpa", "cpu_fused"])
def test_padding_never_changes_real_frames(implementation, causal):
    model = make_model(implementation=implementation, causal=causal)
    x, mask = random_walks(3, 20), torch.ones(3, 20)
    mask[1, 13:] = 0
    with torch.no_grad():
        alone = model(x[1:2, :13])
        padded = model(x, attention_mask=mask)
        other = torch.where(mask[..., None] == 1, x, torch.tensor(-77.0))
        repadded = model(other, attention_mask=mask)
    for found in (padded, repadded):
        torch.testing.assert_close(found.next_frames[1, :13], alone.next_frames[0], rtol=1e-4,
                                   atol=1e-5)  # fmt: skip
        torch.testing.assert_close(found.state_logits[1], alone.state_logits[0], rtol=1e-4,
                                   atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "cpu_fused"])
def test_a_later_frame_reaches_an_earlier_encoding_only_without_causal(implementation):
    x = random_walks(1, 30)
    changed = x.clone()
    changed[:, 20:] += 3.0
    for causal in (True, False):
        model = make_model(implementation=implementation, causal=causal)
        with torch.no_grad():
            before, after = model.encode(x), model.encode(changed)
        difference = (before - after)[:, :20].abs().max()
        assert difference < 1e-5 if causal else difference > 1e-2


@pytest.mark.parametrize("implementation", ["sdpa", "cpu_fused"])
def test_the_order_of_a_batch_changes_nothing(implementation):
    model = make_model(implementation=implementation)
    x, order = random_walks(5), torch.tensor([3, 0, 4, 1, 2])
    with torch.no_grad():
        output, permuted, single = model(x), model(x[order]), model(x[2:3])
    torch.testing.assert_close(permuted.next_frames, output.next_frames[order])
    torch.testing.assert_close(permuted.state_logits, output.state_logits[order])
    torch.testing.assert_close(single.state_logits[0], output.state_logits[2])


def test_shift_and_scale_of_a_trajectory_are_undone():
    model, x = make_model(), random_walks().double().float()
    scale, shift = torch.tensor([2.0, 0.25]), torch.tensor([-1.0, 4.0])
    with torch.no_grad():
        output, moved = model(x), model(scale * x + shift)
    torch.testing.assert_close(moved.state_logits, output.state_logits, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        moved.next_frames, scale * output.next_frames + shift, rtol=1e-3, atol=1e-3
    )


def test_standardised_frames_have_mean_zero_and_unit_deviation_where_they_count():
    model, x, mask = make_model(), random_walks(2, 15), torch.ones(2, 15)
    mask[0, 9:] = 0
    z, mean, std = model.standardise(x, mask)
    torch.testing.assert_close(z[0, :9].mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(z[0, :9].std(0, unbiased=False), torch.ones(2))
    torch.testing.assert_close(mean[1, 0], x[1].mean(0))
    torch.testing.assert_close(std[0, 0], x[0, :9].std(0, unbiased=False))


def test_saved_and_loaded_models_are_equal(tmp_path):
    model = make_model(causal=True, passes="two", gamma=0.5)
    model.save_pretrained(tmp_path)
    loaded = TrajectoryTransformer.from_pretrained(tmp_path).eval()
    assert {path.name for path in tmp_path.iterdir()} >= {"config.json", "model.safetensors"}
    assert loaded.config.causal and loaded.config.passes == "two" and loaded.config.gamma == 0.5
    x, labels = random_walks(), torch.tensor([0, 1, 1])
    with torch.no_grad():
        expected, found = model(x, labels=labels), loaded(x, labels=labels)
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


@pytest.mark.parametrize("implementation", ["sdpa", "cpu_fused"])
def test_a_tiny_batch_can_be_overfitted(implementation):
    torch.manual_seed(0)
    model = TrajectoryTransformer(
        TrajectoryConfig.of_size(
            "small",
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.1,
        )
    )
    model.set_attn_implementation(implementation)
    x, labels = random_walks(4, 16), torch.tensor([0, 1, 1, 0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first = None
    for _ in range(120):
        output = model(x, labels=labels)
        first = first or output.loss.item()
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert output.classification_loss < 0.02
    assert output.trajectory_loss < 0.1
    assert output.loss < first / 10
    shown = x[:, :-1]  # what the loss shows the encoder
    assert (model.eval()(shown).state_logits.argmax(-1) == labels).all()


def test_dropout_acts_in_training_mode_only():
    model = make_model()
    x, labels = random_walks(), torch.tensor([0, 1, 0])
    with torch.no_grad():
        evaluated = [model(x, labels=labels).loss.item() for _ in range(2)]
        trained = [model.train()(x, labels=labels).loss.item() for _ in range(2)]
    assert evaluated[0] == evaluated[1] and trained[0] != trained[1]


def test_outputs_are_those_of_the_loss_in_training_mode_and_of_all_frames_otherwise():
    model = make_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    x, labels = random_walks(3, 20), torch.tensor([0, 1, 0])
    with torch.no_grad():
        evaluated, trained = model(x, labels=labels), model.train()(x, labels=labels)
    assert evaluated.next_frames.shape == (3, 20, 2)
    assert trained.next_frames.shape == trained.encodings.shape[:2] + (2,) == (3, 19, 2)
    torch.testing.assert_close(evaluated.loss, trained.loss)
    with torch.no_grad():
        torch.testing.assert_close(trained.next_frames, model.eval()(x[:, :-1]).next_frames)


@pytest.mark.parametrize("passes", ["one", "two"])
def test_the_loss_is_that_of_its_reading(passes):
    model = make_model(passes=passes, gamma=0.7, lambda_=0.2)
    x, labels = random_walks(), torch.tensor([0, 1, 0])
    with torch.no_grad():
        output = model(x, labels=labels)
        seen, mean, std = model.standardise(x[:, :-1])
        predicted = model.feature_predictor(model.encode(seen))
        distance = (predicted - (x[:, 1:] - mean) / std).square().sum(-1).mean()
        shown = x[:, :-1] if passes == "one" else x
        cross_entropy = functional.cross_entropy(model(shown).state_logits, labels)
    torch.testing.assert_close(output.trajectory_loss, distance)
    torch.testing.assert_close(output.classification_loss, cross_entropy)
    torch.testing.assert_close(output.loss, 0.7 * distance + 0.2 * cross_entropy)


def test_the_frame_forecast_last_is_hidden_from_its_forecast():
    model = make_model()
    x, labels = random_walks(), torch.tensor([0, 1, 0])
    changed = x.clone()
    changed[:, -1] += 5.0
    with torch.no_grad():
        model.train()
        torch.manual_seed(2)
        before = model(x, labels=labels)
        torch.manual_seed(2)
        after = model(changed, labels=labels)
    torch.testing.assert_close(after.next_frames, before.next_frames)
    assert after.trajectory_loss != before.trajectory_loss


def test_a_tuple_holds_the_fields_that_are_not_none_in_their_order():
    model, x, labels = make_model(), random_walks(), torch.tensor([0, 1, 0])
    with torch.no_grad():
        output, plain = model(x, labels=labels), model(x, return_dict=False)
    assert list(output) == [
        "loss",
        "trajectory_loss",
        "classification_loss",
        "next_frames",
        "state_logits",
        "encodings",
    ]
    assert torch.equal(output.to_tuple()[3], output.next_frames) and len(plain) == 3
    assert torch.equal(plain[0], output.next_frames)


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        (torch.zeros(10, 2), r"shape \(batch, n_frames, 2\); got \(10, 2\).*leading axis"),
        (torch.zeros(1, 10, 3), r"got \(1, 10, 3\)"),
        (torch.zeros(0, 10, 2), r"at least one trajectory.*\(0, 10, 2\)"),
        (torch.zeros(1, 1, 2), r"at least 2 frames.*\(1, 1, 2\)"),
        (random_walks(1, 1025), "1025 frames.*1024.*slices"),
        (torch.full((1, 10, 2), float("nan")), "NaN or infinite"),
        (random_walks(1, 10) * torch.tensor([1.0, float("inf")]), "NaN or infinite"),
        (random_walks(2, 10) * torch.tensor([1.0, 0.0]), "constant in a coordinate"),
        (
            random_walks(2, 10).numpy(),
            "floating point Tensor; got float32 in a ndarray.*from_numpy",
        ),
        (random_walks(2, 10).long(), "floating point Tensor; got torch.int64"),
    ],
)
def test_impossible_trajectories_are_refused_with_the_reason(trajectories, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        make_model()(trajectories)


def test_the_longest_trajectory_is_accepted():
    check_shape(random_walks(1, 1024), 1024)
    check_shape(random_walks(1, 2), 1024)


def test_other_impossible_arguments_are_refused():
    model, x = make_model(), random_walks()
    with pytest.raises(ValueError, match=r"attention_mask.*\(3, 24\); got \(3, 23\)"):
        model(x, attention_mask=torch.ones(3, 23))
    with pytest.raises(ValueError, match="set_attn_implementation"):
        model(x, output_attentions=True)
    mask = torch.ones(3, 24)
    mask[0, 2:] = 0
    with pytest.raises(ValueError, match="at least 3 frames"):
        model(x, labels=torch.tensor([0, 1, 1]), attention_mask=mask)
    with pytest.raises(ValueError, match="unknown size 'huge'.*small"):
        TrajectoryConfig.of_size("huge")
    with pytest.raises(ValueError, match="passes.*'three'"):
        TrajectoryConfig.of_size("small", passes="three")


def test_hooks_are_removed_after_a_recorded_pass():
    model = make_model(implementation="eager")
    with torch.no_grad():
        model(random_walks(), output_attentions=True, output_hidden_states=True)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("count", "printed"),
    [
        (48, "48"),
        (999, "999"),
        (4_418, "4.4 K"),
        (16_416, "16.4 K"),
        (99_950, "100.0 K"),
        (399_872, "399 K"),
        (2_184_864, "2.2 M"),
        (474_564_000, "474 M"),
    ],
)
def test_counts_are_abbreviated_as_the_poster_prints_them(count, printed):
    assert study.abbreviated(count) == printed
    with pytest.raises(ValueError, match="got -1"):
        study.abbreviated(-1)


def test_the_table_of_parameters_has_every_part_of_every_size():
    table = study.parameter_table()
    assert table["equal"].all() and (table["printed"] == table["poster"]).all()
    for size, counts in COUNTS.items():
        assert table.loc[size]["ours"].to_dict() == counts


def make_set(n=4, n_frames=30):
    labels = np.arange(n, dtype=np.int64) % 2
    return TrajectorySet(random_walks(n, n_frames, seed=5).numpy(), labels, None, 0)


def test_both_readings_of_the_loss_are_those_of_the_model():
    data, model = make_set(), make_model()
    losses = study.both_readings(model, data)
    x, labels = torch.from_numpy(data.trajectories), torch.from_numpy(data.labels)
    for passes, column in (("one", "one"), ("two", "two")):
        model.config.passes = passes
        with torch.no_grad():
            output = model(x, labels=labels)
        assert losses[column].mean() == pytest.approx(output.classification_loss.item(), rel=1e-4)
        assert losses["trajectory"].mean() == pytest.approx(output.trajectory_loss.item(), rel=1e-4)
    np.testing.assert_allclose(losses["trajectory"], 2 * losses["mse"], rtol=1e-5)


def test_gradients_of_the_readings_are_compared_and_the_model_is_left_as_it_was():
    model = make_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    data = make_set()
    cosines = study.compare_gradients(model, data, batch=2)
    assert cosines.shape == (2,) and (0 < cosines).all() and (cosines <= 1.00001).all()
    assert model.config.passes == "one" and not model.training
    assert all(p.grad is None for p in model.parameters())
    gradient = study.gradient_of_reading(model, data.trajectories, data.labels, "one")
    model(torch.from_numpy(data.trajectories), labels=torch.from_numpy(data.labels)).loss.backward()
    expected = torch.cat([
        (torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()
    ])  # fmt: skip
    np.testing.assert_allclose(gradient, expected.numpy(), rtol=1e-3, atol=1e-5)


def test_implementations_are_measured_against_double_precision():
    model = make_model()
    errors = study.implementation_errors({"small": model}, make_set().trajectories)["small"]
    assert list(errors.index) == ["eager", "sdpa", "cpu_fused"]
    assert (errors < 1e-3).all() and (errors > 0).all()
    assert model.config._attn_implementation == "sdpa"
