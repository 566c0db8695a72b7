"""Sparse elimination of a Markov chain on a grid without a single subtraction.

At low temperature the rate of leaving a well is 1e-20 of the rates inside it. An ordinary
factorisation forms it as the difference of numbers of order one, and loses it. Here the diagonal is
never stored: a node's total rate is the sum of the rates that leave it, and eliminating a node adds
to the rates between its neighbours what goes through it (W. K. Grassmann, M. I. Taksar and
D. P. Heyman, Oper. Res. 33, 1107 (1985)). Sums and products of positive numbers keep their digits:
the solution for a positive right side is right to rounding in *every* entry, Kramers times of 1e200
as well as probabilities of 1e-200. At ordinary temperatures it is as fast as a sparse LU.

Nodes are eliminated along nested dissections of the grid (A. George, SIAM J. Numer. Anal. 10, 345
(1973)), each separator as a dense block (I. S. Duff and J. K. Reid, ACM Trans. Math. Softw. 9, 302
(1983)): n^(3/2) operations for n nodes.
"""

import numpy as np

from ..compiled import compiled
from .grid import DIRECTIONS

_LEAF = 4  # longest side of a box that is eliminated as a whole
_PANEL = 8  # nodes whose contributions to the rest of a block are added in one sweep


class Elimination:
    """The factorised generator of a chain on the nodes `kept`, (n_x, n_y), left at rates `leaving`
    >= 0: from every node one must be able to get to where it is positive."""

    def __init__(self, grid, kept, leaving):
        self._number, self._last, keys = _dissected(kept, grid.potential.periodic)
        number = np.full(kept.shape, -1)
        number[kept] = self._number
        n = len(self._number)
        neighbour, rate = np.empty((n, 4), dtype=np.int64), np.empty((n, 4))
        for direction, step in enumerate(DIRECTIONS):
            there = np.roll(number, (-step[0], -step[1]), axis=(0, 1))
            neighbour[self._number, direction] = there[kept]
            rate[self._number, direction] = grid.rates[direction][kept]
        excess = np.empty(n)
        excess[self._number] = leaving[kept]
        self._first, self._border, sizes = _borders(neighbour, self._last, keys)
        self._widest = sizes[0]
        self._factors = _eliminate(
            neighbour, rate, excess, self._last, keys, self._first, self._border, sizes
        )

    def solve(self, right):
        """Solve -L u = `right`, (n_kept,), in the order of `kept`'s nodes."""
        ordered = np.empty(len(right))
        ordered[self._number] = right
        _substitute(*self._factors, self._last, self._first, self._border, self._widest, ordered)
        return ordered[self._number]


def _bisected(n, is_ring):
    # (levels, n) digits: in which half of its piece an index lies, 0 or 1, or 2 if the cut is there
    levels, pieces = [], [(0, n)]
    if is_ring:  # cut open where its ends meet
        levels, pieces = [np.where(np.arange(n) == 0, 2, 0)], [(1, n)]
    while any(stop - start > _LEAF for start, stop in pieces):
        digits, smaller = np.zeros(n, dtype=np.int64), []
        for start, stop in pieces:
            if stop - start <= _LEAF:
                smaller.append((start, stop))
                continue
            cut = (start + stop) // 2
            digits[cut], digits[cut + 1 : stop] = 2, 1
            smaller += [(start, cut), (cut + 1, stop)]
        levels.append(digits)
        pieces = smaller
    return levels


def _dissected(kept, is_torus=False):
    """Order of elimination: the place of each kept node, (n,), where each part ends, and the way to
    it, two binary digits for each cut, ascending."""
    along = [_bisected(n, is_torus) for n in kept.shape]
    key, is_cut = np.zeros(kept.shape, dtype=np.int64), np.zeros(kept.shape, dtype=bool)
    for level in range(max(map(len, along))):
        for axis, levels in enumerate(along):
            if level < len(levels):
                digits = np.expand_dims(levels[level], 1 - axis)
                key = 4 * key + np.where(is_cut, 0, digits)
                is_cut |= digits == 2
    # A box, and not a cut, ends in 1: the last digit other than 0 tells where a part begins.
    key = 4 * key + ~is_cut
    order = np.argsort(key[kept], kind="stable")
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    keys, counts = np.unique(key[kept], return_counts=True)
    return number, np.cumsum(counts), keys


@compiled
def _borders(neighbour, last, keys):
    # Nodes outside each part that its elimination joins: border[first[t]:first[t + 1]], ascending.
    # And sizes: of the widest block, of the pile of blocks that wait, of all factors.
    n, n_parts = len(neighbour), len(last)
    first = np.zeros(n_parts + 1, np.int64)
    border = np.empty(8 * n + 64, np.int64)
    seen_by = np.full(n, -1, np.int64)
    waiting = np.empty(n_parts, np.int64)
    n_waiting, filled, pile = 0, 0, 0
    sizes = np.zeros(3, np.int64)
    for t in range(n_parts):
        begin, end = (last[t - 1] if t > 0 else 0), last[t]
        base = keys[t] - (keys[t] & -keys[t])
        n_inner = 0
        room = filled + 4 * (end - begin)
        while n_waiting > n_inner and keys[waiting[n_waiting - 1 - n_inner]] >= base:
            inner = waiting[n_waiting - 1 - n_inner]
            room += first[inner + 1] - first[inner]
            n_inner += 1
        if room > len(border):
            larger = np.empty(2 * room, np.int64)
            larger[:filled] = border[:filled]
            border = larger
        for k in range(n_inner):
            inner = waiting[n_waiting - 1 - k]
            pile -= (first[inner + 1] - first[inner]) ** 2
            for p in range(first[inner], first[inner + 1]):
                v = border[p]
                if v >= end and seen_by[v] != t:
                    seen_by[v] = t
                    border[filled] = v
                    filled += 1
        for u in range(begin, end):
            for direction in range(4):
                v = neighbour[u, direction]
                if v >= end and seen_by[v] != t:
                    seen_by[v] = t
                    border[filled] = v
                    filled += 1
        border[first[t] : filled] = np.sort(border[first[t] : filled])
        first[t + 1] = filled
        n_waiting += 1 - n_inner
        waiting[n_waiting - 1] = t
        width = filled - first[t]
        pile += width * width
        sizes[0] = max(sizes[0], end - begin + width)
        sizes[1] = max(sizes[1], pile)
        sizes[2] += (end - begin) * width + (end - begin) * (end - begin - 1) // 2
    return first, border[:filled].copy(), sizes


@compiled
def _eliminate(neighbour, rate, excess, last, keys, first, border, sizes):
    # For each part, rows of rates that leave its nodes and columns of shares that arrive there;
    # and for each node the total rate of leaving it.
    n, n_parts = len(neighbour), len(last)
    rows, columns, total = np.empty(sizes[2]), np.empty(sizes[2]), np.empty(n)
    workspace, pile = np.empty(sizes[0] * sizes[0]), np.empty(sizes[1])
    place = np.empty(n, np.int64)  # of a node in the block at hand
    names = np.empty(sizes[0], np.int64)  # of the nodes in the block
    waiting = np.empty(n_parts, np.int64)
    n_waiting, height, at = 0, 0, 0
    for t in range(n_parts):
        begin, end = (last[t - 1] if t > 0 else 0), last[t]
        n_own, width = end - begin, first[t + 1] - first[t]
        size = n_own + width
        block = workspace[: size * size].reshape(size, size)
        block[:] = 0.0
        for k in range(size):
            names[k] = begin + k if k < n_own else border[first[t] + k - n_own]
            place[names[k]] = k
        for k in range(n_own):
            for direction in range(4):
                v = neighbour[begin + k, direction]
                if v >= begin:
                    block[k, place[v]] = rate[begin + k, direction]
                    if v >= end:
                        block[place[v], k] = rate[v, direction ^ 1]
        base = keys[t] - (keys[t] & -keys[t])
        while n_waiting > 0 and keys[waiting[n_waiting - 1]] >= base:
            n_waiting -= 1
            inner = waiting[n_waiting]
            length = first[inner + 1] - first[inner]
            height -= length * length
            _add_block(
                block,
                pile[height : height + length * length].reshape(length, length),
                place,
                border[first[inner] : first[inner + 1]],
            )
        _eliminate_block(block, n_own, names, excess, total)
        for k in range(n_own):
            length = size - k - 1
            rows[at : at + length] = block[k, k + 1 :]
            columns[at : at + length] = block[k + 1 :, k]
            at += length
        pile[height : height + width * width].reshape(width, width)[:] = block[n_own:, n_own:]
        height += width * width
        waiting[n_waiting] = t
        n_waiting += 1
    return rows, columns, total


@compiled
def _add_block(block, part, place, names):
    for i in range(len(names)):
        row, part_row = block[place[names[i]]], part[i]
        for j in range(len(names)):
            row[place[names[j]]] += part_row[j]


@compiled
def _eliminate_block(block, n_own, names, excess, total):
    # The diagonal is never read: what returns to a node before it leaves does not count.
    size = len(block)
    for start in range(0, n_own, _PANEL):
        stop = min(start + _PANEL, n_own)
        for k in range(start, stop):
            u, row = names[k], block[k]
            leaving = excess[u]
            for j in range(k + 1, size):
                leaving += row[j]
            total[u] = leaving
            inverse = 1 / leaving
            for i in range(k + 1, size):
                if block[i, k] > 0:
                    share = block[i, k] * inverse
                    block[i, k] = share
                    excess[names[i]] += share * excess[u]
                    end = size if i < stop else stop
                    through, target = row[k + 1 : end], block[i, k + 1 : end]
                    for j in range(len(target)):
                        target[j] += share * through[j]
        if stop - start == _PANEL:
            _add_panel(block, start)
        else:
            for i in range(stop, size):
                for k in range(start, stop):
                    share, through, target = (block[i, k], block[k, stop:], block[i, stop:])
                    for j in range(len(target)):
                        target[j] += share * through[j]


@compiled
def _add_panel(block, k):
    # Eight rows at a time: the rest of the block passes through the cache once.
    size = len(block)
    stop = k + 8
    p0, p1, p2, p3 = (
        block[k, stop:],
        block[k + 1, stop:],
        block[k + 2, stop:],
        block[k + 3, stop:],
    )
    p4, p5 = block[k + 4, stop:], block[k + 5, stop:]
    p6, p7 = block[k + 6, stop:], block[k + 7, stop:]
    for i in range(stop, size):
        target, s = block[i, stop:], block[i, k:stop]
        s0, s1, s2, s3, s4, s5, s6, s7 = s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
        for j in range(len(target)):
            target[j] += (
                s0 * p0[j]
                + s1 * p1[j]
                + s2 * p2[j]
                + s3 * p3[j]
                + s4 * p4[j]
                + s5 * p5[j]
                + s6 * p6[j]
                + s7 * p7[j]
            )


@compiled
def _substitute(rows, columns, total, last, first, border, widest, x):
    # In place: right side to solution.
    n_parts, at = len(last), 0
    local = np.empty(widest)
    for t in range(n_parts):
        begin, end = (last[t - 1] if t > 0 else 0), last[t]
        n_own, width = end - begin, first[t + 1] - first[t]
        local[:n_own] = x[begin:end]
        local[n_own : n_own + width] = 0.0
        for k in range(n_own):
            later, value = local[k + 1 : n_own + width], local[k]
            column = columns[at : at + len(later)]
            for j in range(len(later)):
                later[j] += column[j] * value
            at += len(later)
        x[begin:end] = local[:n_own]
        for k in range(width):
            x[border[first[t] + k]] += local[n_own + k]
    for t in range(n_parts - 1, -1, -1):
        begin, end = (last[t - 1] if t > 0 else 0), last[t]
        n_own, width = end - begin, first[t + 1] - first[t]
        local[:n_own] = x[begin:end]
        for k in range(width):
            local[n_own + k] = x[border[first[t] + k]]
        for k in range(n_own - 1, -1, -1):
            later, value = local[k + 1 : n_own + width], local[k]
            at -= len(later)
            row = rows[at : at + len(later)]
            for j in range(len(later)):
                value += row[j] * later[j]
            local[k] = value / total[begin + k]
        x[begin:end] = local[:n_own]
