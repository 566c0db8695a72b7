"""Sums over attention weights that never store them: a loop over queries and keys.

The weights of the large model on one trajectory of 1000 frames are 24 x 12 matrices of a million
entries, 1.1 GB. Everything the attention chapter measures is a sum over such a matrix, so the
loop computes one row at a time, adds it to the sums and forgets it.
"""

import functools

import numpy as np
from numba import njit, prange

from .cpu_attention import LOG2_E, _exp2

#: Queries are dealt to this many shares, whatever the number of threads: same sums everywhere.
N_SHARES = 8


@functools.cache
def _loop(head_size):
    D = head_size

    @njit(parallel=True, fastmath=True, error_model="numpy", cache=True)
    def reduce(q, k, states, scale, section, received, difference, in_section, scalars, mean_map):
        n_heads, _, n_frames = q.shape
        n_shares = received.shape[0]
        for share in prange(n_shares):
            weights = np.empty(n_frames, np.float32)
            row = np.empty(D, np.float32)
            for i in range(share, n_frames, n_shares):
                for h in range(n_heads):
                    for c in range(D):
                        row[c] = q[h, c, i] * scale
                    largest = np.float32(-np.inf)
                    for j in range(n_frames):
                        a = np.float32(0.0)
                        for c in range(D):
                            a += row[c] * k[h, c, j]
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
                    state = states[i]
                    start = n_frames - 1 - i
                    for j in range(n_frames):
                        p = weights[j] * inverse
                        received[share, h, j] += p
                        difference[share, h, start + j] += p
                        mean_map[i, j] += p
                        squares += p * p
                        same += p if states[j] == state else np.float32(0.0)
                    first = (i // section) * section
                    for j in range(first, min(first + section, n_frames)):
                        in_section[share, h, section - 1 + j - i] += weights[j] * inverse
                    # entropy in nats: -sum p log p, with log2 p = score - log2 total
                    scalars[share, h, 0] += np.log(total) - dot * inverse / np.float32(LOG2_E)
                    scalars[share, h, 1] += squares
                    scalars[share, h, 2] += same

    return reduce


def reduce_attention(query, key, states, section, mean_map):
    """Sums over the attention weights of one layer on one trajectory.

    Parameters
    ----------
    query, key : (heads, n_frames, head_size) Tensor of float32
        The weights are softmax(query key^T / sqrt(head_size)) over keys.
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
    scalars : (heads, 3) ndarray of float64
        Sums over queries of the row's entropy in nats, of its sum of squared weights, and of its
        weight on keys in the query's own state.
    """
    heads, n_frames, head_size = query.shape
    q, k = (np.ascontiguousarray(t.float().transpose(1, 2).numpy()) for t in (query, key))
    sums = [
        np.zeros((N_SHARES, heads, length), np.float32)
        for length in (n_frames, 2 * n_frames - 1, 2 * section - 1, 3)
    ]
    scale = np.float32(head_size**-0.5 * LOG2_E)
    _loop(head_size)(q, k, np.asarray(states, np.int32), scale, section, *sums, mean_map)
    return tuple(array.sum(axis=0, dtype=np.float64) for array in sums)
