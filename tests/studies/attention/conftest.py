"""A small model, and trajectories that visit both states."""

import pytest
from tiny_models import make_model, visits


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def trajectories():
    return visits(53)
