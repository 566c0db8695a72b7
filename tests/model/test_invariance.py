"""What must not change a model's answer: units, offsets, padding, precision of the input, order."""

import numpy as np
import pytest
import torch

from mb_support.classification import predict_states
from mb_support.generation import generate
from mb_support.model import (
    SIZES,
    CausalConfig,
    CausalGenerator,
    TrajectoryConfig,
    TrajectoryTransformer,
    weights_digest,
)
from mb_support.model.causal import sample
from mb_support.studies.attention.maps import attention_maps
from mb_support.studies.collective_variable.frames import encode_frames

LABELS = torch.tensor([0, 1, 1, 0])


def make_model(size="small", **settings):
    torch.manual_seed(0)
    spread = SIZES[size]["hidden_size"] ** -0.5
    return TrajectoryTransformer(
        TrajectoryConfig.of_size(size, initializer_range=spread, **settings)
    ).eval()


@pytest.fixture(scope="module", params=SIZES)
def model(request):
    return make_model(request.param)


@pytest.fixture(scope="module")
def small():
    return make_model()


def walks(n=4, n_frames=40, seed=1):
    return np.random.default_rng(seed).normal(size=(n, n_frames, 2)).cumsum(axis=1)


def probabilities(model, trajectories):
    return predict_states(model, trajectories, progress=False)[1]


def spreads(trajectories):
    return trajectories.std(axis=1, keepdims=True)


# Units and offsets --------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e-6, 1e-3, 1e3, 1e6, 1e12, 1e20, 1e36])
def test_the_unit_of_length_changes_no_probability(model, unit, precision):
    x = walks().astype(precision)
    found = probabilities(model, (x * precision(unit)).astype(precision))
    np.testing.assert_allclose(found, probabilities(model, x), atol=1e-5)


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1e150, 1e300])
def test_units_that_only_double_precision_holds_change_nothing(model, unit):
    np.testing.assert_allclose(
        probabilities(model, unit * walks()), probabilities(model, walks()), atol=1e-5
    )


@pytest.mark.parametrize("unit", [(1e-9, 1.0), (1e12, 1e-12), (-1.0, 1.0)])
def test_each_coordinate_may_have_its_own_unit(model, unit):
    unit = np.array(unit)
    expected = probabilities(model, np.sign(unit) * walks())
    np.testing.assert_allclose(probabilities(model, unit * walks()), expected, atol=1e-5)


@pytest.mark.parametrize("n_spreads", [-1e6, -30.0, 1e3, 1e5, 1e6])
@pytest.mark.parametrize("unit", [1.0, 1e-12, 1e12])
def test_an_offset_changes_no_probability(model, n_spreads, unit):
    x = walks()
    moved = unit * (x + n_spreads * spreads(x))
    expected = probabilities(model, x)
    np.testing.assert_allclose(probabilities(model, moved), expected, atol=1e-5)
    np.testing.assert_allclose(probabilities(model, torch.from_numpy(moved)), expected, atol=1e-5)


@pytest.mark.parametrize(("unit", "offset"), [(1e-9, 0.0), (1e9, 0.0), (1.0, 1e6), (1e-6, -1.0)])
def test_forecasts_loss_and_gradients_follow_units_and_offsets(small, unit, offset):
    x = torch.from_numpy(walks())
    results = []
    for frames in (x, unit * x + offset):
        small.zero_grad()
        output = small(frames, labels=LABELS)
        output.loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in small.parameters() if p.grad is not None])
        results.append((output.next_frames.detach(), output.trajectory_loss.detach(), gradient))
    (forecast, loss, gradient), moved = results
    torch.testing.assert_close((moved[0] - offset) / unit, forecast, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moved[1], loss, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(moved[2], gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("unit", "offset"), [(1e-12, 0.0), (1e12, 0.0), (1.0, 1e5)])
@pytest.mark.parametrize("statistics", ["window", "prompt"])
def test_generated_frames_follow_units_and_offsets(small, unit, offset, statistics):
    prompt = walks(2, 20)
    expected = generate(small, prompt, 8, statistics=statistics, progress=False)
    found = generate(small, unit * prompt + offset, 8, statistics=statistics, progress=False)
    assert found.dtype == np.float64
    np.testing.assert_allclose((found - offset) / unit, expected, atol=1e-4)


def test_the_largest_numbers_of_a_precision_are_no_nan(model):
    for precision in (np.float32, np.float64):
        x = walks().astype(precision)
        largest = x / np.abs(x).max() * np.finfo(precision).max / 4
        np.testing.assert_allclose(
            probabilities(model, largest), probabilities(model, x), atol=1e-5
        )


@pytest.mark.parametrize(
    "still",
    [
        lambda x: x[:, :1] + 0 * x,
        lambda x: x * [1, 0] + 3.0,
        lambda x: 1e8 + 1e-9 * x,
        lambda x: 1e-20 + 1e-37 * x,
    ],
)
def test_a_trajectory_that_moves_only_by_rounding_is_refused(small, still):
    with pytest.raises(ValueError, match="constant in a coordinate"):
        probabilities(small, still(walks()))
    with pytest.raises(ValueError, match="constant in a coordinate"):
        probabilities(small, still(walks()).astype(np.float32))


def test_small_movement_far_away_is_enough_if_the_precision_holds_it(small):
    x = walks()
    moved = 1e8 + 1e-3 * x
    np.testing.assert_allclose(probabilities(small, moved), probabilities(small, x), atol=1e-4)
    with pytest.raises(ValueError, match="number 0.*float32"):
        probabilities(small, moved.astype(np.float32))


@pytest.mark.parametrize("n_frames", [2, 3])
def test_what_the_loss_shows_the_encoder_must_move(small, n_frames):
    x = torch.from_numpy(walks(4, n_frames))
    x[2, :-1] = x[2, :1]
    with pytest.raises(ValueError, match="at least 3 frames.*got 2|only a target"):
        small(x, labels=LABELS)
    small(x)  # without the loss the last frame is shown too


# Padding ------------------------------------------------------------------------------------------

PADDED = {
    "behind": [1] * 15 + [0] * 5,
    "in front": [0] * 5 + [1] * 15,
    "both": [0] * 2 + [1] * 15 + [0] * 3,
    "between": [1] * 4 + [0] * 5 + [1] * 11,
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("implementation", ["eager", "sdpa", "cpu_fused"])
@pytest.mark.parametrize("where", PADDED)
def test_frames_are_seen_as_if_there_were_no_padding(where, implementation, causal):
    model = make_model(causal=causal)
    model.set_attn_implementation(implementation)
    x = torch.from_numpy(walks(2, 20)).float()
    mask = torch.ones(2, 20, dtype=torch.bool)
    mask[1] = torch.tensor(PADDED[where], dtype=torch.bool)
    with torch.no_grad():
        expected, other = model(x[1:, :15]), model(x[:1])
    for content in (0.0, 1e30, float("nan"), float("-inf")):
        padded = torch.full((20, 2), content)
        padded[mask[1]] = x[1, :15]
        with torch.no_grad():
            found = model(torch.stack([x[0], padded]), attention_mask=mask)
        for name in ("state_logits", "next_frames", "encodings"):
            ours = found[name][1] if name == "state_logits" else found[name][1][mask[1]]
            torch.testing.assert_close(ours, expected[name][0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(found[name][0], other[name][0], rtol=1e-4, atol=1e-5)
            assert torch.isfinite(found[name]).all()


AS_MASK = {
    "bool": lambda mask: mask.bool(),
    "int64": lambda mask: mask.long(),
    "uint8": lambda mask: mask.to(torch.uint8),
    "float64": lambda mask: mask.double(),
    "bfloat16": lambda mask: mask.bfloat16(),
    "array": lambda mask: mask.numpy(),
    "bool array": lambda mask: mask.bool().numpy(),
    "list": lambda mask: mask.tolist(),
    "tuple of bool": lambda mask: tuple(map(tuple, mask.bool().tolist())),
}


@pytest.mark.parametrize("kind", AS_MASK)
def test_a_mask_may_be_of_any_dtype_list_or_array(small, kind):
    x, mask = torch.from_numpy(walks(3, 20)).float(), torch.ones(3, 20)
    mask[1, 13:] = 0
    given = AS_MASK[kind](mask)
    with torch.no_grad():
        expected, found = small(x[1:2, :13]), small(x, attention_mask=given)
        z = small.standardise(x, given)[0]
        by_parts = small.classify(small.encode(z, given), given)
    torch.testing.assert_close(found.state_logits[1:2], expected.state_logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(by_parts, found.state_logits)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((3, 19)), r"shape \(3, 20\); got \(3, 19\)"),
        (np.ones(20), r"shape \(3, 20\); got \(20,\)"),
        ([[1] * 20, [1] * 20, [1] * 19], "different lengths"),
        ("1" * 60, "attention_mask must"),
        (np.r_[np.ones(40), np.zeros(20)].reshape(3, 20), "number 2 has 0"),
        (np.r_[np.ones(20), np.eye(20)[7], np.ones(20)].reshape(3, 20), "number 1 has 1"),
        (np.where(np.arange(60) % 20 > 15, -1e9, 0.0).reshape(3, 20), "1 for frames and 0"),
        (np.full((3, 20), 0.5), r"1 for frames and 0.*\[0.5\]"),
        (np.full((3, 20), 2), "1 for frames and 0"),
        (np.full((3, 20), np.nan), "1 for frames and 0"),
    ],
)
def test_a_mask_that_is_none_is_refused(small, mask, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        small(torch.from_numpy(walks(3, 20)).float(), attention_mask=mask)


def test_movement_of_padding_is_no_movement_of_the_trajectory(small):
    x, mask = torch.from_numpy(walks(3, 20)).float(), torch.ones(3, 20)
    mask[1, 13:] = 0
    x[1, :13, 0] = 0.7
    with pytest.raises(ValueError, match="number 1.*constant in a coordinate"):
        small(x, attention_mask=mask)
    x[1, 4, 0] = 0.8
    small(x, attention_mask=mask)


def test_a_frame_that_counts_must_be_finite_beside_padding(small):
    x, mask = torch.from_numpy(walks(3, 20)).float(), torch.ones(3, 20)
    mask[1, 13:] = 0
    x[1, 12, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinite"):
        small(x, attention_mask=mask)


def test_a_mask_without_padding_leaves_the_loss_as_it_is(small):
    x = torch.from_numpy(walks()).float()
    with torch.no_grad():
        expected = small(x, labels=LABELS).loss
        assert small(x, labels=LABELS, attention_mask=[[1] * 40] * 4).loss == expected


# Batches, labels and containers -------------------------------------------------------------------


def test_neither_order_nor_company_changes_a_probability(model, monkeypatch):
    x, order = walks(7), np.random.default_rng(0).permutation(7)
    expected = probabilities(model, x)
    np.testing.assert_allclose(probabilities(model, x[order]), expected[order], atol=1e-6)
    monkeypatch.setattr("mb_support.model.inference.FRAMES_PER_BATCH", 80)  # two at a time
    np.testing.assert_allclose(probabilities(model, x), expected, atol=1e-6)


@pytest.mark.parametrize(
    "container",
    [
        np.asfortranarray,
        lambda x: x[:, ::-1][:, ::-1],
        lambda x: x.tolist(),
        lambda x: list(x),
        torch.from_numpy,
        lambda x: x.astype(">f8"),
    ],
)
def test_the_container_of_trajectories_does_not_matter(small, container):
    np.testing.assert_allclose(
        probabilities(small, container(walks())), probabilities(small, walks()), atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.int16, np.int64, torch.int32])
def test_whole_numbers_are_coordinates_too(small, dtype):
    x = np.round(10 * walks())
    whole = torch.tensor(x, dtype=dtype) if isinstance(dtype, torch.dtype) else x.astype(dtype)
    np.testing.assert_allclose(probabilities(small, whole), probabilities(small, x), atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        [[[0.0, 1.0]] * 20, [[1.0, 2.0]] * 19],
        [[[0.0, 1.0], [2.0]]],
        [np.zeros((5, 2)), np.zeros((6, 2))],
        [["a", "b"]],
        np.ones((1, 5, 2), dtype=bool),
        torch.ones(1, 5, 2, dtype=torch.bool),
        None,
        np.ones((1, 5, 2), dtype=complex),
        torch.ones(1, 5, 2, dtype=torch.complex64),
    ],
)
def test_ragged_lists_and_what_is_no_number_are_refused_in_words(small, wrong):
    with pytest.raises(ValueError, match="trajectories must"):
        probabilities(small, wrong)
    with pytest.raises(ValueError, match="prompt must"):
        generate(small, wrong, 3)


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 1, 0], (0, 1, 1, 0), np.array([0, 1, 1, 0], np.int32), np.array([0, 1, 1, 0], np.uint8),
     LABELS.to(torch.int16)],
)  # fmt: skip
def test_labels_may_be_whole_numbers_of_any_kind(small, labels):
    x = torch.from_numpy(walks()).float()
    with torch.no_grad():
        assert small(x, labels=labels).loss == small(x, labels=LABELS).loss


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 1], r"shape \(4,\).*\(3,\)"),
        ([[0, 1], [1]], r"shape \(4,\)"),
        (["A", "B", "B", "A"], r"int64 of shape \(4,\)"),
        ([0.0, 1.0, 1.0, 0.0], "int64.*float"),
        ([False, True, True, False], "int64.*bool"),
        (np.array([0, 1, 2, 0]), r"0\.\.1; got \[0, 1, 2\]"),
        (1, r"shape \(4,\)"),
        ([None] * 4, "int64"),
        ([10**12, 0, 1, 0], r"0\.\.1; got \[0, 1, 10"),
        ([10**30, 0, 1, 0], "int64"),
    ],
)
def test_labels_that_are_none_are_refused_in_words(small, labels, message):
    with pytest.raises(ValueError, match=f"labels must.*{message}"):
        small(torch.from_numpy(walks()).float(), labels=labels)


@pytest.mark.parametrize("wrong", [[[[0.0, 1.0]] * 20], None, "abc"])
def test_the_model_itself_wants_a_tensor(small, wrong):
    with pytest.raises(ValueError, match="floating point Tensor; got"):
        small(wrong)


# Half precision -----------------------------------------------------------------------------------


@pytest.fixture
def half():
    return make_model().to(torch.bfloat16)


@pytest.mark.parametrize("offset", [100.0, -3e4, 1e6])
def test_a_half_precision_model_undoes_offsets_before_it_rounds(half, offset):
    x = walks()
    np.testing.assert_allclose(
        probabilities(half, x + offset), probabilities(half, x), atol=1e-2
    )  # a standardised frame may round the other way
    assert half(torch.from_numpy(x + offset)).next_frames.dtype == torch.float64
    assert half(torch.from_numpy(x).float()).next_frames.dtype == torch.float32


def test_a_half_precision_model_is_near_the_whole_one(half, small):
    np.testing.assert_allclose(
        probabilities(half, walks()), probabilities(small, walks()), atol=0.1
    )


def test_everything_that_reads_a_model_reads_one_of_half_precision(half, small):
    x = walks(2, 20)
    assert weights_digest(half) != weights_digest(small)
    with torch.no_grad():
        half.state_classifier[3].bias += 1
    assert weights_digest(half) != weights_digest(make_model().to(torch.bfloat16))
    for average in (None, "heads", "all"):
        maps = attention_maps(half, x, average=average)
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=0.02)
    encodings = encode_frames(half, x, np.array([0, 1]), np.array([3, 19]))
    assert encodings.dtype == np.float32 and np.isfinite(encodings).all()
    assert np.isfinite(generate(half, x, 5, progress=False)).all()
    output = half.train()(torch.from_numpy(x), labels=[0, 1])
    output.loss.backward()
    assert output.loss.dtype == torch.float32 and torch.isfinite(output.loss)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_causal_model_of_any_precision_is_sampled(dtype):
    torch.manual_seed(0)
    model = CausalGenerator(CausalConfig()).to(dtype)
    found = sample(model, walks(3, 6), 10, seed=1, progress=False)
    assert found.dtype == np.float32 and found.shape == (3, 16, 2) and np.isfinite(found).all()
    assert np.isfinite(model(torch.from_numpy(walks(3, 4))).loss.item())


def test_the_digest_tells_weights_of_one_value_in_two_precisions_apart():
    model = make_model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    single = weights_digest(model)
    assert single != weights_digest(model.to(torch.bfloat16))
