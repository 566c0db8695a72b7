"""States are basins of steepest descent: exact near the separatrix, deterministic, loud."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mb_support.potential import MINIMA, SADDLES, force
from mb_support.states import assign_states, separatrix_height


def descend(point):
    """Number of the minimum that steepest descent leads to, by an adaptive integrator."""
    path = solve_ivp(
        lambda t, p: force(p), (0, 0.15), point, method="LSODA", rtol=1e-10, atol=1e-12,
        first_step=1e-6,
    )  # fmt: skip
    return int(np.argmin(np.linalg.norm(MINIMA - path.y[:, -1], axis=1)))


def test_minima_have_their_states_and_the_shallow_one_belongs_to_b():
    assert assign_states(MINIMA).tolist() == [0, 1, 1]
    assert assign_states(MINIMA).dtype == np.int64


def test_second_saddle_lies_inside_b():
    assert assign_states(SADDLES[1] + [[1e-3, 0], [-1e-3, 0]]).tolist() == [1, 1]


def test_states_agree_with_steepest_descent_everywhere():
    points = np.random.default_rng(1).uniform([-1.5, -0.2], [1.2, 2.0], (60, 2))
    assert assign_states(points).tolist() == [min(descend(p), 1) for p in points]


@pytest.mark.parametrize("distance", [1e-4, 1e-7])
def test_states_agree_with_steepest_descent_beside_the_separatrix(distance):
    x = np.linspace(-1.5, 1.2, 15)
    above = np.stack([x, separatrix_height(x) + distance], axis=-1)
    below = np.stack([x, separatrix_height(x) - distance], axis=-1)
    assert [descend(p) for p in above] == [0] * len(x)
    assert 0 not in [descend(p) for p in below]
    assert (assign_states(above) == 0).all() and (assign_states(below) == 1).all()


def test_state_of_a_point_does_not_depend_on_its_company_or_shape():
    points = np.random.default_rng(2).uniform([-1.5, -0.2], [1.2, 2.0], (4, 5, 2))
    states = assign_states(points)
    assert states.shape == (4, 5)
    alone = [assign_states(p) for p in points.reshape(-1, 2)]
    assert states.ravel().tolist() == [int(s) for s in alone]


def test_million_points_in_chunks_equal_the_same_points_one_by_one():
    points = np.random.default_rng(3).uniform([-1.5, -0.2], [1.2, 2.0], (1_000_000, 2))
    states = assign_states(points)
    np.testing.assert_array_equal(states[::9973], assign_states(points[::9973]))


def test_far_points_have_a_state():
    assert assign_states([[-9.0, 9.0], [9.0, -9.0]]).tolist() == [0, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match=r"positions must be finite.*\[1\]"):
        assign_states([[0.0, 0.0], [bad, 0.0]])


@pytest.mark.parametrize("shape", [(), (3,), (4, 3)])
def test_points_of_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match="positions must have shape"):
        assign_states(np.zeros(shape))
