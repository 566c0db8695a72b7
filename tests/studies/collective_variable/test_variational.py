"""The committor by its variational principle, where the answer is known."""

import json

import numpy as np
import pytest
from scipy.integrate import quad

from mb_support.potential import SADDLES, potential
from mb_support.reference import GridSolver
from mb_support.states import DISK_A, DISK_B
from mb_support.studies.collective_variable import variational

ENDS = ((-1.0,), 0.1), ((1.0,), 0.1)  # of a double well
BETA = 4.0


def double_well(positions):
    return (positions[..., 0] ** 2 - 1) ** 2


@pytest.fixture(scope="module")
def network():
    settings = variational.VariationalSettings(n_points=512, n_steps=120, width=8)
    box = ((-2.0,), (2.0,))
    return variational.learn_committor(double_well, box, ENDS, BETA, 1.0, settings, seed=0)


def test_a_double_well_has_the_committor_that_integration_gives(network):
    x = np.linspace(-0.9, 0.9, 19)
    rise = [quad(lambda y: np.exp(BETA * (y**2 - 1) ** 2), -0.9, end)[0] for end in x]
    np.testing.assert_allclose(network.predict(x[:, None]), np.array(rise) / rise[-1], atol=0.01)


def test_ends_are_kept_exactly(network):
    np.testing.assert_allclose(network.predict(np.array([[-1.05], [0.95]])), [0, 1], atol=1e-7)


def test_importance_samples_give_boltzmann_averages():
    box, barrier = variational.BOX, potential(SADDLES).max()
    points, weights = variational.importance_sample(
        potential, box, (DISK_A, DISK_B), 1 / 30, barrier, 2**13, seed=1
    )
    solver = GridSolver(1 / 30, 1.0, 0.04)
    outside = np.ones(solver.shape)
    for centre, radius in (DISK_A, DISK_B):
        outside *= np.square(solver.positions - centre).sum(axis=-1) > radius**2
    exact = solver.average(solver.positions[..., 1], outside * solver.stationary_density())
    assert np.average(points[:, 1], weights=weights) == pytest.approx(exact, abs=0.01)


def test_errors_of_known_size():
    exact = np.array([[0.0, 0.5], [0.5, 1.0]])
    found = variational.committor_errors(exact + [[0.3, 0.1], [-0.2, 0.3]], exact, np.ones((2, 2)))
    assert found["boltzmann"]["mae"] == pytest.approx(0.225)
    for weight in ("transition", "reactive"):  # the ends have no part in them
        assert found[weight]["mae"] == pytest.approx(0.15)
        assert found[weight]["rmse"] == pytest.approx(np.sqrt(0.025))


def test_a_part_is_kept_with_its_settings_and_made_once(tmp_path, capsys):
    settings = variational.VariationalSettings(
        seeds=2, n_points=256, n_steps=3, width=4, grid_step=0.08
    )
    make = variational.parts(settings, tmp_path)["variational-20"]
    assert make() and not make()
    kept = json.loads((tmp_path / "variational-20.json").read_text())
    assert kept["temperature"] == 20 and len(kept["errors"]) == 2
    assert np.shape(kept["field"]) == np.shape(kept["exact_field"])
    seen, exact = variational.fields(kept)
    assert (np.isnan(seen) == np.isnan(exact)).all() and 0 < np.isnan(seen).mean() < 0.5
    found = variational.findings(dict.fromkeys((10, 15, 20, 30), kept))
    assert found["below_published"].endswith(" of 6") and found["n_points"] == 256
    table = variational.table({20: kept})
    assert table.loc[20, "MAE, tensor train"] == variational.PUBLISHED[20][0]
