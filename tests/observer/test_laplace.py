"""Laplace's approximation of log posteriors of which everything is known."""

import numpy as np
import pytest

from mb_support.observer import laplace

COVARIANCE = np.array([[0.04, 0.01, 0.0], [0.01, 0.02, -0.003], [0.0, -0.003, 0.05]])
MODE = np.array([0.3, -1.2, 0.7])


def normal(points):
    offset = points - MODE
    return 5.0 - 0.5 * np.einsum("ni,ij,nj->n", offset, np.linalg.inv(COVARIANCE), offset)


def test_the_covariance_of_a_normal_distribution_is_its_own_everywhere():
    for point in (MODE, MODE + 0.4):
        found = laplace.covariance(normal, point, widest=10.0)
        np.testing.assert_allclose(found, COVARIANCE, atol=1e-6)


def test_value_and_slope_are_those_of_the_function():
    point = MODE + np.array([0.1, -0.2, 0.05])
    value, slope = laplace.value_and_slope(normal, point)
    assert value == normal(point[None])[0]
    np.testing.assert_allclose(slope, np.linalg.solve(COVARIANCE, MODE - point), rtol=1e-6)


def test_with_its_slope_the_covariance_leads_to_the_mode_in_one_step():
    point = MODE + 0.2
    step = laplace.covariance(normal, point, 10.0) @ laplace.value_and_slope(normal, point)[1]
    np.testing.assert_allclose(point + step, MODE, atol=1e-5)


@pytest.mark.parametrize("bend", [0.0, 1.0])
def test_directions_that_are_flat_or_rise_get_the_widest_deviation(bend):
    def ridge(points):
        return -0.5 * points[:, 0] ** 2 / 0.01 + bend * points[:, 1] ** 2

    found = laplace.covariance(ridge, np.zeros(2), widest=0.3)
    np.testing.assert_allclose(found, np.diag([0.01, 0.09]), atol=1e-6)


def test_all_points_are_asked_for_in_one_call():
    calls = []

    def counted(points):
        calls.append(len(points))
        return normal(points)

    laplace.value_and_slope(counted, MODE)
    laplace.covariance(counted, MODE, 10.0)
    assert calls == [1 + 2 * 3, 4 * 6]
