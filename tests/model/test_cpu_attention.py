"""The attention loops for tiny heads against PyTorch's own attention, values and gradients."""

import warnings

import pytest
import torch
from torch.nn import functional

from mb_support.model import cpu_attention
from mb_support.model.cpu_attention import fused_attention_forward

HEAD_SIZES = [2, 4, 5]  # of the small, medium and large model


class Layer(torch.nn.Module):
    """Stands for the attention layer that transformers passes along."""

    num_key_value_groups = 1

    def __init__(self, is_causal):
        super().__init__()
        self.is_causal = is_causal


def inputs(head_size, n_frames=50, dtype=torch.float32, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    q, k, v = torch.randn(3, 2, 3, n_frames, head_size, generator=generator)
    return [t.to(dtype).requires_grad_() for t in (scale * q, scale * k, v)]


def reference(q, k, v, is_causal):
    """Softmax attention in float64, and its gradients for a fixed pull on the output."""
    q, k, v = (t.detach().double().requires_grad_() for t in (q, k, v))
    out = functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
    out = out.transpose(1, 2)  # (batch, frames, heads, head_size), as transformers returns
    (out * pull(out)).sum().backward()
    return out.detach(), [t.grad for t in (q, k, v)]


def pull(out):
    return torch.randn(out.shape, generator=torch.Generator().manual_seed(9)).to(out.dtype)


def fused(q, k, v, is_causal):
    out, weights = fused_attention_forward(Layer(is_causal), q, k, v, None)
    assert weights is None
    assert type(out.grad_fn).__name__ == "_FusedAttentionBackward", "the loops did not run"
    (out * pull(out)).sum().backward()
    return out.detach(), [t.grad for t in (q, k, v)]


def assert_agree(found, expected, relative, absolute):
    values, gradients = found
    pairs = zip([values, *gradients], [expected[0], *expected[1]], strict=True)
    for ours, exact in pairs:
        torch.testing.assert_close(ours.double(), exact, rtol=relative, atol=absolute)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("head_size", HEAD_SIZES)
def test_values_and_gradients_are_exact_to_float32_rounding(head_size, is_causal):
    q, k, v = inputs(head_size)
    assert_agree(fused(q, k, v, is_causal), reference(q, k, v, is_causal), 1e-4, 1e-5)


@pytest.mark.parametrize("n_frames", [2, 3, 7, 64, 257])
def test_any_number_of_frames_is_right(n_frames):
    q, k, v = inputs(5, n_frames)
    assert_agree(fused(q, k, v, False), reference(q, k, v, False), 1e-4, 1e-5)


@pytest.mark.parametrize("is_causal", [False, True])
def test_bfloat16_inputs_are_right_to_their_own_rounding(is_causal):
    q, k, v = inputs(4, dtype=torch.bfloat16)
    found = fused(q, k, v, is_causal)
    assert found[0].dtype == torch.bfloat16
    # the exact answer for the rounded inputs, rounded once more on the way out
    assert_agree(found, reference(q, k, v, is_causal), 2**-7, 2**-7)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("scale", [4.0, 12.0, 40.0])
def test_rows_whose_bound_is_loose_are_done_again(scale, is_causal):
    # large scores of both signs: the cheap bound of the row maximum is far too high
    q, k, v = inputs(5, scale=scale)
    bound = torch.maximum(
        q[..., None, :] * k.amax(2)[:, :, None, None], q[..., None, :] * k.amin(2)[:, :, None, None]
    ).sum(-1)[..., 0]
    shifted = (q @ k.transpose(2, 3) - bound[..., None]) * 5**-0.5
    n_loose = (shifted.exp().sum(-1) < cpu_attention.SMALLEST_SUM).sum()
    assert n_loose > 20, "the inputs must reach the second path"
    # scores in the hundreds carry the float32 rounding of the scores themselves
    tolerance = 1e-5 * scale**2
    assert_agree(fused(q, k, v, is_causal), reference(q, k, v, is_causal), tolerance, tolerance)


def test_one_key_far_above_all_others_takes_everything():
    q, k, v = inputs(2, n_frames=30)
    with torch.no_grad():
        q[...], k[...] = 60.0, -60.0
        k[:, :, 11] = 60.0
    out, _ = fused(q, k, v, False)
    torch.testing.assert_close(out, v[:, :, 11][:, None].expand_as(out))


def test_equal_scores_average_the_values():
    q, k, v = inputs(4, n_frames=40)
    with torch.no_grad():
        k[...] = k[:, :, :1]
    out, _ = fused(q, k, v, False)
    torch.testing.assert_close(out, v.mean(2)[:, None].expand_as(out), atol=1e-6, rtol=1e-5)


def test_numerical_differences_confirm_the_gradient():
    q, k, v = inputs(2, n_frames=6)
    _, gradients = fused(q, k, v, True)
    step = 1e-2
    for tensor, gradient in zip((q, k, v), gradients, strict=True):
        direction = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(4))
        values = []
        for sign in (1, -1):
            moved = [t.detach() + sign * step * direction * (t is tensor) for t in (q, k, v)]
            out, _ = fused_attention_forward(Layer(True), *moved, None)
            values.append((out * pull(out)).sum())
        slope = (values[0] - values[1]) / (2 * step)
        torch.testing.assert_close(slope, (gradient * direction).sum(), rtol=5e-3, atol=5e-3)


def test_a_given_scaling_replaces_the_default():
    q, k, v = inputs(4)
    out, _ = fused_attention_forward(Layer(False), q, k, v, None, scaling=0.1)
    expected = functional.scaled_dot_product_attention(q, k, v, scale=0.1).transpose(1, 2)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head_size", HEAD_SIZES)
def test_a_mask_that_is_the_same_for_all_queries_is_added_to_the_scores(head_size):
    q, k, v = inputs(head_size, n_frames=30)
    mask = torch.arange(30.0).remainder(4).sub(2).expand(2, 1, 1, 30)
    out, _ = fused_attention_forward(Layer(False), q, k, v, mask)
    expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(out, expected.transpose(1, 2))


@pytest.mark.parametrize("is_causal", [False, True])
def test_compiled_code_goes_around_the_loops_and_gives_the_same(is_causal):
    def attend(q, k, v):
        return 2 * fused_attention_forward(Layer(is_causal), q, k, v, None)[0]

    expected, exact = fused(*inputs(4), is_causal)
    q, k, v = inputs(4)
    out = torch.compile(attend, backend="eager")(q, k, v) / 2
    torch.testing.assert_close(out, expected)
    found = torch.autograd.grad((out * pull(out)).sum(), (q, k, v))
    for ours, theirs in zip(found, exact, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_trace_holds_no_constants_of_the_loops():
    def attend(q, k, v):
        return fused_attention_forward(Layer(False), q, k, v, None)[0]

    with torch.no_grad():
        traced = torch.jit.trace(attend, inputs(4, seed=0), check_trace=False)
        other = inputs(4, seed=1)
        torch.testing.assert_close(traced(*other), attend(*other), rtol=1e-4, atol=1e-5)


def test_a_second_derivative_is_refused_instead_of_being_wrong():
    q, k, v = inputs(4, n_frames=10)
    out, _ = fused_attention_forward(Layer(False), q, k, v, None)
    (slope,) = torch.autograd.grad(out.square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_dropout_of_attention_weights_is_said_to_be_slow_once():
    cpu_attention._warn_of_dropout.cache_clear()
    q, k, v = inputs(4)
    with pytest.warns(UserWarning, match="attention_probs_dropout_prob=0 the fast loops run"):
        fused_attention_forward(Layer(False), q, k, v, None, dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fused_attention_forward(Layer(False), q, k, v, None, dropout=0.5)


def test_results_do_not_depend_on_the_number_of_threads():
    q, k, v = inputs(5, n_frames=100)
    n_threads = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(fused_attention_forward(Layer(False), q, k, v, None)[0])
    finally:
        torch.set_num_threads(n_threads)
    assert torch.equal(*results)


@pytest.mark.parametrize(
    "case", ["mask", "dropout", "float64", "wide head"], ids=lambda case: case.replace(" ", "_")
)
def test_what_the_loops_cannot_do_falls_back_on_sdpa(case):
    dtype = torch.float64 if case == "float64" else torch.float32
    q, k, v = inputs(16 if case == "wide head" else 4, dtype=dtype)
    mask = torch.zeros(2, 1, 50, 50).masked_fill_(torch.eye(50, dtype=torch.bool), -1e9)
    mask = mask if case == "mask" else None
    dropout = 0.5 if case == "dropout" else 0.0
    torch.manual_seed(0)
    out, _ = fused_attention_forward(Layer(False), q, k, v, mask, dropout=dropout)
    torch.manual_seed(0)
    expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    torch.testing.assert_close(out, expected.transpose(1, 2))
