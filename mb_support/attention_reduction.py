"""Sums over attention weights that never store them: a loop over queries and keys.

The weights of the large model on one trajectory of 511 frames are 24 x 12 matrices of a quarter
of a million entries, 300 MB. Everything the attention chapter measures is a sum over such a
matrix, so the loop computes one row at a time, adds it to the sums and forgets it.
"""

import functools

import numpy as np
from numba import prange

from . import parallel
from .compiled import compiled
from .cpu_attention import LOG2_E, _exp2

#: Queries are dealt to this many shares, whatever the number of threads: same sums everywhere.
N_SHARES = 8
#: What the loop adds up for each head, over queries, beside the profiles.
SCALARS = (
    "entropy",  # of the row, in nats
    "squares",  # of the weights
    "own_state",  # weight on keys in the query's state
    "norm_own_state",  # the same, each weight times the norm of what is read
    "norm_own_section",  # as before, keys in the query's sub-section
    "norm_past",  # keys before the query
    "norm_future",  # keys after the query
)


@functools.cache
def _loop(head_size):
    D = head_size

    @compiled(parallel=True, fastmath=True, nogil=False)
    def reduce(
        q, k, norms, states, scale, section, received, difference, in_section, scalars, mean_map
    ):
        n_heads, _, n_frames = q.shape
        n_shares = received.shape[0]
        for share in prange(n_shares):
            weights = np.empty(n_frames, np.float32)
            row = np.empty(D, np.float32)
            for i in range(share, n_frames, n_shares):
                state = states[i]
                start = n_frames - 1 - i
                first = (i // section) * section
                last = min(first + section, n_frames)
                map_row = mean_map[i]
                for h in range(n_heads):
                    for c in range(D):
                        row[c] = q[h, c, i] * scale
                    kh = k[h]
                    largest = np.float32(-np.inf)
                    for j in range(n_frames):
                        a = np.float32(0.0)
                        for c in range(D):
                            a += row[c] * kh[c, j]
                        weights[j] = a
                        largest = max(largest, a)
                    total = np.float32(0.0)
                    dot = np.float32(0.0)
                    for j in range(n_frames):
                        a = weights[j] - largest
                        p = _exp2(a)
                        weights[j] = p
                        total += p
                        dot += p * max(a, np.float32(-64.0))
                    inverse = np.float32(1.0) / total
                    squares = np.float32(0.0)
                    same = np.float32(0.0)
                    for j in range(n_frames):
                        p = weights[j] * inverse
                        weights[j] = p
                        squares += p * p
                        same += p if states[j] == state else np.float32(0.0)
                    sums = received[share, h]
                    for j in range(n_frames):
                        sums[j] += weights[j]
                    sums = difference[share, h, start : start + n_frames]
                    for j in range(n_frames):
                        sums[j] += weights[j]
                    for j in range(n_frames):
                        map_row[j] += weights[j]
                    sums = in_section[share, h]
                    for j in range(first, last):
                        sums[section - 1 + j - i] += weights[j]
                    past = np.float32(0.0)
                    future = np.float32(0.0)
                    norm_same = np.float32(0.0)
                    norm_section = np.float32(0.0)
                    norm = norms[h]
                    for j in range(n_frames):
                        p = weights[j] * norm[j]
                        weights[j] = p
                        norm_same += p if states[j] == state else np.float32(0.0)
                    for j in range(i):
                        past += weights[j]
                    for j in range(i + 1, n_frames):
                        future += weights[j]
                    for j in range(first, last):
                        norm_section += weights[j]
                    # entropy in nats: -sum p log p, with log2 p = score - log2 total
                    sums = scalars[share, h]
                    sums[0] += np.log(total) - dot * inverse / np.float32(LOG2_E)
                    sums[1] += squares
                    sums[2] += same
                    sums[3] += norm_same
                    sums[4] += norm_section
                    sums[5] += past
                    sums[6] += future

    return reduce


def reduce_attention(query, key, norms, states, section, mean_map):
    """Sums over the attention weights of one layer on one trajectory.

    Parameters
    ----------
    query, key : (heads, n_frames, head_size) Tensor of float32
        The weights are softmax(query key^T / sqrt(head_size)) over keys.
    norms : (heads, n_frames) ndarray of float32
        Norm of what a head reads from each key; see `attention.AttentionSummary`.
    states : (n_frames,) ndarray of int
        State of each frame.
    section : int
        Length of the sub-sections, frames.
    mean_map : (n_frames, n_frames) ndarray of float32
        The weights, summed over heads, are added to it.

    Returns
    -------
    received : (heads, n_frames) ndarray of float64
        Weight on each key, summed over queries.
    difference : (heads, 2 n_frames - 1) ndarray of float64
        Weight at each time difference key - query, from -(n_frames - 1), summed over pairs.
    in_section : (heads, 2 section - 1) ndarray of float64
        The same over pairs in the same sub-section.
    scalars : (heads, len(SCALARS)) ndarray of float64
        Sums over queries of the quantities named in `SCALARS`.
    """
    heads, n_frames, head_size = query.shape
    q, k = (np.ascontiguousarray(t.float().transpose(1, 2).numpy()) for t in (query, key))
    sums = [
        np.zeros((N_SHARES, heads, length), np.float32)
        for length in (n_frames, 2 * n_frames - 1, 2 * section - 1, len(SCALARS))
    ]
    scale = np.float32(head_size**-0.5 * LOG2_E)
    norms = np.ascontiguousarray(norms, np.float32)
    states = np.asarray(states, np.int32)
    parallel.run(_loop(head_size), q, k, norms, states, scale, section, *sums, mean_map)
    return tuple(array.sum(axis=0, dtype=np.float64) for array in sums)
