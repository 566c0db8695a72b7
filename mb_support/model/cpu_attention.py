"""Exact attention for tiny heads on a CPU, registered with transformers as ``"cpu_fused"``.

The poster's models have heads of 2 to 5 dimensions. There, attention over N frames costs N x N
exponentials and hardly any multiplications, and general kernels, built for heads of 64 and more,
spend most of their time elsewhere. These two loops (one forward, one backward that recomputes the
weights) never store an N x N matrix. They give what `scaled_dot_product_attention` gives, to
float32 rounding; the chapter on scale and speed has the gain.

The softmax is shifted by a cheap bound of the row's largest score instead of the largest score;
a row for which that bound is loose enough to endanger precision is done again with the true one.
"""

import functools
import math
import warnings

import numpy as np
import torch
from numba import njit, prange
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from ..compiled import bits32, compiled, float32
from . import parallel

LOG2_E = 1.4426950408889634
#: A row whose shifted sum falls below this is recomputed with its true maximum.
SMALLEST_SUM = np.float32(2.0**-20)

# 2**f on [-1/2, 1/2]: Chebyshev interpolation, relative error below 1.1e-7.
_nodes = 0.5 * np.cos(np.pi * (np.arange(6) + 0.5) / 6)
_C0, _C1, _C2, _C3, _C4, _C5 = (
    np.float32(c) for c in np.polynomial.polynomial.polyfit(_nodes, 2.0**_nodes, 5)
)


# Adding it to a float32 below 2**22 leaves the nearest integer in the lowest bits. A conversion
# of floor() would go through int64, for which AVX2 has no instruction: four times slower.
_ROUNDER = np.float32(1.5 * 2**23)
_ROUNDER_BITS = np.int32(_ROUNDER.view(np.int32))


@njit(inline="always", fastmath=True)
def _exp2(t):
    """2**t for float32 t in [-64, 127], to 3e-7; 2**-64 for all smaller t, which keeps products
    clear of slow subnormal numbers and next to sums above `SMALLEST_SUM` is far below rounding."""
    t = max(t, np.float32(-64.0))
    n = np.int32(bits32(t + _ROUNDER) - _ROUNDER_BITS)
    f = t - np.float32(n)
    p = _C0 + f * (_C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * _C5))))
    return p * float32(np.int32((n + np.int32(127)) << np.int32(23)))


@functools.cache
def _kernels(head_size):
    """Compile the forward and backward loops for one head size, unrolled over it."""
    D = head_size

    @compiled(parallel=True, fastmath=True, nogil=False)
    def forward(q, k, v, out, log_sum, scale, causal):
        # q, k, v, out: (batch * heads, D, frames); log_sum: (batch * heads, frames), base 2
        n_groups, _, n_frames = q.shape
        for g in prange(n_groups):
            kg = k[g]
            vg = v[g]
            weights = np.empty(n_frames, np.float32)
            scores = np.empty(n_frames, np.float32)
            row = np.empty(D, np.float32)
            largest = np.empty(D, np.float32)
            smallest = np.empty(D, np.float32)
            for c in range(D):
                largest[c] = kg[c].max()
                smallest[c] = kg[c].min()
            for i in range(n_frames):
                n_seen = i + 1 if causal else n_frames
                shift = np.float32(0.0)
                for c in range(D):
                    row[c] = q[g, c, i] * scale
                    shift += max(row[c] * largest[c], row[c] * smallest[c])
                total = np.float32(0.0)
                for j in range(n_seen):
                    a = np.float32(0.0)
                    for c in range(D):
                        a += row[c] * kg[c, j]
                    p = _exp2(a - shift)
                    weights[j] = p
                    total += p
                if total < SMALLEST_SUM:  # the bound was loose: use the true maximum
                    for j in range(n_seen):
                        a = np.float32(0.0)
                        for c in range(D):
                            a += row[c] * kg[c, j]
                        scores[j] = a
                    shift = scores[:n_seen].max()
                    total = np.float32(0.0)
                    for j in range(n_seen):
                        p = _exp2(scores[j] - shift)
                        weights[j] = p
                        total += p
                inverse = np.float32(1.0) / total
                for c in range(D):
                    a = np.float32(0.0)
                    for j in range(n_seen):
                        a += weights[j] * vg[c, j]
                    out[g, c, i] = a * inverse
                log_sum[g, i] = shift + np.float32(math.log2(total))

    @compiled(parallel=True, fastmath=True, nogil=False)
    def backward(q, k, v, d_out, delta, log_sum, dq, dk, dv, scale, causal):
        # delta: (batch * heads, frames), the sum over D of out * d_out
        n_groups, _, n_frames = q.shape
        for g in prange(n_groups):
            kg = k[g]
            vg = v[g]
            dkg = dk[g]
            dvg = dv[g]
            weights = np.empty(n_frames, np.float32)
            d_scores = np.empty(n_frames, np.float32)
            row = np.empty(D, np.float32)
            d_row = np.empty(D, np.float32)
            for i in range(n_frames):
                n_seen = i + 1 if causal else n_frames
                for c in range(D):
                    row[c] = q[g, c, i] * scale
                    d_row[c] = d_out[g, c, i]
                log_sum_i = log_sum[g, i]
                delta_i = delta[g, i]
                for j in range(n_seen):
                    a = np.float32(0.0)
                    b = np.float32(0.0)
                    for c in range(D):
                        a += row[c] * kg[c, j]
                        b += d_row[c] * vg[c, j]
                    p = _exp2(a - log_sum_i)
                    weights[j] = p
                    d_scores[j] = p * (b - delta_i)
                for c in range(D):
                    a = np.float32(0.0)
                    from_out = d_row[c]
                    from_query = q[g, c, i]
                    for j in range(n_seen):
                        a += d_scores[j] * kg[c, j]
                        dvg[c, j] += weights[j] * from_out
                        dkg[c, j] += d_scores[j] * from_query
                    dq[g, c, i] = a

    return forward, backward


class _FusedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, key, value, scaling, is_causal):
        batch, heads, n_frames, head_size = query.shape
        # frames last and contiguous: the inner loops run over them
        q, k, v = (
            t.transpose(2, 3).to(torch.float32).reshape(batch * heads, head_size, n_frames)
            for t in (query, key, value)
        )
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        out, log_sum = torch.empty_like(q), torch.empty(batch * heads, n_frames)
        ctx.scale = np.float32(scaling * LOG2_E)
        arrays = [t.numpy() for t in (q, k, v, out, log_sum)]
        parallel.run(_kernels(head_size)[0], *arrays, ctx.scale, is_causal)
        ctx.save_for_backward(q, k, v, out, log_sum)
        ctx.scaling, ctx.is_causal = scaling, is_causal
        ctx.shape, ctx.dtype = query.shape, query.dtype
        # (batch, frames, heads, head_size), as every transformers attention function returns
        return out.view(batch, heads, head_size, n_frames).permute(0, 3, 1, 2).to(query.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, d_output):
        q, k, v, out, log_sum = ctx.saved_tensors
        batch, heads, n_frames, head_size = ctx.shape
        d_out = d_output.permute(0, 2, 3, 1).to(torch.float32).reshape(q.shape).contiguous()
        delta = (d_out * out).sum(dim=1)
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        arrays = [t.numpy() for t in (q, k, v, d_out, delta, log_sum, dq, dk, dv)]
        parallel.run(_kernels(head_size)[1], *arrays, ctx.scale, ctx.is_causal)
        dq, dk, dv = (
            t.view(batch, heads, head_size, n_frames).transpose(2, 3).to(ctx.dtype)
            for t in (dq * ctx.scaling, dk * ctx.scaling, dv)
        )
        return dq, dk, dv, None, None


def fused_attention_forward(
    module, query, key, value, attention_mask, dropout=0.0, scaling=None, is_causal=None, **kwargs
):
    """Attention function in the form transformers expects of every implementation.

    Falls back on ``"sdpa"`` for what the loops do not do: a mask, attention dropout (with a
    warning), float64, a device other than the CPU, heads of more than 8 dimensions, or a trace.
    The weights, None in the result, never exist as a whole.
    """
    head_size = query.shape[-1]
    scaling = head_size**-0.5 if scaling is None else scaling
    is_causal = bool(module.is_causal if is_causal is None else is_causal)
    fits_loops = (
        attention_mask is None
        and query.device.type == "cpu"
        and query.dtype != torch.float64
        and query.shape == key.shape
        and head_size <= 8
        and not torch.jit.is_tracing()
    )
    if fits_loops and dropout > 0.0:
        _warn_of_dropout()
    if not fits_loops or dropout > 0.0:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal, **kwargs
        )
    return _apply(query, key, value, scaling, is_causal), None


@torch.compiler.disable
def _apply(*arguments):
    # torch.compile would look into numba's compiled loops; it goes around them instead
    return _FusedAttention.apply(*arguments)


@functools.cache
def _warn_of_dropout():
    warnings.warn(
        "cpu_fused attention has no dropout of attention weights: PyTorch's own, slower attention "
        "is used. With attention_probs_dropout_prob=0 the fast loops run",
        stacklevel=2,
    )


AttentionInterface.register("cpu_fused", fused_attention_forward)
