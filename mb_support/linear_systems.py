"""Sparse matrices of the grid's generator, and their factorisation."""

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import LinearOperator, eigsh, splu

from .grid import DIRECTIONS


def ahead(field, direction):
    """The field's values at each node's neighbour in one of `DIRECTIONS`."""
    d_x, d_y = DIRECTIONS[direction]
    return np.roll(field, (-d_x, -d_y), axis=(0, 1))


def boundary_solver(grid, held, onto_boundary):
    """Factorise -L over the active nodes outside `held`.

    Parameters
    ----------
    grid : Grid
    held : (n_x, n_y) ndarray of bool
        Nodes whose value is given.
    onto_boundary : (n_x, n_y) ndarray
        Rate at which each free node steps onto the boundary of the held region, 1/time.

    Returns
    -------
    callable
        Takes the right-hand side on the free nodes, (n_free,), and gives the solution there.
    """
    free = grid.active & ~held
    leaving = onto_boundary.copy()
    edges = []
    for direction, joined, row, column in _edges(grid, free):
        rate = grid.rates[direction][joined]
        leaving[joined] += rate
        edges.append((row, column, -rate))
    return _factor(_matrix(edges, leaving[free])).solve


def slowest_modes(grid, weight, n):
    """The n + 1 eigenpairs of the generator nearest zero, the stationary one first.

    Parameters
    ----------
    grid : Grid
    weight : (n_x, n_y) ndarray
        Stationary probability of each node.
    n : int

    Returns
    -------
    rates : (n + 1,) ndarray
        Minus the eigenvalues, ascending.
    vectors : (n + 1, n_active) ndarray
        Right eigenfunctions on the active nodes, orthonormal under `weight`.
    """
    # sqrt(weight) L / sqrt(weight) is symmetric; its off-diagonal entries are sqrt(k_ij k_ji).
    edges = [
        (
            row,
            column,
            np.sqrt(grid.rates[direction] * ahead(grid.rates[direction ^ 1], direction))[joined],
        )
        for direction, joined, row, column in _edges(grid, grid.active)
    ]
    symmetric = _matrix(edges, -grid.rates.sum(axis=0)[grid.active])
    root = np.sqrt(np.maximum(weight[grid.active], 1e-290))
    # Shifted by a tiny positive rate, the matrix is definite and can be factorised.
    shift = 1e-9 * grid.diffusion
    factor = _factor(symmetric - shift * sparse.identity(len(root), format="csc"))
    inverse = LinearOperator(symmetric.shape, matvec=factor.solve, dtype=float)
    # A fixed start, so that two runs agree to the last digit.
    start = root * (1 + grid.positions[grid.active].sum(axis=-1))
    values, vectors = eigsh(symmetric, k=n + 1, sigma=shift, OPinv=inverse, v0=start)
    order = np.argsort(-values)
    return -values[order], vectors[:, order].T / root


def _edges(grid, kept):
    # Every edge between two kept nodes: direction, mask of its first node, both nodes' numbers
    number = np.full(kept.shape, -1)
    number[kept] = np.arange(kept.sum())
    for direction in range(len(DIRECTIONS)):
        there = ahead(number, direction)
        joined = kept & (there >= 0) & (grid.rates[direction] > 0)
        yield direction, joined, number[joined], there[joined]


def _matrix(edges, diagonal):
    size = len(diagonal)
    rows, columns, entries = (np.concatenate(parts) for parts in zip(*edges, strict=True))
    off_diagonal = sparse.coo_matrix((entries, (rows, columns)), shape=(size, size))
    return (off_diagonal + sparse.diags(diagonal)).tocsc()


def _factor(matrix):
    # The pattern is symmetric and the diagonal dominates: no pivoting is needed, and an ordering
    # for symmetric patterns has several times less fill-in than the default.
    return splu(
        matrix,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
