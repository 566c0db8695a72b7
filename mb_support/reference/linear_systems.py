"""Boundary value problems and slow modes of the grid's generator, and how far to trust them.

Every answer is compared with another that does not come from the elimination: what goes in must
come out again, over edges of the grid that carry no cancellation.
"""

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from .elimination import Elimination
from .grid import DIRECTIONS

#: Two independent routes to one number may differ by this much of it.
TOLERANCE = 1e-6
#: Modes slower than this times the shift of the factorised generator are solved again with a
#: smaller one.
_RESOLVED = 1e-3
_SMALLEST_SHIFT_RATIO = 1e-10
_MOST_WELLS = 20  # whose modes are looked for together
_SMALLEST = 1e-290  # what is less may have lost its digits
_HIGHEST_BARRIER = 650.0  # kT


def ahead(field, direction):
    """The field's values at each node's neighbour in one of `DIRECTIONS`."""
    d_x, d_y = DIRECTIONS[direction]
    return np.roll(field, (-d_x, -d_y), axis=(0, 1))


def boundary_solver(grid, held, onto_boundary):
    """Factorise -L over the active nodes outside `held`, onto which a free node steps at rates
    `onto_boundary`: a function from a right side >= 0, (n_x, n_y), to the solution."""
    free = grid.active & ~held
    factors = Elimination(grid, free, onto_boundary)
    total = onto_boundary + sum(
        np.where(ahead(free, direction), rate, 0) for direction, rate in enumerate(grid.rates)
    )

    def solve(right):
        values = np.zeros(free.shape)
        with np.errstate(all="ignore"):
            values[free] = factors.solve(right[free])
            arriving = sum(
                rate * ahead(values, direction) for direction, rate in enumerate(grid.rates)
            )
            leaving = total * values
            error = np.abs(leaving - arriving - right)[free]
            scale = (leaving + right)[free] + _SMALLEST
        require_agreement(grid, "the two sides of the equation solved", error, 0.0, scale)
        return values

    return solve


def require_agreement(grid, name, first, second, scale=None):
    """`ValueError` unless two routes to a number agree to `TOLERANCE` of it, or of `scale`, or if
    they are too small to tell."""
    with np.errstate(all="ignore"):
        scale = np.abs(second if scale is None else scale)
        agree = (np.abs(first - second) <= TOLERANCE * scale) & (scale >= _SMALLEST)
    if np.all(agree & np.isfinite(scale)):
        return
    potential = grid.potential
    height = potential.highest_pass - potential(potential.minima).min()
    raise ValueError(
        f"beta = {grid.beta:.6g} is too cold for this problem in double precision: {name} do not "
        f"agree to {TOLERANCE:g}. Results can be trusted while no barrier on the way exceeds "
        f"{_HIGHEST_BARRIER:.0f} kT: up to beta = {_HIGHEST_BARRIER / height:.3g} between the deep "
        "minima, and less far from or to higher places"
    )


def slowest_modes(grid, weight, n):
    """The n eigenpairs of the generator nearest zero, without the stationary one.

    Returns minus the eigenvalues, (n,) ascending, and the right eigenfunctions on the active nodes,
    (n, n_active), orthonormal under `weight`, the stationary probability of each node. `ValueError`
    if a rate does not agree with the flow that it stands for.
    """
    root = np.sqrt(np.maximum(weight[grid.active], 1e-290))
    stationary = root / np.linalg.norm(root)

    def inverse_of(shift):
        # sqrt(weight) (shift - L)^-1 / sqrt(weight) is symmetric; the stationary mode is taken out
        factors = Elimination(grid, grid.active, np.full(grid.active.shape, shift))

        def apply(vector):
            vector = vector - stationary * (stationary @ vector)
            result = root * factors.solve(vector / root)
            return result - stationary * (stationary @ result)

        return apply

    shift = 0.1 * grid.diffusion
    apply = inverse_of(shift)
    operator = LinearOperator((len(root), len(root)), matvec=apply, dtype=float)
    # A fixed start, so that two runs agree to the last digit; strong in every well, so that the
    # mode of none is missed.
    lowest_around = np.min([ahead(grid.energy, direction) for direction in range(4)], axis=0)
    is_minimum = (grid.energy <= lowest_around)[grid.active]
    start = np.where(is_minimum, 0.1 * root.max(), root)
    start *= 1 + grid.positions[grid.active].sum(axis=-1)
    # All modes between wells may be lost in the shift together: they are only found together.
    k = max(n, min(is_minimum.sum() - 1, _MOST_WELLS))
    values, vectors = eigsh(operator, k=k, which="LM", v0=start, ncv=min(2 * k + 4, len(root)))
    order = np.argsort(-values)
    rates, vectors = 1 / values[order] - shift, vectors[:, order].T
    # What is far slower than the shift is lost in it. A smaller one shows it, because factors of
    # the shifted generator are right to rounding however close to singular it is.
    while rates[0] < _RESOLVED * shift and shift > _SMALLEST:
        slow = np.flatnonzero(rates < _RESOLVED * shift)
        shift = max(rates[slow[-1]], _SMALLEST_SHIFT_RATIO * shift)
        apply = inverse_of(shift)
        for _ in range(2):
            vectors[slow] = np.linalg.qr(np.array([apply(v) for v in vectors[slow]]).T)[0].T
        images = np.array([apply(v) for v in vectors[slow]])
        values, mixing = np.linalg.eigh(vectors[slow] @ images.T)
        rates[slow] = 1 / values[::-1] - shift
        vectors[slow] = (mixing.T @ images)[::-1] / values[::-1, None]
        vectors[slow] /= np.linalg.norm(vectors[slow], axis=1, keepdims=True)
    rates, fields = rates[:n], vectors[:n] / root
    for rate, field in zip(rates, fields, strict=True):
        by_flow = _rate_by_flow(grid, weight, field)
        require_agreement(grid, "a mode's rate and the flow that it causes", by_flow, rate)
    return rates, fields


def _rate_by_flow(grid, weight, field):
    # -L f = rate f, summed over the nodes where f exceeds half its value where the mode is
    # strongest: what flows out of there is `rate` times what there is, without cancellation.
    values = np.zeros(grid.active.shape)
    values[grid.active] = field
    strongest = values.flat[np.argmax(weight * values**2)]
    values *= np.sign(strongest)
    inside = values > abs(strongest) / 2
    flow = 0.0
    for direction, rate in enumerate(grid.rates):
        leaves = inside & ahead(grid.active & ~inside, direction)
        flow += (weight * rate * (values - ahead(values, direction)))[leaves].sum()
    with np.errstate(invalid="ignore"):
        return flow / (weight * values)[inside].sum()
