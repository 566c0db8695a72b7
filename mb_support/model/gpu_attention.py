"""Training's attention of tiny heads on a GPU, registered with transformers as ``"gpu_padded"``.

The fast kernels of `torch.nn.functional.scaled_dot_product_attention` take heads of 8 dimensions
and more; smaller ones fall back on a kernel that stores all N x N weights. Heads filled up with
zeros give the same answer: zeros add nothing to a score, and the columns that they add to the
result are cut off again. Scores are computed in bfloat16, as these kernels want it: enough
for training, while predictions are made with PyTorch's own attention in full precision.
"""

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

HEAD_SIZE = 8


def padded_attention_forward(
    module, query, key, value, attention_mask, dropout=0.0, scaling=None, is_causal=None, **kwargs
):
    """Attention function in the form transformers expects of every implementation."""
    head_size, dtype = query.shape[-1], query.dtype
    scaling = head_size**-0.5 if scaling is None else scaling
    if attention_mask is None and query.is_cuda and head_size < HEAD_SIZE:
        query, key, value = (
            functional.pad(t, (0, HEAD_SIZE - head_size)).to(torch.bfloat16)
            for t in (query, key, value)
        )
    out, _ = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout, scaling, is_causal, **kwargs
    )
    return out[..., :head_size].to(dtype), None


AttentionInterface.register("gpu_padded", padded_attention_forward)
